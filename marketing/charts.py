"""Chart cards of marketing: a sentence, a plotly figure, and the same numbers as a table whose rows lead on to segments.

Colours are named in `meta`; static/plot.js fills them in and draws. A number that is withheld has no bar and says so in the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from marketing.selectors.ask_parts import Answer, Line
from marketing.selectors.ask_rules import segment_url
from portfolios.money import MINOR_PER_UNIT
from portfolios.templatetags.money import count, percent

Figure = dict[str, Any]
MILLISECONDS_A_DAY = 86_400_000
ROWS_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Row:
    """A table row: its name, its cells as text, and where it leads (address, words)."""

    name: str
    cells: list[str]
    links: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Card:
    """`key` names the figure on its page; `head` the columns, the first of which names the rows."""

    key: str
    title: str
    figure: Figure | None
    head: list[str]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    @property
    def has_links(self) -> bool:
        return any(row.links for row in self.rows)


def told_count(n: int | None) -> str:
    return _("withheld") if n is None else count(n)


def bars(labels: Sequence[str], values: Sequence[float | None], texts: Sequence[str], *, role: str = "main", name: str = "") -> Figure:
    """One horizontal bar a label, written on with its text."""
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "x": [value or 0 for value in values],
        "y": list(labels),
        "text": list(texts),
        "textposition": "auto",
        "hovertemplate": "%{y}: %{text}<extra></extra>",
        "showlegend": False,
        "meta": {"role": role},
    }


def people_axis() -> dict[str, Any]:
    return {"xaxis": {"rangemode": "tozero", "tickformat": ",d", "title": {"text": _("people")}}}


def _numbered(lines: Sequence[Line]) -> list[str]:
    """Plotly joins bars of the same name: steps are numbered."""
    return [f"{place}. {line.label}" for place, line in enumerate(lines, 1)]


def _share(share: float | None) -> str:
    return "" if share is None else percent(share, 1)


def _links(line: Line) -> list[tuple[str, str]]:
    links = [(segment_url(line.rule), _("Make a segment"))] if line.rule else []
    return links + ([(segment_url(line.other_rule), _("Who fell away here"))] if line.other_rule else [])


def answer_card(answer: Answer) -> Card:
    """The card of an answer of any kind."""
    makers = {"funnel": _funnel_card, "retention": _retention_card, "path": _bars_card, "distribution": _spread_card}
    return makers[answer.kind](answer)


def _funnel_card(answer: Answer) -> Card:
    labels = _numbered(answer.lines)
    texts = [" · ".join(filter(None, [told_count(line.count), _share(line.share)])) for line in answer.lines]
    figure = {"data": [bars(labels, [line.count for line in answer.lines], texts)], "layout": people_axis()}
    rows = [
        Row(label, [told_count(line.count), _share(line.share) or "–", line.note or "–"], _links(line))
        for label, line in zip(labels, answer.lines, strict=True)
    ]
    head = [_("Stage"), _("People"), _("Of the first"), _("How soon after the first step")]
    return Card("answer", answer.sentence, figure, head, rows, answer.notes)


def _bars_card(answer: Answer) -> Card:
    lines = answer.lines
    texts = [" · ".join(filter(None, [told_count(line.count), _share(line.share)])) for line in lines]
    figure = {"data": [bars([line.label for line in lines], [line.count for line in lines], texts)], "layout": people_axis()}
    rows = [Row(line.label, [told_count(line.count), _share(line.share) or "–"], _links(line)) for line in lines]
    return Card("answer", answer.sentence, figure, [_("Way"), _("People"), _("Share")], rows, answer.notes)


def _retention_card(answer: Answer) -> Card:
    drawn = [(place, line, row) for place, (line, row) in enumerate(zip(answer.lines, answer.cells, strict=True)) if any(row)]
    newest = [place for place, _line, _row in drawn[-1:]]
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": line.label,
            "x": [int(k) for k in answer.columns],
            "y": row,
            "hovertemplate": "%{y:.1%}",
            "showlegend": False,
            "meta": {"role": "main" if place in newest else "other"},
        }
        for place, line, row in drawn
    ]
    layout = {
        "yaxis": {"tickformat": ".0%", "rangemode": "tozero"},
        "xaxis": {"title": {"text": _("periods later")}, "dtick": 1},
        "showlegend": False,
    }
    rows = [
        Row(line.label, [told_count(line.count), *(_share(value) or "–" for value in row)], _links(line))
        for line, row in zip(answer.lines, answer.cells, strict=True)
    ]
    head = [_("Began"), _("People"), *(f"+{k}" for k in answer.columns)]
    figure = {"data": traces, "layout": layout} if traces else None
    return Card("answer", answer.sentence, figure, head, rows, answer.notes)


def _spread_card(answer: Answer) -> Card:
    labels = [line.label for line in answer.lines]
    texts = [" · ".join(filter(None, [told_count(line.count), _share(line.share)])) for line in answer.lines]
    figure = {"data": [bars(labels, [line.count for line in answer.lines], texts)], "layout": people_axis()}
    rows = [
        Row(line.label, [told_count(line.count), _share(line.share) or "–", *(told_count(_whole(n)) for n in cells)], _links(line))
        for line, cells in zip(answer.lines, answer.cells or [[] for _line in answer.lines], strict=True)
    ]
    return Card("answer", answer.sentence, figure, [_("Range"), _("People"), _("Share"), *answer.columns], rows, answer.notes)


def _whole(n: float | int | None) -> int | None:
    return None if n is None else int(n)


def day_axis(days: Sequence[date]) -> dict[str, Any]:
    """The axis of a few days or many: plotly would write hours below a single day, and between two of them."""
    if len(days) == 1:
        return {"type": "category"}
    is_short = len(days) > 1 and (max(days) - min(days)).days < 5
    return {"type": "date"} | ({"dtick": MILLISECONDS_A_DAY} if is_short else {})


def metric_line(days: Sequence[tuple[date, float | None]], unit: str, name: str) -> Figure:
    """A metric day by day; days that are not told leave a gap."""
    scale = MINOR_PER_UNIT if unit == "money" else 1
    line = {
        "type": "scatter",
        "mode": "lines+markers" if len(days) < 30 else "lines",
        "name": name,
        "x": [day.isoformat() for day, _value in days],
        "y": [None if value is None else value / scale for _day, value in days],
        "hovertemplate": "%{y:.1%}" if unit == "share" else "%{y:,.2f}" if unit == "level" else "%{y:,.0f}",
        "showlegend": False,
        "meta": {"role": "main"},
    }
    axis: dict[str, Any] = {"tickformat": ".1%"} if unit == "share" else {}
    layout: dict[str, Any] = {"height": 320, "xaxis": day_axis([day for day, _value in days]), "yaxis": axis}
    return {"data": [line], "layout": layout | ({"meta": {"money_axes": ["yaxis"]}} if unit == "money" else {})}


def size_card(history: Sequence[tuple[date, int | None]], title: str) -> Card:
    """How many people there were by day, the earliest first in `history`; days of fewer than ten leave a gap."""
    figure: Figure | None = None
    if any(n is not None for _day, n in history):
        figure = metric_line(history, "count", _("people"))
        figure["layout"] |= {"height": 260, "yaxis": {"rangemode": "tozero", "title": {"text": _("people")}}}
    rows = [Row(f"{day:%Y-%m-%d}", [_("fewer than 10") if n is None else count(n)]) for day, n in history[: -ROWS_SHOWN - 1 : -1]]
    return Card("sizes", title, figure, [_("Day"), _("People")], rows)


def gained_and_lost(days: Sequence[tuple[date, int | None, int | None]]) -> Figure | None:
    """Gained upwards and lost downwards, a bar a day; None where all of it is withheld, for that would be an empty chart."""
    if not any(gained or lost for _day, gained, lost in days):
        return None
    shown = [day.isoformat() for day, _gained, _lost in days]
    sides = [
        {"name": _("Gained"), "y": [gained for _day, gained, _lost in days], "meta": {"role": "gain"}},
        {"name": _("Lost"), "y": [None if lost is None else -lost for _day, _gained, lost in days], "meta": {"role": "loss"}},
    ]
    layout = {"height": 260, "barmode": "relative", "showlegend": True, "yaxis": {"title": {"text": _("people")}}}
    layout["xaxis"] = day_axis([day for day, _gained, _lost in days])
    return {"data": [{"type": "bar", "x": shown, "hovertemplate": "%{y:,}<extra></extra>", **one} for one in sides], "layout": layout}
