"""The nightly recommender: asked for as a row, worked through in stages by a worker, shown after one pointer UPDATE.

Each stage leaves in the database what the next one needs, so that a run whose worker died goes on where it stood. A worker
that lost its claim writes nothing more. The set that serves changes whole, at the very end, or not at all.
"""

from collections.abc import Callable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from config.jobs import claim_job, claim_kept, ring_by_name
from marketing.models import InvestorFactors, RecommenderPart, RecommenderRun, Suggestion
from marketing.services.recommender_night import ClaimLost, Night
from marketing.services.recommender_parts import forget
from marketing.services.recommender_serving import fit_on_everything, take_over, write_everybody
from marketing.services.recommender_training import decide, read_history, train_candidates
from portfolios.kernels.errors import DataError

RUNS_KEPT = 3
LEASE_SECONDS = 300
MOST_SECONDS = 24 * 3600.0  # a night that hangs for so long is given to another worker
Stage = RecommenderRun.Stage
STAGES: dict[str, Callable[[Night], object]] = {
    Stage.MATRIX: read_history,
    Stage.CANDIDATES: train_candidates,
    Stage.GUARD: decide,
    Stage.FIT: fit_on_everything,
    Stage.WRITE: write_everybody,
    Stage.SWAP: take_over,
}


def request_training(*, seed: int = 42) -> RecommenderRun:
    """Queue a training, or return the one that is already waiting or at work."""
    with transaction.atomic():
        open_run = RecommenderRun.objects.filter(status__in=[RecommenderRun.Status.QUEUED, RecommenderRun.Status.RUNNING]).first()
        run = open_run or RecommenderRun.objects.create(seed=seed)
        ring_by_name("marketing.execute_training", run.pk, queue="bulk")
    return run


def execute_training(pk: int) -> bool:
    """Work through what is left of a run; False when it is another worker's, was lost to one, or is over.

    True says that the run ended, not that it serves: `report["decision"]` tells why one did not. Safe to repeat.
    """
    token = claim_job(RecommenderRun, pk, lease_seconds=LEASE_SECONDS)
    if token is None:
        return False
    night = Night(RecommenderRun.objects.get(pk=pk), token, LEASE_SECONDS)
    try:
        with claim_kept(RecommenderRun, pk, token, lease_seconds=LEASE_SECONDS, most_seconds=MOST_SECONDS):
            while not night.is_over:
                try:
                    STAGES[night.run.stage](night)
                except DataError as error:
                    night.end(facts={}, error={"code": error.code, **error.params})
    except ClaimLost:
        return False
    forget_past_runs()
    return True


def forget_past_runs() -> None:
    """Delete what runs long past left, in short writes; the runs themselves stay with their reports.

    The suggestions of the last runs that served are kept a while longer, factors only those of the one that serves.
    """
    past = RecommenderRun.objects.filter(is_serving=False, finished_at__lt=timezone.now() - timedelta(days=1))
    served = RecommenderRun.objects.filter(stage=Stage.SWAP, status=RecommenderRun.Status.DONE).order_by("-pk")
    kept = list(served.values_list("pk", flat=True)[:RUNS_KEPT])
    forget(Suggestion.objects.filter(run__in=past.exclude(pk__in=kept).values("pk")))
    for rows in (InvestorFactors.objects, RecommenderPart.objects):
        forget(rows.filter(run__in=past.values("pk")))
