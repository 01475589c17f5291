"""The weights of a model portfolio as horizontal bars, each with the range of its resampled weights."""

from typing import Any

from django.utils.translation import gettext as _

from portfolios.selectors.model_pages import WeightRow

SHOWN_FROM = 0.25  # of the draws: what the model does not hold is drawn from here on, and stands in the table before
ROW_HEIGHT = 52


def weights_with_range(rows: list[WeightRow]) -> dict[str, Any]:
    """One bar a fund in per cent of the money under its name, and across it a line from the 5th to the 95th percentile of the draws."""
    shown = [row for row in rows if row.weight > 0 or row.held_share >= SHOWN_FROM]
    codes = [row.fund.code for row in shown]
    names = [row.fund.name for row in shown]
    bars: dict[str, Any] = {
        "type": "bar",
        "orientation": "h",
        "x": [round(row.weight * 100, 2) for row in shown],
        "y": codes,
        "width": 0.3,
        "customdata": names,
        "hovertemplate": "%{customdata}: %{x:.1f} %<extra></extra>",
        "showlegend": False,
        "meta": {"asset_class": [row.fund.asset_class for row in shown]},
    }
    ranges: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": _("range over the draws"),
        "x": [value for row in shown for value in (round(row.low * 100, 2), round(row.high * 100, 2), None)],
        "y": [code for code in codes for _end in range(3)],
        "customdata": [name for name in names for _end in range(3)],
        "hovertemplate": "%{customdata}: %{x:.1f} %<extra></extra>",
        "showlegend": False,
        "meta": {"role": "main"},
    }
    # Beside the bars names would take the width of a phone: they stand above them.
    place = {"x": 0, "xref": "paper", "xanchor": "left", "yanchor": "bottom", "yshift": 7, "showarrow": False}
    layout = {
        "height": 60 + ROW_HEIGHT * len(shown),
        "xaxis": {"rangemode": "tozero", "ticksuffix": "%"},
        "yaxis": {"type": "category", "showticklabels": False},
        "annotations": [{"y": row.fund.code, "text": row.fund.name, **place} for row in shown],
    }
    return {"data": [bars, ranges], "layout": layout}
