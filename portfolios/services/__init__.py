"""The public names of portfolios's services, gathered from one module a noun."""

from portfolios.services.history import store_counted, store_histories
from portfolios.services.ledger import (
    InsufficientCash,
    InsufficientUnits,
    LedgerRefusal,
    deposit,
    open_portfolio,
    rebuild_holdings,
)
from portfolios.services.orders import OrderRefused, OrderRequest, cancel_order, confirm_orders, place_order
from portfolios.services.solving import solve_advice

__all__ = [
    "InsufficientCash",
    "InsufficientUnits",
    "LedgerRefusal",
    "OrderRefused",
    "OrderRequest",
    "cancel_order",
    "confirm_orders",
    "deposit",
    "open_portfolio",
    "place_order",
    "rebuild_holdings",
    "solve_advice",
    "store_counted",
    "store_histories",
]
