"""Why a year of a fund is one row: the same prices as a row a day, as packed years, and as a file of columns with the database as index.

Bare sqlite3 and numpy, so that only the shape of what is stored differs. `python -m benchmarks --only history_store`.
"""

import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.rows import Row

DAYS, YEAR, FUNDS, FEW, POOL = 2_440, 244, 1_000, 300, 60
BLOCK = 250  # funds a transaction of packed years; rows go 5,000 a transaction


@dataclass(frozen=True)
class Shape:
    """One way to keep NAV (n, T) and total return (n, T): load, read the total return of funds (k, T), append a day, forget caches."""

    load: Callable[[np.ndarray, np.ndarray], None]
    read: Callable[[list[int]], np.ndarray]
    append: Callable[[np.ndarray, np.ndarray], None]
    files: list[Path]


def history_store(quick: bool) -> Iterator[Row]:
    n = FEW if quick else FUNDS
    random = np.random.default_rng(5)
    value = np.cumprod(1 + random.normal(0, 0.01, (n, DAYS + 1)), axis=1)
    nav, total_return = np.round(value[:, :DAYS] * 1e6).astype(np.int64), value[:, :DAYS]
    pool = random.choice(n, POOL, replace=False).tolist()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, shape in (("a row a day", _rows), ("packed years", _years), ("a file of columns", _columns)):
            kept = shape(Path(folder), n)
            took = [_timed(lambda kept=kept: kept.load(nav, total_return))]
            assert np.allclose(kept.read(pool), total_return[pool], rtol=1e-12)
            size = sum(file.stat().st_size for file in kept.files) / 2**20
            took += [min(_timed(lambda kept=kept: kept.read(pool)) for _ in range(3)), _timed(lambda kept=kept: kept.read(list(range(n))))]
            took.append(_timed(lambda kept=kept: kept.append(nav[:, -1], value[:, -1])))
            assert np.allclose(kept.read(pool)[:, -1], value[pool, -1], rtol=1e-12)
            found[name] = (*took, size)
    ours = found["packed years"]
    for name, (load, read, whole, append, size) in found.items():
        first = f"{n:,} funds x {DAYS:,} days as {name}: loaded, MiB"
        ratio = "–" if name == "packed years" else f"{load / ours[0]:.1f}"
        yield Row(first, f"{load:.2f} s", f"{size:.0f} MiB", ratio)
        yield Row(f"  {POOL} funds read, all read, a day appended to all", f"{read * 1000:.0f} ms", f"{whole:.2f} s, {append:.2f} s")


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    return database


def _write(database: sqlite3.Connection, statement: str, rows: list[tuple[object, ...]]) -> None:
    database.execute("BEGIN IMMEDIATE")
    database.executemany(statement, rows)
    database.execute("COMMIT")


def _rows(folder: Path, n: int) -> Shape:
    path = folder / "rows.sqlite3"
    database = _database(path)
    database.execute("CREATE TABLE nav (fund INTEGER, day INTEGER, nav INTEGER, total_return REAL, PRIMARY KEY (fund, day)) WITHOUT ROWID")
    insert = "INSERT INTO nav VALUES (?, ?, ?, ?)"

    def load(nav: np.ndarray, total_return: np.ndarray) -> None:
        for first in range(0, n, 2):  # two funds are just below 5,000 rows
            rows = [
                (fund, day, *of_day)
                for fund in range(first, min(n, first + 2))
                for day, of_day in enumerate(zip(nav[fund].tolist(), total_return[fund].tolist(), strict=True))
            ]
            _write(database, insert, rows)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def read(funds: list[int]) -> np.ndarray:
        marks = ",".join("?" * len(funds))
        found = database.execute(f"SELECT total_return FROM nav WHERE fund IN ({marks}) ORDER BY fund, day", funds).fetchall()
        ordered = np.array(found)[:, 0].reshape(len(funds), -1)
        return ordered[np.argsort(np.argsort(funds))]

    def append(nav: np.ndarray, total_return: np.ndarray) -> None:
        rows = [(fund, DAYS, int(nav[fund]), float(total_return[fund])) for fund in range(n)]
        for first in range(0, n, 5_000):
            _write(database, insert, rows[first : first + 5_000])

    return Shape(load, read, append, [path])


def _years(folder: Path, n: int) -> Shape:
    path = folder / "years.sqlite3"
    database = _database(path)
    database.execute(
        "CREATE TABLE nav_year (id INTEGER PRIMARY KEY, fund INTEGER, year INTEGER, days BLOB, nav BLOB, total_return BLOB,"
        " UNIQUE (fund, year))"
    )
    insert = "INSERT INTO nav_year (fund, year, days, nav, total_return) VALUES (?, ?, ?, ?, ?)"

    def packed(fund: int, year: int, nav: np.ndarray, total_return: np.ndarray) -> tuple[object, ...]:
        days = np.arange(year * YEAR, year * YEAR + len(nav), dtype="<i4")
        return (fund, year, days.tobytes(), nav.astype("<i8").tobytes(), total_return.astype("<f8").tobytes())

    def load(nav: np.ndarray, total_return: np.ndarray) -> None:
        parts = [(year, slice(year * YEAR, (year + 1) * YEAR)) for year in range(DAYS // YEAR)]
        for first in range(0, n, 12):
            funds = range(first, min(n, first + 12))
            rows = [packed(fund, year, nav[fund, part], total_return[fund, part]) for fund in funds for year, part in parts]
            _write(database, insert, rows)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def read(funds: list[int]) -> np.ndarray:
        marks, place = ",".join("?" * len(funds)), {fund: at for at, fund in enumerate(funds)}
        parts: list[list[bytes]] = [[] for _ in funds]
        for fund, part in database.execute(f"SELECT fund, total_return FROM nav_year WHERE fund IN ({marks}) ORDER BY fund, year", funds):
            parts[place[fund]].append(part)
        return np.stack([np.frombuffer(b"".join(mine), "<f8") for mine in parts])

    def append(nav: np.ndarray, total_return: np.ndarray) -> None:
        last = (DAYS - 1) // YEAR
        update = "UPDATE nav_year SET days = ?, nav = ?, total_return = ? WHERE fund = ? AND year = ?"
        for first in range(0, n, BLOCK):
            funds = list(range(first, min(n, first + BLOCK)))
            marks = ",".join("?" * len(funds))
            stored = database.execute(
                f"SELECT fund, days, nav, total_return FROM nav_year WHERE year = ? AND fund IN ({marks})", [last, *funds]
            ).fetchall()
            day = np.array([DAYS], "<i4").tobytes()
            rows = [
                (days + day, old + nav[fund].astype("<i8").tobytes(), index + total_return[fund].astype("<f8").tobytes(), fund, last)
                for fund, days, old, index in stored
            ]
            _write(database, update, rows)

    return Shape(load, read, append, [path])


def _columns(folder: Path, n: int) -> Shape:
    """A row of the file a day, as appending wants it; room for a second day."""
    path, spare = folder / "columns.f8", DAYS + 1
    reached = [0]

    def opened() -> np.memmap:
        mode = "r+" if path.exists() else "w+"
        return np.memmap(path, dtype=[("nav", "<i8"), ("total_return", "<f8")], mode=mode, shape=(spare, n))

    def load(nav: np.ndarray, total_return: np.ndarray) -> None:
        table = opened()
        table["nav"][:DAYS], table["total_return"][:DAYS] = nav.T, total_return.T
        table.flush()
        reached[0] = DAYS

    def read(funds: list[int]) -> np.ndarray:
        return np.ascontiguousarray(opened()["total_return"][: reached[0]][:, funds].T)

    def append(nav: np.ndarray, total_return: np.ndarray) -> None:
        table = opened()
        table["nav"][DAYS], table["total_return"][DAYS] = nav, total_return
        table.flush()
        reached[0] = DAYS + 1

    return Shape(load, read, append, [path])


CLAIMS = (history_store,)
