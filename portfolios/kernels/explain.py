"""Why no portfolio keeps a mandate: the least that must give way, or the legal limits that contradict each other."""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

from portfolios.kernels.elastic import TOLERANCE, Elastic, GiveWay, SetSearch, fewest_hitting
from portfolios.kernels.errors import SolverError
from portfolios.kernels.limits import limits_of, relaxed
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.types import Explanation, Moments, Relaxation

STEP = 1e-6  # amounts are shown in whole steps
_FAR = 1e4  # a weight this far from zero is no portfolio's
_STEPS_MORE = 3  # tried where a rounded amount falls short of the solver's exactness


def explain(moments: Moments, mandate: Mandate) -> Explanation:
    """Return the fewest chosen limits to relax so that a portfolio keeps a mandate, or the legal limits that contradict.

    Among the fewest, the least sum of amounts (within 1e-9), each in its limit's own unit as a fraction of 1 (`max_funds`:
    whole funds); among these the set whose sorted names come first; where its amounts can be split in several ways, the most
    even split (the largest amount the least it can be, then the next). Amounts are rounded outward to 1e-6, except
    where they are within 1e-9 of a whole step, and verified by solving the relaxed mandate again. A legal limit is never
    offered; if legal limits alone contradict, `conflict` is a set of them that contradict and no longer do when any one
    is left out. A mandate that a portfolio keeps, each limit within 1e-9, has an empty explanation.

    Method: implicit hitting sets (minimal contradicting sets by deletion, a smallest set that hits all found), then a
    mixed-integer programme for the least sum, every set confirmed by a programme in which it alone gives way; the
    volatility by tangents, to 1e-10. Raises DataError for funds without moments, SolverError where the solver fails.
    Source: Moreno-Centeno and Karp (2013), The implicit hitting set approach; Chinneck (2008), Feasibility and
    infeasibility in optimization, for the deletion filter.
    """
    elastic = Elastic(limits_of(moments, mandate))
    names = [limit.name for limit in elastic.limits]
    legal, chosen = _legal_and_chosen(elastic)
    if _contradict(elastic, legal, chosen) is not None:
        conflict = _conflict(moments, mandate)
        if conflict:
            return Explanation(conflict=conflict)
        elastic = Elastic(limits_of(moments, mandate, reach=_FAR))  # they contradicted each other near zero only
    hit, cores = _fewest(elastic, chosen)
    if not hit:
        return Explanation()
    best = _least(elastic, chosen, hit, cores)
    amounts = elastic.even(sorted(best.members), best.found)
    by = {names[i]: _outward(float(amounts[i]), is_whole=elastic.limits[i].is_whole) for i in best.order}
    return Explanation(relax=_verified(moments, mandate, by, [limit.name for limit in elastic.limits if limit.is_whole]))


def is_feasible(moments: Moments, mandate: Mandate) -> bool:
    """Whether a portfolio keeps every limit of a mandate within 1e-9; raises DataError for funds without moments."""
    elastic = Elastic(limits_of(moments, mandate))
    return _contradict(elastic, range(len(elastic.limits)), ()) is None


@dataclass(frozen=True)
class _Choice:
    """A set of limits and the amounts by which these alone must give way; sets compare by their sorted names' places."""

    members: frozenset[int]
    found: GiveWay

    @property
    def total(self) -> float:
        return self.found.total

    @property
    def order(self) -> list[int]:
        return sorted(self.members)


def _legal_and_chosen(elastic: Elastic) -> tuple[frozenset[int], frozenset[int]]:
    legal = frozenset(i for i, limit in enumerate(elastic.limits) if limit.is_legal)
    return legal, frozenset(range(len(elastic.limits))) - legal


def _conflict(moments: Moments, mandate: Mandate) -> tuple[str, ...]:
    """A minimal set of legal limits that contradict each other, empty if there is none.

    Counted funds need a bound on all weights, which stands in for `sum` and `long_only`: a set that would lean on it hides them.
    So the limits that do not count come first, without such a bound, and only then all of them, with one far out.
    """
    uncounted = replace(mandate, max_funds=None, min_weight_if_held=None)
    for limits in (limits_of(moments, uncounted), limits_of(moments, mandate, reach=_FAR)):
        elastic = Elastic(limits)
        core = _core(elastic, *_legal_and_chosen(elastic))
        if core is not None:
            return tuple(elastic.limits[i].name for i in sorted(core))
    return ()


def _contradict(elastic: Elastic, kept: Collection[int], free: Collection[int]) -> frozenset[int] | None:
    """Limits among the kept ones that contradict each other when the free ones limit nothing; None where a portfolio keeps all.

    Limits neither kept nor free are kept too, but are never among those returned.
    """
    found = elastic.give_way(kept, free, enough=elastic.tolerance)
    if found is None:
        raise SolverError("solver_failed", detail="limits that all give way have no solution")
    if found.total > elastic.tolerance:
        return _alone_contradicting(elastic, kept, free, found)
    if elastic.has_whole and elastic.give_way_whole((), free) is None:
        return frozenset(kept)
    return None


def _alone_contradicting(elastic: Elastic, kept: Collection[int], free: Collection[int], found: GiveWay) -> frozenset[int]:
    """The kept limits that have a price if they contradict by themselves: where limits leave no room, prices can be wrong; else all."""
    priced = frozenset(i for i in kept if found.prices[i] > 0)
    if priced == frozenset(kept):
        return priced
    alone = elastic.give_way(priced, [*free, *(frozenset(kept) - priced)], enough=elastic.tolerance)
    return priced if alone is not None and alone.total > elastic.tolerance else frozenset(kept)


def _core(elastic: Elastic, kept: frozenset[int], free: frozenset[int]) -> frozenset[int] | None:
    """A minimal contradicting set among the kept limits, by leaving out one after the other; None where there is none."""
    core = _contradict(elastic, kept, free)
    if core is None:
        return None
    everything = kept | free
    for limit in sorted(core, reverse=True):
        if limit in core:
            smaller = _contradict(elastic, core - {limit}, everything - core | {limit})
            core = core if smaller is None else smaller
    return core


def _fewest(elastic: Elastic, chosen: frozenset[int]) -> tuple[frozenset[int], list[frozenset[int]]]:
    """A smallest set of chosen limits without which a portfolio exists, and the contradicting sets that prove it smallest."""
    cores: list[frozenset[int]] = []
    while True:
        hit = fewest_hitting(cores)
        free = hit
        while (core := _core(elastic, chosen - free, free)) is not None:
            cores.append(core)
            free |= core
        if free == hit:
            return hit, cores


def _least(elastic: Elastic, chosen: frozenset[int], hit: frozenset[int], cores: list[frozenset[int]]) -> _Choice:
    """The set of that size with the least sum, then with the first names: each search asks for a better one until there is none."""
    best = _alone(elastic, hit)
    if best is None:
        raise SolverError("not_proven_optimal", n_funds=len(elastic.limits))
    search = SetSearch(allowed=tuple(sorted(chosen)), size=len(hit), hit=tuple(cores), most=best.total)
    while (answer := elastic.search(search)) is not None:
        members, total = answer
        other = _alone(elastic, members)
        if other is not None and other.total < best.total:
            best = other
        if total >= best.total - TOLERANCE:
            break
        search = replace(search, most=best.total, barred=(*search.barred, members))
    return _first_named(elastic, best, replace(search, most=best.total, by_name=True))


def _first_named(elastic: Elastic, best: _Choice, search: SetSearch) -> _Choice:
    """Of the sets with the least sum, the one whose sorted names come first, place by place."""
    for place in range(search.size):
        while True:
            earlier = frozenset(search.allowed[: search.allowed.index(best.order[place])]) - search.taken
            answer = elastic.search(replace(search, one_of=earlier)) if earlier else None
            if answer is None:
                break
            other = _alone(elastic, answer[0])
            if other is not None and other.total <= search.most + TOLERANCE:
                best = other
            else:
                search = replace(search, barred=(*search.barred, answer[0]))
        search = replace(search, taken=search.taken | {best.order[place]})
    return best


def _alone(elastic: Elastic, members: frozenset[int]) -> _Choice | None:
    """A set of limits with the least amounts by which these alone must give way; None where that is not enough."""
    found = elastic.give_way_whole(sorted(members))
    return None if found is None else _Choice(members, found)


def _outward(amount: float, *, is_whole: bool) -> float:
    """An amount in whole steps, at least one, upward unless it is a whole number of steps but for rounding."""
    if is_whole:
        return float(round(amount))
    steps = amount / STEP
    nearest = round(steps)
    return max(nearest if abs(steps - nearest) * STEP <= TOLERANCE else math.ceil(steps), 1) / round(1 / STEP)


def _verified(moments: Moments, mandate: Mandate, amounts: dict[str, float], whole: Collection[str]) -> tuple[Relaxation, ...]:
    """The relaxations, after solving with them; a step more where the last digit was not enough."""
    for more in range(_STEPS_MORE):
        relaxations = tuple(Relaxation(name, by if name in whole else round(by + more * STEP, 6)) for name, by in amounts.items())
        if is_feasible(moments, relaxed(mandate, relaxations)):
            return relaxations
    raise SolverError("not_proven_optimal", n_funds=len(mandate.funds))
