"""The latest weeks are held back: at one moment for everybody, and only what could have been foretold."""

import numpy as np

from marketing.kernels.held_back import hold_back
from marketing.kernels.interactions import HALF_LIFE_DAYS, Interactions


def seen(*rows):
    user, item, age = (np.array(column) for column in zip(*rows, strict=True))
    return Interactions(user, item, np.zeros(len(rows), np.int8), age.astype(float))


HISTORY = [(1, 10, 400), (1, 11, 300), (2, 10, 200), (2, 12, 100)]


def test_a_first_touch_of_something_known_by_somebody_known_is_what_is_foretold():
    held = hold_back(seen(*HISTORY, (1, 12, 3), (1, 10, 2), (3, 10, 1), (2, 13, 1)), most_people=10, seed=1)
    assert held.days == 28.0
    assert held.train.users.tolist() == [1, 2] and held.train.items.tolist() == [10, 11, 12]
    assert held.test.toarray().tolist() == [[0, 0, 1], [0, 0, 0]]  # not again, not who came later, not a fund that came later
    assert held.tested.tolist() == [0]


def test_confidences_are_those_of_the_moment_of_the_split():
    held = hold_back(seen((1, 10, 400), (2, 11, 28 + HALF_LIFE_DAYS), (1, 11, 1)), most_people=10, seed=1)
    assert held.train.values[1, 1] == 0.5


def test_of_a_short_history_a_fifth_is_held_back():
    held = hold_back(seen((1, 10, 10), (2, 11, 9), (1, 11, 1)), most_people=10, seed=1)
    assert held.days == 2.0 and held.tested.tolist() == [0]


def test_of_many_some_are_drawn_and_nobody_else_is_tested():
    many = [(user, item, 100) for user in range(50) for item in (1, 2)] + [(user, 3, 100) for user in range(100, 110)]
    held = hold_back(seen(*many, *[(user, 3, 1) for user in range(50)]), most_people=7, seed=1)
    assert len(held.tested) == 7 and held.test.nnz == 7
    assert held.tested.tolist() == np.flatnonzero(np.diff(held.test.indptr)).tolist()


def test_nothing_gives_nobody_to_test():
    nothing = Interactions(*(np.zeros(0, dtype) for dtype in (np.int64, np.int64, np.int8, np.float64)))
    assert not len(hold_back(nothing, most_people=10, seed=1).tested)
