"""Figures as plain plotly dictionaries, one module a noun. Colours come from the page's template, by `meta`."""

from portfolios.charts.backtest import growth_paths, rolling_paths
from portfolios.charts.fund import rolling_figure, rolling_rows, score_figure, style_figure
from portfolios.charts.growth import MAX_POINTS, START_YUAN, growth_figure, growth_rows, thinned
from portfolios.charts.models import weights_with_range
from portfolios.charts.quarantine import jump_figure

__all__ = [
    "MAX_POINTS",
    "START_YUAN",
    "growth_figure",
    "growth_paths",
    "growth_rows",
    "jump_figure",
    "rolling_figure",
    "rolling_paths",
    "rolling_rows",
    "score_figure",
    "style_figure",
    "thinned",
    "weights_with_range",
]
