"""Percentile ranks by mid-ranks, against scipy and by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata

from portfolios.kernels.ranks import percentile_ranks, places_within


@given(arrays(np.int64, st.tuples(st.integers(1, 3), st.integers(1, 30)), elements=st.integers(-4, 4)))
def test_ranks_are_mid_ranks(values):
    found = percentile_ranks(values.astype(float), np.ones(values.shape[1], bool))
    expected = (rankdata(values, axis=1, method="average") - 0.5) / values.shape[1]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_ties_share_the_middle_and_the_mean_is_a_half():
    found = percentile_ranks(np.array([[1.0, 2.0, 2.0, 3.0]]), np.ones(4, bool))
    np.testing.assert_allclose(found, [[0.125, 0.5, 0.5, 0.875]])


def test_an_unknown_value_is_nobodys_peer():
    found = percentile_ranks(np.array([[1.0, np.nan, 3.0]]), np.ones(3, bool))
    np.testing.assert_allclose(found, [[0.25, np.nan, 0.75]])


def test_a_fund_that_is_not_counted_is_placed_among_the_rest_and_moves_nobody():
    counted = np.array([True, True, False, False, False])
    found = percentile_ranks(np.array([[1.0, 3.0, 0.0, 2.0, 3.0]]), counted)
    np.testing.assert_allclose(found, [[0.25, 0.75, 0.0, 0.5, 0.75]])


def test_without_peers_there_is_no_rank():
    assert np.isnan(percentile_ranks(np.array([[1.0, 2.0]]), np.zeros(2, bool))).all()


def test_places_start_at_nought_in_each_group():
    groups = np.array([5, 7, 5, 5])
    np.testing.assert_array_equal(places_within(groups, np.array([3.0, 9.0, 1.0, 2.0])), [2, 0, 0, 1])
