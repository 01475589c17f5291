"""One block of the nightly review, from what goals hold to a row each. Nothing here writes."""

import json
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from django.db.models import Exists, OuterRef, Q

from advisor.jurisdictions import advice_rules
from advisor.models import Readvice, ReadviceRun
from advisor.selectors.review_inputs import NO_LEVEL, FundTable, GoalBlock, fund_table
from advisor.selectors.suitability import suits
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import InfeasibleError, KernelError, SolverError
from portfolios.kernels.frontier import Frontier
from portfolios.kernels.types import FloatArray, IntArray, Moments
from portfolios.models import Fund, Holding, ModelPortfolio, ModelSet
from portfolios.selectors import advice_moments
from portfolios.selectors.model_sets import bin_years, horizon_bins, market_of_models, models_of
from portfolios.services.levels import (
    AdviceMarket,
    advised_funds,
    gamma_within_loss,
    level_mandate,
    level_path,
)
from portfolios.services.mandates import Book
from portfolios.services.reviews import BookReview, cvar_of_rows, review_book

Action = Readvice.Action
WEIGHT_DIGITS = 5
ALL_OUTSIDE = 1.0 - 1e-6  # nothing is left to advise on


@dataclass
class Reviewer:
    """What the blocks of a run share in one process: the models and their market, all funds, and the risk aversions found so far."""

    run_key: tuple[Any, ...]
    market: AdviceMarket
    models: dict[tuple[int, int], ModelPortfolio]
    funds: FundTable
    gammas: dict[tuple[int, int, float], float | KernelError] = field(default_factory=dict)
    paths: dict[tuple[int, int], Frontier] = field(default_factory=dict)
    above: dict[int, FloatArray] = field(default_factory=dict)
    wide: Moments | None = None
    kernel_seconds: float = 0.0

    def gamma(self, level: int, place: int, limit: float) -> float | KernelError:
        """The risk aversion of a level, horizon bin and loss limit, or why no portfolio keeps it."""
        key = (level, place, limit)
        if key not in self.gammas:
            began = perf_counter()
            try:
                self.gammas[key] = self._gamma(level, place, limit)
            except KernelError as error:
                self.gammas[key] = error
            self.kernel_seconds += perf_counter() - began
        return self.gammas[key]

    def _gamma(self, level: int, place: int, limit: float) -> float:
        """The approved model's risk aversion; a higher one for a lower limit, or where a fund may no longer be bought."""
        model = self.models.get((level, place))
        if model is None:
            raise InfeasibleError("no_models")
        if model.error:
            raise InfeasibleError(model.error["code"], **model.error.get("params", {}))
        own = model.gamma or jurisdiction().advice.gamma_min
        if limit >= model.cvar_limit and not self.market.changed:
            return own
        if (level, place) not in self.paths:
            mandate = level_mandate(advised_funds(self.market, level), bin_years(place))
            self.paths[level, place] = level_path(self.market, mandate)
        return max(own, gamma_within_loss(self.market, self.paths[level, place], limit)[0])

    def is_above(self, level: int) -> FloatArray:
        """1 for each fund that a level may not hold, else 0."""
        if level not in self.above:
            kinds = zip(self.funds.risk_grade.tolist(), self.funds.asset_class, strict=True)
            self.above[level] = np.array([float(not suits(level, grade, kind)) for grade, kind in kinds])
        return self.above[level]

    def wide_moments(self) -> Moments:
        """Moments of everything that anybody holds, for the figures of portfolios with funds outside the advice."""
        if self.wide is None:
            held = Exists(Holding.objects.filter(fund=OuterRef("pk")))
            self.wide = advice_moments(list(Fund.objects.filter(held | Q(code__in=list(self.market.funds))).order_by("code")))
        return self.wide


@dataclass
class Found:
    """Columns of the rows of a block (N,); NaN where a figure does not exist."""

    action: np.ndarray
    is_breach: np.ndarray
    risk_aversion: FloatArray
    turnover: FloatArray
    gain: FloatArray
    cost: FloatArray
    cvar_limit: FloatArray
    cvar_now: FloatArray
    cvar_then: FloatArray
    outside: FloatArray
    weights: list[dict[str, float]]
    error: list[dict[str, Any] | None]

    @classmethod
    def empty(cls, n: int) -> "Found":
        figures = {name: np.full(n, np.nan) for name in FIGURES}
        action = np.full(n, Action.NO_LEVEL.value, dtype=object)
        return cls(action, np.zeros(n, bool), outside=np.zeros(n), weights=[{} for _ in range(n)], error=[None] * n, **figures)


FIGURES = ("risk_aversion", "turnover", "gain", "cost", "cvar_limit", "cvar_now", "cvar_then")
COLUMNS = ("run_id", "goal_id", "level", "action", "is_breach", "outside", "weights", "error", *FIGURES)
_reviewers: dict[int, Reviewer] = {}


def reviewer_of(run: ReadviceRun) -> Reviewer:
    """The reviewer of a run, kept while this process works on it; only one run's, for a night has one."""
    newest = Fund.objects.order_by("-pk").values_list("pk", flat=True).first()  # one made since may be held by now
    key = (run.pk, run.started_at, run.inputs.get("funds_sha256"), newest)
    if run.pk not in _reviewers or _reviewers[run.pk].run_key != key:
        _reviewers.clear()
        models = ModelSet.objects.get(pk=run.inputs["models"])
        _reviewers[run.pk] = Reviewer(key, market_of_models(models), models_of(models.pk), fund_table())
    return _reviewers[run.pk]


def review_block(reviewer: Reviewer, block: GoalBlock) -> Found:
    """Review the goals of a block, those of one level and redemption fee together."""
    found = Found.empty(len(block.goal))
    for level in sorted(set(block.level.tolist()) - {NO_LEVEL}):
        who = np.flatnonzero(block.level == level)
        try:
            offered = advised_funds(reviewer.market, level)
            level_mandate(offered, 1)
        except InfeasibleError as error:
            for row in who.tolist():
                _refuse(found, row, error)
            continue
        _review_level(reviewer, block, found, (level, who, tuple(offered)))
    return found


def _review_level(reviewer: Reviewer, block: GoalBlock, found: Found, group: tuple[int, IntArray, tuple[str, ...]]) -> None:
    level, who, codes = group
    columns = reviewer.funds.columns(codes)
    values, total = block.values[who], block.total[who]
    is_outside = np.ones(values.shape[1])
    is_outside[columns] = 0.0
    found.outside[who] = (values @ is_outside) / total
    found.is_breach[who] = values @ reviewer.is_above(level) > advice_rules().review.min_outside * total
    rule = jurisdiction().levels[level]
    limits = np.fmin(rule.cvar_budget, block.stated_loss[who])  # as `loss_limit`: NaN where none was stated
    places = horizon_bins(block.horizon_years[who])
    years = np.array([one.years for one in jurisdiction().horizon_bins], float)[places]
    found.cvar_limit[who] = limits
    gammas = _gammas(reviewer, found, (level, who), places, limits)
    inside = np.maximum(total * (1.0 - found.outside[who]), 1e-9)
    current = values[:, columns] / inside[:, None]
    rates = _redemption_rates(block.days_open[who])
    advisable = np.isfinite(gammas) & (found.outside[who] < ALL_OUTSIDE)
    for rate in np.unique(rates[advisable]):
        some = np.flatnonzero(advisable & (rates == rate))
        mandate = level_mandate({code: reviewer.market.funds[code] for code in codes}, 1, float(rate))
        began = perf_counter()
        book = Book(mandate, gammas[some], years[some], current[some])
        try:
            review = review_book(book=book, moments=reviewer.market.moments, cvar_limit=limits[some])
        except KernelError as error:  # one book that fails is not the night of all others
            for row in who[some].tolist():
                _refuse(found, row, error)
            continue
        finally:
            reviewer.kernel_seconds += perf_counter() - began
        _take(found, who[some], review, codes)
    _whole_figures(reviewer, block, found, (who, columns))
    _decide(found, who)


def _gammas(reviewer: Reviewer, found: Found, group: tuple[int, IntArray], places: IntArray, limits: FloatArray) -> FloatArray:
    """The risk aversion of each row, NaN where no portfolio keeps its limit: the row then says so."""
    level, who = group
    gammas = np.full(len(who), np.nan)
    for place, limit in np.unique(np.column_stack([places, limits]), axis=0).tolist():
        gamma = reviewer.gamma(level, int(place), limit)
        alike = (places == place) & (limits == limit)
        if not isinstance(gamma, KernelError):
            gammas[alike] = gamma
            continue
        for row in who[alike].tolist():
            _refuse(found, row, gamma)
    return gammas


def _redemption_rates(days_open: IntArray) -> FloatArray:
    """The redemption fee that a portfolio of this age pays: its first purchases are redeemed first, and are as old as it is."""
    rates = np.zeros(len(days_open))
    for floor in sorted(jurisdiction().redemption_floors, key=lambda floor: -floor.below_days):
        rates[days_open < floor.below_days] = floor.rate
    return rates


def _take(found: Found, rows: IntArray, review: BookReview, codes: tuple[str, ...]) -> None:
    """Put a book's review into its rows: shares of what is advised become shares of all that the portfolio holds."""
    proven = np.isfinite(review.weights).all(axis=1)
    for row in rows[~proven].tolist():
        _refuse(found, row, SolverError("not_proven_optimal"))
    rows = rows[proven]
    advised = 1.0 - found.outside[rows]
    found.risk_aversion[rows] = review.risk_aversion[proven]
    for name in ("turnover", "gain", "cost"):
        getattr(found, name)[rows] = getattr(review, name)[proven] * advised
    found.cvar_now[rows], found.cvar_then[rows] = review.cvar_now[proven], review.cvar_then[proven]
    rounded = review.weights[proven].round(WEIGHT_DIGITS)
    for row, weights in zip(rows.tolist(), rounded, strict=True):
        held = np.flatnonzero(weights)
        found.weights[row] = dict(zip([codes[i] for i in held.tolist()], weights[held].tolist(), strict=True))


def _whole_figures(reviewer: Reviewer, block: GoalBlock, found: Found, group: tuple[IntArray, IntArray]) -> None:
    """The bad year of portfolios that hold funds outside the advice, with these in it, before and after; NaN where one is unknown."""
    who, columns = group
    rows = who[found.outside[who] > advice_rules().review.min_outside]
    if not len(rows):
        return
    moments = reviewer.wide_moments()
    known = reviewer.funds.columns(moments.codes)
    is_unknown = np.ones(block.values.shape[1])
    is_unknown[known] = 0.0
    now = block.values[rows] / block.total[rows, None]
    then = now.copy()
    advised = np.zeros((len(rows), len(columns)))
    place = {reviewer.funds.codes[column]: at for at, column in enumerate(columns.tolist())}
    for at, row in enumerate(rows.tolist()):
        for code, weight in found.weights[row].items():
            advised[at, place[code]] = weight * (1.0 - found.outside[row])
    then[:, columns] = np.where(np.isfinite(found.risk_aversion[rows])[:, None], advised, now[:, columns])
    unclear = now @ is_unknown > advice_rules().review.min_outside
    found.cvar_now[rows] = np.where(unclear, np.nan, cvar_of_rows(moments, now[:, known]))
    found.cvar_then[rows] = np.where(unclear, np.nan, cvar_of_rows(moments, then[:, known]))


def _decide(found: Found, who: IntArray) -> None:
    """What to do, the most pressing first; who was refused already has an action."""
    rules = advice_rules().review
    open_rows = who[np.array([found.error[row] is None for row in who.tolist()], bool)]
    worth = (found.gain[open_rows] >= rules.min_gain) & (found.turnover[open_rows] >= rules.min_turnover)
    action = np.where(worth, Action.ADJUST.value, Action.KEEP.value).astype(object)
    action[found.cvar_now[open_rows] > found.cvar_limit[open_rows] + rules.limit_band] = Action.TOO_RISKY.value
    action[np.isnan(found.cvar_now[open_rows])] = Action.UNKNOWN.value
    found.action[open_rows] = action


def _refuse(found: Found, row: int, error: KernelError) -> None:
    # A solver that failed says nothing of the limits.
    found.action[row] = (Action.IMPOSSIBLE if isinstance(error, InfeasibleError) else Action.UNKNOWN).value
    found.error[row] = {"code": error.code, "params": {name: str(value) for name, value in error.params.items()}}


def rows_of(run: ReadviceRun, block: GoalBlock, found: Found) -> list[tuple[Any, ...]]:
    """The rows to write, one a goal, in the order of `COLUMNS`."""
    figures = [[None if value != value else value for value in getattr(found, name).tolist()] for name in FIGURES]
    level = [None if value == NO_LEVEL else value for value in block.level.tolist()]
    weights = [json.dumps(row, separators=(",", ":")) for row in found.weights]
    error = [None if row is None else json.dumps(row) for row in found.error]
    told = [found.action.tolist(), found.is_breach.tolist(), found.outside.tolist(), weights, error]
    n = len(level)
    return list(zip([run.pk] * n, block.goal.tolist(), level, *told, *figures, strict=True))


def counts_of(block: GoalBlock, found: Found) -> dict[str, int]:
    counts = Counter(found.action.tolist())
    return {**counts, "breach": int(found.is_breach.sum()), "nothing_held": block.n_nothing_held}
