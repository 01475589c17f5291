"""Roles are data: what roles.py says is what the database holds, and a check says when it does not."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.checks import run_checks
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from identity.roles import Role
from identity.services import declared_permissions, stored_permissions, sync_roles
from tests.conftest import make_user


def findings():
    return [found.id for found in run_checks(databases=["default"]) if found.id == "identity.E001"]


def test_the_database_holds_what_the_code_says(roles):
    assert stored_permissions() == declared_permissions()
    assert findings() == []


def test_syncing_again_changes_nothing(roles):
    assert sync_roles() == []


def test_a_drift_is_found_and_mended(roles):
    Group.objects.get(name=Role.MARKETER).permissions.add(Permission.objects.get(codename="view_fund"))
    assert findings() == ["identity.E001"]
    assert sync_roles() == [Role.MARKETER]
    assert findings() == []


def test_a_drift_does_not_stop_the_migrations_that_explain_it(roles):
    Group.objects.get(name=Role.MARKETER).permissions.add(Permission.objects.get(codename="view_fund"))
    MigrationRecorder(connection).record_unapplied("demo", "0003_events")
    assert findings() == []


def test_every_role_is_a_group(roles):
    assert set(Group.objects.values_list("name", flat=True)) == {str(role) for role in Role}


@pytest.mark.parametrize("role", list(Role))
def test_no_role_may_touch_a_clients_rows_by_a_stock_permission(roles, role):
    persons = {
        "account", "assessment", "clearance", "consent", "goal", "goalevent", "household", "investor", "levelchange", "override",
        "overrideevent", "proposal", "proposalevent", "task", "delivery", "event", "inboxmessage", "profile", "suggestion", "order",
        "holding", "ledgerentry", "portfolio", "acquisition", "anonymousidentity", "dataaccess", "dormancychange", "erasurerequest",
        "reactivation", "tagchange", "tagwords",
    }  # fmt: skip
    held = {name.split(".")[1].split("_", 1)[1] for name in declared_permissions()[role]}
    assert held & persons == set()


def test_an_administrator_reads_and_changes_nothing(roles):
    held = declared_permissions()[Role.ADMIN]
    # Besides reading, what it asks for on pages of its own, each an action and no form.
    jobs = {"change_apikey", "add_backtest", "add_importrun", "add_modelset", "add_screenrun", "change_quarantinedhistory"}
    others = {name.split(".")[1] for name in held} - jobs
    assert others
    assert {name.split("_", 1)[0] for name in others} == {"view"}


@pytest.mark.parametrize(
    ("role", "is_staff"),
    [(Role.INVESTOR, False), (Role.ADVISOR, True), (Role.MARKETER, True), (Role.SUPERVISOR, True), (Role.ADMIN, True)],
)
def test_staff_roles_make_staff(roles, role, is_staff):
    user = make_user("somebody", role)
    assert (user.is_staff, user.has_role(role)) == (is_staff, True)


def test_an_inactive_person_has_no_role(roles):
    user = make_user("somebody", Role.ADMIN)
    user.is_active = False
    assert user.role_names == frozenset()
