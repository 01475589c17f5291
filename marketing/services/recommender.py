"""The nightly recommender: asked for as a row, trained by a worker, shown after one pointer UPDATE."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from advisor.selectors import recommendable_funds
from config.jobs import claim_job, fail_job, finish_job, ring_by_name, write_if_claimed
from marketing.kernels.interactions import Matrix, bought_pairs, confidence_matrix
from marketing.models import RecommenderRun, Suggestion
from marketing.selectors.interactions import investors_to_suggest_to, load_interactions

if TYPE_CHECKING:
    from marketing.kernels.recommenders.als import Als

SUGGESTIONS_EACH = 10
BLOCK = 500
LEASE_SECONDS = 300
RUNS_KEPT = 3
ROWS_A_DELETE = 2_000  # short writes: nobody waits behind the forgetting of a whole run
MIN_USERS, MIN_ITEMS = 20, 5


@dataclass(frozen=True)
class Trained:
    """A fitted model, the matrix it was fitted on, and which (investor, fund) pairs were purchases."""

    model: "Als"
    matrix: Matrix
    bought: frozenset[tuple[int, int]]


def request_training(*, seed: int = 42) -> RecommenderRun:
    """Queue a training, or return the one that is already waiting or at work."""
    with transaction.atomic():
        open_run = RecommenderRun.objects.filter(status__in=[RecommenderRun.Status.QUEUED, RecommenderRun.Status.RUNNING]).first()
        run = open_run or RecommenderRun.objects.create(seed=seed)
        ring_by_name("marketing.execute_training", run.pk, queue="bulk")
    return run


def execute_training(pk: int) -> bool:
    """Train on what is known now, write everyone's suggestions in blocks, then make this run the serving one.

    Safe to repeat: a run that was interrupted begins again and replaces what it had written.
    """
    token = claim_job(RecommenderRun, pk, lease_seconds=LEASE_SECONDS)
    if token is None:
        return False
    run = RecommenderRun.objects.get(pk=pk)
    now = timezone.now()
    seen = load_interactions(now)
    matrix = confidence_matrix(seen)
    if matrix.shape[0] < MIN_USERS or matrix.shape[1] < MIN_ITEMS:
        return fail_job(RecommenderRun, pk, token, {"code": "too_little_history", "users": matrix.shape[0], "items": matrix.shape[1]})
    from marketing.kernels.recommenders.als import Als, AlsSettings  # loads implicit, which only a training needs

    model = Als(AlsSettings(), seed=run.seed)
    model.fit(matrix.values)
    with transaction.atomic():  # a fit that outlived its lease must not touch what another worker has written since
        if not write_if_claimed(RecommenderRun, pk, token, lease_seconds=LEASE_SECONDS, n_done=0):
            return False
        Suggestion.objects.filter(run=run).delete()
    n_written = 0
    for block in suggestion_blocks(Trained(model, matrix, bought_pairs(seen)), now):
        with transaction.atomic():
            if not write_if_claimed(RecommenderRun, pk, token, lease_seconds=LEASE_SECONDS, n_done=F("n_done") + len(block)):
                return False
            Suggestion.objects.bulk_create([Suggestion(run=run, **row) for row in block], batch_size=BLOCK)
        n_written += len(block)
    report = {"users": matrix.shape[0], "items": matrix.shape[1], "interactions": int(matrix.values.nnz), "suggestions": n_written}
    return serve(pk, token, settings=model.settings.as_json(), report=report | {"implicit": version("implicit"), "numpy": version("numpy")})


def suggestion_blocks(trained: Trained, now: datetime) -> Iterator[list[dict[str, Any]]]:
    """Yield rows of suggestions, a block of investors at a time, each ranked over what their own level may be offered."""
    matrix = trained.matrix
    column_of = {int(fund): column for column, fund in enumerate(matrix.items)}
    row_of = {int(user): row for row, user in enumerate(matrix.users)}
    for level, investors in investors_to_suggest_to(now).items():
        suitable = set(recommendable_funds(level).values_list("pk", flat=True))
        allowed = np.array(sorted(column_of[fund] for fund in suitable if fund in column_of), dtype=np.int64)
        rows = np.array([row_of[investor] for investor in investors if investor in row_of], dtype=np.int64)
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            ranking = trained.model.rank(block, matrix.values, n=SUGGESTIONS_EACH, allowed=allowed)
            yield [
                suggestion
                for position, row in enumerate(block)
                for suggestion in suggestions_of(trained, int(row), ranking.items[position], ranking.scores[position], suitable)
            ]


def suggestions_of(trained: Trained, row: int, items: Any, scores: Any, suitable: set[int]) -> list[dict[str, Any]]:
    """One investor's suggestions with their reasons; suitability is checked again after ranking."""
    matrix = trained.matrix
    investor, touched = int(matrix.users[row]), matrix.touched_by(row)
    found: list[dict[str, Any]] = []
    for item, score in zip(items, scores, strict=True):
        fund = int(matrix.items[item])
        if item < 0 or fund not in suitable:
            continue
        near = int(matrix.items[trained.model.nearest_touched(int(item), touched)])
        code = "like_bought" if (investor, near) in trained.bought else "like_viewed"
        found.append(
            {
                "investor_id": investor,
                "fund_id": fund,
                "rank": len(found) + 1,
                "score": float(score),
                "reason": {"code": code, "fund_id": near},
            }
        )
    return found


def serve(pk: int, token: uuid.UUID, **fields: Any) -> bool:
    """Swap the serving pointer to this run and forget the suggestions of runs long past, while the claim holds."""
    with transaction.atomic():
        RecommenderRun.objects.filter(is_serving=True).exclude(pk=pk).update(is_serving=False)
        if not finish_job(RecommenderRun, pk, token, is_serving=True, **fields):
            transaction.set_rollback(True)
            return False
    kept = list(RecommenderRun.objects.filter(status=RecommenderRun.Status.DONE).order_by("-pk").values_list("pk", flat=True)[:RUNS_KEPT])
    past = Suggestion.objects.filter(run__finished_at__lt=timezone.now() - timedelta(days=1)).exclude(run__in=kept)
    while pks := list(past.order_by("pk").values_list("pk", flat=True)[:ROWS_A_DELETE]):
        Suggestion.objects.filter(pk__in=pks).delete()
    return True
