"""Readings of behaviour: whose ledger is read and when, what is kept of it, what follows, and what an advisor sees."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from advisor.kernels.risk_profile import Measure
from advisor.models import BehaviourNight, BehaviourReading, Investor
from advisor.selectors.behaviour import measures_of
from advisor.selectors.behaviour_inputs import load_market, load_trades, traded_funds
from advisor.selectors.behaviour_page import behaviour_page
from advisor.services import behaviour as service
from advisor.services import give_consent
from advisor.services.behaviour import is_behaviour_left, read_behaviour, read_behaviour_of
from advisor.tasks import read_behaviour_task
from portfolios.models import Fund, GradeChange, Order
from tests.advisor.behaviour_db import agree, fell_on, make_prices, pot_of, trade
from tests.advisor.level_world import assess


@pytest.fixture
def told(monkeypatch):
    """Whose levels were looked at; the levels themselves are another test's."""
    calls: list[list[int]] = []
    monkeypatch.setattr(service, "apply_behaviour", lambda *, investor_ids: calls.append(list(investor_ids)) or len(calls[-1]))
    return calls


@pytest.fixture
def pot(people):
    """anna holds 10,000 of shares and 10,000 of gold, bought by a proposal two years and more ago, and agreed to profiling."""
    days = make_prices()
    goal = pot_of(people.anna_investor)
    trade(goal, "EQ", "buy", 10_000, days[5], "proposal")
    trade(goal, "GO", "buy", 10_000, days[5], "proposal")
    agree(people.anna_investor)
    return goal


def weekday(days: int):
    """A weekday so many days after the shares fell, or the next one."""
    day = fell_on() + timedelta(days=days)
    return day + timedelta(days=max(0, 7 - day.weekday()) % 7 if day.weekday() > 4 else 0)


def reading_of(investor) -> BehaviourReading:
    return BehaviourReading.objects.get(investor=investor)


def test_a_night_reads_who_agreed_and_keeps_what_each_measure_rests_on(people, pot, told):
    sale = trade(pot, "EQ", "sell", 10_000, weekday(10))
    trade(pot, "GO", "sell", 1_000, weekday(12), "proposal")
    silent = pot_of(people.ben_investor)
    trade(silent, "EQ", "buy", 10_000, weekday(-300))
    agree(people.ben_investor, is_given=False)
    night = read_behaviour()
    assert (night.n_due, night.n_read, night.n_forgotten) == (1, 1, 0) and night.finished_at
    found = reading_of(people.anna_investor)
    panic = found.measures["panic"]
    # In minor units: 850,000 of shares sold, of 850,000 + 1,000,000 on the morning of the crossing.
    assert panic["value"] == pytest.approx(85 / 185) and panic["rests_on"]["trades"] == [sale.pk]
    assert (panic["rests_on"]["held"], panic["rests_on"]["sold"], panic["rests_on"]["from"]) == (1_850_000, 850_000, str(fell_on()))
    assert found.panic_on is None and found.risk_assets_minor == pytest.approx(900_000, rel=0.2) and found.as_of == timezone.localdate()
    # The proposal's sale of gold is not counted: one sale day, with a loss; its cost of 10,000 was not reached.
    assert found.measures["disposition"]["rests_on"] == found.measures["disposition"]["rests_on"] | {"n": 1, "rl": 1, "trades": [sale.pk]}
    assert found.damage > 20 * 0.40 * 85 / 185 and told == [[people.anna_investor.pk]] and night.n_fallen == 1
    assert measures_of(people.anna_investor)["panic"] == Measure(pytest.approx(85 / 185), 1.0, None)
    assert not BehaviourReading.objects.filter(investor=people.ben_investor).exists() and measures_of(people.ben_investor) is None


def test_a_reading_is_made_again_when_something_can_have_changed_it(people, pot, told):
    read_behaviour()
    first = reading_of(people.anna_investor)
    assert first.damage == pytest.approx(0.0, abs=3) and first.due_on > timezone.localdate()
    again = read_behaviour()  # nothing was ordered since
    assert again.n_due == 0 and reading_of(people.anna_investor).computed_at == first.computed_at
    trade(pot, "GO", "sell", 10_000, weekday(20))
    trade(pot, "EQ", "sell", 9_000, weekday(20))
    assert read_behaviour().n_read == 1
    found = reading_of(people.anna_investor)
    # 7,650 of 18,500: the gold did not fall. Twelve months from its last sale a panic would cost a level: this is none.
    assert found.measures["panic"]["value"] == pytest.approx(7_650 / 18_500) and found.panic_on is None
    # Its own day of the next month is the latest.
    assert found.due_on <= (timezone.localdate().replace(day=1) + timedelta(days=31)).replace(day=1) + timedelta(days=27)
    BehaviourReading.objects.update(due_on=timezone.localdate())
    assert read_behaviour().n_read == 1 and reading_of(people.anna_investor).measures == found.measures


def test_a_panic_sale_is_dated_and_what_is_measured_grows_old(people, pot, told):
    trade(pot, "GO", "sell", 10_000, weekday(-30))
    trade(pot, "EQ", "sell", 6_000, weekday(20))
    sold = read_behaviour_of(investor=people.anna_investor)
    assert sold.measures["panic"]["value"] == pytest.approx(0.6) and sold.panic_on == weekday(20)
    later = timezone.localdate() + timedelta(days=300)
    assert measures_of(people.anna_investor, later)["panic"].months_since_sale == pytest.approx(
        (later - weekday(20)).days * 12 / 365.25, abs=1e-3
    )


def test_a_panic_lowers_the_level_in_force_that_night_and_withdrawn_consent_gives_nothing_back(people, pot):
    assess(people.anna_investor, 4)
    trade(pot, "EQ", "buy", 40_000, weekday(-300), "proposal")
    trade(pot, "GO", "sell", 10_000, weekday(-30))
    read_behaviour()
    assert Investor.objects.get(pk=people.anna_investor.pk).level == 4  # gold was sold, and nothing had fallen
    trade(pot, "EQ", "sell", 40_000, weekday(20))
    assert read_behaviour().n_fallen == 1
    fallen = Investor.objects.get(pk=people.anna_investor.pk).level
    assert fallen < 4 and people.anna_investor.level_changes.order_by("-pk").first().why.startswith("behaviour: panic")
    give_consent(investor=people.anna_investor, purpose="profiling", is_given=False, source="test")
    assert read_behaviour().n_fallen == 0 and Investor.objects.get(pk=people.anna_investor.pk).level == fallen


def test_withdrawn_consent_deletes_the_reading_and_leaves_the_level(people, pot, told):
    Investor.objects.filter(pk=people.anna_investor.pk).update(level=3)
    trade(pot, "EQ", "sell", 10_000, weekday(10))
    read_behaviour()
    give_consent(investor=people.anna_investor, purpose="profiling", is_given=False, source="test")
    assert not BehaviourReading.objects.exists() and measures_of(people.anna_investor) is None
    assert read_behaviour_of(investor=people.anna_investor) is None and read_behaviour().n_due == 0
    people.anna_investor.refresh_from_db()
    assert people.anna_investor.level == 3
    # One that is left over in spite of it - written by somebody else - is not shown, and is gone after the next night.
    BehaviourReading.objects.create(investor=people.anna_investor, as_of=timezone.localdate(), due_on=timezone.localdate())
    assert measures_of(people.anna_investor) is None and read_behaviour().n_forgotten == 1 and not BehaviourReading.objects.exists()


def test_a_night_that_was_interrupted_goes_on_where_it_was(people, pot, told, monkeypatch):
    trade(pot, "EQ", "sell", 10_000, weekday(10))
    agree(people.ben_investor)
    assert read_behaviour(seconds=0).finished_at is None and not is_behaviour_left()  # somebody may be at it
    BehaviourNight.objects.update(started_at=timezone.now() - timedelta(minutes=16))
    assert [is_behaviour_left(), is_behaviour_left()] == [True, False]

    def dies(*, investor_ids):
        raise RuntimeError("the worker was killed")

    monkeypatch.setattr(service, "apply_behaviour", dies)
    with pytest.raises(RuntimeError):
        read_behaviour()
    assert reading_of(people.anna_investor).due_on <= timezone.localdate()  # its level has not followed: it is read again
    monkeypatch.setattr(service, "apply_behaviour", lambda *, investor_ids: told.append(list(investor_ids)) or 0)
    read_behaviour_task()
    night = BehaviourNight.objects.get()
    assert night.finished_at and night.n_read == 2 and told == [[people.anna_investor.pk]]
    assert not measures_of(people.ben_investor)["panic"].evidence  # nothing was ever ordered: read, and without evidence


def test_a_fall_that_the_index_learned_of_late_is_looked_for_again(people, pot, told):
    trade(pot, "EQ", "sell", 10_000, weekday(10))
    read_behaviour()
    BehaviourNight.objects.update(crossings=[])  # as if the night before had not known it yet
    assert read_behaviour().n_due == 1 and read_behaviour().n_due == 0


def test_a_grade_counts_from_its_day_on_and_a_ledger_with_too_much_sold_measures_nothing(people, pot, told):
    trade(pot, "EQ", "sell", 10_000, weekday(10))
    GradeChange.objects.create(fund=Fund.objects.get(code="EQ"), from_grade=2, to_grade=4, own_grade=4, data_date=timezone.localdate())
    found = read_behaviour_of(investor=people.anna_investor)  # the fund was R2 until today: no risk asset was sold
    assert found.measures["panic"]["value"] == 0.0
    Order.objects.filter(side="sell").update(units_centi=2_000_000)
    found = read_behaviour_of(investor=people.anna_investor)
    assert (found.problem, found.measures, found.damage) == ("sold_more_than_held", {}, 0.0) and measures_of(people.anna_investor) is None


def test_whose_consent_comes_while_a_block_is_read_waits_for_the_next_night(people, pot, told):
    class Agreeing:
        """People of whom nobody had agreed at the first look, and everybody at the second."""

        def values_list(self, *columns, **options):
            return Investor.objects.none().values_list(*columns, **options)

        def values(self, *columns):
            return Investor.objects.values(*columns)

    today = timezone.localdate()
    assert Order.objects.exists()
    found, trades = load_trades(Agreeing(), load_market(today, traded_funds()), today)
    assert (found, len(trades)) == ([], 0)


def test_an_advisor_reads_each_measure_with_the_orders_it_rests_on(client, people, pot, told, django_assert_num_queries):
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    client.force_login(people.ada)

    def page():
        return " ".join(client.get(reverse("advisors:client", args=[people.anna_investor.pk])).content.decode().split())

    assert "the orders are read tonight" in page()
    trade(pot, "EQ", "sell", 10_000, weekday(10))
    for back in range(15):
        trade(pot, "GO", "buy", 100, weekday(20 + back))
    read_behaviour()
    with django_assert_num_queries(2):
        found = behaviour_page(people.anna_investor)
    assert [row.name for row in found.measures] == ["panic", "turnover", "disposition", "concentration", "chasing"]
    seen = page()
    assert f"Of ¥18,500 at risk as Chinese shares fell on {fell_on()}, ¥8,500 was sold within sixty trading days: 46 %." in seen
    assert "On 1 day of a sale 0 of 0 gains were taken and 1 of 1 losses." in seen
    assert "Fund EQ" in seen and "And 4 earlier orders." in seen  # of sixteen orders of turnover the latest twelve
    give_consent(investor=people.anna_investor, purpose="profiling", is_given=False, source="test")
    assert "has not agreed to profiling" in page() and "¥8,500" not in page()
