"""The stage on which simulated people act, read from the database: pool prices, questionnaire, and the product's own advice."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np

from advisor.instruments import Instrument, current_instrument
from advisor.jurisdictions import advice_rules
from advisor.services.assessments import valid_until_from
from demo.cast import Stage
from demo.tape import Tape
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import KernelError
from portfolios.kernels.lots import FeeStep
from portfolios.kernels.types import AdviceSolution
from portfolios.models import Fund
from portfolios.money import rate_bps
from portfolios.selectors import load_history
from portfolios.services import solve_advice

log = logging.getLogger(__name__)

SHANGHAI = ZoneInfo("Asia/Shanghai")
# The horizons for which the advice is worked out: one a bin [0,1) [1,3) [3,5) [5,inf).
HORIZON_BINS = ((1.0, 0.7), (3.0, 2.0), (5.0, 4.0), (float("inf"), 10.0))


def horizon_bin(years: float) -> float:
    return next(middle for below, middle in HORIZON_BINS if years < below)


def at(day: date, minute: int) -> datetime:
    """A local time of a day, minutes after half past nine."""
    return datetime.combine(day, time(9, 30), tzinfo=SHANGHAI) + timedelta(minutes=minute)


@dataclass
class Scenery:
    """The pool's funds in the order of the tape's columns, and the advice worked out so far by level and horizon."""

    funds: list[Fund]
    tape: Tape

    def __post_init__(self) -> None:
        self.column = {fund.code: column for column, fund in enumerate(self.funds)}
        self.solutions: dict[tuple[int, float], AdviceSolution | None] = {}

    @cached_property
    def instrument(self) -> Instrument:
        return current_instrument()

    def solution(self, level: int, years: float) -> AdviceSolution | None:
        """The product's advice for a level and the horizon's bin; None where there is none, so that nobody buys it.

        Stated losses never bind here: the ceilings already bring a level's budget below them.
        """
        key = (level, horizon_bin(years))
        if key not in self.solutions:
            try:
                self.solutions[key] = solve_advice(level=level, horizon_years=key[1])
            except KernelError as error:
                log.warning("no advice for level %d and %.1f years: %s %s", level, key[1], error.code, error.params)
                self.solutions[key] = None
        return self.solutions[key]

    def weights_of(self, level: int, years: float) -> Mapping[int, float] | None:
        solution = self.solution(level, years)
        if solution is None:
            return None
        return {self.column[code]: weight for code, weight in sorted(solution.weights.items()) if weight > 0}

    def soft_of(self, answers: Mapping[str, str], amount_minor: int) -> list[str]:
        return [one.code for one in self.instrument.contradictions_in(answers, amount_minor) if not one.is_hard]

    def stage(self) -> Stage:
        return Stage(
            tape=self.tape,
            items=self.instrument.for_scoring,
            rules=advice_rules().for_scoring,
            sem=self.instrument.sem,
            contradictions=self.instrument.contradictions,
            ceilings=jurisdiction().horizon_ceilings,
            weights_of=self.weights_of,
            valid_until=lambda day: valid_until_from(at(day, 0)),
            soft_of=self.soft_of,
        )


def read_scenery() -> Scenery:
    """The current pool with its prices."""
    funds = list(Fund.objects.filter(pools__is_current=True).order_by("code"))
    histories = load_history([fund.pk for fund in funds])
    days = np.unique(np.concatenate([history.dates for history in histories.values()]))
    nav = np.zeros((len(days), len(funds)), dtype=np.int64)
    for column, fund in enumerate(funds):
        history = histories[fund.pk]
        nav[np.searchsorted(days, history.dates), column] = history.nav_micro
    table = jurisdiction()
    lags = [table.lags[table.categories[fund.category].lag] for fund in funds]
    steps = [FeeStep(floor.below_days, rate_bps(floor.rate)) for floor in table.redemption_floors]
    tape = Tape(
        days=days,
        nav_micro=nav,
        codes=[fund.code for fund in funds],
        categories=[fund.category for fund in funds],
        grades=[fund.risk_grade for fund in funds],
        purchase_fee_bps=[fund.purchase_fee_bps for fund in funds],
        confirm_lag=[lag.confirm for lag in lags],
        pay_lag=[lag.pay for lag in lags],
        redemption_steps=[[] if fund.category in table.redemption_exempt_categories else steps for fund in funds],
    )
    return Scenery(funds, tape)
