"""The one frame every source returns, its checks, and the histories made from it.

A frame is a pandas DataFrame, one row a published NAV, with the columns of `COLUMNS`: fund (code), date (ordinal, -1 if
unreadable), nav, cumulative, total_return, distribution and split a unit, income (of the day, a unit) and annual_yield (a
fraction), which stand in for a NAV that stays at par (NaN where the source says nothing), subscription ("open", "closed" or ""),
currency ("" where it is not said), line (of the file) and problem (a reason code, "" where the row is good).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from portfolios.kernels.types import FloatArray, FundHistory

NUMBERS = ["nav", "cumulative", "total_return", "distribution", "split", "income", "annual_yield"]
COLUMNS = ["fund", "date", *NUMBERS, "subscription", "currency", "line", "problem"]
MAX_CODE_LENGTH = 20
_UNFIT_FOR_A_CODE = r"[/\\\x00-\x1f\x7f]"  # a code is part of addresses, and PostgreSQL takes no NUL
_FIRST_DAY = date(1900, 1, 1).toordinal()  # before any fund: 0202-01-05 is a slip, and would make its fund 1,800 years old
_MIN_NAV, _MAX_NAV = 1e-6, 1e9  # what millionths in 64 bits hold, with room for a portfolio of it
# A row without a price is left out and reported; any other problem refuses the whole fund.
HARMLESS = {"nav_missing"}
# Cumulative NAV is unit NAV plus what was paid out, to four decimals; a step beyond rounding is a payment.
_CUMULATIVE_NOISE = 3e-4
_MOST_INCOME, _MOST_YIELD = 0.01, 1.0  # of a day, a unit at par; a year
_MOST_DAYS_OF_INCOME = 14
_AT_PAR_FROM = 60  # rows without any move before a fund is said to stay at par


@dataclass(frozen=True)
class RowIssue:
    """A row that was not stored, and why."""

    line: int
    fund: str
    code: str


@dataclass(frozen=True)
class Checked:
    """Good rows sorted by fund and date, every row that is not stored, and the funds refused with all their rows."""

    good: pd.DataFrame
    issues: list[RowIssue]
    refused: dict[str, int]
    last_subscription: dict[str, bool]  # fund -> open for purchase, where the source says so


def marked(frame: pd.DataFrame, today: date) -> pd.DataFrame:
    """The rows by fund and date, each with its first problem."""
    frame = frame.sort_values(["fund", "date", "line"], kind="stable", ignore_index=True)
    _mark(frame, frame["fund"].str.len() == 0, "fund_missing")
    _mark(frame, frame["fund"].str.len() > MAX_CODE_LENGTH, "code_too_long")
    _mark(frame, frame["fund"].str.contains(_UNFIT_FOR_A_CODE), "code_unclear")
    _mark(frame, frame["date"] < _FIRST_DAY, "date_unreadable")
    _mark(frame, frame["nav"].isna(), "nav_missing")
    _mark(frame, ~(frame["nav"] >= _MIN_NAV), "nav_not_positive")
    _mark(frame, frame["nav"] > _MAX_NAV, "nav_too_large")
    _mark(frame, frame["total_return"] <= 0, "total_return_not_positive")
    has_index = frame.groupby("fund")["total_return"].transform("count") > 0
    _mark(frame, has_index & frame["total_return"].isna(), "total_return_missing")
    _mark(frame, (frame["distribution"] < 0) | (frame["distribution"] > _MAX_NAV), "distribution_unclear")
    _mark(frame, (frame["split"] < _MIN_NAV) | (frame["split"] > _MAX_NAV), "distribution_unclear")
    _mark(frame, (frame["income"].abs() > _MOST_INCOME) | (frame["annual_yield"].abs() > _MOST_YIELD), "income_unclear")
    _mark(frame, frame["date"] > today.toordinal(), "date_in_future")
    _mark(frame, frame.duplicated(["fund", "date"], keep="first"), "duplicate_date")
    return frame


def check(frame: pd.DataFrame, today: date) -> Checked:
    """Sort out what no history may hold; a fund with one bad row is refused whole, its other rows counted in `refused`."""
    frame = marked(frame, today)
    bad = frame[frame["problem"] != ""]
    issues = [RowIssue(int(line), str(fund), str(code)) for line, fund, code in zip(bad["line"], bad["fund"], bad["problem"], strict=True)]
    fatal = set(bad.loc[~bad["problem"].isin(HARMLESS), "fund"])
    clean = frame[frame["problem"] == ""]
    condemned = clean["fund"].isin(fatal)
    refused = {str(fund): int(n) for fund, n in clean.loc[condemned, "fund"].value_counts().items()}
    good = clean[~condemned]
    said = good.loc[good["subscription"] != ""].groupby("fund")["subscription"].last()
    return Checked(
        good,
        sorted(issues, key=lambda issue: issue.line),
        {**dict.fromkeys(fatal, 0), **refused},
        {str(fund): state == "open" for fund, state in said.items()},
    )


def first_gap(frame: pd.DataFrame) -> tuple[str, int] | None:
    """The first fund, and its first date, without a price between days that have one; for a frame that keeps empty cells."""
    priced = frame["nav"].notna()
    span = frame[priced].groupby("fund", as_index=False).agg(first=("date", "min"), last=("date", "max"))
    lost = frame.loc[~priced, ["fund", "date"]].merge(span, on="fund")
    inside = lost[(lost["date"] > lost["first"]) & (lost["date"] < lost["last"])].sort_values(["fund", "date"])
    return (str(inside["fund"].iloc[0]), int(inside["date"].iloc[0])) if len(inside) else None


def with_total_return(frame: pd.DataFrame, indices: pd.DataFrame) -> pd.DataFrame:
    """Take the total return of funds from a second, marked frame, whose NAV is the index; a day without a good one is the row's problem."""
    good = indices.loc[indices["problem"] == "", ["fund", "date", "nav"]]
    joined = frame.drop(columns="total_return").merge(good.rename(columns={"nav": "total_return"}), on=["fund", "date"], how="left")
    covered = joined["fund"].isin(set(indices["fund"]))
    _mark(joined, covered & joined["total_return"].isna() & joined["nav"].notna(), "total_return_missing")
    return joined[COLUMNS]


def _mark(frame: pd.DataFrame, where: "pd.Series[bool]", code: str) -> None:
    frame.loc[where & (frame["problem"] == ""), "problem"] = code


def filled(**columns: Any) -> pd.DataFrame:
    """A frame with these columns; what is left out is what a source does not say."""
    frame = pd.DataFrame(columns)
    unsaid: dict[str, Any] = dict.fromkeys(NUMBERS, np.nan) | {"subscription": "", "currency": "", "line": 0, "problem": ""}
    frame = frame.assign(**{name: value for name, value in unsaid.items() if name not in columns})[COLUMNS]
    if len(frame):
        return frame
    texts, whole = dict.fromkeys(["fund", "subscription", "currency", "problem"], str), dict.fromkeys(["date", "line"], np.int64)
    return frame.astype({**dict.fromkeys(NUMBERS, float), **texts, **whole})  # an empty column has no type of its own


def histories(good: pd.DataFrame) -> Iterator[tuple[FundHistory, list[str]]]:
    """Yield each fund's history, total return made from what the source gave, with notes on what was assumed."""
    for fund, rows in good.groupby("fund", sort=True):
        nav = rows["nav"].to_numpy(float)
        total_return = rows["total_return"].to_numpy(float)
        paid, notes = _payments(rows, nav)
        if not np.isfinite(total_return).all():
            income, said = _income(rows, nav)
            notes += said
            total_return = total_return_index(nav, paid + income, rows["split"].fillna(1.0).to_numpy(float))
            if not said and not paid.any() and len(nav) >= _AT_PAR_FROM and _is_at_par(nav):
                notes.append("at_par_without_income")
        yield (
            FundHistory(
                str(fund),
                rows["date"].to_numpy(np.int64),
                np.round(nav * 1e6).astype(np.int64),
                total_return,
                np.round(paid * 1e6).astype(np.int64),
            ),
            notes,
        )


def _is_at_par(nav: FloatArray) -> bool:
    return bool(nav.max() == nav.min())


def _income(rows: pd.DataFrame, nav: FloatArray) -> tuple[FloatArray, list[str]]:
    """What a unit earned each day while its NAV stayed at par: as published, else from the seven-day yield."""
    income = rows["income"].to_numpy(float)
    yearly = rows["annual_yield"].to_numpy(float)
    if not np.isfinite(income).any() and not np.isfinite(yearly).any():
        return np.zeros(len(nav)), []
    if not _is_at_par(nav):
        return np.zeros(len(nav)), ["income_not_used"]  # it is in the NAV already
    if np.isfinite(income).any():
        return np.nan_to_num(income * nav, nan=0.0), ["total_return_from_income"]
    days = np.diff(rows["date"].to_numpy(np.int64), prepend=rows["date"].iloc[0])
    return np.nan_to_num(yearly * nav / 365 * np.minimum(days, _MOST_DAYS_OF_INCOME), nan=0.0), ["total_return_from_seven_day_yield"]


def total_return_index(nav: FloatArray, paid: FloatArray, split: FloatArray) -> FloatArray:
    """Grow 1 by (nav_t split_t + paid_t) / nav_(t-1): what a holder who reinvests each payment at that day's NAV has."""
    steps = (nav[1:] * split[1:] + paid[1:]) / nav[:-1]
    return np.concatenate([[1.0], np.cumprod(steps)])


def _payments(rows: pd.DataFrame, nav: FloatArray) -> tuple[FloatArray, list[str]]:
    """Distributions a unit: as the source names them, else the steps by which cumulative NAV outgrows unit NAV."""
    named = rows["distribution"].to_numpy(float)
    paid = np.nan_to_num(named, nan=0.0)
    cumulative = rows["cumulative"].to_numpy(float)
    if not np.isfinite(cumulative).any() or len(nav) < 2:
        return paid, []
    # From one day that has a cumulative NAV to the next: a payment on a day without one would else be lost.
    paid_out = cumulative - nav - np.cumsum(paid)
    known = np.flatnonzero(np.isfinite(paid_out))
    step = np.full(len(nav), np.nan)
    step[known[1:]] = np.diff(paid_out[known])
    usual = np.abs(step[np.isfinite(step)]) <= _CUMULATIVE_NOISE
    if usual.size == 0 or usual.mean() < 0.9:
        # Exchange-traded funds publish it a share of the first day, not a unit of today: it says nothing then.
        return paid, ["cumulative_nav_not_used"]
    found = np.isfinite(step) & (step > _CUMULATIVE_NOISE) & ~np.isfinite(named) & rows["split"].isna().to_numpy()
    paid[found] = np.round(step[found], 6)
    return paid, [f"distributions_from_cumulative_nav:{int(found.sum())}"] if found.any() else []
