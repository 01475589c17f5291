"""The orders of the signed-in person's own goals."""

from typing import Any

from django.db.models import QuerySet

from advisor.models import Goal
from portfolios.models import Order
from portfolios.selectors import orders_of


def own_orders(user: Any) -> QuerySet[Order]:
    """Orders of the person's own goals, newest first, with the goal each belongs to."""
    mine = Goal.objects.visible_to(user).filter(account__investor__user=user, portfolio__isnull=False)
    return orders_of(mine.values("portfolio_id")).select_related("fund", "portfolio__goal")
