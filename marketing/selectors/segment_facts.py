"""Keys of the investors of whom a fact of another table is true, as unevaluated queries: the parts of a segment's one statement.

Each is a list of keys without repeats and never null, so that both databases hash it once, whether it stands alone or
below a "not": PostgreSQL would else find five million rows too many to hash, and read them again for everybody.
"""

import json
from datetime import datetime, time, timedelta
from typing import Any

from django.db import connection
from django.db.models import CharField, Count, F, Func, JSONField, Max, Q, QuerySet, Value
from django.db.models.fields.json import KeyTransform
from django.db.models.lookups import Exact, In
from django.utils import timezone

from advisor.models import Goal
from marketing.kernels.conditions import DECISIONS, DidEvent, FactCondition, FundTraits, Holds, LastEvent, Ordered
from marketing.kernels.conditions import Messaged as MessageCondition
from marketing.models import Delivery, Event
from portfolios.models import Holding, Order

EARLIEST_ARRIVAL = timedelta(days=1)  # an event's time may lie so far behind its arrival: clocks differ
OWNER = "portfolio__goal__account__investor_id"
MOMENT_OF_MESSAGE = {"sent": "ended_at", "failed": "ended_at", "opened": "opened_at", "clicked": "clicked_at"}


def since(within_days: int, now: datetime) -> datetime:
    """The first moment of a window of whole days that ends today: of one day, today's midnight."""
    first = timezone.localdate(now) - timedelta(days=within_days - 1)
    return timezone.make_aware(datetime.combine(first, time.min))


def who(one: FactCondition, now: datetime) -> QuerySet[Any]:
    """Keys of the investors whom the condition describes, before its "did" or "is" turns it around."""
    if isinstance(one, DidEvent):
        return _did(one, now)
    if isinstance(one, LastEvent):
        return _did_long_ago(one, now)
    if isinstance(one, Ordered):
        return _ordered(one, now)
    if isinstance(one, Holds):
        return _held(one)
    return _messaged(one, now)


def _did(one: DidEvent, now: datetime) -> QuerySet[Any]:
    found = Event.objects.filter(name=one.event, investor__isnull=False, occurred_at__lte=now)
    if one.within_days is not None:
        start = since(one.within_days, now)
        # It cannot have come in much before it happened: on PostgreSQL the months before are not even opened.
        found = found.filter(occurred_at__gte=start, received_at__gte=start - EARLIEST_ARRIVAL)
    if one.channel is not None:
        found = found.filter(channel=one.channel)
    for name, value in (one.where or {}).items():
        found = found.filter(has_property(name, value))
    return _at_least(found, "investor_id", one.at_least)


def _did_long_ago(one: LastEvent, now: datetime) -> QuerySet[Any]:
    found = Event.objects.filter(name=one.event, investor__isnull=False, occurred_at__lte=now).order_by()
    lasts = found.values("investor_id").annotate(last=Max("occurred_at"))
    return lasts.filter(last__lt=since(one.last_before_days, now)).values("investor_id")


def has_property(name: str, value: Any) -> Q:
    """The property is exactly this value. SQLite takes "true" for true and a list for its text, so its type is asked as well."""
    if connection.vendor != "sqlite":  # a plain text would be sent as it stands and read as JSON
        return Q(Exact(KeyTransform(name, "properties"), Value(value, JSONField())))
    types = ["text"] if isinstance(value, str) else [str(value).lower()] if isinstance(value, bool) else ["integer", "real"]
    path = Value(f"$.{json.dumps(name)}")
    typed = Q(In(Func(F("properties"), path, function="JSON_TYPE", output_field=CharField()), types))
    # Of true and false SQLite's type is the value; compared as values they would be 1 and 0 against "true" and "false".
    return typed if isinstance(value, bool) else Q(Exact(KeyTransform(name, "properties"), value)) & typed


def _ordered(one: Ordered, now: datetime) -> QuerySet[Any]:
    found = Order.objects.filter(origin__in=one.origin or DECISIONS, placed_at__lte=now)
    found = found.exclude(state=Order.State.REJECTED)
    if one.order != "any":
        found = found.filter(side=one.order)
    if one.within_days is not None:
        found = found.filter(placed_at__gte=since(one.within_days, now))
    found = found.filter(_of_funds(one))
    return _owners(found) if one.at_least == 1 else _at_least(found.filter(portfolio__goal__isnull=False), OWNER, one.at_least)


def _held(one: Holds) -> QuerySet[Any]:
    if one.ever:
        rows: QuerySet[Any] = Order.objects.filter(side=Order.Side.BUY, state=Order.State.CONFIRMED)
    else:
        rows = Holding.objects.filter(units_centi__gt=0)
    return _owners(rows.filter(_of_funds(one.holding)))


def _owners(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Keys of the investors to whose goals these rows belong, without a detour through the portfolios themselves."""
    goals = Goal.objects.filter(portfolio_id__in=rows.order_by().values("portfolio_id"))
    return _at_least(goals, "account__investor_id", 1)


def _of_funds(which: FundTraits) -> Q:
    names = {"fund": "fund__code", "grade_at_least": "fund__risk_grade__gte"}
    return Q(**{names.get(trait, f"fund__{trait}"): value for trait, value in which.traits.items()})


def _messaged(one: MessageCondition, now: datetime) -> QuerySet[Any]:
    moment = MOMENT_OF_MESSAGE[one.message]
    found = Delivery.objects.filter(**{f"{moment}__lte": now})
    if one.message in {"sent", "failed"}:
        found = found.filter(status=one.message)
    if one.within_days is not None:
        found = found.filter(**{f"{moment}__gte": since(one.within_days, now)})
    if one.campaign is not None:
        found = found.filter(campaign_id=one.campaign)
    return _at_least(found, "investor_id", 1)


def recipients(campaign_id: int) -> QuerySet[Any]:
    """Keys of everybody on the list of a campaign."""
    return _at_least(Delivery.objects.filter(campaign_id=campaign_id), "investor_id", 1)


def _at_least(rows: QuerySet[Any], owner: str, times: int) -> QuerySet[Any]:
    if times == 1:
        return rows.order_by().values(owner).distinct()
    return rows.order_by().values(owner).annotate(n_times=Count("pk")).filter(n_times__gte=times).values(owner)
