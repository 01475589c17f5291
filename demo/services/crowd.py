"""The bulk of a large world: blocks of people with short lives, written a few whole households at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

import numpy as np
from django.db import connection

from advisor.models import Investor
from advisor.services.proposals import result_of
from demo.clicks import draw_clicks
from demo.crowd import BLOCK_PEOPLE, draw_crowd
from demo.models import World
from demo.services.bulk import ROWS_A_TRANSACTION
from demo.services.crowd_desk import Block, Desk, Part, StoredOffer, open_desk
from demo.services.crowd_money import make_ledger, make_orders, make_portfolios
from demo.services.crowd_rows import make_assessments, make_goals, make_investors, make_proposals
from demo.services.rows import Rows
from demo.services.stage import Scenery, horizon_bin
from demo.services.visits import Sights, make_clicks, visitors_of_crowd
from demo.short_lives import live_shortly

Report = Callable[[str], object]
TELL_EVERY = 20_000  # people
SQLITE_ROWS = ROWS_A_TRANSACTION // 2  # a tenth of a second: a page that is posted meanwhile hardly waits
# For this connection and this load only. Checkpoints lock nobody out, but are not to lengthen a transaction: one a block.
SQLITE_WHILE_LOADING = {"cache_size": -64 * 1024, "wal_autocheckpoint": 0}


@dataclass
class _Pace:
    """How the load goes, as it is told."""

    say: Report
    n_rows: int = 0
    longest: float = 0.0

    def wrote(self, n_rows: int, seconds: float) -> None:
        self.n_rows, self.longest = self.n_rows + n_rows, max(self.longest, seconds)

    def tell(self, n_done: int) -> None:
        self.say(f"{n_done:,} investors, {self.n_rows:,} rows in bulk, longest transaction {self.longest:.2f} s")


def load_crowd(world: World, scenery: Scenery, *, months: float, say: Report) -> int:
    """Write the people whom a large world has beyond its full lives; returns how many.

    Each transaction holds whole households with all their rows, so that whoever is there is complete: an interrupted load
    goes on with the next person, and one that is finished writes nothing.
    """
    desk, stage, offer_of = open_desk(world.seed, scenery), scenery.stage(), _offers(scenery)
    sights = Sights.of(scenery, world)
    pace = _Pace(say)
    n_done = n_before = Investor.objects.filter(is_simulated=True).count()
    with _writing_much():
        while n_done < world.n_investors:
            crowd, rng = draw_crowd(n_done // BLOCK_PEOPLE, world.seed, stage, months=months)
            who = visitors_of_crowd(crowd, desk)
            block = Block(crowd, live_shortly(crowd, stage, offer_of, rng), draw_clicks(who, sights.places), who)
            until = min(BLOCK_PEOPLE, world.n_investors - crowd.first)
            for start, end in _pieces(block, n_done - crowd.first, until):
                rows = make_rows(Part.of(block, start, end), desk, sights)
                began = monotonic()
                rows.write()
                pace.wrote(rows.n, monotonic() - began)
            n_done = crowd.first + until
            _checkpoint()
            if n_done % TELL_EVERY == 0 or n_done == world.n_investors:
                pace.tell(n_done)
    return n_done - n_before


def make_rows(part: Part, desk: Desk, sights: Sights) -> Rows:
    """Make the rows of some people with everything that is theirs, parents first."""
    users, investors = make_investors(part, desk)
    sheets = make_assessments(part, investors, desk)
    portfolios = make_portfolios(part, desk)
    goals = make_goals(part, investors, portfolios, desk)
    make_proposals(part, goals, users, sheets, desk)
    orders = make_orders(part, investors, portfolios, desk)
    make_ledger(part, portfolios, orders, desk)
    block, here = part.block, part.people
    make_clicks(part.rows, block.who.taken(here), block.clicks.taken(part.clicks).shifted(-here.start), investors, sights)
    return part.rows


def _pieces(block: Block, start: int, until: int) -> Iterator[tuple[int, int]]:
    """Places of people to be written in one transaction: as many households as its rows allow."""
    most = SQLITE_ROWS if connection.vendor == "sqlite" else ROWS_A_TRANSACTION
    heads = np.append(np.flatnonzero(~block.crowd.joins_household[:until]), until)
    ends = heads[heads > start]
    before = np.concatenate([[0], np.cumsum(block.n_rows())])
    while start < until:
        fitting = ends[(ends > start) & (before[ends] - before[start] <= most)]
        end = int(fitting[-1]) if len(fitting) else int(ends[ends > start][0])
        yield start, end
        start = end


def _offers(scenery: Scenery) -> Callable[[int, float, int], StoredOffer | None]:
    """The product's own proposal for a level, a horizon and an amount, worked out once each: people name round amounts."""
    funds = {fund.code: fund for fund in scenery.funds}
    growth: dict[int, object] = {}
    known: dict[tuple[int, float, int], StoredOffer | None] = {}

    def offer_of(level: int, years: float, amount_minor: int) -> StoredOffer | None:
        key = (level, horizon_bin(years), amount_minor)
        if key in known:
            return known[key]
        solution = scenery.solution(level, years)
        known[key] = None
        if solution is not None:
            result = result_of(solution, amount_minor, funds, growth.get(id(solution)))  # type: ignore[arg-type]
            growth[id(solution)] = result["growth"]
            # Two thirds of what a proposal weighs, and the same for everybody: short lives go without that chart.
            known[key] = StoredOffer.of(solution, result | {"growth": None}, scenery.column)
        return known[key]

    return offer_of


def _checkpoint() -> None:
    """Bring what SQLite has logged into its file, as far as readers allow."""
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")


@contextmanager
def _writing_much() -> Iterator[None]:
    """Give SQLite's connection more memory while much is written; elsewhere, and in a transaction, this changes nothing lasting."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        before = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in SQLITE_WHILE_LOADING}
        for name, value in SQLITE_WHILE_LOADING.items():
            cursor.execute(f"PRAGMA {name}={value}")
        try:
            yield
        finally:
            for name, value in before.items():
                cursor.execute(f"PRAGMA {name}={value}")
