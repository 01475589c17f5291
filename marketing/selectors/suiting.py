"""The data of the three filters: a block of investors with what they hold, their plans, and the funds proposed to them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.utils import timezone
from django.utils.translation import get_language

from advisor.models import Consent, Goal, Investor, Readvice
from advisor.selectors import investors_with_consent, level_for_goal
from advisor.selectors.suitability import suits
from marketing.kernels.places import places_among
from marketing.kernels.suiting import KEPT, NOBODY, REMOVED, Fit, Funds, People, numbered, suit
from marketing.models import NotInterested
from marketing.selectors.plans import Plan, Plans, current_plans
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.types import FloatArray, IntArray
from portfolios.models import Fund, Holding, Order, PoolFund
from portfolios.money import BPS_PER_UNIT, value_minor
from portfolios.selectors import EXAMPLE_MINOR
from portfolios.selectors.capacity import full_funds
from portfolios.selectors.model_sets import bin_years, horizon_bin

FIGURES = ("utility", "cvar", "category", "company")
_FUND = ("pk", "code", "name_zh", "name_en", "company", "category", "asset_class", "risk_grade", "is_open", "ended_on",
         "purchase_fee_bps", "annual_fee_bps", "sales_fee_bps", "family_code", "is_simulated", "last_nav_micro")  # fmt: skip
_PERSON = ("pk", "level", "level_valid_until", "accounts__goals", "accounts__goals__portfolio_id", "accounts__goals__target_date",
           "accounts__goals__amount_minor", "accounts__goals__name", "accounts__goals__portfolio__cash_minor", "own_gamma")  # fmt: skip


class FundRow(NamedTuple):
    """What is read of a fund, in one query for all that a block needs."""

    pk: int
    code: str
    name_zh: str
    name_en: str
    company: str
    category: str
    asset_class: str
    risk_grade: int
    is_open: bool
    ended_on: date | None
    purchase_fee_bps: int
    annual_fee_bps: int
    sales_fee_bps: int
    family_code: str
    is_simulated: bool
    last_nav_micro: int | None
    in_pool: bool
    is_full: bool

    @property
    def name(self) -> str:
        zh_first = (get_language() or "zh").startswith("zh")
        return (self.name_zh or self.name_en) if zh_first else (self.name_en or self.name_zh)


@dataclass
class Pot:
    """One goal of a person with what its portfolio holds, in minor units by fund key."""

    goal: Goal
    own_gamma: float | None
    cash_minor: int
    held: dict[int, int]  # with what is ordered
    owned: set[int] = field(default_factory=set)  # without

    @property
    def total_minor(self) -> int:
        return self.cash_minor + sum(self.held.values())


@dataclass
class Person:
    """Somebody who may be suggested something at all. `pot_level` is that of the pot that is judged, None for none in force.

    What the pots hold is filled in before anything is asked of them.
    """

    investor: Investor
    pots: list[Pot]
    pot_level: int | None = None
    bin: int = 0  # of the horizon
    plan: Plan | None = None

    @cached_property
    def pot(self) -> Pot | None:
        """The pot that is judged: the one with the most money, else the one with the largest amount to come."""
        return max(self.pots, key=lambda pot: (pot.total_minor, pot.goal.amount_minor, -(pot.goal.pk or 0)), default=None)

    @cached_property
    def holds(self) -> dict[int, int]:
        """Everything held in all pots, in minor units by fund key."""
        found: dict[int, int] = {}
        for pot in self.pots:
            for fund, value in pot.held.items():
                found[fund] = found.get(fund, 0) + value
        return found

    @property
    def owns(self) -> set[int]:
        """What is held in some pot, without what is only ordered."""
        return {fund for pot in self.pots for fund in pot.owned}

    @property
    def total_minor(self) -> int:
        return sum(pot.total_minor for pot in self.pots)

    @property
    def gamma(self) -> float:
        """The plan's risk aversion, or the higher one that the nightly review found for the pot; NaN without a plan."""
        own = self.pot.own_gamma if self.pot is not None else None
        return max(self.plan.gamma, own or 0.0) if self.plan is not None else float("nan")

    @property
    def is_plan(self) -> bool:
        """Whether there is no money to measure, so that the plan stands for what they hold."""
        return self.pot is None or self.pot.total_minor <= 0

    @property
    def base_minor(self) -> int:
        """The money that the figures speak of: the pot's, else the amount to come, else ten thousand yuan as an example."""
        if self.pot is None:
            return EXAMPLE_MINOR
        return self.pot.total_minor if not self.is_plan else self.pot.goal.amount_minor

    def weights(self) -> dict[int, float]:
        """What is judged as shares of 1 by fund key; what is missing to 1 is cash."""
        if self.is_plan:
            return self.plan.weights if self.plan is not None else {}
        pot = self.pot
        return {fund: value / pot.total_minor for fund, value in pot.held.items()} if pot is not None else {}


@dataclass(frozen=True)
class World:
    """A block of investors, read once: who is not in `people` has switched suggestions off or agrees to no profiling."""

    investors: tuple[int, ...]
    people: Mapping[int, Person]
    declined: Mapping[int, list[int]]
    funds: Mapping[int, FundRow]
    plans: Plans


@dataclass(frozen=True)
class Suited:
    """What became of candidates (N, K), fund keys or -1: verdicts as `kernels.suiting` has them, and the figures."""

    world: World
    candidates: IntArray
    verdict: IntArray
    fit: Fit

    def kept(self, row: int) -> list[int]:
        """The places of the candidates of one investor that may be shown, best first."""
        return [int(place) for place in np.flatnonzero(self.verdict[row] == KEPT)]

    @property
    def counts(self) -> dict[str, int]:
        """How many candidates there were, how many are left, and how many each filter removed."""
        removed = {name: int((self.verdict == place).sum()) for place, name in enumerate(REMOVED)}
        return {"proposed": int((self.verdict != NOBODY).sum()), "kept": int((self.verdict == KEPT).sum()), **removed}

    @property
    def utility_changes(self) -> FloatArray:
        """The change of mandate utility of each candidate that is left, none below 0."""
        changes: FloatArray = self.fit.utility_change[self.verdict == KEPT]
        return changes

    def figures(self, row: int, place: int) -> dict[str, Any]:
        """Before and after of one candidate that is left, as it is stored with a suggestion; `base_minor` is what they speak of."""
        person = self.world.people[self.world.investors[row]]
        both = {
            name: [float(getattr(self.fit, f"{name}_before")[row]), float(getattr(self.fit, f"{name}_after")[row, place])]
            for name in FIGURES
        }
        goal = person.pot.goal.name if person.pot is not None else ""
        return {**both, "base_minor": person.base_minor, "is_plan": person.is_plan, "goal": goal}


def suit_block(investors: Sequence[int], candidates: IntArray) -> Suited:
    """Put candidates (N, K), fund keys best first or -1, of a block of investors through the three filters. Six queries.

    What a set of models is made of is read once a process, which funds are full every five minutes. Nothing else is kept from an
    earlier call: call it again to check again.
    """
    return judge(load_world(investors, np.unique(candidates[candidates >= 0]).tolist()), candidates)


def whom_it_fits(fund_of: Mapping[int, int]) -> set[int]:
    """Of people with one fund each, those to whom it may be shown at this moment. Six queries, none for nobody."""
    return set(first_kept(load_world(list(fund_of), fund_of.values()), [[fund] for fund in fund_of.values()])) if fund_of else set()


def first_kept(world: World, proposed: Sequence[Sequence[int]]) -> dict[int, int]:
    """The first of the funds proposed to each of a world's investors, best first, that may be shown; without those who have none."""
    suited = judge(world, as_table(proposed))
    kept = {investor: suited.kept(row) for row, investor in enumerate(world.investors)}
    return {investor: int(suited.candidates[row, kept[investor][0]]) for row, investor in enumerate(world.investors) if kept[investor]}


def load_world(investors: Sequence[int], funds: Iterable[int] = (), plans: Plans | None = None) -> World:
    """Read investors, what they hold, what they declined, and all funds that this, their plans and `funds` name."""
    plans, today = plans or current_plans(), timezone.localdate()
    people = _people(investors)
    units, moving = _held(people), _in_orders(people)
    declined: dict[int, list[int]] = {}
    for investor, fund in NotInterested.objects.filter(investor__in=list(people), until=None).values_list("investor", "fund"):
        declined.setdefault(investor, []).append(fund)
    named = {*funds, *(row[1] for row in units), *(row[1] for row in moving), *(fund for found in declined.values() for fund in found)}
    table = _funds(named | plans.fund_keys)
    _fill(people, units, moving, table)
    for person in people.values():
        _give_plan(person, plans, today)
    return World(tuple(investors), people, declined, table, plans)


def _people(investors: Sequence[int]) -> dict[int, Person]:
    """Who agrees to profiling and has not switched recommendations off, with their goals; nobody whose account is shut. One query."""
    reviewed = Readvice.objects.filter(run__is_current=True, goal=OuterRef("accounts__goals")).values("risk_aversion")[:1]
    agreed = investors_with_consent(Consent.Purpose.PROFILING).filter(
        pk__in=list(investors), recommendations_off_at=None, erased_at=None, user__is_active=True
    )
    people: dict[int, Person] = {}
    for pk, level, until, goal, portfolio, by, amount, name, cash, gamma in agreed.annotate(own_gamma=Subquery(reviewed)).values_list(
        *_PERSON
    ):
        person = people.setdefault(pk, Person(Investor(pk=pk, level=level, level_valid_until=until), []))
        if goal is not None:
            pot = Goal(pk=goal, portfolio_id=portfolio, target_date=by, amount_minor=amount, name=name)
            person.pots.append(Pot(pot, gamma, cash or 0, {}))
    return people


def _portfolios(people: Mapping[int, Person]) -> dict[int, Pot]:
    return {pot.goal.portfolio_id: pot for person in people.values() for pot in person.pots if pot.goal.portfolio_id is not None}


def _held(people: Mapping[int, Person]) -> list[tuple[int, int, int, int]]:
    """Portfolio, fund, units and cost of each holding."""
    rows = Holding.objects.filter(portfolio__in=list(_portfolios(people)), units_centi__gt=0)
    return list(rows.values_list("portfolio_id", "fund_id", "units_centi", "cost_minor"))


def _in_orders(people: Mapping[int, Person]) -> list[tuple[int, int, str, int]]:
    """Portfolio, fund, side and money of what is on its way: a purchase counts as held, a redemption as cash."""
    buying = Q(side=Order.Side.BUY, state__in=[Order.State.PLACED, Order.State.ACCEPTED])
    arriving = Q(side=Order.Side.SELL, state=Order.State.CONFIRMED)
    rows = Order.objects.filter(buying | arriving, portfolio__in=list(_portfolios(people))).order_by()
    return list(rows.values_list("portfolio_id", "fund_id", "side", F("amount_minor") - F("fee_minor")))


def _funds(keys: Iterable[int]) -> dict[int, FundRow]:
    pooled = Exists(PoolFund.objects.filter(pool__is_current=True, fund=OuterRef("pk")))
    rows = Fund.objects.filter(pk__in=list(keys)).order_by().annotate(in_pool=pooled)
    full = full_funds()
    return {row[0]: FundRow._make((*row, row[0] in full)) for row in rows.values_list(*_FUND, "in_pool")}


def _fill(
    people: Mapping[int, Person],
    units: list[tuple[int, int, int, int]],
    moving: list[tuple[int, int, str, int]],
    funds: Mapping[int, FundRow],
) -> None:
    """Give each pot what it holds at the last NAV; a fund without one counts at its cost."""
    pots = _portfolios(people)
    for portfolio, fund, units_centi, cost in units:
        nav = funds[fund].last_nav_micro
        _add(pots[portfolio], fund, cost if nav is None else value_minor(units_centi, nav))
        pots[portfolio].owned.add(fund)
    for portfolio, fund, side, money in moving:
        if side == Order.Side.BUY:
            _add(pots[portfolio], fund, money)
        else:
            pots[portfolio].cash_minor += money


def _add(pot: Pot, fund: int, value: int) -> None:
    pot.held[fund] = pot.held.get(fund, 0) + value


def _give_plan(person: Person, plans: Plans, today: date) -> None:
    """The level of the pot that is judged, and its plan. Who has no goal is measured by the longest plan of their level."""
    pot = person.pot
    years = 99.0 if pot is None else pot.goal.horizon_years(today)
    if pot is None:
        person.pot_level = person.investor.level if person.investor.has_valid_level(today) else None
    else:
        person.pot_level = level_for_goal(person.investor, pot.goal, today)
    person.bin = horizon_bin(years)
    person.plan = plans.by_level.get((person.pot_level, person.bin)) if person.pot_level is not None else None


def judge(world: World, candidates: IntArray) -> Suited:
    """The three filters over candidates (N, K) of a world's investors; reads nothing."""
    keys = np.array(sorted(world.funds), np.int64)
    verdict, fit = suit(_as_people(world, keys), _as_funds(world, keys), world.plans.moments, _rows(keys, candidates))
    return Suited(world, candidates, verdict, fit)


def _rows(keys: IntArray, funds: IntArray) -> IntArray:
    """Places of fund keys among the sorted ones, -1 for what is not there."""
    place, is_there = places_among(keys, funds)
    return np.where(is_there, place, -1)


def _as_funds(world: World, keys: IntArray) -> Funds:
    rows = [world.funds[key] for key in keys.tolist()]
    levels, limits = jurisdiction().levels, jurisdiction().advice
    kinds = {(row.risk_grade, row.asset_class) for row in rows}
    allowed = {(level, *kind): suits(level, *kind) for level in levels for kind in kinds}
    return Funds(
        column=np.array([world.plans.column_of(row.code, row.category) for row in rows], np.int64),
        allowed=np.array([[allowed[level, row.risk_grade, row.asset_class] for row in rows] for level in levels], bool),
        is_open=np.array([row.is_open and row.ended_on is None and not row.is_full for row in rows], bool),
        in_pool=np.array([row.in_pool for row in rows], bool),
        cap=np.array([limits.money_fund_cap if row.asset_class == "money_market" else limits.fund_cap for row in rows], float),
        buy_cost=np.array([row.purchase_fee_bps / BPS_PER_UNIT for row in rows], float),
        category=numbered([row.category for row in rows]),
        company=numbered([row.company or f"fund {row.pk}" for row in rows]),
        family=numbered([row.family_code or f"fund {row.pk}" for row in rows]),
    )


def _as_people(world: World, keys: IntArray) -> People:
    n = len(world.investors)
    who = [world.people.get(pk) for pk in world.investors]
    levels = {level: place for place, level in enumerate(jurisdiction().levels)}
    weights: list[dict[int, float]] = []
    shares: list[dict[int, float]] = []
    cash, is_plan = np.zeros(n), np.zeros(n, bool)
    plan = np.full((n, 4), np.nan)  # gamma, CVaR, concentration by category and by company
    years, level = np.ones(n), np.full(n, -1, np.int64)
    for at, person in enumerate(who):
        own = person.weights() if person is not None else {}
        all_of_it = person.holds if person is not None else {}
        weights.append(own)
        total = max(person.total_minor, 1) if person is not None else 1
        shares.append({fund: value / total for fund, value in all_of_it.items()})
        if person is None:
            continue
        is_plan[at], years[at] = person.is_plan, bin_years(person.bin)
        cash[at] = 0.0 if person.is_plan else max(0.0, 1.0 - sum(own.values()))
        if person.pot_level is not None:
            level[at] = levels[person.pot_level]
        if person.plan is not None:
            plan[at] = person.gamma, person.plan.cvar, person.plan.category, person.plan.company
    funds = [sorted({*own, *share}) for own, share in zip(weights, shares, strict=True)]
    return People(
        is_on=np.array([person is not None for person in who], bool),
        level=level,
        held=_rows(keys, as_table(funds)),
        weight=_figures(funds, weights),
        share=_figures(funds, shares),
        cash=cash,
        is_plan=is_plan,
        gamma=plan[:, 0],
        years=years,
        plan_cvar=plan[:, 1],
        plan_category=plan[:, 2],
        plan_company=plan[:, 3],
        declined=_rows(keys, as_table([world.declined.get(pk, []) for pk in world.investors])),
    )


def as_table(rows: Sequence[Sequence[int]]) -> IntArray:
    """Lists of different length as one table, filled up with -1."""
    table = np.full((len(rows), max((len(row) for row in rows), default=0)), -1, np.int64)
    for at, row in enumerate(rows):
        table[at, : len(row)] = row
    return table


def _figures(rows: Sequence[Sequence[int]], values: Sequence[Mapping[int, float]]) -> FloatArray:
    table = np.zeros((len(rows), max((len(row) for row in rows), default=0)))
    for at, (row, value) in enumerate(zip(rows, values, strict=True)):
        table[at, : len(row)] = [value.get(fund, 0.0) for fund in row]
    return table
