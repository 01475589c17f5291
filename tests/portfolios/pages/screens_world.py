"""Screens written directly, for pages that only show them: a row a fund, in where it ranks at 0.8 or above."""

from datetime import date
from typing import Any

from config.jobs import Job
from portfolios.models import Fund, Pool, PoolFund, ScreenRow, ScreenRun
from tests.portfolios.market import make_fund

YOUNG = {"code": "too_young", "months": 12, "needs": 36}
CLOSED = {"code": "closed"}


def make_run(
    day: date, ranks: dict[str, float | None], *, gates: dict[str, list[dict[str, Any]]] | None = None, **fields: Any
) -> ScreenRun:
    """A finished run; funds that do not exist yet are made. No rank: it fails a gate."""
    gates = gates or {}
    n_in = sum(rank is not None and rank >= 0.8 and not gates.get(code) for code, rank in ranks.items())
    counts = {"n_funds": len(ranks), "n_gated": sum(rank is not None for rank in ranks.values()), "n_in": n_in}
    told = {"status": Job.Status.DONE, "outcome": "published", "rules_version": "test"} | counts | fields
    run = ScreenRun.objects.create(data_date=day, **told)
    for code, rank in ranks.items():
        fund = Fund.objects.filter(code=code).first() or make_fund(code, category="mixed", grade=3, asset_class="mixed")
        failed = gates.get(code, [] if rank is not None else [YOUNG])
        is_in = rank is not None and rank >= 0.8 and not failed
        around = {} if rank is None else {"rank_low": max(rank - 0.1, 0), "rank_high": min(rank + 0.05, 1), "score": rank, "shrunk": rank}
        ScreenRow.objects.create(
            run=run, fund=fund, peer_group=fund.category, n_peers=40, months=60, risk_grade=fund.risk_grade, gates=failed,
            sub_scores={} if rank is None else {"mrar": rank, "cost": 0.5}, percentile=rank, is_in=is_in,
            verdict="enters" if is_in else "gated" if failed else "ranked_out", **around,
        )  # fmt: skip
    return run


def make_pool(run: ScreenRun) -> Pool:
    """The current pool of the funds that are in."""
    Pool.objects.filter(is_current=True).update(is_current=False)
    pool = Pool.objects.create(name=str(run.data_date), screen_run=run, is_current=True)
    for row in run.rows.filter(is_in=True):
        PoolFund.objects.create(pool=pool, fund_id=row.fund_id, reason=f"enters {row.percentile:.3f}")
    return pool
