"""People put on the stage of a market: when each was assessed, what each bought, and how it went. Pure."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from advisor.kernels.contradictions import Rule
from advisor.kernels.goals import HorizonCeiling, goal_level
from advisor.kernels.risk_profile import Item, Profile, Rules, Sem, assess, sheet
from demo.lives import QUIET_SESSIONS, Life, Standing, live
from demo.people import GoalPlan, Person, Persona
from demo.tape import Tape
from demo.trading import Book

DAYS_A_YEAR = 365.25
REASSESSED_AFTER = 355  # days: a little before the year is over

# Weights of a portfolio level and horizon, by column of the tape; None where no portfolio is possible.
WeightsOf = Callable[[int, float], Mapping[int, float] | None]


@dataclass
class Pot:
    """A goal, the level of its portfolio, and its ledger once it was funded."""

    plan: GoalPlan
    made: int  # session
    target_date: date
    level: int | None = None
    weights: Mapping[int, float] = field(default_factory=dict)
    book: Book | None = None
    accepted: int | None = None


@dataclass
class Member:
    """A person with everything that happened to them."""

    person: Person
    joined: int  # session
    standing: Standing | None  # None: not assessed yet
    pots: list[Pot]
    last_active: int  # session of the last thing done, visits aside


@dataclass(frozen=True)
class Stage:
    """What everybody meets: prices, the questionnaire and its rules, the ceilings, the advice, and how long a level is valid."""

    tape: Tape
    items: Sequence[Item]
    rules: Rules
    sem: Sem
    contradictions: Sequence[Rule]
    ceilings: Sequence[HorizonCeiling]
    weights_of: WeightsOf
    valid_until: Callable[[date], date]
    soft_of: Callable[[Mapping[str, str], int], list[str]]  # unlikely pairs in answers about this money, which all are confirmed

    def assess(self, answers: Mapping[str, str], amount_minor: int, *, has_consent: bool = True) -> Profile:
        """What the answers alone give: nobody here has a ledger yet."""
        n_soft = len(self.soft_of(answers, amount_minor))
        known = sheet(answers, self.items, n_soft_confirmed=n_soft, has_profiling_consent=has_consent)
        return assess(known, self.rules, self.sem)


def put_on_stage(person: Person, stage: Stage) -> Member:
    """Let one person live through the market."""
    tape = stage.tape
    joined = min(tape.day_back(person.days_since_joining), tape.last_day)
    standing = None if person.persona is Persona.UNFINISHED else _stand(person, stage, joined)
    pots = [_make_pot(plan, joined, tape) for plan in person.goals]
    if standing is not None:
        for number, pot in enumerate(pots):
            _fund(person, stage, standing, pot, number)
    moves = [movement.day for pot in pots if pot.book for movement in pot.book.movements if movement.kind != "payout"]
    return Member(person, joined, standing, pots, max([joined, *moves]))


def _stand(person: Person, stage: Stage, joined: int) -> Standing:
    tape = stage.tape
    days = [joined]
    if person.reassessed:
        days.append(int(np.searchsorted(tape.days, tape.days[joined] + REASSESSED_AFTER)))
    levels = [stage.assess(answers, person.goals[0].amount_minor).level for answers in person.answers]
    until = stage.valid_until(tape.date(days[-1]))
    return Standing(tuple(zip(days, levels, strict=True)), bisect_right(tape.days.tolist(), until.toordinal()) - 1)


def _make_pot(plan: GoalPlan, joined: int, tape: Tape) -> Pot:
    return Pot(plan, joined, tape.date(joined) + timedelta(days=round(plan.years * DAYS_A_YEAR)))


def _fund(person: Person, stage: Stage, standing: Standing, pot: Pot, number: int) -> None:
    """Work out a pot's portfolio and, unless the person is undecided, buy it and live on with it."""
    tape = stage.tape
    start = standing.assessed[0][0] + 1 + number * (9 + person.seed % 60)
    decided = person.persona is not Persona.UNDECIDED and start < tape.last_day - QUIET_SESSIONS and start < standing.assessed[0][0] + 240
    day = start if decided else tape.last_day
    if not decided and standing.valid_until < tape.last_day:
        return  # the level has run out: nothing is proposed
    years = (pot.target_date - tape.date(day)).days / DAYS_A_YEAR
    level = goal_level(standing.on(day), years, stage.ceilings)
    weights = stage.weights_of(level, years)
    if years <= 0.1 or weights is None:
        return
    pot.level, pot.weights = level, weights
    if decided:
        pot.made, pot.accepted = min(pot.made + number * 5, start), start
        pot.book = live(Life(person, pot.plan, standing, start, weights, level), tape)
