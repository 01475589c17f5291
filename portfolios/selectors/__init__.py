"""The public names of portfolios's selectors, gathered from one module a noun."""
from portfolios.selectors.history import growth_of, load_history, nav_on, return_matrix

__all__ = ["growth_of", "load_history", "nav_on", "return_matrix"]
