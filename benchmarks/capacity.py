"""A hundred thousand investors on the models: no fund above its capacity.

Each is drawn a level, years and an amount, and is promised what a proposal would promise: the model where all its funds have
room, else what the engine says of the room that is left. The answer is judged by sums over the rows, not by the service, and
shows nothing unless funds were full. One after another: promises at the same moment are a test's, and so is the daily limit of
an account, which its orders meet. With --quick fewer people bring the same money.
`python -m benchmarks --only capacity` loads a simulated market of its own; people are drawn here and stand in no database.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rows import Row
from benchmarks.steps import installation

ROOT = Path(__file__).resolve().parent.parent
INVESTORS, FEW = 100_000, 3_000
PEOPLE = 20  # of the demo world that brings the market and its approved models
BLOCK = 300  # promises a transaction: some ten rows each
LEVELS, SHARES = (1, 2, 3, 4, 5), (0.12, 0.24, 0.34, 0.20, 0.10)
YEARS = (0.5, 2.0, 4.0, 10.0)
MEDIAN_YUAN, SPREAD, SEED = 80_000, 1.0, 2026
NEARLY = 0.999  # of its stop: what is left is less than anybody asks for


def capacity(quick: bool) -> Iterator[Row]:
    """Promise the funds of the models to everybody until nobody's suitable funds have room; no fund may be above its stop."""
    with installation("benchmarks.capacity") as fresh:
        for command in (("migrate", "-v0"), ("sync_roles",), ("load_demo", "--investors", str(PEOPLE))):
            fresh.manage(*command)
        said = json.loads(fresh.call("-m", "benchmarks.capacity", str(FEW if quick else INVESTORS)).splitlines()[-1])
    name = f"{said['investors']:,} investors on the models of {said['funds']} funds"
    verdict = "ok" if said["highest"] <= 1.0 and not said["negative"] else "short"
    if not said["refused"]:
        verdict = "nothing was full: not shown"
    yield Row(f"{name}: fullest fund, of its stop", f"{said['highest']:.2%}", bound="<= 100 %", verdict=verdict)
    yield Row("  promised whole", f"{said['promised']:,}", f"{said['no_room']:,} no room")
    yield Row("  money promised", f"{said['yuan'] / 1e9:,.2f} bn CNY")
    yield Row("  refused at first, for a fund was full", f"{said['refused']:,}", f"{said['full']} funds full")
    yield Row("  solved anew for the room that is left", f"{said['solves']:,}", f"{said['seconds']:,.0f} s in all")


@dataclass
class Desk:
    """The weights in use of each level and goal's years, and what became of the promises."""

    ids: dict[str, int]
    weights: dict[tuple[int, float], dict[str, float]] = field(default_factory=dict)
    no_room_from: dict[tuple[int, float], int] = field(default_factory=dict)  # an amount for which there was none
    n_refused: int = 0
    n_solves: int = 0
    n_promised: int = 0
    n_no_room: int = 0
    minor: int = 0


def measure(n: int) -> dict[str, Any]:
    """In a process of its own on the world's database."""
    from portfolios.models import Fund

    random = np.random.default_rng(SEED)
    levels = random.choice(LEVELS, n, p=SHARES)
    years = random.choice(YEARS, n)
    amounts = np.rint(MEDIAN_YUAN * INVESTORS / n * np.exp(SPREAD * random.standard_normal(n))).astype(int) * 100
    desk = Desk(dict(Fund.objects.values_list("code", "pk")))
    began = time.monotonic()
    for start in range(0, n, BLOCK):
        people = [(i, (int(levels[i]), float(years[i])), int(amounts[i])) for i in range(start, min(start + BLOCK, n))]
        refused = _promise(desk, people)
        desk.n_refused += len(refused)
        while refused:  # each round at least the first of each level and years is promised or has no room
            _solve_anew(desk, refused)
            refused = _promise(desk, refused)
    return _judge(desk, n) | {"seconds": time.monotonic() - began}


def _promise(desk: Desk, people: list[tuple[int, tuple[int, float], int]]) -> list[tuple[int, tuple[int, float], int]]:
    """Promise a block by the weights in use; returns those for whom a fund is full."""
    from django.utils import timezone

    from portfolios.services import Promise, reserve_capacity

    asked = {}
    for person in people:
        i, key, amount = person
        has_chance = amount < desk.no_room_from.get(key, amount + 1)  # with less than those for whom there was no room
        if has_chance and key not in desk.weights:
            _solve(desk, key, amount)
        if has_chance and (weights := desk.weights.get(key)):
            parts = {desk.ids[code]: int(weight * amount) for code, weight in weights.items()}
            asked[f"proposal:{i}"] = (person, Promise(f"proposal:{i}", f"account:{i}", parts))
        else:
            desk.n_no_room += 1
    refused = reserve_capacity(promises=[one for _, one in asked.values()], expires_at=timezone.now() + timedelta(days=7))
    for reference, (_, one) in asked.items():
        if reference not in refused:
            desk.n_promised += 1
            desk.minor += sum(one.amounts_minor.values())
    return [asked[reference][0] for reference in refused]


def _solve_anew(desk: Desk, refused: list[tuple[int, tuple[int, float], int]]) -> None:
    """New weights for those who were refused, by the room for the first of each level and years."""
    first: dict[tuple[int, float], int] = {}
    for _, key, amount in refused:
        first.setdefault(key, amount)
    for key, amount in first.items():
        desk.weights.pop(key)
        _solve(desk, key, amount)


def _solve(desk: Desk, key: tuple[int, float], amount: int) -> None:
    """Put weights in use by the room there is for an amount, if there is any."""
    from portfolios.kernels.errors import InfeasibleError
    from portfolios.services import solve_advice

    desk.n_solves += 1
    try:
        desk.weights[key] = solve_advice(level=key[0], horizon_years=key[1], amount_minor=amount).weights
    except InfeasibleError:
        desk.no_room_from[key] = amount


def _judge(desk: Desk, n: int) -> dict[str, Any]:
    """Sums over the rows themselves: held units and reserved ones, over what each fund published."""
    from django.db.models import Sum

    from portfolios.jurisdictions import jurisdiction
    from portfolios.models import CapacityReservation, Fund, Holding

    rules = jurisdiction().capacity
    reserved = dict(CapacityReservation.objects.values_list("fund_id").annotate(Sum("units_centi")).order_by())
    held = dict(Holding.objects.values_list("fund_id").annotate(Sum("units_centi")).order_by())
    shares, n_used = [0.0], 0
    for fund in Fund.objects.filter(pk__in=reserved, units_centi__gt=0):
        stop = rules.stop_liquid if fund.asset_class in rules.liquid_classes else rules.stop
        shares.append((reserved[fund.pk] + held.get(fund.pk, 0)) / (stop * (fund.units_centi or 1)))
        n_used += 1
    assert n_used == len(reserved), "a fund of the models publishes no units: nothing was shown for it"
    return {
        "investors": n,
        "funds": n_used,
        "highest": max(shares),
        "full": sum(share > NEARLY for share in shares),
        "refused": desk.n_refused,
        "negative": CapacityReservation.objects.filter(units_centi__lt=0).count(),
        "promised": desk.n_promised,
        "no_room": desk.n_no_room,
        "yuan": desk.minor / 100,
        "solves": desk.n_solves - len({*desk.weights, *desk.no_room_from}),  # without the first of each level and years
    }


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    print(json.dumps(measure(int(sys.argv[1]))))
