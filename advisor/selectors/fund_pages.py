"""The fund list and the fund page as one person sees them: nothing above a level is ever listed as if it suited."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from advisor.models import Investor
from advisor.selectors.people import investor_of
from advisor.selectors.suitability import decide_for, recommendable_funds
from identity.roles import STAFF_ROLES
from portfolios.jurisdictions import jurisdiction
from portfolios.models import Fund
from portfolios.selectors import FundQuery, find_funds


@dataclass(frozen=True, slots=True)
class FundView:
    """Who looks at funds: staff see them all alike, an investor with a level in force sees what suits it, others no list."""

    is_staff: bool
    investor: Investor | None

    @property
    def is_known(self) -> bool:
        return self.is_staff or (self.investor is not None and self.investor.has_valid_level())

    @property
    def level_code(self) -> str:
        return "" if self.investor is None or self.investor.level is None else jurisdiction().levels[self.investor.level].code

    def mark(self, fund: Fund) -> str:
        """'' when the fund may be recommended to the person or staff is looking; else 'above' or 'forbidden'."""
        if self.is_staff or self.investor is None or not self.is_known:
            return ""
        reasons = set(decide_for(self.investor, fund).reasons)
        if "only_class" in reasons:
            return "forbidden"
        return "above" if "above_level" in reasons else ""


def fund_view(user: Any) -> FundView:
    """What kind of reader of fund pages a signed-in person is."""
    is_staff = bool(user.role_names & STAFF_ROLES)
    return FundView(is_staff, None if is_staff else investor_of(user))


def listed_funds(view: FundView, query: FundQuery) -> QuerySet[Fund]:
    """Funds that suit the person's level; on an explicit search by code or name all funds, to be shown with their mark."""
    if not view.is_known:
        return Fund.objects.none()
    if view.is_staff or query.text.strip():
        return find_funds(Fund.objects.all(), query)
    level = view.investor.level if view.investor is not None else None
    return find_funds(Fund.objects.none() if level is None else recommendable_funds(level), query)
