"""The people of the tests: one of each role, two clients with different advisors, and a deputy."""

import gc
import os
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db.backends.base.operations import BaseDatabaseOperations
from django.utils import timezone, translation

from advisor.append_only import GUARDED, OPERATIONS, ensure_guards, guard_name
from identity.models import User
from identity.roles import STAFF_ROLES, Role
from identity.services import give_role, sync_roles

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items):
    """Real data lies beside the project. Where it is absent these tests skip and say so; in CI they fail instead."""
    if REAL_DATA.is_dir() or os.environ.get("CI"):
        return
    for item in items:
        if item.get_closest_marker("real_data"):
            item.add_marker(pytest.mark.skip(reason=f"real data sets are not at {REAL_DATA}"))


def pytest_collectstart():
    """A third of the time of the imports went into looking for garbage among what stays to the end."""
    gc.disable()


def pytest_collection_finish():
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _fresh_start():
    """Neither the cache nor the language of an earlier test's request."""
    cache.clear()
    translation.deactivate()


@pytest.fixture(scope="session", autouse=True)
def _flush_may_empty_the_record():
    """A test that commits is followed by a flush of every table, also of those whose triggers refuse it."""
    plain = BaseDatabaseOperations.execute_sql_flush

    def flush(operations, statements):
        using = operations.connection.alias
        if operations.connection.vendor == "postgresql":
            plain(operations, ["SET LOCAL session_replication_role = replica;", *statements])
            return
        with operations.connection.cursor() as cursor:
            for table in GUARDED:
                for operation in OPERATIONS["sqlite"]:
                    cursor.execute(f"DROP TRIGGER IF EXISTS {guard_name(table, operation)}")
        plain(operations, statements)
        ensure_guards(using)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", flush)
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Permissions are there from the migrations on, and so are the roles that hold them: once, not for every test."""
    with django_db_blocker.unblock():
        sync_roles()


@pytest.fixture
def roles(db):
    """The roles, made again where a test that commits has emptied the tables."""
    if not Group.objects.exists():
        sync_roles()


def make_user(name: str, *roles: Role) -> User:
    user = User.objects.create_user(email=f"{name}@example.com", password="correct horse", name=name.title(), language="en")
    for role in roles:
        give_role(user=user, role=role)
    return user


def make_users(**roles: Role) -> dict[str, User]:
    """What `make_user` makes, in a few queries."""
    password = make_password("correct horse")
    users = [
        User(email=f"{name}@example.com", name=name.title(), language="en", is_staff=role in STAFF_ROLES, password=password)
        for name, role in roles.items()
    ]
    groups = {group.name: group.pk for group in Group.objects.all()}
    made = User.objects.bulk_create(users)
    held = User.groups.through
    held.objects.bulk_create(held(user_id=user.pk, group_id=groups[role]) for user, role in zip(made, roles.values(), strict=True))
    return dict(zip(roles, made, strict=True))


@pytest.fixture
def people(roles):
    """anna and ben are investors of different households; ada advises anna, bob advises ben, cora covers for ada."""
    from advisor.models import Branch, Cover, Household, Investor, StaffMember

    north, south = Branch.objects.create(name="North"), Branch.objects.create(name="South")
    users = make_users(
        ada=Role.ADVISOR, bob=Role.ADVISOR, cora=Role.ADVISOR, sue=Role.SUPERVISOR, mark=Role.MARKETER, adam=Role.ADMIN,
        anna=Role.INVESTOR, ben=Role.INVESTOR,
    )  # fmt: skip
    staff = {name: user for name, user in users.items() if name not in ("anna", "ben")}
    for name, branch in [("ada", north), ("bob", south), ("cora", south), ("sue", north)]:
        StaffMember.objects.create(user=staff[name], branch=branch)
    today = timezone.localdate()
    Cover.objects.create(
        advisor=staff["ada"], deputy=staff["cora"], start_date=today - timedelta(days=1), end_date=today + timedelta(days=7)
    )
    investors = {}
    for name, branch, advisor in [("anna", north, "ada"), ("ben", south, "bob")]:
        household = Household.objects.create(name=f"{name.title()}'s", branch=branch, primary_advisor=staff[advisor])
        investors[name] = Investor.objects.create(user=users[name], household=household, pseudonym=f"P-{name}")
    return SimpleNamespace(
        **staff, anna=investors["anna"].user, ben=investors["ben"].user, anna_investor=investors["anna"], ben_investor=investors["ben"]
    )
