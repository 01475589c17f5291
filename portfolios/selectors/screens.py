"""Screens as pages show them: a run with its counts, its rows, one fund's row in words, and what changed between two runs."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from portfolios.jurisdictions import jurisdiction
from portfolios.models import Fund, Pool, PoolDecision, ScreenRow, ScreenRun
from portfolios.selectors.screen_words import (
    gate_name,
    gate_words,
    group_name,
    note_words,
    screen_rules,
    shortage_sentence,
    sub_score_name,
    verdict_name,
    why,
)

ROW_SORTS = {
    "rank": (F("percentile").desc(nulls_last=True), "fund__code"),
    "code": ("fund__code",),
    "grade": ("risk_grade", F("percentile").desc(nulls_last=True), "fund__code"),
    "company": ("fund__company", F("percentile").desc(nulls_last=True), "fund__code"),
}
EXPORT_COLUMNS = (
    "code", "name_zh", "name_en", "company", "category", "grade", "peer_group", "n_peers", "months", "in", "verdict", "percentile",
    "rank_low", "rank_high", "score", "shrunk", "quarters_below", "passes_4433", "gates", "why",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RowQuery:
    """What a person asks a screen's rows for; what is not known is as if it had not been asked. `which` is in, out, gated or ""."""

    text: str = ""
    which: str = ""
    verdict: str = ""
    category: str = ""
    grade: int | None = None
    sort: str = "rank"


@dataclass(frozen=True, slots=True)
class GroupCount:
    """Of a category or a grade: funds that were screened, that passed the gates, and that are in."""

    code: str
    name: str
    n_funds: int
    n_passed: int
    n_in: int

    @property
    def share_in(self) -> float | None:
        return self.n_in / self.n_passed if self.n_passed else None


@dataclass(frozen=True, slots=True)
class ScreenSummary:
    """A run as its page begins: its counts by verdict, gate, category and grade; `shortage` is a sentence, empty if published."""

    run: ScreenRun
    is_current: bool
    share_in: float | None
    verdicts: list[tuple[str, str, int]]  # code, name, funds
    gates: list[tuple[str, str, int]]  # code, name, funds that fail it; one fund may fail several
    categories: list[GroupCount]
    grades: list[GroupCount]
    n_4433: int
    n_4433_in: int
    shortage: str


@dataclass(frozen=True, slots=True)
class SubScore:
    code: str
    name: str
    weight: float
    value: float | None  # a percentile among peers, 1 the best; None: left out


@dataclass(frozen=True, slots=True)
class FundVerdict:
    """One fund's row of a screen in words."""

    row: ScreenRow
    verdict: str
    why: str
    peer_group: str
    gates: list[str]
    sub_scores: list[SubScore]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Change:
    """A fund that one run has in and the other has not, with both rows; None where the run has no row of it."""

    fund: Fund
    before: ScreenRow | None
    after: ScreenRow | None
    why: str


@dataclass(frozen=True, slots=True)
class RunDifference:
    """What changed from one run to a later one."""

    before: ScreenRun
    after: ScreenRun
    entered: list[Change]
    left: list[Change]
    n_stayed: int


def screen_runs() -> QuerySet[ScreenRun]:
    """All runs, the latest data date first, without their frozen rules."""
    return ScreenRun.objects.select_related("requested_by").defer("versions").order_by("-data_date", "-pk")


def latest_screen() -> ScreenRun | None:
    """The published run behind the current pool, else the last one published."""
    published = ScreenRun.objects.filter(outcome=ScreenRun.Outcome.PUBLISHED)
    return published.filter(pool__is_current=True).first() or published.order_by("data_date", "pk").last()


def screen_summary(run: ScreenRun) -> ScreenSummary:
    """Count a run's rows. Four queries."""
    rows = ScreenRow.objects.filter(run=run)
    by_verdict = Counter(dict(rows.values_list("verdict").annotate(n=Count("pk"))))
    gates: Counter[str] = Counter()
    n_passed: Counter[tuple[str, int]] = Counter()
    n_all: Counter[tuple[str, int]] = Counter()
    n_in: Counter[tuple[str, int]] = Counter()
    n_4433 = n_4433_in = 0
    for category, grade, failed, is_in, keeps in rows.values_list(
        "fund__category", "risk_grade", "gates", "is_in", "passes_4433"
    ).iterator():
        gates.update(gate["code"] for gate in failed)
        n_all[category, grade] += 1
        n_passed[category, grade] += not failed
        n_in[category, grade] += is_in
        n_4433 += bool(keeps)
        n_4433_in += bool(keeps) and is_in
    return ScreenSummary(
        run=run,
        is_current=Pool.objects.filter(screen_run=run, is_current=True).exists(),
        share_in=run.n_in / run.n_gated if run.n_gated else None,
        verdicts=[(code, verdict_name(code), n) for code, n in by_verdict.most_common()],
        gates=[(code, gate_name(code), n) for code, n in gates.most_common()],
        categories=[
            _group(code, one.name, 0, (n_all, n_passed, n_in))
            for code, one in jurisdiction().categories.items()
            if any(category == code for category, _ in n_all)
        ],
        grades=[_group(str(grade), f"R{grade}", 1, (n_all, n_passed, n_in)) for grade in range(1, 6)],
        n_4433=n_4433,
        n_4433_in=n_4433_in,
        shortage=shortage_sentence(run.shortage) if run.shortage else "",
    )


def _group(code: str, name: str, place: int, counts: tuple[Counter[tuple[str, int]], ...]) -> GroupCount:
    return GroupCount(code, name, *(sum(n for key, n in counter.items() if str(key[place]) == code) for counter in counts))


def find_rows(run: ScreenRun, query: RowQuery) -> QuerySet[ScreenRow]:
    """The rows of a run that a person asks for, with their funds."""
    rows = ScreenRow.objects.filter(run=run).select_related("fund")
    if query.text:
        rows = rows.filter(
            Q(fund__code__icontains=query.text)
            | Q(fund__name_zh__icontains=query.text)
            | Q(fund__name_en__icontains=query.text)
            | Q(fund__company__icontains=query.text)
        )
    if query.which in ("in", "out"):
        rows = rows.filter(is_in=query.which == "in")
    if query.which == "gated":
        rows = rows.exclude(gates=[])
    if query.verdict:
        rows = rows.filter(verdict=query.verdict)
    if query.category in jurisdiction().categories:
        rows = rows.filter(fund__category=query.category)
    if query.grade is not None:
        rows = rows.filter(risk_grade=query.grade)
    return rows.order_by(*ROW_SORTS.get(query.sort, ROW_SORTS["rank"]))


def kind_of(fund: Fund) -> str:
    """By which sub-scores a fund is judged: active, index or money."""
    category = jurisdiction().categories.get(fund.category)
    kind = category.screen if category else "active"
    return "index" if fund.is_index and kind == "active" else kind


def fund_verdict(row: ScreenRow, rules: dict[str, Any]) -> FundVerdict:
    """Put a row in words; `rules` are `screen_rules(run)`, read once a page. No query where the row came with its fund."""
    kind = kind_of(row.fund)
    weights = rules["weights"][kind]
    return FundVerdict(
        row=row,
        verdict=verdict_name(row.verdict),
        why=why(row, rules),
        peer_group=group_name(row.peer_group, is_class=any(note["code"] == "ranked_in_class" for note in row.notes)),
        gates=[gate_words(gate) for gate in row.gates],
        sub_scores=[SubScore(name, sub_score_name(name, kind), weight, row.sub_scores.get(name)) for name, weight in weights.items()],
        notes=[note_words(note, kind) for note in row.notes],
    )


def verdict_of_fund(fund: Fund, run: ScreenRun | None = None) -> FundVerdict | None:
    """What a run, else that of the current pool, says of a fund; None where it has no row of it. At most three queries."""
    run = run or latest_screen()
    row = ScreenRow.objects.filter(run=run, fund=fund).select_related("fund").first() if run else None
    return fund_verdict(row, screen_rules(run)) if run and row else None


def compare_runs(before: ScreenRun, after: ScreenRun) -> RunDifference:
    """Which funds entered and left from one run to another, with the later one's reason, by code. Five queries."""
    had, has = (set(ScreenRow.objects.filter(run=run, is_in=True).values_list("fund_id", flat=True)) for run in (before, after))
    changed = had ^ has
    rows = [{row.fund_id: row for row in ScreenRow.objects.filter(run=run, fund__in=changed)} for run in (before, after)]
    rules = screen_rules(after)
    entered: list[Change] = []
    left: list[Change] = []
    for fund in Fund.objects.filter(pk__in=changed).order_by("code"):
        was, now = (found.get(fund.pk) for found in rows)
        (entered if fund.pk in has else left).append(Change(fund, was, now, why(now, rules) if now else ""))
    return RunDifference(before, after, entered, left, len(had & has))


def export_rows(run: ScreenRun) -> Iterator[list[Any]]:
    """Every row of a run as the columns of EXPORT_COLUMNS, by code, read in blocks."""
    rules = screen_rules(run)
    for row in ScreenRow.objects.filter(run=run).select_related("fund").order_by("fund__code").iterator(chunk_size=1000):
        fund = row.fund
        yield [
            fund.code, fund.name_zh, fund.name_en, fund.company, fund.category, f"R{row.risk_grade}", row.peer_group, row.n_peers,
            row.months, int(row.is_in), row.verdict, row.percentile, row.rank_low, row.rank_high, row.score, row.shrunk,
            row.quarters_below, "" if row.passes_4433 is None else int(row.passes_4433),
            " ".join(gate["code"] for gate in row.gates), why(row, rules),
        ]  # fmt: skip


def pool_decisions() -> QuerySet[PoolDecision]:
    """Decisions about the pool, those that wait first, then the latest."""
    waits_first = Q(state=PoolDecision.State.WAITING)
    found = PoolDecision.objects.select_related("fund", "asked_by", "decided_by").annotate(waits=waits_first)
    return found.order_by("-waits", "-asked_at", "-pk")
