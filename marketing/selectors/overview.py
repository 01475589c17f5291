"""The counts behind the marketers' home, worked out once a day: lifecycle, flows, recency and frequency, sources."""

from datetime import date, datetime
from typing import Any

from django.db.models import Case, Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from advisor.models import Proposal
from marketing.models import Dormancy, DormancyChange, Profile, Reactivation, Segment
from marketing.selectors.metrics import DAYS, people_of
from marketing.selectors.segment_facts import since

STAGES = ("registered", "assessed", "goal", "accepted", "order", "again")
RECENCY_DAYS = (30, 90, 180, 365)  # inner edges; the last band holds who never decided as well
FREQUENCY = (1, 2, 4, 7)  # inner edges of decisions in a year
MOST_SOURCES = 30


def work_out_overview(segment: Segment | None, *, now: datetime | None = None) -> dict[str, Any]:
    """Everything that the home shows of a segment's people or of everybody, as plain data; six queries."""
    now = now or timezone.now()
    people = people_of(segment)
    states = dict(people.order_by().values_list("dormancy").annotate(Count("pk")))
    return {
        "n_people": sum(states.values()),
        "states": states,
        "woken": _woken(people, segment, now),
        "lifecycle": _lifecycle(people),
        "flows": _flows(people, states, timezone.localdate(since(DAYS, now))),
        "rfm": _rfm(people, now),
        "sources": _sources(people),
    }


def _lifecycle(people: QuerySet[Profile]) -> dict[str, int]:
    """People who got at least so far, each stage within the one before."""
    accepted = Proposal.objects.filter(goal__account__investor=OuterRef("investor_id"), accepted_at__isnull=False)
    conditions = [
        Q(assessed_date__isnull=False),
        Q(n_goals__gt=0),
        Q(Exists(accepted)),
        Q(last_order_at__isnull=False),
        Q(n_decisions__gte=2) | Q(plan_status="running"),
    ]
    together, stages = Q(), {}
    for stage, condition in zip(STAGES[1:], conditions, strict=True):
        together = together & condition
        stages[stage] = Count("pk", filter=together)
    return people.aggregate(registered=Count("pk"), **stages)


def _flows(people: QuerySet[Profile], states: dict[str, int], first: date) -> dict[str, dict[str, int]]:
    """People by where they stood before their first change since `first` and where they stand now, with those who stayed."""
    changes = DormancyChange.objects.filter(date__gte=first)
    earlier = changes.filter(investor=OuterRef("investor"), date__lt=OuterRef("date"))
    firsts = changes.filter(~Exists(earlier), investor__profile__in=people).exclude(from_state="").order_by()
    flows: dict[str, dict[str, int]] = {state: {} for state in Dormancy.values}
    for was, state, n in firsts.values_list("from_state", "investor__profile__dormancy").annotate(Count("pk")):
        if was in flows and was != state:
            flows[was][state] = n
    for state in Dormancy.values:
        flows[state][state] = states.get(state, 0) - sum(row.get(state, 0) for was, row in flows.items() if was != state)
    return flows


def _woken(people: QuerySet[Profile], segment: Segment | None, now: datetime) -> dict[str, int]:
    rows = Reactivation.objects.filter(date__gte=timezone.localdate(since(DAYS, now)))
    if segment is not None:
        rows = rows.filter(investor__in=people.values("investor_id"))
    return dict(rows.order_by().values_list("kind").annotate(Count("investor", distinct=True))) | {
        "people": rows.order_by().values("investor").distinct().count()
    }


def _rfm(people: QuerySet[Profile], now: datetime) -> list[list[int]]:
    """[recency band, frequency band, people, assets] of every cell that holds somebody."""
    starts = [since(days, now) for days in RECENCY_DAYS]
    recency = Case(
        *[When(last_decision_at__gte=start, then=Value(band)) for band, start in enumerate(starts)],
        default=Value(len(starts)),
        output_field=IntegerField(),
    )
    frequency = Case(
        *[When(n_decisions_365d__lt=edge, then=Value(band)) for band, edge in enumerate(FREQUENCY)],
        default=Value(len(FREQUENCY)),
        output_field=IntegerField(),
    )
    cells = people.order_by().annotate(recency=recency, frequency=frequency).values_list("recency", "frequency")
    return [list(row) for row in cells.annotate(n=Count("pk"), worth=Coalesce(Sum("assets_minor"), 0)).order_by("recency", "frequency")]


def _sources(people: QuerySet[Profile]) -> list[list[Any]]:
    """[source, people, of these with an order, assets], the largest first."""
    rows = (
        people.order_by()
        .values_list("acquisition_source")
        .annotate(n=Count("pk"), ordered=Count("pk", filter=Q(last_order_at__isnull=False)), worth=Coalesce(Sum("assets_minor"), 0))
    )
    return [list(row) for row in rows.order_by(F("n").desc(), "acquisition_source")[:MOST_SOURCES]]
