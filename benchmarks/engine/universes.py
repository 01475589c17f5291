"""The universes the engine is measured on: moments in memory, by fund code, annual simple returns.

Real ones are read where the data sets stand beside the project and are never copied into it; synthetic ones are weekly
returns of a seeded factor model with the spread of variances a fund shelf has, from money-market to single-sector equity.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

DATA = Path(__file__).resolve().parent.parent.parent.parent / "shared/data"
ETF_START = date(2008, 5, 13)  # from this day 32 of the 37 funds have a complete history
WEEKS = 520
# Of a money-market, bond, balanced, equity and overseas fund: own weekly volatility, and betas to (rates, equity, overseas).
CLASSES = (
    (0.00005, (0.005, 0.0, 0.0)),
    (0.0012, (0.8, 0.02, 0.0)),
    (0.004, (0.5, 0.45, 0.05)),
    (0.010, (0.0, 1.05, 0.1)),
    (0.009, (0.0, 0.25, 0.95)),
)
FACTOR_VOLATILITY = np.array([0.0045, 0.026, 0.023])  # weekly
PREMIA = np.array([0.010, 0.055, 0.060])  # annual, above cash
CASH = 0.018


class NotHereError(Exception):
    """Something to measure is not on this machine; the text says what."""


@dataclass(frozen=True)
class Universe:
    """Funds with their annual mean (n,), covariance (n, n), and the returns (T, n) some peers insist on being given."""

    name: str
    codes: tuple[str, ...]
    mean: FloatArray
    cov: FloatArray
    returns: FloatArray

    def __len__(self) -> int:
        return len(self.codes)


def synthetic(n: int) -> Universe:
    """Weekly returns of n funds in five classes over ten years; the mean is the model's, the covariance the sample's."""
    random = np.random.default_rng(20261122 + n)
    kinds = np.arange(n) % len(CLASSES)
    own = np.array([CLASSES[kind][0] for kind in kinds]) * random.uniform(0.6, 1.6, n)
    betas = np.array([CLASSES[kind][1] for kind in kinds]) * random.uniform(0.7, 1.3, (n, 3))
    factors = random.normal(size=(WEEKS, 3)) * FACTOR_VOLATILITY
    mean = CASH + betas @ PREMIA + random.normal(size=n) * own  # a weekly own volatility as a year's spread of skill
    returns = mean / 52 + factors @ betas.T + random.normal(size=(WEEKS, n)) * own
    codes = tuple(f"S{i:03d}" for i in range(n))
    return Universe(f"synthetic {n}", codes, mean, np.cov(returns.T) * 52, returns)


def etf(n: int) -> Universe:
    """The first n of the real ETFs with a complete history: weekly total returns, sample moments."""
    path = DATA / "etf/ETFs_TotalReturnIndices.csv"
    if not path.is_file():
        raise NotHereError("the data sets are not beside the project")
    with path.open(encoding="utf-8-sig", newline="") as lines:
        head, *rows = csv.reader(lines)
    first = next(row for row in rows if _day(row[0]) >= ETF_START)
    columns = [i for i in range(1, len(head)) if first[i] != "NA"][:n]
    levels = np.array([[float(row[i]) for i in columns] for row in rows if _day(row[0]) >= ETF_START])[::5]
    returns = levels[1:] / levels[:-1] - 1
    # The file's rows are weekdays, so every fifth is a week.
    return Universe(f"ETF {n}", tuple(head[i] for i in columns), returns.mean(axis=0) * 52.2, np.cov(returns.T) * 52.2, returns)


def port1() -> Universe:
    """OR-Library port1: 31 shares of the Hang Seng, weekly moments as published, here annual."""
    path = DATA / "orlib/port1.txt"
    if not path.is_file():
        raise NotHereError("the data sets are not beside the project")
    words = path.read_text().split()
    n = int(words[0])
    mean, deviation = np.array(words[1 : 1 + 2 * n], float).reshape(n, 2).T
    correlation = np.eye(n)
    for i, j, value in np.array(words[1 + 2 * n :], float).reshape(-1, 3):
        correlation[int(i) - 1, int(j) - 1] = correlation[int(j) - 1, int(i) - 1] = value
    cov = correlation * np.outer(deviation, deviation) * 52
    # No returns are published; peers that need some are given draws from these moments and told the moments themselves.
    draws = np.random.default_rng(1).multivariate_normal(mean, cov / 52, WEEKS)
    return Universe("OR-Library 31", tuple(f"HK{i:02d}" for i in range(1, n + 1)), mean * 52, cov, draws)


def _day(text: str) -> date:
    return datetime.strptime(text, "%m/%d/%Y").date()


def twenty() -> Universe:
    """Twenty real ETFs, or twenty synthetic funds where the real data are not at hand."""
    try:
        return etf(20)
    except NotHereError:
        return synthetic(20)


SOURCES: dict[str, Callable[[], Universe]] = {
    "ETF 20": lambda: etf(20),
    "ETF 32": lambda: etf(32),
    "OR-Library 31": port1,
    "synthetic 20": lambda: synthetic(20),
    "synthetic 50": lambda: synthetic(50),
    "synthetic 200": lambda: synthetic(200),
}
