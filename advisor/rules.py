"""Who may see or change what. Predicates without effects: pages ask them to show a button, services to obey it."""

from typing import Any

from advisor.models import Investor
from identity.roles import Role


def may_see_book(user: Any) -> bool:
    """Advisors and supervisors: the advisors' site is theirs alone."""
    return bool(user.is_authenticated and user.is_active and (user.has_role(Role.ADVISOR) or user.has_role(Role.SUPERVISOR)))


def may_see_client(user: Any, investor: Investor) -> bool:
    """Somebody else's row, which this advisor or supervisor sees. One's own money is no client of one's own."""
    return may_see_book(user) and investor.user_id != user.pk and Investor.objects.visible_to(user).filter(pk=investor.pk).exists()


def may_advise(user: Any, investor: Investor) -> bool:
    """An advisor of the household, or who covers for one today. A supervisor sees, and changes nothing."""
    return may_see_book(user) and Investor.objects.advised_by(user).filter(pk=investor.pk).exists()


def may_override(user: Any, investor: Investor) -> bool:
    return may_advise(user, investor)


def may_lower_level(user: Any, investor: Investor) -> bool:
    """Lower, never raise: only an assessment raises a level."""
    return may_advise(user, investor)
