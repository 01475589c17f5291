"""The measures of behaviour from files: a ledger, prices and funds as CSV in, the five measures with their evidence out."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from advisor.jurisdictions import advice_rules
from advisor.kernels.behaviour import LedgerError, Market, Trades, measure, sheets
from advisor.kernels.behaviour_market import carried, fresh, indices, numbered
from portfolios.kernels.errors import DataError
from portfolios.kernels.types import FundHistory
from portfolios.services import price_histories, table_rows

LEDGER_COLUMNS = ("date", "fund", "side", "units", "amount", "origin")
FUND_COLUMNS = ("fund", "class", "region", "category", "grade")
OWN = "investor"
LEFT_OUT = {"proposal", "rebalance", "override", "plan", "withdrawal", "merger", "liquidation", "switch", "dividend"}
STALE_DAYS = 14  # a fund without a price for longer is not carried on in an index, and is not traded
MINOR_A_YUAN = 100
_GRADE = re.compile(r"[Rr]?([1-5])")
_DAY = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})|(\d{4})()(\d\d)(\d\d)")
_FIRST_YEAR = 1900


@dataclass(frozen=True)
class FileReading:
    """The measures as they are printed; `trades` in them are lines of the ledger. `unknown_origins` were left out unasked."""

    measures: dict[str, Any]
    risk_assets: float
    unknown_origins: list[str]


@dataclass(frozen=True)
class _Line:
    line: int
    day: date
    fund: str
    is_buy: bool
    units: float
    amount: float
    origin: str


@dataclass(frozen=True)
class _Fund:
    asset_class: str
    region: str
    category: str
    grade: int


def read_behaviour_files(*, ledger: Path, prices: Path, funds: Path, as_of: date, today: date) -> FileReading:
    """Measure the behaviour of one investor at the end of a day; nothing is read from the database.

    Money is in yuan. Raises DataError for files that cannot be used, naming the line.
    """
    known = _funds(funds)
    rows = [row for row in _ledger(ledger) if row.day <= as_of]
    histories = price_histories(prices=prices, today=max(today, as_of))
    _check(rows, known, histories)
    market = _market({code: known[code] for code in sorted(known) if code in histories}, histories)
    trades = _trades(rows, histories, sorted(set(known) & set(histories)))
    try:
        found = measure(trades, market, advice_rules().for_ledger(MINOR_A_YUAN), as_of, 1)
    except LedgerError as error:  # a weekend before the first trading day
        raise DataError("ledger_before_prices", file=ledger.name) from error
    if (short := int(found.short_row[0])) >= 0:
        line = int(found.book.trades.key[short])
        raise DataError("sold_more_than_held", line=line, fund=next(row.fund for row in rows if row.line == line))
    measures, risk_assets = sheets(found)[0], round(float(found.risk_assets[0]), 2)
    for one in measures.values():
        one["rests_on"]["risk_assets"] = risk_assets
    unknown = sorted({row.origin for row in rows} - LEFT_OUT - {OWN})
    return FileReading(measures, risk_assets, unknown)


def _funds(path: Path) -> dict[str, _Fund]:
    found: dict[str, _Fund] = {}
    for _line, row in table_rows(path=path, columns=FUND_COLUMNS):
        code, grade = row["fund"], _GRADE.fullmatch(row["grade"])
        if code in found:
            raise DataError("fund_twice", fund=code, file=path.name)
        if not row["grade"]:
            raise DataError("fund_without_grade", fund=code)
        if grade is None:
            raise DataError("unknown_grade", fund=code, grade=row["grade"])
        found[code] = _Fund(row["class"], row["region"], row["category"], int(grade[1]))
    return found


def _ledger(path: Path) -> list[_Line]:
    rows: list[_Line] = []
    seen: dict[tuple[str, ...], int] = {}
    for line, row in table_rows(path=path, columns=LEDGER_COLUMNS):
        cells = tuple(row.values())
        if cells in seen:
            raise DataError("ledger_row_twice", line=line, first=seen[cells])
        seen[cells] = line
        day, side, origin = _day(row["date"]), row["side"].lower(), row["origin"].lower()
        units, amount = _number(row["units"]), _number(row["amount"])
        good = {
            "fund": bool(row["fund"]),
            "side": side in ("buy", "sell"),
            "units": units > 0,
            "amount": amount > 0 or (amount == 0 and origin != OWN),  # units may come from a merger without money
            "origin": bool(origin),
        }
        wrong = "date" if day is None else next((column for column, is_good in good.items() if not is_good), None)
        if wrong or day is None:
            raise DataError("ledger_cell_unclear", line=line, column=wrong, value=row[wrong or "date"])
        rows.append(_Line(line, day, row["fund"], side == "buy", units, amount, origin))
    return rows


def _day(text: str) -> date | None:
    found = _DAY.fullmatch(text)
    parts = [part for part in found.groups() if part and part.isdecimal()] if found else []
    try:
        day = date(*map(int, parts)) if parts else None
    except ValueError:
        return None
    return day if day is not None and day.year >= _FIRST_YEAR else None


def _number(text: str) -> float:
    """The number of a cell; NaN, which is never good, for anything else."""
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _check(rows: Sequence[_Line], funds: Mapping[str, _Fund], histories: Mapping[str, FundHistory]) -> None:
    for row in rows:
        where = {"line": row.line, "fund": row.fund}
        if row.fund not in funds:
            raise DataError("ledger_fund_unknown", **where)
        if row.fund not in histories:
            raise DataError("ledger_fund_without_prices", **where)
        at = _place(histories[row.fund], row.day)
        if at < 0 or row.day.toordinal() - int(histories[row.fund].dates[at]) > STALE_DAYS:
            raise DataError("ledger_day_without_price", date=row.day.isoformat(), **where)


def _place(history: FundHistory, day: date) -> int:
    return int(np.searchsorted(history.dates, day.toordinal(), side="right")) - 1


def _market(funds: Mapping[str, _Fund], histories: Mapping[str, FundHistory]) -> Market:
    """The market of a file: its weekdays are the trading days, and all its funds make the indices."""
    every = np.unique(np.concatenate([histories[code].dates for code in funds])) if funds else np.empty(0, np.int64)
    days = every[(every - 1) % 7 < 5]  # the first ordinal was a Monday
    paths = [(days, histories[code].dates, histories[code].total_return) for code in funds]
    nothing = np.empty((len(days), 0))
    whole = np.column_stack([nothing, *(carried(*path) for path in paths)])
    lately = np.column_stack([nothing, *(fresh(*path, STALE_DAYS) for path in paths)])
    said = list(funds.values())
    cells = [f"{one.asset_class}/{one.region}" if one.asset_class and one.region else "" for one in said]
    asset_class, classes = numbered([one.asset_class for one in said])
    category, categories = numbered([one.category for one in said])
    cell, cell_names = numbered(cells)
    return Market(
        dates=days,
        total_return=whole,
        grade=np.broadcast_to(np.array([one.grade for one in said], np.int64), whole.shape),
        asset_class=asset_class,
        cell=cell,
        category=category,
        classes=classes,
        cells=cell_names,
        class_index=indices(lately, asset_class, len(classes)),
        category_index=indices(lately, category, len(categories)),
    )


def _trades(rows: Sequence[_Line], histories: Mapping[str, FundHistory], codes: Sequence[str]) -> Trades:
    column = {code: place for place, code in enumerate(codes)}
    units = np.array([row.units for row in rows], float)
    nav = np.array([histories[row.fund].nav_micro[_place(histories[row.fund], row.day)] / 1e6 for row in rows], float)
    return Trades(
        key=np.array([row.line for row in rows], np.int64),
        investor=np.zeros(len(rows), np.int64),
        fund=np.array([column[row.fund] for row in rows], np.int64),
        date=np.array([row.day.toordinal() for row in rows], np.int64),
        is_buy=np.array([row.is_buy for row in rows], bool),
        units=units,
        worth=units * nav,
        paid=np.array([row.amount for row in rows], float),
        is_own=np.array([row.origin == OWN for row in rows], bool),
    )
