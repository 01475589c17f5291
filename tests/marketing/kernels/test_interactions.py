"""Confidences: kinds, decay, plans once."""

import numpy as np
import pytest

from marketing.kernels.interactions import (
    HALF_LIFE_DAYS,
    KINDS,
    RECENT_HALF_LIFE_DAYS,
    WEIGHTS,
    Interactions,
    confidence_matrix,
    recent_weights,
)


def seen(*rows):
    columns = list(zip(*rows, strict=True)) if rows else [[], [], [], []]
    return Interactions(
        user=np.array(columns[0], dtype=np.int64),
        item=np.array(columns[1], dtype=np.int64),
        kind=np.array([KINDS.index(kind) for kind in columns[2]], dtype=np.int8),
        age_days=np.array(columns[3], dtype=np.float64),
    )


def test_kinds_add_up_and_ids_come_out_sorted():
    matrix = confidence_matrix(seen((9, 4, "view", 0), (9, 4, "order", 0), (2, 7, "view", 0)))
    assert matrix.users.tolist() == [2, 9]
    assert matrix.items.tolist() == [4, 7]
    assert matrix.values.toarray().tolist() == [[0.0, 1.0], [6.0, 0.0]]


def test_a_look_says_less_than_following_and_that_less_than_a_plan_or_an_order():
    assert WEIGHTS["view"] < WEIGHTS["follow"] <= WEIGHTS["proposal"] < WEIGHTS["plan"] < WEIGHTS["order"]
    matrix = confidence_matrix(seen((1, 1, "view", 0), (1, 2, "follow", 0), (1, 3, "plan", 0), (1, 4, "order", 0)))
    assert matrix.values.toarray().tolist() == [[1.0, 2.0, 3.0, 5.0]]


def test_confidence_halves_in_a_half_life():
    matrix = confidence_matrix(seen((1, 1, "order", HALF_LIFE_DAYS)))
    assert matrix.values[0, 0] == pytest.approx(2.5)


def test_a_plan_counts_once_by_its_latest_purchase():
    often = confidence_matrix(seen(*[(1, 1, "plan", 30.0 * n) for n in range(12)]))
    once = confidence_matrix(seen((1, 1, "plan", 0.0)))
    assert often.values[0, 0] == once.values[0, 0]


def test_the_order_of_rows_does_not_matter():
    rows = [(1, 1, "plan", 3.0), (2, 1, "view", 1.0), (1, 2, "order", 9.0), (1, 1, "plan", 1.0), (2, 2, "view", 4.0)]
    assert (confidence_matrix(seen(*rows)).values != confidence_matrix(seen(*rows[::-1])).values).nnz == 0


def test_a_clock_that_ran_ahead_adds_nothing():
    assert confidence_matrix(seen((1, 1, "view", -50.0))).values[0, 0] == 1.0


def test_no_interactions_give_an_empty_matrix():
    assert confidence_matrix(seen()).shape == (0, 0)


def test_what_is_recent_halves_faster_and_counts_a_plan_once():
    rows = [(1, 4, "view", 0.0), (2, 4, "view", RECENT_HALF_LIFE_DAYS), (1, 9, "plan", 0.0), (1, 9, "plan", 30.0), (3, 8, "order", 0.0)]
    assert recent_weights(seen(*rows), np.array([4, 7, 9])).tolist() == [1.5, 0.0, 3.0]
