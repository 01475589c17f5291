"""The public names of portfolios's services, gathered from one module a noun."""

from portfolios.services.backtests import BacktestInputs, execute_backtest, request_backtest
from portfolios.services.capacity import CapacityRefused, Promise, release_capacity, release_lapsed, reserve_capacity
from portfolios.services.grades import GradeReport, grade_funds
from portfolios.services.history import store_counted, store_histories
from portfolios.services.imports import (
    ImportReport,
    ImportRequest,
    execute_import,
    import_nav,
    refuse_upload_at_once,
    report_of,
    request_import,
    uploads_folder,
)
from portfolios.services.ledger import (
    InsufficientCash,
    InsufficientUnits,
    LedgerRefusal,
    deposit,
    open_portfolio,
    rebuild_holdings,
)
from portfolios.services.mandates import Book, BookSolution, solve, solve_book, solve_mandate_file, solve_many
from portfolios.services.model_sets import (
    ModelsRefused,
    approve_models,
    execute_models,
    make_and_approve_models,
    propose_models,
    request_models,
    return_models,
)
from portfolios.services.monitor import WatchReport, watch_market
from portfolios.services.orders import OrderRefused, OrderRequest, cancel_order, confirm_orders, place_order
from portfolios.services.pool_decisions import (
    DecisionRefused,
    approve_decision,
    request_decision,
    return_decision,
    withdraw_decision,
)
from portfolios.services.pricefile import FileSolution, price_histories, solve_price_file, table_chunks, table_rows
from portfolios.services.quarantine import QuarantineRefused, accept_quarantined, reject_quarantined
from portfolios.services.screening import execute_screen, request_due_screen, request_screen
from portfolios.services.solving import solve_advice
from portfolios.services.sync import SyncRequest, request_sync, sync_configured_source

__all__ = [
    "BacktestInputs",
    "Book",
    "BookSolution",
    "CapacityRefused",
    "DecisionRefused",
    "FileSolution",
    "GradeReport",
    "ImportReport",
    "ImportRequest",
    "InsufficientCash",
    "InsufficientUnits",
    "LedgerRefusal",
    "ModelsRefused",
    "OrderRefused",
    "OrderRequest",
    "Promise",
    "QuarantineRefused",
    "SyncRequest",
    "WatchReport",
    "accept_quarantined",
    "approve_decision",
    "approve_models",
    "cancel_order",
    "confirm_orders",
    "deposit",
    "execute_backtest",
    "execute_import",
    "execute_models",
    "execute_screen",
    "grade_funds",
    "import_nav",
    "make_and_approve_models",
    "open_portfolio",
    "place_order",
    "price_histories",
    "propose_models",
    "rebuild_holdings",
    "refuse_upload_at_once",
    "reject_quarantined",
    "release_capacity",
    "release_lapsed",
    "report_of",
    "request_backtest",
    "request_decision",
    "request_due_screen",
    "request_import",
    "request_models",
    "request_screen",
    "request_sync",
    "reserve_capacity",
    "return_decision",
    "return_models",
    "solve",
    "solve_advice",
    "solve_book",
    "solve_mandate_file",
    "solve_many",
    "solve_price_file",
    "store_counted",
    "store_histories",
    "sync_configured_source",
    "table_chunks",
    "table_rows",
    "uploads_folder",
    "watch_market",
    "withdraw_decision",
]
