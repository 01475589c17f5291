"""Charts of the fit of who still decides, as plotly dicts: expected beside actual, by frequency and over time."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from marketing.kernels.dormancy_holdout import Bin


def bin_label(one: Bin) -> str:
    """How many decisions before, the first one not counted."""
    if one.is_open:
        return f"{one.frequency}+"
    return str(one.frequency) if one.most <= one.frequency else f"{one.frequency}–{one.most}"


def calibration_figure(bins: Sequence[Bin]) -> dict[str, Any]:
    """Mean decisions in the holdout by the number of repeats before it: what was expected, and what came."""
    labels = [bin_label(one) for one in bins]
    lines = [(_("expected"), "main", "dot", [one.expected for one in bins]), (_("actual"), "other", "solid", [one.actual for one in bins])]
    return {
        "data": [
            {
                "type": "scatter", "mode": "lines+markers", "name": name, "x": labels, "y": [round(value, 3) for value in values],
                "hovertemplate": "%{x}: %{y:.2f}", "line": {"dash": dash}, "meta": {"role": role},
            }
            for name, role, dash, values in lines
        ],
        "layout": {
            "height": 320, "showlegend": True,
            "xaxis": {"type": "category", "title": {"text": _("Repeated decisions before")}},
            "yaxis": {"rangemode": "tozero", "title": {"text": _("Decisions in the half-year after, on average")}},
        },
    }  # fmt: skip


def tracking_figure(rows: Sequence[dict[str, float]], calibration_week: float) -> dict[str, Any]:
    """Repeated decisions of everybody together since the first day, with a line where the fit stopped looking."""
    lines = [(_("expected"), "main", "dot", "expected"), (_("actual"), "other", "solid", "actual")]
    edge: dict[str, Any] = {"type": "line", "x0": calibration_week, "x1": calibration_week, "y0": 0, "y1": 1, "yref": "paper"}
    edge["line"] = {"width": 1, "dash": "dash"}
    return {
        "data": [
            {
                "type": "scatter", "mode": "lines", "name": name, "x": [round(row["time"], 1) for row in rows],
                "y": [round(row[key], 1) for row in rows], "hovertemplate": "%{y:,.0f}", "line": {"dash": dash}, "meta": {"role": role},
            }
            for name, role, dash, key in lines
        ],
        "layout": {
            "height": 320, "showlegend": True,
            "xaxis": {"title": {"text": _("Weeks since the first decision of all")}},
            "yaxis": {"rangemode": "tozero", "title": {"text": _("Repeated decisions so far")}},
            "shapes": [edge],
        },
    }  # fmt: skip
