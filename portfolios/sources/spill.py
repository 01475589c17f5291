"""Rows sorted into files by fund, so that a file of any size is read in pieces that each hold some funds whole."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from portfolios.sources.frame import COLUMNS, NUMBERS

_TEXTS = ["fund", "subscription", "currency", "problem"]
_RECORD = np.dtype([(name, "<i4") for name in _TEXTS] + [("date", "<i8"), ("line", "<i8")] + [(name, "<f8") for name in NUMBERS])


class Buckets:
    """Frames in, a chunk at a time; frames of whole funds out, in the same order for the same rows.

    Rows lie in `n_buckets` files of a folder as fixed records, texts as numbers of a list kept in memory.
    """

    def __init__(self, folder: Path, n_buckets: int) -> None:
        self._folder, self._n_buckets = folder, n_buckets
        self._numbers: dict[str, dict[str, int]] = {name: {} for name in _TEXTS}
        self.n_rows: dict[str, int] = {}

    @property
    def n_funds(self) -> int:
        return len(self._numbers["fund"])

    def add(self, frame: pd.DataFrame, kind: str = "prices") -> None:
        """Put a chunk's rows away under a kind, such as prices or indices."""
        records = np.empty(len(frame), _RECORD)
        for name in COLUMNS:
            records[name] = self._numbered(name, frame[name]) if name in _TEXTS else frame[name].to_numpy()
        at = records["fund"] % self._n_buckets
        for bucket in np.unique(at):
            with self._path(kind, int(bucket)).open("ab") as file:
                file.write(records[at == bucket].tobytes())
        self.n_rows[kind] = self.n_rows.get(kind, 0) + len(frame)

    def _numbered(self, name: str, cells: "pd.Series[str]") -> np.ndarray:
        known = self._numbers[name]
        for text in pd.unique(cells):
            known.setdefault(text, len(known))
        return cells.map(known).to_numpy(np.int32)

    def frames(self, kind: str = "prices") -> Iterator[pd.DataFrame]:
        """Every bucket of a kind in turn; an empty one is an empty frame."""
        texts = {name: np.array(list(numbers), object) for name, numbers in self._numbers.items()}
        for bucket in range(self._n_buckets):
            path = self._path(kind, bucket)
            records = np.fromfile(path, _RECORD) if path.exists() else np.empty(0, _RECORD)
            columns: Iterable[tuple[str, np.ndarray]] = (
                (name, texts[name][records[name]] if name in _TEXTS and len(records) else records[name]) for name in COLUMNS
            )
            yield pd.DataFrame({name: np.ascontiguousarray(values) for name, values in columns})

    def _path(self, kind: str, bucket: int) -> Path:
        return self._folder / f"{kind}-{bucket}"
