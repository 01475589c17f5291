"""Questions over events and facts: read alike from both databases, told of ten people or more, each bar with its segment."""

import uuid
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from advisor.models import Account, Consent, Goal
from marketing.kernels.ask import Step, read_question
from marketing.models import Event, Profile, Segment
from marketing.selectors.ask import answer
from marketing.selectors.ask_parts import CannotAnswer, told_steps
from marketing.selectors.audience import rounded
from marketing.selectors.moments import EpochMs, first_moments_of, keys_of, known_events, moments_of, read_ints, unpack_copy, whole
from marketing.selectors.segments import people_in, read_rule
from tests.marketing.crowd import crowd

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 4, 0, 0, 123_000, tzinfo=UTC)  # noon in Shanghai, a Friday


def agreed_to_profiling(people, is_given=True, days_ago=300):
    at = NOW - timedelta(days=days_ago)
    Consent.objects.bulk_create(
        [Consent(investor=one, purpose=Consent.Purpose.PROFILING, is_given=is_given, source="simulated", at=at) for one in people]
    )


def events(people, name, at, **fields):
    Event.objects.bulk_create(
        [
            Event(
                message_id=uuid.uuid4(),
                investor=one,
                type="page",
                name=name,
                occurred_at=at,
                received_at=at + timedelta(seconds=2),
                **fields,
            )
            for one in people
        ]
    )


@pytest.fixture
def forty(db):
    """Forty who agreed to profiling: all saw the home page, thirty then a fund, fourteen of them a purchase, two of these too late."""
    people = crowd(40, joined_at=NOW - timedelta(days=400))
    agreed_to_profiling(people)
    events(people, "home", NOW - timedelta(days=9))
    events(people[:30], "fund", NOW - timedelta(days=9, minutes=-3), properties={"code": "A1"})
    events(people[:12], "purchase_new", NOW - timedelta(days=5))
    events(people[12:14], "purchase_new", NOW - timedelta(hours=1))
    return people


FUNNEL = {"kind": "funnel", "steps": [{"event": "home"}, {"event": "fund"}, {"event": "purchase_new"}], "within_days": 7, "days": 30}


def asked(question, **changes):
    return answer(read_question(question | changes), now=NOW)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_times_are_the_same_whole_milliseconds_on_either_database(forty):
    table = read_ints(Event.objects.all(), person=whole("investor_id"), ms=EpochMs("occurred_at"))
    expected = {(pk, round(at.timestamp() * 1000)) for pk, at in Event.objects.values_list("investor_id", "occurred_at")}
    assert {(int(pk), int(ms)) for pk, ms in table} == expected and table.dtype == np.int64


def test_nothing_is_read_of_nobody(db):
    assert read_ints(Event.objects.all(), person=whole("investor_id"), ms=EpochMs("occurred_at")).shape == (0, 2)


def test_what_is_no_binary_copy_of_whole_numbers_is_refused():
    head, end = b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\2", b"\xff\xff"
    one = b"\0\0\0\x08" + (7).to_bytes(8, "big")
    assert unpack_copy(head + one + one + end, 2).tolist() == [[7, 7]]
    assert unpack_copy(head + 2 * b"\xff\xff\xff\xff" + end, 2).shape == (0, 2)
    for wrong in (b"COPY", head + one + b"\xff\xff\xff\xff" + end, head + one + one + one + end):
        with pytest.raises(ValueError):
            unpack_copy(wrong, 2)


def test_events_are_picked_by_name_property_channel_time_and_person(forty):
    events(forty[:3], "fund", NOW - timedelta(days=2), properties={"code": "B2"}, channel="app")
    events(forty[:5], "fund", NOW - timedelta(days=40))
    start = NOW - timedelta(days=30)

    def n(among=None, **step):
        return len(moments_of([Step(**step)], start=start, end=NOW, among=among)[0].person)

    assert n(event="fund") == 33 and n(event="fund", where={"code": "B2"}) == 3 and n(event="fund", channel="app") == 3
    assert n(event="fund", where={"code": "' OR 1=1 --"}) == n(event="fund", where={"code__gt": "A"}) == n(event="x' OR '1'='1") == 0
    assert n(event="fund", among=np.array([forty[0].pk, forty[39].pk])) == 2
    assert n(event="fund", among=np.array([], np.int64)) == 0
    assert n(event="fund", among=np.arange(10_000) + forty[0].pk) == 33
    assert len(first_moments_of(Step(event="fund"), end=NOW, among=None).person) == 30
    assert known_events() == ["fund", "home", "purchase_new"]


def test_every_fact_is_read_from_its_own_table(people):
    from advisor.models import Assessment, Proposal
    from marketing.kernels.ask import FACTS
    from marketing.models import Delivery
    from portfolios.models import Fund, Order
    from portfolios.services import open_portfolio
    from tests.marketing.crowd import draft

    investor, at = people.anna_investor, NOW - timedelta(days=3)
    fund = Fund.objects.create(code="A00001", name_en="Fund A", category="mixed", asset_class="mixed", risk_grade=3, source="test")
    assessment = Assessment.objects.create(investor=investor, state="completed", level=3, instrument="x@1", completed_at=at)
    goal = Goal.objects.create(
        account=Account.objects.create(investor=investor), name="x", kind="home", amount_minor=1, target_date=NOW.date(), made_at=at,
        portfolio=open_portfolio(),
    )  # fmt: skip
    Proposal.objects.create(goal=goal, assessment=assessment, level=3, inputs={}, inputs_sha256="0", accepted_at=at)
    for place, (side, origin, state) in enumerate(
        [("buy", "investor", "paid"), ("sell", "investor", "placed"), ("buy", "plan", "paid"), ("buy", "investor", "rejected")]
    ):
        Order.objects.create(
            portfolio=goal.portfolio, fund=fund, side=side, origin=origin, state=state, amount_minor=1, units_centi=1, placed_at=at,
            clearance_id=uuid.uuid4(), idempotency_key=str(place),
        )  # fmt: skip
    campaign = draft(people.mark)
    Delivery.objects.create(
        campaign=campaign,
        step=campaign.steps.get(),
        channel="inbox",
        investor=investor,
        status="sent",
        ended_at=at,
        opened_at=at,
        clicked_at=at,
    )
    type(investor).objects.filter(pk=investor.pk).update(joined_at=at)
    read = moments_of([Step(fact=fact) for fact in FACTS], start=NOW - timedelta(days=10), end=NOW, among=np.array([investor.pk]))
    counts = {fact: len(one.person) for fact, one in zip(FACTS, read, strict=True)}
    assert counts == dict.fromkeys(FACTS, 1) | {"order": 3, "decision": 2}
    assert all(one.person.tolist() == [investor.pk] * len(one.person) for one in read)
    assert {int(ms) for one in read for ms in one.ms} == {round(at.timestamp() * 1000)}


def test_only_people_who_agree_to_profiling_are_counted_by_their_events(forty):
    strangers = crowd(12, prefix="never", joined_at=NOW - timedelta(days=400))
    events(strangers, "home", NOW - timedelta(days=9))
    agreed_to_profiling(forty[:5], is_given=False, days_ago=1)
    found = asked(FUNNEL)
    assert found.n_people == 40 and len(keys_of(None, needs_consent=True)) == 35
    assert any("40" in note for note in found.notes)
    by_facts = asked({"kind": "funnel", "steps": [{"fact": "joined"}, {"fact": "order"}], "within_days": 7, "days": 500})
    assert by_facts.n_people == 50  # of 52, to the nearest ten


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_funnel_tells_who_got_how_far_and_makes_a_segment_of_them(forty):
    found = asked(FUNNEL)
    assert [(line.count, round(line.share, 3)) for line in found.lines] == [(40, 1.0), (30, 0.75), (10, 0.25)]  # twelve, to the nearest ten
    assert "40" in found.sentence and "12" not in found.sentence and "25.0%" in found.sentence
    in_segment = [people_in(read_rule(line.rule), now=NOW).count() for line in found.lines]
    fell_away = [people_in(read_rule(line.other_rule), now=NOW).count() for line in found.lines[1:]]
    assert in_segment == [40, 30, 14] and fell_away == [10, 16]  # a segment knows no order and no window of its own: 14, not 12


def test_a_funnel_counts_a_segment_alone(forty):
    few = Segment.objects.create(name="few", rule={"version": 1, "rule": {"event": "fund", "within_days": 30}})
    found = asked(FUNNEL, segment=few.pk)
    assert [line.count for line in found.lines] == [30, 30, 10]
    assert people_in(read_rule(found.lines[2].rule), now=NOW).count() == 14
    assert {"segment": few.pk, "is_in": True} in found.lines[0].rule["rule"]["all"]


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ([100, 50, 20], [100, 50, 20]),
        ([9, 0], [None, 0]),
        ([100, 97, 89, 0], [100, None, 89, 0]),
        ([100, 8, 0], [100, None, 0]),
        ([10, 10], [10, 10]),
        ([0, 0], [0, 0]),
    ],
)
def test_steps_of_small_groups_and_small_losses_are_withheld(counts, told):
    assert told_steps(counts) == told


def test_a_small_group_is_told_neither_in_words_nor_in_bars(forty):
    found = asked(FUNNEL | {"steps": [{"event": "fund", "where": {"code": "none"}}, {"event": "home"}]})
    assert [line.count for line in found.lines] == [0, 0]
    events(forty[:7], "inbox", NOW - timedelta(days=1))
    found = asked(FUNNEL | {"steps": [{"event": "inbox"}, {"event": "fund"}]})
    assert [line.count for line in found.lines] == [None, 0] and "7" not in found.sentence


def test_cohorts_come_back_in_later_weeks_and_the_running_week_is_left_out(forty):
    week = timedelta(days=7)
    events(forty, "visit", NOW - 3 * week)
    events(forty[:24], "visit", NOW - 2 * week)
    events(forty[:5], "visit", NOW - week)
    events(forty, "visit", NOW - timedelta(hours=2))
    visit = {"event": "visit"}
    found = asked({"kind": "retention", "start": visit, "again": visit, "unit": "week", "n_periods": 4})
    assert [line.count for line in found.lines] == [0, 40, 0, 0]
    assert found.lines[1].label == "2026-10-26"
    assert found.cells[1] == [0.5, None, None]  # five of forty is withheld, the third week is not over
    assert "50.0%" in found.sentence and all(line.rule is None for line in found.lines)


def test_a_cohort_of_those_who_joined_is_a_segment(db):
    crowd(15, joined_at=NOW - timedelta(days=18))
    Profile.objects.update(joined_date=(NOW - timedelta(days=18)).date())
    joined = {"fact": "joined"}
    found = asked({"kind": "retention", "start": joined, "again": {"fact": "order"}, "unit": "week", "n_periods": 3})
    assert [line.count for line in found.lines] == [0, 20, 0]  # the weeks from 26 October, 2 and 9 November
    sizes = [people_in(read_rule(line.rule), now=NOW).count() for line in found.lines]
    assert sizes == [0, 15, 0]


def test_ways_after_an_event_are_told_with_what_is_left(forty):
    found = asked({"kind": "path", "around": {"event": "home"}, "depth": 2, "within_hours": 24 * 6})
    counts = {line.label: line.count for line in found.lines}
    assert sum(n or 0 for n in counts.values()) == 40 and found.n_people == 40
    assert sorted(n for n in counts.values()) == [10, 10, 20]  # 10, 12 and 18
    assert people_in(read_rule(found.lines[0].rule), now=NOW).count() >= 12


def test_a_spread_counts_everybody_in_bars_that_are_segments(db):
    people = crowd(60)
    for place, one in enumerate(people):
        Profile.objects.filter(pk=one.pk).update(assets_minor=place * 100_000, dormancy="active" if place % 2 else "dormant")
    found = asked({"kind": "distribution", "field": "assets_minor", "by": "dormancy"})
    assert sum(line.count or 0 for line in found.lines) <= 60 and found.n_people == 60
    for line in found.lines:
        n = people_in(read_rule(line.rule), now=NOW).count()
        assert line.count == rounded(n) or (line.count is None and n) or not n
    assert len(found.columns) == 2 and len(found.cells) == len(found.lines)


@pytest.mark.parametrize(
    "question",
    [
        {"kind": "distribution", "field": "no_such_field"},
        {"kind": "distribution", "field": "investor__user__email"},
        {"kind": "distribution", "field": "panic"},
        {"kind": "distribution", "field": "dormancy"},
        {"kind": "distribution", "field": "assets_minor", "by": "assets_minor"},
        {"kind": "distribution", "field": "assets_minor", "segment": 999_999},
        FUNNEL | {"segment": 999_999},
    ],
)
def test_what_is_gone_or_may_not_be_asked_is_refused_with_a_sentence(question):
    with pytest.raises(CannotAnswer) as refused:
        asked(question)
    assert len(str(refused.value)) > 20


def test_a_segment_whose_rule_can_no_longer_be_read_is_a_sentence(db):
    broken = Segment.objects.create(name="broken", rule={"version": 1, "rule": {"field": "gone", "is": True}})
    for question in (FUNNEL, {"kind": "distribution", "field": "assets_minor"}):
        with pytest.raises(CannotAnswer):
            asked(question, segment=broken.pk)


def test_a_question_costs_a_query_a_different_step_and_one_for_consent(forty, django_assert_max_num_queries):
    with django_assert_max_num_queries(1 + len(FUNNEL["steps"])):
        asked(FUNNEL | {"steps": FUNNEL["steps"] * 2})


def test_two_segments_that_differ_by_one_person_have_the_same_answers(forty):
    """Else anybody could ask with and without the one of whom they know enough to leave them out."""
    Profile.objects.filter(pk=forty[0].pk).update(assets_minor=777_777)
    everybody, one_person = {"field": "assets_minor", "at_least": 1}, {"field": "assets_minor", "at_least": 777_777, "below": 777_778}
    whole = Segment.objects.create(name="whole", rule={"version": 1, "rule": everybody})
    rest = Segment.objects.create(name="rest", rule={"version": 1, "rule": {"all": [everybody, {"not": [one_person]}]}})
    visit = {"event": "home"}
    for question in (
        FUNNEL,
        {"kind": "path", "around": visit, "depth": 1, "within_hours": 2},
        {"kind": "retention", "start": visit, "again": {"event": "purchase_new"}, "unit": "week", "n_periods": 4},
    ):
        one, other = (asked(question, segment=segment.pk) for segment in (whole, rest))
        assert (one.sentence, one.notes, one.cells, one.n_people) == (other.sentence, other.notes, other.cells, 40)
        assert [line.count for line in one.lines if line.count] == [line.count for line in other.lines if line.count]
