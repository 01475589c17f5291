"""Branch and bound over which funds are held: the choices, the tree, and an incumbent improved by swaps."""

import heapq
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from portfolios.kernels.errors import SolverError
from portfolios.kernels.types import FloatArray

BoolArray = NDArray[np.bool_]
NONE, LONG, SHORT = 0, 1, 2
_HELD = 1e-9  # what a relaxation leaves of a fund below this is rounding
_NEIGHBOURS = 5
_OPEN = 1e-3  # of what a bound misses: where doubts are less, what is held by halves is decided first


@dataclass(frozen=True)
class Choices:
    """What each of n funds may be: option NONE is {0}, LONG and SHORT are the intervals [lows, highs] (3, n); `most` may be held.

    Without a least weight LONG is the fund's whole range, which may then hold negative weights and 0.
    """

    lows: FloatArray
    highs: FloatArray
    allowed: BoolArray
    most: int

    def hull(self, allowed: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Bounds (n,) of the smallest box round what is still allowed (3, n)."""
        return np.where(allowed, self.lows, np.inf).min(axis=0), np.where(allowed, self.highs, -np.inf).max(axis=0)

    def settled(self, allowed: BoolArray) -> BoolArray | None:
        """What follows from the number of funds alone: once `most` must be held, the others are not; None if contradictory."""
        if not allowed.any(axis=0).all():
            return None
        must = ~allowed[NONE]
        n_must = int(must.sum())
        if n_must > self.most:
            return None
        if n_must == self.most and allowed[1:, ~must].any():
            allowed = allowed.copy()
            allowed[1:, ~must] = False
        return allowed

    def of_weights(self, weights: FloatArray) -> BoolArray | None:
        """The options (3, n) that weights have taken, or None where they keep neither a fund's options nor the number."""
        sides = np.stack([np.abs(weights) <= _HELD, weights > _HELD, weights < -_HELD])
        sides[LONG] |= sides[SHORT] & ~self.allowed[SHORT] & self.allowed[LONG]
        sides[SHORT] &= self.allowed[SHORT]
        # A fund that must be held may be held at 0, where its bounds let it.
        sides[LONG] |= sides[NONE] & ~self.allowed[NONE]
        sides[NONE] &= self.allowed[NONE]
        within = (self.lows - _HELD <= weights) & (weights <= self.highs + _HELD)
        kept = (sides & self.allowed & within).any(axis=0).all() and int((~sides[NONE]).sum()) <= self.most
        return sides if kept else None


def choices_of(low: FloatArray, high: FloatArray, most: int | None, least: float | None) -> Choices:
    """Write bounds (n,), a largest number of funds and a least weight if held as each fund's options."""
    nil = np.zeros_like(low)
    least = least or 0.0
    both = (low < 0) & (high > 0)
    if least > 0:
        lows = np.stack([nil, np.maximum(low, least), low])
        highs = np.stack([nil, high, np.minimum(high, -least)])
        allowed = np.stack([(low <= 0) & (high >= 0), high >= lows[LONG], low <= highs[SHORT]])
    else:
        lows, highs = np.stack([nil, low, low]), np.stack([nil, high, high])
        allowed = np.stack([(low <= 0) & (high >= 0), (high > 0) | both | (low < 0), nil > 0])
    allowed &= low <= high
    return Choices(lows, highs, allowed, len(low) if most is None else min(most, len(low)))


@dataclass(frozen=True)
class Relaxed:
    """A lower bound of a node; near-optimal weights (n,); how much of each fund is held (n,), 0 to 1; the price of each option.

    `doubt` (n,): how much deciding a fund may add to the bound, the side counting on which it adds less. `beyond` (3, n):
    the bound rises at least so much where a fund takes an option. `prices` belong to the relaxation.
    """

    bound: float
    weights: FloatArray
    held: FloatArray
    doubt: FloatArray
    beyond: FloatArray
    prices: Any


@dataclass(frozen=True)
class Incumbent:
    """The optimum under decided options (3, n): value, weights, and what each option of each fund would add to it, at the least."""

    value: float
    weights: FloatArray
    options: BoolArray
    values: FloatArray


class Relaxation(Protocol):
    """What the tree needs of a problem; None if infeasible.

    A bound under undecided options; whether decided ones may reach a value, which costs least; what they promise, which
    costs little; and their exact optimum.
    """

    def relax(self, allowed: BoolArray, prices: Any, enough: float) -> Relaxed | None: ...

    def may_reach(self, options: BoolArray, value: float) -> bool: ...

    def promised(self, options: BoolArray) -> Incumbent | None: ...

    def exact(self, promised: Incumbent) -> Incumbent | None: ...


@dataclass
class Search:
    """One branch and bound: best first, and from each node taken up straight down the likelier side.

    It looks for what is better than `cutoff` and proves its optimum within `tolerance`; after `max_nodes` it gives up with
    SolverError("not_proven_optimal", gap).
    """

    relaxation: Relaxation
    choices: Choices
    tolerance: float
    max_nodes: int
    cutoff: float = np.inf
    best: Incumbent | None = None
    n_nodes: int = 0

    def run(self, prices: Any) -> None:
        """Find `best` or prove that nothing is better than the cutoff; None is left where no choice of funds keeps the limits."""
        start = self.choices.settled(self.choices.allowed)
        queue: list[tuple[float, int, BoolArray, Any]] = [] if start is None else [(-np.inf, 0, start, prices)]
        serial = 0
        while queue and queue[0][0] < self.enough:
            _, _, node, prices = heapq.heappop(queue)
            at: BoolArray | None = node
            while at is not None:
                if self.n_nodes >= self.max_nodes:
                    raise SolverError("not_proven_optimal", gap=self._gap(queue), n_nodes=self.n_nodes)
                at, prices, other = self._split(at, prices)
                if other is not None:
                    serial += 1
                    heapq.heappush(queue, (other[0], serial, other[1], prices))

    @property
    def enough(self) -> float:
        """A bound that nothing worth finding exceeds."""
        return min(self.cutoff, np.inf if self.best is None else self.best.value) - self.tolerance

    def _gap(self, queue: list[tuple[float, int, BoolArray, Any]]) -> float:
        return np.inf if self.best is None or not queue else self.best.value - queue[0][0]

    def _split(self, allowed: BoolArray, prices: Any) -> tuple[BoolArray | None, Any, tuple[float, BoolArray] | None]:
        """Bound a node; return the child to go on with, its prices, and the other child with its bound."""
        self.n_nodes += 1
        relaxed = self.relaxation.relax(allowed, prices, self.enough)
        if relaxed is None or relaxed.bound >= self.enough:
            return None, prices, None
        self.offer(self.choices.of_weights(relaxed.weights))
        # An option whose price lifts the bound to the incumbent cannot be part of anything better.
        kept = self.choices.settled(allowed & (relaxed.bound + relaxed.beyond < self.enough))
        if kept is None:
            return None, prices, None
        branch = _branch(kept, relaxed, self.enough - relaxed.bound)
        if branch is None:
            self._keep(kept)
            return None, prices, None
        fund, side = branch
        likely, other = kept.copy(), kept.copy()
        likely[:, fund] &= side
        other[:, fund] &= ~side
        bound = relaxed.bound + max(float(relaxed.beyond[other[:, fund], fund].min()), 0.0)
        settled = self.choices.settled(other)
        return self.choices.settled(likely), relaxed.prices, None if settled is None else (bound, settled)

    def offer(self, options: BoolArray | None) -> bool:
        """Solve under decided options, if these look any good, and keep the answer if it is better; returns whether it was."""
        return options is not None and self.relaxation.may_reach(options, self._to_beat) and self._keep(options)

    @property
    def _to_beat(self) -> float:
        return min(self.cutoff, np.inf if self.best is None else self.best.value) - 1e-3 * self.tolerance

    def _keep(self, options: BoolArray) -> bool:
        found = self.relaxation.promised(options)
        if found is None or found.value >= self._to_beat:
            return False
        found = self.relaxation.exact(found)
        if found is None or found.value >= self._to_beat:
            return False
        self.best = found
        return True

    def swap(self) -> None:
        """Improve the incumbent by adding, dropping and exchanging one fund while that helps."""
        while self.best is not None and any(self.offer(options) for options in _neighbours(self.choices, self.best)):
            pass


def _branch(allowed: BoolArray, relaxed: Relaxed, missing: float) -> tuple[int, BoolArray] | None:
    """The fund least decided by the relaxation and its likelier options (3,); None where all funds are decided."""
    may_be_held = allowed[LONG] | allowed[SHORT]
    is_open = allowed[NONE] & may_be_held
    if is_open.any():
        # Where all are held wholly or not at all, the largest holding is decided first.
        undecided = np.minimum(relaxed.held, 1.0 - relaxed.held) + 1e-6 * np.abs(relaxed.weights)
        doubt = undecided if missing == np.inf else relaxed.doubt + _OPEN * missing * undecided
        fund = int(np.argmax(np.where(is_open, doubt, -1.0)))
        none = np.array([True, False, False])
        return fund, ~none if relaxed.held[fund] >= 0.5 else none
    both = allowed[LONG] & allowed[SHORT]
    if not both.any():
        return None
    fund = int(np.argmax(np.where(both, np.abs(relaxed.weights), -1.0)))
    return fund, np.arange(3) == (LONG if relaxed.weights[fund] >= 0 else SHORT)


def _neighbours(choices: Choices, best: Incumbent) -> list[BoolArray]:
    held = np.flatnonzero(~best.options[NONE])
    sides = np.where(choices.allowed[1:], best.values[1:], np.inf).argmin(axis=0) + 1
    gain = np.take_along_axis(best.values, sides[None], axis=0)[0] - best.values[NONE]
    gain = np.where(best.options[NONE] & choices.allowed[1:].any(axis=0), gain, np.inf)
    entering = [int(i) for i in np.argsort(gain, kind="stable")[:_NEIGHBOURS] if gain[i] < 0]
    leaving = [int(i) for i in held[np.argsort(np.abs(best.weights[held]), kind="stable")] if choices.allowed[NONE, i]]
    found = [(i, None) for i in entering] if len(held) < choices.most else []
    found += [(None, j) for j in leaving]  # type: ignore[misc]
    found += [(i, j) for i in entering for j in leaving]  # type: ignore[misc]
    return [_exchanged(best.options, i, sides, j) for i, j in found]


def _exchanged(options: BoolArray, entering: int | None, sides: NDArray[np.int64], leaving: int | None) -> BoolArray:
    changed = options.copy()
    if entering is not None:
        changed[:, entering] = False
        changed[sides[entering], entering] = True
    if leaving is not None:
        changed[:, leaving] = [True, False, False]
    return changed
