"""What marketers are shown of next best actions: how many people, by action, channel and part of the day; never who."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count
from django.utils.translation import gettext as _

from marketing.models import NextAction, NextActionRun
from marketing.selectors.audience import told_tens
from marketing.selectors.next_actions import to_draw

BANDS = ((0, 8), (8, 12), (12, 18), (18, 24))


@dataclass(frozen=True, slots=True)
class Cell:
    """People of one action by one channel in one part of the day; None where there are too few to be told."""

    channel: str
    hours: str
    n: int | None


@dataclass(frozen=True, slots=True)
class Action:
    kind: str
    label: str
    n: int | None
    cells: list[Cell]


def next_action_page() -> dict[str, Any]:
    """Counts to the nearest ten of what may be drawn now, and the last night; two queries.

    Within an action a small cell is withheld with one more, so that the action's own number does not give it away.
    """
    rows = to_draw().order_by().values_list("kind", "channel", "hour").annotate(Count("pk"))
    found: dict[str, dict[str, int]] = {}
    for kind, channel, hour, n in rows:
        cells = found.setdefault(kind, {})
        key = f"{channel}|{band_of(hour)}"
        cells[key] = cells.get(key, 0) + n
    totals = told_tens({kind: sum(cells.values()) for kind, cells in found.items()})
    actions = [
        Action(kind, str(label), totals[kind], _cells(found[kind]) if totals[kind] is not None else [])
        for kind, label in NextAction.Kind.choices
        if kind in found
    ]
    return {"actions": actions, "run": NextActionRun.objects.filter(status=NextActionRun.Status.DONE).first()}


def band_of(hour: int | None) -> str:
    """The part of the day that an hour lies in; "" where no habit is known."""
    return "" if hour is None else next(f"{low}-{high}" for low, high in BANDS if low <= hour < high)


def _cells(counts: dict[str, int]) -> list[Cell]:
    channels = {str(value): str(label) for value, label in NextAction.Channel.choices}
    order = ["", *(f"{low}-{high}" for low, high in BANDS)]
    keys = sorted(counts, key=lambda key: (list(channels).index(key.split("|")[0]), order.index(key.split("|")[1])))
    shown = told_tens(counts)
    return [Cell(channels[key.split("|")[0]], _hours(key.split("|")[1]), shown[key]) for key in keys]


def _hours(band: str) -> str:
    if not band:
        return _("no habit known")
    low, high = band.split("-")
    return f"{low}:00–{high}:00"
