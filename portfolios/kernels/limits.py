"""The named limits of a mandate one by one, each with its coefficients, and a mandate with some of them relaxed."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from portfolios.kernels.errors import DataError, InfeasibleError
from portfolios.kernels.mandate import Group, Mandate
from portfolios.kernels.moments import pick
from portfolios.kernels.risk import NORMAL_CVAR_95
from portfolios.kernels.types import FloatArray, Moments, Relaxation

ROUNDING = 1e-9  # of an amount that brings one limit exactly up to another


@dataclass(frozen=True)
class Limit:
    """rows @ x <= at_most + move * r, where r >= 0 is how far the limit is relaxed in its own unit; shapes (m, k), (m,).

    Relaxed by `most` it limits nothing any more. `is_whole`: only whole numbers make sense.
    """

    name: str
    is_legal: bool
    rows: FloatArray
    at_most: FloatArray
    move: float = 1.0
    most: float = math.inf
    is_whole: bool = False


@dataclass(frozen=True)
class LimitSet:
    """All limits of a mandate over one vector x (k,), which begins with the n weights and goes on with what the limits need.

    After the weights stand, where a limit needs them: the amounts traded (n), the volatility (1), the parts of the weights
    above and below zero (2n), whether each of these is held (2n, whole) and, with these, the parts of the volatility by principal
    component (n), (R w)_i^2 / volatility for R'R = S, which add up to no more than it. `rows` @ x <= `at_most` and `low` <= x <= `high` tie
    these to the weights and are no limits of their own; that x[`volatility_at`] is at least the volatility of the
    weights, sqrt(w'Sw), and each part in `risk_parts` at least what it is, is for the solver to see to.
    """

    funds: tuple[str, ...]
    limits: tuple[Limit, ...]
    rows: FloatArray
    at_most: FloatArray
    low: FloatArray
    high: FloatArray
    whole: np.ndarray
    cov: FloatArray
    volatility_at: int | None
    risk_parts: np.ndarray


@dataclass
class _Columns:
    """Where each part of x stands; a part that no limit needs is empty."""

    n: int
    has_trades: bool
    has_volatility: bool
    has_counts: bool
    size: int = field(init=False)

    def __post_init__(self) -> None:
        n, ends = self.n, [0]
        has_parts = self.has_volatility and self.has_counts
        for length in (n, n * self.has_trades, int(self.has_volatility), *([n * self.has_counts] * 4), n * has_parts):
            ends.append(ends[-1] + length)
        self.size = ends[-1]
        parts = [np.arange(start, end) for start, end in pairwise(ends)]
        self.weights, self.trades, self.volatility, self.above, self.below, self.long, self.short, self.risk_parts = parts

    def rows(self, *terms: tuple[np.ndarray, float]) -> FloatArray:
        """One row a fund: the sum of some parts, each times a number."""
        made = np.zeros((self.n, self.size))
        for part, factor in terms:
            made[np.arange(self.n), part] += factor
        return made

    def row(self, *terms: tuple[np.ndarray, Any]) -> FloatArray:
        """One row: the sum of some parts, each times numbers."""
        made = np.zeros((1, self.size))
        for part, factors in terms:
            made[0, part] += factors
        return made


def limits_of(moments: Moments, mandate: Mandate, *, reach: float = 0.0) -> LimitSet:
    """Lay out every limit of a mandate under its name, in the order of the names; weights in the order of the fund codes.

    Left out are chosen limits that relaxing cannot help: a fund's own minimum of zero or less under `long_only`. Where funds are
    counted, weights are as far from zero as `reach` at most, or as the mandate's own limits let them be if that is farther.
    Raises DataError naming a fund without moments.
    """
    moments = pick(moments, mandate.funds)
    columns = _Columns(
        len(mandate.funds),
        has_trades=mandate.max_turnover is not None,
        has_volatility=mandate.cvar_limit is not None or mandate.target_volatility is not None,
        has_counts=mandate.max_funds is not None or mandate.min_weight_if_held is not None,
    )
    limits = [*_fund_limits(mandate, columns), *_joint_limits(moments, mandate, columns)]
    reach = max(reach, _reach(mandate))
    rows, at_most = _ties(mandate, columns, reach)
    low, high, whole = np.full(columns.size, -np.inf), np.full(columns.size, np.inf), np.zeros(columns.size, bool)
    for part in (columns.trades, columns.volatility, columns.above, columns.below, columns.risk_parts):
        low[part] = 0.0
    for part in (columns.long, columns.short):
        low[part], high[part], whole[part] = 0.0, 1.0, True
    if columns.has_counts:
        # The ties say so too, but where weights have no bounds of their own HiGHS has called limits impossible that are not.
        low[columns.weights], high[columns.weights] = -reach, reach
        high[columns.above], high[columns.below] = reach, reach
    return LimitSet(
        funds=mandate.funds,
        limits=tuple(sorted(limits, key=lambda limit: limit.name)),
        rows=rows,
        at_most=at_most,
        low=low,
        high=high,
        whole=whole,
        cov=moments.cov,
        volatility_at=int(columns.volatility[0]) if columns.has_volatility else None,
        risk_parts=columns.risk_parts,
    )


def _ties(mandate: Mandate, columns: _Columns, reach: float) -> tuple[FloatArray, FloatArray]:
    """What trades, parts and counts have to do with the weights."""
    found: list[tuple[FloatArray, FloatArray]] = [(np.zeros((0, columns.size)), np.zeros(0))]
    zeros = np.zeros(columns.n)
    if columns.has_trades:
        current = np.array([mandate.current.get(fund, 0.0) for fund in mandate.funds])
        for sign in (1.0, -1.0):
            found.append((columns.rows((columns.weights, sign), (columns.trades, -1.0)), sign * current))
    if columns.has_counts:
        for sign in (1.0, -1.0):
            parts = ((columns.weights, sign), (columns.above, -sign), (columns.below, sign))
            found.append((columns.rows(*parts), zeros))
        found.append((columns.rows((columns.above, 1.0), (columns.long, -reach)), zeros))
        found.append((columns.rows((columns.below, 1.0), (columns.short, -reach)), zeros))
        found.append((columns.rows((columns.long, 1.0), (columns.short, 1.0)), np.ones(columns.n)))
    if len(columns.risk_parts):
        found.append((columns.row((columns.risk_parts, 1.0), (columns.volatility, -1.0)), np.zeros(1)))
    return np.vstack([rows for rows, _ in found]), np.concatenate([at_most for _, at_most in found])


def _reach(mandate: Mandate) -> float:
    """How far a weight can be from zero while all legal limits are kept, or with short sales when the others keep their bounds."""
    if mandate.long_only:
        return 1.0
    furthest = {fund: max(map(abs, mandate.bound(fund))) for fund in mandate.funds}
    for fund, weight in mandate.locked.items():
        furthest[fund] = max(furthest[fund], abs(weight))
    return 1.0 + sum(furthest.values())


def _fund_limits(mandate: Mandate, columns: _Columns) -> Iterator[Limit]:
    """The limits that concern one fund at a time."""
    place = {fund: i for i, fund in enumerate(mandate.funds)}
    high, low = columns.rows((columns.weights, 1.0)), columns.rows((columns.weights, -1.0))

    def between(name: str, funds: Iterable[str], least: float | None, most: float | None) -> Limit:
        at = [place[fund] for fund in funds]
        sides = [(high, most)] if most is not None else []
        sides += [(low, -least)] if least is not None else []
        rows = np.vstack([side[at] for side, _ in sides])
        return Limit(name, mandate.is_legal(name), rows, np.repeat([at_most for _, at_most in sides], len(at)))

    def counted(limit: Limit, parts: tuple[np.ndarray, np.ndarray], most: float, fund: str) -> Limit:
        """The limit said once more of a part and whether it is held, so that broken whole numbers do not keep it so easily."""
        if not columns.has_counts or most < 0:
            return limit
        row = columns.rows((parts[0], 1.0), (parts[1], -most))[[place[fund]]]
        return replace(limit, rows=np.vstack([limit.rows, row]), at_most=np.append(limit.at_most, 0.0))

    for fund in mandate.funds:
        least, most = mandate.bound(fund)
        if not (mandate.long_only and least <= 0 and not mandate.is_legal(f"fund:{fund}:min")):
            yield counted(between(f"fund:{fund}:min", [fund], least, None), (columns.below, columns.short), -least, fund)
        yield counted(between(f"fund:{fund}:max", [fund], None, most), (columns.above, columns.long), most, fund)
    for fund, weight in mandate.locked.items():
        yield between(f"locked:{fund}", [fund], weight, weight)
    for fund in dict.fromkeys(mandate.excluded):
        yield between(f"excluded:{fund}", [fund], 0.0, 0.0)
    if mandate.cash is not None:
        yield between("cash", [mandate.cash[0]], mandate.cash[1], None)
    if mandate.long_only:
        yield between("long_only", mandate.funds, 0.0, None)
    too_risky = [fund for fund in mandate.funds if mandate.max_grade is not None and mandate.risk_grades[fund] > mandate.max_grade]
    if too_risky:
        yield between("max_grade", too_risky, 0.0, 0.0)


def _joint_limits(moments: Moments, mandate: Mandate, columns: _Columns) -> Iterator[Limit]:
    """The limits that concern several funds together."""

    def limit(name: str, rows: FloatArray, *at_most: float, **more: Any) -> Limit:
        return Limit(name, mandate.is_legal(name), rows, np.array(at_most), **more)

    weights, total = columns.weights, columns.row((columns.weights, 1.0))
    yield limit("sum", np.vstack([total, -total]), 1.0, -1.0)
    for group in mandate.groups:
        held = columns.row((weights, np.isin(mandate.funds, group.funds).astype(float)))
        if group.min is not None and math.isfinite(group.min):
            yield limit(f"group:{group.name}:min", -held, -group.min)
        if group.max is not None and math.isfinite(group.max):
            yield limit(f"group:{group.name}:max", held, group.max)
    if mandate.max_turnover is not None:
        yield limit("turnover", columns.row((columns.trades, 1.0)), 2.0 * mandate.max_turnover, move=2.0)
    if mandate.target_return is not None:
        yield limit("target_return", columns.row((weights, -moments.mean)), -mandate.target_return)
    if mandate.target_volatility is not None:
        yield limit("target_volatility", columns.row((columns.volatility, 1.0)), mandate.target_volatility)
    if mandate.cvar_limit is not None:
        loss = columns.row((columns.volatility, NORMAL_CVAR_95), (weights, -moments.mean))
        yield limit("cvar", loss, mandate.cvar_limit)
    if mandate.max_funds is not None:
        held = columns.row((columns.long, 1.0), (columns.short, 1.0))
        yield limit("max_funds", held, float(mandate.max_funds), most=float(columns.n), is_whole=True)
    if mandate.min_weight_if_held is not None:
        least = mandate.min_weight_if_held
        rows = [columns.rows((held, least), (part, -1.0)) for part, held in ((columns.above, columns.long), (columns.below, columns.short))]
        yield limit("min_weight_if_held", np.vstack(rows), *[0.0] * (2 * columns.n), most=least)


def relaxed(mandate: Mandate, relaxations: Iterable[Relaxation]) -> Mandate:
    """Return the mandate with some chosen limits relaxed: the same limits, farther out by the amounts given.

    A maximum, the turnover, the volatility and the CVaR limit rise; a minimum, the cash floor, the target return and the
    least weight if held fall; `max_funds` rises by a whole number. A fund that was locked or excluded may from then on
    move that far from where it was, within its own bounds, which stay as they are or as they are relaxed here. Raises
    DataError("limit_not_chosen") for a limit that is legal, not there or named twice, and InfeasibleError where a locked fund
    so relaxed is still out of its own bounds.
    """
    amounts: dict[str, float] = {}
    for relaxation in relaxations:
        if relaxation.limit in amounts or not _is_chosen(mandate, relaxation.limit):
            raise DataError("limit_not_chosen", limit=relaxation.limit)
        if not (math.isfinite(relaxation.by) and relaxation.by >= 0):
            raise DataError("field_negative", field=relaxation.limit, value=relaxation.by)
        amounts[relaxation.limit] = relaxation.by
    return replace(
        mandate,
        bounds=_relaxed_bounds(mandate, amounts),
        groups=tuple(_relaxed_group(group, amounts) for group in mandate.groups),
        locked={fund: weight for fund, weight in mandate.locked.items() if f"locked:{fund}" not in amounts},
        excluded=tuple(fund for fund in mandate.excluded if f"excluded:{fund}" not in amounts),
        **{fields[0]: fields[1] for name, by in amounts.items() if (fields := _relaxed_field(mandate, name, by))},
    )


_FIELDS: dict[str, tuple[str, Callable[[Any, float], Any]]] = {
    "turnover": ("max_turnover", lambda limit, by: limit + by),
    "cvar": ("cvar_limit", lambda limit, by: limit + by),
    "target_volatility": ("target_volatility", lambda limit, by: limit + by),
    "target_return": ("target_return", lambda limit, by: limit - by),
    "cash": ("cash", lambda limit, by: (limit[0], limit[1] - by)),
    "max_funds": ("max_funds", lambda limit, by: limit + math.ceil(by)),
    "min_weight_if_held": ("min_weight_if_held", lambda limit, by: max(limit - by, 0.0)),
}


def _is_chosen(mandate: Mandate, name: str) -> bool:
    """Whether the mandate has a limit of this name that may be relaxed."""
    if mandate.is_legal(name):
        return False
    if name in _FIELDS:
        return getattr(mandate, _FIELDS[name][0]) is not None
    kind, _colon, rest = name.partition(":")
    if kind in ("locked", "excluded"):
        return rest in (mandate.locked if kind == "locked" else mandate.excluded)
    of, _colon, side = rest.rpartition(":")
    if side not in ("min", "max"):
        return False
    if kind == "group":
        return any(group.name == of and getattr(group, side) is not None for group in mandate.groups)
    return kind == "fund" and of in mandate.funds


def _relaxed_field(mandate: Mandate, name: str, by: float) -> tuple[str, Any] | None:
    if name not in _FIELDS:
        return None
    attribute, move = _FIELDS[name]
    return attribute, move(getattr(mandate, attribute), by)


def _relaxed_group(group: Group, amounts: dict[str, float]) -> Group:
    less, more = amounts.get(f"group:{group.name}:min"), amounts.get(f"group:{group.name}:max")
    return replace(
        group,
        min=group.min if less is None or group.min is None else group.min - less,
        max=group.max if more is None or group.max is None else group.max + more,
    )


def _relaxed_bounds(mandate: Mandate, amounts: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Each fund's own bounds where they change: relaxed themselves, then joined with what is left of a lock or an exclusion."""
    changed = dict(mandate.bounds)
    for fund in mandate.funds:
        low, high = mandate.bound(fund)
        low, high = low - amounts.get(f"fund:{fund}:min", 0.0), high + amounts.get(f"fund:{fund}:max", 0.0)
        for name, weight in ((f"locked:{fund}", mandate.locked.get(fund, 0.0)), (f"excluded:{fund}", 0.0)):
            if name in amounts:
                least, most = weight - amounts[name], weight + amounts[name]
                if least > high + ROUNDING or most < low - ROUNDING:
                    raise InfeasibleError("limits_contradict", limits=(name, f"fund:{fund}"))
                low, high = min(max(low, least), high), max(min(high, most), low)
        if (low, high) != mandate.bound(fund):
            changed[fund] = (low, high)
    return changed
