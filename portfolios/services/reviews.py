"""What to change in many portfolios of one level, whether it is worth it, and their bad year before and after."""

from dataclasses import dataclass, replace

import numpy as np

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.moments import pick
from portfolios.kernels.risk import NORMAL_CVAR_95
from portfolios.kernels.types import FloatArray, IntArray, Moments
from portfolios.services.mandates import Book, solve_book

FIRST_STEP = 1.04  # most who break their limit break it by little; each further step is the square of the last
COARSE = 1.1  # a risk aversion that may be more than this too large is looked for more closely
LIMIT_ROUNDING = 1e-9


@dataclass(frozen=True)
class BookReview:
    """For each investor of a book, as fractions of what is advised: weights (N, n), and the rest (N,). `gain` and CVaR are annual."""

    weights: FloatArray
    risk_aversion: FloatArray
    turnover: FloatArray
    gain: FloatArray
    cost: FloatArray
    cvar_now: FloatArray
    cvar_then: FloatArray


def review_book(*, book: Book, moments: Moments, cvar_limit: FloatArray) -> BookReview:
    """Solve for all investors of a book at once, and raise the risk aversion of those whose optimum breaks their limit (N,).

    Holdings make it break: where selling costs more than it gains, the optimum keeps more risk than it would buy. What is
    missing to 1 in a row of `book.current` is cash, which earns nothing. Raises InfeasibleError where the limits of the
    book contradict each other.
    """
    own = pick(moments, book.mandate.funds)
    weights, gamma = solve_book(book=book, moments=moments).weights, book.risk_aversion.copy()
    broken = np.flatnonzero(cvar_of_rows(own, weights) > cvar_limit + LIMIT_ROUNDING)
    if len(broken):
        part = replace(book, **{name: getattr(book, name)[broken] for name in ("risk_aversion", "horizon_years", "current")})
        weights[broken], gamma[broken] = _calmer(part, moments, cvar_limit[broken])
    trade = weights - book.current
    buy, sell = (np.array([cost.get(fund, 0.0) for fund in own.codes]) for cost in (book.mandate.buy_cost, book.mandate.sell_cost))
    cost = np.maximum(trade, 0.0) @ buy + np.maximum(-trade, 0.0) @ sell
    cash = np.maximum(1.0 - book.current.sum(axis=1), 0.0)
    return BookReview(
        weights=weights,
        risk_aversion=gamma,
        turnover=(np.abs(trade).sum(axis=1) + cash) / 2.0,
        gain=_utility(own, weights, gamma) - _utility(own, book.current, gamma) - cost / book.horizon_years,
        cost=cost,
        cvar_now=cvar_of_rows(own, book.current),
        cvar_then=cvar_of_rows(own, weights),
    )


def _calmer(book: Book, moments: Moments, limit: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weights and risk aversions that keep the limit: raised in growing steps until it is kept, then halved back.

    Who breaks it even at the largest risk aversion is solved as if nothing were held: the risk aversion of the level was
    found on that path, so it keeps the limit whatever selling costs.
    """
    own, largest = pick(moments, book.mandate.funds), jurisdiction().advice.gamma_max
    below, gamma = book.risk_aversion.copy(), book.risk_aversion.copy()
    weights = np.zeros_like(book.current)
    left, step = np.arange(len(gamma)), FIRST_STEP
    while len(left):
        below[left] = gamma[left]
        gamma[left] = np.minimum(step * gamma[left], largest)
        step *= step
        weights[left] = _solved(book, moments, left, gamma[left])
        left = left[(cvar_of_rows(own, weights[left]) > limit[left] + LIMIT_ROUNDING) & (gamma[left] < largest)]
    hopeless = cvar_of_rows(own, weights) > limit + LIMIT_ROUNDING
    while len(wide := np.flatnonzero((gamma > COARSE * below) & ~hopeless)):
        middle = np.sqrt(below[wide] * gamma[wide])
        found = _solved(book, moments, wide, middle)
        kept = cvar_of_rows(own, found) <= limit[wide] + LIMIT_ROUNDING
        weights[wide[kept]], gamma[wide[kept]], below[wide[~kept]] = found[kept], middle[kept], middle[~kept]
    if hopeless.any():
        anew = replace(book, current=np.zeros_like(book.current))
        gamma[hopeless] = book.risk_aversion[hopeless]
        weights[hopeless] = _solved(anew, moments, np.flatnonzero(hopeless), gamma[hopeless])
    return weights, gamma


def _solved(book: Book, moments: Moments, who: IntArray, gamma: FloatArray) -> FloatArray:
    part = replace(book, risk_aversion=gamma, horizon_years=book.horizon_years[who], current=book.current[who])
    return solve_book(book=part, moments=moments).weights


def _variance(moments: Moments, weights: FloatArray) -> FloatArray:
    return np.maximum(((weights @ moments.cov) * weights).sum(axis=1), 0.0)


def cvar_of_rows(moments: Moments, weights: FloatArray) -> FloatArray:
    """Normal CVaR (N,) of portfolios (N, n) in the order of the moments; what is missing to 1 is cash."""
    return NORMAL_CVAR_95 * np.sqrt(_variance(moments, weights)) - weights @ moments.mean


def _utility(moments: Moments, weights: FloatArray, gamma: FloatArray) -> FloatArray:
    return weights @ moments.mean - gamma / 2.0 * _variance(moments, weights)
