"""Next best actions by night: who gets which, that it holds when drawn, and what marketers may see."""

from datetime import date, datetime, time, timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from advisor.models import Account, Consent, Goal, Investor, Proposal
from config.jobs import Job
from marketing.models import Delivery, NextAction, NextActionRun, NotInterested, Profile, RecommenderRun, Segment
from marketing.selectors.next_action_page import next_action_page
from marketing.selectors.next_action_words import plain_reason, reason_words
from marketing.selectors.next_actions import keys_to_draw, next_action_of
from marketing.selectors.segment_words import sentence
from marketing.selectors.segments import read_rule
from marketing.services import execute_launch, launch_campaign, send_batch
from marketing.services import next_actions as services
from marketing.services.next_actions import refresh_next_actions, resume_next_actions
from portfolios.models import Fund, Order, PoolFund, Portfolio
from tests.advisor.site_world import make_goal, make_proposal
from tests.marketing.crowd import agreed, draft
from tests.marketing.next_action_world import EN, IDLE, advised, drawn, in_segment, one_of, persons, rows, suggest

pytestmark = pytest.mark.django_db


def test_the_night_says_of_each_what_is_best_done_next(funds):
    idle, = persons(**IDLE, active_hour=20, visit_channel="app", last_visit_at=timezone.now())  # fmt: skip
    suggest([idle], funds[2])
    expired, = persons(days=-3)  # fmt: skip
    asleep, = persons(dormancy="dormant", dormancy_since=timezone.localdate(), idle_cash_minor=5_000_000)  # fmt: skip
    stopped, = persons(plan_status="stopped", assets_minor=1)  # fmt: skip
    calm, = persons(dormancy="calm")  # fmt: skip
    assert refresh_next_actions() == 5
    said = {one.pk: (one.kind, one.reason, one.fund_id) for one in NextAction.objects.all()}
    assert said == {
        idle.pk: ("place", "idle_cash", funds[2].pk),
        expired.pk: ("assess", "level_expired", None),
        asleep.pk: ("learn", "asleep", None),
        stopped.pk: ("plan", "plan_stopped", None),
        calm.pk: ("silence", "calm", None),
    }
    assert (one_of(idle).channel, one_of(idle).hour) == ("inbox", 20)


def test_goals_that_lag_their_time_are_seen(funds):
    behind, ahead = persons(2, goal_progress=0.3, assets_minor=1_000)
    today, now = timezone.localdate(), timezone.now()
    for one, years in ((behind, 1), (ahead, 9)):
        Goal.objects.create(
            account=Account.objects.create(investor=one), name="x", kind="home", amount_minor=1, target_minor=100,
            made_at=now - timedelta(days=4 * 365), target_date=today + timedelta(days=365 * years),
        )  # fmt: skip
    refresh_next_actions()
    assert one_of(behind).reason == "goal_behind"
    assert one_of(behind).data == {"reached": 0.3, "gone": 0.8}
    assert one_of(ahead).kind == "silence"
    assert reason_words(one_of(behind)) == "30% of what is wanted of the goals is there, and 80% of the time for them has gone."


def test_only_the_first_suggestion_that_suits_today_is_taken(funds):
    one, = persons(level=2, **IDLE)  # fmt: skip
    suggest([one], funds[4], funds[1], funds[0])
    NotInterested.objects.create(investor=one, fund=funds[1])
    refresh_next_actions()
    assert one_of(one).fund == funds[0]


def test_what_every_door_would_refuse_is_not_chosen_by_the_night(funds):
    one, = persons(**IDLE)  # fmt: skip
    suggest([one], funds[2], funds[1])
    Fund.objects.filter(pk=funds[2].pk).update(is_open=False)
    refresh_next_actions()
    assert one_of(one).fund == funds[1] and next_action_of(one) is not None


def test_whose_cash_lies_about_and_whom_no_model_knows_is_proposed_what_the_own_plan_lacks(funds):
    one, without_level, nothing_idle = *persons(**IDLE), *persons(level=None, days=None, **IDLE), *persons()
    RecommenderRun.objects.all().delete()
    refresh_next_actions()
    assert one_of(one).fund in funds[:3] and next_action_of(one) is not None, "the plan holds the first three of a level"
    assert (one_of(without_level).reason, one_of(nothing_idle).reason) == ("not_assessed", "nothing_due")


def test_another_share_class_of_what_was_turned_down_is_not_proposed_either(funds):
    one, = persons(**IDLE)  # fmt: skip
    suggest([one], funds[0], funds[2])
    refresh_next_actions()
    assert one_of(one).fund == funds[0] and drawn() == {one.pk}
    Fund.objects.filter(pk__in=[funds[0].pk, funds[1].pk]).update(family_code="N00001")
    NotInterested.objects.create(investor=one, fund=funds[1])
    assert drawn() == set()
    refresh_next_actions()
    assert one_of(one).fund == funds[2] and drawn() == {one.pk}


def test_without_profiling_or_with_recommendations_off_there_is_nothing(funds):
    persons(profiling=False, **IDLE)
    off, = persons(**IDLE)  # fmt: skip
    Investor.objects.filter(pk=off.pk).update(recommendations_off_at=timezone.now())
    refresh_next_actions()
    assert not NextAction.objects.exists()


def test_consent_withdrawn_is_gone_when_drawn_and_from_the_rows_by_the_next_night(funds):
    one, = persons(**IDLE)  # fmt: skip
    suggest([one], funds[0])
    refresh_next_actions()
    assert in_segment("place") == {one.pk} == drawn()
    agreed([one], False, days_ago=0, purpose=Consent.Purpose.PROFILING)
    assert (in_segment("place"), in_segment("place", is_in=False), drawn(), next_action_of(one)) == (set(), set(), set(), None)
    refresh_next_actions()
    assert not NextAction.objects.exists()


def test_marketing_withdrawn_is_not_drawn(funds):
    one, = persons(**IDLE)  # fmt: skip
    suggest([one], funds[0])
    refresh_next_actions()
    agreed([one], False, days_ago=0)
    assert drawn() == set()


@pytest.mark.parametrize("what", ["level", "no level", "run out", "off"])
def test_a_level_that_fell_since_the_night_is_not_drawn(funds, what):
    gone = timezone.localdate() - timedelta(days=2)
    changes = {"level": {"level": 2}, "no level": {"level": None}, "run out": {"level_valid_until": gone}}
    one, = persons(level=3, **IDLE)  # fmt: skip
    suggest([one], funds[2])
    refresh_next_actions()
    assert drawn() == {one.pk}
    Investor.objects.filter(pk=one.pk).update(**changes.get(what, {"recommendations_off_at": timezone.now()}))
    assert (drawn(), in_segment("place")) == (set(), set())


def test_a_fund_that_left_closed_rose_or_was_turned_down_is_not_drawn(funds):
    four = persons(4, level=3, **IDLE)
    for one, fund in zip(four, funds, strict=False):
        suggest([one], fund if fund.risk_grade <= 3 else funds[0])
    refresh_next_actions()
    assert len(drawn()) == 4
    NotInterested.objects.create(investor=four[3], fund=funds[0])
    assert drawn() == {one.pk for one in four[:3]}
    PoolFund.objects.filter(fund=funds[0]).delete()
    Fund.objects.filter(pk=funds[1].pk).update(is_open=False)
    Fund.objects.filter(pk=funds[2].pk).update(risk_grade=5)
    assert drawn() == set()


def test_a_new_assessment_ends_the_reminder_at_once(funds):
    one, = persons(days=-1)  # fmt: skip
    refresh_next_actions()
    assert drawn() == {one.pk}
    Investor.objects.filter(pk=one.pk).update(level_valid_until=timezone.localdate() + timedelta(days=365))
    assert drawn() == set()


def drawn_of(*kinds) -> set[int]:
    return set(keys_to_draw(kinds, timezone.now()).values_list("pk", flat=True))


@pytest.mark.parametrize("state", ["accepted", "superseded"])
def test_a_proposal_is_drawn_only_while_one_waits(funds, state):
    one, other = persons(2, has_waiting_proposal=True)
    answered, _ = (make_proposal(make_goal(investor)) for investor in (one, other))
    refresh_next_actions()
    assert one_of(one).reason == "proposal_waits" and drawn_of("proposal") == {one.pk, other.pk} == in_segment("proposal")
    Proposal.objects.filter(pk=answered.pk).update(state=state)
    assert drawn_of("proposal") == {other.pk} == in_segment("proposal")
    assert next_action_of(one) is None and next_action_of(other) is not None
    make_proposal(answered.goal)
    assert drawn_of("proposal") == {one.pk, other.pk}, "another one waits now"


def plan_order(investor, fund, days_ago: int, **fields) -> None:
    """An order as a plan places it, in the first minute of its day here."""
    goal = Goal.objects.filter(account__investor=investor).first() or make_goal(investor, portfolio=Portfolio.objects.create())
    day: date = timezone.localdate() - timedelta(days=days_ago)
    said = {"side": "buy", "origin": "plan", "state": "confirmed", "amount_minor": 100, "clearance_id": uuid4(), "idempotency_key": uuid4()}
    Order.objects.create(
        portfolio=goal.portfolio, fund=fund, placed_at=timezone.make_aware(datetime.combine(day, time(0, 1))), **said | fields
    )


@pytest.mark.parametrize(
    ("fields", "is_drawn"),
    [
        ({"days_ago": 0, "state": "placed"}, False),
        ({"days_ago": 44}, False),
        ({"days_ago": 45}, True),
        ({"days_ago": 1, "state": "rejected"}, True),
        ({"days_ago": 1, "state": "cancelled"}, True),
        ({"days_ago": 1, "origin": "investor"}, True),
        ({"days_ago": 1, "side": "sell", "units_centi": 1}, True),
    ],
)
def test_a_plan_is_drawn_only_while_it_has_stopped(funds, fields, is_drawn):
    """By the same orders by which the profile calls it stopped."""
    one, other = persons(2, plan_status="stopped", assets_minor=1)
    for investor in (one, other):
        plan_order(investor, funds[0], 60)
    refresh_next_actions()
    assert one_of(one).reason == "plan_stopped" and drawn_of("plan") == {one.pk, other.pk}
    plan_order(one, funds[0], **fields)
    assert drawn_of("plan") == in_segment("plan") == ({one.pk, other.pk} if is_drawn else {other.pk})
    assert (next_action_of(one) is not None) is is_drawn


def test_who_is_drawn_is_asked_in_one_statement(funds, django_assert_num_queries):
    persons(2, has_waiting_proposal=True), persons(2, plan_status="stopped", assets_minor=1), persons(2, **IDLE)
    refresh_next_actions()
    with django_assert_num_queries(1):
        drawn_of(*NextAction.Kind.values)


def test_each_message_to_such_a_segment_asks_again_when_it_is_sent(funds):
    stays, fell, off, withdrew = persons(4, level=3, **IDLE)
    suggest([stays, fell, off, withdrew], funds[2])
    refresh_next_actions()
    segment = Segment.objects.create(name="Idle", rule={"version": 1, "rule": {"next_action": ["place"], "is_in": True}})
    campaign = draft(segment=segment, channels=["inbox"], body_en="Fund 3 may be a place for it.")
    assert launch_campaign(campaign_id=campaign.pk, actor=None) and execute_launch(campaign.pk)
    Investor.objects.filter(pk=fell.pk).update(level=2)
    Investor.objects.filter(pk=off.pk).update(recommendations_off_at=timezone.now())
    agreed([withdrew], False, days_ago=0)
    send_batch(campaign_id=campaign.pk)
    assert dict(Delivery.objects.values_list("investor", "reason")) == {
        stays.pk: "", fell.pk: "above_level", off.pk: "off", withdrew.pk: "no_consent"
    }  # fmt: skip


def test_the_same_night_twice_writes_nothing_again_and_an_unchanged_row_keeps_its_day(funds):
    persons(5, **IDLE)
    persons(3, dormancy="dormant")
    today = timezone.localdate()
    assert refresh_next_actions(on=today) == 8
    before = rows()
    assert (refresh_next_actions(on=today), refresh_next_actions(on=today + timedelta(days=1))) == (0, 0)
    assert rows() == before


@pytest.mark.parametrize("n_left", [0, 2, 4])
def test_what_stands_of_people_behind_the_last_profile_is_taken_away(funds, monkeypatch, n_left):
    monkeypatch.setattr(services, "BLOCK", 2)
    people = persons(7, **IDLE)
    refresh_next_actions()
    Profile.objects.filter(pk__in=[one.pk for one in people[n_left:]]).delete()
    assert refresh_next_actions() == 7 - n_left
    assert set(NextAction.objects.values_list("pk", flat=True)) == {one.pk for one in people[:n_left]}
    run = NextActionRun.objects.get()
    assert (run.n_changed, run.n_done) == (7 - n_left, n_left)


@pytest.mark.parametrize("n_blocks", [0, 1, 3])
def test_killed_between_blocks_it_goes_on_and_ends_as_if_it_had_not_been(funds, monkeypatch, n_blocks):
    persons(9, **IDLE)
    refresh_next_actions()
    wanted = rows()
    NextAction.objects.all().delete()
    NextActionRun.objects.all().delete()
    monkeypatch.setattr(services, "BLOCK", 2)
    plain, calls = services.read_block, []

    def killed(*given):
        if len(calls) == n_blocks:
            raise KeyboardInterrupt
        calls.append(given)
        return plain(*given)

    with monkeypatch.context() as patch:
        patch.setattr(services, "read_block", killed)
        with pytest.raises(KeyboardInterrupt):
            refresh_next_actions()
    assert NextAction.objects.count() == 2 * n_blocks
    assert refresh_next_actions() == 0, "its lease still runs"
    run = NextActionRun.objects.get()
    NextActionRun.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    seen: list[int] = []
    monkeypatch.setattr(services, "read_block", lambda *given: seen.append(given[0]) or plain(*given))
    resume_next_actions(run.pk)
    assert rows() == wanted
    assert len(seen) == 5 - n_blocks, "blocks that were done are not done again"
    run.refresh_from_db()
    assert (run.status, run.n_changed, run.n_done) == (Job.Status.DONE, 9, 9)


@pytest.mark.parametrize("is_later_begun", [False, True])
def test_what_was_left_of_an_earlier_day_is_not_gone_on_with_as_of_that_day(funds, is_later_begun):
    one, = persons(days=-1)  # fmt: skip
    today = timezone.localdate()
    left = NextActionRun.objects.create(
        as_of=today - timedelta(days=1), status=Job.Status.RUNNING, lease_until=timezone.now() - timedelta(hours=9)
    )
    if is_later_begun:
        refresh_next_actions()
    resume_next_actions(left.pk)
    left.refresh_from_db()
    assert (left.status, left.error) == (Job.Status.FAILED, {"code": "day_over"})
    assert (one_of(one).reason, one_of(one).day) == ("level_expired", today)
    assert NextActionRun.objects.get(as_of=today).status == Job.Status.DONE


def test_the_queries_of_a_block_do_not_grow_with_the_people(funds, django_assert_max_num_queries):
    suggest(persons(40, **IDLE), funds[0])
    with django_assert_max_num_queries(40):
        refresh_next_actions()


# ── What is seen ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_marketers_see_counts_of_ten_and_more_and_never_people(people, funds, client, django_assert_max_num_queries):
    asked = persons(23, days=-3, active_hour=9)
    persons(4, dormancy="dormant", active_hour=9)
    persons(12, dormancy="calm")
    refresh_next_actions()
    shown = {one.kind: (one.n, [(cell.hours, cell.n) for cell in one.cells]) for one in next_action_page()["actions"]}
    assert shown["assess"] == (20, [("8:00–12:00", 20)])
    assert shown["learn"] == (None, []) and shown["silence"] == (None, [])  # the twelve would give the four away
    client.force_login(people.mark)
    with django_assert_max_num_queries(12):
        page = client.get(reverse("next_actions"), **EN).content.decode()
    assert "Answer the questionnaire" in page or "answer the questionnaire" in page
    assert not any(one.pseudonym in page or f">{one.user.name}<" in page for one in asked)
    assert not NextAction.objects.visible_to(people.mark).exists()


def test_before_the_first_night_the_page_says_so(people, client):
    client.force_login(people.mark)
    assert "Nothing has been worked out yet" in client.get(reverse("next_actions"), **EN).content.decode()


def test_an_advisor_sees_the_reason_on_the_clients_page_and_another_advisor_does_not(people, funds, client, django_assert_max_num_queries):
    client_, = advised(people, people.ada, 1, funds)  # fmt: skip
    refresh_next_actions()
    slot = reverse("client_next_action_slot", args=[client_.pk])
    client.force_login(people.ada)
    assert slot in client.get(reverse("advisors:client", args=[client_.pk]), **EN).content.decode()
    with django_assert_max_num_queries(21):
        text = client.get(slot, **EN).content.decode()
    assert "60,000" in text and "Fund 1" in text and "others" not in text
    Investor.objects.filter(pk=client_.pk).update(level=None)
    assert "Fund 1" not in client.get(slot, **EN).content.decode()
    client.force_login(people.bob)
    assert client.get(slot).status_code == 404


def test_a_segment_of_a_next_action_is_said_in_words(funds):
    rule = read_rule({"version": 1, "rule": {"next_action": ["place", "learn"]}})
    assert "best next: place idle cash or wake with something to learn" in sentence(rule)


def test_idle_cash_is_not_said_to_suit_what_was_looked_at(funds):
    """Views propose; what is checked is the level and what the person has."""
    one = NextAction(kind="place", reason="idle_cash", data={"idle_minor": 6_000_000}, fund=funds[0])
    with override("en"):
        assert reason_words(one).endswith("lies idle, and Fund 1 suits the level and what they have.")
    with override("zh-hans"):
        assert "与现有资产相配" in reason_words(one) and "关注" not in reason_words(one)


def test_every_reason_has_a_sentence(funds):
    from marketing.kernels.next_action import RULES

    today = f"{timezone.localdate():%Y-%m-%d}"
    data = {"until": today, "since": today, "reached": 0.5, "gone": 0.9, "idle_minor": 100}
    for code, kind in RULES:
        one = NextAction(kind=kind, reason=code, data=data, fund=funds[0] if kind == "place" else None)
        assert reason_words(one) and (reason_words(one) == plain_reason(code) or plain_reason(code) in {"", plain_reason("asleep")})
