"""Backtests as jobs: frozen inputs, a step a decision day, nothing known too early, going on after a kill."""

import json
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db.models import QuerySet
from django.utils import timezone

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import DataError
from portfolios.models import Backtest, BacktestStep, Fund
from portfolios.selectors import load_history
from portfolios.selectors.backtests import strategy_name
from portfolios.services import ImportRequest, backtest_world, backtests, execute_backtest, import_nav, request_backtest
from portfolios.services.backtests import BacktestInputs
from tests.portfolios.backtest_world import END, FIRST_DECISION, FUNDS, START, asked, paths, store_market, weekdays

pytestmark = pytest.mark.django_db


@pytest.fixture
def market():
    store_market(paths())


def run(**changes) -> Backtest:
    backtest = request_backtest(name="walk", inputs=asked(**changes))
    assert execute_backtest(backtest.pk)
    backtest.refresh_from_db()
    assert backtest.status == "done", backtest.error
    return backtest


def strategy(backtest: Backtest, name: str) -> dict:
    return next(row for row in backtest.result["strategies"] if row["name"] == name)


def test_a_backtest_holds_the_levels_beside_cash_60_40_equal_weight_and_the_category_average(market):
    backtest = run()
    names = [row["name"] for row in backtest.result["strategies"]]
    assert names == [*(f"level_{level}" for level in range(1, 6)), "cash", "mix_60_40", "equal_weight", "category_average"]
    assert [step.day for step in backtest.steps.order_by("day")] == [FIRST_DECISION, date(2021, 7, 1), date(2022, 1, 3)]
    assert backtest.is_simulated and (backtest.n_done, backtest.n_total) == (3, 3)
    volatility = [strategy(backtest, f"level_{level}")["figures"]["volatility"] for level in range(1, 6)]
    assert volatility[0] < volatility[1] < volatility[2] <= volatility[4]
    assert strategy(backtest, "category_average")["costs"] is None


def test_the_same_inputs_again_return_the_one_there_is(market):
    first = request_backtest(name="one", inputs=asked())
    assert request_backtest(name="two", inputs=asked(funds=tuple(reversed(FUNDS)))).pk == first.pk
    assert request_backtest(name="three", inputs=asked(costs="none")).pk != first.pk


def test_the_second_of_two_clicks_at_one_moment_gets_the_backtest_of_the_first(market, monkeypatch):
    first = request_backtest(name="one", inputs=asked())
    monkeypatch.setattr(QuerySet, "first", lambda self: None)  # it looked before the first was written
    assert request_backtest(name="two", inputs=asked()).pk == first.pk


def test_one_that_failed_does_not_stand_in_the_way_of_the_same_inputs(market):
    first = request_backtest(name="one", inputs=asked())
    Backtest.objects.filter(pk=first.pk).update(status="failed")
    assert request_backtest(name="two", inputs=asked()).pk != first.pk


def test_shuffling_every_price_after_a_day_changes_no_portfolio_and_no_path_until_then(market):
    day = date(2021, 9, 15)
    before = run()
    values, at = paths(), int(np.searchsorted(weekdays(), day.toordinal(), side="right"))
    for code, index in values.items():
        changes = np.random.default_rng(len(code)).permutation(np.diff(np.log(index))[at - 1 :])
        values[code] = np.concatenate([index[:at], index[at - 1] * np.exp(np.cumsum(changes[::-1]))])
    store_market(values)
    after = run()
    assert after.pk != before.pk  # the prices are part of the inputs
    for one, two in zip(before.steps.order_by("day"), after.steps.order_by("day"), strict=True):
        assert (one.weights == two.weights) == (one.day <= day), one.day
    kept = [i for i, shown in enumerate(before.result["dates"]) if shown <= day.isoformat()]
    index_of = {shown: i for i, shown in enumerate(after.result["dates"])}
    common = [i for i in kept if before.result["dates"][i] in index_of]
    assert len(common) > 100
    for row in before.result["strategies"]:
        other = strategy(after, row["name"])
        assert [row["growth"][i] for i in common] == [other["growth"][index_of[before.result["dates"][i]]] for i in common]
    later = [[one["growth"][-30:] for one in found.result["strategies"]] for found in (before, after)]
    assert all(one != two for one, two in zip(*later, strict=True))  # the shuffle has teeth


def test_the_price_of_the_decision_day_is_not_known_to_the_decision(market):
    before = run()
    values, at = paths(), int(np.searchsorted(weekdays(), date(2022, 1, 3).toordinal()))
    for index in values.values():
        index[at:] = index[at:] * 0.9
    store_market(values)
    after = run()
    last = [list(one.steps.order_by("day").values_list("weights", flat=True))[-1] for one in (before, after)]
    assert last[0] == last[1]


def test_a_backtest_that_was_killed_goes_on_where_it_stopped_and_ends_the_same(market, monkeypatch):
    whole = run()
    result = whole.result
    Backtest.objects.all().delete()
    backtest = request_backtest(name="walk", inputs=asked())
    decided, real = [], backtests.decide

    def dying(world, row, earlier, held):
        if len(decided) == 2:
            raise KeyboardInterrupt
        decided.append(row)
        return real(world, row, earlier, held)

    monkeypatch.setattr(backtests, "decide", dying)
    with pytest.raises(KeyboardInterrupt):
        execute_backtest(backtest.pk)
    backtest.refresh_from_db()
    assert (backtest.status, backtest.n_done, backtest.n_total, backtest.steps.count()) == ("running", 2, 3, 2)
    assert not execute_backtest(backtest.pk)  # its lease still runs
    Backtest.objects.filter(pk=backtest.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    again = []
    monkeypatch.setattr(backtests, "decide", lambda world, row, earlier, held: again.append(row) or real(world, row, earlier, held))
    assert execute_backtest(backtest.pk)
    backtest.refresh_from_db()
    assert len(again) == 1 and again[0] not in decided
    assert backtest.result == result


def test_a_worker_that_lost_its_claim_writes_nothing_more(market, monkeypatch):
    backtest = request_backtest(name="walk", inputs=asked())
    real = backtests.decide

    def robbed(world, row, earlier, held):
        found = real(world, row, earlier, held)
        if BacktestStep.objects.filter(backtest=backtest).count() == 1:
            Backtest.objects.filter(pk=backtest.pk).update(claim="00000000-0000-0000-0000-000000000001")
        return found

    monkeypatch.setattr(backtests, "decide", robbed)
    assert not execute_backtest(backtest.pk)
    backtest.refresh_from_db()
    assert backtest.steps.count() == 1 and backtest.result is None


def test_a_finished_backtest_is_not_made_twice(market):
    assert not execute_backtest(run().pk)


def test_prices_restated_since_the_request_are_not_mixed_in(market):
    backtest = request_backtest(name="walk", inputs=asked())
    values = paths()
    values["BOND1"][5] *= 1.01
    store_market({"BOND1": values["BOND1"]})
    execute_backtest(backtest.pk)
    backtest.refresh_from_db()
    assert (backtest.status, backtest.error["code"]) == ("failed", "data_changed")


def test_prices_after_its_last_day_leave_a_backtest_as_it_is(market):
    first = request_backtest(name="walk", inputs=asked(end=date(2022, 3, 1)))
    values = paths()
    for index in values.values():
        index[-20:] *= 1.5
    store_market(values)
    assert request_backtest(name="walk", inputs=asked(end=date(2022, 3, 1))).pk == first.pk


def test_no_level_holds_a_fund_above_it_and_caps_are_kept_save_for_index_funds(market):
    backtest = run()
    grades = {"money": 1, "short_bond": 1, "bond": 2, "mixed": 3, "index": 3, "equity": 4}
    advice = jurisdiction().advice
    n_seen = 0
    for step in backtest.steps.all():
        for level in range(1, 6):
            for code, weight in (step.weights[f"level_{level}"] or {}).items():
                n_seen += 1
                assert grades[FUNDS[code][0]] <= level
                cap = 1.0 if code == "INDEX1" else advice.money_fund_cap if code.startswith("CASH") else advice.fund_optimised_cap
                assert weight <= cap + 1e-6
    assert n_seen > 30


def test_a_level_without_a_portfolio_stays_in_cash_and_says_why(market):
    backtest = run(funds=("BOND1", "BOND2", "INDEX1", "SHARE1", "SHARE2"), levels=(1, 5))
    row = strategy(backtest, "level_1")
    assert set(row["growth"]) == {1.0} and row["costs"]["idle_share"] == 1.0
    notes = backtest.steps.earliest("day").notes
    assert [(note["strategy"], note["code"]) for note in notes] == [("level_1", "no_fund_of_grade")]


def test_a_level_that_weighs_costs_against_what_it_holds_trades_less_than_one_that_follows_its_model(market):
    changes = {"levels": (3, 5), "every_months": 1, "bands": False}
    advised, model = run(**changes), run(follows="model", **changes)
    for name in ("level_3", "level_5"):
        one, two = strategy(advised, name)["costs"], strategy(model, name)["costs"]
        assert one["turnover_a_year"] < two["turnover_a_year"]
        assert one["purchase_fees"] + one["redemption_fees"] < two["purchase_fees"] + two["redemption_fees"]
    first = [found.steps.earliest("day").weights["level_5"] for found in (advised, model)]
    assert first[0] == first[1]  # without holdings advice is the model
    assert not [note for step in advised.steps.all() for note in step.notes]


def test_costs_lower_what_is_earned_by_what_was_paid(market):
    free, paid = run(costs="none"), run()
    for name in ("level_3", "level_5", "equal_weight"):
        one, two = strategy(free, name), strategy(paid, name)
        assert one["costs"]["purchase_fees"] == one["costs"]["redemption_fees"] == 0.0
        fees = two["costs"]["purchase_fees"] + two["costs"]["redemption_fees"]
        assert fees > 0
        assert one["figures"]["growth"] > two["figures"]["growth"]
    assert strategy(paid, "cash")["costs"]["purchase_fees"] == 0.0


def test_a_fund_that_dies_in_the_middle_is_in_the_test_and_leaves_with_its_last_price():
    values = paths()
    values["SHARE1"][weekdays() > date(2021, 3, 1).toordinal()] *= 0.5
    store_market(values, ends={"SHARE1": date(2021, 5, 14)})
    backtest = run()
    steps = list(backtest.steps.order_by("day"))
    assert "SHARE1" in steps[0].weights["equal_weight"]
    assert all("SHARE1" not in step.weights["equal_weight"] for step in steps[1:])
    assert strategy(backtest, "equal_weight")["figures"]["deepest_fall"] < -0.04  # a ninth of the half that was lost, and more


def test_bad_times_are_lived_through_replayed_or_taken_by_class(market):
    stress = {row["code"]: row["strategies"]["level_4"] for row in run(end=date(2022, 12, 30)).result["stress"]}
    assert stress["pandemic_2020"]["kind"] == "replayed"
    assert stress["crisis_2008"]["kind"] == "shock" and stress["crisis_2008"]["total_return"] < -0.1
    assert stress["crisis_2008"]["deepest_fall"] is None


def test_without_a_money_market_fund_cash_earns_the_rate_of_the_settings(market):
    backtest = run(funds=("BOND1", "BOND2", "INDEX1", "SHARE1", "SHARE2", "MIXED1"), levels=(5,))
    row = strategy(backtest, "cash")
    assert row["figures"]["annual_return"] == pytest.approx(jurisdiction().cash_rate, rel=1e-3)
    assert row["costs"] is None


def test_a_pool_screened_anew_is_kept_with_each_step_and_its_incumbents_are_known_to_the_next(market, monkeypatch):
    asked_of: list[tuple[date, dict]] = []
    real = backtest_world.load_screen_inputs

    def recorded(day, rules, previous):
        asked_of.append((day, dict(previous)))
        return real(day, rules, previous)

    def few(data, rules, **how):
        """The kernel's verdict on nine funds would be empty: three of them are in, one of these is below the line."""
        chosen = np.isin(data.facts.codes, ["BOND1", "INDEX1", "SHARE1"])
        below = np.where(np.isin(data.facts.codes, ["BOND1"]), 1, 0)
        return SimpleNamespace(codes=data.facts.codes, is_in=chosen, quarters_below=below)

    monkeypatch.setattr(backtest_world, "load_screen_inputs", recorded)
    monkeypatch.setattr(backtest_world, "screen_market", few)
    backtest = run(funds=(), every_months=12, levels=(5,))
    steps = list(backtest.steps.order_by("day"))
    assert [set(step.weights["equal_weight"]) for step in steps] == [{"BOND1", "INDEX1", "SHARE1"}] * 2
    assert steps[0].screen == {"BOND1": [True, 1], "INDEX1": [True, 0], "SHARE1": [True, 0]}
    ids = dict(Fund.objects.values_list("code", "pk"))
    assert [day for day, _previous in asked_of] == [step.day for step in steps]
    assert asked_of[0][1] == {}
    assert asked_of[1][1] == {ids["BOND1"]: (True, 1), ids["INDEX1"]: (True, 0), ids["SHARE1"]: (True, 0)}
    assert set(strategy(backtest, "cash")) and backtest.inputs["pool"] == "screen"


def test_a_screen_that_lets_nothing_in_leaves_the_levels_as_they_are_and_says_so(market):
    backtest = run(funds=(), every_months=12, levels=(5,))  # nine funds are too few for the rules
    assert [note["code"] for step in backtest.steps.all() for note in step.notes] == ["no_pool_then"] * 2
    assert set(strategy(backtest, "level_5")["growth"]) == {1.0}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"end": date(2021, 6, 1)}, "backtest_too_short"),
        ({"levels": (7,)}, "unknown_level"),
        ({"levels": ()}, "unknown_level"),
        ({"every_months": 2}, "unknown_choice"),
        ({"costs": "some"}, "unknown_choice"),
        ({"index_funds": "few"}, "unknown_choice"),
        ({"funds": ("CASH1", "NOBODY")}, "unknown_fund_code"),
        ({"start": date(2010, 1, 4)}, "no_price_by"),
    ],
)
def test_inputs_that_cannot_be_tested_are_refused_in_words(market, changes, code):
    with pytest.raises(DataError) as refused:
        request_backtest(name="walk", inputs=asked(**changes))
    assert refused.value.code == code
    assert not Backtest.objects.exists()


def test_the_command_prints_a_table_and_the_same_again_as_json(market):
    arguments = ["--start", FIRST_DECISION.isoformat(), "--end", END.isoformat(), "--every", "12", "--levels", "2,4"]
    said = StringIO()
    call_command("backtest", *arguments, stdout=said)
    assert "C4" in said.getvalue() and "60/40" in said.getvalue()
    printed = StringIO()
    call_command("backtest", *arguments, "--json", stdout=printed)
    found = json.loads(printed.getvalue())
    assert Backtest.objects.get().pk == found["id"]
    assert found["result"] == Backtest.objects.get().result
    assert found["inputs"]["levels"] == [2, 4]


def test_the_command_ends_with_a_sentence_for_bad_input(market):
    with pytest.raises(CommandError, match="NOBODY") as ended:
        call_command("backtest", "--start", "2021-01-04", "--end", "2022-06-30", "--funds", "NOBODY")
    assert ended.value.returncode == 2


def test_inputs_are_checked_when_they_are_written_down():
    with pytest.raises(DataError, match="backtest_too_short"):
        BacktestInputs(start=START, end=START, funds=("A",))


def test_a_fund_without_a_known_category_is_refused(market):
    Fund.objects.filter(code="BOND1").update(category="unheard")
    with pytest.raises(DataError, match="unknown_category"):
        request_backtest(name="walk", inputs=asked())


ETF = Path(__file__).resolve().parents[3] / "shared" / "data" / "etf"
ETF_FUNDS = ("SPY", "AGG", "BIL", "SHY", "IEF", "LQD", "EFA", "GLD")


def etf_part(folder: Path, first: str, last: str) -> dict[str, Path]:
    """A few columns and years of the set, as files to import."""
    import pandas as pd

    files = {"prices": "ETFs_Prices.csv", "total_return": "ETFs_TotalReturnIndices.csv"}
    for name in files.values():
        frame = pd.read_csv(ETF / name, encoding="utf-8-sig")
        days = pd.to_datetime(frame["Date"], format="%m/%d/%Y")
        frame[(days >= first) & (days <= last)][["Date", *ETF_FUNDS]].to_csv(folder / name, index=False)
    return {key: folder / name for key, name in files.items()} | {"descriptions": ETF / "ETFs_desc.csv"}


@pytest.mark.real_data
def test_the_command_of_the_documentation_on_a_short_window_of_the_etf_set(tmp_path):
    files = etf_part(tmp_path, "2007-06-01", "2011-12-30")
    report = import_nav(request=ImportRequest(today=END, accept_jumps="the crash of 2008", **files))
    assert (report.n_funds, report.refused) == (len(ETF_FUNDS), {})
    said, printed = StringIO(), StringIO()
    arguments = ["--start", "2009-07-01", "--end", "2011-12-30", "--costs", "caps", "--index-funds", "all"]
    arguments += ["--cash", "BIL", "--equity", "SPY", "--bond", "AGG"]
    call_command("backtest", *arguments, stdout=said)
    call_command("backtest", *arguments, "--json", stdout=printed)
    result = {row["name"]: row["figures"] for row in json.loads(printed.getvalue())["result"]["strategies"]}
    lines = {line.split("  ")[0]: line.split() for line in said.getvalue().splitlines()[1:]}
    for name, figures in result.items():
        assert f"{abs(figures['annual_return']) * 100:.2f}" in " ".join(lines[strategy_name(name)]), name
    # By hand: 60 % SPY and 40 % AGG, bought on the first day at the highest fees, set back when one is a fifth away.
    fund = {code: load_history([Fund.objects.get(code=code).pk])[Fund.objects.get(code=code).pk] for code in ("SPY", "AGG", "BIL")}
    at = int(np.searchsorted(fund["SPY"].dates, date(2009, 7, 1).toordinal()))
    grown = {code: one.total_return[-1] / one.total_return[at] for code, one in fund.items()}
    held = 0.6 / 1.008 * grown["SPY"] + 0.4 / 1.003 * grown["AGG"]
    bought = 0.6 / 1.008 + 0.4 / 1.003
    assert result["mix_60_40"]["growth"] == pytest.approx(held / bought, rel=0.01)
    assert result["cash"]["growth"] == pytest.approx(grown["BIL"], rel=1e-6)
    assert result["level_5"]["volatility"] > result["level_2"]["volatility"] > result["level_1"]["volatility"]
