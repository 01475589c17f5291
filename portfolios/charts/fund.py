"""Charts of one fund besides its growth: every twelve months, what it moves like, and where it stands among its peers."""

import textwrap
from datetime import date
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from portfolios.selectors.fund_figures import RollingYear, Style
from portfolios.selectors.screens import FundVerdict
from portfolios.templatetags.money import percent

MOST_DAYS = 260
_LEAST_SHOWN = 0.03
_ROOM_FOR_TEXT = 1.25  # the longest bar with its number behind it
_SCORE_ROW = 52
_LABEL_LETTERS = 22  # Latin letters of a bar's name on one line; Chinese ones are twice as wide


def rolling_figure(rolling: RollingYear, asset_class: str) -> dict[str, Any]:
    """The return over the twelve months up to each day, with the lowest and the highest among the days shown."""
    at = _shown(rolling)
    days = [date.fromordinal(int(rolling.dates[i])).isoformat() for i in at]
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": _("Twelve months"),
        "x": days,
        "y": [round(float(rolling.returns[i]), 4) for i in at],
        "hovertemplate": "%{y:.1%}",
        "meta": {"asset_class": asset_class} if asset_class else {"role": "main"},
    }
    axis = {"tickformat": ".0%", "zeroline": True, "title": {"text": _("Return over twelve months")}}
    return {"data": [line], "layout": {"height": 280, "xaxis": {"type": "date"}, "yaxis": axis}}


def rolling_rows(rolling: RollingYear) -> list[dict[str, Any]]:
    """The last day of each half-year and of all, with the return over the twelve months up to it, the latest first."""
    days = [date.fromordinal(int(day)) for day in rolling.dates]
    halves = np.array([day.year * 2 + (day.month > 6) for day in days])
    ends = np.flatnonzero(np.append(np.diff(halves) != 0, True))
    return [{"day": days[i], "value": float(rolling.returns[i])} for i in ends[::-1]]


def style_figure(style: Style) -> dict[str, Any]:
    """One bar a class for the last year, with a mark where it stood in the two years before; a class of neither is left to the table."""
    shares = [share for share in style.shares if max(share.weight, share.before or 0.0) >= _LEAST_SHOWN]
    bars = _bars([share.name for share in shares], [share.weight for share in shares], {"asset_class": [share.code for share in shares]})
    marked = [share for share in shares if share.before is not None]
    marks = _marks(_("the two years before"), [share.name for share in marked], [share.before or 0.0 for share in marked])
    layout = {"xaxis": {"range": [0, _ROOM_FOR_TEXT], "tickformat": ".0%", "tickvals": [0, 0.5, 1]}, "showlegend": bool(marked)}
    return {"data": [bars, marks] if marked else [bars], "layout": layout}


def score_figure(verdict: FundVerdict, enter: float) -> dict[str, Any]:
    """The fund's percentile among its peers as a point in its interval, what is needed to enter, and a bar for each sub-score."""
    row = verdict.row
    scores = sorted((one for one in verdict.sub_scores if one.value is not None), key=lambda one: -one.weight)
    overall = wrapped(_("Overall"))
    bars = _bars([wrapped(one.name) for one in scores], [one.value or 0.0 for one in scores], {"role": "main"})
    middle = row.percentile or 0.0
    point = _marks(_("where it stands, and the interval"), [overall], [middle], role="main") | {"marker": {"size": 12}}
    if row.rank_low is not None and row.rank_high is not None:
        above, below = max(row.rank_high - middle, 0.0), max(middle - row.rank_low, 0.0)
        point["error_x"] = {"type": "data", "symmetric": False, "array": [round(above, 4)], "arrayminus": [round(below, 4)], "width": 6}
    needed = _marks(_("needed to enter the pool"), [overall], [enter])
    layout = {
        "height": _SCORE_ROW * (len(scores) + 1) + 96,
        "bargap": 0.5,
        "xaxis": {"range": [0, _ROOM_FOR_TEXT], "tickformat": ".0%", "tickvals": [0, 0.5, 1]},
        "yaxis": {"categoryorder": "array", "categoryarray": [overall, *bars["y"]]},
        "showlegend": True,
    }
    return {"data": [point, needed, bars], "layout": layout}


def wrapped(name: str) -> str:
    """A bar's name, its first letter large, in lines short enough for a phone."""
    name = name[:1].upper() + name[1:]
    if name.isascii():
        return "<br>".join(textwrap.wrap(name, _LABEL_LETTERS)) or name
    letters = _LABEL_LETTERS // 2
    return "<br>".join(name[start : start + letters] for start in range(0, len(name), letters))


def _bars(names: list[str], values: list[float], meta: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "x": [round(value, 4) for value in values],
        "y": names,
        "text": [percent(value, 0) for value in values],
        "textposition": "outside",
        "hovertemplate": "%{y}: %{text}<extra></extra>",
        "showlegend": False,
        "meta": meta,
    }


def _marks(name: str, names: list[str], values: list[float], *, role: str = "target") -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [round(value, 4) for value in values],
        "y": names,
        "hovertemplate": name + ": %{x:.0%}<extra></extra>",
        "meta": {"role": role},
    }


def _shown(rolling: RollingYear) -> list[int]:
    """At most some 260 days, evenly spread, with the ends, the lowest and the highest."""
    n = len(rolling.dates)
    even = np.linspace(0, n - 1, min(MOST_DAYS, n)).round().astype(int)
    return sorted({0, n - 1, int(rolling.returns.argmin()), int(rolling.returns.argmax()), *(int(i) for i in even)})
