"""Behaviour of 200,000 simulated people with five million orders: the measures alone, and a whole night through the database.

`python -m benchmarks.behaviour [--quick]` measures it alone, on the database of BEHAVIOUR_DATABASE_URL where that is set (it
must be empty), else on SQLite in a folder of its own.
"""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from benchmarks.rows import Row
from benchmarks.steps import installation, peak_mib, run

PEOPLE, FEW, SEED, BLOCK = 200_000, 2_000, 11, 2_000
CHECKED = 300  # readings held against the measures alone
FULL_SECONDS, INCREMENTAL_SECONDS = 600, 60
NEW_ORDERS_SHARE = 0.05  # of the people order something before the second night
OWN_DAY = 28  # one in so many is due because the months are counted anew
DAYS_LATER = 3  # of the second night: what left the window on three days is due, no less than on one
PARTS = {"market": "load_market", "orders": "load_trades", "measures": "measure", "levels": "apply_behaviour", "rows": "_write"}
DATABASE = "BEHAVIOUR_DATABASE_URL"


def behaviour_of_everyone(quick: bool) -> Iterator[Row]:
    """In processes of their own: the measures on arrays, a world written, its first night, and the night after."""
    n = FEW if quick else PEOPLE
    with installation("benchmarks.behaviour", DATABASE) as fresh:
        alone = fresh.step("arrays", people=n)
        yield Row(
            f"behaviour, {n:,} people, {alone['orders'] / 1e6:.2f} M orders: measures",
            f"{alone['seconds']:.1f} s",
            f"{alone['peak_mib']:.0f} MiB",
        )
        fresh.manage("migrate", "-v0")
        fresh.step("write", people=n)
        night = fresh.step("night", people=n)
        parts = ", ".join(f"{name} {spent:.0f} s" for name, spent in night["parts"].items())
        verdict = _verdict(quick, night["seconds"] <= FULL_SECONDS)
        yield Row(f"  a full night, {night['database']} ({parts})", f"{night['seconds']:.1f} s", "–", "–", f"<= {FULL_SECONDS} s", verdict)
        yield Row(f"  peak memory of the night; {night['fallen']:,} levels fell", f"{night['peak_mib']:.0f} MiB")
        after = fresh.step("after", people=n)
        verdict = _verdict(quick, after["seconds"] <= INCREMENTAL_SECONDS)
        name = f"  another night, {after['read']:,} read again, {after['ordered']:,} for new orders"
        yield Row(name, f"{after['seconds']:.1f} s", "–", "–", f"<= {INCREMENTAL_SECONDS} s", verdict)


def _verdict(quick: bool, is_kept: bool) -> str:
    return "not judged: a quick run" if quick else "ok" if is_kept else "short"


def _made(n: int) -> Any:
    from django.utils import timezone

    from benchmarks.behaviour_world import make_world

    return make_world(n, SEED, timezone.localdate())


def arrays(n: int) -> dict[str, Any]:
    """The measures of everyone from arrays, with what is kept of them as JSON."""
    from django.utils import timezone

    from advisor.jurisdictions import advice_rules
    from advisor.kernels.behaviour import measure, sheets
    from benchmarks.behaviour_world import blocks_of, market_of

    world, rules, today = _made(n), advice_rules().for_ledger(), timezone.localdate()
    market = market_of(world, advice_rules().ledger.regions)
    began, n_bytes = time.perf_counter(), 0
    for people, trades in blocks_of(world, BLOCK):
        found = measure(trades, market, rules, today, people)
        assert (found.short_row < 0).all(), "the world sells what nobody holds"
        n_bytes += sum(len(json.dumps(sheet)) for sheet in sheets(found))
    return {"seconds": time.perf_counter() - began, "orders": len(world.person), "peak_mib": peak_mib(), "bytes": n_bytes}


def write(n: int) -> dict[str, Any]:
    from django.db import connection

    from benchmarks.behaviour_world import write_world

    write_world(_made(n))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {}


def night(n: int) -> dict[str, Any]:
    """The first night: everyone is due. A sample is held against the measures alone."""
    from django.db import connection

    from advisor.services import behaviour as service

    spent = dict.fromkeys(PARTS, 0.0)
    for name in PARTS:
        setattr(service, PARTS[name], _timed(getattr(service, PARTS[name]), spent, name))
    began = time.perf_counter()
    done = service.read_behaviour()
    seconds = time.perf_counter() - began
    peak = peak_mib()
    assert done.finished_at and done.n_read == n, f"{done.n_read} of {n} were read"
    _check_against_arrays(n)
    database = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor]
    return {"seconds": seconds, "parts": spent, "fallen": done.n_fallen, "peak_mib": peak, "database": database}


def _timed(call: Callable[..., Any], spent: dict[str, float], name: str) -> Callable[..., Any]:
    def timed(*given: Any, **asked: Any) -> Any:
        began = time.perf_counter()
        answer = call(*given, **asked)
        spent[name] += time.perf_counter() - began
        return answer

    return timed


def _check_against_arrays(n: int) -> None:
    from django.utils import timezone

    from advisor.jurisdictions import advice_rules
    from advisor.kernels.behaviour import MEASURES, measure
    from advisor.models import BehaviourReading
    from benchmarks.behaviour_world import blocks_of, market_of

    world = _made(n)
    people, trades = next(blocks_of(world, min(n, CHECKED)))
    market = market_of(world, advice_rules().ledger.regions)
    found = measure(trades, market, advice_rules().for_ledger(), timezone.localdate(), people)
    rows = BehaviourReading.objects.order_by("investor_id").values_list("measures", flat=True)[:people]
    for at, stored in enumerate(rows):
        for name in MEASURES:
            alone, read = float(found.measures[name].value[at]), stored[name]["value"]
            assert abs(alone - read) < 1e-6, f"person {at}, {name}: {read} through the database, {alone} alone"


def after(n: int) -> dict[str, Any]:
    """Another night: some people bought something; who is due by the calendar, and because something left the window, is read too."""
    import numpy as np
    from django.db.models import F
    from django.utils import timezone

    from advisor.models import BehaviourReading
    from advisor.services.behaviour import read_behaviour
    from benchmarks.behaviour_world import add_orders
    from demo.services.rows import Rows
    from portfolios.models import Fund, LedgerEntry, Portfolio

    world = _made(n)
    first = np.flatnonzero(np.diff(world.person, prepend=-1))[: round(n * NEW_ORDERS_SHARE)]  # a purchase each
    bought = type(world)(
        world.days, world.nav_micro, n, world.person[first], world.fund[first], np.full(len(first), len(world.days) - 1),
        np.ones(len(first), bool), world.units_centi[first], np.ones(len(first), bool),
    )  # fmt: skip
    portfolios = np.array(Portfolio.objects.order_by("pk").values_list("pk", flat=True)[: len(first)], np.int64)
    funds = np.array([pk for _, pk in sorted(Fund.objects.values_list("code", "pk"))], np.int64)
    rows, day = Rows(), timezone.localdate()
    orders = add_orders(rows, bought, slice(0, len(first)), portfolios, funds, prefix="1")
    entries = [f"buy:{pk}" for pk in orders.tolist()]
    moved = {
        "units_centi": bought.units_centi,
        "date": day.isoformat(),
        "key": entries,
        "at": np.full(len(first), np.datetime64("now", "s")),
    }
    rows.add(LedgerEntry, len(first), portfolio_id=portfolios, order_id=orders, fund_id=funds[bought.fund], kind="buy", **moved)
    rows.write()
    on = day + timedelta(days=DAYS_LATER)
    BehaviourReading.objects.annotate(own_day=F("investor_id") % OWN_DAY).filter(own_day=1).update(due_on=on)
    began = time.perf_counter()
    done = read_behaviour(on=on)
    seconds = time.perf_counter() - began
    left = BehaviourReading.objects.filter(due_on__lte=on).count()
    assert done.finished_at and done.n_read >= len(first) and not left, "not all who were due were read"
    return {"seconds": seconds, "read": done.n_read, "ordered": len(first)}


STEPS = {"arrays": arrays, "write": write, "night": night, "after": after}


if __name__ == "__main__":
    run("benchmarks.behaviour", behaviour_of_everyone, STEPS, people=FEW)
