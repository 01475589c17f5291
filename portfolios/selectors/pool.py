"""The pool and the decisions of people about it as pages show them: versions, members with their reasons, and what a decision touches."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, F, Max, Q, QuerySet
from django.utils import timezone

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.gates import BARRED
from portfolios.kernels.pool_rule import shortage
from portfolios.models import Fund, Holding, ModelWeight, Pool, PoolDecision, PoolFund, ScreenRow, ScreenRun
from portfolios.selectors.funds import class_name
from portfolios.selectors.screen_inputs import kernel_rules
from portfolios.selectors.screen_words import screen_rules, shortage_sentence, why
from portfolios.selectors.screens import FundVerdict, fund_verdict, kind_of

GRADES = (1, 2, 3, 4, 5)
MOST_FOUND = 12
POOL_COLUMNS = ("code", "name_zh", "name_en", "company", "category", "asset_class", "grade", "percentile", "rank_low", "rank_high", "why")


@dataclass(frozen=True, slots=True)
class MemberQuery:
    """Which members of a pool a person asks for; an unknown grade or class is as if it had not been asked."""

    text: str = ""
    asset_class: str = ""
    grade: int | None = None


@dataclass(frozen=True, slots=True)
class ClassRow:
    """Members of one asset class by grade, R1 to R5."""

    code: str
    name: str
    by_grade: list[int]

    @property
    def n_funds(self) -> int:
        return sum(self.by_grade)


@dataclass(frozen=True, slots=True)
class PoolSummary:
    """A version of the pool: members by class and grade, what it lacks to be published, and who was taken out by hand since its screen."""

    pool: Pool
    n_funds: int
    n_companies: int
    classes: list[ClassRow]
    by_grade: list[int]
    shortage: str
    taken_out: list[PoolDecision]


@dataclass(frozen=True, slots=True)
class Member:
    """A fund of the pool; `row` is that of the pool's screen, None for a pool that no screen made."""

    fund: Fund
    row: ScreenRow | None
    why: str
    class_name: str


@dataclass(frozen=True, slots=True)
class Touched:
    """A decision with what it would change."""

    decision: PoolDecision
    is_in_pool: bool
    n_models: int
    most_weight: float
    n_portfolios: int
    in_force: PoolDecision | None  # the approved decision that this one would replace
    shortage: str  # what the pool would lack without the fund
    has_expired: bool


@dataclass(frozen=True)
class _PoolFacts:
    """What `shortage` asks of the members of the current pool, by fund id."""

    grade: dict[int, int] = field(default_factory=dict)
    is_money: dict[int, bool] = field(default_factory=dict)
    company: dict[int, str] = field(default_factory=dict)

    def lacks(self, without: int | None = None) -> list[dict[str, Any]]:
        kept = [fund for fund in self.grade if fund != without]
        grades, money = [self.grade[fund] for fund in kept], [self.is_money[fund] for fund in kept]
        return shortage(grades, money, [self.company[fund] for fund in kept], kernel_rules(jurisdiction()))


def pools_shown() -> QuerySet[Pool]:
    """All versions with their screens and counts, the newest first; without the rules that the screens froze."""
    found = Pool.objects.select_related("screen_run", "decision__fund", "decision__asked_by", "decision__decided_by")
    return found.defer("screen_run__versions").annotate(n_funds=Count("members")).order_by("-pk")


def pool_summary(pool: Pool) -> PoolSummary:
    """Count a pool's members. Two queries."""
    members = list(Fund.objects.filter(pool_memberships__pool=pool).only("category", "asset_class", "risk_grade", "company", "is_index"))
    facts = _facts(members)
    counts = Counter((fund.asset_class, fund.risk_grade) for fund in members)
    rows = [ClassRow(code, class_name(code), [counts[code, grade] for grade in GRADES]) for code in jurisdiction().classes]
    lacks = facts.lacks()
    return PoolSummary(
        pool=pool,
        n_funds=len(members),
        n_companies=len({fund.company for fund in members} - {""}),
        classes=[row for row in rows if row.n_funds],
        by_grade=[sum(fund.risk_grade == grade for fund in members) for grade in GRADES],
        shortage=shortage_sentence(lacks) if lacks and members else "",
        taken_out=_taken_out(pool),
    )


def _facts(funds: Collection[Fund]) -> _PoolFacts:
    return _PoolFacts(
        {fund.pk: fund.risk_grade for fund in funds},
        {fund.pk: kind_of(fund) == "money" for fund in funds},
        {fund.pk: fund.company for fund in funds},
    )


def _taken_out(pool: Pool) -> list[PoolDecision]:
    """The decisions that took funds out between the pool's screen and this version, the latest first."""
    if pool.decision_id is None or pool.screen_run_id is None:
        return []
    in_screen = ScreenRow.objects.filter(run=pool.screen_run_id, is_in=True).values("fund")
    here = PoolFund.objects.filter(pool=pool).values("fund")
    approved = PoolDecision.objects.filter(kind=PoolDecision.Kind.EXCLUDE, decided_by__isnull=False, decided_at__lte=pool.made_at)
    found = approved.filter(state__in=(PoolDecision.State.APPROVED, PoolDecision.State.REPLACED), fund__in=in_screen).exclude(fund__in=here)
    latest = {row.fund_id: row for row in found.select_related("fund", "asked_by", "decided_by").order_by("decided_at", "pk")}
    return sorted(latest.values(), key=lambda row: -row.pk)


def find_members(pool: Pool, query: MemberQuery) -> QuerySet[PoolFund]:
    """The members of a pool that a person asks for, with their funds, by grade, class and code."""
    found = PoolFund.objects.filter(pool=pool).select_related("fund")
    if query.text:
        named = Q(fund__name_zh__icontains=query.text) | Q(fund__name_en__icontains=query.text) | Q(fund__company__icontains=query.text)
        found = found.filter(Q(fund__code__icontains=query.text) | named)
    if query.asset_class in jurisdiction().classes:
        found = found.filter(fund__asset_class=query.asset_class)
    if query.grade is not None:
        found = found.filter(fund__risk_grade=query.grade)
    return found.order_by("fund__risk_grade", "fund__asset_class", "fund__code")


def with_reasons(pool: Pool, members: Collection[PoolFund]) -> list[Member]:
    """Say of each member why it is in: by its row of the pool's screen, else what was written when it was put in. Two queries."""
    run = pool.screen_run
    rules = screen_rules(run) if run is not None else {}
    rows = {row.fund_id: row for row in ScreenRow.objects.filter(run=run, fund__in=[one.fund_id for one in members])} if run else {}
    told = []
    for one in members:
        row = rows.get(one.fund_id)
        told.append(Member(one.fund, row, why(row, rules) if row else one.reason, class_name(one.fund.asset_class)))
    return told


def pool_lines(pool: Pool) -> Iterator[list[Any]]:
    """Every member as the columns of POOL_COLUMNS, by grade, class and code."""
    for one in with_reasons(pool, list(find_members(pool, MemberQuery()))):
        fund, row = one.fund, one.row
        ranks = [row.percentile, row.rank_low, row.rank_high] if row else [None] * 3
        named = [fund.code, fund.name_zh, fund.name_en, fund.company, fund.category, fund.asset_class, f"R{fund.risk_grade}"]
        yield [*named, *ranks, one.why]


def decisions_in_force() -> QuerySet[PoolDecision]:
    """Approved decisions whose last day has not passed, a later one of the same fund after an earlier one."""
    approved = PoolDecision.objects.filter(state=PoolDecision.State.APPROVED, expires_date__gte=timezone.localdate())
    return approved.order_by("decided_at", "pk")


def excluded_now() -> dict[int, int]:
    """The funds that decisions in force exclude: decision id by fund id."""
    last = {row.fund_id: row for row in decisions_in_force()}
    return {fund: row.pk for fund, row in last.items() if row.kind == PoolDecision.Kind.EXCLUDE}


def barred_gates(fund: Fund) -> list[dict[str, Any]]:
    """The gates of the last screen that keep a fund from being bought at all, so that no decision can put it in."""
    row = _last_rows(fund).first()
    return [gate for gate in row.gates if gate["code"] in BARRED] if row else []


def last_verdict(fund: Fund) -> FundVerdict | None:
    """What the last published screen that has the fund says of it. One query."""
    row = _last_rows(fund).select_related("fund", "run").first()
    return fund_verdict(row, screen_rules(row.run)) if row else None


def _last_rows(fund: Fund) -> QuerySet[ScreenRow]:
    return ScreenRow.objects.filter(fund=fund, run__outcome=ScreenRun.Outcome.PUBLISHED).order_by("-run__data_date", "-run")


def decisions_shown(state: str = "") -> QuerySet[PoolDecision]:
    """Decisions in a state, or all; those that wait with the oldest first, others the latest first."""
    found = PoolDecision.objects.select_related("fund", "asked_by", "decided_by")
    if state == PoolDecision.State.WAITING:
        return found.filter(state=state).order_by("asked_at", "pk")
    return (found.filter(state=state) if state in PoolDecision.State.values else found).order_by("-asked_at", "-pk")


def with_touched(decisions: Collection[PoolDecision]) -> list[Touched]:
    """Say of each decision what it would change. Four queries, however many they are."""
    ids = {one.fund_id for one in decisions}
    members = Fund.objects.filter(pool_memberships__pool__is_current=True)
    facts = _facts(list(members.only("category", "asset_class", "risk_grade", "company", "is_index")))
    now_lacks = facts.lacks()
    weights = ModelWeight.objects.filter(portfolio__model_set__is_current=True, fund__in=ids, weight__gt=0)
    models = {row["fund"]: row for row in weights.values("fund").annotate(n=Count("pk"), most=Max("weight"))}
    holdings = Holding.objects.filter(fund__in=ids, units_centi__gt=0).values("fund").annotate(n=Count("pk"))
    held: dict[int, int] = dict(holdings.values_list("fund", "n"))
    in_force = {row.fund_id: row for row in decisions_in_force().filter(fund__in=ids)}
    today = timezone.localdate()
    told = []
    for one in decisions:
        fund, model, replaced = one.fund_id, models.get(one.fund_id), in_force.get(one.fund_id)
        lacks = facts.lacks(fund) if fund in facts.grade and one.kind == PoolDecision.Kind.EXCLUDE else []
        told.append(
            Touched(
                decision=one,
                is_in_pool=fund in facts.grade,
                n_models=model["n"] if model else 0,
                most_weight=model["most"] if model else 0.0,
                n_portfolios=held.get(fund, 0),
                in_force=replaced if replaced is not None and replaced.pk != one.pk else None,
                shortage=shortage_sentence(lacks) if lacks and lacks != now_lacks else "",
                has_expired=one.expires_date < today,
            )
        )
    return told


def is_in_pool(fund: Fund) -> bool:
    return PoolFund.objects.filter(pool__is_current=True, fund=fund).exists()


def funds_like(text: str) -> list[Fund]:
    """Funds by code, else by part of the code or name: the exact code alone, else the first dozen."""
    text = text.replace("\x00", "").strip()[:80]  # PostgreSQL takes no NUL
    if not text:
        return []
    if exact := Fund.objects.filter(code__iexact=text).first():
        return [exact]
    named = Q(name_zh__icontains=text) | Q(name_en__icontains=text)
    return list(Fund.objects.filter(Q(code__icontains=text) | named).order_by(F("ended_on").asc(nulls_first=True), "code")[:MOST_FOUND])
