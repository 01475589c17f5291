"""Moments that come from outside: mended with a note, or refused by name."""

import numpy as np
import pytest

from portfolios.kernels.errors import DataError
from portfolios.kernels.moments import checked_moments

CODES = ("A", "B", "C")
MEAN = [0.02, 0.05, 0.08]
COV = np.array([[0.0001, 0.0005, 0.0], [0.0005, 0.01, 0.012], [0.0, 0.012, 0.04]])


def test_good_moments_pass_untouched_and_without_a_note():
    moments = checked_moments(CODES, MEAN, COV)
    assert (moments.codes, moments.notes) == (CODES, ())
    assert moments.mean.tolist() == MEAN
    assert (moments.cov == COV).all()


def test_what_the_caller_changes_afterwards_does_not_change_what_was_checked():
    mean, cov = np.array(MEAN), COV.copy()
    moments = checked_moments(CODES, mean, cov)
    mean[0], cov[0, 0] = np.nan, -1.0
    assert moments.mean[0] == 0.02
    assert moments.cov[0, 0] == 0.0001


def test_labels_bind_and_not_the_order_they_come_in():
    mean = {"C": 0.08, "A": 0.02, "B": 0.05}
    cov = {row: {column: COV[CODES.index(row), CODES.index(column)] for column in "CAB"} for row in "BCA"}
    moments = checked_moments(CODES, mean, cov)
    assert moments.mean.tolist() == MEAN
    assert (moments.cov == COV).all()


def test_pandas_tables_are_read_by_their_labels():
    import pandas as pd

    mean = pd.Series(MEAN, CODES)[["B", "C", "A"]]
    cov = pd.DataFrame(COV, CODES, CODES).loc[["C", "A", "B"], ["B", "A", "C"]]
    moments = checked_moments(CODES, mean, cov)
    assert moments.mean.tolist() == MEAN
    assert (moments.cov == COV).all()


@pytest.mark.parametrize("variances", [[0.0, 0.01, 0.04], [0.0, 0.0, 0.0]])
def test_zero_variance_is_valid(variances):
    moments = checked_moments(CODES, MEAN, np.diag(variances))
    assert moments.notes == ()
    assert np.diag(moments.cov).tolist() == variances


def test_one_fund_is_valid():
    assert checked_moments(("A",), [0.01], [[0.04]]).cov.tolist() == [[0.04]]


def test_a_covariance_of_fewer_weeks_than_funds_is_valid():
    returns = np.random.default_rng(0).normal(size=(10, 40))
    codes = tuple(f"F{i}" for i in range(40))
    assert checked_moments(codes, np.zeros(40), np.cov(returns.T)).notes == ()


def test_a_small_difference_across_the_diagonal_is_mended_with_a_note_and_rounding_without():
    cov = COV.copy()
    cov[1, 2] += 1e-9
    moments = checked_moments(CODES, MEAN, cov)
    assert moments.notes == ("symmetrised",)
    assert (moments.cov == moments.cov.T).all()
    assert moments.cov[1, 2] == pytest.approx(0.012 + 0.5e-9, rel=1e-12)
    cov[1, 2] = COV[1, 2] * (1 + 2e-16)
    rounded = checked_moments(CODES, MEAN, cov)
    assert rounded.notes == ()
    assert (rounded.cov == rounded.cov.T).all()


def test_the_limit_on_symmetry_is_in_units_of_the_two_funds_themselves():
    cov = np.diag([1e-8, 0.04])
    cov[0, 1] = 1e-6 * np.sqrt(1e-8 * 0.04) * 2
    with pytest.raises(DataError) as raised:
        checked_moments(("CASH", "B"), [0.0, 0.0], cov)
    assert raised.value.code == "cov_not_symmetric"


def test_slightly_negative_eigenvalues_are_cut_with_a_note_and_variances_kept():
    deviation = np.array([0.1, 0.2, 0.3])
    cov = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.605], [0.0, 0.605, 1.0]]) * np.outer(deviation, deviation)
    values = np.linalg.eigvalsh(cov)
    assert -0.01 * values[-1] < values[0] < -1e-6 * values[-1]
    moments = checked_moments(CODES, MEAN, cov)
    assert moments.notes == ("repaired_to_psd",)
    assert np.diag(moments.cov) == pytest.approx(np.diag(cov), rel=1e-12)
    assert np.linalg.eigvalsh(moments.cov)[0] >= -1e-12 * np.linalg.eigvalsh(moments.cov)[-1]


def with_cell(row: int, column: int, value: float) -> list[list[float]]:
    cells = COV.tolist()
    cells[row][column] = value
    return cells


@pytest.mark.parametrize(
    ("codes", "mean", "cov", "code", "params"),
    [
        ((), [], [], "no_fund", {}),
        (("A", "B", "A"), MEAN, COV, "duplicate_fund", {"fund": "A"}),
        (CODES, [0.1, 0.2], COV, "moments_shape", {"n_funds": 3, "mean": "2", "cov": "3 x 3"}),
        (CODES, MEAN, COV[:2], "moments_shape", {"n_funds": 3, "mean": "3", "cov": "2 x 3"}),
        (CODES, MEAN, [[1.0], [1.0, 2.0], [1.0]], "moments_not_numbers", {}),
        (CODES, [0.1, "much", 0.2], COV, "moments_not_numbers", {}),
        (CODES, [0.1, None, 0.2], COV, "mean_not_finite", {"fund": "B"}),
        (CODES, [0.1, 0.2, np.inf], COV, "mean_not_finite", {"fund": "C"}),
        (CODES, MEAN, with_cell(2, 1, np.nan), "cov_not_finite", {"fund": "C", "other": "B"}),
        (CODES, MEAN, with_cell(2, 2, -0.04), "variance_negative", {"fund": "C", "value": -0.04}),
        (CODES, MEAN, with_cell(2, 1, 0.013), "cov_not_symmetric", {"fund": "B", "other": "C", "difference": "0.001"}),
        (CODES, {"A": 0.1, "B": 0.2, "D": 0.3}, COV, "labels_differ", {"fund": "C"}),
        (CODES, {"A": 0.1, "B": 0.2, "C": 0.3, "D": 0.3}, COV, "labels_differ", {"fund": "D"}),
        (CODES, MEAN, {"A": [0.1], "B": [0.1]}, "labels_differ", {"fund": "C"}),
    ],
)
def test_what_cannot_be_used_is_refused_naming_the_fund(codes, mean, cov, code, params):
    with pytest.raises(DataError) as raised:
        checked_moments(codes, mean, cov)
    assert (raised.value.code, raised.value.params) == (code, params)


def test_contradictory_correlations_are_refused():
    with pytest.raises(DataError) as raised:
        checked_moments(CODES, MEAN, [[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    assert raised.value.code == "cov_not_psd"
    assert raised.value.params["smallest"] == "-0.8"
