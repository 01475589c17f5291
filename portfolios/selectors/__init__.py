"""The public names of portfolios's selectors, gathered from one module a noun."""

from portfolios.selectors.history import growth_of, load_history, nav_on, return_matrix
from portfolios.selectors.positions import PortfolioTotals, Position, portfolio_totals, positions

__all__ = ["PortfolioTotals", "Position", "growth_of", "load_history", "nav_on", "portfolio_totals", "positions", "return_matrix"]
