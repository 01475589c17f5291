"""The weights of a model portfolio as horizontal bars, each with the range of its resampled weights."""

from typing import Any

from django.utils.translation import gettext as _

from portfolios.selectors.model_pages import WeightRow
from portfolios.templatetags.money import percent

SHOWN_FROM = 0.25  # of the draws: what the model does not hold is drawn from here on, and stands in the table before


def weights_with_range(rows: list[WeightRow]) -> dict[str, Any]:
    """One bar a fund in per cent of the money, and across it a line from the 5th to the 95th percentile of the draws."""
    shown = [row for row in rows if row.weight > 0 or row.held_share >= SHOWN_FROM]
    names = [row.fund.name for row in shown]
    ends = [value for row in shown for value in (round(row.low * 100, 2), round(row.high * 100, 2), None)]
    bars: dict[str, Any] = {
        "type": "bar",
        "orientation": "h",
        "x": [round(row.weight * 100, 2) for row in shown],
        "y": names,
        "hovertemplate": "%{y}: %{x:.1f} %<extra></extra>",
        "showlegend": False,
        "meta": {"asset_class": [row.fund.asset_class for row in shown]},
    }
    ranges: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": _("range over the draws"),
        "x": ends,
        "y": [name for name in names for _end in range(3)],
        "hovertemplate": "%{y}: %{x:.1f} %<extra></extra>",
        "showlegend": False,
        "meta": {"role": "main"},
    }
    label = {"text": _("Percent of the money")}
    return {"data": [bars, ranges], "layout": {"height": 90 + 40 * len(shown), "xaxis": {"rangemode": "tozero", "title": label}}}


def range_words(row: WeightRow) -> str:
    """The range of a fund's weights in words: from 0 to 18 %."""
    return _("%(low)s to %(high)s") % {"low": percent(row.low, 0), "high": percent(row.high, 0)}
