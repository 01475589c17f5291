"""Which proposed funds may be shown to whom: suitable first, then fitting what they hold. Vectorised over people x funds.

A proposal is removed by the first of `REMOVED` that speaks against it. What fits is judged by a small purchase: `STEP` of
the portfolio, from idle cash as far as there is any, the rest from all holdings in proportion. Diversity is asked last, of
what is left, by `diverse`.

Sources: mean-variance utility mu'w - gamma/2 w'Sw - costs/years and the normal CVaR as in the mandate of
`portfolios.kernels`; concentration is the Herfindahl-Hirschman index, the sum of squared shares, 1 where all is in one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portfolios.kernels.risk import NORMAL_CVAR_95
from portfolios.kernels.types import FloatArray, IntArray

BoolArray = NDArray[np.bool_]

REMOVED = ("off", "level", "closed", "pool", "not_interested", "cap", "mandate", "alike")  # in the order they are asked
KEPT, NOBODY = -1, -2  # beside the places in REMOVED: may be shown; a place of the table that holds no proposal
STEP = 0.05  # the small purchase, a share of the portfolio
MOST_ALIKE = 0.95  # correlation of two funds from which on they are the same thing twice
MOST_A_CATEGORY = 2
MOST_UNKNOWN = 0.01  # of a portfolio, in funds whose moments nobody knows: beyond it no figure is honest
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Moments:
    """Annual mean (m,) and covariance (m, m) of simple returns, in the order to which `Funds.column` points."""

    mean: FloatArray
    cov: FloatArray


@dataclass(frozen=True)
class Funds:
    """F funds. `column` (F,) is their place in the moments, -1 for none; `allowed` (levels, F) what the gate recommends.

    `cap` is the most that one fund may make up, `buy_cost` its purchase fee, both fractions of 1; `category`, `company`
    and `family` number what belongs together.
    """

    column: IntArray
    allowed: BoolArray
    is_open: BoolArray
    in_pool: BoolArray
    cap: FloatArray
    buy_cost: FloatArray
    category: IntArray
    company: IntArray
    family: IntArray


@dataclass(frozen=True)
class People:
    """N people. `held` and `declined` (N, H), (N, D) are rows of `Funds`, filled up with -1.

    `weight` (N, H) are shares of the portfolio that is judged, `cash` (N,) the rest of it; `share` (N, H) are shares of all
    that the person has in all portfolios together. Where nothing is held, `held` and `weight` are their plan and `is_plan`
    says so. `level` is a row of `Funds.allowed`, -1 for none in force. `gamma` and the figures of the plan (its CVaR and
    concentration by category and by company) are NaN without an approved model: nothing then fits.
    """

    is_on: BoolArray
    level: IntArray
    held: IntArray
    weight: FloatArray
    share: FloatArray
    cash: FloatArray
    is_plan: BoolArray
    gamma: FloatArray
    years: FloatArray
    plan_cvar: FloatArray
    plan_category: FloatArray
    plan_company: FloatArray
    declined: IntArray


@dataclass(frozen=True)
class Fit:
    """Figures of portfolios before (N,) and after (N, K) the small purchase. Utility and CVaR a year, loss positive."""

    utility_before: FloatArray
    utility_after: FloatArray
    cvar_before: FloatArray
    cvar_after: FloatArray
    category_before: FloatArray
    category_after: FloatArray
    company_before: FloatArray
    company_after: FloatArray

    @property
    def utility_change(self) -> FloatArray:
        return self.utility_after - self.utility_before[:, None]


def suit(people: People, funds: Funds, moments: Moments, candidates: IntArray) -> tuple[IntArray, Fit]:
    """Judge candidates (N, K), rows of `Funds` or -1, and return what became of each (N, K) with the figures.

    What became of it is `KEPT`, `NOBODY` for -1, or a place in `REMOVED`. Candidates stand best first: of two that are alike
    the first stays.
    """
    fit = fits(people, funds, moments, candidates)
    verdict = suitable(people, funds, candidates)
    verdict = np.where((verdict == KEPT) & ~keeps_mandate(people, fit), REMOVED.index("mandate"), verdict)
    return diverse(funds, moments, candidates, verdict), fit


def suitable(people: People, funds: Funds, candidates: IntArray) -> IntArray:
    """What the first filter says of candidates (N, K): switched off, level, closed, outside the pool, not interested, cap."""
    fund = np.maximum(candidates, 0)
    level = np.broadcast_to(people.level[:, None], candidates.shape)
    against = {
        "off": np.broadcast_to(~people.is_on[:, None], candidates.shape),
        "level": (level < 0) | ~funds.allowed[np.maximum(level, 0), fund],
        "closed": ~funds.is_open[fund],
        "pool": ~funds.in_pool[fund],
        "not_interested": _any_of_family(funds, candidates, people.declined),
        "cap": _over_cap(people, funds, candidates),
    }
    verdict = np.full(candidates.shape, KEPT, np.int64)
    for name in reversed(list(against)):
        verdict[against[name]] = REMOVED.index(name)
    verdict[candidates < 0] = NOBODY
    return verdict


def _any_of_family(funds: Funds, candidates: IntArray, declined: IntArray) -> BoolArray:
    """Whether the person declined the fund, or another share class of it."""
    family = np.where(declined >= 0, funds.family[np.maximum(declined, 0)], -1)
    same: BoolArray = (funds.family[np.maximum(candidates, 0)][:, :, None] == family[:, None, :]).any(axis=2)
    return same


def _over_cap(people: People, funds: Funds, candidates: IntArray) -> BoolArray:
    """Whether the small purchase would take the fund past the cap of one fund, or all their money already stands there.

    Share classes are one fund. A fund of the plan of somebody who holds nothing has its weight from the plan, which keeps the caps itself.
    """
    family = np.where(people.held >= 0, funds.family[np.maximum(people.held, 0)], -1)
    is_same = funds.family[np.maximum(candidates, 0)][:, :, None] == family[:, None, :]
    held = (is_same * people.weight[:, None, :]).sum(axis=2)
    share = (is_same * people.share[:, None, :]).sum(axis=2)
    cap = funds.cap[np.maximum(candidates, 0)]
    over: BoolArray = (held * _scale(people)[:, None] + STEP > cap + _ROUNDING) & ~people.is_plan[:, None]
    return over | (share >= cap)


def _scale(people: People) -> FloatArray:
    """By what the holdings shrink (N,): cash pays first, they pay the rest in proportion."""
    invested = 1.0 - people.cash
    sold = np.maximum(STEP - people.cash, 0.0)
    return np.where(invested > 0, 1.0 - sold / np.where(invested > 0, invested, 1.0), 1.0)


def fits(people: People, funds: Funds, moments: Moments, candidates: IntArray) -> Fit:
    """Figures of each portfolio now and with a small purchase of each candidate (N, K); NaN where the moments do not know it.

    To somebody who holds nothing, buying a fund of their plan is a step of the plan: what they are to have stays the same.
    """
    column = np.where(people.held >= 0, funds.column[np.maximum(people.held, 0)], -1)
    is_known = column >= 0
    weight = np.where(is_known, people.weight, 0.0)
    unknown = np.where(people.held >= 0, people.weight, 0.0).sum(axis=1) - weight.sum(axis=1)
    at = np.maximum(column, 0)
    mean = (weight * moments.mean[at]).sum(axis=1)
    variance = np.maximum(((moments.cov[at[:, :, None], at[:, None, :]] @ weight[:, :, None])[..., 0] * weight).sum(axis=1), 0.0)

    fund = np.maximum(candidates, 0)
    own = funds.column[fund]
    bought = np.maximum(own, 0)
    cross = (moments.cov[bought[:, :, None], at[:, None, :]] * weight[:, None, :]).sum(axis=2)
    scale = _scale(people)[:, None]
    mean_after = scale * mean[:, None] + STEP * moments.mean[bought]
    variance_after = np.maximum(scale**2 * variance[:, None] + 2.0 * scale * STEP * cross + STEP**2 * moments.cov[bought, bought], 0.0)
    gamma = people.gamma[:, None]
    utility = mean - people.gamma / 2.0 * variance
    utility_after = mean_after - gamma / 2.0 * variance_after - STEP * funds.buy_cost[fund] / people.years[:, None]
    cvar, cvar_after = NORMAL_CVAR_95 * np.sqrt(variance) - mean, NORMAL_CVAR_95 * np.sqrt(variance_after) - mean_after

    held = (candidates[:, :, None] == people.held[:, None, :]).any(axis=2)
    is_step = held & people.is_plan[:, None]
    is_unclear = (own < 0) | (candidates < 0) | (unknown > MOST_UNKNOWN)[:, None]
    category, category_after = _concentration(people, funds.category, candidates)
    company, company_after = _concentration(people, funds.company, candidates)

    def after(value: FloatArray, before: FloatArray) -> FloatArray:
        return np.where(is_unclear, np.nan, np.where(is_step, before[:, None], value))

    return Fit(
        utility_before=utility,
        utility_after=after(utility_after, utility),
        cvar_before=cvar,
        cvar_after=after(cvar_after, cvar),
        category_before=category,
        category_after=after(category_after, category),
        company_before=company,
        company_after=after(company_after, company),
    )


def _concentration(people: People, label: IntArray, candidates: IntArray) -> tuple[FloatArray, FloatArray]:
    """The index of what is invested by a label of funds, now (N,) and with the small purchase (N, K); 1 where nothing is."""
    is_held = people.held >= 0
    weight = np.where(is_held, people.weight, 0.0)
    labels = np.where(is_held, label[np.maximum(people.held, 0)], -1)
    pairs = ((labels[:, :, None] == labels[:, None, :]) * weight[:, None, :]).sum(axis=2)
    squares, invested = (pairs * weight).sum(axis=1), weight.sum(axis=1)
    before = np.where(invested > 0, squares / np.where(invested > 0, invested, 1.0) ** 2, 1.0)
    scale = _scale(people)[:, None]
    same = ((label[np.maximum(candidates, 0)][:, :, None] == labels[:, None, :]) * weight[:, None, :]).sum(axis=2)
    squares_after = scale**2 * squares[:, None] + 2.0 * scale * STEP * same + STEP**2
    return before, squares_after / (scale * invested[:, None] + STEP) ** 2


def keeps_mandate(people: People, fit: Fit) -> BoolArray:
    """Whether a candidate (N, K) fits: utility no lower than before, and neither concentration nor CVaR worse.

    These two are worse where they are higher than before and higher than the person's own plan has them: cash that is put
    to work always has more of a bad year than cash, and is what the plan asks for. NaN never fits.
    """
    kept: BoolArray = fit.utility_change >= 0.0
    for before, after, plan in (
        (fit.cvar_before, fit.cvar_after, people.plan_cvar),
        (fit.category_before, fit.category_after, people.plan_category),
        (fit.company_before, fit.company_after, people.plan_company),
    ):
        kept &= after <= np.fmax(before, plan)[:, None] + _ROUNDING
    return kept


def diverse(funds: Funds, moments: Moments, candidates: IntArray, verdict: IntArray) -> IntArray:
    """The verdicts (N, K) after the third filter: a kept candidate goes where one before it is alike.

    Alike are share classes of one fund, funds that move together (a correlation of `MOST_ALIKE`), and a third of a category.
    """
    fund = np.maximum(candidates, 0)
    family, category = funds.family[fund], funds.category[fund]
    column = np.maximum(funds.column[fund], 0)
    spread = np.sqrt(np.diag(moments.cov))
    found = verdict.copy()
    for place in range(1, candidates.shape[1]):
        before = found[:, :place] == KEPT
        both = spread[column[:, place]][:, None] * spread[column[:, :place]]
        together = moments.cov[column[:, place][:, None], column[:, :place]] >= MOST_ALIKE * both
        alike = (family[:, place][:, None] == family[:, :place]) | (together & (both > 0))
        of_category = (before & (category[:, place][:, None] == category[:, :place])).sum(axis=1)
        is_alike = (before & alike).any(axis=1) | (of_category >= MOST_A_CATEGORY)
        found[(found[:, place] == KEPT) & is_alike, place] = REMOVED.index("alike")
    return found


def concentration_of(weights: FloatArray, labels: IntArray) -> float:
    """The index of one portfolio (H,) by labels (H,); 1 where nothing is held."""
    total = float(weights.sum())
    if total <= 0:
        return 1.0
    shares = np.bincount(np.unique(labels, return_inverse=True)[1], weights=weights) / total
    return float((shares**2).sum())


def numbered(labels: Sequence[str]) -> IntArray:
    """A number for each label (n,), the same for the same one."""
    place: dict[str, int] = {}
    return np.array([place.setdefault(label, len(place)) for label in labels], np.int64)
