"""Look-alikes: the order is that of the mean cosine to the seed, and a planted half finds its other half."""

import numpy as np
import pytest

from marketing.kernels.look_alikes import LEAST_SEED, MOST_NEAREST, NoDirection, depth, nearest


def people(n: int, k: int = 8, seed: int = 0):
    return np.random.default_rng(seed).normal(size=(n, k)).astype(np.float32)


def first(n: int, of: int):
    return np.arange(of) < n


def slow(factors, seed):
    """One person at a time: the mean of the cosines to each member of the seed."""
    unit = [row / np.linalg.norm(row) for row in factors.astype(np.float64)]
    members = [unit[row] for row in np.flatnonzero(seed)]
    means = {row: np.mean([unit[row] @ one for one in members]) for row in np.flatnonzero(~seed)}
    return sorted(means, key=lambda row: (-means[row], row))


@pytest.mark.parametrize("seed", range(5))
def test_the_order_is_that_of_the_mean_cosine_to_each_member(seed):
    factors, members = people(400, seed=seed), first(40, 400)
    found, n = nearest(factors, members)
    assert n == 360
    assert found.tolist() == slow(factors, members)


def test_half_of_a_planted_group_finds_the_other_half():
    random = np.random.default_rng(1)
    centres = random.normal(size=(5, 16)) * 2
    group = random.integers(0, 5, 5_000)
    factors = (centres[group] + random.normal(size=(5_000, 16))).astype(np.float32)
    own = np.flatnonzero(group == 2)
    members = np.zeros(5_000, bool)
    members[own[: len(own) // 2]] = True
    rest = set(own[len(own) // 2 :].tolist())
    found, _n = nearest(factors, members)
    assert len(rest & set(found[: len(rest)].tolist())) / len(rest) > 0.95


def test_the_seed_itself_is_left_out_and_nobody_comes_twice():
    factors, members = people(300), first(50, 300)
    found, _n = nearest(factors, members)
    assert not members[found].any()
    assert len(set(found.tolist())) == len(found) == 250


def test_lengths_do_not_count():
    factors, members = people(200), first(30, 200)
    scaled = factors * np.random.default_rng(2).choice([0.25, 4.0, 1024.0], 200).astype(np.float32)[:, None]
    assert nearest(factors, members)[0].tolist() == nearest(scaled, members)[0].tolist()


def test_who_points_nowhere_is_neither_seed_nor_kin():
    factors, members = people(200), first(30, 200)
    factors[[0, 60]] = 0
    factors[61] = np.nan
    factors[62] = np.inf
    found, n = nearest(factors, members)
    assert n == 167
    assert not {0, 60, 61, 62} & set(found.tolist())
    kept = np.setdiff1d(np.arange(200), [0, 60, 61, 62])
    assert found.tolist() == kept[slow(factors[kept], first(29, 196))].tolist()


def test_numbers_whose_squares_overflow_are_compared_all_the_same():
    factors, members = people(100), first(30, 100)
    huge = factors.copy()
    huge[:50] *= np.float32(1e30)
    assert nearest(huge, members)[0].tolist() == nearest(factors, members)[0].tolist()


def test_equal_ones_stand_in_their_order():
    factors = np.ones((120, 4), np.float32)
    assert nearest(factors, first(20, 120))[0].tolist() == list(range(20, 120))


def test_a_small_seed_is_refused():
    with pytest.raises(NoDirection) as refused:
        nearest(people(100), first(LEAST_SEED - 1, 100))
    assert refused.value.n == LEAST_SEED - 1


def test_a_seed_that_cancels_out_is_refused():
    factors = np.vstack([people(20), -people(20), people(10, seed=3)])
    with pytest.raises(NoDirection):
        nearest(factors, first(40, 50))


def test_a_seed_of_everybody_has_no_kin():
    found, n = nearest(people(50), np.ones(50, bool))
    assert (len(found), n) == (0, 0)


def test_only_what_a_condition_can_ask_for_is_kept():
    assert depth(0) == 0
    assert depth(500) == 500
    assert depth(MOST_NEAREST * 2) == MOST_NEAREST
    assert depth(1_000_000) == 100_000
    found, n = nearest(people(MOST_NEAREST + 530, k=4), first(30, MOST_NEAREST + 530))
    assert (len(found), n) == (MOST_NEAREST, MOST_NEAREST + 500)
