"""Solving mandates: one, explained; or many, gathered into books of one universe and solved together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from portfolios.kernels.batch import Investors, solve_batch
from portfolios.kernels.errors import InfeasibleError, KernelError
from portfolios.kernels.explain import explain
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.moments import pick
from portfolios.kernels.risk import figures
from portfolios.kernels.solve import solve as solve_kernel
from portfolios.kernels.standard import standardise
from portfolios.kernels.types import Explanation, FloatArray, Moments, Solution
from portfolios.models import Fund
from portfolios.selectors.explanations import conflict_sentence, in_a_row, relaxation_sentence
from portfolios.selectors.risk import advice_moments
from portfolios.selectors.sentences import error_sentence
from portfolios.services.headless import answer_of, infeasible_answer, read_mandate, read_moments


def solve(*, mandate: Mandate, moments: Moments | None = None) -> Solution:
    """Solve one mandate, on the moments of the advice where none are given; writes nothing.

    Raises InfeasibleError("limits_contradict") with `explanation`, what would have to give way, DataError for input that is
    wrong, SolverError where a solver fails.
    """
    moments = _moments_of([mandate]) if moments is None else moments
    try:
        return solve_kernel(moments, mandate)
    except InfeasibleError as error:
        raise InfeasibleError(error.code, explanation=explain(moments, mandate)) from None


def solve_many(*, mandates: Sequence[Mandate], moments: Moments | None = None) -> list[Solution | KernelError]:
    """Solve mandates, those that differ only in risk aversion, horizon and holdings together; results stand in the order asked.

    An impossible or wrong mandate has its error in its place, unexplained: `solve` it alone to hear why. Solutions found
    together name no binding limits.
    """
    if not mandates:
        return []
    moments = _moments_of(mandates) if moments is None else moments
    books: dict[Any, list[int]] = {}
    results: list[Solution | KernelError | None] = [None] * len(mandates)
    for place, mandate in enumerate(mandates):
        if is_batchable(mandate):
            books.setdefault(_universe(mandate), []).append(place)
        else:
            results[place] = _solution_or_error(moments, mandate)
    for places in books.values():
        for place, result in zip(places, _solve_together(moments, [mandates[place] for place in places]), strict=True):
            results[place] = result
    return results  # type: ignore[return-value]


@dataclass(frozen=True)
class Book:
    """Investors who share a mandate's universe, limits and costs: own risk aversion (N,), horizon (N,) and weights (N, n)."""

    mandate: Mandate
    risk_aversion: FloatArray
    horizon_years: FloatArray
    current: FloatArray


@dataclass(frozen=True)
class BookSolution:
    """Weights (N, n) in the order of the mandate's funds, proven to the KKT residual `gap` (N,); NaN where nothing was proven."""

    weights: FloatArray
    gap: FloatArray


def solve_book(*, book: Book, moments: Moments) -> BookSolution:
    """Solve for all investors of a book at once. Raises InfeasibleError where the limits they share contradict each other."""
    standard = standardise(moments, book.mandate)
    found = solve_batch(standard, Investors(1.0 / book.risk_aversion, book.current, book.horizon_years))
    return BookSolution(np.where(found.proven[:, None], found.weights, np.nan), found.gap)


def solve_mandate_file(*, moments: Path, mandate: Path) -> dict[str, Any]:
    """Solve a mandate on moments, both JSON files, and return the answer as it is printed; nothing is read from the database.

    Raises DataError for files that cannot be used; an impossible mandate comes back as an answer that says what must give way.
    """
    given = read_moments(moments)
    wanted = read_mandate(mandate, given.codes)
    try:
        return answer_of(solve(mandate=wanted, moments=given))
    except InfeasibleError as error:
        return _explained(error, wanted)


def is_batchable(mandate: Mandate) -> bool:
    """Whether a mandate differs from its neighbours at most in risk aversion, horizon and holdings, as a batch allows."""
    special = (mandate.cvar_limit, mandate.max_turnover, mandate.robust, mandate.max_funds, mandate.min_weight_if_held)
    return mandate.kind == "utility" and all(field is None for field in special)


def _universe(mandate: Mandate) -> Any:
    """What two mandates must share to be solved together."""
    maps = (mandate.bounds, mandate.buy_cost, mandate.sell_cost, mandate.locked, mandate.risk_grades)
    rest = (mandate.funds, mandate.default_bounds, mandate.groups, mandate.long_only, mandate.excluded)
    return (*rest, mandate.max_grade, mandate.cash, mandate.hard, *(tuple(sorted(fields.items())) for fields in maps))


def _moments_of(mandates: Sequence[Mandate]) -> Moments:
    codes = sorted({fund for mandate in mandates for fund in mandate.funds})
    return advice_moments(list(Fund.objects.filter(code__in=codes)))


def _solution_or_error(moments: Moments, mandate: Mandate) -> Solution | KernelError:
    try:
        return solve_kernel(moments, mandate)
    except KernelError as error:
        return error


def _solve_together(moments: Moments, mandates: list[Mandate]) -> list[Solution | KernelError]:
    first = mandates[0]
    book = Book(
        first,
        np.array([mandate.risk_aversion for mandate in mandates], float),
        np.array([mandate.horizon_years for mandate in mandates]),
        np.array([[mandate.current.get(fund, 0.0) for fund in first.funds] for mandate in mandates]),
    )
    try:
        found = solve_book(book=book, moments=moments)
        own = pick(moments, first.funds)
    except KernelError as error:
        return [error] * len(mandates)
    return [_of_row(own, mandate, weights, float(gap)) for mandate, weights, gap in zip(mandates, found.weights, found.gap, strict=True)]


def _of_row(moments: Moments, mandate: Mandate, weights: FloatArray, gap: float) -> Solution:
    expected_return, volatility, cvar = figures(moments, weights)
    trade = weights - np.array([mandate.current.get(fund, 0.0) for fund in mandate.funds])
    buy, sell = (np.array([cost.get(fund, 0.0) for fund in mandate.funds]) for cost in (mandate.buy_cost, mandate.sell_cost))
    costs = float(buy @ np.maximum(trade, 0.0) + sell @ np.maximum(-trade, 0.0))
    gamma = float(mandate.risk_aversion or 0.0)
    utility = expected_return - gamma / 2 * volatility**2 - costs / mandate.horizon_years
    return Solution(mandate.funds, weights, utility, expected_return, costs, volatility, cvar, gamma, (), gap, "batch")


def _explained(error: InfeasibleError, mandate: Mandate) -> dict[str, Any]:
    explanation = cast(Explanation, error.params["explanation"])
    relax = [{**asdict(row), "sentence": relaxation_sentence(mandate, row)} for row in explanation.relax]
    sentences = [str(row["sentence"]) for row in relax] or [conflict_sentence(mandate, explanation.conflict)]
    return {**infeasible_answer(relax, explanation.conflict), "sentence": in_a_row([error_sentence(error.code, {}), *sentences])}
