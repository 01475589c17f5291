"""A history that waits for a decision, with the days nothing explains marked."""

from datetime import date
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from portfolios.kernels.types import FloatArray, IntArray

_DAYS_BESIDE = 120
_MOST_POINTS = 500


def jump_figure(dates: IntArray, nav: FloatArray, jump_days: list[date]) -> dict[str, Any]:
    """NAVs a unit around the jumps (T,), and a mark on the day of each."""
    marked = np.array([day.toordinal() for day in jump_days])
    at = np.searchsorted(dates, marked)
    near = slice(max(0, int(at.min()) - _DAYS_BESIDE), int(at.max()) + _DAYS_BESIDE)
    every = max(1, (near.stop - near.start) // _MOST_POINTS)
    kept = np.union1d(np.arange(near.start, min(near.stop, len(dates)), every), np.concatenate([at, np.maximum(at - 1, 0)]))
    return {
        "data": [
            _trace(dates[kept], nav[kept], name=_("NAV"), mode="lines", role="main"),
            _trace(dates[at], nav[at], name=_("Jump"), mode="markers", role="target"),
        ],
        "layout": {"height": 320, "showlegend": False, "xaxis": {"type": "date"}, "yaxis": {"title": {"text": _("NAV")}}},
    }


def _trace(dates: IntArray, nav: FloatArray, *, name: str, mode: str, role: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": mode,
        "name": name,
        "x": [date.fromordinal(int(day)).isoformat() for day in dates],
        "y": [round(float(value), 4) for value in nav],
        "hovertemplate": "%{y:.4f}",
        "meta": {"role": role},
    }
