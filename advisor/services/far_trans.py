"""FAR-Trans, a bank's anonymised customers (Sanz-Cruzado, Droukas, McCreadie 2024), as tables to measure against.

The customers are pseudonymous strangers who never asked for advice, and the assets are priced in euros and are sold on no
platform here: nothing of either enters the database. docs/far-trans.md has the formats and the mapping of the levels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from portfolios.kernels.errors import DataError
from portfolios.services import table_chunks

PREDICTED, NO_LEVEL = "Predicted_", "Not_Available"
# The bank's highest level has no C5 above it: it counts as C4, so that nobody is taken for more than the bank took them for.
LEVELS = {"Conservative": 1, "Income": 2, "Balanced": 3, "Aggressive": 4}
CATEGORIES = {"Stock", "Bond", "MTF"}
SIDES = {"Buy": True, "Sell": False}
FIRST_DAY, LAST_DAY = pd.Timestamp(1990, 1, 1), pd.Timestamp(2100, 1, 1)
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "customers": ("customerid", "customertype", "risklevel", "investmentcapacity", "lastquestionnairedate", "timestamp"),
    "assets": ("isin", "assetname", "assetcategory", "assetsubcategory", "marketid", "timestamp"),
    "markets": ("marketid", "country"),
    "limits": ("isin", "mindate", "maxdate", "pricemindate", "pricemaxdate"),
    "transactions": ("customerid", "isin", "transactionid", "transactiontype", "timestamp", "totalvalue", "units"),
    "prices": ("isin", "timestamp", "closeprice"),
}
FILES = {
    "customers": "customer_information.csv",
    "assets": "asset_information.csv",
    "markets": "markets.csv",
    "limits": "limit_prices.csv",
    "transactions": "transactions.csv",
    "prices": "close_prices.csv",
}
NEEDED = ("customers", "assets")
_DAYS = {"lastquestionnairedate", "timestamp", "mindate", "maxdate"}
_NUMBERS = {"pricemindate", "pricemaxdate", "totalvalue", "units", "closeprice"}
_NAMES = {"customerid": "customer_missing", "isin": "asset_missing", "marketid": "market_missing", "transactionid": "transaction_missing"}
_ONE_ROW_A = {
    "customers": ["customerid", "timestamp"],
    "assets": list(COLUMNS["assets"]),
    "markets": ["marketid"],
    "limits": ["isin"],
    "transactions": ["transactionid"],
    "prices": ["isin", "timestamp"],
}


@dataclass(frozen=True)
class TableReport:
    """What became of a file's rows: n_rows = n_kept + all of `left_out`, by reason; `first_lines` has a line of each."""

    file: str
    n_rows: int
    n_kept: int
    left_out: Mapping[str, int]
    first_lines: Mapping[str, int]


@dataclass(frozen=True)
class FarTrans:
    """The kept rows of each file that is there, by name, with `line`; days are datetimes, and numbers floats.

    Customers also have `level` (1..4, 0 where the bank has none) and `is_predicted`: an algorithm's level, not a questionnaire's.
    """

    tables: Mapping[str, pd.DataFrame]
    reports: tuple[TableReport, ...]
    absent: tuple[str, ...]

    @property
    def people(self) -> pd.DataFrame:
        """One row a customer, the latest."""
        return self.tables["customers"].sort_values("timestamp", kind="stable").drop_duplicates("customerid", keep="last")

    @property
    def described_assets(self) -> pd.DataFrame:
        """One row an asset, the latest."""
        return self.tables["assets"].sort_values("timestamp", kind="stable").drop_duplicates("isin", keep="last")

    @property
    def mix(self) -> tuple[float, ...]:
        """The shares of the four levels among the customers whose level comes from a questionnaire."""
        levels = self.people.loc[lambda people: ~people["is_predicted"] & (people["level"] > 0), "level"]
        return tuple(float((levels == level).mean()) if len(levels) else 0.0 for level in LEVELS.values())


def read_far_trans(*, folder: Path) -> FarTrans:
    """Read and check the files of a folder; nothing is written, so it is safe to repeat.

    Customers and assets must be there, all else may be absent. Raises DataError for a folder or file that cannot be used.
    """
    if not folder.is_dir():
        raise DataError("far_trans_no_folder", folder=str(folder))
    tables: dict[str, pd.DataFrame] = {}
    reports = []
    for name, file in FILES.items():
        path = folder / file
        if name not in NEEDED and not path.exists():
            continue
        rows = _read(path, COLUMNS[name])
        reasons = _reasons(name, rows, tables)
        kept = reasons == ""
        if name in NEEDED and not kept.any():
            raise DataError("far_trans_nothing_usable", file=file, n=len(rows))
        wrong = rows["line"].groupby(reasons[~kept])
        left_out = {str(reason): (len(lines), int(lines.min())) for reason, lines in wrong}
        counts, first = ({reason: pair[k] for reason, pair in left_out.items()} for k in (0, 1))
        reports.append(TableReport(file, len(rows), int(kept.sum()), counts, first))
        tables[name] = rows[kept].reset_index(drop=True)
    return FarTrans(tables, tuple(reports), tuple(file for name, file in FILES.items() if name not in tables))


def store_far_trans(*, found: FarTrans, folder: Path) -> list[str]:
    """Write the kept rows as CSV, a file a table, into a folder outside the database; again writes the same files anew.

    Raises DataError for a folder that cannot be written to, or that holds the files that were read.
    """
    if any((folder / file).exists() for name, file in FILES.items() if name in NEEDED):
        raise DataError("far_trans_would_overwrite", folder=str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in found.tables.items():
            table.to_csv(folder / f"{name}.csv", index=False, date_format="%Y-%m-%d", encoding="utf-8")
    except OSError as error:
        raise DataError("far_trans_not_stored", folder=str(folder)) from error
    return [f"{name}.csv" for name in found.tables]


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """The rows that are not blank, as text, with the line of each."""
    parts = []
    for chunk, first_line in table_chunks(path=path, columns=columns):
        part = chunk.assign(line=np.arange(first_line, first_line + len(chunk)))
        parts.append(part[(chunk != "").any(axis=1)])
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*columns, "line"])
    if not len(rows):
        raise DataError("file_has_no_rows", file=path.name)
    return rows


def _reasons(name: str, rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> "pd.Series[str]":
    """Why each row is left out, the first reason of several, "" for none; turns days and numbers into such on the way."""
    found: dict[str, pd.Series[bool]] = {}
    for column in COLUMNS[name]:
        if column in _NAMES:
            found[_NAMES[column]] = rows[column] == ""
    if name == "customers":
        known = rows["risklevel"].str.removeprefix(PREDICTED)
        found["level_unknown"] = ~known.isin([*LEVELS, NO_LEVEL])
        rows["level"] = known.map(LEVELS).fillna(0).astype(int)
        rows["is_predicted"] = rows["risklevel"].str.startswith(PREDICTED)
    if name == "assets":
        found["category_unknown"] = ~rows["assetcategory"].isin(CATEGORIES)
    if name == "transactions":
        found["customer_unknown"] = ~rows["customerid"].isin(tables["customers"]["customerid"])
        found["side_unknown"] = ~rows["transactiontype"].isin(SIDES)
    if name in ("limits", "transactions", "prices"):
        found["asset_unknown"] = ~rows["isin"].isin(tables["assets"]["isin"])
    for column in COLUMNS[name]:
        if column in _DAYS:
            rows[column] = pd.to_datetime(rows[column], format="%Y-%m-%d", errors="coerce")
            found[f"{column}_unclear"] = ~rows[column].between(FIRST_DAY, LAST_DAY)
        if column in _NUMBERS:
            rows[column] = pd.to_numeric(rows[column], errors="coerce")
            found[f"{column}_not_positive"] = ~(np.isfinite(rows[column]) & (rows[column] > 0))
    reasons = pd.Series("", index=rows.index)
    for reason, wrong in found.items():
        reasons = reasons.mask((reasons == "") & wrong, reason)
    usable = reasons == ""
    repeated = rows[usable].duplicated(_ONE_ROW_A[name])
    reasons[repeated.index[repeated]] = "row_repeated"
    return reasons
