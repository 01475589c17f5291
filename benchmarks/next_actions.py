"""What is best done next of 200,000 simulated people in one night, drawn again as a segment; and who resembles a segment.

`python -m benchmarks.next_actions [--quick]` measures it alone, on the database of NEXT_ACTIONS_DATABASE_URL where that is set (it
must be empty), else on SQLite in a folder of its own. Factors are random numbers: what is measured is time, not taste.
"""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np

from benchmarks.rows import Row
from benchmarks.steps import installation, peak_mib, run

PEOPLE, FEW = 200_000, 2_000
SUGGESTED, FACTORS, MANY = 3, 64, 1_000_000
BLOCK = 50_000
DATABASE = "NEXT_ACTIONS_DATABASE_URL"


def next_actions(quick: bool) -> Iterator[Row]:
    """In processes of their own: a world written, the night, the same night again, a draw, and the kin of a segment."""
    n = FEW if quick else PEOPLE
    with installation("benchmarks.next_actions", DATABASE) as fresh:
        fresh.manage("migrate", "-v0")
        fresh.step("write", people=n)
        found = fresh.step("night", people=n)
        name = f"next actions of {n:,} people, {found['decided']:,} of whom agree to profiling, {found['database']}"
        yield Row(name, f"{found['seconds']:.1f} s")
        yield Row("  its own processor time; memory", f"{found['own']:.1f} s; {found['peak']:.0f} MiB")
        yield Row("  the same night again: nothing differs", f"{found['again']:.1f} s", f"{found['seconds']:.1f} s")
        verdict = "ok" if found["above"] == 0 else "short"
        yield Row(f"  funds above a level among {found['placed']:,} drawn", f"{found['above']}", "–", "–", "0", verdict)
        yield Row(f"  drawn as a segment, counted: {found['drawn']:,} people", f"{found['draw'] * 1000:.0f} ms")
        kin = fresh.step("kin", people=n)
        name = f"people like those of a segment, {kin['seed']:,} among {kin['compared']:,}, {FACTORS} factors, all written"
        yield Row(name, f"{kin['seconds']:.1f} s")
        yield Row(f"  the nearest 5 % as a segment, counted: {kin['found']:,} people", f"{kin['count'] * 1000:.0f} ms")
    yield _likeness(FEW * 10 if quick else MANY)


def _likeness(n: int) -> Row:
    from marketing.kernels.look_alikes import nearest

    random = np.random.default_rng(1)
    factors, seed = random.standard_normal((n, FACTORS), np.float32), random.random(n) < 0.01
    began = time.perf_counter()
    nearest(factors, seed)
    return Row(f"  the kernel alone, {n:,} x {FACTORS} float32", f"{time.perf_counter() - began:.2f} s")


def write(n: int) -> dict[str, Any]:
    """People of the segments' benchmark with levels that end, three suggestions each, some above their level, and factors."""
    from django.db import connection
    from django.db.models import F
    from django.utils import timezone

    from advisor.models import Investor
    from benchmarks.recommender_world import approve_plans
    from benchmarks.segments_world import write_world
    from marketing.kernels.packed import FORMAT, pack
    from marketing.models import Profile, RecommenderPart, RecommenderRun
    from portfolios.models import Fund, Pool, PoolFund

    write_world(n, 0, n_orders=0)
    today = timezone.localdate()
    people = Investor.objects.annotate(ending=F("pk") % 50)
    people.update(level_valid_until=today + timedelta(days=200))
    people.filter(ending=0).update(level_valid_until=today - timedelta(days=5))
    Profile.objects.update(active_hour=F("pk") % 24, goal_progress=0.3, plan_status="none")
    pool = Pool.objects.create(name="simulated", is_current=True)
    funds = list(Fund.objects.order_by("pk"))
    PoolFund.objects.bulk_create(PoolFund(pool=pool, fund=fund) for fund in funds)
    approve_plans()
    run = RecommenderRun.objects.create(status="done", algorithm="als", is_serving=True, factors_format=FORMAT)
    data = pack(ids=np.array([funds[0].pk], np.int64), vectors=np.zeros((1, FACTORS), np.float32))
    RecommenderPart.objects.create(run=run, kind="fund_factors", name="als", format=FORMAT, data=data)
    keys = np.array(list(Investor.objects.order_by("pk").values_list("pk", flat=True)), np.int64)
    for start in range(0, n, BLOCK):
        _write_block(run.pk, keys[start : start + BLOCK], np.array([fund.pk for fund in funds], np.int64), start)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {}


def _write_block(run: int, keys: Any, funds: Any, seed: int) -> None:
    from demo.services.rows import Rows
    from marketing.models import InvestorFactors, Suggestion

    random, rows, n = np.random.default_rng(seed), Rows(), len(keys)
    first = random.integers(0, len(funds), n)
    for at in range(SUGGESTED):
        of = funds[(first + at) % len(funds)]
        rows.add(Suggestion, n, run_id=run, investor_id=keys, fund_id=of, rank=at + 1, score=1.0 / (at + 1), reason="{}", fit="{}")
    rows.write()
    vectors = random.standard_normal((n, FACTORS), np.float32)
    made = (InvestorFactors(run_id=run, investor_id=pk, vector=row.tobytes()) for pk, row in zip(keys.tolist(), vectors, strict=True))
    InvestorFactors.objects.bulk_create(made, batch_size=5_000)


def night(n: int) -> dict[str, Any]:
    from django.db import connection

    from marketing.models import NextAction
    from marketing.selectors.next_actions import to_draw
    from marketing.services.next_actions import refresh_next_actions

    began, own = time.perf_counter(), time.process_time()
    n_decided = refresh_next_actions()
    seconds, own = time.perf_counter() - began, time.process_time() - own
    assert n_decided == NextAction.objects.count() > n / 4, f"{n_decided} of {n}"
    began = time.perf_counter()
    assert refresh_next_actions() == 0, "the same night again is not the same"
    again = time.perf_counter() - began
    placed = list(to_draw().filter(kind="place", fund__isnull=False).select_related("fund", "investor"))
    drawn, draw = _counted({"next_action": ["place", "learn"]})
    return {
        "seconds": seconds, "own": own, "again": again, "decided": n_decided, "placed": len(placed), "drawn": drawn, "draw": draw,
        "above": sum(not _suits(one) for one in placed),
        "peak": peak_mib(),
        "database": {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor],
    }  # fmt: skip


def _suits(one: Any) -> bool:
    from advisor.selectors.suitability import fund_suits

    return one.investor.level is not None and fund_suits(one.investor.level, one.fund)


def kin(n: int) -> dict[str, Any]:
    from marketing.models import Segment
    from marketing.services.look_alikes import execute_look_alikes, request_look_alikes

    seed = Segment.objects.create(name="Seed", rule={"version": 1, "rule": {"field": "elder_mode", "is": True}})
    made = request_look_alikes(seed.pk)
    began = time.perf_counter()
    assert execute_look_alikes(made.pk), "it failed"
    seconds = time.perf_counter() - began
    made.refresh_from_db()
    found, count = _counted({"resembles": seed.pk, "nearest_share": 0.05})
    assert found == made.n_compared * 500 // 10_000, f"{found} of {made.n_compared}"
    return {"seconds": seconds, "seed": made.n_seed, "compared": made.n_compared, "found": found, "count": count}


def _counted(node: dict[str, Any]) -> tuple[int, float]:
    """People of a rule, and the best of three times that it took to count them."""
    from marketing.selectors.audience import audience_count
    from marketing.selectors.segments import read_rule

    spent, found = [], 0
    for _ in range(3):
        began = time.perf_counter()
        found = audience_count(read_rule({"version": 1, "rule": node}))
        spent.append(time.perf_counter() - began)
    return found, min(spent)


STEPS = {"write": write, "night": night, "kin": kin}


if __name__ == "__main__":
    run("benchmarks.next_actions", next_actions, STEPS, people=FEW)
