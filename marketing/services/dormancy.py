"""The nightly reading of who sleeps: everybody scored by the latest fit, in blocks, and the dated changes of state."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import Count
from django.utils import timezone

from config.jobs import Job, claim_job, finish_job, give_up_job, write_if_claimed
from marketing.jurisdictions import market_rules
from marketing.kernels.bgnbd import Floats, Parameters, expected_transactions, p_alive, rhythm
from marketing.kernels.dormancy import REASONS, Thresholds, reasons_of, yearly_value_minor
from marketing.models import DormancyChange, DormancyRun, Profile
from marketing.selectors.dormancy import DAYS_A_WEEK, Block, next_profiles, read_block
from marketing.services.dormancy_fit import current_fit, parameters_of
from marketing.services.reactivations import note_reactivations

BLOCK = 1_000
LEASE_SECONDS = 600
FIELDS = ("dormancy", "dormancy_since", "p_alive", "expected_decisions_90d", "rhythm_days", "value_365d_minor")


@dataclass(frozen=True, slots=True)
class Scores:
    """What the fit says of a block; NaN for who never decided, and for everybody without a fit."""

    p_alive: Floats
    rhythm_days: Floats
    expected_90d: Floats
    expected_365d: Floats


def refresh_dormancy(*, on: date | None = None, limits: Thresholds | None = None) -> int:
    """Say of everybody with a profile who sleeps on that day, and note who changed state; returns how many changed.

    Written in short blocks; a reading that was interrupted goes on behind its last block. Safe to repeat: a second one of the
    same day leaves at most one change of that day, from the state of the day before, and none where the person is back in
    it. While another worker reads the same day, nothing is done.
    """
    day, limits = on or timezone.localdate(), limits or market_rules().dormancy
    fit = current_fit(on=day)
    run, _ = DormancyRun.objects.get_or_create(as_of=day)
    DormancyRun.objects.filter(pk=run.pk).exclude(status__in=[Job.Status.RUNNING, Job.Status.QUEUED]).update(
        status=Job.Status.QUEUED, last_investor=0, n_changed=0, n_done=0, attempts=0
    )
    token = claim_job(DormancyRun, run.pk, lease_seconds=LEASE_SECONDS)
    if token is None:
        return 0
    run.refresh_from_db()
    last, n_changed, n_done = run.last_investor, run.n_changed, run.n_done
    while block := next_profiles(last, BLOCK):
        found = read_block(block, day)
        scores = score(found, parameters_of(fit))
        last, n_done = block[-1], n_done + len(block)
        with transaction.atomic():
            n_changed += _write_block(found, scores, day, limits)
            place = {"last_investor": last, "n_changed": n_changed, "n_done": n_done}
            if not write_if_claimed(DormancyRun, run.pk, token, lease_seconds=LEASE_SECONDS, **place):
                transaction.set_rollback(True)
                return 0
    note_reactivations(on=day)
    states = dict(Profile.objects.order_by().values_list("dormancy").annotate(Count("pk")))
    finish_job(DormancyRun, run.pk, token, fit=fit, states=states, n_total=n_done)
    return n_changed


def resume_dormancy(pk: int) -> int:
    """Go on with a reading that its worker left; a finished one is left alone. Returns how many changed.

    What was left of a day before one that has been read since is given up: it would write over what is known of the later one.
    """
    run = DormancyRun.objects.filter(pk=pk, status__in=[Job.Status.RUNNING, Job.Status.QUEUED]).first()
    if run is None:
        return 0
    if DormancyRun.objects.filter(as_of__gt=run.as_of, n_done__gt=0).exists():
        give_up_job(DormancyRun, pk, {"code": "day_over"})
        return 0
    return refresh_dormancy(on=run.as_of)


def score(block: Block, parameters: Parameters | None) -> Scores:
    """Score a block by a fit in weeks."""
    decided, frequency, recency, observed = block.histories()
    found = [np.full(len(decided), np.nan) for _ in range(4)]
    if parameters is not None and decided.any():
        history = (frequency, recency, observed)
        found[0][decided] = p_alive(parameters, *history)
        found[1][decided] = rhythm(parameters, frequency, recency) * DAYS_A_WEEK
        for column, days in zip(found[2:], (90, 365), strict=True):
            column[decided] = expected_transactions(parameters, *history, days / DAYS_A_WEEK)
    return Scores(*found)


def yearly_values(block: Block, scores: Scores) -> Any:
    """The revenue expected of each in a year; without a fit decisions go on as they did in the last one."""
    own = np.maximum(block.bought_365d_minor - block.plan_year_minor, 0.0)
    a_decision = np.divide(own, block.n_decisions_365d, out=np.zeros_like(own), where=block.n_decisions_365d > 0)
    expected = np.where(np.isnan(scores.expected_365d), block.n_decisions_365d, scores.expected_365d)
    return yearly_value_minor(block.running_minor, block.purchase_fee, block.plan_year_minor, a_decision * expected)


def _write_block(block: Block, scores: Scores, day: date, limits: Thresholds) -> int:
    """States, scores and changes of one block; returns how many people changed."""
    facts = block.facts(scores.p_alive, scores.rhythm_days)
    reasons = reasons_of(facts, limits).tolist()
    silent, values = facts.silent_days.tolist(), yearly_values(block, scores).tolist()
    before = _before(block.investor_ids, day)
    profiles, changes, returned = [], [], []
    for at, pk in enumerate(block.investor_ids):
        if pk not in before:  # erased since the block was read
            continue
        state, (origin, since, was_changed) = REASONS[reasons[at]], before[pk]
        alive = _plain(scores.p_alive[at])
        if state != origin:
            since = day
            idle = int(block.idle_cash_minor[at])
            changes.append(
                DormancyChange(
                    investor_id=pk, from_state=origin, to_state=state, date=day, reason=reasons[at], p_alive=alive,
                    n_silent_days=int(silent[at]), idle_cash_minor=idle,
                )
            )  # fmt: skip
        elif was_changed:
            returned.append(pk)
        expected, usual = _plain(scores.expected_90d[at]), _plain(scores.rhythm_days[at])
        profiles.append((state, (since or day).isoformat(), alive, expected, usual, values[at], pk))
    DormancyChange.objects.filter(date=day, investor_id__in=returned).delete()
    DormancyChange.objects.bulk_create(
        changes,
        update_conflicts=True,
        unique_fields=["investor", "date"],
        update_fields=["from_state", "to_state", "reason", "p_alive", "n_silent_days", "idle_cash_minor"],
    )
    _write_profiles(profiles)
    return len(changes)


def _write_profiles(rows: list[tuple[Any, ...]]) -> None:
    """One prepared statement for all rows: an UPDATE of a thousand cases takes both databases many times as long."""
    quote = connection.ops.quote_name
    columns = ", ".join(f"{quote(name)} = %s" for name in FIELDS)
    with connection.cursor() as cursor:
        cursor.executemany(f"UPDATE {quote(Profile._meta.db_table)} SET {columns} WHERE investor_id = %s", rows)  # noqa: S608  our own names


def _before(investor_ids: list[int], day: date) -> dict[int, tuple[str, date | None, bool]]:
    """State before that day ("" for none), since when, and whether a change of that day is noted; profiles stay locked."""
    rows = Profile.objects.filter(pk__in=investor_ids).order_by("pk").select_for_update().values_list("pk", "dormancy", "dormancy_since")
    found: dict[int, tuple[str, date | None, bool]] = {pk: (state, since, False) for pk, state, since in rows}
    today = dict(DormancyChange.objects.filter(investor_id__in=investor_ids, date=day).values_list("investor_id", "from_state"))
    unclear = [pk for pk, (_, since, _) in found.items() if pk in today or since is None]
    earlier = dict(
        DormancyChange.objects.filter(investor_id__in=unclear, date__lt=day).order_by("date").values_list("investor_id", "date")
    )  # the latest stands last
    for pk in unclear:
        state = today.get(pk, found[pk][0] if pk in earlier else "")
        found[pk] = (state, earlier.get(pk), pk in today)
    return found


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
