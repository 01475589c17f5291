"""When somebody may answer again, and what a rise waits for: rules on dates, without a database."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.kernels.rises import AttemptRules, RiseFacts, RiseRules, add_months, attempts_left, decide_rise, is_careless

ATTEMPTS = AttemptRules(a_day=2, a_window=8, window_months=12)
RISES = RiseRules(cooling_off_hours=24, days_after_rise=30, days_after_fall=90, confirmed_from=2)
TODAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
CARELESS = {"fewest": 8, "fastest": 2, "same_place": 14}


def left(*days, today=TODAY):
    found = attempts_left(days, today, ATTEMPTS)
    return (found.is_left, found.limit, found.free_on)


def test_two_a_day_and_eight_in_twelve_months():
    month = [add_months(TODAY, -n) for n in range(13)]
    assert left() == left(TODAY) == left(*month[1:8]) == (True, "", None)
    assert left(TODAY, TODAY) == (False, "day_limit", TODAY + timedelta(days=1))
    assert left(*month[1:9]) == (False, "year_limit", add_months(month[8], 12))
    # On the same day of the month a year later the first one counts no more.
    assert left(*month[6:13], TODAY) == (True, "", None)
    assert left(*month[6:13], TODAY, today=TODAY - timedelta(days=1)) == (False, "year_limit", TODAY)
    # Two today that are also the seventh and eighth: tomorrow brings no attempt either.
    assert left(*month[1:7], TODAY, TODAY) == (False, "year_limit", add_months(month[6], 12))
    # A clock that was set back by a week: what it has seen already counts as today.
    assert left(TODAY, TODAY, today=TODAY - timedelta(days=7))[1] == "day_limit"


def test_months_end_where_their_day_is_missing():
    assert add_months(date(2028, 2, 29), 12) == date(2029, 2, 28)
    assert add_months(date(2026, 12, 31), 2) == date(2027, 2, 28)
    leap_day = [*[date(2028, 2, 29)] * 2, *[date(2028, 3, 31)] * 6]
    assert left(*leap_day, today=date(2029, 2, 28)) == (False, "year_limit", date(2029, 3, 1)), "its twelve months are not over yet"
    assert left(*leap_day, today=date(2029, 3, 1))[0]


@given(st.lists(st.dates(date(2025, 1, 1), date(2027, 1, 1)), max_size=12), st.dates(date(2026, 1, 1), date(2027, 1, 1)))
def test_the_day_that_frees_an_attempt_is_the_first_that_does(days, today):
    found = attempts_left(days, today, ATTEMPTS)
    past = [day for day in days if day <= today]
    if not found.is_left:
        assert found.free_on > today
        assert attempts_left(past, found.free_on, ATTEMPTS).is_left
        assert not attempts_left(past, found.free_on - timedelta(days=1), ATTEMPTS).is_left or len(past) < len(days)


def decide(old, new, **facts):
    return decide_rise(old, new, NOW, TODAY, RiseFacts(**facts), RISES)


def test_a_first_level_and_a_fall_take_effect_at_once_and_a_rise_waits_a_day():
    assert (decide(None, 4).granted, decide(None, 4).rule) == (4, "first_level")
    assert (decide(4, 2).granted, decide(3, 3).rule) == (2, "no_rise")
    rise = decide(2, 3)
    assert (rise.granted, rise.pending, rise.rule) == (2, 3, "cooling_off")
    assert rise.takes_effect_at == NOW + timedelta(hours=24) and not rise.needs_confirmation and not rise.is_kept
    assert decide(2, 4).needs_confirmation and decide(2, 4).granted == 2 and decide(0, 2).needs_confirmation


@pytest.mark.parametrize(
    ("fact", "rule", "last"),
    [
        ("held_until", "held", 0),
        ("blocked_purchase_until", "blocked_purchase", 0),
        ("last_rise", "recent_rise", 29),
        ("last_fall", "portfolio_down", 89),
    ],
)
def test_what_stands_against_a_rise_keeps_the_old_level_to_its_last_day_and_lets_a_fall_through(fact, rule, last):
    on_its_last_day, after = {fact: TODAY - timedelta(days=last)}, {fact: TODAY - timedelta(days=last + 1)}
    kept = decide(2, 3, **on_its_last_day)
    assert (kept.granted, kept.pending, kept.rule, kept.until, kept.is_kept) == (2, None, rule, TODAY, True)
    assert decide(2, 5, **on_its_last_day).pending is None
    assert decide(2, 1, **on_its_last_day).granted == 1
    assert decide(2, 3, **after).rule == "cooling_off"


@given(
    st.integers(0, 5) | st.none(), st.integers(0, 5), st.builds(RiseFacts, *[st.none() | st.dates(date(2026, 8, 1), date(2027, 1, 1))] * 4)
)
def test_nothing_is_granted_above_the_lower_of_old_and_new(old, new, facts):
    rise = decide_rise(old, new, NOW, TODAY, facts, RISES)
    assert rise.granted == (new if old is None else min(old, new))
    assert rise.pending in {None, new} and (rise.pending is None or (old is not None and new > old))


def test_clicking_through_is_seen_in_a_browser_only():
    items = [f"item-{n}" for n in range(16)]
    assert is_careless(dict.fromkeys(items, 1), {}, **CARELESS)
    assert not is_careless(dict.fromkeys(items, 2), {}, **CARELESS)
    assert not is_careless(dict.fromkeys(items[:7], 1), {}, **CARELESS) and not is_careless({}, {}, **CARELESS)
    assert is_careless({}, dict.fromkeys(items[:14], 0) | {"item-14": 1, "item-15": 2}, **CARELESS)
    assert not is_careless({}, dict.fromkeys(items[:13], 0) | {"item-13": 1, "item-14": 1, "item-15": 1}, **CARELESS)
