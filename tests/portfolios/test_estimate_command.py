"""manage.py estimate: annual moments of a price file by named estimators, without the database."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from portfolios.kernels.covariances import COVARIANCES
from portfolios.kernels.moments import checked_moments
from portfolios.services.estimating import MEANS

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "etf"
VOLATILITIES = {"WORLD": 0.18, "000001": 0.004, "BOND": 0.04, "MIX": 0.12, "WILD": 0.35}  # one a volatility band
FIRST = 737_791  # 2021-01-04, a Monday


def wide(values: dict[str, list[str]], days: list[date]) -> str:
    rows = [",".join([day.isoformat(), *(values[code][i] for code in values)]) for i, day in enumerate(days)]
    return "\n".join([",".join(["Date", *values]), *rows])


@pytest.fixture
def days() -> list[date]:
    return [date.fromordinal(FIRST + 7 * (i // 5) + i % 5) for i in range(261 * 3)]


@pytest.fixture
def values(days) -> dict[str, list[str]]:
    rng = np.random.default_rng(5)
    common = rng.normal(size=len(days))
    steps = {code: 0.5 * common + np.sqrt(0.75) * rng.normal(size=len(days)) for code in VOLATILITIES}
    grown = {code: 100 * np.exp(np.cumsum(steps[code] * v / np.sqrt(261))) for code, v in VOLATILITIES.items()}
    return {code: [f"{price:.8f}" for price in prices] for code, prices in grown.items()}


@pytest.fixture
def prices(tmp_path, values, days) -> Path:
    path = tmp_path / "prices.csv"
    path.write_text(wide(values, days))
    return path


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def estimate(capsys, prices: Path, mean: str = "class_assumptions", cov: str = "ledoit_wolf", **options) -> dict:
    call_command("estimate", prices=prices, mean=mean, cov=cov, json=True, **options)
    return json.loads(capsys.readouterr().out)


def refused(prices: Path, **options) -> str:
    with pytest.raises(CommandError) as raised:
        call_command("estimate", prices=prices, json=True, **options)
    assert raised.value.returncode == 2
    sentence = str(raised.value)
    assert "\n" not in sentence and sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("cov", COVARIANCES)
@pytest.mark.parametrize("mean", MEANS)
def test_every_pair_of_names_prints_moments_that_an_optimiser_takes_as_they_are(prices, capsys, mean, cov):
    printed = estimate(capsys, prices, mean, cov)
    assert printed["funds"] == sorted(VOLATILITIES)
    moments = checked_moments(printed["funds"], printed["mean"], printed["cov"])
    assert moments.notes == ()
    assert (printed["versions"]["mean"], printed["versions"]["cov"]) == (mean, cov)


def test_figures_are_annual_simple_returns(prices, capsys, values):
    weekly = np.array([[float(cell) for cell in values[code][2::5]] for code in sorted(values)]).T
    returns = weekly[1:] / weekly[:-1] - 1
    printed = estimate(capsys, prices, "historical", "sample")
    assert printed["versions"]["n_weeks"] == len(returns)
    assert printed["mean"] == pytest.approx(returns.mean(axis=0) * 365.25 / 7, rel=1e-9)
    assert np.array(printed["cov"]) == pytest.approx(np.cov(returns.T) * 365.25 / 7, rel=1e-9)
    assert np.sqrt(np.diag(printed["cov"])) == pytest.approx([VOLATILITIES[code] for code in printed["funds"]], rel=0.15)


def test_long_and_wide_files_and_the_order_of_columns_say_the_same(prices, capsys, tmp_path, values, days):
    rows = [f"{code},{day.isoformat()},{values[code][i]}" for code in values for i, day in enumerate(days)]
    long = written(tmp_path, "long.csv", "\n".join(["fund,date,nav", *rows]))
    turned = written(tmp_path, "turned.csv", wide({code: values[code] for code in reversed(values)}, days))
    first = estimate(capsys, prices, "bayes_stein")
    for other in (estimate(capsys, long, "bayes_stein"), estimate(capsys, turned, "bayes_stein")):
        assert other["funds"] == first["funds"]
        assert other["mean"] == pytest.approx(first["mean"], rel=1e-12)
        assert np.array(other["cov"]) == pytest.approx(np.array(first["cov"]), rel=1e-12)


def test_without_assumptions_the_class_is_that_of_the_volatility_band_and_said(prices, capsys):
    printed = estimate(capsys, prices)
    assert dict(zip(printed["funds"], printed["mean"], strict=True)) == pytest.approx(
        {"000001": 0.018, "BOND": 0.028, "MIX": 0.05, "WORLD": 0.07, "WILD": 0.08}
    )
    assert "class_from_volatility:BOND" in printed["notes"]


def test_assumptions_name_classes_betas_and_cash_and_keep_codes_with_leading_zeros(prices, capsys, tmp_path):
    text = """
cash_rate: 0.01
classes: {shares: {mean: 0.06}}
funds:
  000001: {class: money_market}
  WORLD: {class: shares, beta: 1.2}
"""
    printed = estimate(capsys, prices, assumptions=written(tmp_path, "a.yaml", text))
    found = dict(zip(printed["funds"], printed["mean"], strict=True))
    assert (found["000001"], found["WORLD"], found["BOND"]) == pytest.approx((0.016, 0.01 + 1.2 * 0.05, 0.028))
    assert not {"class_from_volatility:000001", "class_from_volatility:WORLD"} & set(printed["notes"])


def test_equilibrium_is_the_mean_at_which_the_reference_mix_is_optimal(prices, capsys, tmp_path):
    text = "cash_rate: 0.02\nrisk_aversion: 3\nreference_mix: {grade_2: 0.5, grade_4: 0.3, gold: 0.2}\n"
    printed = estimate(capsys, prices, "equilibrium", assumptions=written(tmp_path, "a.yaml", text))
    held = np.linalg.solve(3 * np.array(printed["cov"]), np.array(printed["mean"]) - 0.02)
    assert dict(zip(printed["funds"], held, strict=True)) == pytest.approx(
        {"000001": 0, "BOND": 0.625, "MIX": 0, "WILD": 0, "WORLD": 0.375}, abs=1e-9
    )
    assert "reference_class_without_fund:gold" in printed["notes"]


def view(funds: dict[str, float], expected: float, confidence: float) -> dict:
    return {"funds": funds, "return": expected, "confidence": confidence}


def test_views_tilt_the_class_assumptions_and_certain_ones_hold(prices, capsys, tmp_path):
    prior = estimate(capsys, prices)["mean"]
    said = {"views": [view({"WILD": 1, "WORLD": -1}, 0.03, 1.0), view({"BOND": 1}, 0.05, 0.0)]}
    printed = estimate(capsys, prices, "black_litterman", views=written(tmp_path, "v.json", json.dumps(said)))
    found = dict(zip(printed["funds"], printed["mean"], strict=True))
    assert found["WILD"] - found["WORLD"] == pytest.approx(0.03, abs=1e-12)
    assert printed["versions"]["prior"] == "class_assumptions"
    said["views"][0]["confidence"] = 0.0
    untilted = estimate(capsys, prices, "black_litterman", views=written(tmp_path, "v.json", json.dumps(said)))
    assert untilted["mean"] == pytest.approx(prior, abs=1e-15)


def test_a_market_makes_the_prior_an_equilibrium(prices, capsys, tmp_path):
    said = {"views": [], "market": {"BOND": 0.6, "WORLD": 0.4}, "risk_aversion": 2.0, "tau": 0.05}
    printed = estimate(capsys, prices, "black_litterman", views=written(tmp_path, "v.json", json.dumps(said)))
    held = np.linalg.solve(2 * np.array(printed["cov"]), np.array(printed["mean"]) - 0.015)
    assert dict(zip(printed["funds"], held, strict=True)) == pytest.approx(
        {"000001": 0, "BOND": 0.6, "MIX": 0, "WILD": 0, "WORLD": 0.4}, abs=1e-9
    )
    assert printed["versions"]["prior"] == "equilibrium"
    assert "no_views" in printed["notes"]


def test_what_is_given_and_not_used_is_said(prices, capsys, tmp_path):
    views = written(tmp_path, "v.json", '{"views": []}')
    printed = estimate(capsys, prices, "historical", views=views, assumptions=written(tmp_path, "a.yaml", "cash_rate: 0.01"))
    assert {"views_not_used", "assumptions_not_used", "not_for_advice"} <= set(printed["notes"])


def test_a_younger_fund_is_used_as_far_as_it_goes_and_said_both_ways(capsys, tmp_path, values, days):
    values["WILD"][:300] = ["NA"] * 300
    prices = written(tmp_path, "p.csv", wide(values, days))
    pairwise = estimate(capsys, prices, "historical", "sample")
    em = estimate(capsys, prices, "historical", "sample", unequal="em")
    assert "unequal_histories" in pairwise["notes"] and "unequal_histories_em" in em["notes"]
    at = em["funds"].index("WILD")
    assert em["mean"][at] != pytest.approx(pairwise["mean"][at], rel=1e-3)
    assert [m for i, m in enumerate(em["mean"]) if i != at] == pytest.approx([m for i, m in enumerate(pairwise["mean"]) if i != at])


def test_a_fund_without_variance_and_a_dead_one(capsys, tmp_path, values, days):
    values["000001"] = ["1.0"] * len(days)
    values["MIX"][-40:] = [""] * 40
    printed = estimate(capsys, written(tmp_path, "p.csv", wide(values, days)), "james_stein")
    assert printed["funds"] == ["000001", "BOND", "WILD", "WORLD"]
    assert "stale:MIX" in printed["notes"]
    assert printed["mean"][0] == 0.0
    assert printed["cov"][0] == [0.0] * 4


def test_a_fund_that_grows_by_the_same_part_every_day_has_no_variance_and_moves_no_other(capsys, tmp_path, values, days):
    """Floating point leaves its weekly returns a deviation near 1e-16, which must not count as a very sure thing."""
    values["000001"] = ["1.0"] * len(days)
    still = estimate(capsys, written(tmp_path, "p.csv", wide(values, days)), "james_stein")
    values["000001"] = [repr(100 * 1.00006**i) for i in range(len(days))]
    grows = estimate(capsys, written(tmp_path, "p.csv", wide(values, days)), "james_stein")
    assert grows["cov"][0] == [0.0] * 5
    assert np.array(grows["cov"]) == pytest.approx(np.array(still["cov"]), abs=1e-15)
    assert grows["mean"][0] == pytest.approx((1.00006**5 - 1) * 365.25 / 7)
    assert grows["mean"][1:] == pytest.approx(still["mean"][1:], abs=1e-12)


def test_two_week_returns_overlap_and_years_cut_the_history(prices, capsys):
    one, two = estimate(capsys, prices), estimate(capsys, prices, weeks=2)
    assert two["versions"]["n_weeks"] == one["versions"]["n_weeks"] - 1
    assert two["versions"]["periods_a_year"] == pytest.approx(one["versions"]["periods_a_year"] / 2, abs=1e-6)
    assert estimate(capsys, prices, years=1.5)["versions"]["first_date"] > one["versions"]["first_date"]


@pytest.mark.parametrize("missing", ["nan", "", "NA"])
def test_a_price_missing_inside_a_history_is_refused_by_fund_and_date_or_carried_over(capsys, tmp_path, values, days, missing):
    values["MIX"][100] = missing
    prices = written(tmp_path, "p.csv", wide(values, days))
    assert refused(prices) == (
        f"Fund MIX has no price on {days[100].isoformat()}, though it has earlier and later ones: fill it in or leave the fund out."
    )
    assert "MIX" in estimate(capsys, prices, carry_gaps=True)["funds"]


def test_a_long_file_names_a_missing_price_too_and_a_hole_longer_than_two_weeks(tmp_path, values, days):
    cells = {code: list(values[code]) for code in ("BOND", "WORLD")}
    cells["BOND"][50] = "nan"
    rows = [f"{code},{day.isoformat()},{cells[code][i]}" for code in cells for i, day in enumerate(days)]
    assert f"Fund BOND has no price on {days[50].isoformat()}" in refused(written(tmp_path, "p.csv", "\n".join(["fund,date,nav", *rows])))
    kept = [(code, i) for code in cells for i in range(len(days)) if code == "WORLD" or i // 20 != 7]
    rows = [f"{code},{days[i].isoformat()},{values[code][i]}" for code, i in kept]
    assert "Fund BOND has no price on" in refused(written(tmp_path, "p.csv", "\n".join(["fund,date,nav", *rows])))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"mean": "median"}, "There is no mean “median”; there are class_assumptions, equilibrium, black_litterman, historical"),
        ({"cov": "lw"}, "There is no covariance “lw”; there are ledoit_wolf, ledoit_wolf_identity, oas, ewma, denoised, sample."),
        ({"unequal": "drop"}, "there are pairwise, em."),
        ({"weeks": 3}, "A return spans 1 or 2 weeks, not 3."),
        ({"half_life": 0.0}, "The half-life must be"),
        ({"mean": "ewma", "cov": "ewma", "half_life": 1e-300}, "A half-life of 1e-300 weeks leaves too few returns"),
        ({"years": -1.0}, "The years of history must be"),
        ({"prices": Path("nowhere.csv")}, "There is no file nowhere.csv."),
    ],
)
def test_unknown_names_and_numbers_are_refused_in_one_sentence(prices, options, sentence):
    assert sentence in refused(options.pop("prices", prices), **options)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "v.json is not a JSON file: line 1"),
        ("[]", "v.json: - is wrong"),
        ('{"views": [{"funds": {"BOND": 1}, "return": 0.02, "confidence": 1.5}]}', "v.json: views.0.confidence is wrong"),
        ('{"views": [{"funds": {"BOND": NaN}, "return": 0.02, "confidence": 0.5}]}', "v.json: views.0.funds.BOND is wrong"),
        ('{"views": [{"funds": {"BOND": 1}, "confidence": 0.5}]}', "v.json: views.0.return is wrong"),
        ('{"views": [], "omega": 1}', "v.json: omega is wrong"),
        ('{"views": [{"funds": {"BOND": 1, "BOND": 2}, "return": 0.02, "confidence": 0.5}]}', "the key “BOND” stands twice"),
        ('{"views": [{"funds": {"GOLD": 1}, "return": 0.02, "confidence": 0.5}]}', "The views name fund GOLD"),
        ('{"views": [{"funds": {"BOND": 0}, "return": 0.02, "confidence": 0.5}]}', "A view names no fund"),
        ('{"views": [], "market": {"BOND": 0.5}}', "The weights of market add up to 0.5, not to 1."),
        ('{"views": [], "market": {"GOLD": 1}}', "The views name fund GOLD"),
    ],
)
def test_wrong_views_are_refused_in_one_sentence(prices, tmp_path, text, sentence):
    assert sentence in refused(prices, mean="black_litterman", views=written(tmp_path, "v.json", text))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("classes: [", "a.yaml is not a YAML file: line 1"),
        ("classes: {shares: {mean: much}}", "a.yaml: classes.shares.mean is wrong"),
        ("funds: {GOLD: {class: bond}}", "Fund GOLD is not in the price file."),
        ("funds: {BOND: {class: bonds}}", "Fund BOND: there is no asset class “bonds”; there are bond, commodity"),
        ("funds: {BOND: {class: bond}, BOND: {class: gold}}", "the key “BOND” stands twice"),
        ("reference_mix: {bonds: 1.0}", "There is no class “bonds” for the reference mix"),
        ("reference_mix: {bond: 0.7}", "The weights of reference_mix add up to 0.7, not to 1."),
        ("reference_mix: {gold: 1.0}", "None of the classes of the reference mix (gold) has a fund."),
        ("risk_aversion: 0", "a.yaml: risk_aversion is wrong"),
    ],
)
def test_wrong_assumptions_are_refused_in_one_sentence(prices, tmp_path, text, sentence):
    assert sentence in refused(prices, mean="equilibrium", assumptions=written(tmp_path, "a.yaml", text))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text.replace("BOND", "MIX", 1), "The column “mix” stands twice"),
        (lambda text: text.replace(text.split("\n")[5].split(",")[2], "-3", 1), "the NAV is not above zero"),
        (lambda text: "\n".join(text.split("\n")[:100]), "There is not enough price history."),
    ],
)
def test_wrong_prices_are_refused_in_one_sentence(prices, change, sentence):
    prices.write_text(change(prices.read_text()))
    assert sentence in refused(prices)


def test_a_fund_too_young_to_measure_leaves_views_on_it_without_a_ground(capsys, tmp_path, values, days):
    values["WILD"][:-100] = [""] * (len(days) - 100)
    prices = written(tmp_path, "p.csv", wide(values, days))
    assert "short_history:WILD" in estimate(capsys, prices)["notes"]
    said = written(tmp_path, "v.json", json.dumps({"views": [view({"WILD": 1}, 0.1, 0.5)]}))
    assert "The views name fund WILD" in refused(prices, mean="black_litterman", views=said)


def test_the_table_for_people_names_funds_returns_and_volatilities(prices, capsys):
    call_command("estimate", prices=prices)
    printed = capsys.readouterr().out
    assert printed.startswith("Fund          Return a year  Volatility")
    assert "BOND                  2.80%" in printed
    assert "Note: class_from_volatility:BOND" in printed


@pytest.mark.real_data
@pytest.mark.parametrize(("cov", "unequal"), [("ledoit_wolf", "pairwise"), ("oas", "em"), ("denoised", "em")])
def test_the_etf_set_over_its_whole_history_gives_usable_moments(capsys, cov, unequal):
    printed = estimate(capsys, DATA / "ETFs_TotalReturnIndices.csv", "james_stein", cov, unequal=unequal, years=24.0)
    assert len(printed["funds"]) == 37
    moments = checked_moments(printed["funds"], printed["mean"], printed["cov"])
    assert moments.notes == ()
    volatility = dict(zip(moments.codes, np.sqrt(np.diag(moments.cov)), strict=True))
    assert volatility["BIL"] < 0.03 < volatility["AGG"] < 0.10 < volatility["SPY"] < volatility["EEM"] < 0.35
