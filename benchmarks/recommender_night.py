"""A whole night of the recommender through the database: from what people did, read by SQL, to everybody's suggestions and the swap.

`python -m benchmarks.recommender_night [--quick]` measures it alone, on the database of RECOMMENDER_DATABASE_URL where that is set (it
must be empty), else on SQLite in a folder of its own. Says how long each stage took and what part of the whole it was.
"""

import time
from collections.abc import Iterator
from typing import Any

from benchmarks.rows import Row
from benchmarks.steps import installation, peak_mib, run

FULL, SMALL = (200_000, 2_000, 5_000_000), (1_000, 200, 25_000)
DATABASE = "RECOMMENDER_DATABASE_URL"


def recommender_night(quick: bool) -> Iterator[Row]:
    """In processes of their own: a world written, what people did read, and a night from its first stage to its last."""
    people, funds, events = SMALL if quick else FULL
    with installation("benchmarks.recommender_night", DATABASE) as fresh:
        fresh.manage("migrate", "-v0")
        fresh.step("write", people=people, funds=funds, events=events)
        loaded, night = fresh.step("load"), fresh.step("night")
    size = f"{people:,} people, {funds:,} funds, {events / 1e6:.2f} M looks and purchases, {night['database']}"
    yield Row(f"night of {size}: read in columns", f"{loaded['seconds']:.1f} s", f"{loaded['mib']:.0f} MiB above")
    verdict = "ok" if night["is_serving"] and night["unsuitable"] == 0 else "short"
    yield Row(f"  the whole night, {night['rows']:,} suggestions of {night['people']:,} people", f"{night['seconds']:.1f} s",
              f"{night['mib']:.0f} MiB peak", verdict=verdict)  # fmt: skip
    for stage, seconds in night["stages"].items():
        yield Row(f"    {stage}", f"{seconds:.1f} s", "–", f"{seconds / night['seconds']:.0%}")
    for model, seconds in night["candidates"].items():
        yield Row(f"      {model}: trained and evaluated", f"{seconds:.1f} s")


def write(people: int, funds: int, events: int) -> dict[str, Any]:
    from django.db import connection

    from benchmarks.recommender_world import write_night

    write_night(people, funds, events)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {}


def load(*_: int) -> dict[str, Any]:
    from django.utils import timezone

    from marketing.selectors.interactions import load_interactions

    before, began = peak_mib(), time.monotonic()
    seen = load_interactions(timezone.now())
    return {"seconds": time.monotonic() - began, "mib": peak_mib() - before, "n": len(seen.user)}


def night(*_: int) -> dict[str, Any]:
    from django.db import connection

    from marketing.services import execute_training, request_training

    began, run = time.monotonic(), request_training()
    execute_training(run.pk)
    run.refresh_from_db()
    candidates = {one["name"]: one["seconds"] for one in run.report["candidates"] if "seconds" in one}
    return {
        "database": connection.display_name, "seconds": time.monotonic() - began, "mib": peak_mib(), "is_serving": run.is_serving,
        "stages": run.report["seconds"], "candidates": candidates, **run.report["served"],
    }  # fmt: skip


STEPS = {"write": write, "load": load, "night": night}


if __name__ == "__main__":
    run("benchmarks.recommender_night", recommender_night, STEPS, people=0, funds=0, events=0)
