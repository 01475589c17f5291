"""The nightly recommender: asked for as a row, worked through in stages by a worker, shown after one pointer UPDATE.

Each stage leaves in the database what the next one needs, so that a run whose worker died goes on where it stood. A worker
that lost its claim writes nothing more. The set that serves changes whole, at the very end, or not at all.
"""

from collections.abc import Callable
from datetime import timedelta

from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from advisor.models import Consent, Investor
from advisor.selectors import consents_in_force
from config.jobs import claim_job, claim_kept, ring_by_name
from marketing.models import InvestorFactors, RecommenderPart, RecommenderRun, Suggestion
from marketing.services.recommender_night import ClaimLost, Night
from marketing.services.recommender_parts import forget
from marketing.services.recommender_serving import fit_on_everything, take_over, write_everybody
from marketing.services.recommender_training import decide, read_history, train_candidates
from portfolios.kernels.errors import DataError

RUNS_KEPT = 3
LEASE_SECONDS = 300
PEOPLE_AT_ONCE = 500  # who are forgotten by one list of keys
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
    """Queue a training, or return the one that is already waiting or at work: of several who ask at once, one makes it."""
    with transaction.atomic():
        _let_one_ask()
        open_run = RecommenderRun.objects.filter(status__in=[RecommenderRun.Status.QUEUED, RecommenderRun.Status.RUNNING]).first()
        run = open_run or RecommenderRun.objects.create(seed=seed)
        ring_by_name("marketing.execute_training", run.pk, queue="bulk")
    return run


def _let_one_ask() -> None:
    """Nobody else asks for a training until the transaction ends; by a row that is there even before the first run.

    On SQLite a transaction has the database to itself anyway. Not FOR UPDATE: rows that refer to this one may be written meanwhile.
    """
    kind = ContentType.objects.filter(app_label=RecommenderRun._meta.app_label, model=RecommenderRun._meta.model_name)
    kind.select_for_update(no_key=True).get()


def execute_training(pk: int) -> bool:
    """Work through what is left of a run; False when it is another worker's, was lost to one, or is over.

    True says that the run ended, not that it serves: `report["decision"]` tells why one did not. Safe to repeat.
    Who no longer agrees is forgotten first, too: a night whose workers die does not come to its end.
    """
    token = claim_job(RecommenderRun, pk, lease_seconds=LEASE_SECONDS)
    if token is None:
        return False
    night = Night(RecommenderRun.objects.get(pk=pk), token, LEASE_SECONDS)
    try:
        with claim_kept(RecommenderRun, pk, token, lease_seconds=LEASE_SECONDS, most_seconds=MOST_SECONDS):
            forget_who_no_longer_agrees()
            while not night.is_over:
                try:
                    STAGES[night.run.stage](night)
                except DataError as error:
                    night.end(facts={}, error={"code": error.code, **error.params})
    except ClaimLost:
        return False
    forget_who_no_longer_agrees()
    forget_past_runs()
    return True


def forget_who_no_longer_agrees() -> None:
    """Delete the suggestions and factors of people whose consent to profiling is not in force, in short writes; safe to repeat.

    Also of the run that serves: nothing of it is shown to them any more, but it need not lie there until another takes over.
    """
    agreed = consents_in_force(Consent.Purpose.PROFILING).values("investor")
    others = Investor.objects.exclude(pk__in=agreed).order_by("pk").values_list("pk", flat=True)
    for rows in (Suggestion.objects, InvestorFactors.objects):
        gone = list(others.filter(Exists(rows.filter(investor=OuterRef("pk")))))
        for start in range(0, len(gone), PEOPLE_AT_ONCE):
            forget(rows.filter(investor__in=gone[start : start + PEOPLE_AT_ONCE]))


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
    forget(RecommenderPart.objects.filter(kind=RecommenderPart.Kind.EVALUATION, run__finished_at__isnull=False))  # the guard has decided
