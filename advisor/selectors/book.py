"""An advisor's book: which clients need me and why, in a number of queries that does not grow with the book."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    Exists,
    F,
    FloatField,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models import Goal, Investor, Level, Override, Task
from portfolios import selectors as portfolio_selectors
from portfolios.models import Holding

CLIENTS_A_PAGE = 25
LEVEL_EXPIRES_WITHIN = timedelta(days=30)
OVERRIDE_EXPIRES_WITHIN = timedelta(days=14)
NOT_SEEN_FOR = timedelta(days=60)
IDLE_CASH_MINOR = 100_000  # a thousand yuan: less than that is left over from rounding, not forgotten

# Why a client needs somebody, the most pressing first; the code is also the page's filter.
REASONS = {
    "level_expired": _("risk level has expired"),
    "no_level": _("no risk level yet"),
    "task": _("something to do"),
    "level_expiring": _("risk level expires soon"),
    "override_expiring": _("override ends soon"),
    "idle_cash": _("cash lies idle"),
    "not_seen": _("not seen for 60 days"),
}
SORTS = {
    "need": _("most pressing first"),
    "name": _("name"),
    "value": _("largest value first"),
    "expiry": _("level expiring first"),
    "seen": _("longest not seen first"),
}


@dataclass(frozen=True)
class BookQuery:
    """What the page was asked for; every part optional."""

    text: str = ""
    reason: str = ""
    sort: str = "need"
    page: int = 1


@dataclass(frozen=True)
class ClientRow:
    pk: int
    name: str
    household: str
    advisor: str
    reasons: list[Any]
    level: str | None
    level_valid_until: date | None
    is_level_valid: bool
    goals: list[str]
    value_minor: int
    cash_minor: int
    last_seen_at: datetime | None


@dataclass(frozen=True)
class ReasonCount:
    code: str
    label: Any
    n: int


@dataclass(frozen=True)
class Book:
    query: BookQuery
    rows: list[ClientRow]
    page: Page[Any]
    reasons: list[ReasonCount]
    n_clients: int
    n_in_need: int


def clients_of(user: Any) -> QuerySet[Investor]:
    """Whom an advisor or supervisor looks after: what they may see, without themselves."""
    return Investor.objects.visible_to(user).exclude(user=user)


def book(user: Any, query: BookQuery) -> Book:
    """Return one page of the user's clients with the reasons why each needs somebody."""
    found = with_reasons(matching(clients_of(user).filter(erased_at=None), query.text))
    needs = {code: Count("pk", filter=Q(**{f"is_{code}": True})) for code in REASONS}
    counts = found.aggregate(n_clients=Count("pk"), n_in_need=Count("pk", filter=Q(need__lt=len(REASONS))), **needs)
    wanted = found.filter(**{f"is_{query.reason}": True}) if query.reason else found
    paginator = Paginator(in_order(wanted, query.sort).select_related("user", "household__primary_advisor"), CLIENTS_A_PAGE)
    # Known already; asking again would be one more pass over the book.
    paginator.count = counts[query.reason] if query.reason else counts["n_clients"]  # type: ignore[misc]
    page = paginator.get_page(query.page)
    return Book(
        query=query,
        rows=client_rows(list(page.object_list)),
        page=page,
        reasons=[ReasonCount(code, label, counts[code]) for code, label in REASONS.items()],
        n_clients=counts["n_clients"],
        n_in_need=counts["n_in_need"],
    )


def matching(clients: QuerySet[Investor], text: str) -> QuerySet[Investor]:
    """Narrow the clients to those whose name, e-mail address or telephone number holds the text."""
    text = text.strip()
    if not text:
        return clients
    found = Q(user__name__icontains=text) | Q(user__email__icontains=text) | Q(household__name__icontains=text)
    digits = "".join(character for character in text if character.isdigit())
    if len(digits) >= 3 and not any(character.isalpha() for character in text):
        found |= Q(user__phone__contains=digits)
    return clients.filter(found)


def with_reasons(clients: QuerySet[Investor]) -> QuerySet[Investor]:
    """Annotate is_<reason> for each reason, and `need`: the place of the most pressing one."""
    today, now = timezone.localdate(), timezone.now()
    soon = today + OVERRIDE_EXPIRES_WITHIN
    cash = Goal.objects.filter(account__investor=OuterRef("pk")).values("account__investor").annotate(sum=Sum("portfolio__cash_minor"))
    ending = Override.objects.filter(goal__account__investor=OuterRef("pk"), state=Override.State.ACTIVE, expires_on__lte=soon)
    has_level = Q(level__isnull=False, level_valid_until__isnull=False)
    conditions = {
        "level_expired": has_level & Q(level_valid_until__lt=today),
        "no_level": ~has_level,
        "task": Q(Exists(Task.objects.filter(investor=OuterRef("pk"), state=Task.State.OPEN))),
        "level_expiring": has_level & Q(level_valid_until__range=(today, today + LEVEL_EXPIRES_WITHIN)),
        "override_expiring": Q(Exists(ending)),
        "idle_cash": Q(idle_minor__gte=IDLE_CASH_MINOR),
        "not_seen": Q(seen_at__lt=now - NOT_SEEN_FOR),
    }
    clients = clients.annotate(
        idle_minor=Coalesce(Subquery(cash.values("sum"), output_field=BigIntegerField()), 0), seen_at=Coalesce("last_seen_at", "joined_at")
    )
    clients = clients.annotate(**{f"is_{code}": Case(When(conditions[code], then=True), default=False) for code in REASONS})
    places = [When(**{f"is_{code}": True}, then=Value(place)) for place, code in enumerate(REASONS)]
    return clients.annotate(need=Case(*places, default=Value(len(REASONS)), output_field=IntegerField()))


def in_order(clients: QuerySet[Investor], sort: str) -> QuerySet[Investor]:
    if sort == "value":
        # For the order only, so a float will do: a product of integers could pass what PostgreSQL holds in 64 bits.
        worth = Cast("units_centi", FloatField()) * Cast("fund__last_nav_micro", FloatField()) / 1e6
        held = Holding.objects.filter(portfolio__goal__account__investor=OuterRef("pk")).values("portfolio__goal__account__investor")
        total = Coalesce(Subquery(held.annotate(sum=Sum(worth)).values("sum")), 0.0) + Cast("idle_minor", FloatField())
        return clients.annotate(value_order=total).order_by("-value_order", "pk")
    orders: dict[str, tuple[Any, ...]] = {
        "need": ("need", "level_valid_until", "user__name", "pk"),
        "name": ("user__name", "pk"),
        "expiry": (F("level_valid_until").asc(nulls_last=True), "pk"),
        "seen": ("seen_at", "pk"),
    }
    return clients.order_by(*orders[sort])


def client_rows(investors: list[Any]) -> list[ClientRow]:
    """Freeze one page of annotated investors, with their goals and values from two more selectors."""
    goals = defaultdict(list)
    for goal in Goal.objects.filter(account__investor__in=[investor.pk for investor in investors]).select_related("account"):
        goals[goal.account.investor_id].append(goal)
    portfolios = [goal.portfolio_id for owned in goals.values() for goal in owned if goal.portfolio_id]
    totals = portfolio_selectors.portfolio_totals(portfolios) if portfolios else {}
    return [
        ClientRow(
            pk=investor.pk,
            name=str(investor.user),
            household=investor.household.name,
            advisor=str(investor.household.primary_advisor or ""),
            reasons=[label for code, label in REASONS.items() if getattr(investor, f"is_{code}")],
            level=Level(investor.level).label if investor.level is not None else None,
            level_valid_until=investor.level_valid_until,
            is_level_valid=investor.has_valid_level(),
            goals=[goal.name for goal in goals[investor.pk]],
            value_minor=sum(totals[goal.portfolio_id].total_minor for goal in goals[investor.pk] if goal.portfolio_id in totals),
            cash_minor=investor.idle_minor,
            last_seen_at=investor.last_seen_at,
        )
        for investor in investors
    ]
