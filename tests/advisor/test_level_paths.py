"""No way raises a level but an assessment: not a service, a page, an action, a command, nor a line of code elsewhere."""

import ast
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from advisor import services
from advisor.errors import Refused
from advisor.kernels.risk_profile import Measure
from advisor.models import Assessment, Consent, Investor, LevelChange, LevelReview
from tests.advisor.level_world import assess
from tests.advisor.test_rises import MONDAY, REASON
from tests.test_access import address, addresses, annas, rows  # noqa: F401  a fixture

ROOT = Path(__file__).resolve().parents[2]
WRITERS = {"advisor/services/assessments.py", "advisor/services/levels.py", "advisor/services/rises.py"}


def writes_of_level(path: Path) -> list[int]:
    """Lines that could write the level of an investor: an update, a bulk update, an assignment, or a statement."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "update":
            found += [node.lineno for keyword in node.keywords if keyword.arg == "level"]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "bulk_update":
            found += [node.lineno for one in ast.walk(node) if isinstance(one, ast.Constant) and one.value == "level"]
        elif isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            parts = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
            found += [node.lineno for part in parts if isinstance(part, ast.Attribute) and part.attr == "level"]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "advisor_investor" in node.value:
            found.append(node.lineno)
    return found


def test_only_three_services_write_a_level_and_the_end_of_an_account_takes_it_away():
    sources = [path for folder in ("advisor", "marketing", "config") for path in (ROOT / folder).rglob("*.py")]
    writing = {
        str(path.relative_to(ROOT)): lines for path in sources if "migrations" not in path.parts and (lines := writes_of_level(path))
    }
    # A sheet's own level, not an investor's, is written where it is scored.
    assert set(writing) == WRITERS | {"advisor/services/scoring.py", "advisor/services/privacy.py"}, writing
    closing = (ROOT / "advisor/services/privacy.py").read_text(encoding="utf-8").splitlines()
    said = [closing[line - 1].strip() for line in writing["advisor/services/privacy.py"]]
    assert said == ["person.level, person.level_valid_until, person.erased_at = None, None, timezone.now()"]


def test_the_database_refuses_a_rise_without_an_assessment(people):
    with pytest.raises(IntegrityError), transaction.atomic():
        LevelChange.objects.create(investor=people.anna_investor, from_level=2, to_level=3, why="because")
    with pytest.raises(IntegrityError), transaction.atomic():
        LevelChange.objects.create(investor=people.anna_investor, to_level=3, why="because")


def steps(people, clock, readings) -> dict:
    """What anybody may do to Anna's level, each with the level that it asks for."""
    anna, today = people.anna_investor, timezone.localdate

    def review(kind):
        asked = services.request_level_review(investor=anna, advisor=people.ada, kind=kind, reason=REASON)
        services.sign_level_review(review=asked, supervisor=people.sue)

    def latest():
        return Assessment.objects.filter(investor=anna, state="completed").latest("completed_at", "pk")

    def behave(level):
        readings["panic"] = Measure(level / 5, 1.0, months_since_sale=1.0)
        services.apply_behaviour(investor_ids=[anna.pk])

    return {
        "assess": lambda level: assess(anna, level),
        "lower": lambda level: services.lower_level(investor=anna, advisor=people.ada, to_level=level, reason=REASON),
        "hold": lambda level: services.hold_level(
            investor=anna, advisor=people.ada, until_date=today() + timedelta(days=1 + 10 * level), reason=REASON
        ),
        "ask": lambda level: services.ask_reassessment(investor=anna, advisor=people.ada, reason=REASON),
        "tell": lambda level: services.report_life_event(investor=anna, what="family", actor=people.anna),
        "age": lambda level: review(LevelReview.Kind.AGE),
        "restore": lambda level: review(LevelReview.Kind.RESTORE),
        "confirm": lambda level: services.confirm_rise(assessment=latest(), advisor=people.ada, reason=REASON),
        "decline": lambda level: services.decline_rise(assessment=latest(), advisor=people.ada, reason=REASON),
        "behave": behave,
        "night": lambda level: services.watch_assessments(),
        "due": lambda level: services.apply_due_levels(),
        "wait": lambda level: clock.shift(timedelta(days=(1, 2, 7, 31, 100, 370)[level])),
        "consent": lambda level: services.give_consent(investor=anna, purpose="profiling", is_given=level > 2, source="test"),
    }


STEPS = ("assess", "lower", "hold", "ask", "tell", "age", "restore", "confirm", "decline", "behave", "night", "due", "wait", "consent")


# Without shrinking: a story that fails is short enough to read, and a database is slow to search.
@settings(max_examples=6, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), min_size=8, max_size=20))
def test_in_any_order_only_an_assessment_raises_a_level(people, monkeypatch, story):
    readings = {"panic": Measure(0.0, 1.0)}
    monkeypatch.setattr("advisor.services.levels.measures_of_many", lambda ids: {pk: dict(readings) for pk in ids})
    anna = people.anna_investor
    with time_machine.travel(MONDAY, tick=False) as clock, transaction.atomic():
        known = steps(people, clock, readings)
        assert set(known) == set(STEPS)
        for step, level in [("assess", 1), ("wait", 3), ("assess", 3), *story, ("confirm", 0), ("wait", 1), ("due", 0)]:
            before = Investor.objects.get(pk=anna.pk).level
            try:
                known[step](level)
            except Refused:
                continue
            after, change = Investor.objects.get(pk=anna.pk).level, LevelChange.objects.filter(investor=anna).order_by("-pk").first()
            if before is not None and after is not None and after > before:
                assert step in {"due", "confirm"} and change.to_level == after
                row = change.assessment
                assert after <= row.level and change.at >= row.takes_effect_at == row.completed_at + timedelta(hours=24)
                assert after - before < 2 or row.needs_confirmation is False or row.confirmed_by == people.ada
        assert not LevelChange.objects.filter(investor=anna, assessment=None, to_level__gt=1).exclude(from_level__gte=1).exists()
        transaction.set_rollback(True)


# What a form anywhere might take for a wish to stand higher.
GREEDY = {
    **dict.fromkeys(("level", "to_level", "new_level", "person_level", "pending_level", "raw_level", "granted_level"), "5"),
    **dict.fromkeys(("reason", "why", "answer", "words", "comment", "text"), "She wants to stand higher than this."),
    "kind": "restore", "step": "sign", "action": "sign", "is_on": "1", "switch": "profiling", "terms": "on", "profiling": "on",
    "confirmed": "on", "until_date": "2030-01-01", "expires_on": "2030-01-01", "what": "family", "username": "x",
}  # fmt: skip


@pytest.mark.django_db
def test_no_address_and_no_command_raises_a_level(people, annas):  # noqa: F811
    client = Client(raise_request_exception=False, headers={"accept-language": "en"})
    Consent.objects.create(investor=people.anna_investor, purpose="terms", is_given=True, source="test")
    parameters, levels, n_posted = dict(addresses()), dict(Investor.objects.values_list("pk", "level")), 0
    for row in rows():
        if row.name.startswith(("market_", "admin:portfolios_")):  # of an app that cannot import this one
            continue
        let_in = [who for who in ("anna", "ada", "sue", "mark", "adam") if row.method == "POST" and row.expected[who] == "yes"]
        for who in let_in[:3] if {"ada", "sue"} & set(let_in) else let_in[:1]:
            client.force_login(getattr(people, who))
            client.post(address(row.name, parameters[row.name], annas), GREEDY)
            n_posted += 1
            for pk, level in Investor.objects.values_list("pk", "level"):
                assert level is None or levels[pk] is None or level <= levels[pk], f"{who} raised a level at {row.name}"
                levels[pk] = level
    assert n_posted > 50
    for command in ("sync_roles", "sync_instruments", "verify_record"):
        call_command(command, verbosity=0)
    assert dict(Investor.objects.values_list("pk", "level")) == levels
