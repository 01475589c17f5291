"""The public names of portfolios's services, gathered from one module a noun."""

from portfolios.services.history import store_counted, store_histories
from portfolios.services.imports import ImportReport, ImportRequest, import_nav
from portfolios.services.ledger import (
    InsufficientCash,
    InsufficientUnits,
    LedgerRefusal,
    deposit,
    open_portfolio,
    rebuild_holdings,
)
from portfolios.services.mandates import Book, BookSolution, solve, solve_book, solve_mandate_file, solve_many
from portfolios.services.orders import OrderRefused, OrderRequest, cancel_order, confirm_orders, place_order
from portfolios.services.pricefile import FileSolution, solve_price_file
from portfolios.services.solving import solve_advice

__all__ = [
    "Book",
    "BookSolution",
    "FileSolution",
    "ImportReport",
    "ImportRequest",
    "InsufficientCash",
    "InsufficientUnits",
    "LedgerRefusal",
    "OrderRefused",
    "OrderRequest",
    "cancel_order",
    "confirm_orders",
    "deposit",
    "import_nav",
    "open_portfolio",
    "place_order",
    "rebuild_holdings",
    "solve",
    "solve_advice",
    "solve_book",
    "solve_mandate_file",
    "solve_many",
    "solve_price_file",
    "store_counted",
    "store_histories",
]
