"""What each proposal is like, for a block at once: the same that the model says of one."""

import numpy as np
import pytest
import scipy.sparse as sp

from marketing.kernels.interactions import Matrix
from marketing.kernels.recommenders import nearest
from marketing.kernels.recommenders.als import Als, AlsSettings
from marketing.kernels.recommenders.neighbours import ItemNeighbours
from marketing.kernels.recommenders.popularity import Popularity

N_PEOPLE, N_ITEMS = 40, 15


@pytest.fixture(scope="module")
def matrix():
    values = sp.random(N_PEOPLE, N_ITEMS, 0.25, format="csr", random_state=3, dtype=np.float32)
    values = sp.csr_matrix(sp.vstack([values[:20], sp.csr_matrix((2, N_ITEMS)), values[20:]]))  # two people without a history
    return Matrix(np.arange(values.shape[0]), np.arange(N_ITEMS), values)


@pytest.mark.parametrize("make", [lambda: Als(AlsSettings(factors=4), seed=1), lambda: ItemNeighbours("cosine")])
@pytest.mark.parametrize("at_once", [1, 30, 10_000])
def test_a_block_is_told_what_each_would_be_told_alone(matrix, monkeypatch, make, at_once):
    monkeypatch.setattr(nearest, "PAIRS_AT_ONCE", at_once)
    model = make()
    model.fit(matrix.values)
    rows, columns = (column.ravel() for column in np.meshgrid(np.arange(N_PEOPLE + 2), np.arange(N_ITEMS)))
    found = nearest.nearest_touched(model, matrix, rows, columns)
    for row, column, near in zip(rows, columns, found, strict=True):
        touched = matrix.touched_by(row)
        assert near == -1 or near in touched
        most = max((float(model.alike(np.array([column]), np.array([one]))[0]) for one in touched), default=0.0)
        assert (near >= 0) == (most > 0)
        if near >= 0:
            assert model.alike(np.array([column]), np.array([near]))[0] == pytest.approx(most, rel=1e-5)


def test_what_may_not_be_named_gives_way_to_what_may(matrix):
    model = ItemNeighbours("cosine")
    model.fit(matrix.values)
    rows, columns = np.arange(N_PEOPLE + 2), np.zeros(N_PEOPLE + 2, np.int64)
    plain = nearest.nearest_touched(model, matrix, rows, columns)
    odd = nearest.nearest_touched(model, matrix, rows, columns, lambda _proposed, touched: touched % 2 == 1)
    assert (odd[odd >= 0] % 2 == 1).all() and ((odd >= 0) & (plain % 2 == 0)).any()
    assert (odd[plain % 2 == 1] == plain[plain % 2 == 1]).all(), "the nearest of all is also the nearest of those that may be named"
    none = nearest.nearest_touched(model, matrix, rows, columns, lambda _proposed, touched: touched < 0)
    assert (none == -1).all()


def test_that_many_touched_it_is_no_reason_for_anybody(matrix):
    model = Popularity()
    model.fit(matrix.values)
    assert (nearest.nearest_touched(model, matrix, np.arange(N_PEOPLE), np.zeros(N_PEOPLE, np.int64)) == -1).all()


def test_nothing_proposed_needs_no_reason(matrix):
    model = ItemNeighbours("cosine")
    model.fit(matrix.values)
    nothing = np.zeros(0, dtype=np.int64)
    assert nearest.nearest_touched(model, matrix, nothing, nothing).shape == (0,)
