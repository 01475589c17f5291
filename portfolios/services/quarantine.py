"""Histories with a jump nothing explains: kept whole, asked about once, stored when a person accepts them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from django.db import transaction
from django.utils import timezone

from portfolios.kernels.errors import DataError
from portfolios.kernels.types import FundHistory
from portfolios.models import Fund, ImportRun, QuarantinedHistory
from portfolios.services.fund_rows import RESTATED
from portfolios.services.history import StoreCount, store_counted
from portfolios.sources.checks import Jump, digest_of

State = QuarantinedHistory.State
STORE, QUARANTINED, REJECTED = "store", "jump_quarantined", "jump_rejected"
_DATES = ("manager_since", "size_date", "ended_on")


class QuarantineRefused(Exception):
    """A decision that cannot be made; `code` is made into a sentence where it is shown."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Doubt:
    """A fund's rows of one import and the jumps in them; the fund may not be stored yet."""

    fund: Fund
    history: FundHistory
    found: list[Jump]


def judge(*, run: ImportRun, doubts: Iterable[Doubt], accept: str) -> dict[str, str]:
    """Keep doubtful histories; return what each fund's rows are: STORE, or the reason why they wait or stay out.

    The same jumps are asked about once: accepted ones are stored, rejected ones stay out, and one that waits takes the longer
    history. With `accept`, the reason of who vouches for the source, all are accepted at once and kept as such.
    """
    verdicts = {}
    for doubt in doubts:
        digest = digest_of(doubt.found)
        known = QuarantinedHistory.objects.filter(fund_code=doubt.fund.code, digest=digest).first()
        if known is None:
            known = _keep(run, doubt, digest)
        elif known.state == State.WAITING and known.first_date >= _day(doubt, 0) and known.last_date <= _day(doubt, -1):
            QuarantinedHistory.objects.filter(pk=known.pk, state=State.WAITING).update(run=run, **_arrays(doubt.history))
        if accept and known.state != State.ACCEPTED:
            _decide(known, State.ACCEPTED, None, accept)
        verdicts[doubt.fund.code] = {State.ACCEPTED: STORE, State.REJECTED: REJECTED}.get(State(known.state), QUARANTINED)
    return verdicts


def _day(doubt: Doubt, at: int) -> date:
    return date.fromordinal(int(doubt.history.dates[at]))


def _keep(run: ImportRun, doubt: Doubt, digest: str) -> QuarantinedHistory:
    fund = doubt.fund
    facts = {name: value.isoformat() if isinstance(value := getattr(fund, name), date) else value for name in RESTATED}
    kept = QuarantinedHistory.objects.create(
        run=run,
        fund=fund if fund.pk else None,
        fund_code=fund.code,
        reasons=[
            {
                "code": "jump",
                "day": jump.day.isoformat(),
                "from_day": jump.from_day.isoformat(),
                "from_nav": jump.from_nav,
                "to_nav": jump.to_nav,
                "step": jump.step,
                "limit": jump.limit,
            }
            for jump in doubt.found
        ],
        digest=digest,
        facts={} if fund.pk else facts | {"source": fund.source},
        **_arrays(doubt.history),
    )
    _close_narrower(kept)
    return kept


def _close_narrower(kept: QuarantinedHistory) -> None:
    """Close the questions that a new one asks again together with others."""
    days = {reason["day"] for reason in kept.reasons}
    for older in QuarantinedHistory.objects.filter(state=State.WAITING, fund_code=kept.fund_code).exclude(pk=kept.pk):
        if {reason["day"] for reason in older.reasons} <= days:
            _overtake(older)


def _overtake(kept: QuarantinedHistory) -> int:
    """Close a question that later prices answered or replaced. Nobody decided it: there is no reason and no name."""
    waiting = QuarantinedHistory.objects.filter(pk=kept.pk, state=State.WAITING)
    return waiting.update(state=State.REJECTED, decided_at=timezone.now(), why="")


def is_overtaken(kept: QuarantinedHistory) -> bool:
    return kept.state == State.REJECTED and not kept.why


def _arrays(history: FundHistory) -> dict[str, Any]:
    paid = history.distribution_micro if history.distribution_micro is not None else np.zeros(0)
    return {
        "n_rows": len(history.dates),
        "first_date": date.fromordinal(int(history.dates[0])),
        "last_date": date.fromordinal(int(history.dates[-1])),
        "days": history.dates.astype("<i4").tobytes(),
        "nav_micro": history.nav_micro.astype("<i8").tobytes(),
        "total_return": history.total_return.astype("<f8").tobytes(),
        "distribution_micro": paid.astype("<i8").tobytes() if paid.any() else b"",
    }


def history_of(kept: QuarantinedHistory) -> FundHistory:
    """The history as it waits."""
    days = np.frombuffer(kept.days, "<i4").astype(np.int64)
    paid = np.frombuffer(kept.distribution_micro, "<i8") if len(kept.distribution_micro) else np.zeros(len(days), np.int64)
    return FundHistory(kept.fund_code, days, np.frombuffer(kept.nav_micro, "<i8"), np.frombuffer(kept.total_return, "<f8"), paid)


def accept_quarantined(*, kept: QuarantinedHistory, actor: Any, why: str) -> StoreCount:
    """Store a history that waits or was rejected, with its fund where there is none yet; returns what became of its days.

    Raises QuarantineRefused without a reason, or where it is accepted already or later prices of its days took its place.
    """
    _require(why)
    if is_overtaken(kept):
        raise QuarantineRefused("overtaken")
    with transaction.atomic():
        if not _decide(kept, State.ACCEPTED, actor, why):
            raise QuarantineRefused("already_decided")
        if not Fund.objects.filter(code=kept.fund_code).exists():
            _make_fund(kept)
        # An import of the same fund waits, or this waits for it: years are written whole, and neither may lose the other's days.
        Fund.objects.select_for_update().get(code=kept.fund_code)
        (_, count), *_ = store_counted([history_of(kept)])
        QuarantinedHistory.objects.filter(pk=kept.pk).update(fund=Fund.objects.get(code=kept.fund_code))
    return count


def _make_fund(kept: QuarantinedHistory) -> Fund:
    columns = {name: date.fromisoformat(value) if name in _DATES and value else value for name, value in kept.facts.items()}
    if not columns:
        raise DataError("unknown_fund", fund=kept.fund_code)
    return Fund.objects.create(code=kept.fund_code, **columns)


def reject_quarantined(*, kept: QuarantinedHistory, actor: Any, why: str) -> None:
    """Leave a history out for good: the same jump arriving again asks nobody. Raises QuarantineRefused."""
    _require(why)
    if kept.state != State.WAITING or not _decide(kept, State.REJECTED, actor, why):
        raise QuarantineRefused("already_decided")


def _require(why: str) -> None:
    if not why.strip():
        raise QuarantineRefused("reason_missing")


def _decide(kept: QuarantinedHistory, state: str, actor: Any, why: str) -> bool:
    """Enter a decision unless another was quicker."""
    open_ones = QuarantinedHistory.objects.filter(pk=kept.pk, state=kept.state).exclude(state=State.ACCEPTED)
    decided = open_ones.update(state=state, decided_by=actor, decided_at=timezone.now(), why=why.strip()[:300])
    kept.state = state if decided else kept.state
    return bool(decided)


def close_overtaken(*, stored: Iterable[FundHistory]) -> int:
    """Reject what waits of funds whose days were now stored without a jump: the source has corrected itself. Returns how many."""
    spans = {history.fund_code: (date.fromordinal(int(history.dates[0])), date.fromordinal(int(history.dates[-1]))) for history in stored}
    waiting = QuarantinedHistory.objects.filter(state=State.WAITING, fund_code__in=spans)
    n_closed = 0
    for kept in waiting.only("pk", "fund_code", "reasons"):
        first, last = spans[kept.fund_code]
        if all(first.isoformat() <= reason["day"] <= last.isoformat() for reason in kept.reasons):
            n_closed += _overtake(kept)
    return n_closed
