"""What 10,000 became, with the drawdown below: of a fund, or of anything that grows."""

from datetime import date
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from portfolios.kernels.types import FloatArray, Growth, IntArray
from portfolios.money import MINOR_PER_UNIT

MAX_POINTS = 600
START_YUAN = 10_000


def thinned(growth: Growth, max_points: int = MAX_POINTS) -> Growth:
    """At most `max_points` days, evenly spread, that keep the first, the last, the highest, the lowest and the deepest fall."""
    n = len(growth.dates)
    if n <= max_points:
        return growth
    trough = int(growth.drawdown.argmin())
    peak = int(growth.growth[: trough + 1].argmax())
    kept = {trough, peak, int(growth.growth.argmax()), int(growth.growth.argmin())}
    spread = np.linspace(0, n - 1, max_points - len(kept)).round().astype(np.int64)
    at = np.union1d(spread, np.array(sorted(kept), np.int64))
    return Growth(growth.dates[at], growth.growth[at], growth.drawdown[at])


def growth_figure(growth: Growth, *, name: str, asset_class: str | None = None) -> dict[str, Any]:
    """What 10,000 became, with the drawdown right below on the same time axis."""
    few = thinned(growth)
    days = _iso(few.dates)
    meta = {"asset_class": asset_class} if asset_class else {"role": "main"}
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "showlegend": False,
                "x": days,
                "y": _rounded(few.growth * START_YUAN, 2),
                "hovertemplate": "%{y:,.0f}",
                "meta": meta,
            },
            {
                "type": "scatter",
                "mode": "lines",
                "name": _("Below the highest value so far"),
                "showlegend": False,
                "x": days,
                "y": _rounded(few.drawdown, 5),
                "yaxis": "y2",
                "fill": "tozeroy",
                "hovertemplate": "%{y:.1%}",
                "meta": {"role": "drawdown"},
            },
        ],
        "layout": {
            "height": 420,
            "meta": {"money_axes": ["yaxis"]},
            "xaxis": {"type": "date", "anchor": "y2"},
            "yaxis": {"domain": [0.36, 1], "title": {"text": _("Yuan")}},
            "yaxis2": {"domain": [0, 0.26], "tickformat": ".0%", "nticks": 3},
            "annotations": [panel_title(_("Below the highest value so far"), 0.27)],
        },
    }


def panel_title(text: str, height: float) -> dict[str, Any]:
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": height, "xanchor": "left", "yanchor": "bottom"}
    return {"text": text, "showarrow": False, "font": {"size": 13}, **place}


def growth_rows(growth: Growth) -> list[dict[str, Any]]:
    """The numbers of the growth figure on the last day of each year and on the last day of all, for its table."""
    years = np.array([date.fromordinal(int(day)).year for day in growth.dates])
    ends = np.flatnonzero(np.append(np.diff(years) != 0, True))
    return [
        {
            "day": date.fromordinal(int(growth.dates[at])),
            "value_minor": round(float(growth.growth[at]) * START_YUAN * MINOR_PER_UNIT),
            "drawdown": float(growth.drawdown[at]),
            "deepest": float(growth.drawdown[years == years[at]].min()),
        }
        for at in ends
    ]


def _iso(dates: IntArray) -> list[str]:
    return [date.fromordinal(int(day)).isoformat() for day in dates]


def _rounded(values: FloatArray, places: int) -> list[float]:
    return [round(float(value), places) for value in values]
