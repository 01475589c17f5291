"""What is learned from and what is judged by."""

import numpy as np
import pytest

from marketing.kernels.splits import per_user_split, time_split


def test_each_person_gives_the_same_share_to_the_nearest_whole():
    user = np.repeat(np.arange(5), [1, 2, 4, 8, 101])
    shuffled = np.random.default_rng(1).permutation(user)
    held = per_user_split(shuffled, 0.25, 42)
    assert np.bincount(shuffled[held], minlength=5).tolist() == [0, 0, 1, 2, 25]


def test_what_is_drawn_depends_on_the_seed_alone():
    user = np.repeat(np.arange(30), 12)
    assert (per_user_split(user, 0.25, 42) == per_user_split(user, 0.25, 42)).all()
    assert (per_user_split(user, 0.25, 42) != per_user_split(user, 0.25, 43)).any()


def test_every_place_of_a_history_is_drawn_alike():
    held = per_user_split(np.repeat(np.arange(4000), 8), 0.25, 7).reshape(4000, 8)
    assert np.abs(held.mean(axis=0) - 0.25).max() < 0.03


def test_the_latest_are_held_back_and_one_moment_is_never_cut_in_two():
    moment = np.array([5.0, 1, 9, 3, 7, 7, 2, 4])
    assert time_split(moment, 0.25).tolist() == [False, False, True, False, False, False, False, False]
    assert sorted(moment[time_split(moment, 0.5)]) == [5, 7, 7, 9]


@pytest.mark.parametrize("moment", [[], [3.0], [4.0, 4.0, 4.0]])
def test_where_there_is_but_one_moment_nothing_is_held_back(moment):
    assert not time_split(np.array(moment), 0.25).any()


def test_nobody_has_nothing_held_back():
    assert per_user_split(np.array([], dtype=np.int64), 0.25, 1).shape == (0,)
