"""What the rows of a block of people need to know of the world, and the block with all that it did."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import numpy as np
from django.contrib.auth.models import Group
from django.utils import timezone
from numpy.typing import NDArray

from advisor.jurisdictions import advice_rules
from advisor.models import Branch
from demo.clicks import Clicks, Visitors, draw_follows
from demo.crowd import NEVER, Crowd, Ints
from demo.logins import BRANCHES
from demo.services.rows import Rows
from demo.services.stage import SHANGHAI, Scenery, at
from demo.short_lives import PAYOUT, Ledgers, Offer
from identity.roles import Role
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.types import AdviceSolution

Times = NDArray[Any]  # datetime64, UTC


@dataclass(frozen=True)
class StoredOffer(Offer):
    """An offer with what its proposals store."""

    frozen: Mapping[str, Any]  # of the inputs
    result: str  # as JSON

    @classmethod
    def of(cls, solution: AdviceSolution, result: Mapping[str, Any], column: Mapping[str, int]) -> Self:
        bought = sorted(result["amounts"].items())
        return cls(
            funds=np.array([column[code] for code, _ in bought]),
            weights=np.array([solution.weights[code] for code, _ in bought]),
            amounts_minor=np.array([amount for _, amount in bought], dtype=np.int64),
            frozen={"pool": solution.pool_id, "data_date": solution.data_date, "rules": jurisdiction().version},
            result=json.dumps(result),
        )


@dataclass(frozen=True)
class Desk:
    """What every row needs of the world: times of sessions in UTC, keys of funds and branches, the rules in force."""

    seed: int
    scenery: Scenery
    opened: Times  # half past nine of each session
    dates: Times
    fund: Ints  # keys by column of the tape
    branches: Ints
    online: int
    investors_group: int
    now: datetime

    @property
    def midnight(self) -> np.datetime64:
        """The last one in Shanghai, in UTC."""
        return np.datetime64(last_midnight(self.now.replace(tzinfo=UTC)), "s")

    def when(self, session: Ints, minute: Ints | int) -> Times:
        return self.opened[session] + np.asarray(minute).astype("timedelta64[m]")


def open_desk(seed: int, scenery: Scenery) -> Desk:
    tape = scenery.tape
    branches = dict(Branch.objects.values_list("name", "pk"))
    opened = [at(tape.date(session), 0).astimezone(UTC).replace(tzinfo=None) for session in range(tape.last_day + 1)]
    return Desk(
        seed=seed,
        scenery=scenery,
        opened=np.array(opened, dtype="datetime64[s]"),
        dates=as_dates(tape.days),
        fund=np.array([fund.pk for fund in scenery.funds]),
        branches=np.array([branches[name] for name in BRANCHES]),
        online=branches[advice_rules().online_branch],
        investors_group=Group.objects.values_list("pk", flat=True).get(name=Role.INVESTOR),
        now=timezone.now().astimezone(UTC).replace(tzinfo=None, microsecond=0),
    )


def last_midnight(now: datetime) -> datetime:
    """The last midnight in Shanghai, in UTC and without its zone."""
    return now.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC).replace(tzinfo=None)


def as_dates(ordinals: Ints) -> Times:
    return np.datetime64("1970-01-01") + (ordinals - datetime(1970, 1, 1).toordinal()).astype("timedelta64[D]")


@dataclass(frozen=True)
class Block:
    """A block of people with all that they did."""

    crowd: Crowd
    ledgers: Ledgers
    clicks: Clicks
    who: Visitors

    def n_rows(self) -> Ints:
        """Rows that each person is written as."""
        crowd, person, level = self.crowd, self.crowd.plans.person, self.ledgers.level
        n = len(crowd.persona)
        trades, of = self.ledgers.trades, self.ledgers.trades.plan
        rows = 9 + ~crowd.joins_household + 2 * (1 + (crowd.renewed < NEVER))
        rows += np.bincount(person, weights=2 + 5 * (level >= 0), minlength=n).astype(np.int64)
        rows += np.bincount(person[of], weights=5 + ~trades.is_buy, minlength=n).astype(np.int64)
        rows += np.bincount(person[self.ledgers.movements.plan], minlength=n)
        rows += np.bincount(person[self.ledgers.positions.plan], minlength=n)
        rows += np.bincount(draw_follows(self.who, self.clicks)[0], minlength=n)
        return rows + np.bincount(self.clicks.person, minlength=n)

    def last_seen(self, desk: Desk) -> Times:
        """The latest visit of each; who has none was last here when they last did something themselves."""
        crowd, trades, moves = self.crowd, self.ledgers.trades, self.ledgers.movements
        last = np.maximum(crowd.joined, 0)
        own = moves.taken(moves.kind != PAYOUT)
        np.maximum.at(last, crowd.plans.person[own.plan], np.where(own.trade < 0, own.day, trades.day[own.trade]))
        seen = desk.when(last, 300)
        visited = np.full(len(seen), np.datetime64("NaT", "s"))
        own_clicks = self.clicks.taken(self.clicks.visitor < 0)
        visited[own_clicks.person] = desk.midnight + own_clicks.second.astype("timedelta64[s]")  # the latest stands last
        return np.where(np.isnat(visited), seen, visited)


@dataclass(frozen=True)
class Part:
    """Some people of a block, whole households, with the places of all that is theirs, and the rows made of it."""

    block: Block
    people: slice
    plans: slice
    trades: slice
    movements: slice
    positions: slice
    clicks: slice
    rows: Rows = field(default_factory=Rows)

    @classmethod
    def of(cls, block: Block, start: int, end: int) -> Self:
        def places(owner: Ints, first: int, last: int) -> slice:
            return slice(*np.searchsorted(owner, [first, last]).tolist())

        plans = places(block.crowd.plans.person, start, end)
        of_plans = (plans.start, plans.stop)
        return cls(
            block=block,
            people=slice(start, end),
            plans=plans,
            trades=places(block.ledgers.trades.plan, *of_plans),
            movements=places(block.ledgers.movements.plan, *of_plans),
            positions=places(block.ledgers.positions.plan, *of_plans),
            clicks=places(block.clicks.person, start, end),
        )

    @property
    def n(self) -> int:
        return self.people.stop - self.people.start
