from portfolios.models.backtests import Backtest, BacktestStep
from portfolios.models.funds import Fund, FundFact, FundSize, GradeChange
from portfolios.models.history import ImportIssue, ImportRun, NavYear, QuarantinedHistory
from portfolios.models.model_portfolios import ModelPortfolio, ModelSet, ModelWeight
from portfolios.models.orders import Holding, LedgerEntry, Order, OrderEvent, Portfolio
from portfolios.models.pools import Pool, PoolDecision, PoolFund, ScreenRow, ScreenRun
from portfolios.models.watch import CapacityReservation, MarketAlert

__all__ = [
    "Backtest",
    "BacktestStep",
    "CapacityReservation",
    "Fund",
    "FundFact",
    "FundSize",
    "GradeChange",
    "Holding",
    "ImportIssue",
    "ImportRun",
    "LedgerEntry",
    "MarketAlert",
    "ModelPortfolio",
    "ModelSet",
    "ModelWeight",
    "NavYear",
    "Order",
    "OrderEvent",
    "Pool",
    "PoolDecision",
    "PoolFund",
    "Portfolio",
    "QuarantinedHistory",
    "ScreenRow",
    "ScreenRun",
]
