"""The public names of portfolios's selectors, gathered from one module a noun."""

from portfolios.selectors.history import growth_of, load_history, nav_on, return_matrix
from portfolios.selectors.positions import PortfolioTotals, Position, portfolio_totals, positions
from portfolios.selectors.risk import advice_moments, current_pool, weights_risk

__all__ = [
    "PortfolioTotals",
    "Position",
    "advice_moments",
    "current_pool",
    "growth_of",
    "load_history",
    "nav_on",
    "portfolio_totals",
    "positions",
    "return_matrix",
    "weights_risk",
]
