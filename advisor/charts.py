"""Figures of the advice as plotly dicts. Colours are named in `meta`; static/plot.js fills them in and draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from portfolios.money import MINOR_PER_UNIT
from portfolios.templatetags.money import percent, yuan_round

Figure = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClassShare:
    """One asset class of a portfolio: its code and name, its money, its share, and the share it should have."""

    code: str
    name: str
    amount_minor: int
    weight: float
    target: float | None = None


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """A portfolio or a fund in the plane of risk and expected return, both fractions of 1 a year."""

    name: str
    volatility: float
    expected_return: float
    asset_class: str = ""


def allocation_bars(shares: Sequence[ClassShare]) -> Figure:
    """Draw one horizontal bar an asset class in yuan, labelled with money and share, with a mark where it should be."""
    total_minor = sum(share.amount_minor for share in shares)
    names = [share.name for share in shares]
    bars: Figure = {
        "type": "bar",
        "orientation": "h",
        "x": [share.amount_minor / MINOR_PER_UNIT for share in shares],
        "y": names,
        "text": [f"{yuan_round(share.amount_minor)} · {percent(share.weight, 0)}" for share in shares],
        "textposition": "auto",
        "hovertemplate": "%{y}: %{text}<extra></extra>",
        "showlegend": False,
        "meta": {"asset_class": [share.code for share in shares]},
    }
    marked = [share for share in shares if share.target is not None]
    marks: Figure = {
        "type": "scatter",
        "mode": "markers",
        "name": _("recommended"),
        "x": [(share.target or 0) * total_minor / MINOR_PER_UNIT for share in marked],
        "y": [share.name for share in marked],
        "hovertemplate": _("recommended") + ": %{x:,.0f}<extra></extra>",
        "meta": {"role": "target"},
    }
    layout = {"meta": {"money_axes": ["xaxis"]}, "xaxis": {"rangemode": "tozero"}, "showlegend": bool(marked)}
    return {"data": [bars, marks] if marked else [bars], "layout": layout}


def frontier(curve: Sequence[Sequence[float]], recommended: RiskPoint, funds: Sequence[RiskPoint]) -> Figure:
    """Draw the best return for each risk as a line, with the recommended portfolio and its single funds as points."""
    hover = "%{text}<br>" + _("risk") + " %{x:.1%}, " + _("expected return") + " %{y:.1%}<extra></extra>"
    line: Figure = {
        "type": "scatter",
        "mode": "lines",
        "name": _("best possible mixes"),
        "x": [point[0] for point in curve],
        "y": [point[1] for point in curve],
        "hovertemplate": _("risk") + " %{x:.1%}, " + _("expected return") + " %{y:.1%}<extra></extra>",
        "meta": {"role": "other"},
    }
    singles: Figure = {
        "type": "scatter",
        "mode": "markers",
        "name": _("single funds"),
        "x": [fund.volatility for fund in funds],
        "y": [fund.expected_return for fund in funds],
        "text": [fund.name for fund in funds],
        "hovertemplate": hover,
        "marker": {"size": 9},
        "meta": {"asset_class": [fund.asset_class for fund in funds]},
    }
    chosen: Figure = {
        "type": "scatter",
        "mode": "markers+text",
        "name": recommended.name,
        "x": [recommended.volatility],
        "y": [recommended.expected_return],
        "text": [recommended.name],
        "textposition": "top center",
        "hovertemplate": hover,
        "marker": {"size": 15, "symbol": "diamond"},
        "meta": {"role": "main"},
    }
    layout = {
        "hovermode": "closest",
        "showlegend": True,
        "xaxis": {"title": {"text": _("risk: volatility a year")}, "tickformat": ".0%", "rangemode": "tozero"},
        "yaxis": {"title": {"text": _("expected return a year")}, "tickformat": ".1%"},
    }
    return {"data": [line, singles, chosen], "layout": layout}


def growth_with_drawdown(dates: Sequence[str], growth: Sequence[float], drawdown: Sequence[float], amount_minor: int) -> Figure:
    """Draw what the amount would have become in yuan, with the fall from the last high right below on the same time axis."""
    amount = amount_minor / MINOR_PER_UNIT
    value: Figure = {
        "type": "scatter",
        "mode": "lines",
        "name": _("value"),
        "x": list(dates),
        "y": [round(amount * level, 2) for level in growth],
        "hovertemplate": "¥%{y:,.0f}<extra></extra>",
        "meta": {"role": "main"},
    }
    fall: Figure = {
        "type": "scatter",
        "mode": "lines",
        "name": _("below the last high"),
        "x": list(dates),
        "y": list(drawdown),
        "yaxis": "y2",
        "fill": "tozeroy",
        "hovertemplate": "%{y:.1%}<extra></extra>",
        "meta": {"role": "drawdown"},
    }
    layout = {
        "meta": {"money_axes": ["yaxis"]},
        "height": 420,
        "hovermode": "x unified",
        "xaxis": {"anchor": "y2"},
        "yaxis": {"domain": [0.36, 1.0]},
        "yaxis2": {"domain": [0.0, 0.28], "tickformat": ".0%", "anchor": "x"},
    }
    return {"data": [value, fall], "layout": layout}
