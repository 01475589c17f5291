"""The moments behind the advice, and the figures of any weights on them."""

from collections.abc import Collection
from datetime import date, timedelta

import numpy as np

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import DataError
from portfolios.kernels.moments import class_moments, pick
from portfolios.kernels.returns import weekly_returns
from portfolios.kernels.risk import Record, figures
from portfolios.kernels.types import Moments, WeightsRisk
from portfolios.models import Fund, ModelSet, Pool
from portfolios.selectors.history import return_matrix


def current_pool() -> Pool | None:
    """The pool that the advice draws from, if one was made."""
    return Pool.objects.filter(is_current=True).first()


def advice_moments(funds: Collection[Fund]) -> Moments:
    """Class-assumption means and a shrunk covariance of the funds' weekly total returns over the years the settings name.

    Two-week overlapping returns where funds that price a day later (QDII) are among them.
    """
    return advice_market(funds)[0]


def advice_market(funds: Collection[Fund]) -> tuple[Moments, Record]:
    """The moments of the advice, and of the same funds in their order what the estimator of record draws from: single weeks."""
    rules = jurisdiction()
    last = data_date(funds)
    since = last - timedelta(days=round(365.25 * rules.advice.history_years)) if last else None
    late = any(fund.category in rules.categories and rules.categories[fund.category].lag == "qdii" for fund in funds)
    matrix = return_matrix(sorted(fund.code for fund in funds), since)
    means = {fund.code: rules.classes[fund.asset_class].mean for fund in funds}
    moments = class_moments(matrix, means, weeks=2 if late else 1)
    place = {code: column for column, code in enumerate(matrix.codes)}
    weekly = weekly_returns(matrix)[0][:, [place[code] for code in moments.codes]]
    return moments, Record(weekly, rules.cash_rate)


def weights_risk(weights: dict[str, float]) -> WeightsRisk:
    """Figures of any weights on the moments of the approved models; on fresh ones of the current pool where a fund is not in these.

    Raises DataError("fund_without_moments") naming a fund that is unknown or has too short a history, "no_fund" for none.
    """
    held = {code: weight for code, weight in weights.items() if weight}
    if not held:
        raise DataError("no_fund")
    funds = {fund.code: fund for fund in Fund.objects.filter(code__in=held)}
    codes = tuple(sorted(held))
    moments = pick(_moments_with(funds), codes)
    expected_return, volatility, cvar = figures(moments, np.array([held[code] for code in codes]))
    return WeightsRisk(
        expected_return,
        volatility,
        cvar,
        annual_fee_bps=sum(held[code] * funds[code].annual_fee_bps for code in codes),
        purchase_fee_bps=sum(held[code] * funds[code].purchase_fee_bps for code in codes),
        highest_grade=max(funds[code].risk_grade for code in codes),
    )


def _moments_with(funds: dict[str, Fund]) -> Moments:
    """The approved models' moments where they know all of these funds, as proposals do; else those of the pool and these today."""
    models = ModelSet.objects.filter(is_current=True).defer("weekly").first()
    if models is not None and funds.keys() <= set(models.codes):
        return frozen_moments(models)
    pooled = Fund.objects.filter(pool_memberships__pool__is_current=True)
    return advice_moments([*funds.values(), *(fund for fund in pooled if fund.code not in funds)])


def frozen_moments(models: ModelSet) -> Moments:
    """The moments of a set of models as they were frozen; no query."""
    n = len(models.codes)
    mean, cov = (np.frombuffer(packed, "<f8").astype(float) for packed in (models.mean, models.cov))
    return Moments(tuple(models.codes), mean, cov.reshape(n, n), dict(models.versions.get("moments", {})), tuple(models.notes))


def data_date(funds: Collection[Fund]) -> date | None:
    """The last date on which any of the funds has a NAV."""
    return max((fund.last_nav_date for fund in funds if fund.last_nav_date), default=None)
