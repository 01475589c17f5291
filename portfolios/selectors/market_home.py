"""The first page of the market: what needs a decision, how fresh the data are, and what advice rests on. Few queries, no person."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, Max, Model, Q, QuerySet, Value

from portfolios.models import Backtest, Fund, ImportRun, MarketAlert, ModelSet, Pool, PoolDecision, QuarantinedHistory, ScreenRun
from portfolios.selectors.pool import GRADES


@dataclass(frozen=True, slots=True)
class MarketHome:
    """Counts of what waits, and the last of each thing; None where there is none yet."""

    waiting: dict[str, int]  # decisions, models, histories, alerts
    n_funds: int
    data_date: date | None
    last_import: ImportRun | None
    pool: Pool | None
    by_grade: list[tuple[int, int]]
    n_pool: int
    last_screen: ScreenRun | None
    models: ModelSet | None
    last_backtest: Backtest | None
    n_backtests: int


def market_home() -> MarketHome:
    """Read the first page of the market. Seven queries."""
    funds = Fund.objects.aggregate(n=Count("pk"), last=Max("last_nav_date"))
    counts = {f"r{grade}": Count("members", filter=Q(members__fund__risk_grade=grade)) for grade in GRADES}
    pool = Pool.objects.filter(is_current=True).annotate(**counts).first()
    by_grade = [(grade, getattr(pool, f"r{grade}", 0)) for grade in GRADES]
    waiting = _waiting()
    return MarketHome(
        waiting={name: waiting.get(name, 0) for name in ("decisions", "models", "histories", "alerts")},
        n_funds=funds["n"],
        data_date=funds["last"],
        last_import=ImportRun.objects.defer("notes", "state").order_by("-pk").first(),
        pool=pool,
        by_grade=by_grade,
        n_pool=sum(n for _, n in by_grade),
        last_screen=ScreenRun.objects.defer("versions").order_by("-pk").first(),
        models=ModelSet.objects.filter(is_current=True).only("pk", "data_date", "decided_at", "pool_id").first(),
        last_backtest=Backtest.objects.only("pk", "name", "status", "queued_at").order_by("-pk").first(),
        n_backtests=waiting.get("backtests", 0),
    )


def _waiting() -> dict[str, int]:
    """Several counts in one query."""
    counted: list[QuerySet[Any, Any]] = [
        _count("decisions", PoolDecision, state=PoolDecision.State.WAITING),
        _count("models", ModelSet, state=ModelSet.State.WAITING),
        _count("histories", QuarantinedHistory, state=QuarantinedHistory.State.WAITING),
        _count("alerts", MarketAlert, closed_at__isnull=True),
        _count("backtests", Backtest),
    ]
    return dict(counted[0].union(*counted[1:], all=True))


def _count(name: str, model: type[Model], **which: Any) -> QuerySet[Any, Any]:
    rows = model._default_manager.filter(**which).order_by().values(what=Value(name)).annotate(n=Count("pk"))
    return rows.values_list("what", "n")
