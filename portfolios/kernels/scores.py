"""The figures funds are ranked by, each higher for the better fund: once as they are, and for many redrawn pasts at once.

A past is redrawn by counting each of its months, windows or quarters so many times. What is a mean over months then is one
product of matrices for all draws and funds; only falls need the redrawn path itself.
"""

from dataclasses import dataclass

import numpy as np

from portfolios.kernels.market_record import MONTHS, QUARTERS, WEEK_DAYS, WINDOW_MONTHS, group_means, month_returns, week_returns
from portfolios.kernels.screen_types import MarketData
from portfolios.kernels.types import FloatArray, IntArray

MORNINGSTAR_GAMMA = 2.0
YEAR = 12
WINDOWS = WINDOW_MONTHS - YEAR + 1  # rolling years inside the window
SMALLEST_FALL = 1e-4  # a basis point: funds that never fell are ranked by their return
_NEAREST = 5  # trackers of other families whose mean stands for the index that a tracker follows


@dataclass(frozen=True)
class Past:
    """Monthly and quarterly figures of n funds, oldest first, from which every draw is made; NaN where there is none.

    `utility` (60, n) is (1+ER)^-2 of returns in excess of cash; `ahead` (36, n) the return less the category's mean;
    `wins` (25, n) 1 where the rolling year was above the category's median, .5 on it, else 0; `style` (12, n) the
    distance of a quarter's style from the fund's mean; `strayed` (36, n) and `n_weeks` (36, n) the sum of squared
    differences of weekly returns from the index, their number, and `drift` their sum.
    """

    returns: FloatArray
    utility: FloatArray
    ahead: FloatArray
    wins: FloatArray
    style: FloatArray
    strayed: FloatArray
    drift: FloatArray
    n_weeks: FloatArray


@dataclass(frozen=True)
class Draws:
    """How often each draw (row) counts each month of five years and of three, each rolling year, and each quarter.

    `path` holds the months of the three years in the order drawn, or is None for the past as it was.
    """

    five_years: FloatArray
    three_years: FloatArray
    windows: FloatArray
    quarters: FloatArray
    path: IntArray | None = None


AS_IT_WAS = Draws(np.ones((1, MONTHS)), np.ones((1, WINDOW_MONTHS)), np.ones((1, WINDOWS)), np.ones((1, QUARTERS)))


def redraw(rng: np.random.Generator, n_draws: int, block_months: int) -> Draws:
    """Draw pasts by the circular block bootstrap (Politis and Romano 1992): whole blocks of months, the same for all funds."""
    five, _ = _counts(rng, n_draws, MONTHS, block_months)
    three, path = _counts(rng, n_draws, WINDOW_MONTHS, block_months)
    windows, _ = _counts(rng, n_draws, WINDOWS, block_months)
    quarters, _ = _counts(rng, n_draws, QUARTERS, max(1, block_months // 3))
    return Draws(five, three, windows, quarters, path)


def _counts(rng: np.random.Generator, n_draws: int, length: int, block: int) -> tuple[FloatArray, IntArray]:
    starts = rng.integers(length, size=(n_draws, -(-length // block)))
    path = ((starts[:, :, None] + np.arange(block)) % length).reshape(n_draws, -1)[:, :length]
    counts = np.zeros((n_draws, length))
    np.add.at(counts, (np.arange(n_draws)[:, None], path), 1.0)
    return counts, path


def past_of(data: MarketData, style_distances: FloatArray, cash_rate: float) -> Past:
    """Work out the figures of the past; means and medians of a category hold its dead funds of the time."""
    returns = month_returns(data.record)
    categories = np.concatenate([data.facts.category, data.dead.category])
    names, groups = np.unique(categories, return_inverse=True)
    mine = groups[: len(data.facts.codes)]
    every = np.concatenate([returns, month_returns(data.dead.record)], axis=1)
    mean = group_means(every, groups, len(names))[-WINDOW_MONTHS:, mine]
    monthly_cash = (1.0 + cash_rate) ** (1.0 / YEAR)
    differences, n_weeks = _tracking(data)
    return Past(
        returns,
        ((1.0 + returns) / monthly_cash) ** -MORNINGSTAR_GAMMA,
        returns[-WINDOW_MONTHS:] - mean,
        _wins(data, groups, len(names)),
        style_distances,
        *_by_month(differences, n_weeks),
    )


def _wins(data: MarketData, groups: IntArray, n_groups: int) -> FloatArray:
    values = np.concatenate([data.record.month_values, data.dead.record.month_values], axis=1)[-WINDOW_MONTHS - 1 :]
    years = values[YEAR:] / values[:-YEAR] - 1.0
    medians = np.full((len(years), n_groups), np.nan)
    for group in range(n_groups):
        members = years[:, groups == group]
        alive = np.isfinite(members).any(axis=1)
        medians[alive, group] = np.nanmedian(members[alive], axis=1)
    mine = years[:, : len(data.facts.codes)]
    median = medians[:, groups[: mine.shape[1]]]
    return np.where(np.isfinite(mine) & np.isfinite(median), (mine > median) + 0.5 * (mine == median), np.nan)


def _tracking(data: MarketData) -> tuple[FloatArray, FloatArray]:
    """Differences (156, n) of an index fund's weekly returns from its index, and which weeks have one.

    No source says which index a fund tracks. Its place is taken by the mean of the five trackers of other families in its
    class that moved most like it: funds on one index are nearly one line, and a fund that has no near one is no tracker
    that anybody can check. Other funds have NaN.
    """
    facts, weeks = data.facts, week_returns(data.record)
    differences = np.full_like(weeks, np.nan)
    family = np.where(facts.family == "", np.array(facts.codes), facts.family)
    for name in np.unique(facts.asset_class[facts.kind == "index"]):
        mine = np.flatnonzero((facts.kind == "index") & (facts.asset_class == name))
        differences[:, mine] = weeks[:, mine] - _nearest_mean(weeks[:, mine], family[mine])
    return differences, np.isfinite(differences).astype(np.float64)


def _nearest_mean(weeks: FloatArray, family: np.ndarray) -> FloatArray:
    """Mean return (T, n) of the funds of other families nearest to each, by the mean square of what differs in common weeks."""
    known = np.isfinite(weeks).astype(np.float64)
    filled = np.where(known > 0, weeks, 0.0)
    common = known.T @ known
    apart = (filled**2).T @ known + known.T @ filled**2 - 2.0 * filled.T @ filled
    apart = np.divide(apart, common, out=np.full_like(apart, np.inf), where=common >= min(len(weeks), 4 * YEAR))
    apart[family[:, None] == family[None, :]] = np.inf
    n_near = min(_NEAREST, max(1, weeks.shape[1] - 1))
    near = np.argsort(apart, axis=1, kind="stable")[:, :n_near]
    chosen = np.zeros_like(apart)
    np.put_along_axis(chosen, near, np.isfinite(np.take_along_axis(apart, near, axis=1)).astype(np.float64), axis=1)
    held = known @ chosen.T
    return np.divide(filled @ chosen.T, held, out=np.full_like(weeks, np.nan), where=held > 0)


def _by_month(differences: FloatArray, known: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sum squares, differences and numbers of weeks over 36 stretches of four or five weeks."""
    stretch = np.minimum(np.arange(len(known)) * WINDOW_MONTHS // len(known), WINDOW_MONTHS - 1)
    starts = np.flatnonzero(np.diff(stretch, prepend=-1))
    found = np.where(known > 0, differences, 0.0)
    return tuple(np.add.reduceat(part, starts, axis=0) for part in (found**2, found, known))  # type: ignore[return-value]


def morningstar(utility: FloatArray, counts: FloatArray) -> FloatArray:
    """Morningstar risk-adjusted return a year (d, n): [mean (1+ER)^-g]^(-12/g) - 1, of utilities (T, n) counted so often (d, T).

    Source: The Morningstar Rating for Funds, Morningstar methodology paper (2021), g = 2.
    """
    mean = (counts @ utility) / counts.sum(axis=1, keepdims=True)
    return mean ** (-YEAR / MORNINGSTAR_GAMMA) - 1.0


def information_ratio(ahead: FloatArray, counts: FloatArray) -> FloatArray:
    """Mean over standard deviation a year (d, n) of monthly returns ahead of the benchmark; 0 for a fund that is its benchmark."""
    total = counts.sum(axis=1, keepdims=True)
    mean = (counts @ ahead) / total
    spread = np.sqrt(np.maximum((counts @ ahead**2) / total - mean**2, 0.0))
    ratio = np.divide(mean, spread, out=np.zeros_like(mean), where=spread > 1e-9)
    return np.where(np.isfinite(mean), ratio * np.sqrt(YEAR), np.nan)


def tracking_error(past: Past, at: IntArray, counts: FloatArray) -> FloatArray:
    """Standard deviation a year (d, m) of weekly differences from the index, over the weeks that funds `at` have; NaN below a year."""
    weeks = counts @ past.n_weeks[:, at]
    enough = (past.n_weeks[:, at].sum(axis=0) >= 4 * YEAR) & (weeks > 1)
    safe = np.maximum(weeks, 1.0)
    mean = (counts @ past.drift[:, at]) / safe
    variance = np.maximum((counts @ past.strayed[:, at]) / safe - mean**2, 0.0)
    return np.where(enough, np.sqrt(variance * 365.25 / WEEK_DAYS), np.nan)


def redrawn_falls(returns: FloatArray, path: IntArray) -> tuple[FloatArray, FloatArray]:
    """Deepest fall between month ends, and return a year, (d, n) each, of returns (36, n) lived through in drawn orders (d, 36)."""
    falls, years = (np.empty((len(path), returns.shape[1])) for _ in range(2))
    logs = np.log1p(returns)
    for draw, months in enumerate(path):
        worth = np.cumsum(logs[months], axis=0)
        years[draw] = worth[-1]
        highest = np.maximum(np.maximum.accumulate(worth, axis=0), 0.0)
        falls[draw] = (highest - worth).max(axis=0)
    return -np.expm1(-falls), np.expm1(years * YEAR / len(returns))


def figures(data: MarketData, past: Past, at: IntArray, kind: str, draws: Draws) -> dict[str, FloatArray]:
    """The figures of funds `at` of one kind, name -> (d, m) or (1, m) where a draw changes nothing, higher the better."""
    facts = data.facts
    size = np.log(np.maximum(facts.sizes[-1, at], 1.0))
    fixed = {"cost": -facts.cost[at]}
    if kind == "money":
        drawn = {"yield": _yields(data, past, at, draws)}
        fixed |= {"size": size, "retail": facts.retail_share[at]}
    elif kind == "index":
        drawn = {"tracking_error": -tracking_error(past, at, draws.three_years)}
        fixed |= {"size": size, "limit": facts.daily_limit[at]}
        fixed["limit"] = np.minimum(fixed["limit"], 1e15)
    else:
        drawn = _active_figures(data, past, at, draws)
        fixed |= {"manager": facts.manager_months[at], "moderate_size": -np.abs(size - _moderate(facts.size_low[at], facts.size_high[at]))}
    return drawn | {name: values[None, :] for name, values in fixed.items()}


def _active_figures(data: MarketData, past: Past, at: IntArray, draws: Draws) -> dict[str, FloatArray]:
    window = past.returns[-WINDOW_MONTHS:, at]
    if draws.path is None:
        fall = np.where(np.isfinite(window).all(axis=0), data.record.deepest_fall[at], np.nan)[None, :]
        year = (np.prod(1.0 + window, axis=0) ** (YEAR / WINDOW_MONTHS) - 1.0)[None, :]
    else:
        fall, year = redrawn_falls(window, draws.path)
    return {
        "mrar_3y": morningstar(past.utility[-WINDOW_MONTHS:, at], draws.three_years),
        "mrar_5y": morningstar(past.utility[:, at], draws.five_years),
        "calmar": year / np.maximum(fall, SMALLEST_FALL),
        "fall": -fall,
        "information_ratio": information_ratio(past.ahead[:, at], draws.three_years),
        "win_rate": (draws.windows @ past.wins[:, at]) / draws.windows.sum(axis=1, keepdims=True),
        "style_stability": 1.0 - (draws.quarters @ past.style[:, at]) / draws.quarters.sum(axis=1, keepdims=True),
    }


def _yields(data: MarketData, past: Past, at: IntArray, draws: Draws) -> FloatArray:
    """The seven-day yield as it is; redrawn, what the drawn months of the last three years yielded."""
    if draws.path is None:
        return data.record.seven_day[at][None, :]
    window = np.log1p(past.returns[-WINDOW_MONTHS:, at])
    return np.expm1((draws.three_years @ window) * YEAR / WINDOW_MONTHS)


def _moderate(low: FloatArray, high: FloatArray) -> FloatArray:
    """The middle of the size gate on a log scale; with no ceiling, ten times the floor."""
    return np.log(np.maximum(np.sqrt(low * np.where(np.isfinite(high), high, 100.0 * low)), 1.0))
