"""Whose goals hold a fund, or are buying it: for services that a worker runs, a block at a time."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, NamedTuple

from django.db.models import QuerySet

from portfolios.models import Holding, Order

ROWS_A_BLOCK = 500


class Holder(NamedTuple):
    """A goal with a fund it holds or is buying, and what its level rests on."""

    goal_id: int
    fund_id: int
    investor_id: int
    level: int | None
    level_valid_until: date | None
    target_date: date


_GOAL = "portfolio__goal"
_INVESTOR = f"{_GOAL}__account__investor"
_COLUMNS = (_GOAL, "fund_id", f"{_INVESTOR}_id", f"{_INVESTOR}__level", f"{_INVESTOR}__level_valid_until", f"{_GOAL}__target_date")


def holders_of(fund_ids: Iterable[int]) -> Iterator[list[Holder]]:
    """Yield the holders of funds in blocks by primary key, those with an open purchase after them."""
    funds = list(fund_ids)
    buying = {"side": Order.Side.BUY, "state__in": [Order.State.PLACED, Order.State.ACCEPTED]}
    yield from _blocks(Holding.objects.filter(fund_id__in=funds, units_centi__gt=0, portfolio__goal__isnull=False))
    yield from _blocks(Order.objects.filter(fund_id__in=funds, portfolio__goal__isnull=False, **buying))


def _blocks(rows: QuerySet[Any]) -> Iterator[list[Holder]]:
    after = 0
    while found := list(rows.filter(pk__gt=after).order_by("pk").values_list("pk", *_COLUMNS)[:ROWS_A_BLOCK]):
        yield [Holder(*row[1:]) for row in found]
        after = found[-1][0]
