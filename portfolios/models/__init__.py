from portfolios.models.funds import Fund, ImportIssue, ImportRun, NavYear, Pool, PoolFund
from portfolios.models.orders import Holding, LedgerEntry, Order, OrderEvent, Portfolio

__all__ = [
    "Fund",
    "Holding",
    "ImportIssue",
    "ImportRun",
    "LedgerEntry",
    "NavYear",
    "Order",
    "OrderEvent",
    "Pool",
    "PoolFund",
    "Portfolio",
]
