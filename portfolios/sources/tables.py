"""Small tables beside the prices: descriptions, funds, grades."""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from portfolios.kernels.errors import DataError
from portfolios.sources.text import HEADERS, chunks, whole_text

_GRADE = re.compile(r"[Rr]?([1-5])")


@dataclass(frozen=True)
class FundRow:
    """One line of a funds or grades file."""

    code: str
    name_zh: str = ""
    name_en: str = ""
    category: str = ""
    grade: int | None = None
    asset_class: str = ""


def read_descriptions(path: Path) -> list[tuple[str, str, str]]:
    """Code, name and all further words of each fund of a description table."""
    table = _table(path)
    code = _needed(table, "fund", path)
    name = next((column for column in table.columns if column in {"name", "fund name", "fund_name", "基金名称", "基金简称"}), code)
    others = [column for column in table.columns if column not in {code, name}]
    rows = table[[code, name, *others]].itertuples(index=False, name=None)
    return [(row[0], row[1], " ".join(row[2:])) for row in rows if row[0]]


def read_funds(path: Path) -> list[FundRow]:
    """Rows of a table code,name_zh,name_en,category,grade; raises DataError naming a fund that is wrong or stands twice."""
    table = _table(path)
    code = _needed(table, "fund", path)
    if "category" not in table.columns:
        raise DataError("column_missing", column="category", file=path.name)
    cells = {name: table[name] if name in table.columns else [""] * len(table) for name in ("name_zh", "name_en", "category", "grade")}
    rows = zip(table[code], cells["name_zh"], cells["name_en"], cells["category"], cells["grade"], strict=True)
    return _once([FundRow(row[0], row[1], row[2], row[3], _grade(row[0], row[4])) for row in rows if row[0]], path)


def read_grades(path: Path) -> list[FundRow]:
    """Rows of a table fund,grade[,class], with or without those headers; grades as 1 to 5 or R1 to R5."""
    reader = csv.reader(io.StringIO(whole_text(path)))
    try:
        lines = [[cell.strip() for cell in line] for line in reader if any(line)]
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
    return _once(rows, path)


def _once(rows: list[FundRow], path: Path) -> list[FundRow]:
    seen: set[str] = set()
    for row in rows:
        if row.code in seen:
            raise DataError("fund_twice", fund=row.code, file=path.name)
        seen.add(row.code)
    return rows


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


def _table(path: Path) -> pd.DataFrame:
    """Return a small table (descriptions, grades) as text, headers in lower case; raises DataError like `read_prices`."""
    tables = [chunk for chunk, _ in chunks(path) if len(chunk)]
    if not tables:
        raise DataError("file_has_no_rows", file=path.name)
    return pd.concat(tables, ignore_index=True)
