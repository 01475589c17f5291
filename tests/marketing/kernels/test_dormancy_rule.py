"""The thin rule of dormancy on its own."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketing.kernels.dormancy import Facts, Thresholds, state_of, states_of, yearly_value_minor

LIMITS = Thresholds()
SLEEPER = Facts(
    days_since_joined=700,
    days_since_decision=200,
    days_since_visit=150,
    n_plan_orders_90d=0,
    assets_minor=1_000_000,
    idle_cash_minor=900_000,
)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "dormant"),
        ({"days_since_joined": 5, "days_since_decision": None, "days_since_visit": None}, "new"),
        ({"days_since_visit": 30}, "active"),
        ({"days_since_visit": 31, "days_since_decision": 300}, "cooling"),
        ({"days_since_decision": 90}, "active"),
        ({"n_plan_orders_90d": 1}, "calm"),
        ({"idle_cash_minor": 100_000}, "calm"),
        ({"idle_cash_minor": 200_000}, "dormant"),
        ({"assets_minor": 50_000, "idle_cash_minor": 50_000}, "dormant"),
        ({"days_since_decision": 400, "days_since_visit": 400}, "dormant"),
        ({"days_since_decision": 400, "days_since_visit": 400, "assets_minor": 0, "idle_cash_minor": 0}, "lost"),
        ({"days_since_decision": None, "days_since_visit": None, "assets_minor": 0, "idle_cash_minor": 0}, "lost"),
        (
            {"days_since_joined": 40, "days_since_decision": None, "days_since_visit": None, "assets_minor": 0, "idle_cash_minor": 0},
            "cooling",
        ),
    ],
)
def test_the_state_follows_the_facts(changes, state):
    assert state_of(replace(SLEEPER, **changes), LIMITS) == state


days = st.none() | st.integers(0, 4000)
facts = st.builds(
    Facts,
    days_since_joined=st.integers(0, 4000),
    days_since_decision=days,
    days_since_visit=days,
    n_plan_orders_90d=st.integers(0, 5),
    assets_minor=st.integers(0, 10**12),
    idle_cash_minor=st.integers(0, 10**12),
)


@given(facts)
def test_nobody_with_a_running_plan_is_ever_said_to_sleep(one):
    assert state_of(replace(one, n_plan_orders_90d=1), LIMITS) not in {"cooling", "dormant", "lost"}


@given(facts)
def test_nobody_who_is_invested_with_no_cash_idle_is_ever_said_to_sleep(one):
    assert state_of(replace(one, assets_minor=max(1, one.assets_minor), idle_cash_minor=0), LIMITS) not in {"cooling", "dormant", "lost"}


@given(st.lists(facts, max_size=20))
def test_everybody_has_exactly_one_state(many):
    assert set(states_of(many, LIMITS)) <= {"new", "active", "calm", "cooling", "dormant", "lost"}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        # A decision every ten days: a month of silence is recent no longer, half a year is long, the model may know earlier.
        ({"rhythm_days": 10.0, "days_since_decision": 31, "days_since_visit": None}, "cooling"),
        ({"rhythm_days": 60.0, "days_since_decision": 90, "days_since_visit": None}, "active"),
        ({"rhythm_days": 60.0, "days_since_decision": 179, "days_since_visit": None}, "cooling"),
        ({"rhythm_days": 60.0, "days_since_decision": 180, "days_since_visit": None}, "dormant"),
        ({"rhythm_days": 10.0, "days_since_decision": 61, "days_since_visit": None, "p_alive": 0.9}, "cooling"),
        ({"rhythm_days": 10.0, "days_since_decision": 61, "days_since_visit": None, "p_alive": 0.3}, "dormant"),
        ({"rhythm_days": 10.0, "days_since_decision": 59, "days_since_visit": None, "p_alive": 0.3}, "cooling"),
        ({"rhythm_days": 900.0, "days_since_decision": 240, "days_since_visit": None, "p_alive": 0.9}, "dormant"),
        ({"rhythm_days": 900.0, "days_since_decision": 240, "days_since_visit": 20, "p_alive": 0.1}, "active"),
        ({"rhythm_days": 10.0, "p_alive": 0.0, "idle_cash_minor": 0}, "calm"),
        ({"rhythm_days": 10.0, "p_alive": 0.0, "n_plan_orders_90d": 1}, "calm"),
    ],
)
def test_the_own_rhythm_and_the_chance_of_deciding_again_count(changes, state):
    assert state_of(replace(SLEEPER, **changes), LIMITS) == state


ORDER = ["active", "cooling", "dormant"]


@given(facts, st.floats(1, 1000), st.floats(0, 1), st.integers(0, 1000))
def test_longer_silence_never_wakes(one, rhythm, alive, longer):
    quiet = replace(one, days_since_visit=None, n_plan_orders_90d=0, assets_minor=1_000, idle_cash_minor=1_000, days_since_joined=8_000)
    quiet = replace(quiet, days_since_decision=one.days_since_decision or 0, rhythm_days=rhythm, p_alive=alive)
    later = replace(quiet, days_since_decision=(quiet.days_since_decision or 0) + longer)
    assert ORDER.index(state_of(later, LIMITS)) >= ORDER.index(state_of(quiet, LIMITS))


def test_a_year_s_value_is_what_stays_and_what_is_bought():
    value = yearly_value_minor(np.array([50_000.0]), np.array([0.001]), np.array([1_200_000.0]), np.array([800_000.0]))
    assert value.tolist() == [52_000]
