"""Who may see or change what. Predicates without effects: pages ask them to show a button, services to obey it."""

from typing import Any

from advisor.models import Investor, StaffMember
from identity.roles import Role


def may_see_book(user: Any) -> bool:
    """Advisors and supervisors: the advisors' site is theirs alone."""
    return bool(user.is_authenticated and user.is_active and (user.has_role(Role.ADVISOR) or user.has_role(Role.SUPERVISOR)))


def may_audit(user: Any) -> bool:
    """The night's verification of the record of advice: a supervisor's business, each for their own branch."""
    return bool(user.is_authenticated and user.is_active and user.has_role(Role.SUPERVISOR))


def may_see_client(user: Any, investor: Investor) -> bool:
    """Somebody else's row, which this advisor or supervisor sees. One's own money is no client of one's own."""
    return may_see_book(user) and investor.user_id != user.pk and Investor.objects.visible_to(user).filter(pk=investor.pk).exists()


def may_advise(user: Any, investor: Investor) -> bool:
    """An advisor of the household, or who covers for one today, of a file that is not closed. A supervisor sees, and changes nothing."""
    return may_see_book(user) and investor.erased_at is None and Investor.objects.advised_by(user).filter(pk=investor.pk).exists()


def may_override(user: Any, investor: Investor) -> bool:
    return may_advise(user, investor)


def may_lower_level(user: Any, investor: Investor) -> bool:
    """Lower, never raise: only an assessment raises a level."""
    return may_advise(user, investor)


def may_confirm_rise(user: Any, investor: Investor) -> bool:
    """An advisor of the household; where it has none, a supervisor of its branch, for otherwise nobody could."""
    household = investor.household
    is_advised = household.primary_advisor_id is not None or household.secondary_advisor_id is not None
    return may_advise(user, investor) if is_advised else may_sign_review(user, investor)


def may_sign_review(user: Any, investor: Investor) -> bool:
    """A supervisor of the client's own branch, never about oneself."""
    if not (user.is_authenticated and user.is_active and user.has_role(Role.SUPERVISOR)) or investor.user_id == user.pk:
        return False
    return StaffMember.objects.filter(user=user, branch=investor.household.branch_id).exists()


def may_make_instruments(user: Any) -> bool:
    """Whoever advises may write a draft of the questionnaire; it asks nobody anything before another person publishes it."""
    return may_see_book(user)


def may_publish_instruments(user: Any) -> bool:
    return bool(user.is_authenticated and user.is_active and user.has_role(Role.SUPERVISOR))
