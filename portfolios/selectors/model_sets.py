"""Sets of model portfolios: the current one, and the market it was made on as arrays, checked against what is true today."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from portfolios.calendar import next_business_day
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.risk import MIN_RECORD_WEEKS, Record
from portfolios.kernels.types import FloatArray, IntArray, Moments
from portfolios.models import Fund, ModelPortfolio, ModelSet, PoolFund
from portfolios.selectors.capacity import capacities
from portfolios.selectors.risk import frozen_moments


@dataclass(frozen=True, slots=True)
class FundFacts:
    """What the models read of a fund, frozen when they were made. `is_open` is False where nothing new may be bought."""

    code: str
    name_zh: str
    name_en: str
    category: str
    asset_class: str
    risk_grade: int
    is_open: bool
    purchase_fee_bps: int
    annual_fee_bps: int


@dataclass(frozen=True)
class AdviceMarket:
    """The pool of a set of models with its moments and what the estimator of record draws from; `funds` are all of the pool.

    `changed` names the funds that may be bought less freely today than when the set was made.
    """

    model_set_id: int
    pool_id: int
    funds: dict[str, FundFacts]
    moments: Moments
    record: Record
    data_date: date
    changed: frozenset[str] = frozenset()

    def has_record(self, code: str) -> bool:
        """Whether a fund has weeks enough for the estimator of record, without which it is not advised."""
        place = {fund: column for column, fund in enumerate(self.moments.codes)}
        return code in place and int(np.isfinite(self.record.weekly[:, place[code]]).sum()) >= MIN_RECORD_WEEKS


def current_models() -> ModelSet | None:
    """The approved models that advice rests on, if there are any."""
    return ModelSet.objects.filter(is_current=True).first()


def horizon_bin(years: float) -> int:
    """The place of a goal's remaining years in the jurisdiction's horizon bins."""
    return int(horizon_bins(np.array([years]))[0])


def horizon_bins(years: FloatArray) -> IntArray:
    """What `horizon_bin` says of each of many (N,)."""
    below = np.array([one.below_years for one in jurisdiction().horizon_bins])
    return np.minimum(np.searchsorted(below, years, side="right"), len(below) - 1).astype(np.int64)


def bin_years(place: int) -> float:
    """The years over which the models of a horizon bin spread their costs."""
    return jurisdiction().horizon_bins[place].years


def facts_of(fund: Fund) -> FundFacts:
    """What is true of a fund now."""
    return FundFacts(**{name: getattr(fund, name) for name in FundFacts.__slots__})


def models_of(model_set_id: int) -> dict[tuple[int, int], ModelPortfolio]:
    """The models of a set by level and horizon bin, in one query and without their weights."""
    return {(row.level, row.horizon_bin): row for row in ModelPortfolio.objects.filter(model_set=model_set_id)}


def packed(array: FloatArray) -> bytes:
    """An array as the row keeps it: little-endian float64, row by row."""
    return np.ascontiguousarray(array, "<f8").tobytes()


def frozen_market(model_set: ModelSet) -> AdviceMarket:
    """The market of a set exactly as it was frozen; no query."""
    moments = frozen_moments(model_set)
    weekly = np.frombuffer(model_set.weekly, "<f8").astype(float).reshape(-1, len(moments.codes))
    funds = {row["code"]: FundFacts(**row) for row in model_set.funds}
    record = Record(weekly, model_set.versions.get("cash_rate", jurisdiction().cash_rate))
    return AdviceMarket(model_set.pk, model_set.pool_id, funds, moments, record, model_set.data_date)


def market_of_models(model_set: ModelSet) -> AdviceMarket:
    """The market of a set with what is true of its funds today; five queries.

    Nothing new may be bought of a fund that has closed, ended, left the current pool, stopped publishing, come to its
    capacity or changed its class since; a higher risk grade counts from the moment it is known. What became better since
    waits for the next set, so that advice is never laxer than what was approved.
    """
    market = frozen_market(model_set)
    live = {fund.code: fund for fund in Fund.objects.filter(code__in=list(market.funds))}
    pooled = set(PoolFund.objects.filter(pool__is_current=True).values_list("fund__code", flat=True))
    gone = _gone(live) | {code for code in market.funds if code not in live or (pooled and code not in pooled)}
    gone |= without_room(live.values(), at="stop")
    funds = {code: _as_of_today(facts, live.get(code), code in gone) for code, facts in market.funds.items()}
    return replace(market, funds=funds, changed=frozenset(code for code, facts in funds.items() if facts != market.funds[code]))


def _as_of_today(facts: FundFacts, fund: Fund | None, is_gone: bool) -> FundFacts:
    if fund is None or is_gone or fund.asset_class != facts.asset_class:
        return replace(facts, is_open=False)
    return replace(facts, is_open=facts.is_open and fund.is_open, risk_grade=max(facts.risk_grade, fund.risk_grade))


def _gone(live: Mapping[str, Fund]) -> set[str]:
    """Funds that have ended, or whose last NAV is older than the newest of all by more than the working days of the monitor."""
    dates = [fund.last_nav_date for fund in live.values() if fund.last_nav_date]
    if not dates:
        return set(live)
    newest, n_days = max(dates), jurisdiction().monitor.stale_days
    return {code for code, fund in live.items() if fund.ended_on or _is_stale(fund.last_nav_date, newest, n_days)}


def _is_stale(last: date | None, newest: date, n_days: int) -> bool:
    if last is None:
        return True
    if (newest - last).days <= n_days:  # the common case, without the calendar
        return False
    for _ in range(n_days):
        last = next_business_day(last)
    return last < newest


def without_room(funds: Iterable[Fund], *, at: str) -> set[str]:
    """Codes of funds whose advised units have reached the capacity rule's `slow` (no new model weight) or `stop` (no purchase)."""
    found = capacities([fund.pk for fund in funds]).values()
    return {one.code for one in found if (one.is_slow if at == "slow" else one.room_centi == 0)}


def frozen_facts(funds: Collection[Fund]) -> list[dict[str, Any]]:
    """The facts of funds as a set keeps them; what has no room for a new model weight counts as closed."""
    full = without_room(funds, at="slow")
    facts = [facts_of(fund) for fund in funds]
    return [asdict(replace(one, is_open=one.is_open and one.code not in full)) for one in facts]
