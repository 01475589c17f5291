"""Asking a source over the network, fund by fund: within a time, with what went wrong as data, and giving up in time."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from typing import Any, TypeVar

import pandas as pd

from portfolios.kernels.errors import DataError
from portfolios.sources.contract import Piece, Wanted
from portfolios.sources.frame import filled

T = TypeVar("T")
_GIVE_UP_AFTER = 5  # failures in a row: the source is down, and 10,000 time-outs would take days
_REFUSALS = ("ratelimit", "toomanyrequests")


@dataclass(frozen=True)
class Patience:
    """Seconds a call may take, and to wait between two funds: these are other people's servers."""

    seconds: float = 30.0
    pause: float = 0.2


def library(name: str) -> Any:
    """An optional library; raises DataError "source_not_installed"."""
    try:
        return import_module(name)
    except ImportError as error:
        raise DataError("source_not_installed", library=name) from error


def within(seconds: float, call: Callable[[], T]) -> T:
    """What the call returns; raises DataError for what it raises, and "source_timeout" when it takes too long.

    The libraries wait for ever by themselves. A call that was given up on ends in a thread nobody waits for.
    """
    answer: list[T] = []
    trouble: list[Exception] = []

    def run() -> None:
        try:
            answer.append(call())
        except Exception as error:  # every library raises its own kind
            trouble.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if answer:
        return answer[0]
    if trouble:
        raise as_data_error(trouble[0], seconds) from trouble[0]
    raise DataError("source_timeout", seconds=f"{seconds:g}")


def as_data_error(error: Exception, seconds: float) -> DataError:
    """What a library's exception means: no answer in time, no way there, a refusal, or an answer that is no data."""
    if isinstance(error, DataError):
        return error
    kinds = " ".join(kind.__name__ for kind in type(error).__mro__).lower()
    if isinstance(error, TimeoutError) or "timeout" in kinds:
        return DataError("source_timeout", seconds=f"{seconds:g}")
    if any(refusal in kinds for refusal in _REFUSALS):
        return DataError("source_refused")
    # requests' JSONDecodeError is a ValueError and a RequestException: what came was no data, but something came.
    if isinstance(error, OSError) and not isinstance(error, ValueError):
        return DataError("source_unreachable")
    return DataError("source_not_data")


def fund_by_fund(wanted: Wanted, read: Callable[[str, date | None], pd.DataFrame], patience: Patience) -> Iterator[Piece]:
    """One piece a fund: its rows, or why there are none. After some failures in a row the rest is not asked for."""
    n_failures, codes = 0, wanted.codes[wanted.skip :]
    for number, code in enumerate(codes):
        if n_failures == _GIVE_UP_AFTER:
            rest = codes[number:]
            yield Piece(rest, _nothing(), dict.fromkeys(rest, DataError("source_given_up")), len(wanted.codes))
            return
        if number:
            time.sleep(patience.pause)
        try:
            frame = within(patience.seconds, lambda code=code: read(code, wanted.since.get(code)))  # type: ignore[misc]
        except DataError as error:
            n_failures += 1
            yield Piece((code,), _nothing(), {code: error}, len(wanted.codes))
        else:
            n_failures = 0
            yield Piece((code,), frame, {}, len(wanted.codes))


def _nothing() -> pd.DataFrame:
    return filled(fund=[], date=[])


def require_columns(table: Any, columns: Sequence[str]) -> pd.DataFrame:
    """The table; raises DataError where it is none, is empty, or lacks a column."""
    if not isinstance(table, pd.DataFrame):
        raise DataError("source_not_data")
    if table.empty:
        raise DataError("source_empty")
    for column in columns:
        if column not in table.columns:
            raise DataError("source_column_missing", column=column)
    return table


def ordinal_days(cells: "pd.Series[Any]") -> "pd.Series[int]":
    """Ordinals of dates in whatever type a library gives them, -1 where unreadable; a time of day and its zone are dropped."""
    days = pd.to_datetime(cells.astype(str).str.slice(0, 10), format="%Y-%m-%d", errors="coerce")
    return days.map(lambda day: -1 if pd.isna(day) else day.toordinal()).astype("int64")


def on_price_days(days: "pd.Series[int]", values: Mapping[int, float]) -> list[float]:
    """Values laid on price days: what falls on a day without a price goes to the next one that has one; NaN elsewhere."""
    laid = dict.fromkeys(days, float("nan"))
    ascending = sorted(laid)
    for day, value in sorted(values.items()):
        at = next((price_day for price_day in ascending if price_day >= day), None)
        if at is not None:
            laid[at] = value
    return [laid[day] for day in days]
