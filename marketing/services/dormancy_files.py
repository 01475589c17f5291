"""Fitting who has stopped buying from files: summaries or transactions in, parameters and everybody's chances out."""

import gzip
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from marketing.kernels.bgnbd import Fit, Floats, Ints, Model, expected_transactions, fit, group, p_alive, p_any
from marketing.kernels.dormancy_holdout import Histories, areas, by_frequency, summarise, track
from portfolios.kernels.errors import DataError
from portfolios.services import table_chunks

DAYS_OF = {"week": 7.0, "day": 1.0}
SUMMARY_COLUMNS = ("id", "frequency", "recency", "t")
ID_NAMES = ("id", "customer_id", "customer", "investor")
SEED = 20261122  # of the bootstrap
NAIVE_DAYS = 90
_DAY = re.compile(r"(\d{4})[-/.]?(\d{1,2})[-/.]?(\d{1,2})(?:[ T]\d{1,2}:\d\d.*)?")
_COMPACT = re.compile(r"\d{8}")
_PEEKED = 4096


@dataclass(frozen=True, slots=True)
class FileFit:
    """What a file gives: the fit, and for each customer in the file's order (transactions: by id) their two figures."""

    fit: Fit
    ids: list[str]
    p_alive: Floats
    expected: Floats
    report: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        parameters = self.fit.parameters
        rows = zip(self.ids, self.p_alive.tolist(), self.expected.tolist(), strict=True)
        return {
            "r": parameters.r,
            "alpha": parameters.alpha,
            "a": parameters.a,
            "b": parameters.b,
            "log_likelihood": self.fit.log_likelihood,
            "customers": [{"id": name, "p_alive": alive, "expected": expected} for name, alive, expected in rows],
        }


def fit_summary_file(*, path: Path, model: Model, horizon: float) -> FileFit:
    """Fit the rows of a table ID, frequency, recency, T, all times in one unit, and score them `horizon` units ahead.

    Raises DataError, which names the line where one is wrong.
    """
    ids, lines, columns = _summary_rows(path)
    try:
        histories, place = group(*columns)
    except DataError as error:
        raise _on_line(error, ids, lines) from error
    found = fit(histories, model)
    scored = (histories.frequency, histories.recency, histories.observed)
    alive = p_alive(found.parameters, *scored)[place]
    return FileFit(found, ids, alive, expected_transactions(found.parameters, *scored, horizon)[place])


def fit_transactions_file(
    *, path: Path, calibration_end: date, unit: str, model: Model, horizon: float, with_report: bool = False
) -> FileFit:
    """Fit transactions up to a day and score their customers; the report holds the fit against what came after that day.

    Reads CSV (id, date and anything else) and lines apart by blanks, as CDNOW_master.txt has them. Several transactions of
    a customer on one day are one. Raises DataError, which names the line where one is wrong.
    """
    ids, person, days = _transactions(path)
    end, last = calibration_end.toordinal(), int(days.max())
    if days.min() > end:
        raise DataError("transactions_all_later", end=calibration_end.isoformat(), first=date.fromordinal(int(days.min())).isoformat())
    first, per_unit = int(days.min()), DAYS_OF[unit]
    time = (days - first) / per_unit
    known, seen = summarise(person, time, (end - first) / per_unit)
    histories, place = group(seen.frequency, seen.recency, seen.observed)
    found = fit(histories, model)
    scored = (histories.frequency, histories.recency, histories.observed)
    alive = p_alive(found.parameters, *scored)[place]
    expected = expected_transactions(found.parameters, *scored, horizon)[place]
    report = {}
    if with_report:
        if last <= end:
            raise DataError("transactions_without_holdout", end=calibration_end.isoformat())
        held_out = min(horizon, (last - end) / per_unit)
        _, seen = summarise(person, time, (end - first) / per_unit, (end - first) / per_unit + held_out)
        firsts = (end - first) / per_unit - seen.observed
        everything = np.unique(np.stack([person, days]), axis=1)
        theirs = everything[:, np.isin(everything[0], known)]
        repeats = np.sort((theirs[1][np.append(False, theirs[0][1:] == theirs[0][:-1])] - first) / per_unit)
        report = holdout_report(found, seen, held_out, NAIVE_DAYS / per_unit) | {
            "tracking": [asdict(one) for one in track(found.parameters, firsts, repeats, _times((end - first) / per_unit, held_out))]
        }
    return FileFit(found, [ids[i] for i in known], alive, expected, report)


def _times(until_calibration: float, held_out: float) -> Floats:
    """Some forty points in time, one of them the end of calibration."""
    before = np.linspace(0, until_calibration, 21)[1:]
    return np.concatenate([before, until_calibration + np.linspace(0, held_out, 21)[1:]])


def holdout_report(found: Fit, seen: Histories, held_out: float, naive: float) -> dict[str, Any]:
    """The fit against the holdout: by frequency, in total, and who came again, beside rules that look at the silence alone.

    `held_out` and `naive` are lengths in the unit of the fit. Areas have 95 % intervals; differences are against the naive
    rule "no transaction in so long".
    """
    history = (seen.frequency, seen.recency, seen.observed)
    expected = expected_transactions(found.parameters, *history, held_out)
    silence = seen.observed - seen.recency
    scores = {
        "p_alive": p_alive(found.parameters, *history),
        "p_any": p_any(found.parameters, *history, held_out),
        "expected": expected,
        "silence": -silence,
        "naive": (silence <= naive).astype(np.float64),
    }
    areas_found, differences = areas(scores, seen.later > 0, np.random.default_rng(SEED), against="naive")
    return {
        "held_out": held_out,
        "naive": naive,
        "n": len(expected),
        "n_came": int((seen.later > 0).sum()),
        "expected": float(expected.sum()),
        "actual": float(seen.later.sum()),
        "bins": [asdict(one) for one in by_frequency(seen.frequency, expected, seen.later)],
        "areas": {name: asdict(one) for name, one in areas_found.items()},
        "differences": {name: asdict(one) for name, one in differences.items()},
    }


def _summary_rows(path: Path) -> tuple[list[str], Ints, list[Floats]]:
    """Ids, lines and the three columns; blank lines are left out."""
    ids: list[str] = []
    lines: list[Ints] = []
    columns: list[list[Floats]] = [[], [], []]
    for chunk, first_line in table_chunks(path=path, columns=SUMMARY_COLUMNS):
        rows = np.flatnonzero((chunk != "").any(axis=1).to_numpy())
        chunk, line = chunk.iloc[rows], rows + first_line
        if (missing := (chunk["id"] == "").to_numpy()).any():
            raise DataError("summary_without_id", line=int(line[missing.argmax()]))
        ids += chunk["id"].tolist()
        lines.append(line)
        for numbers, column in zip(columns, SUMMARY_COLUMNS[1:], strict=True):
            numbers.append(_numbers(chunk[column], line, column))
    if not ids:
        raise DataError("file_has_no_rows", file=path.name)
    if repeated := pd.Index(ids).duplicated().argmax():
        raise DataError("summary_id_twice", id=ids[repeated], line=int(np.concatenate(lines)[repeated]))
    return ids, np.concatenate(lines), [np.concatenate(numbers) for numbers in columns]


def _numbers(cells: "pd.Series[str]", line: Ints, column: str) -> Floats:
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
    if (wrong := ~np.isfinite(numbers)).any():
        at = int(wrong.argmax())
        raise DataError(
            "summary_cell_unclear", line=int(line[at]), column=column.upper() if column == "t" else column, value=cells.iloc[at]
        )
    return numbers


def _on_line(error: DataError, ids: list[str], lines: Ints) -> DataError:
    """The same error with the line and the id of its row."""
    row = error.params.get("row")
    if not isinstance(row, int):
        return error
    return DataError(error.code, **(error.params | {"line": int(lines[row]), "id": ids[row]}))


def _transactions(path: Path) -> tuple[list[str], Ints, Ints]:
    """Ids in ascending order, and of each transaction the place of its id and its day as an ordinal."""
    names: list[str] = []
    days: list[int] = []
    known: dict[str, int] = {}
    for line, name, text in _blank_separated(path) or _table(path):
        if not name:
            raise DataError("transaction_without_id", line=line)
        day = known.get(text) or _ordinal(text)
        if day is None:
            raise DataError("transaction_date_unclear", line=line, value=text)
        known[text] = day
        names.append(name)
        days.append(day)
    if not names:
        raise DataError("file_has_no_rows", file=path.name)
    person, ids = pd.factorize(np.array(names, dtype=object), sort=True)
    return [str(name) for name in ids], person.astype(np.int64), np.array(days, dtype=np.int64)


def _ordinal(text: str) -> int | None:
    found = _DAY.fullmatch(text) if not text.isdigit() or _COMPACT.fullmatch(text) else None
    if found is None:
        return None
    parts = (text[:4], text[4:6], text[6:]) if _COMPACT.fullmatch(text) else found.groups()
    try:
        return date(*map(int, parts)).toordinal()
    except ValueError:
        return None


def _table(path: Path) -> Iterator[tuple[int, str, str]]:
    header = re.split(r"[,;\t|]", _peek(path).splitlines()[0].strip().lower()) if _peek(path).strip() else []
    names = {cell.strip().strip('"') for cell in header}
    name = next((one for one in ID_NAMES if one in names), "id")
    for chunk, first_line in table_chunks(path=path, columns=(name, "date")):
        for line, (who, day) in enumerate(chunk.itertuples(index=False, name=None), first_line):
            if who or day:
                yield line, who, day


def _peek(path: Path) -> str:
    """The beginning of a file, gzipped or not; empty where there is none: the table's reader says why."""
    try:
        with _opened(path) as file:
            return str(file.read(_PEEKED).decode("utf-8-sig", errors="replace"))
    except (OSError, EOFError):
        return ""


def _opened(path: Path) -> Any:
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if is_gzip else path.open("rb")


def _blank_separated(path: Path) -> Iterator[tuple[int, str, str]] | None:
    """Lines of `id date ...` apart by blanks, with or without a header; None for any other file.

    CDNOW_sample.txt has the id of the whole file before its own: whatever stands right before the date is the id.
    """
    lines = [line for line in _peek(path).splitlines()[:3] if line.strip()]
    if not lines or any(re.search(r"[,;\t|<]", line) for line in lines):
        return None
    places = [i for line in lines for i, cell in enumerate(line.split()) if i and _COMPACT.fullmatch(cell)]
    return _cells(path, places[0]) if places else None


def _cells(path: Path, place: int) -> Iterator[tuple[int, str, str]]:
    with _opened(path) as file:
        for line, raw in enumerate(file, start=1):
            cells = raw.decode("utf-8-sig", errors="replace").split()
            if not cells or (line == 1 and "date" in {cell.lower() for cell in cells}):
                continue
            if len(cells) <= place:
                raise DataError("transaction_line_short", line=line)
            yield line, cells[place - 1], cells[place]
