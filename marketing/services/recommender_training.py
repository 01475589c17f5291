"""The first half of a night: what people did is read, each candidate is tried on the latest weeks, and the guard decides."""

import logging
import time
from datetime import datetime, timedelta
from functools import partial, reduce
from importlib.metadata import version
from typing import Any

import numpy as np
from django.db import transaction
from django.utils import timezone

from marketing.kernels.evaluate import bootstrap_difference, evaluate, promotion
from marketing.kernels.held_back import HeldBack, hold_back
from marketing.kernels.interactions import recent_weights
from marketing.kernels.recommenders.contract import BASELINES
from marketing.kernels.recommenders.spark import SparkUnavailableError
from marketing.models import RecommenderRun
from marketing.selectors.interactions import levels_of
from marketing.services.recommender_night import Night
from marketing.services.recommender_parts import Arrays, evaluations_of, keep_evaluation
from marketing.services.spark import candidates
from portfolios.selectors import monthly_returns

log = logging.getLogger(__name__)

MIN_USERS, MIN_ITEMS = 20, 5
MIN_TESTED = 20  # people who did something new in the weeks that are held back
MOST_TESTED = 20_000  # enough for narrow intervals; so a night does not grow with everybody
NIGHTS_UNMEASURED = 2  # after so many without a figure for what serves, a night is decided without it
TRIES_A_CANDIDATE = 2  # a model that twice took its worker down with it is left out
N = 10
# What a model may fail with where nothing is wrong with the others.
MODEL_ERRORS = (ValueError, ArithmeticError, np.linalg.LinAlgError, MemoryError, OSError, SparkUnavailableError)
COLD_BELOW = 5  # funds touched before the held-back weeks
Stage = RecommenderRun.Stage


def read_history(night: Night) -> None:
    """Freeze the moment of the run and look whether there is enough to learn from."""
    if night.run.as_of is None:
        night.write(as_of=timezone.now(), report={})
    seen, (n_users, n_items) = night.seen, night.matrix.shape
    now = night.as_of
    found = {
        "users": n_users,
        "items": n_items,
        "pairs": int(night.matrix.values.nnz),
        "events": len(seen.user),
        "since": (now - timedelta(days=float(seen.age_days.max(initial=0.0)))).isoformat(),
        "until": now.isoformat(),
    }
    facts = {"interactions": found, "versions": {name: version(name) for name in ("implicit", "numpy")}}
    if n_users < MIN_USERS or n_items < MIN_ITEMS:
        _too_little(night, facts, users=n_users, items=n_items)
    else:
        night.enter(Stage.CANDIDATES, facts=facts)


def _too_little(night: Night, facts: dict[str, Any], **found: int) -> None:
    refused = {"decision": {"promoted": False, "name": "", "code": "too_little_history"}}
    night.end(facts=facts | refused, error={"code": "too_little_history", **found})


def train_candidates(night: Night) -> None:
    """Train each candidate on what was before the held-back weeks and measure it on these, one after another.

    A candidate's figures are stored before the next begins, so that whoever goes on trains none twice.
    """
    held = hold_back(night.seen, most_people=MOST_TESTED, seed=night.run.seed)
    split = {
        "at": timezone.localdate(night.as_of - timedelta(days=held.days)).isoformat(),
        "train_pairs": int(held.train.values.nnz),
        "test_users": len(held.tested),
    }
    if len(held.tested) < MIN_TESTED:
        _too_little(night, {"split": split}, test_users=len(held.tested))
        return
    everybodys, returns = levels_of(held.train.users), _returns(held, night.as_of)
    makers = candidates(night.run.seed, recent=recent_weights(held.before, held.train.items), levels=everybodys)
    night.write(report=night.run.report | {"split": split}, n_total=len(makers))
    for name, make in makers.items():
        done = night.run.report.get("candidates", [])
        if name not in {one["name"] for one in done}:
            told, arrays = _tried(night, name, make, held, everybodys[held.tested], returns)
            with transaction.atomic():
                night.write(report=night.run.report | {"candidates": [*done, told]}, n_done=len(done) + 1)
                keep_evaluation(night.run, name, arrays)
    night.enter(Stage.GUARD, facts={})


def _returns(held: HeldBack, as_of: datetime) -> Any:
    """What each fund returned a month in the held-back weeks, NaN where its prices do not say."""
    found = monthly_returns(held.train.items.tolist(), timezone.localdate(as_of - timedelta(days=held.days)), timezone.localdate(as_of))
    return np.array([found.get(fund, np.nan) for fund in held.train.items.tolist()])


def _tried(night: Night, name: str, make: Any, held: HeldBack, levels: Any, returns: Any) -> tuple[dict[str, Any], Arrays]:
    """What the model card says of a candidate, and its figures by person; why it failed, and none."""
    begun = night.run.report.get("begun", {})
    if begun.get(name, 0) >= TRIES_A_CANDIDATE:
        return {"name": name, "failed": "died"}, {}
    night.note(begun=begun | {name: begun.get(name, 0) + 1})
    began = time.monotonic()
    try:
        model = make()
        model.fit(held.train.values)
        found = evaluate(model, held.train.values, held.test, n=N, returns=returns, seed=night.run.seed)
    except MODEL_ERRORS as error:
        log.exception("%s could not be trained", name)
        return {"name": name, "failed": said_by(error)}, {}
    told = {"name": name, "settings": model.as_json(), "metrics": found.as_json(), "seconds": round(time.monotonic() - began, 2)}
    ndcg = found.ndcg
    n_touched = np.diff(held.train.values.indptr)[held.tested]
    by_level = {str(level): _part(ndcg, levels == level) for level in np.unique(levels[levels > 0]).tolist()}
    groups = {"by_level": by_level, "warm": _part(ndcg, n_touched >= COLD_BELOW), "cold": _part(ndcg, n_touched < COLD_BELOW)}
    return told | groups, {"people": held.train.users[held.tested], "ndcg": ndcg}


def said_by(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def _part(ndcg: Any, rows: Any) -> dict[str, Any]:
    return {"users": int(rows.sum()), f"ndcg@{N}": float(ndcg[rows].mean()) if rows.any() else None}


def decide(night: Night) -> None:
    """Let the guard judge the candidates, and go on with the one that may serve; without one the night is over here.

    What serves is the opponent of every other: one that is not better leaves the place to what serves, which learns what is
    new if it still beats popularity. Where nothing does, yesterday's suggestions go on serving as they are; so too where what
    serves failed tonight. What competes no longer opposes nobody, nor does what failed for the third night on end.
    """
    run, serving = night.run, RecommenderRun.objects.filter(is_serving=True).first()
    figures = _paired({name: arrays for name, arrays in evaluations_of(run).items() if arrays})
    incumbent = serving.algorithm if serving else ""
    competed = {one["name"] for one in run.report["candidates"]}
    if serving and _failed_lately(serving):
        competed.discard(incumbent)
    together = max(1, len(figures.keys() - set(BASELINES)))
    baseline = max(BASELINES, key=lambda name: float(figures[name].mean()) if name in figures else -1.0)
    told = [
        _compared(one, figures, {"vs_popularity": baseline, "vs_serving": incumbent}, run.seed, together)
        for one in run.report["candidates"]
    ]
    decision = _decided(figures, baseline, incumbent, competed, run.seed, together) | {"baseline": baseline}
    facts = {"candidates": told, "decision": decision, "serving": {"run": serving.pk, "name": incumbent} if serving else None}
    if decision["promoted"]:
        night.enter(Stage.FIT, facts=facts, algorithm=decision["name"])
    else:
        night.end(facts=facts)


def _paired(found: dict[str, Arrays]) -> dict[str, Any]:
    """nDCG of the people that every candidate was tried on: somebody may have withdrawn consent while the night was interrupted."""
    tried = [arrays["people"] for arrays in found.values()]
    common = reduce(np.intersect1d, tried) if tried else np.zeros(0, np.int64)
    return {name: arrays["ndcg"][np.isin(arrays["people"], common)] for name, arrays in found.items()} if len(common) else {}


def _failed_lately(serving: RecommenderRun) -> bool:
    """Whether what serves could not be trained in any of the last nights that tried it."""
    ended = RecommenderRun.objects.filter(pk__gt=serving.pk, status=RecommenderRun.Status.DONE).order_by("-pk")[:NIGHTS_UNMEASURED]
    failed = [{one["name"] for one in run.report.get("candidates", []) if one.get("failed")} for run in ended]
    return len(failed) == NIGHTS_UNMEASURED and all(serving.algorithm in names for names in failed)


def _compared(told: dict[str, Any], figures: dict[str, Any], beside: dict[str, str], seed: int, together: int) -> dict[str, Any]:
    """A candidate beside the best popularity and what serves, as differences with the intervals by which the guard judges."""
    own = figures.get(told["name"])
    return told | {
        key: dict(zip(("mean", "low", "high"), bootstrap_difference(own, figures[other], seed, together=together), strict=True))
        if own is not None and other in figures
        else None
        for key, other in beside.items()
    }


def _decided(figures: dict[str, Any], baseline: str, incumbent: str, competed: set[str], seed: int, together: int) -> dict[str, Any]:
    """Who may serve, and why; the name is of the best one where none may."""
    models = {name: ndcg for name, ndcg in figures.items() if name not in BASELINES}
    popularity = figures.get(baseline)
    if popularity is None or len(popularity) < MIN_TESTED or not models:
        return {"promoted": False, "name": "", "code": "nothing_to_compare"}
    best = max(models, key=lambda name: float(models[name].mean()))
    if incumbent in competed - models.keys():
        return {"promoted": False, "name": best, "code": "serving_not_measured"}
    judged = partial(promotion, popularity=popularity, seed=seed, n_candidates=together)
    found = judged(models[best], serving=models.get(incumbent) if best != incumbent else None)
    if found.promoted:
        unopposed = incumbent and incumbent not in models
        return {"promoted": True, "name": best, "code": "refreshed" if best == incumbent else "unopposed" if unopposed else found.code}
    if best != incumbent and incumbent in models and judged(models[incumbent], serving=None).promoted:
        return {"promoted": True, "name": incumbent, "code": "refreshed", "challenger": {"name": best, "code": found.code}}
    return {"promoted": False, "name": best, "code": found.code}
