"""The home's cards and tiles, put together from the stored day."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from marketing.catalogue.metrics import GROUPS, metrics
from marketing.charts import Card, Row, bars, metric_line, people_axis, told_count
from marketing.models import Dormancy, Segment
from marketing.selectors.home import Group, Home
from marketing.selectors.metric_words import Tile, tile_of, value_words
from marketing.selectors.metrics import history, latest_readings
from marketing.selectors.segment_words import amount_words
from portfolios.templatetags.money import percent

GROUP_WORDS = {
    "reach": gettext_lazy("Who is here"),
    "advice": gettext_lazy("Questionnaires and proposals"),
    "money": gettext_lazy("Money"),
    "orders": gettext_lazy("Orders and plans"),
    "messages": gettext_lazy("Messages and consents"),
}


def tiles_by_group(segment: Segment | None) -> list[tuple[str, list[Tile]]]:
    """The thirty metrics of the last day, in their groups."""
    tiles = [tile_of(reading, segment.pk if segment else None) for reading in latest_readings(segment)]
    found = [(str(GROUP_WORDS[group]), [tile for tile in tiles if tile.reading.metric.group == group]) for group in GROUPS]
    return [(name, group) for name, group in found if group]


def home_cards(home: Home) -> list[Card]:
    """Activity, lifecycle, movements and sources; a small segment has none."""
    if home.is_small or not home.n_people:
        return []
    return [_states_card(home), _lifecycle_card(home), _flows_card(home), _sources_card(home)]


def _link(group: Group) -> list[tuple[str, str]]:
    return [(group.url, _("Make a segment"))] if group.url else []


def _text(group: Group) -> str:
    return " · ".join(filter(None, [told_count(group.count), "" if group.share is None else percent(group.share, 1)]))


def _bars_of(groups: list[Group], key: str, title: str, head: list[str]) -> Card:
    figure = {"data": [bars([one.label.capitalize() for one in groups], [one.count for one in groups], list(map(_text, groups)))]}
    rows = [
        Row(one.label.capitalize(), [told_count(one.count), "–" if one.share is None else percent(one.share, 1)], _link(one))
        for one in groups
    ]
    return Card(key, title, figure | {"layout": people_axis()}, head, rows)


def _states_card(home: Home) -> Card:
    active = next(one for one in home.states if one.key == Dormancy.ACTIVE)
    title = (
        _("How active people are") if active.share is None else _("%(share)s of people are active") % {"share": percent(active.share, 0)}
    )
    return _bars_of(home.states, "states", title, [_("Activity"), _("People"), _("Share")])


def _lifecycle_card(home: Home) -> Card:
    first, last = home.lifecycle[0], home.lifecycle[-1]
    title = _("From joining to a habit")
    if first.count and last.share is not None:
        words = {"share": percent(last.share, 0), "n": told_count(first.count)}
        title = _("%(share)s of %(n)s people have come as far as a plan or a second decision") % words
    card = _bars_of(home.lifecycle, "lifecycle", title, [_("Stage"), _("People"), _("Share")])
    for row, group in zip(card.rows, home.lifecycle, strict=True):
        row.links.extend([(group.other_url, _("Who stands before it"))] if group.other_url else [])
    note = _("Each stage counts those who passed all before it. A segment knows an accepted proposal by its orders.")
    return Card(card.key, card.title, card.figure, card.head, card.rows, [note])


def _flows_card(home: Home) -> Card:
    """Who left each state to the left, who came in to the right; the table says from where. No chart where no bar could be drawn."""
    states = [str(label).capitalize() for _state, label in Dormancy.choices]
    came = [one.count for one in home.entered]
    left = [_left(row, at) for at, (_name, row) in enumerate(home.flows)]
    rows = [
        Row(states[at], [told_count(n) for n in row], [(home.entered[at].url, _("Who came in"))])
        for at, (_name, row) in enumerate(home.flows)
    ]
    notes = [_("Rows: where they stood %(days)s days ago. Columns: where they stand now.") % {"days": home.days}]
    figure = _flows_figure(states, came, left) if any(came) or any(left) else None
    return Card("flows", _flows_title(home, came, left), figure, [_("From"), *states], rows, notes)


def _flows_title(home: Home, came: list[int | None], left: list[int | None]) -> str:
    woke = home.entered[Dormancy.values.index(Dormancy.ACTIVE)].count
    if woke:
        return _("%(n)s people became active in the last %(days)s days") % {"n": told_count(woke), "days": home.days}
    if any(came) or any(left):
        return _("Who changed state in the last %(days)s days") % {"days": home.days}
    if None in came or None in left:
        return _("Fewer than ten people changed from any one state to another in the last %(days)s days") % {"days": home.days}
    return _("Nobody changed state in the last %(days)s days") % {"days": home.days}


def _flows_figure(states: list[str], came: list[int | None], left: list[int | None]) -> dict[str, Any]:
    return {
        "data": [
            bars(states, came, [told_count(n) for n in came], name=_("came in")) | {"showlegend": True},
            bars(states, [None if n is None else -n for n in left], [told_count(n) for n in left], role="other", name=_("left"))
            | {"showlegend": True},
        ],
        "layout": {
            "barmode": "relative",
            "showlegend": True,
            "height": 380,
            "xaxis": {"showticklabels": False, "title": {"text": _("people")}},
        },
    }


def _left(row: list[int | None], own: int) -> int | None:
    others = [n for at, n in enumerate(row) if at != own]
    return None if any(n is None for n in others) else sum(n or 0 for n in others)


def _sources_card(home: Home) -> Card:
    groups = home.sources
    known = [one for one in groups if one.count and one.share is not None and one.key]
    title = _("Where people came from")
    if known:
        best = max(known, key=lambda one: one.share or 0)
        title = _("Of those who came by “%(name)s”, %(share)s have ordered") % {"name": best.label, "share": percent(best.share, 0)}
    figure = {
        "data": [bars([one.label for one in groups], [one.count for one in groups], list(map(_text, groups)))],
        "layout": people_axis(),
    }
    rows = [
        Row(
            one.label,
            [
                told_count(one.count),
                "–" if one.share is None else percent(one.share, 1),
                _("withheld") if one.worth_minor is None else amount_words(round(float(f"{one.worth_minor:.4g}") / 100) * 100),
            ],
            _link(one),
        )
        for one in groups
    ]
    return Card("sources", title, figure, [_("Source"), _("People"), _("With an order"), _("Assets")], rows)


def metric_card(code: str, segment: Segment | None) -> Card:
    """A metric's line over the last year."""
    known, days = metrics()[code], history(code, segment)
    told = [(day, value) for day, value in days if value is not None]
    title = known.label
    if told:
        title = _("%(name)s: %(value)s on %(day)s") % {
            "name": known.label,
            "value": value_words(known, told[-1][1]),
            "day": f"{told[-1][0]:%Y-%m-%d}",
        }
    figure = metric_line(days, known.unit, known.label) if len(told) > 1 else None
    rows = [Row(f"{day:%Y-%m-%d}", [_("withheld") if value is None else value_words(known, value)]) for day, value in reversed(days[-60:])]
    return Card("metric", title, figure, [_("Day"), known.label], rows)
