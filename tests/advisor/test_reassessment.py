"""What asks for a new assessment, night by night: reminders, what is held, deep falls, corrected questionnaires, and what people tell."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.exceptions import PermissionDenied
from django.utils import timezone, translation

from advisor.errors import Refused
from advisor.forms.overrides import SENTENCES as FOR_STAFF
from advisor.models import (
    AdviceRecord,
    Assessment,
    BehaviourReading,
    GoalHigh,
    InstrumentVersion,
    Investor,
    Notice,
    Readvice,
    ReadviceRun,
    ReviewTrigger,
    Task,
)
from advisor.selectors.clients import task_label
from advisor.selectors.level_words import LIFE_EVENTS, NOTICES, REFUSALS, RULES, TRIGGERS, change_words, notice_sentence
from advisor.selectors.reassessment import notices_of, open_triggers_of
from advisor.selectors.refusals import SENTENCES
from advisor.services import ask_reassessment, report_life_event, watch_assessments
from advisor.services.reassessment import Watched, ask_after_correction
from advisor.services.triggers import QUEUE_KINDS
from portfolios.models import Holding, LedgerEntry, Portfolio
from tests.advisor.level_world import assess
from tests.advisor.site_world import give_level, make_goal
from tests.portfolios.market import make_fund

MONDAY = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
NOTHING = Watched(**dict.fromkeys(Watched.__dataclass_fields__, 0))
REASON = "She sells her flat next spring."

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock():
    with time_machine.travel(MONDAY, tick=False) as travelling:
        yield travelling


def night(**found) -> None:
    """One night's work finds this, and the same night a second time finds nothing."""
    assert watch_assessments() == Watched(**(NOTHING.as_json() | found))
    assert watch_assessments() == NOTHING


def test_reminders_come_once_at_thirty_seven_and_no_days_also_after_a_night_that_was_missed(people, clock):
    investor = people.anna_investor
    give_level(investor, 3, days=31)
    seen = []
    for shift, new in [(0, 0), (1, 1), (1, 0), (22, 1), (6, 0), (1, 1), (1, 1), (300, 0)]:
        clock.shift(timedelta(days=shift))
        night(notices=new)
        seen.append([row.kind for row in notices_of(investor)])
    assert seen == [
        [],
        ["expires_in_30"],
        ["expires_in_30"],
        ["expires_in_7"],
        ["expires_in_7"],
        ["expires_today"],
        ["expired"],
        ["expired"],
    ]
    give_level(people.ben_investor, 3, days=3)  # nothing ran while thirty days were left
    night(notices=1)
    give_level(investor, 3, days=365)
    assert notices_of(investor) == [] and Notice.objects.count() == 5
    assert Investor.objects.get(pk=investor.pk).level == 3


def test_another_risk_than_stated_for_sixty_days_asks_for_an_assessment(people, clock):
    investor = people.anna_investor
    assess(investor, 3)
    goals = [make_goal(investor), make_goal(people.ben_investor)]

    def review(*cvars):
        ReadviceRun.objects.update(is_current=False)
        run = ReadviceRun.objects.create(on_date=timezone.localdate(), pool_id=1, data_date=timezone.localdate(), is_current=True)
        for goal, cvar in zip(goals, cvars, strict=True):
            Readvice.objects.create(run=run, goal=goal, level=3, action="keep", cvar_now=cvar)

    levels = {1: 0.02, 2: 0.05, 3: 0.12, 4: 0.22}
    from portfolios.jurisdictions import jurisdiction

    assert {level: jurisdiction().levels[level].cvar_budget for level in levels} == levels
    review(0.23, 0.21)  # two levels above, and one above
    night()
    assert [row.opened_at for row in ReviewTrigger.objects.all()] == [None] and open_triggers_of(investor) == []
    clock.shift(timedelta(days=30))
    review(0.21, 0.02)  # hers came down in between, his is two levels below by now
    night()
    clock.shift(timedelta(days=59))
    review(0.23, 0.02)
    night()
    clock.shift(timedelta(days=1))
    night(revealed_risk=1)
    clock.shift(timedelta(days=10))
    night()  # no fresh review: nothing is forgotten, nothing is found
    clock.shift(timedelta(days=-10))
    assert Task.objects.get().kind == "revealed_risk" and Task.objects.get().investor == people.ben_investor
    assert [row.kind for row in notices_of(people.ben_investor)] == ["reassess"]
    clock.shift(timedelta(days=59))
    review(0.23, 0.02)
    night(revealed_risk=1)
    done = assess(investor, 3)
    trigger = ReviewTrigger.objects.get(investor=investor)
    assert (trigger.closed_by, trigger.details["cvar"]) == (done, 0.23) and not Task.objects.filter(
        investor=investor, state="open"
    ).exists()
    night()
    assert ReviewTrigger.objects.filter(investor=investor, opened_at=None).count() == 1, "watched anew from now"


def test_a_portfolio_down_by_a_fifth_from_its_highest_gain_is_explained_once(people, clock):
    investor, fund = people.anna_investor, make_fund("EQ1", grade=4)
    portfolio = Portfolio.objects.create(cash_minor=0)
    make_goal(investor, portfolio=portfolio)

    def money(paid_in_minor, nav):
        entries = LedgerEntry.objects.filter(portfolio=portfolio).count()
        if paid_in_minor:
            LedgerEntry.objects.create(
                portfolio=portfolio, kind="deposit", cash_minor=paid_in_minor, date=timezone.localdate(), key=f"d{entries}"
            )
            units = round(paid_in_minor / nav)
            held, _ = Holding.objects.get_or_create(portfolio=portfolio, fund=fund, defaults={"units_centi": 0, "cost_minor": 0})
            Holding.objects.filter(pk=held.pk).update(units_centi=held.units_centi + units, cost_minor=held.cost_minor + paid_in_minor)
        type(fund).objects.filter(pk=fund.pk).update(last_nav_micro=round(nav * 1e6))
        clock.shift(timedelta(days=1))

    money(1_000_000, 1.0)
    night()
    money(0, 1.5)  # 15,000 from 10,000
    night()
    money(3_000_000, 1.5)  # paying in is no gain and no fall
    night()
    assert GoalHigh.objects.get().gain_minor == 500_000
    money(0, 1.21)
    night()
    money(0, 1.2)
    night(portfolio_down=1)
    assert notices_of(investor)[0].kind == "fall" and "ninety" not in notices_of(investor)[0].sentence
    trigger = ReviewTrigger.objects.get()
    assert (trigger.kind, trigger.details["fall"], Task.objects.get().kind) == ("portfolio_down", 0.2, "portfolio_down")
    money(0, 0.9)
    night()
    assess(investor, 3)
    night()
    money(0, 1.6)  # a new high, and another fall from it
    night()
    money(0, 1.2)
    night(portfolio_down=1)
    assert ReviewTrigger.objects.count() == 2


def test_a_corrected_questionnaire_asks_within_sixty_days_by_key_and_nobody_twice(people, clock):
    assess(people.anna_investor, 3)
    give_level(people.ben_investor, 3)
    InstrumentVersion.objects.filter(state="published").update(state="replaced")
    clock.shift(timedelta(hours=1))
    InstrumentVersion.objects.create(
        name="corrected",
        version=9,
        content={},
        sha256="x",
        state="published",
        is_shipped=True,
        is_corrective=True,
        published_at=timezone.now(),
    )
    asked_on = {}
    for day in range(62):
        ask_after_correction()
        for trigger in ReviewTrigger.objects.exclude(investor__in=asked_on):
            asked_on[trigger.investor_id] = day
        clock.shift(timedelta(days=1))
    assert asked_on == {one.pk: one.pk % 60 for one in (people.anna_investor, people.ben_investor)}
    assert set(ReviewTrigger.objects.values_list("kind", "about")) == {("questionnaire_corrected", "corrected@9")}
    assert {row.level for row in Investor.objects.filter(level__isnull=False)} == {3}, "the level stays in force"
    night()


def test_what_people_and_advisors_tell_asks_for_an_assessment_that_closes_it(people, clock):
    investor = people.anna_investor
    assess(investor, 3)
    for stranger in (people.ben, people.ada):
        with pytest.raises(PermissionDenied):
            report_life_event(investor=investor, what="family", actor=stranger)
    with pytest.raises(Refused, match="unknown_event"):
        report_life_event(investor=investor, what="weather", actor=people.anna)
    told = [report_life_event(investor=investor, what="family", actor=people.anna) for _ in range(2)]
    assert told[0] == told[1] and Task.objects.get().kind == "life_event"
    with pytest.raises(PermissionDenied):
        ask_reassessment(investor=investor, advisor=people.bob, reason=REASON)
    assert ask_reassessment(investor=investor, advisor=people.ada, reason=REASON) == ask_reassessment(
        investor=investor, advisor=people.ada, reason=REASON
    )
    assert [row.kind for row in open_triggers_of(investor)] == ["life_event", "reassessment_asked"]
    assert [row.kind for row in notices_of(investor)] == ["reassess"]
    assert AdviceRecord.objects.filter(kind="reassessment").count() == 2
    assert Investor.objects.get(pk=investor.pk).level == 3
    assess(investor, 2)
    assert open_triggers_of(investor) == notices_of(investor) == [] and not Task.objects.filter(state="open").exists()


def test_a_panic_sale_since_the_last_answers_asks_for_others_and_calm_through_two_falls_offers_them(people, clock):
    anna, ben = people.anna_investor, people.ben_investor
    assess(anna, 3)
    assess(ben, 3)
    long_ago, today = date(2023, 1, 1), timezone.localdate()

    def read(investor, panic_on=None, n_calm=0, begins_on=long_ago):
        measures = {"panic": {"value": 0.0, "evidence": 1.0, "rests_on": {"n_calm": n_calm}}}
        said = {"as_of": today, "due_on": date(2030, 1, 1), "measures": measures, "panic_on": panic_on, "begins_on": begins_on}
        BehaviourReading.objects.update_or_create(investor=investor, defaults=said)

    read(anna, panic_on=today - timedelta(days=3))
    read(ben, n_calm=1)
    night()
    assert not ReviewTrigger.objects.exists(), "her last answers came after it, and he was calm once"
    read(anna, panic_on=today)  # sold in the afternoon, after the answers of the morning
    read(ben, n_calm=2, begins_on=today - timedelta(days=700))
    clock.shift(timedelta(days=5))
    night(panic_sales=1)
    read(ben, n_calm=2)
    night(calm_in_falls=1)
    assert [row.kind for row in notices_of(ben)] == ["calm"] and [row.kind for row in notices_of(anna)] == ["reassess"]
    assert {row.level for row in Investor.objects.filter(level__isnull=False)} == {3}
    for investor in (anna, ben):
        assess(investor, 3)
    night()
    assert not ReviewTrigger.objects.filter(closed_at=None).exists()


def test_a_doubtful_sheet_is_put_before_an_advisor_until_the_next_one(people, clock):
    investor = people.anna_investor
    done = assess(investor, 3, seconds={f"item-{n}": 1 for n in range(16)})
    assert (done.confidence, done.working["is_queued"]) == ("low", True)
    trigger = ReviewTrigger.objects.get()
    assert (trigger.kind, trigger.details["low_quality"], Task.objects.get().kind) == ("low_confidence", True, "low_confidence")
    assert notices_of(investor) == []
    assess(investor, 3)
    assert Task.objects.get().state == "done"


def test_a_night_asks_as_often_for_many_as_for_one(people, clock, django_assert_num_queries):
    give_level(people.anna_investor, 3)
    with django_assert_num_queries(FOR_ONE := _queries(watch_assessments)):
        watch_assessments()
    household = people.anna_investor.household
    users = [type(people.anna)(email=f"m{n}@example.com", password="!") for n in range(30)]
    users = type(people.anna).objects.bulk_create(users)
    until = date(2027, 1, 1)
    Investor.objects.bulk_create(
        Investor(user=user, household=household, pseudonym=f"m{n}", level=3, level_valid_until=until) for n, user in enumerate(users)
    )
    with django_assert_num_queries(FOR_ONE):
        watch_assessments()


def _queries(work) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as seen:
        work()
    return len(seen)


def test_every_rule_has_its_sentence(db):
    with translation.override("en"):
        assert set(ReviewTrigger.Kind.values) == set(TRIGGERS) and set(Notice.Kind.values) == set(NOTICES)
        assert all(notice_sentence(kind, date(2026, 3, 2)) for kind in NOTICES)
        assert {"held", "blocked_purchase", "recent_rise", "portfolio_down", "cooling_off", "two_levels"} < set(RULES)
        assert change_words("behaviour: panic, turnover") == "Behaviour: sales in a fall, much buying and selling"
        assert change_words("behaviour") == "Behaviour" and change_words("He asked: lower it") == "He asked: lower it"
        services = Path(__file__).resolve().parents[2] / "advisor" / "services"
        sources = [
            (services / f"{name}.py").read_text() for name in ("assessments", "drafts", "rises", "levels", "level_reviews", "triggers")
        ]
        codes = {code for source in sources for code in re.findall(r'Refused\("(\w+)"', source)}
        assert len(codes) > 15 and codes <= SENTENCES.keys() | FOR_STAFF.keys(), codes - SENTENCES.keys()
        assert len(LIFE_EVENTS) >= 5 and len(REFUSALS) >= 15
        assert all(str(task_label(kind, {"items": ["7:start"]})) != kind.replace("_", " ") for kind in (*QUEUE_KINDS, "confirm_rise"))
    assert Assessment.objects.count() == 0
