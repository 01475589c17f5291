"""Answers over moments: rows of (person, time). Times are whole milliseconds since 1970 in int64, persons any int64 ids.

A person and a time are packed into one int64 key, so that a sort by key is a sort by person and then by time. Each answer
costs O(n log n) and needs some 60 bytes a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from marketing.kernels.places import places_among

Ints = npt.NDArray[np.int64]
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Moments:
    """Parallel columns: `person` did something at `ms`; in any order, repeats allowed."""

    person: Ints
    ms: Ints


@dataclass(frozen=True, slots=True)
class FunnelAnswer:
    """Of the people who took step one: `counts` how many got at least so far, `median_ms` the median of each person's
    quickest way from the first step to that one (nan where nobody got there), `n_open` those not through whose time runs."""

    counts: list[int]
    median_ms: list[float]
    n_open: int


@dataclass(frozen=True, slots=True)
class RetentionAnswer:
    """`sizes[c]` people began in period `periods[c]`; `back[c, k-1]` of them came back in the k-th one after, -1: not over yet."""

    periods: Ints
    sizes: Ints
    back: Ints


@dataclass(frozen=True, slots=True)
class PathAnswer:
    """Ways as tuples of codes with how many people went each, the commonest first; `n_people` did what it is around."""

    ways: list[tuple[tuple[int, ...], int]]
    n_people: int


def funnel(steps: Sequence[Moments], within_ms: int, later: Sequence[bool], now_ms: int) -> FunnelAnswer:
    """Count how far people get through the steps in order, all within `within_ms` of a first step.

    `later[k]` (k >= 1) asks that step k come strictly later than step k-1, not at the same millisecond. Every first step is
    tried, not only the earliest: a chain keeps the latest first step from which it can be reached, which dominates all
    earlier ones (the argument of ClickHouse's windowFunnel). Raises ValueError where a time span does not fit into a key.
    """
    people, first = np.unique(steps[0].person), steps[0]
    if not len(people):
        return FunnelAnswer([0] * len(steps), [float("nan")] * len(steps), 0)
    base = int(first.ms.min())
    span = max(int(one.ms.max()) for one in steps if len(one.ms)) - base + 2
    if len(people) * span >= 2**62:
        raise ValueError("times too far apart for so many people")
    keys = np.sort(_keys(first, people, base, span))
    start, reached, medians = keys, [people.size], [0.0]
    last_start = keys[_ends(keys // span)] % span + base
    finished = np.ones(people.size, bool)
    for place in range(1, len(steps)):
        keys, start = _next(np.sort(_keys(steps[place], people, base, span)), keys, start, later[place], within_ms, span)
        who = keys // span
        begins = np.flatnonzero(np.r_[True, who[1:] != who[:-1]]) if len(who) else np.zeros(0, np.int64)
        reached.append(len(begins))
        medians.append(float(np.median(np.minimum.reduceat(keys - start, begins))) if len(begins) else float("nan"))
        finished = np.zeros(people.size, bool)
        finished[who[begins]] = True
    n_open = int(np.count_nonzero(~finished & (last_start > now_ms - within_ms)))
    return FunnelAnswer(reached, medians, n_open)


def _keys(moments: Moments, people: Ints, base: int, span: int) -> Ints:
    """Keys of the moments of these people from `base` on."""
    place, known = places_among(people, moments.person)
    known &= moments.ms >= base
    return place[known] * span + (moments.ms[known] - base)


def _next(keys: Ints, before: Ints, start: Ints, is_later: bool, within_ms: int, span: int) -> tuple[Ints, Ints]:
    """The rows of a step that stand at the end of a chain, with the latest first step of such a chain."""
    if not len(before):
        return before, before
    at = np.searchsorted(before, keys, side="left" if is_later else "right") - 1
    keys, at = keys[at >= 0], at[at >= 0]
    latest = start[at]  # start rises with its key: later rows are reached by later chains
    fits = (latest // span == keys // span) & (keys - latest <= within_ms)
    return keys[fits], latest[fits]


def _ends(groups: Ints) -> Ints:
    """Positions of the last row of each run of equal values."""
    return np.flatnonzero(np.r_[groups[1:] != groups[:-1], True])


def periods(ms: Ints, unit: str, offset_ms: int) -> Ints:
    """Number the calendar week (Monday to Sunday) or month of each time, in the zone `offset_ms` east of UTC."""
    day = (ms + offset_ms) // DAY_MS
    if unit == "week":
        return (day + 3) // 7  # 1970-01-01 was a Thursday
    return day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def first_day(period: int, unit: str) -> np.datetime64:
    """The first day of a numbered week or month."""
    return np.datetime64(period * 7 - 3, "D") if unit == "week" else np.datetime64(period, "M").astype("datetime64[D]")


def retention(first: Moments, again: Moments, unit: str, n_periods: int, now_ms: int, offset_ms: int) -> RetentionAnswer:
    """Cohorts by the period of each person's first moment, the last `n_periods` that are over, and who came back in which later one.

    `first` may hold several rows a person; the earliest counts. The period that is still running is never told.
    """
    current = int(periods(np.array([now_ms]), unit, offset_ms)[0])
    order = np.lexsort((first.ms, first.person))
    people, at = np.unique(first.person[order], return_index=True)
    began = periods(first.ms[order][at], unit, offset_ms)
    base = current - n_periods
    sizes = np.bincount(began[(began >= base) & (began < current)] - base, minlength=n_periods)
    back = np.zeros((n_periods, n_periods), np.int64)
    if len(people):
        place, known = places_among(people, again.person)
        place, period = place[known], periods(again.ms[known], unit, offset_ms)
        cohort, after = began[place] - base, period - began[place]
        told = (cohort >= 0) & (cohort < n_periods) & (after >= 1) & (period < current)
        pairs = np.unique(place[told] * (n_periods + 1) + after[told])
        np.add.at(back, (began[pairs // (n_periods + 1)] - base, pairs % (n_periods + 1) - 1), 1)
    cohorts = np.arange(n_periods)
    back[cohorts[:, None] + 1 + cohorts[None, :] >= n_periods] = -1
    return RetentionAnswer(base + cohorts, sizes.astype(np.int64), back)


def paths(around: Moments, seen: Moments, code: Ints, own_code: int, within_ms: int, depth: int, is_before: bool) -> PathAnswer:
    """The ways of up to `depth` different steps after (or before) each person's first moment of `around`, counted by people.

    `code` (>= 0) names what each row of `seen` was. The same thing twice in a row is one step, also right after `around`
    itself, whose code is `own_code` (-1: none of them). At equal times the smaller code comes first. Who did nothing more
    within `within_ms` went the empty way.
    """
    order = np.lexsort((around.ms, around.person))
    people, at = np.unique(around.person[order], return_index=True)
    if not len(people):
        return PathAnswer([], 0)
    start = around.ms[order][at]
    place, known = places_among(people, seen.person)
    away = (start[place] - seen.ms) if is_before else (seen.ms - start[place])
    near = known & (away > 0) & (away <= within_ms)
    place, away, code = place[near], away[near], code[near]
    order = np.lexsort((code, away, place))
    place, code = place[order], code[order]
    is_first = np.r_[True, place[1:] != place[:-1]][: len(place)]
    previous = np.where(is_first, own_code, np.r_[own_code, code[:-1]][: len(code)])
    kept = code != previous
    place, code = place[kept], code[kept]
    begins = np.searchsorted(place, place)  # the first kept row of the same person
    rank = np.arange(len(place)) - begins
    ways = np.full((len(people), depth), -1, np.int64)
    near = rank < depth
    ways[place[near], rank[near]] = code[near]
    found, counts = np.unique(ways, axis=0, return_counts=True)
    rows = sorted(
        ((tuple(int(c) for c in way if c >= 0), int(n)) for way, n in zip(found, counts, strict=True)), key=lambda row: (-row[1], row[0])
    )
    return PathAnswer(rows, len(people))


def nice_edges(values: npt.NDArray[np.float64], n_bins: int = 10, is_whole: bool = False) -> list[float]:
    """Inner edges of a histogram at round numbers, about `n_bins` bars; the outer bars are open.

    Evenly spaced between the 2nd and the 98th percentile; for amounts whose largest are many times the usual (98th percentile
    over 20 medians of what is above zero) at 1, 2, 5, 10, ... instead. Raises nothing: where there are no values, or hardly any
    two different ones (within 1e-8), there is one bar.
    """
    if not len(values):
        return []
    low, high = (float(q) for q in np.quantile(values, (0.02, 0.98)))
    above = values[values > 0]
    if float(values.min()) >= 0 and len(above) and high > 20 * float(np.median(above)):
        bottom = max(float(np.quantile(above, 0.05)), 1e-9)
        powers = range(int(np.floor(np.log10(bottom))), int(np.ceil(np.log10(high))) + 1)
        edges = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
        edges = [edge for edge in edges if bottom <= edge <= high]
        return edges[:: max(1, -(-len(edges) // n_bins))]
    if high - low < 1e-8:
        return []
    raw = (high - low) / n_bins
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    step = max(1.0, np.ceil(step)) if is_whole else step
    first = int(np.ceil(low / step + 1e-9))
    return [round(float(place * step), 12) for place in range(first, int(np.floor(high / step)) + 1)]


def histogram(values: npt.NDArray[np.float64], edges: Sequence[float]) -> Ints:
    """Count the values below the first edge, from each edge to below the next, and from the last edge on."""
    return np.bincount(np.searchsorted(np.asarray(edges, float), values, side="right"), minlength=len(edges) + 1).astype(np.int64)
