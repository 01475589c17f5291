"""Simulated people with everything that profiles are built from: those of the benchmark of behaviour, with ledgers, visits and messages.

Costs of what is sold are at the average of the position: the ledger of the product takes the oldest lots first, which costs the
build the same.
"""

from datetime import date, timedelta
from typing import Any

import numpy as np

from benchmarks.behaviour_world import FUNDS, PEOPLE_A_BLOCK, World, add_orders, make_world, write_world

EVENTS_EACH, DAYS_SEEN = 25, 365
NAMES = ("fund", "fund", "fund", "home", "home", "goal", "inbox", "fees_seen", "search", "calculator_used")
PAGES = ("fund", "home", "goal", "inbox")
CHANNELS = ("web", "app", "wechat")
ORDERED, VISITED = 0.03, 0.10  # of the people, on the day before the night


def write_everything(n: int, seed: int, today: date) -> None:
    from marketing.models import Campaign, CampaignStep, Segment
    from marketing.services import make_event_partitions
    from portfolios.models import Portfolio

    world = make_world(n, seed, today)
    write_world(world)
    make_event_partitions(since=today - timedelta(days=DAYS_SEEN + 1))
    random = np.random.default_rng(seed + 1)
    campaign = Campaign.objects.create(name="Simulated", segment=Segment.objects.create(name="Simulated", rule={}))
    steps = [CampaignStep.objects.create(campaign=campaign, channels=["inbox"], position=at).pk for at in (1, 2)]
    people = np.array(sorted(Portfolio.objects.values_list("goal__account__investor", "pk")), np.int64)
    for first in range(0, n, PEOPLE_A_BLOCK):
        part = slice(first, min(first + PEOPLE_A_BLOCK, n))
        _write_money(world, people[part], first, part.stop)
        _write_visits(people[part, 0], EVENTS_EACH * (part.stop - first), DAYS_SEEN * 86_400, random, str(first))
        _write_messages(people[part, 0], campaign.pk, steps, random)


def _write_money(world: World, people: np.ndarray, first: int, last: int) -> None:
    """Every order's two entries, and what is held after them."""
    from demo.services.rows import Rows
    from portfolios.models import Fund, Holding, LedgerEntry, Order

    rows, trades = Rows(), slice(*np.searchsorted(world.person, [first, last]).tolist())
    n, fund_keys = trades.stop - trades.start, np.array([pk for _, pk in sorted(Fund.objects.values_list("code", "pk"))], np.int64)
    portfolio, fund = people[world.person[trades] - first, 1], fund_keys[world.fund[trades]]
    is_buy, units, amount = world.is_buy[trades], world.units_centi[trades], world.amount_minor[trades]
    position = (world.person[trades] - first) * FUNDS + world.fund[trades]
    size = (last - first) * FUNDS
    bought = np.bincount(position, weights=np.where(is_buy, units, 0), minlength=size)
    price = np.bincount(position, weights=np.where(is_buy, amount, 0), minlength=size) / np.maximum(bought, 1.0)
    cost = np.where(is_buy, amount, -np.rint(units * price[position])).astype(np.int64)
    moved = np.where(is_buy, units, -units)
    day = (world.days[world.session[trades]] - date(1970, 1, 1).toordinal()).astype("datetime64[D]")
    orders = Order.objects.filter(portfolio_id__gte=int(people[0, 1]), portfolio_id__lte=int(people[-1, 1])).order_by("pk")
    keys = np.array(list(orders.values_list("pk", flat=True)), np.int64)  # written in the order of the trades
    at = day.astype("datetime64[s]")
    cash = np.where(is_buy, "reserve", "payout")
    rows.add(
        LedgerEntry,
        n,
        portfolio_id=portfolio,
        order_id=keys,
        kind=cash,
        cash_minor=np.where(is_buy, -amount, amount),
        date=day,
        at=at,
        key=[f"cash:{key}" for key in keys.tolist()],
    )
    rows.add(
        LedgerEntry,
        n,
        portfolio_id=portfolio,
        order_id=keys,
        fund_id=fund,
        kind=np.where(is_buy, "buy", "sell"),
        units_centi=moved,
        cost_minor=cost,
        date=day,
        at=at,
        key=[f"units:{key}" for key in keys.tolist()],
    )
    left, paid = (np.bincount(position, weights=value, minlength=size).astype(np.int64) for value in (moved, cost))
    held = np.flatnonzero(left > 0)
    rows.add(
        Holding,
        len(held),
        portfolio_id=people[held // FUNDS, 1],
        fund_id=fund_keys[held % FUNDS],
        units_centi=left[held],
        cost_minor=np.maximum(paid[held], 1),
    )
    rows.write()


def _write_visits(people: np.ndarray, n: int, seconds: int, random: Any, prefix: str) -> None:
    """Events of the last so many seconds, the latest the likeliest."""
    from demo.services.rows import Rows
    from marketing.models import Event

    rows = Rows()
    at = np.datetime64("now", "s")
    ago = (seconds * random.random(n) ** 1.5).astype("timedelta64[s]")
    name = random.choice(NAMES, n)
    code = random.integers(0, FUNDS, n).tolist()
    properties = [f'{{"code": "B{fund:03d}"}}' if one == "fund" else "{}" for one, fund in zip(name.tolist(), code, strict=True)]
    rows.add(
        Event,
        n,
        message_id=[f"{random.integers(2**31):08x}-0000-4000-8000-{k:012x}" for k in range(n)],
        investor_id=random.choice(people, n),
        type=np.where(np.isin(name, PAGES), "page", "track"),
        name=name,
        properties=properties,
        channel=random.choice(CHANNELS, n),
        occurred_at=at - ago,
        sent_at=at - ago,
        received_at=at - ago,
        anonymous_id="",
    )
    rows.write()


def _write_messages(people: np.ndarray, campaign: int, steps: list[int], random: Any) -> None:
    """Two messages each within half a year, a third of them opened the hour after."""
    from demo.services.rows import Rows
    from marketing.models import Delivery

    rows, n, now = Rows(), len(people), np.datetime64("now", "s")
    for step in steps:
        at = now - random.integers(0, 180 * 86_400, n).astype("timedelta64[s]")
        opened = np.where(random.random(n) < 0.33, at + np.timedelta64(3600, "s"), np.datetime64("NaT", "s"))
        keys = [f"{random.integers(2**31):08x}-0000-4000-8{step:03x}-{pk:012x}" for pk in people.tolist()]
        rows.add(
            Delivery,
            n,
            campaign_id=campaign,
            step_id=step,
            channel="inbox",
            investor_id=people,
            status="sent",
            idempotency_key=keys,
            queued_at=at,
            ended_at=at,
            delivered_at=at,
            opened_at=opened,
        )
    rows.write()


def let_a_day_pass(n: int, seed: int, today: date) -> dict[str, int]:
    """What a day brings before its night: a price of every fund, orders of a few, visits of some."""
    from demo.services.rows import Rows
    from portfolios.kernels.types import FundHistory
    from portfolios.models import Fund, LedgerEntry, OrderEvent, Portfolio
    from portfolios.selectors import load_history
    from portfolios.services import store_histories

    random = np.random.default_rng(seed + 2)
    for history in load_history(Fund.objects.values_list("pk", flat=True)).values():
        nav = int(history.nav_micro[-1] * (1.0 + random.normal(0.0, 0.01)))
        grown = float(history.total_return[-1] * nav / history.nav_micro[-1])
        store_histories([FundHistory(history.fund_code, np.array([today.toordinal()], np.int64), np.array([nav]), np.array([grown]))])
    people = np.array(sorted(Portfolio.objects.values_list("goal__account__investor", "pk")), np.int64)
    world = make_world(n, seed, today)
    chosen = np.sort(random.choice(n, max(1, int(ORDERED * n)), replace=False))
    fund, last = world.fund[np.searchsorted(world.person, chosen)], np.full(len(chosen), len(world.days) - 1)
    bought, units = np.ones(len(chosen), bool), np.full(len(chosen), 10_000)
    shown = World(world.days, world.nav_micro, n, chosen, fund, last, bought, units, bought)
    fund_keys = np.array([pk for _, pk in sorted(Fund.objects.values_list("code", "pk"))], np.int64)
    rows, now = Rows(), np.datetime64("now", "s")
    keys = add_orders(rows, shown, slice(0, len(chosen)), people[chosen, 1], fund_keys, prefix="9")
    rows.add(OrderEvent, len(chosen), order_id=keys, to_state="confirmed", at=np.full(len(chosen), now))
    rows.add(
        LedgerEntry,
        len(chosen),
        portfolio_id=people[chosen, 1],
        order_id=keys,
        fund_id=fund_keys[shown.fund],
        kind="buy",
        units_centi=10_000,
        cost_minor=shown.amount_minor,
        date=today.isoformat(),
        at=np.full(len(chosen), now),
        key=[f"units:{key}" for key in keys.tolist()],
    )
    rows.write()
    seen = random.choice(people[:, 0], max(1, int(VISITED * n)), replace=False)
    _write_visits(seen, 3 * len(seen), 3600, random, "night")
    return {"ordered": len(chosen), "visited": len(seen)}
