"""A whole simulated market through the product: made, stored, imported, read, screened and packed into model portfolios.

Each step is a process of its own on one fresh database, so that its peak memory is its own. The database is SQLite in a
folder of the benchmark's, or the empty one of MARKET_DATABASE_URL.
`python -m benchmarks.market [--quick] [--funds N]` measures it alone.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.rows import Row
from benchmarks.steps import installation, peak_mib

ROOT = Path(__file__).resolve().parent.parent
FUNDS, FEW, SEED = 10_000, 600, 2026  # fewer make no publishable pool
POOL, YEARS = 60, 10
DATABASE = "MARKET_DATABASE_URL"
READ_BOUND, SCREEN_BOUND, SHARE = 0.3, 60.0, (0.15, 0.25)


def market(quick: bool, n_funds: int | None = None) -> Iterator[Row]:
    n = n_funds or (FEW if quick else FUNDS)
    with installation("benchmarks.market", DATABASE) as fresh:
        fresh.manage("migrate", "-v0")
        fresh.manage("sync_roles")
        step = partial(fresh.step, funds=n)
        yield from _made_and_stored(step, n)
        yield from _read(step, n)
        yield from _judged(step, n, quick)


def _made_and_stored(step: Callable[[str], dict[str, Any]], n: int) -> Iterator[Row]:
    made = step("make")
    size = f"{n:,} funds x {made['days']:,} days"
    yield Row(f"simulated market, {size}: made", f"{made['seconds']:.1f} s", f"peak {made['peak_mib']:.0f} MiB")
    stored = step("store")
    rate = f"{stored['prices'] / stored['seconds'] / 1e6:.1f} M prices/s"
    yield Row(f"  NAVs stored, {stored['database']}", f"{stored['seconds']:.1f} s", rate, bound="<= .25 s a write")
    longest = f"{stored['longest']:.3f} s"
    yield Row("  longest transaction of it", longest, bound="<= 0.25 s", verdict="ok" if stored["longest"] <= 0.25 else "short")
    imported = step("import")
    yield Row(
        f"  imported with {imported['facts']:,} facts, {imported['rows'] - imported['stored']:,} rows kept back",
        f"{imported['seconds']:.0f} s",
        f"peak {imported['peak_mib']:.0f} MiB",
    )


def _read(step: Callable[[str], dict[str, Any]], n: int) -> Iterator[Row]:
    read = step("read")
    within = read["seconds"] <= READ_BOUND
    yield Row(
        f"  matrix of {POOL} funds x {YEARS} years", f"{read['seconds']:.3f} s", bound="<= 0.3 s", verdict="ok" if within else "short"
    )
    months = step("months")
    yield Row(f"  month ends of all, {months['shape']}", f"{months['seconds']:.1f} s", f"peak {months['peak_mib']:.0f} MiB")
    daily = step("daily")
    yield Row("  days of all, a block of 500 funds at a time", f"{daily['seconds']:.1f} s", f"peak {daily['peak_mib']:.0f} MiB")


def _judged(step: Callable[[str], dict[str, Any]], n: int, quick: bool) -> Iterator[Row]:
    found = step("screen")
    within = found["seconds"] <= SCREEN_BOUND
    yield Row(
        f"  screen, {found['funds']:,} funds judged",
        f"{found['seconds']:.1f} s",
        f"peak {found['peak_mib']:.0f} MiB",
        bound="<= 60 s",
        verdict="ok" if within else "short",
    )
    inside = SHARE[0] <= found["share"] <= SHARE[1]
    verdict = "ok" if inside else "not judged: few funds" if quick else "short"
    yield Row(f"  in the pool of {found['gated']:,} that pass the gates", f"{found['share']:.1%}", bound="15 to 25 %", verdict=verdict)
    models = step("models")
    yield Row(f"  {models['portfolios']} model portfolios on it", f"{models['seconds']:.1f} s", f"peak {models['peak_mib']:.0f} MiB")


def _specs(n: int) -> list[Any]:
    from portfolios.jurisdictions import jurisdiction
    from portfolios.kernels.simulate_funds import make_funds

    table = jurisdiction()
    means = {name: table.classes[category.asset_class].mean for name, category in table.categories.items()}
    return make_funds(seed=SEED, n_funds=n, class_means=means, fee_caps_bps=table.purchase_fee_caps_bps)


def _made(n: int) -> Iterator[Any]:
    from django.utils import timezone

    from portfolios.calendar import is_business_day
    from portfolios.kernels.simulate import simulate_funds, weekdays

    days = weekdays(timezone.localdate())
    sessions = days[[is_business_day(date.fromordinal(day)) for day in days.tolist()]]
    return simulate_funds(_specs(n), seed=SEED, until=date.fromordinal(int(sessions[-1])), sessions=sessions)


def make(n: int) -> dict[str, Any]:
    start = time.perf_counter()
    days = [len(one.history.dates) for one in _made(n)]
    return {"seconds": time.perf_counter() - start, "days": max(days)}


def store(n: int) -> dict[str, Any]:
    """The store alone: funds written bare, each batch of histories timed without the making of it."""
    from django.db import connection

    from portfolios.jurisdictions import jurisdiction
    from portfolios.models import Fund, NavYear
    from portfolios.services import store_histories

    kinds, prices, took, writes = jurisdiction().categories, 0, [], _timed_writes()
    for block in _blocks(_made(n), 12):
        Fund.objects.bulk_create(
            Fund(
                code=one.spec.code,
                category=one.spec.category,
                asset_class=kinds[one.spec.category].asset_class,
                risk_grade=kinds[one.spec.category].grade,
                source="simulated",
            )
            for one in block
        )
        start = time.perf_counter()
        prices += store_histories([one.history for one in block])
        took.append(time.perf_counter() - start)
    # The import begins with an empty market again.
    for rows in (NavYear.objects.all(), Fund.objects.all()):
        rows._raw_delete(rows.db)
    vendor = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor]
    return {"seconds": sum(took), "prices": prices, "longest": max(writes), "database": vendor}


def _timed_writes() -> list[float]:
    """Have each transaction of the store say how long it took, from its opening to its end."""
    from portfolios.services import history

    took: list[float] = []
    write = history._write

    def timed(*rows: Any) -> None:
        start = time.perf_counter()
        write(*rows)
        took.append(time.perf_counter() - start)

    history._write = timed
    return took


def _blocks(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    block: list[Any] = []
    for item in items:
        block.append(item)
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block


def import_(n: int) -> dict[str, Any]:
    from portfolios.models import FundFact, FundSize, NavYear
    from portfolios.services import execute_import, report_of, request_import

    start = time.perf_counter()
    run = request_import(source="simulated", options={"seed": SEED, "n_funds": n})
    execute_import(run.pk)
    seconds = time.perf_counter() - start
    report = report_of(run)
    counted = report.counted
    assert report.n_rows == counted.n_new + counted.n_changed + counted.n_unchanged + report.n_reported
    assert counted.n_new == sum(NavYear.objects.values_list("n_days", flat=True))
    return {
        "seconds": seconds,
        "stored": counted.n_new,
        "rows": report.n_rows,
        "facts": FundSize.objects.count() + FundFact.objects.count(),
    }


def read(n: int) -> dict[str, Any]:
    from portfolios.models import Fund
    from portfolios.selectors import load_history, return_matrix

    codes = list(Fund.objects.filter(ended_on__isnull=True, inception_date__year=2016).order_by("?").values_list("code", flat=True)[:POOL])
    since = date.today() - timedelta(days=round(365.25 * YEARS))
    took = []
    for _ in range(7):
        start = time.perf_counter()
        matrix = return_matrix(codes, since)
        took.append(time.perf_counter() - start)
    assert matrix.values.shape[1] == POOL
    assert np.isfinite(matrix.values).all()
    [alone] = load_history(Fund.objects.filter(code=codes[7]).values_list("pk", flat=True), since).values()
    assert np.array_equal(matrix.values[:, 7], alone.total_return)
    return {"seconds": median(took)}


def months(n: int) -> dict[str, Any]:
    from portfolios.models import Fund
    from portfolios.selectors import load_history, month_end_matrix

    ids, until = list(Fund.objects.order_by("pk").values_list("pk", flat=True)), date.today()
    start = time.perf_counter()
    matrix = month_end_matrix(ids, until - timedelta(days=round(365.25 * YEARS)), until)
    seconds = time.perf_counter() - start
    alone = load_history([ids[0]])[ids[0]]
    month = date(1970 + int(matrix.months[50]) // 12, int(matrix.months[50]) % 12 + 1, 28)
    in_month = [at for at, day in enumerate(alone.dates) if date.fromordinal(int(day)).replace(day=28) == month]
    assert matrix.values[50, 0] == alone.total_return[in_month[-1]]
    return {"seconds": seconds, "shape": f"{matrix.values.shape[0]} x {matrix.values.shape[1]:,}"}


def daily(n: int) -> dict[str, Any]:
    from portfolios.models import Fund
    from portfolios.selectors import daily_block

    ids, until = list(Fund.objects.order_by("pk").values_list("pk", flat=True)), date.today()
    start = time.perf_counter()
    n_seen = sum(len(block.codes) for block in daily_block(ids, until - timedelta(days=round(365.25 * YEARS)), until))
    assert n_seen == len(ids)
    return {"seconds": time.perf_counter() - start}


def screen(n: int) -> dict[str, Any]:
    from django.db.models import Max

    from portfolios.models import Fund, ScreenRun
    from portfolios.services import execute_screen, request_screen

    start = time.perf_counter()
    run = request_screen(data_date=Fund.objects.aggregate(last=Max("last_nav_date"))["last"])
    execute_screen(run.pk)
    seconds = time.perf_counter() - start
    run.refresh_from_db()
    assert run.outcome == ScreenRun.Outcome.PUBLISHED, (run.outcome, run.shortage, run.error)
    assert run.rows.filter(is_in=True).count() == run.n_in
    return {"seconds": seconds, "funds": run.n_funds, "gated": run.n_gated, "share": run.n_in / run.n_gated}


def models(n: int) -> dict[str, Any]:
    from portfolios.models import ModelSet
    from portfolios.services import execute_models, request_models

    start = time.perf_counter()
    made = request_models()
    execute_models(made.pk)
    seconds = time.perf_counter() - start
    made.refresh_from_db()
    assert made.state == ModelSet.State.WAITING, (made.state, made.error)
    return {"seconds": seconds, "portfolios": made.portfolios.count()}


STEPS = {
    "make": make,
    "store": store,
    "import": import_,
    "read": read,
    "months": months,
    "daily": daily,
    "screen": screen,
    "models": models,
}
CLAIMS = (market,)


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.market")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--funds", type=int)
    parser.add_argument("--step", choices=sorted(STEPS))
    options = parser.parse_args()
    if options.step:
        import django

        django.setup()
        said = STEPS[options.step](options.funds)
        sys.stdout.write(json.dumps(said | {"peak_mib": peak_mib()}) + "\n")
        return 0
    for row in market(options.quick, options.funds):
        sys.stdout.write(row.line() + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
