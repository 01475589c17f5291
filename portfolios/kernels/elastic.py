"""How far limits must give way for a portfolio to exist: linear and mixed-integer programmes with cuts for the volatility."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from portfolios.kernels.covariances import square_root
from portfolios.kernels.errors import SolverError
from portfolios.kernels.limits import LimitSet
from portfolios.kernels.programme import Programme, add_row, open_solver, run, solve, solve_conic, with_fixed, with_largest, with_row
from portfolios.kernels.types import FloatArray

TOLERANCE = 1e-9  # sums of amounts are told apart by more than this
LINEAR_TOLERANCE = 1e-10  # limits count as kept within this, all together, where none is on the volatility; else within the above
_GAP = 1e-10  # a volatility counts as bounded within this
_WINDOW = 1e-8  # a search may go this far beyond its sum: solvers are less exact than the check that follows
_LOOSE = 1e-7
_MAX_ROWS = 10_000
_MAX_ROUNDS = 200
_BOXES = (1e-5, 1e-3)  # how far around the conic solver's weights to look for better ones
_NEARBY_ROUNDS = 20


@dataclass(frozen=True)
class GiveWay:
    """The least total by which limits give way, by how much each (m,) and at what price >= 0 each (m,), and where: x (k,)."""

    total: float
    amounts: FloatArray
    prices: FloatArray
    x: FloatArray


@dataclass(frozen=True)
class SetSearch:
    """Which sets of limits to look among: those of at most `size` of `allowed` that hit every set of `hit` and hold none of `barred`.

    `taken` are in it, and one of `one_of`, where there are any. The amounts must add up to `most` at most. Sought is the least
    sum of amounts, or with `by_name` a set of early names.
    """

    allowed: tuple[int, ...]
    size: int
    hit: tuple[frozenset[int], ...]
    most: float
    barred: tuple[frozenset[int], ...] = ()
    taken: frozenset[int] = frozenset()
    one_of: frozenset[int] = frozenset()
    by_name: bool = False


class Elastic:
    """The limits of a mandate, each with a variable r for how far it gives way; asked again and again, it starts warm."""

    def __init__(self, limits: LimitSet) -> None:
        self.limits = limits.limits
        self._set = limits
        self.tolerance = LINEAR_TOLERANCE if limits.volatility_at is None else TOLERANCE
        self._has_volatility, self._at = limits.volatility_at is not None, limits.volatility_at or 0
        self._n_x, self._n = len(limits.low), len(limits.limits)
        self._give = slice(self._n_x, self._n_x + self._n)
        self._owner = np.array([i for i, limit in enumerate(limits.limits) for _ in limit.at_most], int)
        self._moves = np.array([limits.limits[i].move for i in self._owner])
        give = np.zeros((len(self._owner), self._n))
        give[np.arange(len(self._owner)), self._owner] = -self._moves
        limiting = np.hstack([np.vstack([limit.rows for limit in limits.limits]), give])
        tying = np.hstack([limits.rows, np.zeros((len(limits.rows), self._n))])
        self._rows = np.vstack([limiting, tying])
        self._at_most = np.concatenate([*(limit.at_most for limit in limits.limits), limits.at_most])
        self._n_exact = len(self._rows)
        self.has_whole = bool(limits.whole.any())
        self._root = square_root(limits.cov)
        self._linear = open_solver(self._continuous((), ()))

    def give_way(self, priced: Collection[int], free: Collection[int] = (), enough: float = np.inf) -> GiveWay | None:
        """Let `priced` limits give way at 1 a unit and `free` ones at no price; None if that does not help.

        A total above `enough` is proven to be above it, but may be too low. Here whole numbers may be broken: what does not
        help here does not help with whole ones either.
        """
        programme = self._continuous(priced, free)
        cost, most = programme.cost[self._give], programme.high[self._give]
        columns = np.arange(self._n_x, self._n_x + self._n, dtype=np.int32)
        self._linear.changeColsCost(self._n, columns, cost)
        self._linear.changeColsBounds(self._n, columns, np.zeros(self._n), most)
        values = self._with_tangents(self._linear, programme, enough)
        if values is None:
            return None
        duals = np.abs(np.array(self._linear.getSolution().row_dual)[: len(self._owner)])
        return self._found(cost, values, np.bincount(self._owner, duals, self._n).astype(np.float64))

    def give_way_whole(self, priced: Collection[int], free: Collection[int] = ()) -> GiveWay | None:
        """The same with whole numbers kept; it has no prices then."""
        if not self.has_whole:
            return self.give_way(priced, free)
        programme = self._programme(priced, free)
        values = self._solve(programme)
        return None if values is None else self._found(programme.cost[self._give], values, np.zeros(self._n))

    def search(self, search: SetSearch) -> tuple[frozenset[int], float] | None:
        """Return a best set of limits to let give way, and the sum of their amounts; None if there is none."""
        values = self._solve(self._choice(search))
        if values is None:
            return None
        taken = frozenset(limit for limit, y in zip(search.allowed, values[self._give.stop :], strict=True) if y > 0.5)
        return taken, float(values[self._give].sum())

    def even(self, priced: Sequence[int], found: GiveWay) -> FloatArray:
        """Return amounts (m,) of the same total as found, split most evenly: the largest the least it can be, then the next.

        Where funds are counted, among portfolios that hold the same funds as the one found.
        """
        programme = with_fixed(self._programme(priced, ()), np.concatenate([found.x, found.amounts]))
        programme = with_row(programme, programme.cost, found.total)
        amounts = found.amounts
        # Stage j: the least sum of the j largest amounts = min over t of j t + sum of max(amount - t, 0), kept from then on.
        for j in range(1, len(priced)):
            programme, cost = with_largest(programme, [self._n_x + i for i in priced], j)
            values = self._solve(replace(programme, cost=cost))
            if values is None:
                break
            amounts = values[self._give]
            programme = with_row(programme, cost, float(cost @ values))
        return amounts

    def _terms(self, priced: Collection[int], free: Collection[int]) -> tuple[FloatArray, FloatArray]:
        cost, most = np.zeros(self._n), np.zeros(self._n)
        cost[list(priced)] = 1.0
        for i in [*priced, *free]:
            most[i] = self.limits[i].most
        return cost, most

    def _programme(self, priced: Collection[int], free: Collection[int]) -> Programme:
        cost, most = self._terms(priced, free)
        return Programme(
            cost=np.concatenate([np.zeros(self._n_x), cost]),
            rows=self._rows,
            at_most=self._at_most,
            low=np.concatenate([self._set.low, np.zeros(self._n)]),
            high=np.concatenate([self._set.high, most]),
            whole=np.concatenate([self._set.whole, [limit.is_whole for limit in self.limits]]),
        )

    def _continuous(self, priced: Collection[int], free: Collection[int]) -> Programme:
        return replace(self._programme(priced, free), whole=np.zeros(self._n_x + self._n, bool))

    def _choice(self, search: SetSearch) -> Programme:
        """With a yes or no for each allowed limit: it gives way, by no more than all may together, only on a yes."""
        base = self._programme(search.allowed, ())
        n_before, n_choices = len(base.cost), len(search.allowed)
        place = {limit: n_before + i for i, limit in enumerate(search.allowed)}
        whole_set = frozenset(search.allowed)
        linked = np.zeros((n_choices, n_before + n_choices))
        for row, limit in enumerate(search.allowed):
            linked[row, self._n_x + limit], linked[row, place[limit]] = 1.0, -(search.most + _WINDOW)
        counts = [(whole_set, 1.0, float(search.size))]
        counts += [(core & whole_set, -1.0, -1.0) for core in search.hit]
        counts += [(barred, 1.0, len(barred) - 1.0) for barred in search.barred]
        counts += [(search.one_of, -1.0, -1.0)] if search.one_of else []
        counting = np.zeros((len(counts), n_before + n_choices))
        for row, (members, sign, _) in enumerate(counts):
            counting[row, [place[limit] for limit in members]] = sign
        total = np.concatenate([base.cost, np.zeros(n_choices)])
        ranks = np.concatenate([np.zeros(n_before), np.arange(1.0, n_choices + 1)])
        return Programme(
            cost=ranks if search.by_name else total,
            rows=np.vstack([np.hstack([base.rows, np.zeros((len(base.rows), n_choices))]), linked, counting, total]),
            at_most=np.concatenate([base.at_most, np.zeros(n_choices), [limit for *_, limit in counts], [search.most + _WINDOW]]),
            low=np.concatenate([base.low, [float(limit in search.taken) for limit in search.allowed]]),
            high=np.concatenate([base.high, np.ones(n_choices)]),
            whole=np.concatenate([base.whole, np.ones(n_choices, bool)]),
        )

    def _found(self, cost: FloatArray, values: FloatArray, prices: FloatArray) -> GiveWay:
        amounts = np.maximum(values[self._give], 0.0)
        total = float(cost @ amounts)
        return GiveWay(total if total > _noise(values) else 0.0, amounts, prices, values[: self._n_x])

    def _solve(self, programme: Programme) -> FloatArray | None:
        """Solve a programme on this mandate's columns, with the tangents it needs; None if it has no solution.

        A solver's whole numbers are whole within a tolerance: the rest is found again with them truly whole, and the tangents
        that this needs go into the programme, until its optimum and that one agree.
        """
        if not programme.whole.any():
            return self._with_tangents(open_solver(programme), programme)
        for _ in range(_MAX_ROUNDS):
            n_rows = len(self._rows)
            values = solve(programme)
            is_loose = values is None  # HiGHS has called programmes impossible at tight tolerances that have a solution
            values = solve(programme, _LOOSE) if values is None else values
            if values is None:
                return None
            fixed = with_fixed(programme, values)
            exact = self._with_tangents(open_solver(fixed), fixed)
            if exact is not None and programme.cost @ exact <= programme.cost @ values + TOLERANCE:
                return exact
            if len(self._rows) == n_rows:
                return values if exact is None and not is_loose else exact
            for row in self._rows[n_rows:]:
                programme = with_row(programme, row, 0.0)
        raise SolverError("not_proven_optimal", n_funds=len(self._set.funds))

    def _with_tangents(self, solver: Any, programme: Programme, enough: float = np.inf) -> FloatArray | None:
        """The optimum of a programme that a solver holds, with tangents added wherever a volatility is below that of its weights.

        One that costs more than `enough` may be short of tangents: the true optimum costs as much at least. Tangents alone
        are slow to meet a curve, so the first is laid where the conic solver puts the optimum; its point is then the answer
        if the tangents prove, within 1e-9, that nothing is better.
        """
        near: FloatArray | None = None
        for i in range(_MAX_ROWS):
            values = run(solver)
            if values is None or programme.cost @ values > max(enough, _noise(values)) or not self._is_short(values):
                return values
            if i == 0:
                near = self._kept(programme, solve_conic(programme, self._root, self._at))
                # Without one there may be no solution at all: then the tangent that shows it best.
                point = near if near is not None else solve_conic(programme, self._root, self._at, least_gap=True)
                self._add(solver, values, [] if point is None else self._tangents(point))
            elif near is not None and i <= len(_BOXES) and programme.cost @ near > programme.cost @ values + TOLERANCE:
                near = self._nearby(programme, near, _BOXES[i - 1])
            if i and near is not None and programme.cost @ near <= programme.cost @ values + TOLERANCE:
                return near
            self._add(solver, values, self._tangents(values))
        raise SolverError("not_proven_optimal", n_funds=len(self._set.funds))

    def _nearby(self, programme: Programme, near: FloatArray, reach: float) -> FloatArray:
        """The optimum among weights this near, where a few tangents follow the curve: the conic solver's digits end earlier."""
        n, low, high = len(self._set.funds), programme.low.copy(), programme.high.copy()
        low[:n], high[:n] = np.maximum(low[:n], near[:n] - reach), np.minimum(high[:n], near[:n] + reach)
        boxed = replace(programme, low=low, high=high)
        for row in self._rows[self._n_exact :]:
            boxed = with_row(boxed, row, 0.0)
        solver = open_solver(boxed)
        for _ in range(_NEARBY_ROUNDS):
            values = run(solver)
            if values is None:
                return near
            if not self._is_short(values):
                return values
            self._add(solver, values, self._tangents(values))
        kept = self._kept(programme, values)
        return near if kept is None or programme.cost @ kept > programme.cost @ near else kept

    def _kept(self, programme: Programme, values: FloatArray | None) -> FloatArray | None:
        """Nearly right values made right: the volatility that of the weights, the amounts what they must be; None if that is not enough."""
        if values is None:
            return None
        values = np.clip(values, programme.low, programme.high)
        exposure = self._root @ values[: len(self._set.funds)]
        values[self._at] = np.linalg.norm(exposure)
        values[self._set.risk_parts] = exposure**2 / max(values[self._at], _GAP) if len(self._set.risk_parts) else 0.0
        excess = (programme.rows @ values - programme.at_most)[: len(self._owner)]
        missing = np.zeros(self._n)
        np.maximum.at(missing, self._owner, excess / self._moves)
        values[self._give] = np.minimum(values[self._give] + missing, programme.high[self._give])
        excess = programme.rows @ values - programme.at_most
        return values if float(excess.max()) <= TOLERANCE else None

    def _add(self, solver: Any, values: FloatArray, tangents: Sequence[FloatArray]) -> None:
        """Add tangents for good: to a solver, to the one kept warm, and to the rows of all to come.

        Of the many of risk parts only those that the values break.
        """
        if len(self._set.risk_parts):
            tangents = [row for row in tangents if row @ values[: len(row)] > _GAP / (10 * len(self._set.funds))]
        for row in tangents:
            self._rows, self._at_most = np.vstack([self._rows, row]), np.append(self._at_most, 0.0)
            for each in (solver,) if solver is self._linear else (solver, self._linear):
                add_row(each, row, 0.0)

    def _is_short(self, values: FloatArray) -> bool:
        """Whether the volatility in a solution is below that of its weights."""
        return self._has_volatility and float(np.linalg.norm(self._root @ values[: len(self._set.funds)])) - values[self._at] > _GAP

    def _tangents(self, values: FloatArray) -> list[FloatArray]:
        """Rows that say the volatility is at least its tangent at the weights of a solution; none where it is zero there.

        With risk parts, one row a part, which together say as much and more: with whole numbers a few such points do what
        hundreds of tangents of the whole do not. Source: Vielma, Dunning, Huchette and Lubin (2017), Extended formulations
        in mixed integer conic quadratic programming.
        """
        n = len(self._set.funds)
        exposure = self._root @ values[:n]
        volatility = float(np.linalg.norm(exposure))
        if volatility <= _GAP:
            return []
        rows = np.zeros((max(len(self._set.risk_parts), 1), self._rows.shape[1]))
        if len(self._set.risk_parts):
            # (R w)_i^2 / v is convex in both, and its tangent where (R w)_i / v = t is 2 t (R w)_i - t^2 v.
            slopes = exposure / volatility
            rows[:, :n], rows[:, self._at] = 2.0 * slopes[:, None] * self._root, -(slopes**2)
            rows[np.arange(len(rows)), self._set.risk_parts] = -1.0
            return [row for row, slope in zip(rows, slopes, strict=True) if abs(slope) > _GAP]
        rows[0, :n], rows[0, self._at] = exposure @ self._root / volatility, -1.0
        return [rows[0]]


def _noise(values: FloatArray) -> float:
    """What rounding leaves of a zero among values of this size: where little is limited a corner can lie at weights of 1e7."""
    return 4.0 * float(np.finfo(float).eps) * float(np.abs(values).sum())


def fewest_hitting(sets: Sequence[frozenset[int]]) -> frozenset[int]:
    """Return a smallest set that has a member in common with each of some sets, none of them empty."""
    members = sorted(frozenset().union(*sets))
    if not members:
        return frozenset()
    rows = np.array([[-float(member in one) for member in members] for one in sets])
    n = len(members)
    values = solve(Programme(np.ones(n), rows, np.full(len(sets), -1.0), np.zeros(n), np.ones(n), np.ones(n, bool)))
    if values is None:
        raise SolverError("solver_failed", detail="hitting set")
    return frozenset(member for member, value in zip(members, values, strict=True) if value > 0.5)
