"""How well each model ranks the interactions of a file: read, split, settings chosen, everything measured once."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from marketing.kernels.evaluate import evaluate
from marketing.kernels.interactions import RECENT_HALF_LIFE_DAYS
from marketing.kernels.recommenders.contract import Floats
from marketing.kernels.recommenders.popularity import RecentPopularity
from marketing.kernels.recommenders.tuning import choose
from marketing.kernels.splits import Mask, Split, per_user_split, time_split
from portfolios.kernels.errors import DataError
from portfolios.services import table_chunks

TEST_SHARE = 0.25
VALIDATION_SHARE = 0.25  # of what is left for training
MOST_CELLS = 2_000_000_000  # people x items that the metrics go through in a sitting
LEAST_SHARE, MOST_SHARE = 2.0**-20, 2.0**100  # of the median weight: beyond it a confidence would vanish, or be no number
_DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class Histories:
    """Parallel columns, one entry an interaction; `user` and `item` count from 0 in the order of their first row."""

    user: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]
    moment: npt.NDArray[np.float64] | None = None  # seconds
    shape: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", (int(self.user.max(initial=-1)) + 1, int(self.item.max(initial=-1)) + 1))

    def matrix(self, rows: Mask) -> sp.csr_matrix:
        """Confidences, people x items: log2(1 + summed weight / the median one), so that their unit does not matter.

        Equal weights are 1 each, and whoever played a song ten thousand times does not drown everybody else. What is beyond
        `LEAST_SHARE` and `MOST_SHARE` counts as these.
        """
        found = sp.csr_matrix((self.weight[rows], (self.user[rows], self.item[rows])), shape=self.shape)
        found.sum_duplicates()
        if found.nnz:
            with np.errstate(over="ignore"):
                found.data = np.log2(1 + np.clip(found.data / np.median(found.data), LEAST_SHARE, MOST_SHARE))
        return sp.csr_matrix(found, dtype=np.float32)

    def recent(self, rows: Mask) -> Floats | None:
        """What everybody did with each item lately, as of the last of some rows, by the heaviest of them; None without moments."""
        if self.moment is None:
            return None
        age = (self.moment[rows].max() - self.moment[rows]) / _DAY_SECONDS
        weight = self.weight[rows] / self.weight[rows].max() * np.exp2(-age / RECENT_HALF_LIFE_DAYS)
        return np.bincount(self.item[rows], weights=weight, minlength=self.shape[1]).astype(np.float32)


def evaluate_file(*, path: Path, split: Split, seed: int) -> dict[str, Any]:
    """The report on a file user, item[, weight][, timestamp]. Raises DataError, which names the line where one is wrong."""
    return compare(read_histories(path, with_moments=split == "time"), split=split, seed=seed)


def compare(histories: Histories, *, split: Split, seed: int, n: int = 10, is_quick: bool = False) -> dict[str, Any]:
    """Every model on one split: settings chosen on a part of the training, then a fit on all of it, then the test, once.

    Per user, a fourth of each person's items is held back; by time, what came after the first three fourths of all rows, of
    people known by then and without what they had touched before. The validation part is cut from the training in the same way.
    Figures are means over people with a test item. Raises DataError where the history is too thin to be split, or no model
    can be fitted on it.
    """
    everything = np.ones(len(histories.user), dtype=bool)
    train_rows, train, test = _cut(histories, everything, split, TEST_SHARE, seed)
    fit_rows, fit, validation = _cut(histories, train_rows, split, VALIDATION_SHARE, seed + 1)
    by_time = split == "time"
    with _refused_by_a_model():
        chosen = choose(fit, validation, seed, recent=histories.recent(fit_rows) if by_time else None, is_quick=is_quick)
    models: dict[str, Any] = {}
    for name, one in chosen.items():
        began = time.perf_counter()
        recent = histories.recent(train_rows) if name == "recent_popularity" else None
        with _refused_by_a_model():
            model = one.make() if recent is None else RecentPopularity(recent)
            model.fit(train)
        found = evaluate(model, train, test, n=n, seed=seed)
        told = found.as_json()
        figures = {metric: value["mean"] if isinstance(value, dict) else value for metric, value in told.items()}
        interval = {"low": told[f"ndcg@{n}"]["low"], "high": told[f"ndcg@{n}"]["high"]}
        chosen_by = {"settings": model.as_json(), "validation_ndcg@10": one.validation, "settings_tried": one.n_tried}
        models[name] = figures | {"interval": interval} | chosen_by | {"seconds": round(time.perf_counter() - began, 3)}
    shown = {"users": histories.shape[0], "items": histories.shape[1], "train_pairs": int(train.nnz), "test_pairs": int(test.nnz)}
    best = max(models, key=lambda name: models[name][f"ndcg@{n}"])
    return {
        "models": models,
        "best": best,
        "split": split,
        "seed": seed,
        "data": shown | {"test_users": int((test.getnnz(axis=1) > 0).sum())},
    }


@contextmanager
def _refused_by_a_model() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise DataError("interactions_refused", why=str(error)) from error


def _cut(histories: Histories, rows: Mask, split: Split, share: float, seed: int) -> tuple[Mask, sp.csr_matrix, sp.csr_matrix]:
    """Rows to learn from, their matrix, and the matrix of what is held back."""
    of = np.flatnonzero(rows)
    if split == "time":
        if histories.moment is None:
            raise DataError("interactions_without_moments")
        is_held = time_split(histories.moment[of], share)
    else:
        is_held = _pairs_held(histories, of, share, seed)
    learned, held = np.zeros_like(rows), np.zeros_like(rows)
    learned[of[~is_held]] = True
    held[of[is_held]] = True
    train, test = histories.matrix(learned), histories.matrix(held)
    touched = train.astype(bool).astype(np.float32)
    known = sp.diags((np.diff(train.indptr) > 0).astype(np.float32))
    test = sp.csr_matrix(known @ (test - test.multiply(touched)))
    test.eliminate_zeros()
    if not test.nnz:
        raise DataError("interactions_too_few", n=len(of))
    return learned, train, test


def _pairs_held(histories: Histories, of: npt.NDArray[np.int64], share: float, seed: int) -> Mask:
    """A pair is held back whole, however many rows it has."""
    pairs, place = np.unique(histories.user[of] * histories.shape[1] + histories.item[of], return_inverse=True)
    return per_user_split(pairs // histories.shape[1], share, seed)[place]


def read_histories(path: Path, *, with_moments: bool) -> Histories:
    """Rows user, item and, where the file has them, weight and timestamp (all of them seconds, or all a date as 2026-01-31).

    Raises DataError, which names the line where one is wrong.
    """
    names: dict[str, list[npt.NDArray[Any]]] = {"user": [], "item": [], "weight": [], "timestamp": []}
    in_seconds: bool | None = None
    for chunk, lines in _filled(path, ("user", "item", *(("timestamp",) if with_moments else ()))):
        for name in ("user", "item"):
            _refuse("interaction_without", (chunk[name] == "").to_numpy(), lines, chunk[name], column=name)
            names[name].append(chunk[name].to_numpy(dtype=object))
        names["weight"].append(_weights(chunk, lines))
        if with_moments:
            moments, in_seconds = _moments(chunk["timestamp"], lines, in_seconds)
            names["timestamp"].append(moments)
    if not names["user"]:
        raise DataError("file_has_no_rows", file=path.name)
    user, item = (pd.factorize(np.concatenate(names[name]))[0].astype(np.int64) for name in ("user", "item"))
    found = Histories(user, item, np.concatenate(names["weight"]), np.concatenate(names["timestamp"]) if with_moments else None)
    if found.shape[0] * found.shape[1] > MOST_CELLS:
        raise DataError("interactions_too_many", users=found.shape[0], items=found.shape[1])
    return found


def _filled(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[pd.DataFrame, npt.NDArray[np.int64]]]:
    """Pieces of the table without its blank lines, each row with its line; `weight` is there where the file has it."""
    optional = ("weight",) if _has(path, "weight") else ()
    for chunk, first_line in table_chunks(path=path, columns=(*columns, *optional)):
        rows = np.flatnonzero((chunk != "").any(axis=1).to_numpy())
        if len(rows):
            yield chunk.iloc[rows], rows + first_line


def _has(path: Path, column: str) -> bool:
    try:
        next(table_chunks(path=path, columns=(column,)), None)
    except DataError as error:
        if error.code != "column_missing":
            raise
        return False
    return True


def _weights(chunk: pd.DataFrame, lines: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Ones where the file has no weights. Beyond float32 is as good as infinite."""
    if "weight" not in chunk.columns:
        return np.ones(len(chunk))
    weight = pd.to_numeric(chunk["weight"], errors="coerce").to_numpy(dtype=np.float64)
    _refuse("interaction_weight_unclear", ~(np.abs(weight) < np.finfo(np.float32).max), lines, chunk["weight"])
    _refuse("interaction_weight_not_positive", weight <= 0, lines, chunk["weight"])
    return weight


def _moments(cells: "pd.Series[str]", lines: npt.NDArray[np.int64], in_seconds: bool | None) -> tuple[npt.NDArray[np.float64], bool]:
    """Seconds, and whether the file is written in these: as its first row is, all must be, for 20260131 may be a date to its writer."""
    number = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
    is_number = np.isfinite(number)
    moment = np.array([value if is_one else _seconds(cell) for value, is_one, cell in zip(number, is_number, cells, strict=True)])
    _refuse("interaction_moment_unclear", ~np.isfinite(moment), lines, cells)
    in_seconds = bool(is_number[0]) if in_seconds is None else in_seconds
    _refuse("interaction_moments_mixed", is_number != in_seconds, lines, cells)
    return moment.astype(np.float64), in_seconds


def _seconds(cell: str) -> float:
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        return np.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _refuse(code: str, wrong: Mask, lines: npt.NDArray[np.int64], cells: "pd.Series[str]", **params: str) -> None:
    if wrong.any():
        at = int(wrong.argmax())
        raise DataError(code, line=int(lines[at]), value=str(cells.iloc[at]), **params)
