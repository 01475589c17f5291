"""Rows of what simulated people did on the pages, of whose an unknown visit was, and of where people came from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import numpy as np
from django.utils import timezone

from advisor.models import Investor
from demo.cast import Member
from demo.clicks import (
    ASKED,
    CALCULATOR,
    CHANNELS,
    EVENTS_AN_INVESTOR,
    FEES,
    FUND,
    LEFT,
    NAMES,
    PAGES,
    QUESTION,
    SEARCH,
    SOURCES,
    THEMES,
    TOPICS,
    Clicks,
    Places,
    Visitors,
    draw_follows,
    first_visits,
    seeds,
    sources_of,
)  # fmt: skip
from demo.crowd import PERSONAS_HERE, Crowd, Ints
from demo.models import World
from demo.people import GOALS, Persona
from demo.services.bulk import ROWS_A_TRANSACTION
from demo.services.crowd_desk import Desk, last_midnight
from demo.services.rows import Rows
from demo.services.stage import Scenery
from marketing.catalogue.events import theme_of
from marketing.models import Acquisition, AnonymousIdentity, Event, FollowedFund

SECOND = "timedelta64[s]"
ITEMS_OF_A_KIND = 10_000
PERSONAS_BY_PLACE = list(Persona)


@dataclass(frozen=True)
class Sights:
    """What there is to be seen, with the properties of each thing as JSON."""

    places: Places
    midnight: np.datetime64  # the last one in Shanghai, in UTC
    texts: dict[int, list[str]]  # by kind, then by item
    funds: Ints  # keys

    @classmethod
    def of(cls, scenery: Scenery, world: World) -> Self:
        names = sorted(set(scenery.tape.categories))
        items = [item.code for item in scenery.instrument.for_scoring]
        places = Places(
            category=np.array([names.index(name) for name in scenery.tape.categories]),
            n_items=len(items),
            weekday=timezone.localdate().weekday(),
            scale=world.n_events / (EVENTS_AN_INVESTOR * world.n_investors) if world.n_events else 1.0,
        )
        things: dict[int, list[dict[str, Any]]] = {
            FUND: [_fund(fund) for fund in scenery.funds],
            FEES: [{"page": "fund", "code": fund.code} for fund in scenery.funds],
            LEFT: [{"page": "fund", "seconds": seconds, "scroll": min(100, 20 + 2 * seconds)} for seconds in range(41)],
            SEARCH: [{"theme": code} for code in THEMES],
            CALCULATOR: [{"goal": kind} for kind in GOALS],
            ASKED: [{"topic": topic} for topic in TOPICS],
            QUESTION: [{"item": code} for code in items],
        }
        midnight = np.datetime64(last_midnight(timezone.now()), "s")
        texts = {kind: [json.dumps(thing) for thing in of] for kind, of in things.items()}
        return cls(places, midnight, texts, np.array([fund.pk for fund in scenery.funds], np.int64))

    def properties(self, clicks: Clicks) -> list[str]:
        codes, where = np.unique(clicks.kind * ITEMS_OF_A_KIND + clicks.item + 1, return_inverse=True)
        pairs = [divmod(code, ITEMS_OF_A_KIND) for code in codes.tolist()]
        texts = [self.texts[kind][item - 1] if kind in self.texts and item else "{}" for kind, item in pairs]
        return [texts[place] for place in where.tolist()]


def _fund(fund: Any) -> dict[str, Any]:
    theme = theme_of(f"{fund.name_zh} {fund.name_en}")
    return {"code": fund.code, "category": fund.category, "company": fund.company} | ({"theme": theme} if theme else {})


def visitors_of_crowd(crowd: Crowd, desk: Desk) -> Visitors:
    joined = desk.when(crowd.joined, 5 + crowd.minute % 30) - desk.midnight
    return Visitors(
        seed=seeds(desk.seed, crowd.first + np.arange(len(crowd.persona))),
        persona=np.array([PERSONAS_BY_PLACE.index(persona) for persona in PERSONAS_HERE])[crowd.persona],
        visits_a_month=crowd.visits_a_month,
        entered=joined.astype(np.int64),
        agrees=crowd.agrees_to_profiling,
        finished=np.ones(len(crowd.persona), dtype=bool),
        liking=crowd.liking,
    )


def visitors_of_members(members: Sequence[Member], joined: Sequence[datetime], scenery: Scenery) -> Visitors:
    """The same of people with full lives: what they like most is their taste, then what they were advised."""
    people = [member.person for member in members]
    seed = seeds(np.array([person.seed for person in people]), 77)
    names = sorted(set(scenery.tape.categories))
    liking = np.array([[_liking(member, name, scenery) for name in names] for member in members])
    midnight = last_midnight(timezone.now())
    return Visitors(
        seed=seed,
        persona=np.array([PERSONAS_BY_PLACE.index(person.persona) for person in people]),
        visits_a_month=np.array([person.visits_a_month for person in people]),
        entered=np.array([int((at.astimezone(UTC).replace(tzinfo=None) - midnight).total_seconds()) for at in joined]),
        agrees=np.array([person.agrees_to_profiling for person in people]),
        finished=np.array([person.persona is not Persona.UNFINISHED for person in people]),
        liking=liking,
    )


def _liking(member: Member, category: str, scenery: Scenery) -> float:
    if category in member.person.taste:
        return 0.12 * member.person.taste.index(category)
    held = {scenery.tape.categories[fund] for pot in member.pots for fund in pot.weights}
    return 0.4 if category in held else 0.8


def last_visits(clicks: Clicks, n: int) -> list[datetime | None]:
    """When each was last here themselves, as far as it was told."""
    last: list[datetime | None] = [None] * n
    midnight = last_midnight(timezone.now()).replace(tzinfo=UTC)
    own = clicks.taken(clicks.visitor < 0)
    for person, second in zip(own.person.tolist(), own.second.tolist(), strict=True):  # the latest stands last
        last[person] = midnight + timedelta(seconds=second)
    return last


def load_clicks(who: Visitors, clicks: Clicks, investors: Sequence[Investor], sights: Sights) -> int:
    """Write what people with full lives did, a few people a transaction; returns how many events."""
    keys = np.array([investor.pk for investor in investors])
    followers = draw_follows(who, clicks)[0]
    n_rows = 2 + np.bincount(clicks.person, minlength=len(keys)) + np.bincount(followers, minlength=len(keys))
    before = np.concatenate([[0], np.cumsum(n_rows)])
    start = 0
    while start < len(keys):
        end = max(start + 1, int(np.searchsorted(before, before[start] + ROWS_A_TRANSACTION, side="right")) - 1)
        some = clicks.taken(slice(*np.searchsorted(clicks.person, [start, end]).tolist()))
        rows = Rows()
        make_clicks(rows, who.taken(slice(start, end)), some.shifted(-start), keys[start:end], sights)
        rows.write()
        start = end
    return len(clicks.person)


def make_clicks(rows: Rows, who: Visitors, clicks: Clicks, investors: Ints, sights: Sights) -> None:
    """Add the events of some people, the funds they follow, their joined anonymous ids, and where each of them came from."""
    n, person = len(clicks.person), clicks.person
    number = np.arange(n) - np.searchsorted(person, person)
    when = sights.midnight + clicks.second.astype(SECOND)
    owners, is_stranger = investors[person], clicks.visitor > 0
    unknown = clicks.taken(clicks.visitor >= 0)
    rows.add(
        Event,
        n,
        message_id=[f"{key:016x}{place:016x}" for key, place in zip(who.seed[person].tolist(), number.tolist(), strict=True)],
        investor_id=[None if stranger else owner for stranger, owner in zip(is_stranger.tolist(), owners.tolist(), strict=True)],
        anonymous_id=[_visitor_id(seed, at) for seed, at in zip(who.seed[person].tolist(), clicks.visitor.tolist(), strict=True)],
        type=np.where(clicks.kind < len(PAGES), Event.Type.PAGE.value, Event.Type.TRACK.value),
        name=np.array(NAMES)[clicks.kind],
        properties=sights.properties(clicks),
        context=json.dumps({"simulated": True}),
        channel=np.array(CHANNELS)[clicks.channel],
        occurred_at=when,
        sent_at=when,
        received_at=when,
    )
    follower, fund, since = draw_follows(who, clicks)
    rows.add(
        FollowedFund,
        len(follower),
        investor_id=investors[follower],
        fund_id=sights.funds[fund],
        since=sights.midnight + since.astype(SECOND),
    )
    own = unknown.taken(unknown.visitor == 0)
    joined, n_events = np.unique(own.person, return_counts=True)
    joined_at = sights.midnight + who.entered.astype(SECOND)
    rows.add(
        AnonymousIdentity,
        len(joined),
        anonymous_id=[_visitor_id(seed, 0) for seed in who.seed[joined].tolist()],
        investor_id=investors[joined],
        joined_at=joined_at[joined],
        n_events=n_events,
    )
    of = [SOURCES[place] for place in sources_of(who).tolist()]
    rows.add(
        Acquisition,
        len(investors),
        investor_id=investors,
        source=[row[0] for row in of],
        medium=[row[1] for row in of],
        campaign=[row[2] for row in of],
        first_visit_at=sights.midnight + first_visits(who).astype(SECOND),
        at=joined_at,
    )


def _visitor_id(seed: int, visitor: int) -> str:
    """A simulated visitor's random id; "" for somebody who is signed in."""
    return "" if visitor < 0 else f"sim-{seed:016x}-{visitor}"
