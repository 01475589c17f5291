"""What a backtest sees on a decision day, and what each of its strategies decides from it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.backtest import FeeStep, Terms
from portfolios.kernels.errors import DataError, InfeasibleError
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.moments import class_moments
from portfolios.kernels.returns import annual_volatility, months_of, weekly_returns
from portfolios.kernels.risk import Record, grade_of_volatility
from portfolios.kernels.screen import screen_market
from portfolios.kernels.types import FloatArray, ReturnMatrix
from portfolios.models import Fund
from portfolios.money import BPS_PER_UNIT
from portfolios.selectors.model_sets import AdviceMarket, FundFacts
from portfolios.selectors.screen_inputs import kernel_rules, load_screen_inputs
from portfolios.services.levels import MONEY_MARKET, level_mandate, require_some, solve_advised

Weights = dict[str, float]
Screen = dict[str, list[Any]]
SCREEN_SEED = 2026
HORIZON_YEARS = 5.0  # the longest bin: no level is lowered by its horizon, and costs are spread as for its models
NO_TRADE: Weights | None = None


@dataclass(frozen=True)
class World:
    """The frozen inputs of a backtest with the prices of its funds, up to its last day and no further."""

    inputs: dict[str, Any]
    matrix: ReturnMatrix

    @cached_property
    def facts(self) -> dict[str, dict[str, Any]]:
        return {row["code"]: row for row in self.inputs["funds"]}

    @cached_property
    def place(self) -> dict[str, int]:
        return {code: column for column, code in enumerate(self.matrix.codes)}

    @cached_property
    def decision_rows(self) -> list[int]:
        """The first row on or after the start, then the first one of each n-th month."""
        dates, every = self.matrix.dates, int(self.inputs["every_months"])
        first = int(np.searchsorted(dates, date.fromisoformat(self.inputs["start"]).toordinal()))
        if first >= len(dates) - 1:
            raise DataError("no_history")
        months = months_of(dates)
        starts = np.flatnonzero(np.diff(months[first:])) + first + 1
        return [first, *(int(row) for row in starts if (months[row] - months[first]) % every == 0 and row < len(dates) - 1)]

    @property
    def lag(self) -> int:
        return int(self.inputs["publication_lag"])

    @property
    def is_screened(self) -> bool:
        return bool(self.inputs["pool"] == "screen")

    def alive(self, row: int) -> list[str]:
        """The funds that a decision of this row can buy: those with a published price."""
        known = np.isfinite(self.matrix.values[max(row - self.lag, 0)])
        return [code for code, column in self.place.items() if known[column]]

    def day(self, row: int) -> date:
        return date.fromordinal(int(self.matrix.dates[row]))

    def window(self, row: int, codes: Sequence[str]) -> ReturnMatrix:
        """The prices of the years behind a decision, as far as they were published by its row."""
        last = max(row - self.lag, 0)
        since = self.matrix.dates[last] - round(365.25 * float(self.inputs["history_years"]))
        first = int(np.searchsorted(self.matrix.dates, since))
        columns = [self.place[code] for code in codes]
        return ReturnMatrix(tuple(codes), self.matrix.dates[first : last + 1], self.matrix.values[first : last + 1][:, columns])

    def vector(self, weights: Mapping[str, float]) -> FloatArray:
        found = np.zeros(len(self.matrix.codes))
        for code, weight in weights.items():
            found[self.place[code]] = weight
        return found

    @cached_property
    def terms(self) -> Terms:
        """Fees and lags by the rules: the fund's own purchase fee, the highest allowed, or none, as the inputs say."""
        rules, costs = jurisdiction(), self.inputs["costs"]
        rows = [self.facts[code] for code in self.matrix.codes]
        buy = {
            "rules": lambda row: row["purchase_fee_bps"],
            "caps": lambda row: rules.purchase_fee_caps_bps.get(row["category"], row["purchase_fee_bps"]),
            "none": lambda row: 0,
        }[costs]
        lags = [rules.lags[rules.categories[row["category"]].lag] for row in rows]
        return Terms(
            buy_rate=np.array([buy(row) / BPS_PER_UNIT for row in rows], float),
            pays_floors=np.array([costs != "none" and row["category"] not in rules.redemption_exempt_categories for row in rows]),
            confirm=np.array([lag.confirm for lag in lags]),
            pay=np.array([lag.pay for lag in lags]),
            steps=tuple(FeeStep(floor.below_days, floor.rate) for floor in rules.redemption_floors),
        )


@dataclass(frozen=True)
class Decision:
    """The weights that each strategy goes for, None where it leaves what it has, and what there is to say of it.

    `screen` is the screen behind them, where the pool is screened anew: {code: [in by the rule, quarters below]}.
    """

    weights: dict[str, Weights | None]
    notes: list[dict[str, Any]]
    screen: Screen


def decide(world: World, row: int, earlier: Mapping[int, Decision], held: Mapping[str, Weights]) -> Decision:
    """Decide for every strategy from what was published by the row; the same window gives the same weights.

    `earlier` holds the decisions before, by row: a fund stays in the pool more easily than it enters. `held` is what each
    level holds by then; empty, it is given its model.
    """
    alive = world.alive(row)
    screen = screen_at(world, row, earlier) if world.is_screened else {}
    members = {code for code, (is_in, _below) in screen.items() if is_in} if world.is_screened else set(world.inputs["pool"])
    codes = [code for code in alive if code in members]
    weights: dict[str, Weights | None] = {
        name: rule(world, alive) for name, rule in _BENCHMARKS.items() if name in strategies(world.inputs)
    }
    weights["equal_weight"] = _equal(codes) if codes else NO_TRADE
    levels, notes = _levels(world, row, codes, held)
    return Decision(weights | levels, notes, screen)


def _levels(
    world: World, row: int, codes: Sequence[str], held: Mapping[str, Weights]
) -> tuple[dict[str, Weights | None], list[dict[str, Any]]]:
    """The weights of each level, None with a note where it has no portfolio."""
    names = {level: f"level_{level}" for level in world.inputs["levels"]}
    weights: dict[str, Weights | None] = dict.fromkeys(names.values(), NO_TRADE)
    notes: list[dict[str, Any]] = []
    try:
        if not codes:
            raise DataError("no_pool_then")
        market = market_at(world, row, codes)
    except DataError as error:
        return weights, [{"code": error.code, "params": {}}]
    for level, name in names.items():
        try:
            weights[name] = _level_weights(world, market, level, held.get(name, {}))
        except (InfeasibleError, DataError) as error:
            notes.append({"strategy": name, "code": error.code, "params": {key: str(value) for key, value in error.params.items()}})
    return weights, notes


def strategies(inputs: Mapping[str, Any]) -> list[str]:
    """The names of all strategies that trade, in the order in which they are shown."""
    named = [f"level_{level}" for level in inputs["levels"]]
    both = bool(inputs["equity"]) and bool(inputs["bond"])
    return [*named, *(["cash"] if inputs["cash"] else []), *(["mix_60_40"] if both else []), "equal_weight"]


def screen_at(world: World, row: int, earlier: Mapping[int, Decision]) -> Screen:
    """Screen the market as it was known on a row's day, with the incumbents of the decision before."""
    rules, day = jurisdiction(), world.day(row)
    ids = dict(Fund.objects.filter(code__in=world.matrix.codes).values_list("code", "pk"))
    before = [at for at in earlier if at < row]
    last = earlier[max(before)].screen if before else {}
    quarter = [at for at in before if _quarter(world.day(at)) < _quarter(day)]
    counted = earlier[max(quarter)].screen if quarter else {}
    previous = {ids[code]: (last.get(code, [False, 0])[0], counted.get(code, [False, 0])[1]) for code in {*last, *counted} if code in ids}
    inputs = load_screen_inputs(day, rules, previous)
    found = screen_market(inputs.market, kernel_rules(rules), seed=SCREEN_SEED, months_this_year=inputs.months_this_year)
    kept = zip(found.codes, found.is_in.tolist(), found.quarters_below.tolist(), strict=True)
    return {str(code): [bool(is_in), int(below)] for code, is_in, below in kept if is_in or below}


def _quarter(day: date) -> int:
    return day.year * 4 + (day.month - 1) // 3


def market_at(world: World, row: int, codes: Sequence[str]) -> AdviceMarket:
    """The moments and the record of the funds as the engine would have estimated them then, each fund graded by the same window.

    The class means are those of the settings of today, which nobody had then.
    """
    rules = jurisdiction()
    window = world.window(row, codes)
    late = any(rules.categories[world.facts[code]["category"]].lag == "qdii" for code in codes)
    means = {code: rules.classes[world.facts[code]["asset_class"]].mean for code in codes}
    moments = class_moments(window, means, weeks=2 if late else 1)
    place = {code: column for column, code in enumerate(window.codes)}
    weekly = weekly_returns(window)[0][:, [place[code] for code in moments.codes]]
    volatility = dict(zip(window.codes, annual_volatility(window), strict=True))
    facts = {code: _facts(world.facts[code], float(volatility[code])) for code in moments.codes}
    day = date.fromordinal(int(window.dates[-1]))
    return AdviceMarket(model_set_id=0, pool_id=0, funds=facts, moments=moments, record=Record(weekly, rules.cash_rate), data_date=day)


def _facts(row: Mapping[str, Any], volatility: float) -> FundFacts:
    """A fund as it would have been graded then: the published or the category's grade, or that of its volatility if stricter."""
    return FundFacts(
        code=row["code"],
        name_zh="",
        name_en="",
        category=row["category"],
        asset_class=row["asset_class"],
        risk_grade=max(int(row["grade"]), grade_of_volatility(volatility, jurisdiction().volatility_bands)),
        is_open=True,
        purchase_fee_bps=row["purchase_fee_bps"],
        annual_fee_bps=0,
    )


def _level_weights(world: World, market: AdviceMarket, level: int, held: Weights) -> Weights:
    """A level's model by the rule that makes the model portfolios, or what advice would make of what is held, its costs weighed."""
    rule = jurisdiction().levels[level]
    allowed = {code: fund for code, fund in market.funds.items() if rule.allows(fund.risk_grade, fund.asset_class)}
    funds = {code: fund for code, fund in allowed.items() if market.has_record(code)}
    require_some(rule, funds)
    mandate = _mandate(world, funds)
    found = solve_advised(market, mandate, rule.cvar_budget, jurisdiction().advice.gamma_min).solution
    kept = {code: weight for code, weight in held.items() if code in funds}
    if kept:
        gamma = found.gamma or jurisdiction().advice.gamma_max
        from_held = replace(mandate, current=kept, sell_cost=_redemption_costs(world, market.data_date, kept))
        found = solve_advised(market, from_held, rule.cvar_budget, gamma).solution
    return {code: round(float(weight), 9) for code, weight in zip(found.codes, found.weights, strict=True) if weight > 0}


def _redemption_costs(world: World, day: date, held: Iterable[str]) -> dict[str, float]:
    """What redeeming is expected to cost: the oldest units go first, and they are as old as the test."""
    age = (day - date.fromisoformat(world.inputs["start"])).days
    steps, floors = sorted(world.terms.steps, key=lambda step: step.below_days), world.terms.pays_floors
    rate = next((step.rate for step in steps if age < step.below_days), 0.0)
    return {code: rate for code in held if rate and floors[world.place[code]]}


def _mandate(world: World, funds: Mapping[str, FundFacts]) -> Mandate:
    """The level's mandate; with the exception for index funds (all, or those marked) these have no cap of their own."""
    excepted = world.inputs["index_funds"]
    free = {code for code in funds if excepted == "all" or (excepted == "marked" and world.facts[code]["is_index"])}
    if not free:
        return level_mandate(funds, HORIZON_YEARS)
    limits = jurisdiction().advice
    caps = {code: limits.money_fund_cap if fund.asset_class == MONEY_MARKET else limits.fund_optimised_cap for code, fund in funds.items()}
    if sum(1.0 if code in free else cap for code, cap in caps.items()) < 1.0:
        raise InfeasibleError("bounds_cannot_sum_to_one", n_funds=len(caps))
    return Mandate(
        funds=tuple(funds),
        risk_aversion=limits.gamma_min,
        bounds={code: (0.0, 1.0 if code in free else cap) for code, cap in caps.items()},
        buy_cost={code: float(world.terms.buy_rate[world.place[code]]) for code in funds},
        horizon_years=HORIZON_YEARS,
    )


def _equal(codes: Sequence[str], whole: float = 1.0) -> Weights:
    return {code: whole / len(codes) for code in codes}


def _alive(named: Sequence[str], codes: Sequence[str]) -> list[str]:
    living = set(codes)
    return [code for code in named if code in living]


def _cash(world: World, codes: Sequence[str]) -> Weights | None:
    named = _alive(world.inputs["cash"], codes)
    return _equal(named) if named else NO_TRADE


def _mix(world: World, codes: Sequence[str]) -> Weights | None:
    equity, bond = (_alive(world.inputs[side], codes) for side in ("equity", "bond"))
    return {**_equal(equity, 0.6), **_equal(bond, 0.4)} if equity and bond else NO_TRADE


_BENCHMARKS: dict[str, Callable[[World, Sequence[str]], Weights | None]] = {"cash": _cash, "mix_60_40": _mix}
