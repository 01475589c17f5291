"""The nightly reading of who sleeps, from orders, plans, visits and money."""

from datetime import date, datetime, time, timedelta
from uuid import uuid4

import numpy as np
import pytest
from django.utils import timezone

from advisor.models import Account, Assessment, Consent, Goal, Investor, ReviewTrigger
from marketing.models import DormancyChange, DormancyFit, DormancyRun, Event, Profile, Reactivation
from marketing.selectors.dormancy import n_reactivated
from marketing.services import build_profiles, refresh_dormancy, resume_dormancy
from marketing.services import dormancy as service
from marketing.services.dormancy_fit import current_fit, fit_decisions
from portfolios.models import Fund, Holding, Order, Portfolio
from tests.marketing.crowd import crowd

pytestmark = pytest.mark.django_db
DAY = date(2026, 11, 20)


def at(days_ago: int) -> datetime:
    return timezone.make_aware(datetime.combine(DAY - timedelta(days=days_ago), time(10)))


@pytest.fixture
def fund():
    return Fund.objects.create(
        code="000001",
        category="money",
        asset_class="money_market",
        risk_grade=1,
        source="test",
        last_nav_micro=1_000_000,
        last_nav_date=DAY,
    )


def person(name: str, *, cash: int = 0, units: int = 0, fund=None, seen: int | None = None) -> Investor:
    """An investor of two years with a portfolio: cash in yuan, units of a fund worth one yuan each."""
    one = crowd(1, prefix=name, joined_at=at(700), last_seen_at=None if seen is None else at(seen))[0]
    Profile.objects.filter(pk=one.pk).delete()
    portfolio = Portfolio.objects.create(cash_minor=cash * 100)
    account = Account.objects.create(investor=one)
    Goal.objects.create(
        account=account, portfolio=portfolio, name="Home", kind="home", amount_minor=1, target_date=DAY + timedelta(days=900)
    )
    if units:
        Holding.objects.create(portfolio=portfolio, fund=fund, units_centi=units * 100, cost_minor=units * 100)
    return one


def order(one: Investor, fund, *, days_ago: int, origin: str = "investor", state: str = "confirmed") -> None:
    portfolio = Portfolio.objects.get(goal__account__investor=one)
    Order.objects.create(
        portfolio=portfolio, fund=fund, side="buy", origin=origin, state=state, amount_minor=100, clearance_id=uuid4(),
        idempotency_key=str(uuid4()), placed_at=at(days_ago),
    )  # fmt: skip


def night(*, on: date) -> int:
    """Profiles, then who sleeps."""
    build_profiles(kind="full", as_of=on)
    return refresh_dormancy(on=on)


def state(one: Investor) -> str:
    return Profile.objects.get(pk=one.pk).dormancy


def test_a_sleeper_with_idle_cash_is_dormant_and_calm_people_are_not(fund):
    sleeper = person("sleeper", cash=5_000, units=500, fund=fund, seen=200)
    holder = person("holder", cash=50, units=9_000, fund=fund, seen=300)
    saver = person("saver", cash=4_000, units=100, fund=fund, seen=300)
    for one in (sleeper, holder, saver):
        order(one, fund, days_ago=400)
    order(saver, fund, days_ago=20, origin="plan")
    night(on=DAY)
    assert (state(sleeper), state(holder), state(saver)) == ("dormant", "calm", "calm")


def test_the_profile_holds_what_was_counted(fund):
    one = person("one", cash=300, units=200, fund=fund, seen=50)
    for days_ago in (10, 10, 30):
        order(one, fund, days_ago=days_ago)
    order(one, fund, days_ago=5, state="rejected")
    order(one, fund, days_ago=80, origin="plan")
    order(one, fund, days_ago=95, origin="plan")
    night(on=DAY)
    profile = Profile.objects.get(pk=one.pk)
    assert profile.n_decisions == 2  # two days, however many orders
    assert profile.n_plan_orders_90d == 1
    assert profile.last_decision_at == at(10)
    assert profile.last_visit_at == at(50)
    assert (profile.assets_minor, profile.idle_cash_minor) == (50_000, 30_000)
    assert profile.dormancy == "active"


def test_a_visit_seen_only_as_an_event_counts(fund):
    one = person("one", cash=5_000)
    Consent.objects.create(investor=one, purpose=Consent.Purpose.PROFILING, is_given=True, source="simulated", at=at(600))
    Event.objects.create(message_id=uuid4(), investor=one, type="page", name="home", occurred_at=at(3), received_at=at(3))
    night(on=DAY)
    assert state(one) == "active"


def test_what_happens_after_the_day_is_not_seen_yet(fund):
    one = person("one", cash=5_000, seen=-2)
    order(one, fund, days_ago=-1)
    night(on=DAY)
    assert Profile.objects.get(pk=one.pk).n_decisions == 0
    assert state(one) == "dormant"


def test_twice_a_day_gives_one_result(fund):
    one = person("one", cash=5_000, seen=200)
    assert night(on=DAY) == 1
    before = list(DormancyChange.objects.values())
    assert night(on=DAY) == 1
    assert list(DormancyChange.objects.values()) == before
    assert Profile.objects.filter(pk=one.pk).count() == 1


def test_a_change_is_dated_once_and_only_where_there_is_one(fund):
    one = person("one", cash=5_000, seen=200)
    night(on=DAY)
    assert night(on=DAY + timedelta(days=1)) == 0
    Investor.objects.filter(pk=one.pk).update(last_seen_at=at(-2))
    night(on=DAY + timedelta(days=2))
    assert list(DormancyChange.objects.order_by("date").values_list("from_state", "to_state", "date")) == [
        ("", "dormant", DAY), ("dormant", "active", DAY + timedelta(days=2)),
    ]  # fmt: skip


def test_a_change_taken_back_on_the_same_day_leaves_no_trace(fund):
    one = person("one", cash=5_000, seen=200)
    night(on=DAY)
    tomorrow = DAY + timedelta(days=1)
    Investor.objects.filter(pk=one.pk).update(last_seen_at=at(0))
    night(on=tomorrow)
    assert DormancyChange.objects.filter(date=tomorrow).exists()
    Investor.objects.filter(pk=one.pk).update(last_seen_at=at(200))
    night(on=tomorrow)
    assert not DormancyChange.objects.filter(date=tomorrow).exists()
    assert state(one) == "dormant"


def test_queries_do_not_grow_with_the_people(django_assert_max_num_queries):
    crowd(300, joined_at=at(700))
    build_profiles(kind="full", as_of=DAY)
    with django_assert_max_num_queries(60):
        refresh_dormancy(on=DAY)
    assert DormancyChange.objects.count() == 300


def many(n: int, fund, *, seed: int = 3) -> list[Investor]:
    """People who decide by the model, watched for two years, with their orders; a handful of bulk inserts."""
    people = crowd(n, prefix="many", joined_at=at(800))
    Profile.objects.all().delete()
    portfolios = Portfolio.objects.bulk_create(Portfolio(cash_minor=500_000) for _ in people)
    accounts = Account.objects.bulk_create(Account(investor=one) for one in people)
    rows = zip(accounts, portfolios, strict=True)
    Goal.objects.bulk_create(
        Goal(account=account, portfolio=portfolio, name="Home", kind="home", amount_minor=1, target_date=DAY) for account, portfolio in rows
    )
    rng = np.random.default_rng(seed)
    first = rng.integers(250, 700, n)
    days = []
    for start in first.tolist():
        now, mine = 0.0, [start]
        rate, drop = rng.gamma(1.5, 1 / 60), rng.beta(0.8, 2.0)
        while rng.random() >= drop and (now := now + rng.exponential(1 / rate)) < start:
            mine.append(start - int(now))
        days.append(mine)
    Order.objects.bulk_create(
        Order(
            portfolio=portfolio, fund=fund, side="buy", origin="investor", state="confirmed", amount_minor=100, clearance_id=uuid4(),
            idempotency_key=str(uuid4()), placed_at=at(ago),
        )
        for portfolio, mine in zip(portfolios, days, strict=True) for ago in mine
    )  # fmt: skip
    return people


def test_states_rest_on_a_fit_once_there_are_enough_people(fund):
    many(260, fund)
    night(on=DAY)
    fit = DormancyFit.objects.get()
    assert (fit.is_used, fit.why, fit.n_people, fit.model) == (True, "", 260, "mbgnbd")
    assert fit.report["n"] > 200 and fit.report["areas"]["p_any"]["value"] > 0.7
    assert [one["model"] for one in fit.report["others"]] == ["bgnbd"]
    profiles = list(Profile.objects.values("p_alive", "expected_decisions_90d", "rhythm_days", "n_decisions"))
    assert all(0 <= row["p_alive"] <= 1 and row["expected_decisions_90d"] >= 0 and row["rhythm_days"] > 0 for row in profiles)
    once = {row["rhythm_days"] for row in profiles if row["n_decisions"] == 1}
    often = {row["rhythm_days"] for row in profiles if row["n_decisions"] > 5}
    assert len(once) == 1 and len(often) > 20 and max(often) > 2 * min(often)  # the own rhythm of those who have one
    run = DormancyRun.objects.get()
    assert (run.status, run.fit, run.n_done) == ("done", fit, 260) and sum(run.states.values()) == 260


def test_a_fit_serves_a_week(fund):
    many(210, fund)
    assert current_fit(on=DAY) == current_fit(on=DAY + timedelta(days=6))
    assert current_fit(on=DAY + timedelta(days=7)).as_of == DAY + timedelta(days=7)
    assert fit_decisions(on=DAY).as_of == DAY and DormancyFit.objects.count() == 2


@pytest.mark.parametrize(("n", "why"), [(0, "no_orders"), (3, "histories_too_few")])
def test_with_too_little_to_fit_lengths_of_silence_decide_and_the_fit_says_so(fund, n, why):
    for i in range(n):
        order(person(f"p{i}", cash=5_000), fund, days_ago=200)
    night(on=DAY)
    fit = DormancyFit.objects.get()
    assert (fit.is_used, fit.why, fit.r) == (False, why, None)
    assert set(Profile.objects.values_list("dormancy", "p_alive")) <= {("dormant", None)}


def test_an_interrupted_night_goes_on_behind_its_last_block(fund, monkeypatch):
    crowd(25, joined_at=at(700))
    build_profiles(kind="full", as_of=DAY)
    monkeypatch.setattr("marketing.services.dormancy.BLOCK", 10)
    written = service._write_block

    def failing(block, *rest):
        if DormancyChange.objects.count() >= 20:
            raise RuntimeError("the worker dies")
        return written(block, *rest)

    monkeypatch.setattr("marketing.services.dormancy._write_block", failing)
    with pytest.raises(RuntimeError):
        refresh_dormancy(on=DAY)
    assert (DormancyRun.objects.get().n_done, DormancyChange.objects.count()) == (20, 20)
    assert refresh_dormancy(on=DAY) == 0, "the dead worker's lease still runs"
    DormancyRun.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    monkeypatch.setattr("marketing.services.dormancy._write_block", written)
    assert resume_dormancy(DormancyRun.objects.get().pk) == 25
    run = DormancyRun.objects.get()
    assert (run.status, run.n_done, run.attempts, DormancyChange.objects.count()) == ("done", 25, 2, 25)


def test_what_was_left_of_a_day_before_the_last_one_read_is_given_up(fund):
    one = person("one", cash=5_000, seen=200)
    night(on=DAY + timedelta(days=1))
    before = list(Profile.objects.values_list("pk", "dormancy", "dormancy_since"))
    left = DormancyRun.objects.create(as_of=DAY, status="running", lease_until=timezone.now() - timedelta(hours=9))
    assert resume_dormancy(left.pk) == 0
    left.refresh_from_db()
    assert (left.status, left.error) == ("failed", {"code": "day_over"})
    assert list(Profile.objects.values_list("pk", "dormancy", "dormancy_since")) == before
    assert DormancyChange.objects.get().date == DAY + timedelta(days=1) and before[0][0] == one.pk


def test_who_is_erased_while_their_block_is_read_is_left_out(fund, monkeypatch):
    gone, stays = person("gone", cash=1), person("stays", cash=1)
    build_profiles(as_of=DAY)

    def read(ids, day, plain=service.read_block):
        block = plain(ids, day)
        Profile.objects.filter(pk=gone.pk).delete()
        return block

    monkeypatch.setattr(service, "read_block", read)
    assert refresh_dormancy(on=DAY) == 1
    assert DormancyChange.objects.get().investor == stays


def test_a_change_says_why_and_a_state_since_when(fund):
    one = person("one", cash=5_000, seen=200)
    night(on=DAY)
    change = DormancyChange.objects.get()
    assert (change.reason, change.n_silent_days, change.idle_cash_minor) == ("long_silent", 200, 500_000)
    night(on=DAY + timedelta(days=3))
    assert Profile.objects.get(pk=one.pk).dormancy_since == DAY
    Investor.objects.filter(pk=one.pk).update(last_seen_at=at(-5))
    night(on=DAY + timedelta(days=5))
    assert Profile.objects.get(pk=one.pk).dormancy_since == DAY + timedelta(days=5)


def test_money_that_stays_has_a_value_for_the_year(fund):
    Fund.objects.update(sales_fee_bps=25)
    one = person("one", units=10_000, fund=fund, seen=3)
    Account.objects.filter(investor=one).update(fee_bps=50)
    night(on=DAY)
    assert Profile.objects.get(pk=one.pk).value_365d_minor == 7_500  # 0.75 % of 10,000 yuan


# ── Who woke ─────────────────────────────────────────────────────────────────────────────────────────────────────


def woke() -> list[tuple[str, date]]:
    return list(Reactivation.objects.order_by("date").values_list("kind", "date"))


def later(days: int) -> datetime:
    return at(-days)


def test_idle_cash_that_is_placed_wakes_and_a_bare_trade_does_not(fund):
    placed, traded = (person(name, cash=5_000, units=600, fund=fund, seen=200) for name in ("placed", "traded"))
    night(on=DAY)
    assert (state(placed), state(traded)) == ("dormant", "dormant")
    for one in (placed, traded):
        order(one, fund, days_ago=-2)
    Order.objects.filter(portfolio__goal__account__investor=placed).update(amount_minor=400_000)
    Portfolio.objects.filter(goal__account__investor=placed).update(cash_minor=100_000)
    Holding.objects.filter(portfolio__goal__account__investor=placed).update(units_centi=460_000)
    night(on=DAY + timedelta(days=2))
    assert state(traded) == "active" and woke() == [("cash_placed", DAY + timedelta(days=2))]
    assert Reactivation.objects.get().investor == placed and Reactivation.objects.get().slept_since == DAY
    night(on=DAY + timedelta(days=3))
    assert len(woke()) == 1
    assert n_reactivated(DAY) == 1 and n_reactivated(DAY + timedelta(days=3)) == 0


def test_a_plan_that_pays_again_wakes_and_one_that_went_on_does_not(fund):
    stopped, running = (person(name, cash=5_000, seen=200) for name in ("stopped", "running"))
    order(stopped, fund, days_ago=300, origin="plan")
    order(running, fund, days_ago=30, origin="plan")
    night(on=DAY)
    assert (state(stopped), state(running)) == ("dormant", "calm")
    for one in (stopped, running):
        order(one, fund, days_ago=-1, origin="plan")
    night(on=DAY + timedelta(days=1))
    assert woke() == [("plan_restored", DAY + timedelta(days=1))]
    assert Reactivation.objects.get().investor == stopped and state(stopped) == "calm"


def test_an_overdue_assessment_and_an_answer_wake(fund):
    overdue, asked, valid = (person(name, cash=5_000, seen=200) for name in ("overdue", "asked", "valid"))
    assessed(overdue, at(500))
    assessed(asked, at(100))
    assessed(valid, at(100))
    night(on=DAY)
    done = {one: assessed(one, later(1)) for one in (overdue, asked, valid)}
    ReviewTrigger.objects.create(investor=asked, kind="reassessment_asked", since=DAY, closed_at=later(1), closed_by=done[asked])
    night(on=DAY + timedelta(days=1))
    found = set(Reactivation.objects.values_list("investor", "kind"))
    assert found == {(overdue.pk, "assessment_done"), (asked.pk, "question_answered")}


def assessed(one: Investor, when: datetime) -> Assessment:
    return Assessment.objects.create(
        investor=one, state="completed", instrument="standard@1", instrument_sha256="0" * 64, level=3, started_at=when, completed_at=when
    )


def test_what_the_awake_do_is_no_waking(fund):
    one = person("one", cash=5_000, seen=5)
    assessed(one, at(500))
    night(on=DAY)
    assessed(one, later(1))
    night(on=DAY + timedelta(days=1))
    assert state(one) == "active" and not woke()
