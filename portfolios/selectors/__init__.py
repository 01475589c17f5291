"""The public names of portfolios's selectors, gathered from one module a noun."""

from portfolios.selectors.funds import (
    FundQuery,
    PublishedHistory,
    category_of,
    class_name,
    find_funds,
    published_history,
    redemption_fees,
    settlement_lag,
)
from portfolios.selectors.history import growth_of, load_history, nav_on, return_matrix
from portfolios.selectors.matrices import MonthMatrix, daily_block, month_end_matrix
from portfolios.selectors.model_sets import current_models
from portfolios.selectors.orders import orders_of, steps_of, why_not
from portfolios.selectors.positions import PortfolioTotals, Position, portfolio_totals, positions
from portfolios.selectors.risk import advice_moments, current_pool, weights_risk
from portfolios.selectors.sentences import error_sentence, import_problem, note_sentence, row_reason, row_sentence

__all__ = [
    "FundQuery",
    "MonthMatrix",
    "PortfolioTotals",
    "Position",
    "PublishedHistory",
    "advice_moments",
    "category_of",
    "class_name",
    "current_models",
    "current_pool",
    "daily_block",
    "error_sentence",
    "find_funds",
    "growth_of",
    "import_problem",
    "load_history",
    "month_end_matrix",
    "nav_on",
    "note_sentence",
    "orders_of",
    "portfolio_totals",
    "positions",
    "published_history",
    "redemption_fees",
    "return_matrix",
    "row_reason",
    "row_sentence",
    "settlement_lag",
    "steps_of",
    "weights_risk",
    "why_not",
]
