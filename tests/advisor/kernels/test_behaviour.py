"""The five measures: ledgers worked out by hand, the definition of PGR and PLR, and a second, plain evaluator on random ledgers."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.kernels.behaviour import MEASURES, LedgerError, measure, sheets
from advisor.kernels.behaviour_market import crossings, equal_weighted, finished_months, months_before
from tests.advisor.kernels.behaviour_world import RULES, Naive, OneFund, market_of, trades_of, weekdays, without_floor

DAYS = weekdays(date(2024, 1, 1), 520)  # a Monday; to 26 December 2025
AS_OF = date(2025, 12, 31)
FLAT = [1.0] * len(DAYS)
FELL = [1.0] * 100 + [0.95] + [0.90] * 419  # 10 % below its high on day 101


def reading(rows, *funds, rules=RULES, as_of=AS_OF):
    """The sheet of the only investor of a ledger on a market of these funds."""
    market = market_of(DAYS, *funds)
    found = measure(trades_of(market, [(0, *row) for row in rows]), market, rules, as_of, 1)
    flat = {name: one | one["rests_on"] for name, one in sheets(found)[0].items()}
    return flat | {"risk_assets": float(found.risk_assets[0]), "short_row": int(found.short_row[0])}


# ── Panic ─────────────────────────────────────────────────────────────────────────────────────────────────────────

SHARES, OTHER_SHARES = OneFund(FELL), OneFund([0.5 * price for price in FELL], grade=5, category="sector")
GOLD, BONDS = OneFund(FLAT, "gold", "world", "gold", 3), OneFund(FLAT, "bond", "cn", "bond", 2)
HELD = [(DAYS[10], 0, "buy", 10_000), (DAYS[10], 1, "buy", 10_000), (DAYS[10], 2, "buy", 10_000)]


def panic_of(*rows):
    return reading([*HELD, *rows], SHARES, GOLD, BONDS, OTHER_SHARES)["panic"]


def test_what_was_sold_in_a_fall_is_divided_by_the_risk_assets_of_that_morning():
    # On day 101 the shares are worth 10,000 x 0.90 = 9,000 and the gold 10,000; bonds are R2 and no risk assets.
    # Sold within 60 trading days: 8,000 x 0.90 = 7,200. 7,200 / 19,000 = 0.378947...
    found = panic_of((DAYS[161], 0, "sell", 8_000))
    assert found["value"] == pytest.approx(7_200 / 19_000, abs=1e-9)
    assert found == found | {"evidence": 1.0, "n": 1, "from": str(DAYS[101]), "to": str(DAYS[161]), "trades": [3], "sale_on": None}
    assert found["held"] == pytest.approx(19_000) and found["sold"] == pytest.approx(7_200) and found["asset_class"] == "equity"


@pytest.mark.parametrize(
    "row",
    [
        (DAYS[100], 0, "sell", 8_000),  # the day before the crossing
        (DAYS[162], 0, "sell", 8_000),  # the sixty-first trading day after it
        (DAYS[120], 1, "sell", 8_000),  # gold has not fallen
        (DAYS[120], 2, "sell", 8_000),  # bonds are no risk assets
        (DAYS[120], 0, "sell", 8_000, "rebalance"),  # not the investor's idea
    ],
)
def test_what_is_no_sale_in_a_fall(row):
    assert panic_of(row)["value"] == 0.0


def test_a_panic_sale_is_dated_by_its_last_order_and_falls_lived_through_calmly_are_counted():
    # All shares beside gold are 9,000 / 19,000 = 0.474, no panic sale; all shares alone are (3,600 + 5,400) / 9,000 = 1.
    alone = [HELD[0], (DAYS[110], 0, "sell", 4_000), (DAYS[120], 0, "sell", 6_000)]
    assert panic_of(*alone[1:])["sale_on"] is None
    found = reading(alone, SHARES)["panic"]
    assert found["value"] == pytest.approx(1.0) and found["sale_on"] == str(DAYS[120]) and found["n_calm"] == 0
    assert found["months_since_sale"] == pytest.approx((AS_OF - DAYS[120]).days * 12 / 365.25, abs=1e-3)
    assert panic_of()["n_calm"] == 1 and panic_of()["sale_on"] is None


def test_money_that_comes_back_into_an_equal_or_higher_grade_within_ten_trading_days_was_switched():
    # Sold 8,000 x 0.90 = 7,200; bought back 4,000 x 0.45 = 1,800 of R5: 5,400 / 19,000 is left.
    sale = (DAYS[110], 0, "sell", 8_000)
    assert panic_of(sale, (DAYS[120], 3, "buy", 4_000))["value"] == pytest.approx(5_400 / 19_000, abs=1e-9)
    # The eleventh day is too late, R3 is too low, and what a plan buys is not the investor's coming back.
    assert panic_of(sale, (DAYS[121], 3, "buy", 4_000))["value"] == pytest.approx(7_200 / 19_000, abs=1e-9)
    assert panic_of(sale, (DAYS[112], 1, "buy", 4_000))["value"] == pytest.approx(7_200 / 19_000, abs=1e-9)
    assert panic_of(sale, (DAYS[112], 3, "buy", 4_000, "plan"))["value"] == pytest.approx(7_200 / 19_000, abs=1e-9)
    # One purchase of 1,800 excuses 1,800 of two sales, not of each: (3,600 - 1,800) + 3,600 = 5,400.
    two = [(DAYS[110], 0, "sell", 4_000), (DAYS[111], 0, "sell", 4_000)]
    assert panic_of(*two, (DAYS[112], 3, "buy", 4_000))["value"] == pytest.approx(5_400 / 19_000, abs=1e-9)


def test_a_fall_is_a_crossing_of_ten_percent_below_the_high_of_twelve_months():
    dates = np.array([day.toordinal() for day in DAYS])
    index = np.array(FLAT)[:, None].copy()
    index[50:60] = 0.901  # not far enough
    index[70:80] = 0.90  # down to the line
    index[90:400] = 0.85  # again, from above
    index[400:] = 0.80  # twelve months after the high of 1 its high is 0.85: 5.9 % below it
    assert np.flatnonzero(crossings(index, dates, RULES)).tolist() == [70, 90]


# ── Turnover ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_turnover_is_half_of_buys_and_sells_by_the_opening_of_the_month():
    # Months from February 2024 to December 2025 open with something: 23. In March 2024 10,000 are held as it begins, 1,000 are bought
    # and 500 sold: 750 / 10,000. From April 10,500. In May 2024 2,100 are sold: 1,050 / 10,500. 12 x (0.075 + 0.10) / 23.
    in_march, in_may = date(2024, 3, 11), date(2024, 5, 20)
    rows = [
        (DAYS[5], 0, "buy", 10_000),
        (in_march, 0, "buy", 1_000),
        (in_march, 0, "sell", 500),
        (in_march, 0, "buy", 3_000, "plan"),
        (in_march, 0, "sell", 3_000, "withdrawal"),
        (in_may, 0, "sell", 2_100),
    ]
    found = reading(rows, BONDS, GOLD)["turnover"]
    assert found["value"] == pytest.approx(12 * (0.075 + 0.10) / 23, abs=1e-9)
    assert found == found | {"n": 23, "from": "2024-02-01", "to": "2025-12-31", "trades": [1, 2, 5]}
    assert found["evidence"] == 0.0  # R2 alone: no risk assets


def test_a_month_that_opens_almost_empty_says_nothing_of_turnover():
    rows = [(DAYS[5], 0, "buy", 100), (date(2024, 3, 11), 0, "buy", 50_000), (date(2024, 4, 15), 0, "buy", 5_010)]
    found = reading(rows, GOLD)["turnover"]  # April opens with 50,100: 2,505 / 50,100 = 0.05, over April 2024 to December 2025
    assert found["value"] == pytest.approx(12 * 0.05 / 21, abs=1e-9) and (found["n"], found["trades"]) == (21, [2])
    assert found["evidence"] == pytest.approx(21 / 27)


def test_months_are_whole_ones():
    assert finished_months(date(2026, 5, 29), 2) == [date(2026, 4, 1), date(2026, 5, 1), date(2026, 6, 1)]  # a Friday, May is over
    assert finished_months(date(2026, 5, 28), 1) == [date(2026, 4, 1), date(2026, 5, 1)]
    assert finished_months(date(2025, 12, 31), 1) == [date(2025, 12, 1), date(2026, 1, 1)]
    assert months_before(date(2024, 3, 31), 1) == date(2024, 2, 29)


# ── Disposition ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_pgr_and_plr_are_odeans_on_a_constructed_ledger():
    risen, fallen, doubled = ([1.0] * 50 + [end] * 470 for end in (1.2, 0.9, 2.0))
    funds = [OneFund(risen), OneFund(fallen), OneFund(doubled), OneFund(FLAT), OneFund(risen)]
    rows = [(DAYS[10], fund, "buy", 10_000) for fund in range(5)]
    rows += [
        # Day 1: fund 0 sold in part with a gain; 2 and 4 are paper gains, 1 a paper loss, 3 at its cost and neither. RG 1 PG 2 PL 1.
        (DAYS[100], 0, "sell", 1_000),
        # Day 2: 0 sold twice counts once, 1 sold with a loss, 2 and 4 paper gains; 4 is bought, which is no sale. RG 1 PG 2 RL 1.
        (DAYS[110], 0, "sell", 1_000),
        (DAYS[110], 0, "sell", 1_000),
        (DAYS[110], 1, "sell", 10_000),
        (DAYS[110], 4, "buy", 500),
        # Day 3: 2 sold by a plan's end is neither realised nor paper; 0 sold, 4 a paper gain. RG 1 PG 1.
        (DAYS[120], 2, "sell", 500, "withdrawal"),
        (DAYS[120], 0, "sell", 1_000),
        # Not a day of an own sale.
        (DAYS[130], 0, "sell", 1_000, "rebalance"),
    ]
    found = reading(rows, *funds)["disposition"]
    assert [found[name] for name in ("rg", "pg", "rl", "pl")] == [3, 5, 1, 1]
    # PGR = (3 + 20 x .148) / (8 + 20) = 5.96 / 28; PLR = (1 + 20 x .098) / (2 + 20) = 2.96 / 22.
    assert found["pgr"] == pytest.approx(5.96 / 28, abs=1e-9) and found["plr"] == pytest.approx(2.96 / 22, abs=1e-9)
    assert found["value"] == pytest.approx(5.96 / 28 - 2.96 / 22, abs=1e-9)
    assert found["n"] == 3 and found["evidence"] == pytest.approx(3 / 11) and found["trades"] == [5, 6, 7, 8, 11]
    # Without the pseudo-observations it is the definition itself: 3 / 8 - 1 / 2.
    assert reading(rows, *funds, rules=replace(RULES, pseudo_sales=0))["disposition"]["value"] == pytest.approx(3 / 8 - 1 / 2)


def test_a_sale_of_the_only_holding_says_nothing_of_disposition():
    found = reading([(DAYS[10], 0, "buy", 10_000), (DAYS[50], 0, "sell", 1_000)], GOLD)["disposition"]
    assert found["n"] == 0 and found["evidence"] == 0.0 and found["value"] == pytest.approx(0.05) and found["from"] is None


def test_cost_is_the_average_and_a_part_sold_takes_its_part_of_it():
    # 10,000 at 1.0 and 10,000 at 1.4 cost 1.2 each; half is sold, the rest still costs 1.2. At 1.3 it is a gain, at 1.1 a loss.
    prices = [1.0] * 30 + [1.4] * 30 + [1.3] * 60 + [1.1] * 400
    rows = [(DAYS[5], 0, "buy", 10_000), (DAYS[35], 0, "buy", 10_000), (DAYS[5], 1, "buy", 1)]
    rows += [(DAYS[80], 0, "sell", 10_000), (DAYS[200], 0, "sell", 10_000)]
    found = reading(rows, OneFund(prices), GOLD)["disposition"]
    assert [found[name] for name in ("rg", "pg", "rl", "pl")] == [1, 0, 1, 0]


# ── Concentration and chasing ─────────────────────────────────────────────────────────────────────────────────────


def test_concentration_is_the_mean_over_month_ends_of_squared_shares_of_class_and_region():
    abroad = OneFund(FLAT, "equity", "us", "qdii", 4)
    rows = [(date(2024, 1, 10), 0, "buy", 6_000), (date(2024, 1, 10), 1, "buy", 3_000), (date(2024, 1, 10), 2, "buy", 1_000)]
    rows += [(date(2024, 1, 10), 3, "buy", 90_000)]  # R2: not looked at
    rows += [(date(2025, 12, 10), 1, "sell", 3_000), (date(2025, 12, 10), 2, "sell", 1_000)]
    # 23 month-ends of .6^2 + .3^2 + .1^2 = .46, and December with everything in one cell: 1.
    found = reading(rows, OneFund(FLAT), abroad, GOLD, BONDS)["concentration"]
    assert found["value"] == pytest.approx((23 * 0.46 + 1.0) / 24, abs=1e-9) and found["n"] == 24
    assert found == found | {"evidence": 0.8, "from": "2024-01-01", "to": "2025-12-31", "trades": [0], "cell": "equity/cn", "largest": 1.0}
    unknown = reading(rows, OneFund(FLAT), replace(abroad, region=""), GOLD, BONDS)["concentration"]
    assert (unknown["n"], unknown["value"]) == (1, 1.0)  # only the last month-end is without the fund that nobody can look into


def test_chasing_is_the_share_of_purchases_in_the_category_that_rose_most():
    steep, slow = ([(1.0 + rate) ** t for t in range(len(DAYS))] for rate in (0.002, 0.001))
    turns = slow[:300] + [slow[299] * 1.02 ** (t - 299) for t in range(300, 330)] + [slow[299] * 1.02**30] * 190
    funds = [OneFund(steep, category="sector"), OneFund(slow, category="mixed"), OneFund(turns, "gold", "world", "gold", 3)]
    rows = [
        (DAYS[10], 0, "buy", 10_000),  # no three months of returns yet: does not count
        (DAYS[200], 0, "buy", 1_000),  # at the top
        (DAYS[200], 1, "buy", 1_000),
        (DAYS[300], 2, "buy", 1_000),  # it rises from that day on, but a buyer cannot know that: slow until the day before
        (DAYS[320], 2, "buy", 1_000),  # 1.02^20 by now: at the top
        (DAYS[320], 0, "buy", 1_000, "proposal"),
        (DAYS[330], 0, "buy", 1_000),
    ]
    found = reading(rows, *funds)["chasing"]
    assert found["value"] == pytest.approx(2 / 5) and (found["n"], found["n_top"]) == (5, 2)
    assert found["trades"] == [1, 2, 3, 4, 6] and found["top"] == [1, 4] and found["evidence"] == pytest.approx(5 / 15)


def test_nobody_chases_where_all_rise_alike_or_there_is_one_category():
    rows = [(DAYS[200], 0, "buy", 10_000)]
    assert reading(rows, OneFund(FLAT), GOLD)["chasing"] | {"n": 1, "value": 0.0} == reading(rows, OneFund(FLAT), GOLD)["chasing"]
    assert reading(rows, OneFund(FLAT))["chasing"]["n"] == 0


def test_an_index_is_the_mean_return_of_the_funds_that_have_prices():
    nan = np.nan
    block = np.array([[nan, nan], [1.0, nan], [1.1, 5.0], [1.1, 6.0]])  # returns: none, 10 %, (0 + 20) / 2 = 10 %
    assert equal_weighted([block], 4)[1:] == pytest.approx([1.0, 1.1, 1.21]) and np.isnan(equal_weighted([block], 4)[0])


# ── Together ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_below_five_thousand_of_risk_assets_on_average_of_ninety_days_nothing_is_evidence():
    # 45 of the last 90 days with 10,000: 5,000 on average. A day less is too little.
    def found(back):
        bought = date.fromordinal(AS_OF.toordinal() - back + 1)
        return reading([(bought, 0, "buy", 10_000), (DAYS[10], 1, "buy", 90_000)], GOLD, BONDS, rules=replace(RULES, min_holdings=1))

    enough, less = found(45), found(44)
    assert enough["risk_assets"] == pytest.approx(5_000) and enough["panic"]["evidence"] == 1.0
    assert less["risk_assets"] < 5_000 and [less[name]["evidence"] for name in MEASURES] == [0.0] * 5


def test_later_trades_and_prices_are_not_looked_at_and_an_empty_ledger_measures_nothing():
    rows = [*HELD, (DAYS[120], 0, "sell", 8_000)]
    assert reading(rows, SHARES, GOLD, BONDS, as_of=DAYS[119])["panic"]["value"] == 0.0
    empty = reading([], GOLD)
    assert [empty[name]["n"] for name in MEASURES] == [0] * 5 and empty["risk_assets"] == 0.0


def test_selling_more_than_there_is_is_found_and_a_trade_before_the_first_price_refused():
    assert reading([HELD[0], (DAYS[20], 0, "sell", 10_001)], SHARES)["short_row"] == 1
    assert reading([HELD[0], (DAYS[20], 0, "sell", 10_000.001)], SHARES)["short_row"] == -1  # rounding of units
    with pytest.raises(LedgerError, match="trade_before_prices"):
        reading([(date(2023, 12, 1), 0, "buy", 1)], SHARES)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000), as_of=st.sampled_from([date(2025, 11, 28), date(2025, 12, 15)]), floor=st.booleans())
def test_the_plain_evaluator_agrees_on_random_ledgers(seed, as_of, floor):
    random = np.random.default_rng(seed)
    kinds = [("equity", "cn", "index", 3), ("equity", "us", "qdii", 4), ("gold", "", "gold", 3), ("bond", "cn", "bond", 2)]
    kinds += [("equity", "cn", "sector", 5)]
    prices = np.exp(np.cumsum(random.normal(0, 0.02, (len(kinds), len(DAYS))), axis=1)).tolist()
    market = market_of(DAYS, *(OneFund(path, *kind) for path, kind in zip(prices, kinds, strict=True)))
    rows, held = [], {}
    for day in sorted(random.integers(0, len(DAYS), 150).tolist()):
        who, fund = int(random.integers(4)), int(random.integers(len(kinds)))
        origin = "investor" if random.random() < 0.8 else "plan"
        has = held.get((who, fund), 0.0)
        if has and random.random() < 0.55:
            units = has if random.random() < 0.5 else round(has * random.random(), 2)
            rows.append((who, DAYS[day], fund, "sell", units, origin))
            held[who, fund] = 0.0 if units == has else has - units
        else:
            units = float(random.integers(1, 1_000)) * 10
            rows.append((who, DAYS[day], fund, "buy", units, origin))
            held[who, fund] = has + units
    trades = trades_of(market, rows)
    rules = RULES if floor else without_floor()
    found = measure(trades, market, rules, as_of, 4)
    for who in range(4):
        plain = Naive(market, trades, who, as_of, rules)
        assert found.risk_assets[who] == pytest.approx(plain.risk_assets())
        for name in MEASURES:
            assert (found.measures[name].value[who], found.measures[name].n[who]) == pytest.approx(getattr(plain, name)()), (name, who)
