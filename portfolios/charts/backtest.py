"""Paths of a backtest: growth with the drawdown right below, and the return of the last twelve months."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from portfolios.charts.growth import START_YUAN, panel_title
from portfolios.selectors.backtests import Series

MOST_POINTS = 260
Line = tuple[Series, dict[str, Any]]  # a path, and what it is: its role or its place in the series, and a dash


def growth_paths(dates: Sequence[str], lines: Sequence[Line], n_below: int | None = None) -> dict[str, Any]:
    """What 10,000 became in each line, with how far the first `n_below` (all) stood below their highest value on the same time axis."""
    at = _shown(dates, [series for series, _style in lines])
    days = [dates[i] for i in at]
    above = [_line(days, [series.growth[i] * START_YUAN for i in at], 1, series.name, style) for series, style in lines]
    below = [
        _line(days, [series.drawdown[i] for i in at], 4, series.name, style) | {"yaxis": "y2", "showlegend": False}
        for series, style in lines[:n_below]
    ]
    for trace in below:
        trace["hovertemplate"] = "%{y:.1%}"
    return {
        "data": above + below,
        "layout": {
            "height": 460,
            "meta": {"money_axes": ["yaxis"]},
            "xaxis": {"type": "date", "anchor": "y2"},
            "yaxis": {"domain": [0.36, 1], "title": {"text": _("Yuan")}},
            "yaxis2": {"domain": [0, 0.26], "tickformat": ".0%", "nticks": 4},
            "annotations": [panel_title(_("Below the highest value so far"), 0.27)],
        },
    }


def rolling_paths(dates: Sequence[str], lines: Sequence[Line]) -> dict[str, Any]:
    """The return over the twelve months up to each day, from the first day that has one."""
    first = next((i for i, value in enumerate(lines[0][0].rolling) if value is not None), len(dates))
    at = [i for i in _shown(dates, [series for series, _style in lines]) if i >= first]
    days = [dates[i] for i in at]
    traces = [_line(days, [series.rolling[i] or 0.0 for i in at], 4, series.name, style) for series, style in lines]
    for trace in traces:
        trace["hovertemplate"] = "%{y:.1%}"
    return {
        "data": traces,
        "layout": {
            "height": 320,
            "xaxis": {"type": "date"},
            "yaxis": {"tickformat": ".0%", "zeroline": True, "title": {"text": _("Twelve months")}},
        },
    }


def _line(days: Sequence[str], values: Sequence[float], places: int, name: str, style: dict[str, Any]) -> dict[str, Any]:
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(days),
        "y": [round(value, places) for value in values],
        "hovertemplate": "%{y:,.0f}",
    }
    return (
        trace
        | {"meta": {key: value for key, value in style.items() if key != "line"}}
        | {key: value for key, value in style.items() if key == "line"}
    )


def _shown(dates: Sequence[str], paths: Sequence[Series]) -> list[int]:
    """At most some 260 of the days, evenly spread, with the ends, each path's deepest fall and the day it fell from."""
    kept = {0, len(dates) - 1}
    for path in paths:
        trough = int(np.argmin(path.drawdown))
        kept |= {trough, int(np.argmax(path.growth[: trough + 1]))}
    even = np.linspace(0, len(dates) - 1, min(MOST_POINTS, len(dates))).round().astype(int)
    return sorted(kept | {int(i) for i in even})
