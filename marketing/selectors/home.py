"""What the marketers' home shows, from the day's stored counts: small groups withheld, every bar with its segment."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from marketing.catalogue.events import sources
from marketing.models import Dormancy, MetricAlert, OverviewDay, Reactivation
from marketing.selectors.ask_parts import told_steps
from marketing.selectors.ask_rules import all_of, segment_url
from marketing.selectors.audience import SMALLEST_GROUP, nearest_ten, to_ten, told_tens
from marketing.selectors.campaigns import awaiting_decision, campaigns_of, ledger_counts
from marketing.selectors.metrics import ASLEEP, DAYS, in_short
from marketing.selectors.overview import FREQUENCY, RECENCY_DAYS, STAGES

STAGE_WORDS = {
    "registered": gettext_lazy("Registered"),
    "assessed": gettext_lazy("Finished the questionnaire"),
    "goal": gettext_lazy("Named a goal"),
    "accepted": gettext_lazy("Accepted a proposal"),
    "order": gettext_lazy("First order"),
    "again": gettext_lazy("A plan, or a second decision"),
}
STAGE_RULES: dict[str, dict[str, Any]] = {
    "assessed": {"field": "assessed_date", "days_ago_below": 36_500},
    "goal": {"field": "n_goals", "at_least": 1},
    "accepted": {"order": "any", "origin": ["proposal"], "did": True},
    "order": {"field": "last_order_at", "days_ago_below": 36_500},
    "again": {"any": [{"field": "n_decisions", "at_least": 2}, {"field": "plan_status", "is": ["running"]}]},
}


@dataclass(frozen=True, slots=True)
class Group:
    """People of one bar or cell: how many (None: withheld), further figures, and the address that makes a segment of them."""

    key: str
    label: str
    count: int | None
    share: float | None = None
    worth_minor: int | None = None
    url: str = ""
    other_url: str = ""


@dataclass(frozen=True, slots=True)
class Home:
    """The stored day as the page shows it."""

    day: OverviewDay
    n_people: int
    n_asleep: int | None
    n_woken: int | None
    woken: list[Group]
    states: list[Group]
    lifecycle: list[Group]
    flows: list[tuple[str, list[int | None]]]
    entered: list[Group]
    rfm: list[tuple[str, list[Group]]]
    sources: list[Group]
    days: int = DAYS

    @property
    def is_small(self) -> bool:
        """A segment of fewer than ten people: nothing but that is told of it."""
        return self.day.segment_id is not None and self.n_people < SMALLEST_GROUP


def home_of(day: OverviewDay) -> Home:
    """Read a stored day, counts to the nearest ten and sums of money to two digits: what is withheld could else be worked out
    from the totals, and two segments that differ by one person would tell of that person."""
    data, pk = day.data, day.segment_id
    n_people, shown = to_ten(data["n_people"]), told_tens(data["states"])
    states = [
        Group(
            state,
            str(label),
            shown.get(state, 0),
            _of(shown.get(state, 0), n_people),
            url=_url([{"field": "dormancy", "is": [state]}], pk),
        )
        for state, label in Dormancy.choices
    ]
    return Home(
        day=day,
        n_people=n_people,
        n_asleep=nearest_ten(sum(data["states"].get(state, 0) for state in ASLEEP)),
        n_woken=nearest_ten(data["woken"]["people"]),
        woken=_woken(data["woken"]),
        states=states,
        lifecycle=_lifecycle(data["lifecycle"], pk),
        flows=_flows(data["flows"]),
        entered=_entered(data["flows"], pk),
        rfm=_rfm(data["rfm"], pk),
        sources=_sources(data["sources"], pk),
    )


def _url(conditions: list[dict[str, Any]], segment: int | None) -> str:
    return segment_url(all_of(conditions, segment))


def _of(n: int | None, total: int) -> float | None:
    return min(1.0, n / total) if n is not None and total else None


def _woken(counts: dict[str, int]) -> list[Group]:
    return [Group(kind, str(label), nearest_ten(counts.get(kind, 0))) for kind, label in Reactivation.Kind.choices]


def _lifecycle(counts: dict[str, int], segment: int | None) -> list[Group]:
    shown = [n and to_ten(n) for n in told_steps([counts[stage] for stage in STAGES])]
    groups = []
    for at, (stage, n) in enumerate(zip(STAGES, shown, strict=True)):
        done = [STAGE_RULES[one] for one in STAGES[1 : at + 1]]
        everybody = [] if segment else [{"field": "dormancy", "is": list(Dormancy.values)}]
        url = _url(done or everybody, segment)
        other = _url([*done[:-1], {"not": [done[-1]]}], segment) if done else ""
        groups.append(Group(stage, str(STAGE_WORDS[stage]), n, _of(n, to_ten(counts["registered"])), url=url, other_url=other))
    return groups


def _flows(flows: dict[str, dict[str, int]]) -> list[tuple[str, list[int | None]]]:
    """Where people stood 30 days ago by where they stand now, each row told by itself."""
    rows = []
    for state, label in Dormancy.choices:
        shown = told_tens({to: n for to, n in flows.get(state, {}).items() if n > 0})
        rows.append((str(label), [shown.get(to, 0) for to in Dormancy.values]))
    return rows


def _entered(flows: dict[str, dict[str, int]], segment: int | None) -> list[Group]:
    """Who came into each state in the period, from whichever other one."""
    counts = {to: sum(row.get(to, 0) for was, row in flows.items() if was != to) for to in Dormancy.values}
    shown = told_tens(counts)
    return [
        Group(
            state,
            str(label),
            shown.get(state, 0),
            url=_url([{"field": "dormancy", "is": [state]}, {"field": "dormancy_since", "days_ago_below": DAYS}], segment),
        )
        for state, label in Dormancy.choices
    ]


def recency_words() -> list[str]:
    """Bands of the last decision, the latest first."""
    edges = [0, *RECENCY_DAYS]
    words = [_("%(low)s–%(high)s days") % {"low": low, "high": high - 1} for low, high in pairwise(edges)]
    return [*words, _("a year or more, or never")]


def frequency_words() -> list[str]:
    """Bands of decisions in a year, the fewest first."""
    edges = [0, *FREQUENCY]
    words = [str(low) if high - low == 1 else f"{low}–{high - 1}" for low, high in pairwise(edges)]
    return [*words, _("%(n)s and more") % {"n": FREQUENCY[-1]}]


def _rfm(cells: list[list[int]], segment: int | None) -> list[tuple[str, list[Group]]]:
    by_place = {(recency, frequency): (n, worth) for recency, frequency, n, worth in cells}
    shown = told_tens({f"{recency}-{frequency}": n for recency, frequency, n, _worth in cells})
    largest = max((n for n in shown.values() if n), default=0)
    grid = []
    for recency, name in enumerate(recency_words()):
        row = []
        for frequency in range(len(FREQUENCY) + 1):
            n, (n_exact, worth) = shown.get(f"{recency}-{frequency}", 0), by_place.get((recency, frequency), (0, 0))
            heat = 0 if not n else 1 + min(3, int(4 * n / largest))
            url = _url([_recency_rule(recency), _frequency_rule(frequency)], segment)
            row.append(Group(str(heat), "", n, worth_minor=in_short(worth / n_exact) if n else None, url=url))
        grid.append((name, row))
    return grid


def _recency_rule(band: int) -> dict[str, Any]:
    bounds = [0, *RECENCY_DAYS]
    low = {"days_ago_at_least": bounds[band]} if band else {}
    high = {"days_ago_below": bounds[band + 1]} if band < len(RECENCY_DAYS) else {}
    return {"field": "last_decision_at"} | low | high


def _frequency_rule(band: int) -> dict[str, Any]:
    bounds = [0, *FREQUENCY]
    low = {"at_least": bounds[band]} if band else {}
    high = {"below": bounds[band + 1]} if band < len(FREQUENCY) else {}
    return {"field": "n_decisions_365d"} | low | high


def _sources(rows: list[list[Any]], segment: int | None) -> list[Group]:
    """People by where they came from; conversion is the share of them with an order."""
    shown = told_tens({code: n for code, n, _ordered, _worth in rows})
    groups = []
    for code, n, ordered, worth in rows:
        n_told = shown.get(code)
        small = 0 < ordered < SMALLEST_GROUP or 0 < n - ordered < SMALLEST_GROUP
        share = None if n_told is None or small else _of(to_ten(ordered), n_told)
        name = sources()[code].label if code in sources() else code or _("not known")
        url = _url([{"field": "acquisition_source", "is": [code]}], segment)
        groups.append(Group(code, name, n_told, share, in_short(worth) if n_told is not None else None, url))
    return groups


def open_alerts(user: Any) -> list[MetricAlert]:
    """Alerts beyond their limit that nobody has taken note of yet."""
    rows = MetricAlert.objects.visible_to(user).filter(state=MetricAlert.State.OPEN, acknowledged_at__isnull=True)
    return list(rows.select_related("segment")[:20])


def campaigns_awaiting(user: Any) -> dict[str, Any]:
    """Campaigns that need a decision, and the latest ones with their ledgers."""
    recent = list(campaigns_of(user)[:5])
    ledger = ledger_counts(recent)
    return {"decisions": awaiting_decision(user), "recent": [(campaign, ledger.get(campaign.pk, {})) for campaign in recent]}
