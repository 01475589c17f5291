"""What somebody agreed to over time, who looked at their data, and what keeps their account from being closed."""

from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Q, QuerySet, Sum
from django.utils.translation import gettext_lazy as _

from advisor.models import Consent, DataAccess, Investor
from identity.roles import STAFF_ROLES
from portfolios.models import Holding, Order, Portfolio

PAGES = {
    "advisors:client": _("the client's page"),
    "advisors:client_record": _("the record of advice"),
    "advisors:client_statement": _("the statement of advice"),
    "advisors:client_statement_pdf": _("the statement of advice as a file"),
    "advisors:override": _("a goal's override"),
    "client_tags_slot": _("tags"),
    "client_next_action_slot": _("what would be best done next"),
    "assessment_csv": _("the answers as a file"),
    "assessment_json": _("the answers as a file"),
    "goal": _("a goal"),
    "proposal": _("a proposal"),
    "export_person": _("a copy of everything that is known"),
}
OPEN_ORDERS = (Order.State.PLACED, Order.State.ACCEPTED)


@dataclass(frozen=True, slots=True)
class InTheWay:
    """What must be settled before an account is closed; empty where nothing is."""

    cash_minor: int = 0
    n_holdings: int = 0
    n_open_orders: int = 0
    is_staff: bool = False

    def __bool__(self) -> bool:
        return any(asdict(self).values())


def in_the_way_of_closing(investor: Investor) -> InTheWay:
    """Money, units and orders of a person that an account cannot be closed with, now; in four queries."""
    own = {"portfolio__goal__account__investor": investor}
    cash = Portfolio.objects.filter(goal__account__investor=investor).aggregate(total=Sum("cash_minor"))["total"]
    # A redemption that is confirmed and not paid is money on its way.
    unpaid = Q(state=Order.State.CONFIRMED, side=Order.Side.SELL)
    return InTheWay(
        cash_minor=int(cash or 0),
        n_holdings=Holding.objects.filter(units_centi__gt=0, **own).count(),
        n_open_orders=Order.objects.filter(Q(state__in=OPEN_ORDERS) | unpaid, **own).count(),
        is_staff=investor.user.groups.filter(name__in=STAFF_ROLES).exists(),
    )


def consent_history(investor: Investor) -> QuerySet[Consent]:
    """Every yes and no of a person, the newest first."""
    return Consent.objects.filter(investor=investor).order_by("-at", "-pk")


def page_words(what: str) -> str:
    """What was looked at, in words; where something was changed from a client's page, so it says."""
    return str(PAGES.get(what, _("a change on the client's page")))


def accesses_of(user: Any) -> QuerySet[DataAccess]:
    """Looks of the staff at the signed-in person's own data, the newest first."""
    return DataAccess.objects.visible_to(user).filter(investor__user=user)


def accesses_in_branch(user: Any) -> QuerySet[DataAccess]:
    """Looks at the people of a supervisor's branch, the newest first, with who looked and at whom."""
    others = DataAccess.objects.visible_to(user).exclude(investor__user=user)
    return others.select_related("actor", "investor__user").order_by("-at", "-pk")
