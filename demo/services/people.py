"""Simulated people in the database: staff, households, investors, what they agreed to, their goals and assessments."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.utils import timezone

from advisor.jurisdictions import advice_rules
from advisor.models import Account, Assessment, Branch, Consent, Cover, Goal, GoalEvent, Household, Investor, StaffMember
from advisor.services.assessments import BulkAssessment, assess_in_bulk
from advisor.services.people import PSEUDONYM_LETTERS
from demo.cast import Member, Pot
from demo.lives import DORMANT_FOR
from demo.logins import BRANCHES, COLLEAGUES, DEMO_LOGINS, DOMAIN, DemoLogin
from demo.people import Persona
from demo.services.bulk import write
from demo.services.stage import Scenery, at
from identity.models import User
from identity.roles import STAFF_ROLES, Role
from identity.services import sync_roles

CLIENTS_OF_AN_ADVISOR = 40
SHARE_ONLINE = 0.5  # of those without an advisor


def load_staff() -> dict[str, User]:
    """Write the staff's users, roles, branches and one dated cover; returns users by e-mail. Safe to repeat."""
    sync_roles()
    password = make_password(DEMO_LOGINS[0].password)
    branches = {name: Branch.objects.get_or_create(name=name)[0] for name in (*BRANCHES, advice_rules().online_branch)}
    users = {}
    for login in [login for login in DEMO_LOGINS + COLLEAGUES if login.role in STAFF_ROLES]:
        particulars = {"name": login.name, "password": password, "is_staff": True, "is_active": True}
        users[login.email], _ = User.objects.update_or_create(email=login.email, defaults=particulars)
        users[login.email].groups.set(Group.objects.filter(name=login.role))
        if login.branch:
            StaffMember.objects.update_or_create(user=users[login.email], defaults={"branch": branches[login.branch]})
    away, deputy = users[f"advisor3@{DOMAIN}"], users[f"advisor4@{DOMAIN}"]
    today = timezone.localdate()
    Cover.objects.update_or_create(
        advisor=away, deputy=deputy, defaults={"start_date": today - timedelta(days=2), "end_date": today + timedelta(days=12)}
    )
    return users


def load_investors(
    members: Sequence[Member], scenery: Scenery, logins: Sequence[DemoLogin], seed: int, visited: Sequence[datetime | None]
) -> list[Investor]:
    """Write a user, household and investor a member, who was last there as `visited` says; the first members sign in by `logins`.

    Members come back in the same order.
    """
    rng = np.random.default_rng([seed, 2000])
    password = make_password(DEMO_LOGINS[0].password)
    users = write(_user(member, scenery, logins, password) for member in members)
    investor_group = Group.objects.get(name=Role.INVESTOR)
    write(User.groups.through(user_id=user.pk, group_id=investor_group.pk) for user in users)
    households = _write_households(members, rng)
    letters = rng.choice(list(PSEUDONYM_LETTERS), size=(len(members), 10))
    return write(
        Investor(
            user=user,
            household=household,
            pseudonym="P" + "".join(row),
            is_simulated=True,
            joined_at=joined_at(member, scenery),
            last_seen_at=last_visit or _last_seen(member, scenery),
        )
        for member, user, household, row, last_visit in zip(members, users, households, letters, visited, strict=True)
    )


def confirm_addresses() -> None:
    """Write the addresses of the demo's logins as confirmed: nobody can read a code sent to them. Safe to repeat."""
    users = User.objects.filter(email__in=[login.email for login in DEMO_LOGINS + COLLEAGUES])
    addresses = [EmailAddress(user=user, email=user.email or "", verified=True, primary=True) for user in users]
    EmailAddress.objects.bulk_create(addresses, ignore_conflicts=True)


def joined_at(member: Member, scenery: Scenery) -> datetime:
    return at(scenery.tape.date(member.joined), 5 + member.person.seed % 30)


def _user(member: Member, scenery: Scenery, logins: Sequence[DemoLogin], password: str) -> User:
    login = logins[member.person.index] if member.person.index < len(logins) else None
    return User(
        email=login.email if login else f"p{member.person.index:06d}@{DOMAIN}",
        name=login.name if login else member.person.name,
        password=password if login else "!simulated",  # no password opens it
        language=member.person.language,
        date_joined=joined_at(member, scenery),
    )


def _last_seen(member: Member, scenery: Scenery) -> datetime:
    """Who has no visit was last here when they last did something themselves."""
    asleep = scenery.tape.last_day - DORMANT_FOR
    day = min(member.last_active, asleep) if member.person.persona is Persona.DORMANT else member.last_active
    return at(scenery.tape.date(max(day, member.joined)), 300)


def _write_households(members: Sequence[Member], rng: np.random.Generator) -> list[Household]:
    """Couples share a household. The first ones have advisors, the demo's own advisor first; the others mostly none."""
    advisors = [login for login in DEMO_LOGINS + COLLEAGUES if login.role == Role.ADVISOR]
    users = {user.email: user for user in User.objects.filter(email__in=[login.email for login in advisors])}
    branches = {branch.name: branch for branch in Branch.objects.all()}
    n_each = min(CLIENTS_OF_AN_ADVISOR, len(members) // 3)
    rows: list[Household] = []
    of_member: list[int] = []
    for place, member in enumerate(members):
        if place > 1 and place % n_each and rng.random() < 0.2:
            of_member.append(len(rows) - 1)
            continue
        desk = place // n_each
        first = advisors[desk] if desk < len(advisors) else None
        second = advisors[desk + 1] if first and desk + 1 < len(advisors) and rng.random() < 0.3 else None
        second = second if first and second and second.branch == first.branch else None
        anywhere = advice_rules().online_branch if rng.random() < SHARE_ONLINE else BRANCHES[int(rng.integers(len(BRANCHES)))]
        of_member.append(len(rows))
        rows.append(
            Household(
                name=f"{member.person.name}家",
                branch=branches[first.branch if first else anywhere],
                primary_advisor=users[first.email] if first else None,
                secondary_advisor=users[second.email] if second else None,
            )
        )
    written = write(rows)
    return [written[i] for i in of_member]


def load_consents(members: Sequence[Member], investors: Sequence[Investor]) -> None:
    """Write each person's three answers as of the day they joined."""
    write(
        Consent(investor=investor, purpose=purpose, is_given=is_given, source="simulated", at=investor.joined_at)
        for member, investor in zip(members, investors, strict=True)
        for purpose, is_given in [
            (Consent.Purpose.TERMS, True),
            (Consent.Purpose.PROFILING, member.person.agrees_to_profiling),
            (Consent.Purpose.MARKETING, member.person.agrees_to_marketing),
        ]
    )


def load_goals(members: Sequence[Member], investors: Sequence[Investor], scenery: Scenery) -> list[tuple[Member, Pot, Goal]]:
    """Write an account a person and their goals; returns every goal with whose it is."""
    accounts = write(Account(investor=investor, opened_at=investor.joined_at) for investor in investors)
    pairs = [(member, account, pot) for member, account in zip(members, accounts, strict=True) for pot in member.pots]
    goals = write(
        Goal(
            account=account,
            name=pot.plan.name,
            kind=pot.plan.kind,
            amount_minor=pot.plan.amount_minor,
            target_date=pot.target_date,
            made_at=at(scenery.tape.date(pot.made), 20 + member.person.seed % 30),
        )
        for member, account, pot in pairs
    )
    write(GoalEvent(goal=goal, kind="made", at=goal.made_at) for goal in goals)
    return [(member, pot, goal) for (member, _, pot), goal in zip(pairs, goals, strict=True)]


def load_assessments(members: Sequence[Member], investors: Sequence[Investor], scenery: Scenery) -> dict[int, Assessment]:
    """Score and write every finished sheet, and a draft where somebody stopped; returns the last finished one an investor."""
    sheets, drafts = [], []
    for member, investor in zip(members, investors, strict=True):
        amount_minor = member.person.goals[0].amount_minor
        if member.standing is None:
            drafts.append(_draft(member, investor, amount_minor, scenery))
            continue
        for (day, _level), answers in zip(member.standing.assessed, member.person.answers, strict=True):
            sheets.append(BulkAssessment(investor.pk, answers, amount_minor, at(scenery.tape.date(day), 60 + member.person.seed % 200)))
    assess_in_bulk(sheets=sheets)
    write(drafts)
    finished = Assessment.objects.filter(state=Assessment.State.COMPLETED, investor__is_simulated=True).order_by("completed_at", "pk")
    return {row.investor_id: row for row in finished.only("pk", "investor_id", "stated_loss", "completed_at", "level")}


def _draft(member: Member, investor: Investor, amount_minor: int, scenery: Scenery) -> Assessment:
    particulars: dict[str, Any] = {"instrument": scenery.instrument.key, "instrument_sha256": scenery.instrument.sha256}
    return Assessment(
        investor=investor, answers=member.person.answers[0], amount_minor=amount_minor, started_at=joined_at(member, scenery), **particulars
    )
