"""The contract of a recommender, on a matrix with a known answer: two tastes, two halves of the funds."""

import numpy as np
import pytest
import scipy.sparse as sp

from marketing.kernels.recommenders.als import Als, AlsSettings

N_USERS, N_ITEMS, HALF = 60, 12, 6


@pytest.fixture(scope="module")
def matrix():
    random = np.random.default_rng(1)
    dense = np.zeros((N_USERS, N_ITEMS), dtype=np.float32)
    for user in range(N_USERS):
        taste = np.arange(HALF) + (HALF if user % 2 else 0)
        dense[user, random.choice(taste, 4, replace=False)] = 1
    return sp.csr_matrix(dense)


@pytest.fixture(scope="module")
def model(matrix):
    model = Als(AlsSettings(factors=2), seed=7)
    model.fit(matrix)
    return model


def everyone():
    return np.arange(N_USERS)


def test_it_finds_what_is_missing_from_each_taste(model, matrix):
    ranking = model.rank(everyone(), matrix, n=2, allowed=np.arange(N_ITEMS))
    right = [(ranking.items[user] >= HALF).all() == bool(user % 2) for user in range(N_USERS)]
    assert np.mean(right) > 0.95


def test_it_never_leaves_what_is_allowed(model, matrix):
    ranking = model.rank(everyone(), matrix, n=10, allowed=np.array([1, 8]))
    assert set(ranking.items.ravel()) <= {-1, 1, 8}


def test_it_never_repeats_what_was_touched(model, matrix):
    ranking = model.rank(everyone(), matrix, n=N_ITEMS, allowed=np.arange(N_ITEMS))
    for user in range(N_USERS):
        assert not set(ranking.items[user]) & set(matrix[user].indices)


def test_padding_is_marked_and_scores_nothing(model, matrix):
    ranking = model.rank(everyone(), matrix, n=N_ITEMS, allowed=np.arange(N_ITEMS))
    assert (ranking.items == -1).any()
    assert (ranking.scores[ranking.items == -1] == 0).all()


def test_scores_fall_along_a_row(model, matrix):
    ranking = model.rank(everyone(), matrix, n=4, allowed=np.arange(N_ITEMS))
    real = ranking.items >= 0
    assert all((np.diff(ranking.scores[row][real[row]]) <= 1e-6).all() for row in range(N_USERS))


def test_nothing_allowed_gives_nothing(model, matrix):
    assert model.rank(everyone(), matrix, n=5, allowed=np.array([], dtype=np.int64)).items.shape == (N_USERS, 0)


def test_the_same_seed_ranks_alike(model, matrix):
    again = Als(AlsSettings(factors=2), seed=7)
    again.fit(matrix)
    first, second = (m.rank(everyone(), matrix, n=3, allowed=np.arange(N_ITEMS)) for m in (model, again))
    assert (first.items == second.items).all()


def test_the_reason_is_something_of_the_same_taste(model, matrix):
    assert all(model.nearest_touched(0, np.array([3, 9])) == 3 for _ in range(3))
