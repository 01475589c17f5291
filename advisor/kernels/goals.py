"""How high a goal's portfolio may go: the person's own level under a ceiling that falls as the goal's date comes near."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

DAYS_A_YEAR = 365.25


class HorizonCeiling(Protocol):
    """The highest level of a goal with less than so many years to go."""

    @property
    def below_years(self) -> float: ...

    @property
    def level(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Step:
    """From this date on the goal's portfolio follows this level."""

    date: date
    level: int


def years_to_go(target_date: date, on: date) -> float:
    """The years from a day to a goal's date; 0 once it has come."""
    return max(0.0, (target_date - on).days / DAYS_A_YEAR)


def goal_level(person_level: int, horizon_years: float, ceilings: Iterable[HorizonCeiling]) -> int:
    """Cap a person's level by the years that a goal has left: the lowest ceiling that applies, or the person's own level."""
    return min([person_level, *(ceiling.level for ceiling in ceilings if horizon_years < ceiling.below_years)])


def glide_path(person_level: int, target_date: date, on: date, ceilings: Iterable[HorizonCeiling]) -> tuple[Step, ...]:
    """The days after `on` on which the goal's level falls, each with the level from then on, if the person's stays.

    Agrees with `goal_level` of `years_to_go` on every day; empty where nothing falls any more.
    """
    known = tuple(ceilings)
    level = goal_level(person_level, years_to_go(target_date, on), known)
    steps = []
    for ceiling in sorted(known, key=lambda ceiling: (-ceiling.below_years, -ceiling.level)):
        if ceiling.level < level:
            level = ceiling.level
            steps.append(Step(_first_day_below(ceiling.below_years, target_date), level))
    return tuple(_last_of_each_day(steps))


def _first_day_below(years: float, target_date: date) -> date:
    return target_date - timedelta(days=math.ceil(years * DAYS_A_YEAR) - 1)


def _last_of_each_day(steps: Iterable[Step]) -> list[Step]:
    return list({step.date: step for step in steps}.values())
