"""What goes into a screen of the market and what comes out, labelled by fund code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from portfolios.kernels.errors import DataError
from portfolios.kernels.market_record import Record
from portfolios.kernels.ranks import BoolArray
from portfolios.kernels.types import FloatArray, IntArray

NDArrayStr = NDArray[np.str_]
Kind = Literal["active", "index", "money"]
KINDS: tuple[Kind, ...] = ("active", "index", "money")


@dataclass(frozen=True)
class GateRules:
    """The gates: months of history and of the manager, quarters of size, the least daily limit, and what a break of style is."""

    min_months: int
    min_months_index: int
    min_manager_months: int
    size_quarters: int
    min_daily_limit: float
    min_peers: int
    max_style_break: float
    style_break_variance: float


@dataclass(frozen=True)
class ScreenRules:
    """What the screen asks, ranks by, lets in and lets out. Weights are by kind of fund and sub-score; rates are fractions of 1."""

    gates: GateRules
    weights: Mapping[str, Mapping[str, float]]
    shrink_months: int
    enter: float
    leave: float
    quarters_to_leave: int
    max_a_company: int
    max_share: float
    interval: float
    n_bootstrap: int
    block_months: int
    cash_rate: float
    style_classes: tuple[str, ...]
    min_pool: Mapping[int, int]
    min_companies_a_grade: int
    min_money_funds: int

    def __post_init__(self) -> None:
        for kind in KINDS:
            if abs(sum(self.weights[kind].values()) - 1.0) > 1e-9:
                raise DataError("screen_weights_not_one", kind=kind)


@dataclass(frozen=True)
class FundFacts:
    """What was public about n living funds on the data date, in the order of `codes`; money in whole units of the currency.

    `sizes` (q, n) are the last published quarters, the latest last, NaN where fewer were; `daily_limit` is inf where there
    is none; `manager_months` and `retail_share` are NaN where unknown; `cost` is a year's, all in; `months` counts whole
    months of history. `was_in` and `quarters_below` are what the previous published screens said. `company` and `family`
    are "" where unknown or alone.
    """

    codes: tuple[str, ...]
    category: NDArrayStr
    asset_class: NDArrayStr
    kind: NDArrayStr
    grade: IntArray
    company: NDArrayStr
    family: NDArrayStr
    months: IntArray
    manager_months: FloatArray
    sizes: FloatArray
    size_low: FloatArray
    size_high: FloatArray
    retail_share: FloatArray
    is_open: BoolArray
    daily_limit: FloatArray
    is_warned: BoolArray
    cost: FloatArray
    was_in: BoolArray
    quarters_below: IntArray

    def __post_init__(self) -> None:
        n_funds = len(self.codes)
        if list(self.codes) != sorted(set(self.codes)):
            raise DataError("screen_codes_not_sorted")
        for name, value in vars(self).items():
            if name != "codes" and np.shape(value)[-1] != n_funds:
                raise DataError("screen_shape", name=name, expected=n_funds, found=list(np.shape(value)))


@dataclass(frozen=True)
class DeadFunds:
    """Funds that no longer live on the data date: no one ranks them, but benchmarks and medians of their time hold them."""

    category: NDArrayStr
    asset_class: NDArrayStr
    record: Record


@dataclass(frozen=True)
class MarketData:
    """The living funds with their record, and the dead ones."""

    facts: FundFacts
    record: Record
    dead: DeadFunds


@dataclass(frozen=True)
class Gate:
    """One gate: where a fund fails it, and the figures (n,) to say so with."""

    code: str
    fails: BoolArray
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ranking:
    """Scores of n funds: each sub-score a percentile among peers, the weighted score, the shrunk one, and P; NaN where none."""

    peer_group: NDArrayStr
    n_peers: IntArray
    sub_scores: Mapping[str, FloatArray]
    score: FloatArray
    shrunk: FloatArray
    percentile: FloatArray
    rank_low: FloatArray
    rank_high: FloatArray
    notes: tuple[tuple[dict[str, Any], ...], ...]


@dataclass(frozen=True)
class Screened:
    """The outcome of a screen of n funds, in the order of `codes`."""

    codes: tuple[str, ...]
    gates: tuple[Gate, ...]
    passes: BoolArray
    ranking: Ranking
    quarters_below: IntArray
    passes_4433: FloatArray
    is_in: BoolArray
    verdict: NDArrayStr
