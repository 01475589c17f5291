"""Look-alikes: asked for as a row, worked out by a worker from the serving factors, read by segments after one pointer UPDATE."""

import uuid
from typing import Any

import numpy as np
from django.db import IntegrityError, transaction

from advisor.models import Investor
from advisor.selectors import consents_in_force
from config.jobs import Job, claim_job, fail_job, finish_job, ring_by_name, write_if_claimed
from marketing.kernels.look_alikes import NoDirection, nearest
from marketing.kernels.segments import RuleError
from marketing.models import LookAlike, LookAlikeSet, RecommenderRun, Segment
from marketing.selectors.look_alikes import last_sets, seeds_in_use, seeds_of
from marketing.selectors.recommender_factors import Factors, factors_of
from marketing.selectors.segment_problems import readable
from marketing.selectors.segments import people_in, read_rule, roomy
from portfolios.kernels.errors import DataError

TASK = "marketing.execute_look_alikes"
LEASE_SECONDS = 300
ROWS = 5_000
OPEN = (Job.Status.QUEUED, Job.Status.RUNNING)


def request_look_alikes(segment_id: int) -> LookAlikeSet:
    """Queue a working out of who resembles a segment, or return the one that waits or is at work."""
    try:
        with transaction.atomic():
            found, is_new = LookAlikeSet.objects.get_or_create(
                segment_id=segment_id, status__in=OPEN, defaults={"status": Job.Status.QUEUED}
            )
            if is_new:
                ring_by_name(TASK, found.pk, queue="bulk")
    except IntegrityError:  # asked for by another in between
        return LookAlikeSet.objects.get(segment_id=segment_id, status__in=OPEN)
    return found


def ask_for_look_alikes(data: Any) -> int:
    """Have the seeds of a rule worked out that never were; returns how many. What cannot be read asks for nothing."""
    rule = readable(data)
    seeds = seeds_of(rule) if rule else set()
    missing = set(Segment.objects.filter(pk__in=seeds - set(last_sets(seeds))).values_list("pk", flat=True)) if seeds else set()
    for pk in sorted(missing):
        request_look_alikes(pk)
    return len(missing)


def ask_again(segment_id: int) -> None:
    """Work a seed out anew whose rule was changed; a segment that never was one is left alone."""
    if LookAlikeSet.objects.filter(segment=segment_id).exists():
        request_look_alikes(segment_id)


def refresh_look_alikes() -> int:
    """Ask for every seed that a saved segment names, and forget the sets of those that none does; returns how many were asked for.

    A seed that itself names look-alikes reads those of the night before where they are not done yet.
    """
    seeds = seeds_in_use()
    for unused in LookAlikeSet.objects.exclude(segment__in=seeds).exclude(status__in=OPEN):
        _forget(unused)
    for pk in sorted(seeds):
        request_look_alikes(pk)
    return len(seeds)


def follow_factors() -> int:
    """Ask anew for the seeds in use that were never worked out by the factors that serve now; returns how many."""
    serving = RecommenderRun.objects.filter(is_serving=True, factors_format__gt=0).values_list("pk", flat=True).first()
    if serving is None:
        return 0
    known = LookAlikeSet.objects.filter(run=serving) | LookAlikeSet.objects.filter(status__in=OPEN)
    stale = LookAlikeSet.objects.filter(is_current=True).exclude(segment__in=known.values("segment"))
    seeds = sorted(stale.values_list("segment", flat=True))
    for pk in seeds:
        request_look_alikes(pk)
    return len(seeds)


def execute_look_alikes(pk: int) -> bool:
    """Work out one set and let it take the place of the seed's last; False when it failed, is another's, or was lost to another.

    Safe to repeat: whoever goes on begins again. A seed that has become too small, or whose rule no longer reads, loses the
    set that it had; where only the factors are missing, the last one stays.
    """
    token = claim_job(LookAlikeSet, pk, lease_seconds=LEASE_SECONDS)
    if token is None:
        return False
    one = LookAlikeSet.objects.select_related("segment").get(pk=pk)
    run = RecommenderRun.objects.filter(is_serving=True).first()
    write_if_claimed(LookAlikeSet, pk, token, run=run, n_done=0)
    try:
        if run is None:
            raise DataError("no_run_serves")
        factors = factors_of(run)
    except DataError as error:
        return _fail(one, token, error.code, keeps_last=True)
    try:
        keys, seed = _agreed(factors), _members(one.segment)
        of = np.isin(factors.investors, keys, assume_unique=True)
        investors, vectors = factors.investors[of], factors.investor_vectors[of]
        is_seed = np.isin(investors, seed, assume_unique=True)
        rows, n_compared = nearest(vectors, is_seed)
    except NoDirection:
        return _fail(one, token, "small_seed", keeps_last=False)
    except RuleError as error:
        return _fail(one, token, error.code, keeps_last=False)
    return _write(one, token, investors[rows]) and _swap(one, token, n_seed=int(is_seed.sum()), n_compared=n_compared)


def _agreed(factors: Factors) -> Any:
    """Keys of those with a profile who agree to profiling now and whose account is open: others are neither seed nor kin."""
    agreed = Investor.objects.filter(
        pk__in=consents_in_force("profiling").values("investor"), erased_at=None, user__is_active=True, profile__isnull=False
    )
    return np.intersect1d(np.fromiter(agreed.order_by().values_list("pk", flat=True).iterator(), np.int64), factors.investors)


def _members(segment: Segment) -> Any:
    with roomy():
        return np.array(list(people_in(read_rule(segment.rule)).order_by().values_list("pk", flat=True)), np.int64)


def _write(one: LookAlikeSet, token: uuid.UUID, investors: Any) -> bool:
    """Rows in blocks, each one short transaction that also renews the claim; what an earlier worker left goes first."""
    while left := list(LookAlike.objects.filter(of=one).order_by().values_list("pk", flat=True)[:ROWS]):
        with transaction.atomic():
            if not write_if_claimed(LookAlikeSet, one.pk, token, lease_seconds=LEASE_SECONDS):
                return False
            LookAlike.objects.filter(pk__in=left).delete()
    keys = investors.tolist()
    for start in range(0, len(keys), ROWS):
        block = keys[start : start + ROWS]
        with transaction.atomic():
            place = {"n_done": start + len(block), "n_total": len(keys)}
            if not write_if_claimed(LookAlikeSet, one.pk, token, lease_seconds=LEASE_SECONDS, **place):
                return False
            LookAlike.objects.bulk_create([LookAlike(of=one, investor_id=key, rank=rank) for rank, key in enumerate(block, start + 1)])
    return True


def _swap(one: LookAlikeSet, token: uuid.UUID, **figures: Any) -> bool:
    with transaction.atomic():
        LookAlikeSet.objects.filter(segment=one.segment, is_current=True).exclude(pk=one.pk).update(is_current=False)
        if not finish_job(LookAlikeSet, one.pk, token, is_current=True, **figures):
            transaction.set_rollback(True)
            return False
    for earlier in LookAlikeSet.objects.filter(segment=one.segment, pk__lt=one.pk):
        _forget(earlier)
    return True


def _fail(one: LookAlikeSet, token: uuid.UUID, code: str, *, keeps_last: bool) -> bool:
    with transaction.atomic():
        if fail_job(LookAlikeSet, one.pk, token, {"code": code}) and not keeps_last:
            LookAlikeSet.objects.filter(segment=one.segment).update(is_current=False)
    for earlier in LookAlikeSet.objects.filter(segment=one.segment, pk__lt=one.pk, is_current=False):
        _forget(earlier)
    return False


def _forget(one: LookAlikeSet) -> None:
    """Rows first, in short blocks: nobody waits behind the forgetting of a whole set."""
    while keys := list(LookAlike.objects.filter(of=one).order_by().values_list("pk", flat=True)[:ROWS]):
        LookAlike.objects.filter(pk__in=keys).delete()
    LookAlikeSet.objects.filter(pk=one.pk).delete()
