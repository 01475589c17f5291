"""A pool of every category with real histories, small enough to be solved in a moment."""

from datetime import date

import numpy as np

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.types import FundHistory
from portfolios.models import Fund, Pool, PoolFund
from portfolios.services import store_histories

# category, funds, annual volatility, share of it that all shares have in common
MARKET = [("money", 4, 0.001, 0.0), ("short_bond", 4, 0.008, 0.0), ("bond", 6, 0.03, 0.0), ("mixed", 5, 0.12, 0.7),
          ("equity", 5, 0.20, 0.8), ("qdii", 3, 0.18, 0.5), ("sector", 5, 0.28, 0.7)]  # fmt: skip
END = date(2024, 12, 31)


def simulate(code: str, volatility: float, common: np.ndarray, share: float, rng, n_days: int) -> FundHistory:
    own = rng.normal(size=len(common))
    daily = volatility / np.sqrt(252) * (share * common + np.sqrt(1 - share**2) * own)
    index = np.cumprod(1 + np.clip(daily, -0.3, 0.3))[-n_days:]
    dates = END.toordinal() - np.arange(len(common))[::-1][-n_days:] * 365 // 252
    return FundHistory(code, dates, np.round(index * 1e6).astype(np.int64), index / index[0])


def add_fund(pool: Pool, code: str, category: str, **fields) -> Fund:
    kind = jurisdiction().categories[category]
    fund = Fund.objects.create(code=code, category=category, asset_class=kind.asset_class, risk_grade=kind.grade, source="test", **fields)
    PoolFund.objects.create(pool=pool, fund=fund)
    return fund


def make_pool() -> Pool:
    rng = np.random.default_rng(7)
    common = rng.normal(size=252 * 6)
    pool = Pool.objects.create(name="Test", is_current=True)
    histories = []
    for category, n_funds, volatility, share in MARKET:
        for i in range(n_funds):
            fees = {"purchase_fee_bps": 0 if category == "money" else 10 + i, "annual_fee_bps": 50}
            add_fund(pool, f"{category}{i}", category, **fees)
            histories.append(simulate(f"{category}{i}", volatility, common, share, rng, len(common)))
    store_histories(histories)
    return pool
