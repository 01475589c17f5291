"""Who enters the pool, stays and leaves by P; how many of a company; what a pool lacks to be published."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from portfolios.kernels.ranks import BoolArray, places_within
from portfolios.kernels.screen_types import FundFacts, NDArrayStr, ScreenRules
from portfolios.kernels.types import FloatArray, IntArray

# Verdicts of the rule. What people decide comes after it: see `hand_verdict`.
ENTERS, STAYS, STAYS_BELOW = "enters", "stays", "stays_below"
GATED, RANKED_OUT, LEAVES, COMPANY_FULL, POOL_FULL = "gated", "ranked_out", "leaves", "company_full", "pool_full"
MANUAL_IN, MANUAL_OUT, INCLUDE_REFUSED = "manual_in", "manual_out", "include_refused"


def decide(facts: FundFacts, passes: BoolArray, percentile: FloatArray, rules: ScreenRules) -> tuple[NDArrayStr, IntArray]:
    """Give each fund its verdict (n,) and count its quarters below the leaving line (n,), both by the rule alone.

    A fund enters at P >= enter; one that was in stays while it is at P >= leave, and below that until `quarters_to_leave`
    quarters running have found it there. `facts.quarters_below` is the count of the quarter before. At most
    `max_a_company` funds of a company and category are in: the best P first, then by code. Where more than `max_share` of a
    category's funds that pass the gates would be in, the lowest of those below the entering line leave: staying on a lower
    line than one enters by lets a pool grow from quarter to quarter.
    """
    ranks = passes & np.isfinite(percentile)
    below = ranks & (percentile < rules.leave)
    quarters = np.where(below, facts.quarters_below + 1, 0)
    verdict = np.full(len(facts.codes), RANKED_OUT, dtype="<U20")
    verdict[~ranks] = GATED
    stays = ranks & facts.was_in & ~below
    stays_below = ranks & facts.was_in & below & (quarters < rules.quarters_to_leave)
    verdict[stays], verdict[stays_below] = STAYS, STAYS_BELOW
    verdict[ranks & facts.was_in & below & ~stays_below] = LEAVES
    verdict[ranks & (percentile >= rules.enter) & ~facts.was_in] = ENTERS
    _cap_companies(facts, percentile, rules.max_a_company, verdict)
    _cap_categories(facts, passes, percentile, rules, verdict)
    return verdict, quarters


def _cap_companies(facts: FundFacts, percentile: FloatArray, most: int, verdict: NDArrayStr) -> None:
    chosen = np.flatnonzero(is_in(verdict) & (facts.company != ""))
    if not len(chosen):
        return
    both = np.stack([facts.category[chosen], facts.company[chosen]], axis=1)
    _, group = np.unique(both, axis=0, return_inverse=True)
    place = places_within(group.reshape(-1).astype(np.int64), -percentile[chosen])
    verdict[chosen[place >= most]] = COMPANY_FULL


def _cap_categories(facts: FundFacts, passes: BoolArray, percentile: FloatArray, rules: ScreenRules, verdict: NDArrayStr) -> None:
    _, category = np.unique(facts.category, return_inverse=True)
    most = np.floor(rules.max_share * np.bincount(category, weights=passes) + 1e-9)
    chosen = np.flatnonzero(is_in(verdict))
    place = places_within(category[chosen].astype(np.int64), -percentile[chosen])
    verdict[chosen[(place >= most[category[chosen]]) & (percentile[chosen] < rules.enter)]] = POOL_FULL


def is_in(verdict: NDArrayStr) -> BoolArray:
    """Which verdicts put a fund into the pool."""
    return np.isin(verdict, (ENTERS, STAYS, STAYS_BELOW, MANUAL_IN))


def hand_verdict(verdict: str, kind: str, is_barred: bool) -> str:
    """Change a fund's verdict by an approved decision to include or exclude it; a fund that cannot be bought is not included.

    An include stands outside the company cap: it needs no free place and takes none from a fund the rule chose.
    """
    if kind == "exclude":
        return MANUAL_OUT if bool(is_in(np.array([verdict]))[0]) else verdict
    if is_barred:
        return INCLUDE_REFUSED
    return verdict if bool(is_in(np.array([verdict]))[0]) else MANUAL_IN


def shortage(grades: Sequence[int], is_money: Sequence[bool], companies: Sequence[str], rules: ScreenRules) -> list[dict[str, Any]]:
    """Name what a pool of these funds lacks to be published: [{"grade", "what": funds | money_funds | companies, "has", "needs"}]."""
    grade, money, company = np.asarray(grades), np.asarray(is_money, bool), np.asarray(companies)
    lacks = []
    for wanted, needs in sorted(rules.min_pool.items()):
        here = grade == wanted
        held: Mapping[str, tuple[int, int]] = {
            "funds": (int(here.sum()), needs),
            "companies": (len(set(company[here].tolist()) - {""}), rules.min_companies_a_grade),
        }
        lacks += [{"grade": wanted, "what": what, "has": has, "needs": least} for what, (has, least) in held.items() if has < least]
        n_money = int((here & money).sum())
        if wanted == 1 and n_money < rules.min_money_funds:
            lacks.append({"grade": 1, "what": "money_funds", "has": n_money, "needs": rules.min_money_funds})
    return lacks
