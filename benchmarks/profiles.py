"""Profiles of 200,000 simulated people with five million orders and as many events: everybody's, and a night's.

`python -m benchmarks.profiles [--quick]` measures it alone, on the database of PROFILES_DATABASE_URL where that is set (it must
be empty), else on SQLite in a folder of its own. A sample of a night's rows is held against the same people built anew.
"""

import time
from collections.abc import Iterator
from typing import Any

from benchmarks.rows import Row
from benchmarks.steps import installation, peak_mib, run

PEOPLE, FEW, SEED = 200_000, 1_000, 7
CHECKED = 1_000
DATABASE = "PROFILES_DATABASE_URL"


def profiles(quick: bool) -> Iterator[Row]:
    """In processes of their own: a world written, everybody's profiles, and the night after a day."""
    n = FEW if quick else PEOPLE
    with installation("benchmarks.profiles", DATABASE) as fresh:
        fresh.manage("migrate", "-v0")
        wrote = fresh.step("write", people=n)
        full = fresh.step("full", people=n)
        size = f"{n:,} people, {wrote['orders'] / 1e6:.2f} M orders, {wrote['events'] / 1e6:.2f} M events"
        yield Row(f"profiles of {size}, {full['database']}", f"{full['seconds']:.1f} s", f"{full['peak_mib']:.0f} MiB")
        parts = ", ".join(f"{name} {spent:.0f} s" for name, spent in full["parts"].items())
        yield Row(f"  of it {parts}; longest transaction", f"{full['longest']:.2f} s")
        night = fresh.step("night", people=n)
        yield Row(f"  the night after: {night['ordered']:,} had ordered, {night['visited']:,} had been here", f"{night['seconds']:.1f} s")
        yield Row(
            f"  rows written in parts; {night['checked']:,} people are as built anew; memory",
            f"{night['rows']:,}",
            f"{night['peak_mib']:.0f} MiB",
        )
        yield Row("  the same night once more", f"{night['again']:.1f} s", f"{night['again_rows']} rows")


def write(n: int) -> dict[str, Any]:
    from django.db import connection
    from django.utils import timezone

    from benchmarks.profiles_world import write_everything
    from marketing.models import Event
    from portfolios.models import Order

    write_everything(n, SEED, timezone.localdate())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {"orders": Order.objects.count(), "events": Event.objects.count()}


def full(n: int) -> dict[str, Any]:
    from django.db import connection

    from marketing.selectors import profile_columns
    from marketing.services import profiles as service

    spent: dict[str, float] = {}
    for module, name, said in (
        (service, "read_market", "prices"), (profile_columns, "people_columns", "people"), (profile_columns, "holding_columns", "holdings"),
        (profile_columns, "order_columns", "orders"), (profile_columns, "visit_columns", "visits"),
        (profile_columns, "message_columns", "messages"), (service, "write_profiles", "rows"),
    ):  # fmt: skip
        setattr(module, name, _timed(getattr(module, name), spent, said))
    longest: dict[str, float] = {}
    service.write_profiles = _timed(service.write_profiles, longest, "write", keep=max)
    began = time.perf_counter()
    build = service.build_profiles(kind="full")
    seconds = time.perf_counter() - began
    assert (build.status, build.n_done, build.n_rows) == ("done", n, n), build.__dict__
    database = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor]
    return {"seconds": seconds, "parts": spent, "longest": longest["write"], "peak_mib": peak_mib(), "database": database}


def _timed(call: Any, spent: dict[str, float], name: str, keep: Any = lambda known, new: known + new) -> Any:
    def timed(*given: Any, **asked: Any) -> Any:
        began = time.perf_counter()
        answer = call(*given, **asked)
        spent[name] = keep(spent.get(name, 0.0), time.perf_counter() - began)
        return answer

    return timed


def night(n: int) -> dict[str, Any]:
    """A day passes, and its night is built as of the day after; a sample of its rows is the same when built anew."""
    from datetime import timedelta

    from django.utils import timezone

    from benchmarks.profiles_world import let_a_day_pass
    from marketing.services import build_profiles

    told = let_a_day_pass(n, SEED, timezone.localdate())
    tomorrow = timezone.localdate() + timedelta(days=1)
    began = time.perf_counter()
    build = build_profiles(as_of=tomorrow)
    seconds = time.perf_counter() - began
    assert build.kind == "incremental" and build.status == "done", build.__dict__
    peak = peak_mib()
    checked = _check(tomorrow)
    began = time.perf_counter()
    again = build_profiles(as_of=tomorrow)
    return told | {
        "seconds": seconds, "rows": build.n_rows, "peak_mib": peak, "checked": checked,
        "again": time.perf_counter() - began, "again_rows": again.n_rows,
    }  # fmt: skip


def _check(day: Any) -> int:
    """Compare what stands of a sample with the columns worked out anew; a fraction may differ in its last digit."""
    import numpy as np

    from marketing.models import Profile
    from marketing.selectors.profile_columns import all_columns
    from marketing.selectors.profile_holdings import read_market
    from marketing.selectors.profile_rows import Block
    from marketing.services.profile_rows import plain_values

    keys = np.array(list(Profile.objects.order_by("bucket_seed", "pk").values_list("pk", flat=True)[:CHECKED]), np.int64)
    block = Block(np.sort(keys), day, is_whole=False)
    for name, column in all_columns(block, read_market(day)).items():
        due = plain_values(Profile._meta.get_field(name), column)
        known = dict(Profile.objects.filter(pk__in=keys.tolist()).values_list("pk", name))
        for pk, value in zip(block.ids.tolist(), due, strict=True):
            is_same = abs(known[pk] - value) < 1e-9 if isinstance(value, float) and known[pk] is not None else known[pk] == value
            assert is_same, f"{name} of {pk}: {known[pk]} stands, {value} is due"
    return len(keys)


STEPS = {"write": write, "full": full, "night": night}


if __name__ == "__main__":
    run("benchmarks.profiles", profiles, STEPS, people=PEOPLE)
