"""Price files as they come: long or wide, Chinese or English headers, whatever the encoding and order."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from portfolios.kernels.errors import DataError
from portfolios.sources.dates import MONTH_FIRST, date_order, has_doubtful, ordinals
from portfolios.sources.frame import NUMBERS, filled
from portfolios.sources.text import HEADERS, chunks, headers

_MISSING = {"", "nan", "na", "n/a", "#n/a", "null", "none", "-", "--", "nat"}
_CLOSED = re.compile("暂停申购|封闭期|认购期|closed|suspended", re.IGNORECASE)
_FIGURE = r"(\d+(?:\.\d*)?|\.\d+)"  # what float() takes: 0.5.5 is no figure
_PAID = re.compile(rf"每([1-9]\d*)?份(?:基金份额)?派(?:发)?现金{_FIGURE}元")
_SPLIT = re.compile(rf"每份(?:基金)?份额(?:折算|分拆|拆分){_FIGURE}份")
_RATIO = re.compile(rf"{_FIGURE}[:：]{_FIGURE}")
_PER_10K = 1e4


def read_prices(path: Path, *, empty_cells: bool = False) -> pd.DataFrame:
    """Return the frame of `sources.frame` for a CSV file, gzipped or not; rows it cannot read carry their problem.

    A file with a NAV column is long, one row a fund and day; a file with only a date column is wide, one column a fund
    and empty cells for the days before its start, which are rows without a NAV only with `empty_cells`, for who looks
    for gaps. Raises DataError for what is no price file at all.
    """
    read = list(frames(path, empty_cells=empty_cells))
    if not sum(len(frame) for frame in read):
        raise DataError("file_has_no_rows", file=path.name)
    return pd.concat(read, ignore_index=True)


def refuse_at_once(path: Path) -> None:
    """Raise the DataError that the beginning of a price file already shows."""
    _check_roles(headers(path), path)


def frames(path: Path, *, empty_cells: bool = False) -> Iterator[pd.DataFrame]:
    """The frames of a price file, a chunk at a time, as `read_prices` returns them whole."""
    dates: dict[str, int] = {}
    order = None
    for chunk, first_line in chunks(path):
        roles = _check_roles(list(chunk.columns), path)
        line = np.arange(first_line, first_line + len(chunk))
        blank = (chunk == "").all(axis=1) if len(chunk.columns) else pd.Series(True, index=chunk.index)
        repeated = chunk.iloc[:, 0].str.lower() == chunk.columns[0]
        keep = ~(blank | repeated)
        chunk, line = chunk[keep], line[keep.to_numpy()]
        if order is None and has_doubtful(chunk[roles["date"]]):
            order = date_order(_date_texts(path, roles["date"]), path.name)
        ordinal = ordinals(chunk[roles["date"]], dates, order or MONTH_FIRST)
        if "fund" in roles:
            yield _long(chunk, roles, ordinal, line)
        else:
            yield _wide(chunk.drop(columns=roles["date"]), ordinal, line, empty_cells)


def _date_texts(path: Path, column: str) -> set[str]:
    """Every date of the file: one chunk may not show what another does."""
    found: set[str] = set()
    for chunk, _ in chunks(path):
        found.update(pd.unique(chunk[column]).tolist())
    return found


def _check_roles(columns: list[str], path: Path) -> dict[str, str]:
    """Which column is what; raises DataError for a table that is no price file."""
    roles: dict[str, str] = {}
    for role, names in HEADERS.items():
        found = [column for column in columns if column.replace(" ", "_") in names]
        if len(found) > 1:  # which of two prices, or of a code and a name, is meant is not guessed
            raise DataError("column_twice", column=" / ".join(found))
        if found:
            roles[role] = found[0]
    if "date" not in roles:
        raise DataError("column_missing", column="date", file=path.name)
    has_price = bool({"nav", "income", "annual_yield"} & set(roles))
    if has_price and "fund" not in roles:
        raise DataError("column_missing", column="fund", file=path.name)
    if not has_price and ("fund" in roles or len(columns) < 2):
        raise DataError("column_missing", column="nav", file=path.name)
    return roles


def _long(chunk: pd.DataFrame, roles: dict[str, str], ordinal: np.ndarray, line: np.ndarray) -> pd.DataFrame:
    columns: dict[str, object] = {"fund": chunk[roles["fund"]].to_numpy(), "date": ordinal, "line": line}
    problem = np.where(ordinal < 0, "date_unreadable", "").astype(object)
    for role in NUMBERS:
        if role in roles and role not in ("distribution", "split"):
            cells = chunk[roles[role]]
            columns[role], text = _numbers(cells.str.removesuffix("%") if role == "annual_yield" else cells)
            problem[text & (problem == "")] = f"{role}_not_a_number"
    if "nav" not in roles:  # a money-market fund's table has its income alone: the NAV stays at par
        columns["nav"] = np.ones(len(chunk))
    for role, unit in (("income", _PER_10K), ("annual_yield", 100.0)):
        if role in columns:
            columns[role] = np.asarray(columns[role]) / unit
    for role in ("distribution", "split"):
        if role in roles:
            paid, split, unclear = _distributions(chunk[roles[role]], is_split=role == "split")
            problem[unclear & (problem == "")] = "distribution_unclear"
            for name, values in (("distribution", paid), ("split", split)):
                columns[name] = np.where(np.isnan(values), np.asarray(columns.get(name, values)), values)
    if "subscription" in roles:
        columns["subscription"] = _subscription(chunk[roles["subscription"]])
    if "currency" in roles:
        columns["currency"] = chunk[roles["currency"]].str.upper().to_numpy()
    return filled(**columns, problem=problem)


def _wide(cells: pd.DataFrame, ordinal: np.ndarray, line: np.ndarray, empty_cells: bool) -> pd.DataFrame:
    """One row a filled cell, or a cell; the codes keep the case in which they stand in the header."""
    codes = cells.attrs["headers"]
    parts = []
    for column in cells.columns:
        nav, text = _numbers(cells[column])
        kept = np.isfinite(nav) | text | empty_cells
        problem = np.where(ordinal < 0, "date_unreadable", np.where(text, "nav_not_a_number", ""))
        parts.append(
            pd.DataFrame({"fund": codes[column], "date": ordinal[kept], "nav": nav[kept], "line": line[kept], "problem": problem[kept]})
        )
    whole = pd.concat(parts, ignore_index=True)
    return filled(**{str(name): whole[name] for name in whole.columns})


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


def _distributions(cells: "pd.Series[str]", *, is_split: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Payments and split factors a unit, NaN where nothing is said, and which cells say something that is not understood.

    A bare number is a payment, in a column of splits a factor.
    """
    n = len(cells)
    paid, split, unclear = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, bool)
    said = cells.fillna("").str.strip()
    for i in np.flatnonzero(~said.str.lower().isin(_MISSING).to_numpy()):
        text = said.iloc[i]
        payment, change = payment_of(text), split_of(text)
        if payment is not None:
            paid[i] = payment
        if change is not None:
            split[i] = change
        if payment is None and change is None:
            try:
                (split if is_split else paid)[i] = float(text)
            except ValueError:
                unclear[i] = True
            if is_split and split[i] == 0:  # how some tables write "none"
                split[i] = np.nan
    return paid, split, unclear


def payment_of(text: str) -> float | None:
    """The payment a unit that a sentence such as 每10份派现金0.5000元 names."""
    found = _PAID.search(text)
    return float(found[2]) / float(found[1] or 1) if found else None


def split_of(text: str) -> float | None:
    """The new units of one old unit that a sentence such as 每份基金份额折算1.1107份, or a ratio such as 1:1.1107, names."""
    found = _SPLIT.search(text)
    if found:
        return float(found[1])
    ratio = _RATIO.fullmatch(text.strip())
    return float(ratio[2]) / float(ratio[1]) if ratio and float(ratio[1]) else None


def _subscription(cells: pd.Series) -> pd.Series:
    """ "open", "closed", or "" where the cell is empty; a limit on large purchases is open."""
    known = {text: "" if not text else "closed" if _CLOSED.search(text) else "open" for text in pd.unique(cells)}
    return cells.map(known).reset_index(drop=True)
