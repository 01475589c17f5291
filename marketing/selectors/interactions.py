"""What investors who agreed to profiling did with funds, and who may be suggested something."""

from datetime import datetime, timedelta

import numpy as np
from django.utils import timezone

from advisor.models import Consent, Investor
from advisor.selectors import investors_with_consent
from marketing.kernels.interactions import KINDS, Interactions
from marketing.models import Event
from portfolios.models import Fund, Order

WINDOW = timedelta(days=730)
KIND_OF_ORIGIN: dict[str, str] = {Order.Origin.INVESTOR: "order", Order.Origin.PROPOSAL: "proposal", Order.Origin.PLAN: "plan"}


def load_interactions(now: datetime) -> Interactions:
    """Fund-page views and purchases of two years, of people whose consent to profiling is in force."""
    agreed = set(investors_with_consent(Consent.Purpose.PROFILING).values_list("pk", flat=True))
    fund_of_code = dict(Fund.objects.values_list("code", "pk"))
    views = Event.objects.filter(name="fund", received_at__gte=now - WINDOW, investor__isnull=False)
    rows = [
        (investor, fund_of_code[code], KINDS.index("view"), at)
        for investor, code, at in views.values_list("investor_id", "properties__code", "occurred_at").iterator()
        if investor in agreed and code in fund_of_code
    ]
    orders = Order.objects.filter(
        side=Order.Side.BUY, state__in=[Order.State.CONFIRMED, Order.State.PAID], placed_at__gte=now - WINDOW, origin__in=KIND_OF_ORIGIN
    )
    rows += [
        (investor, fund, KINDS.index(KIND_OF_ORIGIN[origin]), at)
        for investor, fund, origin, at in orders.values_list(
            "portfolio__goal__account__investor", "fund_id", "origin", "placed_at"
        ).iterator()
        if investor in agreed
    ]
    return Interactions(
        user=np.array([row[0] for row in rows], dtype=np.int64),
        item=np.array([row[1] for row in rows], dtype=np.int64),
        kind=np.array([row[2] for row in rows], dtype=np.int8),
        age_days=np.array([(now - row[3]).total_seconds() / 86400 for row in rows], dtype=np.float64),
    )


def investors_to_suggest_to(now: datetime) -> dict[int, list[int]]:
    """Investors by their level in force: valid level, recommendations on, consent to profiling."""
    today = timezone.localdate(now)
    rows = (
        investors_with_consent(Consent.Purpose.PROFILING)
        .filter(level__isnull=False, level_valid_until__gte=today, recommendations_off_at__isnull=True)
        .order_by("pk")
        .values_list("level", "pk")
    )
    by_level: dict[int, list[int]] = {}
    for level, pk in rows:
        by_level.setdefault(int(level or 0), []).append(pk)
    return by_level


def is_suggestible(investor: Investor, now: datetime) -> bool:
    """The same conditions for one investor, asked again whenever a suggestion is about to be shown."""
    return investors_with_consent(Consent.Purpose.PROFILING).filter(
        pk=investor.pk, recommendations_off_at__isnull=True
    ).exists() and investor.has_valid_level(timezone.localdate(now))
