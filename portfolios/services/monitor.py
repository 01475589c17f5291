"""The daily watch over the pool: an alert is opened once while its condition lasts, and closed when it is over.

What follows for people, an upper app reads from the rows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.monitor import Watch, WatchRules, watch_funds
from portfolios.models import Fund, MarketAlert, PoolFund
from portfolios.selectors.watch_inputs import watched_blocks

_DIGITS = 6


@dataclass(frozen=True, slots=True)
class WatchReport:
    """How many funds were watched, how many alerts opened and closed, and how many are open now."""

    n_funds: int
    n_opened: int
    n_closed: int
    n_open: int


def watch_market(*, day: date | None = None) -> WatchReport:
    """Watch the current pool on a day, by default today: open the alerts that are new, close those that are over.

    A fund that has left the pool is watched on while an alert of it is open, and gets no new one; what is open of one that was
    wound up and has left it is over. A day that is past ends no later alert. Safe to repeat: the same day on the same data
    changes nothing. Writes a block of funds at a time.
    """
    day = day or timezone.localdate()
    n_opened, n_closed = 0, _close_of_the_dead(day)
    in_pool = set(PoolFund.objects.filter(pool__is_current=True).values_list("fund_id", flat=True))
    has_alert = Exists(MarketAlert.objects.filter(fund=OuterRef("pk"), closed_at=None))
    watched = Q(pools__is_current=True) | has_alert
    funds = list(Fund.objects.filter(watched, category__in=jurisdiction().categories).order_by("pk").distinct())
    for block in watched_blocks(funds, day):
        found = watch_funds(block.volatility, block.fall, block.states, rules_of_watch())
        opened, closed = _write(block.funds, found, in_pool, day)
        n_opened, n_closed = n_opened + opened, n_closed + closed
    return WatchReport(len(funds), n_opened, n_closed, MarketAlert.objects.filter(closed_at=None).count())


def rules_of_watch() -> WatchRules:
    """The jurisdiction's limits as the kernel reads them."""
    table = jurisdiction()
    return WatchRules(**table.monitor.model_dump(), style_variance=table.screen.gates.style_break_variance)


def _close_of_the_dead(day: date) -> int:
    """Close what no figure could ever end: a fund that was wound up publishes none, and is never open again."""
    dead = MarketAlert.objects.filter(closed_at=None, day__lte=day, fund__ended_on__lte=day).exclude(fund__pools__is_current=True)
    return dead.update(closed_at=timezone.now())


def _write(funds: list[Fund], found: Iterable[Watch], in_pool: set[int], day: date) -> tuple[int, int]:
    """Write what is new of a block in one short transaction; returns how many alerts were opened and closed."""
    is_open = {(alert.fund_id, alert.kind): alert for alert in MarketAlert.objects.filter(fund__in=funds, closed_at=None)}
    new, over, told = [], [], []
    for watch in found:
        for at in np.flatnonzero(watch.is_raised | watch.lasts).tolist():
            fund, figures = funds[at], _figures(watch, at)
            alert = is_open.get((fund.pk, watch.kind))
            if alert is None and watch.is_raised[at] and fund.pk in in_pool:
                new.append(MarketAlert(fund=fund, kind=watch.kind, day=day, figures=figures))
            elif alert is not None and figures and alert.figures.get("latest") != figures["latest"]:
                alert.figures |= {"latest": figures["latest"]}
                told.append(alert)
        ended = np.flatnonzero(~watch.lasts).tolist()
        seen = [alert for at in ended if (alert := is_open.get((funds[at].pk, watch.kind)))]
        over += [alert.pk for alert in seen if alert.day <= day]
    with transaction.atomic():
        MarketAlert.objects.bulk_create(new, ignore_conflicts=True)
        MarketAlert.objects.bulk_update(told, ["figures"], batch_size=500)
        n_closed = MarketAlert.objects.filter(pk__in=over, closed_at=None).update(closed_at=timezone.now())
    return len(new), n_closed


def _figures(watch: Watch, at: int) -> dict[str, Any]:
    """The figure, which stays that of the first day while `latest` goes on, and its limit; nothing where it is not known."""
    value = round(float(watch.value[at]), _DIGITS)
    return {"value": value, "latest": value, "limit": round(float(watch.limit[at]), _DIGITS)} if np.isfinite(value) else {}
