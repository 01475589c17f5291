"""A simulated market as a source: what `kernels.simulate` makes, published on the exchange's days, for trials at any size."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import islice
from typing import Any

import numpy as np

from portfolios.jurisdictions.simulated_names import fund_columns, manager_name
from portfolios.kernels.simulate import SimulatedFund, simulate_funds
from portfolios.kernels.simulate_facts import MANAGER, Happening
from portfolios.kernels.simulate_funds import FundSpec
from portfolios.kernels.types import IntArray
from portfolios.sources.contract import Event, FundFacts, Piece, Size, Wanted
from portfolios.sources.frame import filled
from portfolios.sources.registry import SIMULATED

_FUNDS_A_PIECE = 40
_MICRO = 1e6


class SimulatedSource:
    """The source `simulated`: `sessions` are the ordinals of the days on which NAVs are published, the last one included."""

    name = SIMULATED

    def __init__(self, specs: Sequence[FundSpec], *, seed: int, sessions: IntArray) -> None:
        self._specs = sorted(specs, key=lambda spec: spec.code)
        self._seed, self._sessions = seed, sessions
        self._made: dict[str, SimulatedFund] = {}
        self._wanted = Wanted(date.fromordinal(int(sessions[-1])))

    def describe(self, codes: Sequence[str]) -> Iterable[FundFacts]:
        """Facts of the piece that was handed on last: all of them, or what was published since shortly before what was wanted."""
        known = self._wanted.since
        return [_facts(self._made[code], known.get(code, date.min)) for code in codes if code in self._made]

    def pieces(self, wanted: Wanted) -> Iterator[Piece]:
        """Some funds a piece, by code; a fund without a price yet is one without rows."""
        self._wanted = wanted
        specs = [spec for spec in self._specs if not wanted.codes or spec.code in set(wanted.codes)]
        left = iter(specs[wanted.skip :])
        while some := list(islice(left, _FUNDS_A_PIECE)):
            made = simulate_funds(some, seed=self._seed, until=date.fromordinal(int(self._sessions[-1])), sessions=self._sessions)
            self._made = {one.spec.code: one for one in made}
            yield Piece(tuple(spec.code for spec in some), _frame(self._made.values(), wanted), n_funds=len(specs))


def _frame(made: Iterable[SimulatedFund], wanted: Wanted) -> Any:
    columns: dict[str, list[Any]] = {name: [] for name in ("fund", "date", "nav", "distribution", "split")}
    for one in made:
        history, since = one.history, wanted.since.get(one.spec.code)
        start = int(np.searchsorted(history.dates, since.toordinal())) if since else 0
        paid, split = np.asarray(history.distribution_micro)[start:] / _MICRO, one.split[start:]
        columns["fund"].append(np.full(len(history.dates) - start, one.spec.code, object))
        columns["date"].append(history.dates[start:])
        columns["nav"].append(history.nav_micro[start:] / _MICRO)
        columns["distribution"].append(np.where(paid > 0, paid, np.nan))
        columns["split"].append(np.where(split != 1, split, np.nan))
    return filled(**{name: np.concatenate(parts) if parts else [] for name, parts in columns.items()})


def _facts(one: SimulatedFund, since: date) -> FundFacts:
    spec, facts = one.spec, one.facts
    last = len(facts.as_of) - 1
    columns: dict[str, Any] = fund_columns(spec) | {"is_simulated": True}
    if last >= 0:
        columns |= {
            "size_minor": int(facts.size_minor[last]),
            "units_centi": int(facts.units_centi[last]),
            "size_date": date.fromordinal(int(facts.as_of[last])),
        }
    events = tuple(_event(fact) for fact in facts.happenings)
    return FundFacts(
        spec.code,
        spec.category,
        columns=columns | _as_of_last(events),
        sizes=tuple(size for size in _sizes(one) if size.published_date >= since),
        events=tuple(event for event in events if event.published_date >= since),
    )


def _event(fact: Happening) -> Event:
    days = date.fromordinal(fact.from_day), date.fromordinal(fact.published_day)
    if fact.kind == MANAGER:
        return Event(fact.kind, *days, manager_name(fact.number or 0))
    return Event(fact.kind, *days, fact.text, fact.number)


def _as_of_last(events: Sequence[Event]) -> dict[str, Any]:
    """What the latest event of each kind makes of the fund."""
    columns: dict[str, Any] = {}
    for event in sorted(events, key=lambda event: event.from_date):
        if event.kind == "manager":
            columns |= {"manager": event.text, "manager_since": event.from_date}
        elif event.kind == "purchase":
            columns |= {"is_open": event.text == "open", "daily_limit_minor": event.number}
        elif event.kind == "ended":
            columns["ended_on"] = event.from_date
    return columns


def _sizes(one: SimulatedFund) -> tuple[Size, ...]:
    facts = one.facts
    rows = zip(facts.as_of, facts.published, facts.size_minor, facts.units_centi, facts.institutional_share, strict=True)
    return tuple(
        Size(date.fromordinal(int(as_of)), date.fromordinal(int(published)), int(size), int(units), float(share))
        for as_of, published, size, units, share in rows
    )
