"""The plain choice of a pool in a market too small, or with a history too short, for the quality screen."""

from dataclasses import dataclass

import numpy as np

from portfolios.kernels.simulate import Market
from portfolios.kernels.simulate_funds import MODELS, FundSpec
from portfolios.kernels.types import FloatArray

GATE_MONTHS = {"index": 12}
AT_MOST_A_COMPANY = 2
SCREEN_DAYS = 732  # sessions in three years
SCREEN_LAG = 488  # sessions in the two years during which simulated people trade


@dataclass(frozen=True)
class PoolChoice:
    code: str
    category: str
    rank: int
    n_ranked: int


def choose_pool(funds: list[FundSpec], market: Market) -> list[PoolChoice]:
    """Choose the pool by a plain rule, category by category, on what was known SCREEN_LAG sessions before the last day.

    In: never closed for good nor wound up, one share class, at least 36 months old by then (index funds 12). Ranked by the
    sum of two ranks: three-year return over volatility (money-market funds: return alone), and running fee, the lower the
    better. At most two funds a company and category, until the category's number is full. The lag keeps people who trade
    in the pool from profiting from having been chosen with hindsight.
    """
    end = len(market.days) - SCREEN_LAG
    if end < 2:
        raise ValueError("the market is too short for a pool")
    chosen: list[PoolChoice] = []
    for category, model in MODELS.items():
        columns = [column for column, fund in enumerate(funds) if fund.category == category and _is_offered(fund)]
        old_enough = [column for column in columns if _is_old_enough(funds[column], int(market.days[end - 1]))]
        # In a tiny market age gives way before the pool stays empty.
        columns = old_enough if len(old_enough) >= model.n_least else columns
        taken: dict[int, int] = {}
        for rank, column in enumerate(_ranked(funds, market.total_return[max(0, end - SCREEN_DAYS) : end], columns), start=1):
            fund = funds[column]
            if sum(taken.values()) < model.n_least and taken.get(fund.company, 0) < AT_MOST_A_COMPANY:
                taken[fund.company] = taken.get(fund.company, 0) + 1
                chosen.append(PoolChoice(fund.code, category, rank, len(columns)))
    return chosen


def _is_offered(fund: FundSpec) -> bool:
    return fund.is_open and fund.ended is None and fund.share_class != "C"


def _is_old_enough(fund: FundSpec, on: int) -> bool:
    return on - fund.inception.toordinal() >= GATE_MONTHS.get(fund.category, 36) * 30.5


def _ranked(funds: list[FundSpec], window: FloatArray, columns: list[int]) -> list[int]:
    """Sort columns of one category from best to worst."""
    growth = np.diff(np.log(window[:, columns]), axis=0)
    known = np.isfinite(growth).sum(axis=0) > 20  # too young to have a return: last
    growth = np.where(known & np.isfinite(growth), growth, 0.0)
    mean, vol = growth.mean(axis=0), np.maximum(growth.std(axis=0), 1e-12)
    merit = np.where(known, mean if funds[columns[0]].category == "money" else mean / vol, -np.inf)
    fee = np.array([funds[column].annual_fee_bps for column in columns])
    score = merit.argsort(kind="stable").argsort() + (-fee).argsort(kind="stable").argsort()
    return [columns[i] for i in np.lexsort((np.array([funds[column].code for column in columns]), -score))]
