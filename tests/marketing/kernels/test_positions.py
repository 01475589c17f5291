"""What somebody lived through, by hand-made ledgers whose answers can be reckoned on paper."""

import numpy as np
import pytest

from marketing.kernels.grouping import NONE, distinct, earliest, favourite, latest, shares, summed
from marketing.kernels.positions import Movements, WeekPrices, lived_through, mean_purchase_day

NAN = np.nan


def moves(*positions: tuple[int, int, list[tuple[int, int, int]]]) -> Movements:
    """Of each position (owner, fund, [(day, units, cost), ...])."""
    rows = [row for _, _, entries in positions for row in entries]
    day, units, cost = (np.array([row[at] for row in rows], np.int64) for at in range(3))
    first = np.cumsum([0, *(len(entries) for _, _, entries in positions)]).astype(np.int64)
    owner, fund = (np.array([one[at] for one in positions], np.int64) for at in (0, 1))
    return Movements(first, day, units, cost, owner, fund)


def weeks(*nav: list[float], growth: list[list[float]] | None = None) -> WeekPrices:
    """Ends of weeks on days 7, 14, ...; NAVs a fund in units of money, total return the same unless told."""
    values = np.array(nav, float).T
    return WeekPrices(np.arange(1, len(values) + 1, dtype=np.int64) * 7, values * 1e6, np.array(growth, float).T if growth else values)


def test_the_oldest_units_are_sold_first():
    one = moves((0, 0, [(10, 100, 1_000), (20, 100, 3_000), (30, -150, -2_500)]))
    assert mean_purchase_day(one, 1) == pytest.approx([20.0])
    assert mean_purchase_day(moves((0, 0, [(10, 100, 1_000), (20, 100, 3_000), (30, -50, -500)])), 1) == pytest.approx(
        [(500 * 10 + 3_000 * 20) / 3_500]
    )


def test_what_was_sold_whole_and_bought_again_is_as_old_as_the_second_purchase():
    two = moves((0, 0, [(10, 100, 1_000), (20, -100, -1_000), (40, 7, 70)]), (1, 0, [(5, 9, 90), (6, -9, -90)]))
    assert mean_purchase_day(two, 3) == pytest.approx([40.0, NAN, NAN], nan_ok=True)


def test_a_fall_is_felt_from_the_high_by_what_was_held():
    prices = weeks([1.0, 1.2, 0.9, 1.1, 0.6])
    whole = moves((0, 0, [(1, 100, 100)]), (1, 0, [(15, 100, 100)]), (2, 0, [(1, 100, 100), (13, -100, -100)]))
    in_profit, fall = lived_through(whole, prices, 4)
    assert fall == pytest.approx([1 - 0.6 / 1.2, 1 - 0.6 / 1.1, 0.0, NAN], nan_ok=True)  # the third sold before it fell
    assert in_profit == pytest.approx([2 / 5, 1 / 3, 0.0, NAN], nan_ok=True)  # worth exactly its cost is no profit


def test_a_distribution_is_no_fall():
    prices = weeks([1.0, 0.5, 0.5], growth=[[1.0, 1.0, 0.9]])
    assert lived_through(moves((0, 0, [(1, 100, 100)])), prices, 1)[1] == pytest.approx([0.1])


def test_a_week_without_a_price_is_left_out():
    prices = weeks([1.0, NAN, 0.5, 0.4], [1.0, 1.1, 1.21, 1.21])
    both = moves((0, 0, [(1, 100, 100)]), (0, 1, [(1, 100, 100)]), (1, -1, [(1, 100, 100)]))
    in_profit, fall = lived_through(both, prices, 2)
    last = (0.4 + 1.21) / (0.5 + 1.21)
    assert fall == pytest.approx([1 - last, NAN], nan_ok=True)
    assert in_profit == pytest.approx([3 / 7, NAN], nan_ok=True)


def test_two_funds_are_felt_together():
    prices = weeks([1.0, 0.5], [1.0, 1.5])
    assert lived_through(moves((0, 0, [(1, 100, 100)]), (0, 1, [(1, 100, 100)])), prices, 1)[1] == pytest.approx([0.0])


def test_nobody_and_nothing():
    none = np.empty(0, np.int64)
    empty = Movements(np.zeros(1, np.int64), none, none, none, none, none)
    assert np.isnan(lived_through(empty, weeks([1.0, 0.5]), 2)).all()
    assert np.isnan(mean_purchase_day(empty, 2)).all()


def test_groups_without_rows_say_so():
    group, value = np.array([0, 0, 2, 0]), np.array([5, 3, 9, 5])
    assert latest(group, value, 4).tolist() == [5, NONE, 9, NONE]
    assert earliest(group, value, 4).tolist() == [3, NONE, 9, NONE]
    assert distinct(group, value, 4).tolist() == [2, 0, 1, 0]
    assert summed(group, np.array([2**60, 1, 7, 2]), 3).tolist() == [2**60 + 3, 0, 7]
    assert favourite(group, np.array([1, 0, 1, 0]), np.ones(4), 3, 2).tolist() == [0, -1, 1]  # the smaller of equals was asked for
    parts = shares(group, np.array([0, -1, 1, 0]), np.ones(4), 4, 2)
    assert parts[0] == pytest.approx([2 / 3, 0.0]) and np.isnan(parts[1]).all() and parts[2] == pytest.approx([0.0, 1.0])
