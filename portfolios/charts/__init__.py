"""Figures as plain plotly dictionaries, one module a noun. Colours come from the page's template, by `meta`."""

from portfolios.charts.backtest import growth_paths, rolling_paths
from portfolios.charts.growth import MAX_POINTS, START_YUAN, growth_figure, growth_rows, thinned
from portfolios.charts.models import weights_with_range

__all__ = ["MAX_POINTS", "START_YUAN", "growth_figure", "growth_paths", "growth_rows", "rolling_paths", "thinned", "weights_with_range"]
