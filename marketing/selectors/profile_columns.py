"""The columns of profiles, a block of investors at a time: which part each comes from."""

from datetime import date

import numpy as np

from advisor.models import Investor
from marketing.kernels.grouping import BoolArray, IntArray
from marketing.selectors.profile_holdings import Market, holding_columns
from marketing.selectors.profile_messages import message_columns
from marketing.selectors.profile_orders import order_columns
from marketing.selectors.profile_people import people_columns
from marketing.selectors.profile_rows import Block, Columns
from marketing.selectors.profile_touched import Touched
from marketing.selectors.profile_visits import visit_columns

Part = tuple[IntArray, Columns]  # keys of investors, and some columns of theirs


def next_block(after: int, limit: int, day: date) -> Block | None:
    """The next investors by key, None behind the last. Of people who had their data erased no profile is built again."""
    while rows := list(Investor.objects.filter(pk__gt=after).order_by("pk").values_list("pk", "erased_at")[:limit]):
        keys, after = [pk for pk, erased_at in rows if erased_at is None], rows[-1][0]
        if keys:
            return Block(np.array(keys, np.int64), day, is_whole=len(keys) == len(rows))
    return None


def all_columns(block: Block, market: Market) -> Columns:
    """Every column that is counted from other tables. A constant number of queries, whatever the block."""
    people = people_columns(block)
    return {
        **people,
        **holding_columns(block, market),
        **order_columns(block),
        **visit_columns(block, _agreed(people), market.funds),
        **message_columns(block),
    }


def moved_columns(block: Block, market: Market, touched: Touched, agreed_before: BoolArray) -> list[Part]:
    """What can differ from the build before: of everybody who they are and what they hold, of the touched ones the rest.

    `agreed_before` (n,) is the consent to profiling that the rows there were written under.
    """
    people = people_columns(block)
    agreed = _agreed(people)
    parts: list[Part] = [(block.ids, {**people, **holding_columns(block, market)})]
    if (some := _part(block, touched.orders)) is not None:
        parts.append((some.ids, order_columns(some)))
    if (some := _part(block, np.union1d(touched.visits, block.ids[agreed != agreed_before]))) is not None:
        parts.append((some.ids, visit_columns(some, agreed[np.searchsorted(block.ids, some.ids)], market.funds)))
    if (some := _part(block, touched.messages)) is not None:
        parts.append((some.ids, message_columns(some)))
    return parts


def _agreed(people: Columns) -> BoolArray:
    return np.array(people["consent_profiling"], bool)


def _part(block: Block, keys: IntArray) -> Block | None:
    here = np.intersect1d(block.ids, keys, assume_unique=True).astype(np.int64)
    return Block(here, block.day, is_whole=len(here) == block.n) if len(here) else None
