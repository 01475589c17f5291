"""The latest weeks held back: models learn from what was before one moment, and are judged by what came after it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from marketing.kernels.interactions import Interactions, Matrix, confidence_matrix
from marketing.kernels.places import places_among

MOST_DAYS, MOST_SHARE = 28.0, 0.2  # so many days are held back, and no more than this part of what is known


@dataclass(frozen=True)
class HeldBack:
    """`before` is aged as of the moment of the split, `days` before the run, and `train` is made of it.

    `test` (people, items of `train`) has a 1 where somebody known touched something known for the first time afterwards;
    `tested` are its rows that are not empty.
    """

    days: float
    before: Interactions
    train: Matrix
    test: sp.csr_matrix
    tested: npt.NDArray[np.int64]


def hold_back(seen: Interactions, *, most_people: int, seed: int) -> HeldBack:
    """Split at one moment for everybody. Of more than `most_people` who can be tested, as many are drawn."""
    days = min(MOST_DAYS, MOST_SHARE * float(seen.age_days.max(initial=0.0)))
    is_before = seen.age_days > days
    before = Interactions(seen.user[is_before], seen.item[is_before], seen.kind[is_before], seen.age_days[is_before] - days)
    train = confidence_matrix(before)
    row, has_row = places_among(train.users, seen.user[~is_before])
    column, has_column = places_among(train.items, seen.item[~is_before])
    known = has_row & has_column
    test = sp.csr_matrix((np.ones(known.sum(), np.float32), (row[known], column[known])), shape=train.shape)
    test.sum_duplicates()
    test.data[:] = 1.0
    touched = train.values.astype(bool).astype(np.float32)
    test = sp.csr_matrix(test - test.multiply(touched))
    test.eliminate_zeros()
    tested = np.flatnonzero(np.diff(test.indptr))
    if len(tested) > most_people:
        tested = np.sort(tested[np.argsort(_drawn(train.users[tested], seed), kind="stable")[:most_people]])
        chosen = np.zeros(train.shape[0], np.float32)
        chosen[tested] = 1.0
        test = sp.csr_matrix(sp.diags(chosen) @ test)
        test.eliminate_zeros()
    return HeldBack(days, before, train, test, tested.astype(np.int64))


def _drawn(users: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.uint64]:
    """A number for each person that no other's coming or going changes (splitmix64): whoever is drawn stays drawn."""
    found = users.astype(np.uint64) + np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        found = (found ^ (found >> np.uint64(shift))) * np.uint64(factor)
    return found ^ (found >> np.uint64(31))
