"""Small tables beside the prices: descriptions, funds, grades."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pandas as pd

from portfolios.kernels.errors import DataError
from portfolios.sources.contract import Event, FundFacts, Size
from portfolios.sources.text import HEADERS, chunks, whole_text

_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d*)?")
_LEAST_SIZE_MINOR = 100_000  # a thousand yuan: less is no fund
_LEAST_NAV, _MOST_NAV = 0.01, 5_000.0  # net assets a unit
_GRADE = re.compile(r"[Rr]?([1-5])")
_YES, _NO = {"1", "true", "yes", "y", "是"}, {"0", "false", "no", "n", "否"}


@dataclass(frozen=True)
class FundRow:
    """One line of a grades file."""

    code: str
    grade: int | None = None
    asset_class: str = ""


def read_descriptions(path: Path) -> list[tuple[str, str, str]]:
    """Code, name and all further words of each fund of a description table."""
    table = _table(path, has_prose=True)
    code = _needed(table, "fund", path)
    name = next((column for column in table.columns if column in {"name", "fund name", "fund_name", "基金名称", "基金简称"}), code)
    others = [column for column in table.columns if column not in {code, name}]
    rows = table[[code, name, *others]].itertuples(index=False, name=None)
    return [(row[0], row[1][:120], " ".join([row[1], *row[2:]])) for row in rows if row[0]]


def read_fund_facts(path: Path) -> list[FundFacts]:
    """Rows of a table code,category and any of name_zh, name_en, grade, currency and the columns of `_CELLS`; an empty cell says nothing.

    A quarter's size stands in size, units (yuan and units, two decimals), size_date and size_published, with institutional_share.

    Raises DataError naming a fund that is wrong or stands twice.
    """
    table = _table(path)
    code = _needed(table, "fund", path)
    if "category" not in table.columns:
        raise DataError("column_missing", column="category", file=path.name)
    rows = [(line, row) for line, row in enumerate(table.to_dict("records"), start=2) if row[code]]
    if not rows:
        raise DataError("file_has_no_rows", file=path.name)
    _once([str(row[code]) for _, row in rows], path)
    return [_fund_facts(str(row[code]), line, {str(name): str(cell) for name, cell in row.items()}) for line, row in rows]


def _fund_facts(code: str, line: int, row: dict[str, str]) -> FundFacts:
    columns = {name: _cell(code, name, row[name], read) for name, read in _CELLS.items() if row.get(name)}
    grade, currency = _grade(code, row.get("grade", "")), row.get("currency", "").upper()
    sizes, events = _sizes(code, row, columns), _events(columns)
    return FundFacts(code, row["category"], grade, currency, columns=columns, line=line, sizes=sizes, events=events)


def _sizes(code: str, row: dict[str, str], columns: dict[str, Any]) -> tuple[Size, ...]:
    """The quarter that a row states, which the fund's own columns then repeat; a size without its two dates is refused."""
    told = {name: _cell(code, name, row[name], read) for name, read in _SIZE_CELLS.items() if row.get(name)}
    if not told:
        return ()
    if missing := [name for name in ("size", "units", "size_date", "size_published") if name not in told]:
        raise DataError("size_incomplete", fund=code, column=missing[0])
    if told["size_published"] < told["size_date"]:
        raise DataError("fund_cell_unclear", fund=code, column="size_published", value=row["size_published"])
    if told["units"] and not _LEAST_NAV <= told["size"] / told["units"] <= _MOST_NAV:  # one of them counts by the ten thousand or more
        raise DataError("fund_cell_unclear", fund=code, column="units", value=row["units"])
    columns |= {"size_minor": told["size"], "units_centi": told["units"], "size_date": told["size_date"]}
    return (Size(told["size_date"], told["size_published"], told["size"], told["units"], told.get("institutional_share")),)


def _events(columns: dict[str, Any]) -> tuple[Event, ...]:
    """A manager with a first day is a dated fact: a screen of an earlier day must not know of it."""
    name, since = columns.get("manager"), columns.get("manager_since")
    return (Event("manager", since, since, name),) if name and since else ()


def _cell(code: str, column: str, text: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise DataError("fund_cell_unclear", fund=code, column=column, value=text) from error


def _yes_or_no(text: str) -> bool:
    if text.lower() not in _YES | _NO:
        raise ValueError(text)
    return text.lower() in _YES


def _small_whole(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 32_767:
        raise ValueError(text)
    return number


def _day(text: str) -> date:
    day = date.fromisoformat(text)
    if day.year < 1900:
        raise ValueError(text)
    return day


def _hundredths(text: str) -> int:
    """Yuan or units with at most two decimals, commas between thousands allowed, in hundredths."""
    if "," in text and not _THOUSANDS.fullmatch(text):  # a comma may stand for the point elsewhere
        raise ValueError(text)
    try:
        number = Decimal(text.replace(",", "")) * 100
    except InvalidOperation as error:
        raise ValueError(text) from error
    if not number.is_finite() or number != int(number) or not 0 <= number < 10**18:
        raise ValueError(text)
    return int(number)


def _net_assets(text: str) -> int:
    number = _hundredths(text)
    if 0 < number < _LEAST_SIZE_MINOR:  # told by the hundred million
        raise ValueError(text)
    return number


def _share(text: str) -> float:
    share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    if not 0.0 <= share <= 1.0:
        raise ValueError(text)
    return share


def _short(length: int) -> Callable[[str], str]:
    """What is longer than its column is cut: PostgreSQL refuses it, SQLite does not."""
    return lambda text: text[:length]


_CELLS: dict[str, Callable[[str], Any]] = {
    "name_zh": _short(120),
    "name_en": _short(120),
    "company": _short(80),
    "share_class": _short(4),
    "family_code": _short(20),
    "manager": _short(80),
    "manager_since": _day,
    "ended_on": _day,
    "is_index": _yes_or_no,
    "is_open": _yes_or_no,
    "is_complex": _yes_or_no,
    "purchase_fee_bps": _small_whole,
    "annual_fee_bps": _small_whole,
    "sales_fee_bps": _small_whole,
    "leverage_percent": _small_whole,
}
_SIZE_CELLS: dict[str, Callable[[str], Any]] = {
    "size": _net_assets,
    "units": _hundredths,
    "size_date": _day,
    "size_published": _day,
    "institutional_share": _share,
}


def read_grades(path: Path) -> list[FundRow]:
    """Rows of a table fund,grade[,class], with or without those headers; grades as 1 to 5 or R1 to R5."""
    reader = csv.reader(io.StringIO(whole_text(path)))
    lines, begins = [], 1
    try:
        for line in reader:
            if any("\n" in cell or "\r" in cell for cell in line):
                raise DataError("quote_not_closed", file=path.name, line=begins)
            if any(line):
                lines.append([cell.strip() for cell in line])
            begins = reader.line_num + 1
    except csv.Error as error:
        raise DataError("line_has_too_many_fields", file=path.name, line=reader.line_num) from error
    if lines and len(lines[0]) > 1 and lines[0][0].lower() in HEADERS["fund"] and not _GRADE.fullmatch(lines[0][1]):
        lines = lines[1:]
    if not lines:
        raise DataError("file_has_no_rows", file=path.name)
    rows = []
    for line in lines:
        fund, grade, asset_class = (*line, "", "")[:3]
        rows.append(FundRow(fund, grade=_grade(fund, grade or "-"), asset_class=asset_class))
    _once([row.code for row in rows], path)
    return rows


def _once(codes: list[str], path: Path) -> None:
    seen: set[str] = set()
    for code in codes:
        if code in seen:
            raise DataError("fund_twice", fund=code, file=path.name)
        seen.add(code)


def _grade(fund: str, text: str) -> int | None:
    found = _GRADE.fullmatch(text)
    if text and not found:
        raise DataError("unknown_grade", fund=fund, grade=text)
    return int(found[1]) if found else None


def _needed(table: pd.DataFrame, role: str, path: Path) -> str:
    for column in table.columns:
        if column in HEADERS[role]:
            return str(column)
    raise DataError("column_missing", column=role, file=path.name)


def _table(path: Path, *, has_prose: bool = False) -> pd.DataFrame:
    """Return a small table (descriptions, grades) as text, headers in lower case; raises DataError like `read_prices`."""
    tables = [chunk for chunk, _ in chunks(path, has_prose=has_prose) if len(chunk)]
    if not tables:
        raise DataError("file_has_no_rows", file=path.name)
    return pd.concat(tables, ignore_index=True)
