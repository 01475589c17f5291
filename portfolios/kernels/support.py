"""The best choice of funds for a quadratic programme: good ones at once, then the proof that none is better."""

from dataclasses import dataclass, replace

import numpy as np

from portfolios.kernels.branching import LONG, NONE, SHORT, BoolArray, Choices, Relaxed, Search
from portfolios.kernels.errors import SolverError
from portfolios.kernels.perspective import Perspective, Prices, restricted
from portfolios.kernels.standard import Quadratic
from portfolios.kernels.types import FloatArray, IntArray

MAX_NODES = 100_000
_ROUNDING = 1e-13  # of the largest variance: no difference below this means anything
_TIED = 1e-12  # of the largest variance: portfolios no further apart are equally good
_INFEASIBLE = 2  # scipy's status
_SHRINKS = 0.8  # a problem is set up again once this share of its funds, or less, can still be held


@dataclass(frozen=True)
class BestChoice:
    """The proven optimum: its value, and the option taken of every fund (3, n)."""

    value: float
    options: BoolArray


@dataclass(frozen=True)
class _Part:
    """A problem on the funds `at` that can still be held; the others are 0 and cost `offset`."""

    problem: Quadratic
    choices: Choices
    at: IntArray
    offset: float = 0.0


def proven_support(
    problem: Quadratic, choices: Choices, tolerance: float, known: BoolArray | None = None, *, is_first: bool = True
) -> BestChoice | None:
    """Return the options of the least value of a quadratic programme over all choices of funds, or None where none is feasible.

    `known` are options known to be good; `is_first` asks for the alphabetically first of equally good ones. Funds that
    cannot be part of anything better than the best portfolio seen are dropped and the problem is set up again without them:
    the bound is then tighter and the nodes cheaper. Raises SolverError("not_proven_optimal", gap) after `MAX_NODES` nodes.
    """
    tolerance = max(tolerance, _ROUNDING * float(np.diag(problem.cov).max()))
    if choices.settled(choices.allowed) is None:
        return None
    part: _Part | None = _Part(problem, choices, np.arange(len(problem.gain)))
    best = whole = None
    prices = Prices()
    while part is not None:
        nodes = Perspective(part.problem, part.choices)
        search = Search(nodes, part.choices, tolerance, MAX_NODES, np.inf if best is None else best.value - part.offset)
        search.offer(known)
        relaxed = nodes.root(part.choices.allowed, prices)
        if relaxed is None:
            break
        whole = whole or (nodes, relaxed)
        known, prices = None, relaxed.prices
        offer_rounded(search, relaxed)
        if best is None and search.best is None:
            start = feasible_options(problem, choices)
            if start is None:
                return None
            search.offer(start)
        left = _searched(part, search, relaxed)
        if search.best is not None:
            options = np.zeros((3, len(problem.gain)), bool)
            options[NONE] = True
            options[:, part.at] = search.best.options
            best = BestChoice(search.best.value + part.offset, options)
        part = left
    return best if best is None or whole is None or not is_first else _alphabetical(*whole, choices, best)


def _searched(part: _Part, search: Search, relaxed: Relaxed) -> _Part | None:
    """Look for something better than the portfolios seen; returns the part to go on with where far fewer funds can be in it."""
    search.swap()
    if not _narrowed(search, relaxed):
        return None
    keep = np.flatnonzero(search.choices.allowed[1:].any(axis=0))
    if len(keep) <= _SHRINKS * len(part.at):
        return _only(part, search.choices, keep)
    search.run(relaxed.prices)
    return None


def _narrowed(search: Search, relaxed: Relaxed) -> bool:
    """Leave the search only the options that can be part of something better; returns whether that is any portfolio."""
    if relaxed.bound >= search.enough:
        return False
    allowed = search.choices.settled(search.choices.allowed & (relaxed.bound + relaxed.beyond < search.enough))
    if allowed is None:
        return False
    search.choices = replace(search.choices, allowed=allowed)
    return bool(allowed[1:].any())


def _only(part: _Part, choices: Choices, keep: IntArray) -> _Part:
    problem, offset = restricted(part.problem, keep)
    lows, highs, allowed = choices.lows[:, keep], choices.highs[:, keep], choices.allowed[:, keep]
    return _Part(problem, Choices(lows, highs, allowed, min(choices.most, len(keep))), part.at[keep], part.offset + offset)


def _alphabetical(nodes: Perspective, relaxed: Relaxed, choices: Choices, found: BestChoice) -> BestChoice:
    """Exchange a held fund for one of an earlier place while that changes nothing but rounding."""
    enough = found.value + _TIED * nodes.scale
    allowed = choices.allowed & (relaxed.bound + relaxed.beyond <= enough)
    options = found.options
    exchanged = True
    while exchanged:
        exchanged = False
        here = nodes.promised(options)
        if here is None:
            break
        taken = options[1:].argmax(axis=0) + 1
        rise = np.where(choices.allowed[NONE], here.values - np.where(choices.allowed[NONE], here.values[NONE], 0.0), np.inf)
        for entering, leaving in _earlier(options, rise, taken, enough - here.value):
            tried = options.copy()
            tried[:, [entering, leaving]] = tried[:, [leaving, entering]]
            if (tried & ~allowed).any() or not nodes.may_reach(tried, enough):
                continue
            promised = nodes.promised(tried)
            exact = None if promised is None or promised.value > enough else nodes.exact(promised)
            if exact is not None and exact.value <= enough:
                options, exchanged = tried, True
                break
    return replace(found, options=options)


def _earlier(options: BoolArray, rise: FloatArray, taken: IntArray, room: float) -> list[tuple[int, int]]:
    """Exchanges (fund entering, later fund leaving) that by their bound may cost no more than `room`, the earliest first."""
    held = np.flatnonzero(~options[NONE] & np.isfinite(rise[NONE]))
    pairs = []
    for entering in np.flatnonzero(options[NONE]):
        for leaving in held[held > entering][::-1]:
            option = taken[leaving]
            if rise[option, entering] - rise[option, leaving] <= room:
                pairs.append((int(entering), int(leaving)))
    return pairs


def offer_rounded(search: Search, relaxed: Relaxed) -> None:
    """Try the funds that a relaxation holds most of: as many as may be held, or only those near a least weight."""
    allowed = search.choices.allowed
    side = np.where(allowed[SHORT] & (~allowed[LONG] | (relaxed.weights < 0)), SHORT, LONG)
    order = np.lexsort((-np.abs(relaxed.weights), -relaxed.held.round(6), allowed[NONE]))
    order = order[(allowed[LONG] | allowed[SHORT])[order]]
    n_must = int((~allowed[NONE]).sum())
    enough_held = [int((relaxed.held >= share).sum()) for share in (0.99, 0.5, 1e-6)]
    for count in sorted({min(max(count, n_must, 1), search.choices.most) for count in (*enough_held, search.choices.most)}):
        options = np.zeros_like(allowed)
        options[NONE] = True
        chosen = order[:count]
        options[NONE, chosen] = False
        options[side[chosen], chosen] = True
        search.offer(options)


def feasible_options(problem: Quadratic, choices: Choices) -> BoolArray | None:
    """Options under which some weights keep the linear limits, by a mixed-integer linear programme; None where there are none."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    n = len(problem.gain)
    one, none = np.eye(n), np.zeros((n, n))
    lows, highs = (np.where(choices.allowed, side, 0.0) for side in (choices.lows, choices.highs))
    # Variables: weights, what is traded, and whether LONG and SHORT are taken.
    limits = [
        LinearConstraint(np.hstack([one, none, -np.diag(lows[LONG]), -np.diag(lows[SHORT])]), 0.0, np.inf),
        LinearConstraint(np.hstack([one, none, -np.diag(highs[LONG]), -np.diag(highs[SHORT])]), -np.inf, 0.0),
        LinearConstraint(np.hstack([problem.rows, np.zeros((len(problem.rows), 3 * n))]), problem.row_low, problem.row_high),
        LinearConstraint(np.hstack([none, none, one, one]), np.where(choices.allowed[NONE], 0.0, 1.0), 1.0),
        LinearConstraint(np.repeat([0.0, 0.0, 1.0, 1.0], n)[None], 0.0, choices.most),
    ]
    if np.isfinite(problem.max_trade):
        limits += [
            LinearConstraint(np.hstack([one, -one, none, none]), -np.inf, problem.current),
            LinearConstraint(np.hstack([-one, -one, none, none]), -np.inf, -problem.current),
            LinearConstraint(np.repeat([0.0, 1.0, 0.0, 0.0], n)[None], 0.0, problem.max_trade),
        ]
    low, high = choices.hull(choices.allowed)
    taken = choices.allowed[1:].astype(float).ravel()
    bounds = Bounds(np.concatenate([low, np.zeros(3 * n)]), np.concatenate([high, np.full(n, np.inf), taken]))
    found = milp(np.zeros(4 * n), integrality=np.repeat([0, 0, 1, 1], n), bounds=bounds, constraints=limits)
    if found.status == _INFEASIBLE:
        return None
    if found.x is None:
        raise SolverError("solver_failed", solver="highs", detail=str(found.message)[:200])
    taken = found.x[2 * n :].reshape(2, n) > 0.5
    return np.vstack([~taken.any(axis=0), taken])
