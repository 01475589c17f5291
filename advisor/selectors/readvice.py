"""The nightly review as its pages show it: how far it is, what it found, and whose goals want somebody."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, F, IntegerField, Q, QuerySet, Value, When
from django.utils.translation import gettext_lazy as _

from advisor.models import Readvice, ReadviceRun
from advisor.selectors.book import clients_of
from config.jobs import Job
from portfolios.models import Pool
from portfolios.selectors.sentences import error_sentence

ROWS_A_PAGE = 25
# What wants somebody, the most pressing first; the code is also the page's filter.
ATTENTION: dict[str, Any] = {
    "too_risky": _("bad year above the limit"),
    "breach": _("holds a fund above its level"),
    "impossible": _("no suitable portfolio"),
    "unknown": _("risk not known"),
    "no_level": _("no level in force"),
    "adjust": _("worth an adjustment"),
}


@dataclass(frozen=True)
class Progress:
    """A run's blocks together."""

    n_done: int
    n_failed: int
    counts: dict[str, int]
    seconds: dict[str, float]
    is_ended: bool


@dataclass(frozen=True)
class FilterCount:
    code: str
    label: Any
    n: int


@dataclass(frozen=True)
class ReviewPage:
    """The run in progress or else the current one, and of the current one the user's own clients' goals."""

    run: ReadviceRun | None
    progress: Progress | None
    current: ReadviceRun | None
    pool: str
    filters: list[FilterCount]
    n_in_need: int
    n_reviewed: int
    rows: list["ReviewRow"]
    page: Page[Any]


@dataclass(frozen=True)
class ReviewRow:
    review: Readvice
    client_pk: int
    client: str
    goal: str
    level: str
    reasons: list[Any]
    is_for_gain: bool


def progress_of(run: ReadviceRun) -> Progress:
    counts: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    n_done = n_failed = 0
    for done, status, found, spent in run.blocks.values_list("n_done", "status", "counts", "seconds"):
        n_done += done
        n_failed += status == Job.Status.FAILED
        counts.update(found)
        seconds.update(spent)
    return Progress(n_done, n_failed, dict(counts), dict(seconds), run.finished_at is not None)


def runs_of(user: Any) -> QuerySet[ReadviceRun]:
    return ReadviceRun.objects.visible_to(user)


def reviews_of(user: Any) -> QuerySet[Readvice]:
    """The current run's results for goals of the user's clients."""
    mine = Readvice.objects.visible_to(user).filter(goal__account__investor__in=clients_of(user).values("pk"))
    return mine.filter(run__is_current=True)


def review_page(user: Any, reason: str, page: int) -> ReviewPage:
    """Return one page of the goals that want somebody; the number of queries does not grow with the clients."""
    current = runs_of(user).filter(is_current=True).first()
    run = runs_of(user).filter(finished_at=None).first() or current
    mine = reviews_of(user)
    wanted = {code: Count("pk", filter=_wants(code)) for code in ATTENTION}
    counts = mine.aggregate(n=Count("pk"), in_need=Count("pk", filter=_any()), **wanted)
    rows = mine.filter(_wants(reason) if reason else _any())
    places = [When(_wants(code), then=Value(place)) for place, code in enumerate(ATTENTION)]
    rows = rows.annotate(need=Case(*places, default=Value(len(ATTENTION)), output_field=IntegerField()))
    rows = rows.select_related("goal__account__investor__user").order_by("need", F("gain").desc(nulls_last=True), "pk")
    paginator = Paginator(rows, ROWS_A_PAGE)
    paginator.count = counts[reason or "in_need"]  # type: ignore[misc]
    shown = paginator.get_page(page)
    return ReviewPage(
        run=run,
        progress=progress_of(run) if run else None,
        current=current,
        pool=_pool_name(current),
        filters=[FilterCount(code, label, counts[code]) for code, label in ATTENTION.items()],
        n_in_need=counts["in_need"],
        n_reviewed=counts["n"],
        rows=[_row(review) for review in shown.object_list],
        page=shown,
    )


def _wants(code: str) -> Q:
    return Q(is_breach=True) if code == "breach" else Q(action=code)


def _any() -> Q:
    found = Q()
    for code in ATTENTION:
        found |= _wants(code)
    return found


def _pool_name(run: ReadviceRun | None) -> str:
    return str(Pool.objects.filter(pk=run.pool_id).values_list("name", flat=True).first() or "") if run else ""


def _row(review: Readvice) -> ReviewRow:
    investor = review.goal.account.investor
    return ReviewRow(
        review=review,
        client_pk=investor.pk,
        client=str(investor.user),
        goal=review.goal.name,
        level=review.get_level_display() if review.level is not None else "",
        reasons=reasons_of(review),
        is_for_gain=is_for_gain(review),
    )


def reasons_of(review: Readvice) -> list[Any]:
    """Why a result wants somebody, in words; none where it may stay as it is."""
    codes = [review.action, *(["breach"] if review.is_breach else [])]
    return [label for code, label in ATTENTION.items() if code in codes]


def is_for_gain(review: Readvice) -> bool:
    """Whether nothing is wrong and a change would still be worth its costs."""
    return review.action == Readvice.Action.ADJUST and not review.is_breach


def problem_in_words(review: Readvice) -> str:
    """Why no portfolio suits; nothing where one does."""
    return error_sentence(review.error["code"], review.error["params"]) if review.error else ""


def client_reviews(investor_pk: int) -> dict[int, Readvice]:
    """The current run's results by goal, for a client whom the caller has found among those visible."""
    rows = Readvice.objects.filter(goal__account__investor=investor_pk, run__is_current=True).select_related("run")
    return {row.goal_id: row for row in rows}
