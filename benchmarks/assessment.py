"""Does the risk assessment see who will sell in a fall, and is it as sure as it says?

Nothing is fitted here: every weight is the product's setting, so all people are held out, and what they do lies after the day
of the assessment. Simulated people (`panic_people`) have an inclination that deeds show by construction: that figure is
circular and claims nothing about people. The bank's customers of FAR-Trans are real: where FAR_TRANS_DIR names a folder with
the full data set, they are read too; they have a level instead of answers, whose middle stands for both blocks.

How sure: `benchmarks.how_sure`.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from advisor.instruments import load_instrument
from advisor.jurisdictions import advice_rules
from advisor.kernels.behaviour import MEASURES, BehaviourRules, Market, Readings, Trades, measure
from advisor.kernels.behaviour_book import open_book
from advisor.kernels.behaviour_market import crossings
from advisor.kernels.behaviour_types import BoolArray, FloatArray
from advisor.kernels.instrument_people import answered, draw_traits, scores_of
from advisor.kernels.risk_profile import Measure, blend, weigh
from benchmarks.how_sure import how_sure
from benchmarks.panic_people import AS_OF, FALLS, draw_market, live
from benchmarks.rows import Row

SEED = 22_11
MARKETS, PEOPLE = (1, 1_500), (8, 5_000)  # --quick, and in full: markets, and people in each
DRAWS = (200, 1_000)
CIRCULAR = "simulated, circular: claims nothing about people"
MINOR_A_YUAN = 100


# ── Who sells ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Seen:
    """Of everybody who held risk assets as a fall began (n,): R by answers alone, R with behaviour, and who sold half or more."""

    by_answers: FloatArray
    with_behaviour: FloatArray
    sold: BoolArray


def auc(score: FloatArray, happened: BoolArray) -> float:
    """How often somebody to whom it happened has the higher score of a pair, ties counting half."""
    n, n_not = int(happened.sum()), int((~happened).sum())
    return float((rankdata(score)[happened].sum() - n * (n + 1) / 2) / (n * n_not))


def auc_gain(seen: Seen, n_draws: int, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """AUC of a low R by the answers and with behaviour, and the 95 % interval of their difference, people drawn again."""
    gains = []
    for _ in range(n_draws):
        rows = rng.integers(len(seen.sold), size=len(seen.sold))
        if 0 < (sold := seen.sold[rows]).sum() < len(rows):
            gains.append(auc(-seen.with_behaviour[rows], sold) - auc(-seen.by_answers[rows], sold))
    low, high = np.quantile(gains, (0.025, 0.975)).tolist()
    return auc(-seen.by_answers, seen.sold), auc(-seen.with_behaviour, seen.sold), low, high


def next_crossing(market: Market, rules: BehaviourRules, as_of: int) -> int | None:
    """The session of the first fall after a day, of a class with risk assets, whose days all lie in the market; None without one."""
    at_risk = np.unique(market.asset_class[market.grade[-1] >= rules.risk_grade]).tolist()
    fallen = np.argwhere(crossings(market.class_index, market.dates, rules)).tolist()
    last = len(market.dates) - 1 - rules.fall_days
    return next((t for t, c in fallen if market.dates[t] > as_of and c in at_risk and t <= last), None)


def sellers(trades: Trades, market: Market, rules: BehaviourRules, session: int, n: int) -> tuple[BoolArray, BoolArray]:
    """Who held risk assets as a fall began (n,), and who sold half of them or more, less what was bought, within its days."""
    book = open_book(trades, market, n)
    at = np.full(len(book.fund), session)
    value = book.value_at(book.row_before(np.arange(len(book.fund)), at), book.fund, at)
    held = np.bincount(book.owner, np.where(book.is_risk(at, book.fund, rules.risk_grade), value, 0.0), n)
    trades, is_risk = book.trades, book.is_risk(book.session, book.trades.fund, rules.risk_grade)
    within = trades.is_own & is_risk & (book.session >= session) & (book.session <= session + rules.fall_days)
    net = np.bincount(trades.investor[within], np.where(trades.is_buy, -trades.paid, trades.paid)[within], n)
    return held > 0.0, (held > 0.0) & (net >= rules.panic_share * held)


def damages(readings: Readings) -> list[float]:
    """D of everybody."""
    rules, found = advice_rules().for_scoring, readings.measures
    columns = zip(*(pair for name in MEASURES for pair in (found[name].value.tolist(), found[name].evidence.tolist())), strict=True)
    sheets = ({name: Measure(*row[2 * k : 2 * k + 2]) for k, name in enumerate(MEASURES)} for row in columns)
    return [sum(reading.damage for reading in weigh(sheet, rules)) for sheet in sheets]


def simulated(n: int, seed: int) -> Seen:
    """One market, its people's answers and ledgers up to the assessment, and what they did in the next fall."""
    rng, rules = np.random.default_rng([SEED, seed]), advice_rules().for_ledger(MINOR_A_YUAN)
    instrument = load_instrument(advice_rules().assessment.instrument)
    items, traits, market = instrument.for_scoring, draw_traits(n, rng), draw_market(rng)
    answers = answered(items, instrument.shares, traits, rng)
    trades, as_of = live(market, traits["tolerance"], rng), int(market.dates[AS_OF])
    tolerance, capacity = (scores_of(answers, items, block).tolist() for block in ("tolerance", "capacity"))
    readings = measure(trades, market, rules, date.fromordinal(as_of), n)
    assert (readings.short_row < 0).all(), "a simulated person sold what was not there"
    return seen_of(tolerance, capacity, damages(readings), sellers(trades, market, rules, FALLS[-1][0], n))


def seen_of(tolerance: list[list[float]], capacity: list[list[float]], d: list[float], fall: tuple[BoolArray, BoolArray]) -> Seen:
    rules = advice_rules().for_scoring
    alone = np.array([blend(t, k, rules).score for t, k in zip(tolerance, capacity, strict=True)])
    both = np.array([blend(t, k, rules, damage=off).score for t, k, off in zip(tolerance, capacity, d, strict=True)])
    held, sold = fall
    return Seen(alone[held], both[held], sold[held])


def _together(seen: list[Seen]) -> Seen:
    return Seen(*(np.concatenate([getattr(one, name) for one in seen]) for name in ("by_answers", "with_behaviour", "sold")))


def who_sells(quick: bool) -> Iterator[Row]:
    n_markets, n = MARKETS if quick else PEOPLE
    seen = _together([simulated(n, seed) for seed in range(n_markets)])
    yield from _auc_rows("simulated", seen, quick, CIRCULAR)
    folder = os.environ.get("FAR_TRANS_DIR", "")
    if not folder or not all((Path(folder) / name).is_file() for name in ("transactions.csv", "close_prices.csv")):
        yield Row("FAR-Trans, real customers: AUC of who sells", "–", verdict="not measured: nobody has downloaded the full set")
        return
    from benchmarks.bank_customers import customers_seen

    real, left_out = customers_seen(Path(folder))
    reasons = ", ".join(f"{n:,} {why}" for why, n in left_out.items())
    yield Row("FAR-Trans: customers left out", f"{sum(left_out.values()):,}", verdict=reasons)
    if 0 < real.sold.sum() < len(real.sold):
        yield from _auc_rows("FAR-Trans (real data)", real, quick, "real: the bank's level for the answers")
    else:
        yield Row("FAR-Trans (real data): AUC", "–", verdict="not measured: no fall, or nobody sold in it")


def _auc_rows(whose: str, seen: Seen, quick: bool, label: str) -> Iterator[Row]:
    alone, both, low, high = auc_gain(seen, DRAWS[0 if quick else 1], np.random.default_rng(SEED))
    said = f"{whose}: {len(seen.sold):,} held risk, {seen.sold.mean():.1%} sold half or more; AUC"
    yield Row(said, f"{both:.3f}", f"answers alone {alone:.3f}", verdict=label)
    yield Row("  gain by behaviour, 95 % over people", f"{both - alone:+.3f}", f"{low:+.3f} to {high:+.3f}", verdict=label)


def assessment(quick: bool) -> Iterator[Row]:
    """Who sells in the next fall, by answers and with behaviour, and how often people get at least their level again."""
    yield from who_sells(quick)
    yield from how_sure(quick)
