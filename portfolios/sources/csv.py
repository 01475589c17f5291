"""Price files as they come: long or wide, Chinese or English headers, whatever the encoding and order."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from portfolios.kernels.errors import DataError
from portfolios.sources.frame import COLUMNS
from portfolios.sources.text import HEADERS, chunks

_MISSING = {"", "nan", "na", "n/a", "#n/a", "null", "none", "-", "--", "nat"}
_DATE_FORMATS = ("%Y-%m-%d", "%m/%d/%Y", "%Y/%m/%d", "%Y%m%d", "%Y年%m月%d日", "%Y-%m-%d %H:%M:%S")
_CLOSED = re.compile("暂停申购|封闭期|认购期|closed|suspended", re.IGNORECASE)
_PAID = re.compile(r"每(\d*)份(?:基金份额)?派(?:发)?现金([\d.]+)元")
_SPLIT = re.compile(r"每份(?:基金)?份额(?:折算|分拆|拆分)([\d.]+)份")


def read_prices(path: Path, *, empty_cells: bool = False) -> pd.DataFrame:
    """Return the frame of `sources.frame` for a CSV file, gzipped or not; rows it cannot read carry their problem.

    A file with a NAV column is long, one row a fund and day; a file with only a date column is wide, one column a fund
    and empty cells for the days before its start, which are rows without a NAV only with `empty_cells`, for who looks
    for gaps. Raises DataError for what is no price file at all.
    """
    frames = list(_frames(path, empty_cells))
    if not sum(len(frame) for frame in frames):
        raise DataError("file_has_no_rows", file=path.name)
    return pd.concat(frames, ignore_index=True)


def _frames(path: Path, empty_cells: bool) -> Iterator[pd.DataFrame]:
    dates: dict[str, int] = {}
    for chunk, first_line in chunks(path):
        roles = _roles(list(chunk.columns))
        line = np.arange(first_line, first_line + len(chunk))
        blank = (chunk == "").all(axis=1) if len(chunk.columns) else pd.Series(True, index=chunk.index)
        repeated = chunk.iloc[:, 0].str.lower() == chunk.columns[0]
        keep = ~(blank | repeated)
        chunk, line = chunk[keep], line[keep.to_numpy()]
        if "date" not in roles:
            raise DataError("column_missing", column="date", file=path.name)
        ordinal = _dates(chunk[roles["date"]], dates)
        if "nav" in roles or "fund" in roles:
            for needed in ("fund", "nav"):
                if needed not in roles:
                    raise DataError("column_missing", column=needed, file=path.name)
            yield _long(chunk, roles, ordinal, line)
        else:
            if len(chunk.columns) < 2:
                raise DataError("column_missing", column="nav", file=path.name)
            yield _wide(chunk.drop(columns=roles["date"]), ordinal, line, empty_cells)


def _roles(columns: list[str]) -> dict[str, str]:
    return {role: column for role, names in HEADERS.items() for column in columns if column.replace(" ", "_") in names}


def _long(chunk: pd.DataFrame, roles: dict[str, str], ordinal: np.ndarray, line: np.ndarray) -> pd.DataFrame:
    nav, nav_text = _numbers(chunk[roles["nav"]])
    frame = pd.DataFrame({"fund": chunk[roles["fund"]].to_numpy(), "date": ordinal, "nav": nav, "line": line})
    frame["problem"] = np.where(ordinal < 0, "date_unreadable", np.where(nav_text, "nav_not_a_number", ""))
    for role in ("cumulative", "total_return"):
        values, text = _numbers(chunk[roles[role]]) if role in roles else (np.full(len(chunk), np.nan), np.zeros(len(chunk), bool))
        frame[role] = values
        frame.loc[text & (frame["problem"] == "").to_numpy(), "problem"] = f"{role}_not_a_number"
    paid, split, unclear = _distributions(chunk[roles["distribution"]] if "distribution" in roles else None, len(chunk))
    frame["distribution"], frame["split"] = paid, split
    frame.loc[unclear & (frame["problem"] == "").to_numpy(), "problem"] = "distribution_unclear"
    frame["subscription"] = _subscription(chunk[roles["subscription"]]) if "subscription" in roles else ""
    return frame[COLUMNS]


def _wide(cells: pd.DataFrame, ordinal: np.ndarray, line: np.ndarray, empty_cells: bool) -> pd.DataFrame:
    """One row a filled cell, or a cell; the codes keep the case in which they stand in the header."""
    codes = cells.attrs["headers"]
    parts = []
    for column in cells.columns:
        nav, text = _numbers(cells[column])
        filled = np.isfinite(nav) | text | empty_cells
        problem = np.where(ordinal < 0, "date_unreadable", np.where(text, "nav_not_a_number", ""))
        parts.append(
            pd.DataFrame(
                {"fund": codes[column], "date": ordinal[filled], "nav": nav[filled], "line": line[filled], "problem": problem[filled]}
            )
        )
    frame = pd.concat(parts, ignore_index=True)
    for column in ("cumulative", "total_return", "distribution", "split"):
        frame[column] = np.nan
    frame["subscription"] = ""
    return frame[COLUMNS]


def _numbers(cells: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Values with NaN for missing, and which cells hold text that is no number; thousands commas are read."""
    values = pd.to_numeric(cells, errors="coerce").to_numpy(float, copy=True)
    doubtful = ~np.isfinite(values)
    missing = np.zeros(len(cells), bool)
    if doubtful.any():
        rest = cells[doubtful]
        missing[doubtful] = rest.str.lower().isin(_MISSING)
        values[doubtful] = pd.to_numeric(rest.str.replace(",", "", regex=False), errors="coerce")
    text = ~np.isfinite(values) & ~missing
    values[~np.isfinite(values)] = np.nan
    return values, text


def _distributions(cells: pd.Series | None, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Payments and split factors a unit, NaN where nothing is said, and which cells say something that is not understood."""
    paid, split, unclear = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, bool)
    if cells is None:
        return paid, split, unclear
    said = cells.fillna("").str.strip()
    for i in np.flatnonzero(~said.str.lower().isin(_MISSING).to_numpy()):
        text = said.iloc[i]
        payment, change = _PAID.search(text), _SPLIT.search(text)
        if payment:
            paid[i] = float(payment[2]) / float(payment[1] or 1)
        if change:
            split[i] = float(change[1])
        if not payment and not change:
            try:
                paid[i] = float(text)
            except ValueError:
                unclear[i] = True
    return paid, split, unclear


def _subscription(cells: pd.Series) -> pd.Series:
    """ "open", "closed", or "" where the cell is empty; a limit on large purchases is open."""
    known = {text: "" if not text else "closed" if _CLOSED.search(text) else "open" for text in pd.unique(cells)}
    return cells.map(known).reset_index(drop=True)


def _dates(cells: pd.Series, known: dict[str, int]) -> np.ndarray:
    """Ordinals, -1 where unreadable. A file holds few different dates, so each is parsed once."""
    for text in pd.unique(cells):
        if text not in known:
            known[text] = _ordinal(text)
    return cells.map(known).to_numpy(np.int64)


def _ordinal(text: str) -> int:
    for form in _DATE_FORMATS:
        try:
            return datetime.strptime(text, form).toordinal()
        except ValueError:
            continue
    return -1
