"""What investors who agreed to profiling did with funds, and who may be suggested something."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from django.db.models import QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.utils import timezone

from advisor.models import Consent, Investor
from advisor.selectors import consents_in_force, investors_with_consent
from marketing.kernels.interactions import KINDS, Interactions
from marketing.kernels.places import places_among
from marketing.models import Event, FollowedFund
from marketing.selectors.profile_rows import MICROS_A_DAY, Micros, micros, read, read_in_chunks
from portfolios.models import Fund, Order

WINDOW = timedelta(days=730)
KIND_OF_ORIGIN: dict[str, str] = {Order.Origin.INVESTOR: "order", Order.Origin.PROPOSAL: "proposal", Order.Origin.PLAN: "plan"}
OWNER = "portfolio__goal__account__investor_id"


def load_interactions(as_of: datetime) -> Interactions:
    """Fund-page views, funds followed and purchases of the two years before a moment, of people who agree to profiling now.

    Read in columns, a chunk at a time: five million take some 130 MB. Funds that are unknown by their code (it changed, or
    other systems sent anything as one) or were wound up are left out.
    """
    agreed = np.sort(read(consents_in_force(Consent.Purpose.PROFILING).values_list("investor_id"), np.int64)[0])
    living = dict(Fund.objects.filter(ended_on=None).values_list("code", "pk"))
    known = np.array(sorted(living.values()), np.int64)
    read_parts = (*_views(as_of, agreed, living), *_follows(as_of, agreed, known), *_purchases(as_of, agreed, known))
    parts = [part for part in read_parts if len(part.user)]
    if not parts:
        return Interactions(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int8), np.zeros(0))
    names = ("user", "item", "kind", "age_days")
    return Interactions(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _views(as_of: datetime, agreed: np.ndarray, living: dict[str, int]) -> Iterator[Interactions]:
    seen = Event.objects.filter(name="fund", received_at__gte=as_of - WINDOW, received_at__lt=as_of, investor__isnull=False)
    rows: QuerySet[Event, tuple[int, str, int]] = seen.values_list(
        "investor_id", KeyTextTransform("code", "properties"), Micros("occurred_at")
    )
    for who, code, at in read_in_chunks(rows, np.int64, object, np.int64):
        place, codes = pd.factorize(code)
        funds = np.array([living.get(one, 0) for one in codes] + [0], np.int64)  # the last is of what has no code: place -1
        fund = funds[place]
        yield _part(who, fund, np.full(len(who), KINDS.index("view")), at, as_of, places_among(agreed, who)[1] & (fund > 0))


def _follows(as_of: datetime, agreed: np.ndarray, known: np.ndarray) -> Iterator[Interactions]:
    """What is followed still: whoever stopped wants it forgotten."""
    kept = FollowedFund.objects.filter(until=None, since__gte=as_of - WINDOW, since__lt=as_of)
    for who, fund, at in read_in_chunks(kept.values_list("investor_id", "fund_id", Micros("since")), np.int64, np.int64, np.int64):
        kind = np.full(len(who), KINDS.index("follow"))
        yield _part(who, fund, kind, at, as_of, places_among(agreed, who)[1] & places_among(known, fund)[1])


def _purchases(as_of: datetime, agreed: np.ndarray, known: np.ndarray) -> Iterator[Interactions]:
    orders = Order.objects.filter(
        side=Order.Side.BUY,
        state__in=[Order.State.CONFIRMED, Order.State.PAID],
        placed_at__gte=as_of - WINDOW,
        placed_at__lt=as_of,
        origin__in=KIND_OF_ORIGIN,
    )
    for who, fund, origin, at in read_in_chunks(
        orders.values_list(OWNER, "fund_id", "origin", Micros("placed_at")), np.int64, np.int64, object, np.int64
    ):
        place, origins = pd.factorize(origin)
        kind = np.array([KINDS.index(KIND_OF_ORIGIN[one]) for one in origins], np.int64)[place]
        yield _part(who, fund, kind, at, as_of, places_among(agreed, who)[1] & places_among(known, fund)[1])


def _part(who: np.ndarray, fund: np.ndarray, kind: np.ndarray, at: np.ndarray, as_of: datetime, counts: np.ndarray) -> Interactions:
    age = (micros(as_of) - at[counts]) / MICROS_A_DAY
    return Interactions(who[counts], fund[counts], kind[counts].astype(np.int8), age)


def suggestible(now: datetime) -> QuerySet[Investor]:
    """Who may be suggested something: valid level, recommendations on, consent to profiling, an account that is not shut."""
    return investors_with_consent(Consent.Purpose.PROFILING).filter(
        level__isnull=False, level_valid_until__gte=timezone.localdate(now), recommendations_off_at__isnull=True, user__is_active=True
    )


def next_to_suggest_to(after: int, n: int, now: datetime) -> list[tuple[int, int]]:
    """Keys and levels in force of the next so many who may be suggested something, by ascending key."""
    rows = suggestible(now).filter(pk__gt=after).order_by("pk").values_list("pk", "level")[:n]
    return [(pk, int(level or 0)) for pk, level in rows]


def levels_of(investors: np.ndarray) -> np.ndarray:
    """The level of each of some investors, 0 for none."""
    known = dict(Investor.objects.exclude(level=None).values_list("pk", "level"))
    return np.array([known.get(pk, 0) for pk in investors.tolist()], np.int64)
