"""A small market with years of prices for backtests, and a finished backtest as its row holds it."""

from datetime import date, timedelta

import numpy as np

from portfolios.kernels.types import FundHistory
from portfolios.models import Fund
from portfolios.services import BacktestInputs, store_histories

START, END = date(2018, 1, 1), date(2022, 6, 30)
FIRST_DECISION = date(2021, 1, 4)
# code: category, annual volatility, annual drift
FUNDS = {
    "CASH1": ("money", 0.002, 0.02),
    "CASH2": ("money", 0.002, 0.02),
    "SHORT1": ("short_bond", 0.006, 0.025),
    "BOND1": ("bond", 0.03, 0.03),
    "BOND2": ("bond", 0.04, 0.035),
    "MIXED1": ("mixed", 0.11, 0.05),
    "INDEX1": ("index", 0.14, 0.07),
    "SHARE1": ("equity", 0.19, 0.08),
    "SHARE2": ("equity", 0.21, 0.08),
}


def weekdays(first: date = START, last: date = END) -> np.ndarray:
    days = np.arange(first.toordinal(), last.toordinal() + 1)
    return days[(days - 1) % 7 < 5]


def paths(seed: int = 7) -> dict[str, np.ndarray]:
    """Total-return indices by fund on the weekdays, the shares and the index moving together."""
    random = np.random.default_rng(seed)
    n = len(weekdays())
    common = random.normal(size=n)
    made = {}
    for code, (_category, volatility, drift) in FUNDS.items():
        own = random.normal(size=n)
        noise = 0.8 * common + 0.6 * own if volatility > 0.1 else own
        made[code] = np.exp(np.cumsum((drift - volatility**2 / 2) / 261 + volatility / np.sqrt(261) * noise))
    return made


def store_market(values: dict[str, np.ndarray], ends: dict[str, date] | None = None) -> None:
    """Store funds and their prices; a fund of `ends` stops publishing after its day."""
    days = weekdays()
    for code in values:
        category = FUNDS[code][0]
        table = {"money": ("money_market", 1), "short_bond": ("short_bond", 1), "bond": ("bond", 2), "mixed": ("mixed", 3)}
        asset_class, grade = table.get(category, ("equity", 3 if category == "index" else 4))
        known = {"category": category, "asset_class": asset_class, "risk_grade": grade, "source": "test", "is_simulated": True}
        fees = {"money": 0, "short_bond": 0, "bond": 30}
        Fund.objects.get_or_create(
            code=code,
            defaults=known | {"purchase_fee_bps": fees.get(category, 80), "is_index": category == "index", "inception_date": START},
        )
    store_histories(_history(code, days, index, (ends or {}).get(code)) for code, index in values.items())


def _history(code: str, days: np.ndarray, index: np.ndarray, end: date | None) -> FundHistory:
    kept = days <= (end.toordinal() if end else days[-1])
    return FundHistory(code, days[kept], np.round(index[kept] * 1e6).astype(np.int64), index[kept])


def asked(**changes) -> BacktestInputs:
    """The inputs of a backtest over the whole market, half-yearly from 2021."""
    known = {"start": FIRST_DECISION, "end": END, "funds": tuple(FUNDS), "every_months": 6}
    return BacktestInputs(**(known | changes))


def _strategy(name: str, rate: float) -> dict:
    growth = [round((1 + rate) ** (week / 52), 6) for week in range(80)]
    figures = {
        "years": 1.5, "growth": growth[-1], "annual_return": rate, "volatility": 0.1, "deepest_fall": -0.1, "under_water_days": 200,
        "worst_rolling_year": -0.05, "realised_cvar": 0.04, "worst_year": None,
    }  # fmt: skip
    costs = {
        "purchase_fees": 1000.0, "redemption_fees": 50.0, "fees_a_year": 0.001, "turnover_a_year": 0.2, "n_trades": 12,
        "idle_share": 0.01,
    }  # fmt: skip
    rolling = [None] * 52 + [rate] * 28
    return {
        "name": name, "growth": growth, "drawdown": [0.0] * 79 + [-0.1], "rolling": rolling, "figures": figures, "costs": costs,
        "years": [[2021, rate, True], [2022, rate / 2, False]],
    }  # fmt: skip


BACKTEST_INPUTS = {
    "funds": [{"code": "CASH1"}], "costs": "rules", "index_funds": "marked", "bands": True,
    "follows": "advice", "publication_lag": 1, "history_years": 5,
    "pool": ["CASH1"], "levels": [4], "start": "2021-01-04", "end": "2022-07-11",
}  # fmt: skip
BACKTEST_RESULT = {
    "dates": [(FIRST_DECISION + timedelta(weeks=week)).isoformat() for week in range(80)],
    "n_decisions": 3, "n_rows": 395, "capital": 1_000_000.0,
    "strategies": [_strategy("level_4", 0.05), _strategy("mix_60_40", 0.04)],
    "last_weights": {"level_4": {"CASH1": 1.0}},
    "stress": [
        {"code": "rates_2022", "start": "2022-01-04", "end": "2022-10-31",
         "strategies": {"level_4": {"kind": "lived", "total_return": -0.1, "deepest_fall": -0.1, "cover": 1.0}, "mix_60_40": None}}
    ],
}  # fmt: skip
