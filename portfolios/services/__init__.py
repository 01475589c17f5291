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
from portfolios.services.orders import OrderRefused, OrderRequest, cancel_order, confirm_orders, place_order
from portfolios.services.pricefile import FileSolution, solve_price_file
from portfolios.services.solving import solve_advice

__all__ = [
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
    "solve_advice",
    "solve_price_file",
    "store_counted",
    "store_histories",
]
