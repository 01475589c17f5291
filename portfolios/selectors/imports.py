"""Imports and quarantined histories as the pages show them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from django.db.models import Count, QuerySet

from config.jobs import Job
from portfolios.jurisdictions import Category, jurisdiction
from portfolios.kernels.types import FloatArray, FundHistory, IntArray
from portfolios.models import Fund, ImportIssue, ImportRun, QuarantinedHistory
from portfolios.selectors.history import load_history
from portfolios.selectors.sentences import note_sentence, row_reason

NEIGHBOURS = 4  # days shown on each side of a jump
_MICRO = 1e6
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # of full width too


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """A reason for which rows were not stored, and of how many entries it is the reason."""

    sentence: str
    n_entries: int


@dataclass(frozen=True, slots=True)
class IssueShown:
    """A row that was not stored, or a fund; `detail` is how many rows of the fund, with what else there is to say."""

    fund_code: str
    line: int
    sentence: str
    detail: str


@dataclass(frozen=True, slots=True)
class DayBesideJump:
    """A day near a jump: its NAV, and the total return since the day before it where there is one."""

    day: date
    nav: float
    step: float | None
    is_jump: bool
    is_new: bool


@dataclass(frozen=True, slots=True)
class JumpShown:
    """A jump with its figures and the days around it."""

    day: date
    from_day: date
    from_nav: float
    to_nav: float
    step: float
    limit: float
    days: list[DayBesideJump]


@dataclass(frozen=True, slots=True)
class QuarantinePage:
    """A history that waits: its jumps, and its NAVs with those stored before it, for the chart."""

    jumps: list[JumpShown]
    dates: IntArray
    nav: FloatArray
    category: Category | None


def imports_shown() -> QuerySet[ImportRun]:
    """Imports, the newest first, with who asked for them."""
    return ImportRun.objects.select_related("requested_by").defer("notes", "request").order_by("-pk")


def is_import_at_work(run: ImportRun) -> bool:
    return run.status in (Job.Status.QUEUED, Job.Status.RUNNING)


def n_waiting() -> int:
    """How many histories wait for a decision."""
    return QuarantinedHistory.objects.filter(state=QuarantinedHistory.State.WAITING).count()


def reason_counts(run: ImportRun) -> list[ReasonCount]:
    """Why rows were not stored, the most frequent first."""
    found = run.issues.values_list("code").annotate(n=Count("pk")).order_by("-n", "code")
    return [ReasonCount(row_reason(code), n) for code, n in found]


def issues_shown(run: ImportRun) -> QuerySet[ImportIssue]:
    """The rows that were not stored, by line; what concerns a whole fund stands first."""
    return run.issues.order_by("line", "pk")


def with_sentences(issues: Iterable[ImportIssue]) -> list[IssueShown]:
    """Issues with their reasons as sentences."""
    return [IssueShown(issue.fund_code, issue.line, row_reason(issue.code), issue.detail) for issue in issues]


def notes_shown(run: ImportRun) -> list[str]:
    """What was assumed or noticed of funds, as sentences."""
    return [note_sentence(str(fund), str(note)) for fund, note in run.notes]


def issue_lines(run: ImportRun) -> Iterator[list[str]]:
    """The error report row by row, header first. A cell that a spreadsheet would take for a formula is quoted."""
    yield ["line", "fund", "code", "reason", "detail"]
    for issue in issues_shown(run).iterator(chunk_size=2_000):
        cells = [str(issue.line or ""), issue.fund_code, issue.code, row_reason(issue.code), issue.detail]
        yield [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells]


def quarantined_shown(state: str) -> QuerySet[QuarantinedHistory]:
    """Histories in a state (any for ""), those that wait first, then the newest, without their arrays."""
    rows = QuarantinedHistory.objects.select_related("fund", "run", "decided_by").defer(
        "days", "nav_micro", "total_return", "distribution_micro", "facts", "run__notes", "run__request"
    )
    return (rows.filter(state=state) if state else rows).order_by("-pk")


def quarantine_page(kept: QuarantinedHistory) -> QuarantinePage:
    """A quarantined history beside what is stored of its fund; two queries."""
    new = _history(kept)
    stored = load_history([kept.fund_id], kept.first_date.replace(day=1)) if kept.fund_id else {}
    whole, is_new = _laid_over(stored.get(kept.fund_id or 0), new)
    shown = [_jump_shown(reason, whole, is_new) for reason in kept.reasons]
    fund = kept.fund or Fund(category=str(kept.facts.get("category", "")))
    return QuarantinePage(shown, whole.dates, whole.nav_micro / _MICRO, jurisdiction().categories.get(fund.category))


def _history(kept: QuarantinedHistory) -> FundHistory:
    days = np.frombuffer(kept.days, "<i4").astype(np.int64)
    return FundHistory(kept.fund_code, days, np.frombuffer(kept.nav_micro, "<i8"), np.frombuffer(kept.total_return, "<f8"))


def _laid_over(old: FundHistory | None, new: FundHistory) -> tuple[FundHistory, "np.ndarray"]:
    """NAVs as they would be, and which days are new; the total return is left to the steps of the quarantined history."""
    if old is None:
        return new, np.ones(len(new.dates), bool)
    kept = ~np.isin(old.dates, new.dates)
    dates = np.concatenate([old.dates[kept], new.dates])
    order = dates.argsort()
    nav = np.concatenate([old.nav_micro[kept], new.nav_micro])[order]
    index = np.concatenate([np.full(int(kept.sum()), np.nan), new.total_return])[order]
    return FundHistory(new.fund_code, dates[order], nav, index), np.isfinite(index)


def _jump_shown(reason: dict[str, Any], whole: FundHistory, is_new: "np.ndarray") -> JumpShown:
    day = date.fromisoformat(reason["day"])
    at = int(np.searchsorted(whole.dates, day.toordinal()))
    days = []
    for i in range(max(0, at - NEIGHBOURS), min(len(whole.dates), at + NEIGHBOURS)):
        before = whole.total_return[i - 1] if i else np.nan
        step = reason["step"] if i == at else float(whole.total_return[i] / before - 1)
        nav = float(whole.nav_micro[i] / _MICRO)
        shown = step if np.isfinite(step) else None
        days.append(DayBesideJump(date.fromordinal(int(whole.dates[i])), nav, shown, i == at, bool(is_new[i])))
    return JumpShown(
        day, date.fromisoformat(reason["from_day"]), reason["from_nav"], reason["to_nav"], reason["step"], reason["limit"], days
    )
