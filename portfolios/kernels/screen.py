"""The quality screen: every fund of a market through the gates, ranked among its peers, and in or out, with a reason.

Pure and vectorised: ten thousand funds are a few arrays. What is read must be what was public on the data date; the caller
sees to that (`selectors.screens`). The method, with its choices, stands in docs/method-screen.md.
"""

import numpy as np

from portfolios.kernels.gates import gates_of, passing, style_measures
from portfolios.kernels.market_record import month_returns
from portfolios.kernels.pool_rule import decide, is_in
from portfolios.kernels.ranking import rank_market
from portfolios.kernels.ranks import percentile_ranks
from portfolios.kernels.scores import past_of
from portfolios.kernels.screen_types import MarketData, Screened, ScreenRules
from portfolios.kernels.types import FloatArray

# 4433: the best quarter over 1, 2, 3 and 5 years and the year so far, the best third over 6 and 3 months.
_BEST_QUARTER_MONTHS, _BEST_THIRD_MONTHS = (12, 24, 36, 60), (6, 3)


def screen_market(data: MarketData, rules: ScreenRules, *, seed: int, months_this_year: int = 0) -> Screened:
    """Screen a market: gates, scores, ranks, verdicts; the same data, rules and seed give the same answer.

    `months_this_year` is how many whole months of the calendar year the record ends with, for the 4433 rule alone.
    """
    distances, shift, ratio = style_measures(data, rules.style_classes)
    gates = gates_of(data, rules, shift, ratio)
    passes = passing(gates)
    past = past_of(data, distances, rules.cash_rate)
    ranking = rank_market(data, past, passes, rules, np.random.default_rng(seed))
    verdict, quarters = decide(data.facts, passes, ranking.percentile, rules)
    return Screened(
        data.facts.codes,
        gates,
        passes,
        ranking,
        quarters,
        rule_4433(data, months_this_year),
        is_in(verdict),
        verdict,
    )


def rule_4433(data: MarketData, months_this_year: int) -> FloatArray:
    """Whether each fund (n,) keeps the 4433 rule, 1 or 0, among all living funds of its category; NaN below five years of history.

    For comparison only: it looks at returns alone, and nothing of ours depends on it.
    """
    values = data.record.month_values
    windows = [(months, 0.75) for months in _BEST_QUARTER_MONTHS]
    if months_this_year:
        windows.append((months_this_year, 0.75))
    windows += [(months, 2 / 3) for months in _BEST_THIRD_MONTHS]
    grown = np.stack([values[-1] / values[-1 - months] - 1.0 for months, _ in windows])
    known = np.asarray(np.isfinite(month_returns(data.record)).all(axis=0))
    keeps = np.full(len(data.facts.codes), np.nan)
    for category in np.unique(data.facts.category):
        mine = np.flatnonzero(data.facts.category == category)
        everyone = np.ones(len(mine), bool)
        ranks = np.concatenate([percentile_ranks(row[None, mine], everyone) for row in grown])
        enough = ranks >= np.array([least for _, least in windows])[:, None]
        keeps[mine] = np.where(known[mine], enough.all(axis=0), np.nan)
    return keeps
