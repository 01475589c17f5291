"""The public names of portfolios's selectors, gathered from one module a noun."""

from portfolios.selectors.fund_figures import (
    Payment,
    PeriodFigures,
    PublishedHistory,
    RollingYear,
    Style,
    payments_of,
    prices_of,
    published_history,
    rolling_years,
    style_of,
    year_figures,
)
from portfolios.selectors.fund_record import FundRecord, fund_record, has_ended, size_words
from portfolios.selectors.funds import (
    EXAMPLE_MINOR,
    RANK,
    FundQuery,
    HoldingCost,
    category_of,
    class_name,
    find_funds,
    fund_with_family,
    holding_costs,
    pool_fund_ids,
    ranks_of,
    redemption_fees,
    settlement_lag,
)
from portfolios.selectors.history import growth_of, load_history, nav_on, return_matrix
from portfolios.selectors.matrices import MonthMatrix, daily_block, month_end_matrix
from portfolios.selectors.model_sets import current_models
from portfolios.selectors.orders import orders_of, steps_of, why_not
from portfolios.selectors.positions import PortfolioTotals, Position, portfolio_totals, positions
from portfolios.selectors.risk import advice_moments, current_pool, weights_risk
from portfolios.selectors.screen_words import screen_rules
from portfolios.selectors.screens import FundVerdict, fund_verdict, latest_screen
from portfolios.selectors.sentences import error_sentence, import_problem, note_sentence, row_reason, row_sentence

__all__ = [
    "EXAMPLE_MINOR",
    "RANK",
    "FundQuery",
    "FundRecord",
    "FundVerdict",
    "HoldingCost",
    "MonthMatrix",
    "Payment",
    "PeriodFigures",
    "PortfolioTotals",
    "Position",
    "PublishedHistory",
    "RollingYear",
    "Style",
    "advice_moments",
    "category_of",
    "class_name",
    "current_models",
    "current_pool",
    "daily_block",
    "error_sentence",
    "find_funds",
    "fund_record",
    "fund_verdict",
    "fund_with_family",
    "growth_of",
    "has_ended",
    "holding_costs",
    "import_problem",
    "latest_screen",
    "load_history",
    "month_end_matrix",
    "nav_on",
    "note_sentence",
    "orders_of",
    "payments_of",
    "pool_fund_ids",
    "portfolio_totals",
    "positions",
    "prices_of",
    "published_history",
    "ranks_of",
    "redemption_fees",
    "return_matrix",
    "rolling_years",
    "row_reason",
    "row_sentence",
    "screen_rules",
    "settlement_lag",
    "size_words",
    "steps_of",
    "style_of",
    "weights_risk",
    "why_not",
    "year_figures",
]
