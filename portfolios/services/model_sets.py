"""Making model portfolios: asked for with a frozen market, worked out level by level, approved by a second person."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from config.jobs import Job, claim_job, fail_job, finish_job, ring_by_name, write_if_claimed
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import KernelError
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.resample import draw_moments, resampled_weights, weight_range
from portfolios.kernels.types import GammaSolution, Moments, Solution
from portfolios.models import Fund, ModelPortfolio, ModelSet, ModelWeight, Pool
from portfolios.selectors.model_sets import AdviceMarket, current_models, frozen_facts, frozen_market, packed
from portfolios.selectors.risk import advice_market, current_pool, data_date
from portfolios.services.levels import advised_funds, level_mandate, solve_advised

TASK = "portfolios.execute_models"
LEASE_SECONDS = 300
SEED = 2026
LIBRARIES = ("numpy", "scipy", "daqp", "piqp")
SHOWN_FROM = 0.05  # of the draws: a fund that the model does not hold is shown from here on
SHORTEST_REASON = 10
LONGEST_ANSWER = 300
OPEN = (Job.Status.QUEUED, Job.Status.RUNNING, Job.Status.DONE)
Ranges = dict[str, tuple[float, float, float]]
LIVING = (ModelSet.State.DRAFT, ModelSet.State.WAITING, ModelSet.State.APPROVED)


class ModelsRefused(Exception):
    """A change to model portfolios that the rules do not allow. Nothing was written. `code` names the rule, `params` what it met."""

    def __init__(self, code: str, /, **params: object) -> None:
        super().__init__(code, params)
        self.code = code
        self.params = params


def request_models(*, actor: Any = None, n_draws: int | None = None) -> ModelSet:
    """Freeze the current pool, its moments and its funds' facts into a queued set and ring the worker.

    A set of the same inputs that was not returned and did not fail is returned as it is. Raises ModelsRefused without a
    pool or where no fund of it has a history.
    """
    inputs = _freeze(jurisdiction().advice.n_draws if n_draws is None else n_draws)
    with transaction.atomic():
        Pool.objects.select_for_update(no_key=True).get(pk=inputs["pool_id"])  # of two clicks the second sees the first's set
        same = ModelSet.objects.filter(inputs_sha256=inputs["inputs_sha256"], status__in=OPEN, state__in=LIVING)
        if found := same.order_by("-pk").first():
            return found
        model_set = ModelSet.objects.create(requested_by=actor, n_total=len(jurisdiction().levels), **inputs)
        ring_by_name(TASK, model_set.pk, queue="bulk")
    return model_set


def _freeze(n_draws: int) -> dict[str, Any]:
    rules, pool = jurisdiction(), current_pool()
    if pool is None:
        raise ModelsRefused("no_pool")
    pooled = list(pool.funds.order_by("code"))
    try:
        moments, record = advice_market(pooled)
    except KernelError as error:
        raise ModelsRefused(error.code, **error.params) from error
    last = data_date(pooled)
    versions = {
        "moments": moments.versions,
        "cash_rate": rules.cash_rate,
        "advice": rules.advice.model_dump(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    frozen: dict[str, Any] = {
        "pool_id": pool.pk,
        "data_date": last,
        "rules_version": rules.version,
        "seed": SEED,
        "n_draws": n_draws,
        "codes": list(moments.codes),
        "mean": packed(moments.mean),
        "cov": packed(moments.cov),
        "weekly": packed(record.weekly),
        "funds": frozen_facts(pooled),
        "versions": versions,
        "notes": list(moments.notes),
    }
    return frozen | {"inputs_sha256": _sha256(frozen)}


def _sha256(frozen: dict[str, Any]) -> str:
    plain = {name: hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else value for name, value in frozen.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def execute_models(pk: int) -> bool:
    """Claim a set, work out level by level what is missing, and put it up for approval; False when it is somebody else's.

    Safe to repeat: a level is written whole, and one that was written is not worked out again.
    """
    token = claim_job(ModelSet, pk, lease_seconds=LEASE_SECONDS)
    if token is None:
        return False
    model_set = ModelSet.objects.get(pk=pk)
    market = frozen_market(model_set)
    ids = dict(Fund.objects.filter(code__in=list(market.funds)).values_list("code", "pk"))
    done = set(ModelPortfolio.objects.filter(model_set=pk).values_list("level", flat=True))
    try:
        draws = _draws(model_set, market)
        for level in sorted(set(jurisdiction().levels) - done):
            made = _make_level(market, draws, level)
            if not _write_level(model_set, token, level, made, ids):
                return False
    except KernelError as error:
        return fail_job(ModelSet, pk, token, _as_data(error))
    return finish_job(ModelSet, pk, token, state=ModelSet.State.WAITING)


def _as_data(error: KernelError) -> dict[str, Any]:
    return {"code": error.code, "params": json.loads(json.dumps(error.params, default=str))}


def _draws(model_set: ModelSet, market: AdviceMarket) -> list[Moments]:
    classes = [market.funds[code].asset_class for code in market.moments.codes]
    error = float(model_set.versions["advice"]["mean_error"])
    return draw_moments(market.moments, market.record.weekly, classes, error, (model_set.n_draws, model_set.seed))


@dataclass(frozen=True)
class _Made:
    """The model of a horizon bin with each fund's range (low, high, share of draws that hold it), or why there is none."""

    years: float
    found: GammaSolution | None = None
    highest_grade: int | None = None
    ranges: Ranges = field(default_factory=dict)
    error: dict[str, Any] | None = None


def _make_level(market: AdviceMarket, draws: list[Moments], level: int) -> list[_Made]:
    """One model a horizon bin: first each at its own risk aversion, then all together on the draws."""
    rules = jurisdiction()
    bins = [float(one.years) for one in rules.horizon_bins]
    try:
        funds = advised_funds(market, level)
        mandates = [level_mandate(funds, years) for years in bins]
    except KernelError as error:
        return [_Made(years, error=_as_data(error)) for years in bins]
    made: list[_Made] = []
    for years, mandate in zip(bins, mandates, strict=True):
        try:
            found = solve_advised(market, mandate, rules.levels[level].cvar_budget, rules.advice.gamma_min)
        except KernelError as error:  # one level without a model does not keep the others from theirs
            made.append(_Made(years, error=_as_data(error)))
            continue
        held = [code for code, weight in zip(found.solution.codes, found.solution.weights, strict=True) if weight > 0]
        made.append(_Made(years, found, max(funds[code].risk_grade for code in held)))
    return _with_ranges(made, draws, mandates[0])


def _with_ranges(made: list[_Made], draws: list[Moments], mandate: Mandate) -> list[_Made]:
    """The models with the spread of each fund's weight over the draws, each at its own risk aversion."""
    solved = [place for place, one in enumerate(made) if one.found is not None]
    if not solved or not draws:
        return made
    gammas = np.array([one.found.solution.gamma for one in made if one.found is not None], float)
    weights = resampled_weights(draws, mandate, gammas, np.array([made[place].years for place in solved]))
    told = list(made)
    for at, place in enumerate(solved):
        spread = weight_range(weights[:, at], jurisdiction().advice.min_weight)
        columns = zip(spread.low.tolist(), spread.high.tolist(), spread.held_share.tolist(), strict=True)
        told[place] = replace(made[place], ranges=dict(zip(mandate.funds, columns, strict=True)))
    return told


def _write_level(model_set: ModelSet, token: Any, level: int, made: list[_Made], ids: dict[str, int]) -> bool:
    """Write a level's models and weights in one short transaction while the claim holds."""
    limit = jurisdiction().levels[level].cvar_budget
    with transaction.atomic():
        if not write_if_claimed(ModelSet, model_set.pk, token, lease_seconds=LEASE_SECONDS, n_done=level + 1):
            return False
        for place, one in enumerate(made):
            row = ModelPortfolio.objects.create(model_set=model_set, level=level, horizon_bin=place, cvar_limit=limit, **_columns(one))
            if one.found is not None:
                ModelWeight.objects.bulk_create(_weights(row, one.found.solution, one.ranges, ids))
    return True


def _columns(one: _Made) -> dict[str, Any]:
    if one.found is None:
        return {"horizon_years": one.years, "error": one.error}
    solution = one.found.solution
    return {
        "horizon_years": one.years,
        "gamma": solution.gamma,
        "budget_binds": one.found.budget_binds,
        "expected_return": solution.expected_return,
        "volatility": solution.volatility,
        "cvar": solution.cvar,
        "cvar_of_record": one.found.cvar_of_record,
        "highest_grade": one.highest_grade,
    }


def _weights(row: ModelPortfolio, solution: Solution, ranges: Ranges, ids: dict[str, int]) -> list[ModelWeight]:
    """A row for each fund that the model holds, and for those that at least one draw in twenty holds."""
    held = {code: weight for code, weight in zip(solution.codes, solution.weights.tolist(), strict=True) if weight > 0}
    often = {code for code, (_, _, share) in ranges.items() if share >= SHOWN_FROM}
    rows = []
    for code in sorted(held.keys() | often):
        weight = held.get(code, 0.0)
        low, high, share = ranges.get(code, (weight, weight, 1.0))
        rows.append(ModelWeight(portfolio=row, fund_id=ids[code], weight=weight, low=low, high=high, held_share=share))
    return rows


def approve_models(*, model_set: ModelSet, actor: Any, answer: str = "") -> ModelSet:
    """Make a waiting set the current one, and retire the one before and older ones that still wait.

    Raises PermissionDenied without the right to, ModelsRefused("four_eyes") for whoever asked for the set, ("not_waiting")
    where it was decided on meanwhile, ("older") where a newer set is current.
    """
    _check_decider(model_set, actor)
    with transaction.atomic():
        _lock_choices()
        current = current_models()
        if current is not None and current.pk > model_set.pk:
            raise ModelsRefused("older")
        _decide(model_set, actor, answer, ModelSet.State.APPROVED)
        ModelSet.objects.filter(is_current=True).update(is_current=False, state=ModelSet.State.RETIRED)
        ModelSet.objects.filter(pk__lt=model_set.pk, state=ModelSet.State.WAITING).update(state=ModelSet.State.RETIRED)
        ModelSet.objects.filter(pk=model_set.pk).update(is_current=True)
    model_set.refresh_from_db()
    return model_set


def return_models(*, model_set: ModelSet, actor: Any, answer: str) -> ModelSet:
    """Return a waiting set with a reason; what is current stays. Raises as `approve_models`, ModelsRefused("reason_too_short")."""
    _check_decider(model_set, actor)
    if len(answer.strip()) < SHORTEST_REASON:
        raise ModelsRefused("reason_too_short", least=SHORTEST_REASON)
    with transaction.atomic():
        _decide(model_set, actor, answer, ModelSet.State.RETURNED)
    model_set.refresh_from_db()
    return model_set


def _check_decider(model_set: ModelSet, actor: Any) -> None:
    if not actor.has_perm("portfolios.change_modelset"):
        raise PermissionDenied
    if model_set.requested_by_id == actor.pk:
        raise ModelsRefused("four_eyes")


def _lock_choices() -> None:
    """Hold the current set and those that wait, so that of two approvals at once the second sees what the first made current."""
    choices = ModelSet.objects.select_for_update(no_key=True).filter(Q(is_current=True) | Q(state=ModelSet.State.WAITING))
    list(choices.order_by("pk").values_list("pk", flat=True))


def _decide(model_set: ModelSet, actor: Any, answer: str, state: str) -> None:
    waiting = ModelSet.objects.filter(pk=model_set.pk, state=ModelSet.State.WAITING)
    if not waiting.update(state=state, decided_by=actor, decided_at=timezone.now(), answer=answer.strip()[:LONGEST_ANSWER]):
        raise ModelsRefused("not_waiting")


def propose_models() -> ModelSet | None:
    """Ask for a new set where the pool is another than the newest set's, or a month has begun since; it waits for approval.

    None where nothing has changed or nothing can be asked for. Safe to repeat.
    """
    pool = current_pool()
    last = data_date(list(pool.funds.all())) if pool is not None else None
    if pool is None or last is None:
        return None
    newest = ModelSet.objects.exclude(status=Job.Status.FAILED).order_by("-pk").values_list("pool_id", "data_date").first()
    if newest is not None and newest[0] == pool.pk and (newest[1].year, newest[1].month) >= (last.year, last.month):
        return None
    try:
        return request_models()
    except ModelsRefused:
        return None


def make_and_approve_models(*, actor: Any = None, approver: Any, n_draws: int | None = None) -> ModelSet:
    """Ask for, work out and approve a set here and now: for commands that load a world. Raises as these three do."""
    model_set = request_models(actor=actor, n_draws=n_draws)
    execute_models(model_set.pk)
    model_set.refresh_from_db()
    return model_set if model_set.is_current else approve_models(model_set=model_set, actor=approver)
