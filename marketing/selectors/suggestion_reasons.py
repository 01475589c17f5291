"""Which true reason there is to suggest a fund to a person, from what they hold and what their plan holds at this moment."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from marketing.kernels.suiting import BoolArray
from marketing.selectors import suggestion_words as words
from marketing.selectors.plans import Plans
from marketing.selectors.suiting import FundRow, Person, World
from portfolios.kernels.types import IntArray

LEAST_GAP = 0.01  # of the portfolio: the plan lacks less than that of nothing
SIMILAR = 0.9  # correlation from which on two funds of one category do the same work
LEAST_ALIKE = 0.5  # correlation below which a fund is not called similar to another one, whatever a model finds alike in their buyers


def reason_for(world: World, person: Person, fund: FundRow, learned: Mapping[str, Any], followed: Collection[int]) -> dict[str, Any]:
    """The most telling reason that is true: of the plan, of what is held, else the one that was learned from what they did.

    `followed` has the funds that they follow at this moment, as far as a learned reason speaks of them.
    """
    plan = person.plan
    if person.is_plan:
        if plan is not None and fund.pk in plan.weights:
            return {"code": words.IN_MODEL if person.pot is None else words.IN_PLAN, "weight": plan.weights[fund.pk]}
    elif plan is not None:
        wanted, held = _share(world, plan.weights, fund.asset_class), _share(world, person.weights(), fund.asset_class)
        if wanted - held >= LEAST_GAP:
            return {"code": words.FILLS_PART, "asset_class": fund.asset_class, "plan": wanted, "held": held}
    for pk in sorted(person.owns):
        if costs_less(world, fund, world.funds[pk]):
            return _compared(words.CHEAPER, fund, world.funds[pk])
    code, touched = learned.get("code"), world.funds.get(learned.get("fund_id", 0))
    if code not in words.CODES or touched is None or not moves_like(world, fund, touched):
        return {"code": words.WITHIN_LEVEL}
    if code == words.LIKE_FOLLOWED and touched.pk not in followed:
        return {"code": words.WITHIN_LEVEL}
    return dict(learned)


def beside(world: World, fund: FundRow, other: FundRow) -> dict[str, Any]:
    """Why a fund stands on the page of another one."""
    if costs_less(world, fund, other):
        return _compared(words.CHEAPER_THAN_THIS, fund, other)
    return {"code": words.LIKE_THIS, "fund_id": other.pk}


def moves_like(world: World, fund: FundRow, other: FundRow) -> bool:
    """Whether two funds move together enough for a reader to find the one similar to the other; False where that is not known."""
    columns = (np.array([world.plans.column.get(row.code, -1)]) for row in (fund, other))
    return bool(moves_alike(world.plans, *columns)[0])


def moves_alike(plans: Plans, one: IntArray, other: IntArray) -> BoolArray:
    """`moves_like` for columns of the moments (n,)."""
    return np.asarray(plans.correlation(one, other) >= LEAST_ALIKE)


def costs_less(world: World, fund: FundRow, other: FundRow) -> bool:
    """Whether a fund does the same work as another one for lower running fees, and is no dearer to buy."""
    if fund.pk == other.pk or fund.category != other.category:
        return False
    known = world.plans.column
    columns = (np.array([known.get(row.code, -1)]) for row in (fund, other))
    if world.plans.correlation(*columns)[0] < SIMILAR:
        return False
    return _running(fund) < _running(other) and fund.purchase_fee_bps <= other.purchase_fee_bps


def _compared(code: str, fund: FundRow, other: FundRow) -> dict[str, Any]:
    return {"code": code, "fund_id": other.pk, "fee_bps": _running(fund), "other_fee_bps": _running(other)}


def _running(fund: FundRow) -> int:
    return fund.annual_fee_bps + fund.sales_fee_bps


def _share(world: World, weights: Mapping[int, float], asset_class: str) -> float:
    return sum(weight for pk, weight in weights.items() if world.funds[pk].asset_class == asset_class)
