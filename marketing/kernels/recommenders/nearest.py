"""Of what each person touched, what is most like each item proposed to them: the "like X" of a reason, for a block at once."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from marketing.kernels.interactions import Matrix
from marketing.kernels.recommenders.contract import Ints, Recommender

PAIRS_AT_ONCE = 500_000
MayTell = Callable[[Ints, Ints], npt.NDArray[np.bool_]]


def nearest_touched(model: Recommender, matrix: Matrix, rows: Ints, columns: Ints, may_tell: MayTell | None = None) -> Ints:
    """For each pair of a row and a proposed column (pairs,), the column of that row which the model finds most alike.

    `may_tell` says of proposed and touched columns (n,) which of these may be named at all. -1 where nothing is alike. Of equals
    the first column wins.
    """
    found = np.full(len(rows), -1, dtype=np.int64)
    n_touched = np.diff(matrix.values.indptr)[rows]
    ends = np.cumsum(n_touched)
    start = 0
    while start < len(rows):
        before = ends[start] - n_touched[start]
        end = max(start + 1, int(np.searchsorted(ends, before + PAIRS_AT_ONCE, side="right")))
        found[start:end] = _nearest(model, matrix, rows[start:end], columns[start:end], may_tell)
        start = end
    return found


def _nearest(model: Recommender, matrix: Matrix, rows: Ints, columns: Ints, may_tell: MayTell | None) -> Ints:
    touched = matrix.values[rows]
    lengths = np.diff(touched.indptr)
    near = touched.indices.astype(np.int64)
    proposed = np.repeat(columns, lengths)
    likeness = model.alike(proposed, near)
    if may_tell is not None:
        likeness = np.where(may_tell(proposed, near), likeness, 0)
    has, starts = lengths > 0, touched.indptr[:-1]
    found = np.full(len(rows), -1, dtype=np.int64)
    if not has.any():
        return found
    best = np.zeros(len(rows), dtype=likeness.dtype)
    best[has] = np.maximum.reduceat(likeness, starts[has])
    pair = np.repeat(np.arange(len(rows)), lengths)
    places = np.flatnonzero((likeness == best[pair]) & (likeness > 0))
    person, first = np.unique(pair[places], return_index=True)
    found[person] = near[places[first]]
    return found
