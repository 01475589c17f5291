"""An alert opens at once and closes when the value has stayed back for three days."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketing.kernels.alerts import CLOSE_AFTER, Standing, next_standing, usual_value

QUIET = Standing(False, 0, None)


@given(st.lists(st.sampled_from([5.0, 15.0, None]), max_size=40))
def test_an_alert_is_open_from_a_value_beyond_until_three_known_ones_in_a_row_are_not(values):
    standing, known, is_open = QUIET, [], False
    for value in values:
        standing = next_standing("above", 10, value, [], standing)
        if value is not None:
            known.append(value)
            if value > 10:
                is_open = True
            elif all(one <= 10 for one in known[-CLOSE_AFTER:]) and len(known) >= CLOSE_AFTER:
                is_open = False
        assert standing.is_open is is_open


@pytest.mark.parametrize(
    ("value", "before", "is_open"),
    [
        (121, [100] * 7, True),
        (79, [100] * 28, True),
        (119, [100] * 7, False),
        (500, [100] * 6, False),
        (5, [0] * 28, False),
        (None, [100] * 28, False),
    ],
)
def test_a_change_needs_a_week_of_days_and_something_to_compare_with(value, before, is_open):
    assert next_standing("change", 0.2, value, before, QUIET).is_open is is_open


def test_unknown_days_are_no_part_of_what_is_usual():
    assert usual_value([None, *[2.0] * 7]) == 2.0 and usual_value([2.0] * 6) is None
