from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.kernels.goals import Step, glide_path, goal_level, years_to_go
from advisor.models import Goal
from portfolios.jurisdictions import jurisdiction

CEILINGS = jurisdiction().horizon_ceilings
ON = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("level", "target", "steps"),
    [
        (5, date(2036, 11, 22), (Step(date(2031, 11, 23), 4), Step(date(2033, 11, 23), 3), Step(date(2035, 11, 23), 2))),
        (4, date(2036, 11, 22), (Step(date(2033, 11, 23), 3), Step(date(2035, 11, 23), 2))),
        (3, date(2028, 2, 29), (Step(date(2027, 3, 1), 2),)),
        (5, date(2027, 5, 1), ()), (2, date(2060, 1, 1), ()), (0, date(2060, 1, 1), ()), (5, date(2020, 1, 1), ()),
    ],
)  # fmt: skip
def test_the_steps_of_a_goal(level, target, steps):
    assert glide_path(level, target, ON, CEILINGS) == steps


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5), st.integers(-400, 9000))
def test_on_every_day_the_last_step_is_the_goals_level(level, days):
    target = ON + timedelta(days=days)
    steps = glide_path(level, target, ON, CEILINGS)
    assert [step.date for step in steps] == sorted({step.date for step in steps})
    before = goal_level(level, years_to_go(target, ON), CEILINGS)
    for step in steps:
        assert ON < step.date <= target and step.level < before
        assert goal_level(level, years_to_go(target, step.date - timedelta(days=1)), CEILINGS) == before
        assert goal_level(level, years_to_go(target, step.date), CEILINGS) == step.level
        before = step.level
    assert goal_level(level, years_to_go(target, target), CEILINGS) == before


@pytest.mark.parametrize("days", [-3, 0, 1, 365, 366, 4000])
def test_a_goal_counts_its_years_in_the_same_way(days):
    goal = Goal(target_date=ON + timedelta(days=days))
    assert goal.horizon_years(ON) == years_to_go(goal.target_date, ON)
