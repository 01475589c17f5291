"""Screening the market: asked for with frozen rules, worked out at once, written in blocks, published by one pointer UPDATE."""

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from importlib.metadata import version
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from django.db import transaction
from django.utils import timezone

from config.jobs import Job, claim_job, fail_job, finish_job, ring_by_name, write_if_claimed
from portfolios.jurisdictions import Jurisdiction, jurisdiction
from portfolios.kernels.errors import DataError, KernelError
from portfolios.kernels.gates import BARRED
from portfolios.kernels.pool_rule import ENTERS, INCLUDE_REFUSED, STAYS, STAYS_BELOW, hand_verdict, is_in, shortage
from portfolios.kernels.screen import screen_market
from portfolios.kernels.screen_types import Gate, Screened
from portfolios.models import Pool, PoolDecision, PoolFund, ScreenRow, ScreenRun
from portfolios.selectors.screen_inputs import ScreenInputs, kernel_rules, latest_data_date, load_screen_inputs
from portfolios.services.pool_decisions import leave_out_excluded

TASK = "portfolios.execute_screen"
LEASE_SECONDS = 300
ROWS_A_BLOCK = 250
SEED = 2026
LIBRARIES = ("numpy",)
# The monthly screen: sizes of a quarter are public three weeks after it, so by this day the last quarter is known.
DUE_DAY = 25
T = TypeVar("T")


def request_screen(*, data_date: date, actor: Any = None) -> ScreenRun:
    """Freeze the rules, the seed and the decisions in force into a queued run and ring the worker.

    A run of the same inputs that has not ended is returned as it is. Raises DataError for a day in the future.
    """
    if data_date > timezone.localdate():
        raise DataError("data_date_in_future", date=data_date.isoformat())
    frozen = _freeze(data_date)
    with transaction.atomic():
        open_ones = ScreenRun.objects.filter(status__in=(Job.Status.QUEUED, Job.Status.RUNNING))
        if found := open_ones.filter(inputs_sha256=frozen["inputs_sha256"]).order_by("-pk").first():
            return found
        run = ScreenRun.objects.create(requested_by=actor, **frozen)
        ring_by_name(TASK, run.pk, queue="bulk")
    return run


def request_due_screen() -> ScreenRun | None:
    """Ask for the month's screen from its 25th on, unless one was asked for since then; None where nothing is due."""
    today, day = timezone.localdate(), latest_data_date()
    if today.day < DUE_DAY or day is None or day < today.replace(day=1):
        return None
    due_at = timezone.make_aware(datetime.combine(today.replace(day=DUE_DAY), time.min))
    if ScreenRun.objects.filter(queued_at__gte=due_at).exists():
        return None
    return request_screen(data_date=day)


def _freeze(data_date: date) -> dict[str, Any]:
    rules = jurisdiction()
    published = ScreenRun.objects.filter(outcome=ScreenRun.Outcome.PUBLISHED, data_date__lt=data_date).order_by("data_date", "pk")
    previous = published.last()
    first, last = _quarter_before(data_date)
    quarter_before = published.filter(data_date__gte=first, data_date__lt=last).last()
    versions = {
        "rules": rules.model_dump(mode="json", by_alias=True),
        "quarter_before": quarter_before.pk if quarter_before else None,
        "decisions": list(_decisions_in_force(data_date)),
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    frozen = {
        "data_date": data_date,
        "rules_version": rules.version,
        "seed": SEED,
        "previous_id": previous.pk if previous else None,
        "versions": versions,
    }
    digest = hashlib.sha256(json.dumps(frozen, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()
    return frozen | {"inputs_sha256": digest}


def _quarter_before(day: date) -> tuple[date, date]:
    """First day of the quarter before that of a day, and of that of the day."""
    last = day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    first = last.replace(month=last.month - 3) if last.month > 3 else last.replace(year=last.year - 1, month=10)
    return first, last


def _decisions_in_force(data_date: date) -> Iterator[dict[str, Any]]:
    """Approved decisions that have not run out, neither today nor on the data date: the last one of each fund."""
    today = max(data_date, timezone.localdate())
    approved = PoolDecision.objects.filter(state=PoolDecision.State.APPROVED, expires_date__gte=today)
    last = {row.fund_id: row for row in approved.order_by("decided_at", "pk")}
    for fund_id in sorted(last):
        yield {"id": last[fund_id].pk, "fund": fund_id, "kind": last[fund_id].kind, "until": last[fund_id].expires_date.isoformat()}


def execute_screen(pk: int) -> bool:
    """Claim a run, screen the market, write a row a fund, and publish the pool or refuse; False when it is somebody else's.

    Safe to repeat: what an interrupted worker wrote is deleted first, and nothing is seen before the last UPDATE.
    """
    token = claim_job(ScreenRun, pk, lease_seconds=LEASE_SECONDS)
    if token is None:
        return False
    run = ScreenRun.objects.get(pk=pk)
    try:
        rules = Jurisdiction.model_validate(run.versions["rules"])
        inputs = load_screen_inputs(run.data_date, rules, _previous(run))
        found = screen_market(inputs.market, kernel_rules(rules), seed=run.seed, months_this_year=inputs.months_this_year)
    except KernelError as error:
        return fail_job(ScreenRun, pk, token, {"code": error.code, "params": json.loads(json.dumps(error.params, default=str))})
    except ValueError as error:  # rules frozen by an older version that no longer read
        return fail_job(ScreenRun, pk, token, {"code": "screen_rules_unreadable", "params": {"detail": str(error)[:200]}})
    verdicts, by_hand = _with_decisions(run, inputs, found)
    if not _forget_partial(run, token) or not _write_rows(run, token, _rows(run, inputs, found, verdicts, by_hand)):
        return False
    return _conclude(run, token, inputs, found, verdicts, rules)


def _previous(run: ScreenRun) -> dict[int, tuple[bool, int]]:
    """By fund id: whether the previous screen's rule had it in, and its quarters below at the end of the quarter before."""
    was_in: set[int] = set()
    if run.previous_id:
        by_rule = ScreenRow.objects.filter(run=run.previous_id, verdict__in=(ENTERS, STAYS, STAYS_BELOW))
        was_in = set(by_rule.values_list("fund_id", flat=True))
    below: dict[int, int] = {}
    if run.versions["quarter_before"]:
        counted = ScreenRow.objects.filter(run=run.versions["quarter_before"], quarters_below__gt=0)
        below = dict(counted.values_list("fund_id", "quarters_below"))
    return {fund: (fund in was_in, below.get(fund, 0)) for fund in was_in | below.keys()}


def _with_decisions(run: ScreenRun, inputs: ScreenInputs, found: Screened) -> tuple[list[str], dict[int, dict[str, Any]]]:
    """The verdicts with the decisions of people laid over them, and by place the note that says so."""
    verdicts = found.verdict.tolist()
    place = {int(fund): at for at, fund in enumerate(inputs.fund_ids)}
    barred = np.logical_or.reduce([gate.fails for gate in found.gates if gate.code in BARRED])
    notes: dict[int, dict[str, Any]] = {}
    for decision in run.versions["decisions"]:
        at = place.get(decision["fund"])
        if at is None:
            continue
        by_rule = verdicts[at]
        verdicts[at] = hand_verdict(by_rule, decision["kind"], bool(barred[at]))
        if verdicts[at] != by_rule:
            code = "include_refused" if verdicts[at] == INCLUDE_REFUSED else "by_hand"
            notes[at] = {"code": code, "decision": decision["id"], "until": decision["until"], "by_rule": by_rule}
    return verdicts, notes


def _rows(
    run: ScreenRun, inputs: ScreenInputs, found: Screened, verdicts: list[str], by_hand: dict[int, dict[str, Any]]
) -> Iterator[ScreenRow]:
    facts, ranking = inputs.market.facts, found.ranking
    chosen = is_in(np.array(verdicts))
    for at, fund in enumerate(inputs.fund_ids.tolist()):
        yield ScreenRow(
            run=run,
            fund_id=fund,
            peer_group=str(ranking.peer_group[at]),
            n_peers=int(ranking.n_peers[at]),
            months=int(facts.months[at]),
            risk_grade=int(facts.grade[at]),
            gates=[_gate_data(gate, at) for gate in found.gates if gate.fails[at]],
            sub_scores={name: value for name, values in ranking.sub_scores.items() if (value := _number(values[at])) is not None},
            score=_number(ranking.score[at]),
            shrunk=_number(ranking.shrunk[at]),
            percentile=_number(ranking.percentile[at]),
            rank_low=_number(ranking.rank_low[at]),
            rank_high=_number(ranking.rank_high[at]),
            quarters_below=int(found.quarters_below[at]),
            passes_4433=None if np.isnan(found.passes_4433[at]) else bool(found.passes_4433[at]),
            is_in=bool(chosen[at]),
            verdict=verdicts[at],
            notes=[*ranking.notes[at], *([by_hand[at]] if at in by_hand else [])],
        )


def _number(value: Any) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def _gate_data(gate: Gate, at: int) -> dict[str, Any]:
    figures = {name: values[at] if np.ndim(values) else values for name, values in gate.figures.items()}
    return {"code": gate.code} | {name: value if isinstance(value, str) else _number(value) for name, value in figures.items()}


def _forget_partial(run: ScreenRun, token: uuid.UUID) -> bool:
    """Delete what an interrupted worker left of a run, in short writes; False where the claim is lost, and the rows are another's."""
    rows = ScreenRow.objects.filter(run=run).order_by("pk")
    while True:
        with transaction.atomic():
            if not write_if_claimed(ScreenRun, run.pk, token, lease_seconds=LEASE_SECONDS):
                return False
            Pool.objects.filter(screen_run=run, is_current=False).delete()
            keys = list(rows.values_list("pk", flat=True)[:ROWS_A_BLOCK])
            if not keys:
                return True
            ScreenRow.objects.filter(pk__in=keys).delete()


def _blocks(items: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(items)
    while block := list(islice(remaining, ROWS_A_BLOCK)):
        yield block


def _write_rows(run: ScreenRun, token: uuid.UUID, rows: Iterator[ScreenRow]) -> bool:
    """Write the rows a block a transaction, each only while the claim holds."""
    n_done = 0
    for block in _blocks(rows):
        n_done += len(block)
        with transaction.atomic():
            if not write_if_claimed(ScreenRun, run.pk, token, lease_seconds=LEASE_SECONDS, n_done=n_done):
                return False
            ScreenRow.objects.bulk_create(block)
    return True


def _conclude(run: ScreenRun, token: uuid.UUID, inputs: ScreenInputs, found: Screened, verdicts: list[str], rules: Jurisdiction) -> bool:
    """Publish the funds that are in as a new pool, or refuse the run, naming what the pool would lack."""
    facts = inputs.market.facts
    chosen = np.flatnonzero(is_in(np.array(verdicts)))
    money = facts.kind[chosen] == "money"
    lacks = shortage(facts.grade[chosen].tolist(), money.tolist(), facts.company[chosen].tolist(), kernel_rules(rules))
    counts = {"n_total": len(facts.codes), "n_funds": len(facts.codes), "n_gated": int(found.passes.sum()), "n_in": len(chosen)}
    if lacks:
        return finish_job(ScreenRun, run.pk, token, outcome=ScreenRun.Outcome.REFUSED, shortage=lacks, **counts)
    pool = _write_pool(run, [(int(inputs.fund_ids[at]), verdicts[at], found.ranking.percentile[at]) for at in chosen])
    with transaction.atomic():
        if not finish_job(ScreenRun, run.pk, token, outcome=ScreenRun.Outcome.PUBLISHED, shortage=[], **counts):
            return False
        _point_to(pool, run.data_date)
        leave_out_excluded()  # what was approved while the market was being screened
    return True


def _write_pool(run: ScreenRun, members: list[tuple[int, str, float]]) -> Pool:
    """Write the pool that nobody sees yet. The reason is a code with P: the sentence is made from the run's row when it is read."""
    pool = Pool.objects.create(name=run.data_date.isoformat(), screen_run=run)
    for block in _blocks(members):
        PoolFund.objects.bulk_create(
            PoolFund(pool=pool, fund_id=fund, reason=f"{verdict} {percentile:.3f}" if np.isfinite(percentile) else verdict)
            for fund, verdict, percentile in block
        )
    return pool


def _point_to(pool: Pool, data_date: date) -> None:
    """Make a pool the current one, unless that rests on a screen of a later day."""
    if Pool.objects.filter(is_current=True, screen_run__data_date__gt=data_date).exists():
        return
    Pool.objects.filter(is_current=True).update(is_current=False)
    Pool.objects.filter(pk=pool.pk).update(is_current=True)
