"""The funds that a person follows."""

from collections.abc import Collection

from django.db.models import QuerySet

from advisor.models import Investor
from marketing.models import FollowedFund


def followed_funds(investor: Investor) -> QuerySet[FollowedFund]:
    """What the person follows, with its fund, the latest first."""
    return FollowedFund.objects.filter(investor=investor, until=None).select_related("fund").order_by("-since", "-pk")


def followed_codes(investor: Investor | None) -> frozenset[str]:
    """Codes of what the person follows."""
    return frozenset(followed_funds(investor).values_list("fund__code", flat=True)) if investor is not None else frozenset()


def followed_among(investor: Investor, funds: Collection[int]) -> frozenset[int]:
    """Those of some funds that the person follows now. One query, none where there is nothing to ask."""
    if not funds:
        return frozenset()
    return frozenset(followed_funds(investor).filter(fund__in=list(funds)).values_list("fund_id", flat=True))
