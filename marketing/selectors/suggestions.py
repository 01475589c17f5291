"""Suggestions as they may be shown: checked once more at the moment of showing."""

from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from advisor.models import Investor
from advisor.selectors import recommendable_funds
from marketing.models import Suggestion
from marketing.selectors.interactions import is_suggestible
from portfolios.models import Fund


@dataclass(frozen=True)
class ShownSuggestion:
    fund: Fund
    reason: str


def reason_in_words(reason: dict[str, Any], names: dict[int, str]) -> str:
    """A true sentence about the person; never that others hold or buy it."""
    name = names.get(reason.get("fund_id", 0), "")
    if reason.get("code") == "like_bought" and name:
        return _("It is similar to %(name)s, which you bought.") % {"name": name}
    if reason.get("code") == "like_viewed" and name:
        return _("It is similar to %(name)s, which you looked at.") % {"name": name}
    return _("It fits your level and you do not hold it yet.")


def suggestions_to_show(investor: Investor, *, n: int = 1) -> list[ShownSuggestion]:
    """The first suggestions of the serving run that are suitable at this moment; none without consent or a valid level."""
    if investor.level is None or not is_suggestible(investor, timezone.now()):
        return []
    suitable = recommendable_funds(investor.level).values("pk")
    rows = list(
        Suggestion.objects.filter(investor=investor, run__is_serving=True, fund__in=suitable).select_related("fund").order_by("rank")[:n]
    )
    names = {fund.pk: fund.name for fund in Fund.objects.filter(pk__in=[row.reason.get("fund_id", 0) for row in rows])} if rows else {}
    return [ShownSuggestion(row.fund, reason_in_words(row.reason, names)) for row in rows]
