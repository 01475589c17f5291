"""What somebody follows: begun and ended by themselves alone."""

from django.db import transaction
from django.utils import timezone

from advisor.errors import Refused
from advisor.models import Investor
from marketing.models import FollowedFund
from portfolios.models import Fund
from portfolios.selectors import has_ended

MOST_FOLLOWED = 200


def follow(*, investor: Investor, fund: Fund) -> FollowedFund:
    """Note that the person follows the fund from now on. Safe to repeat.

    Raises Refused("fund_ended") for one that was wound up, Refused("too_many_followed") beyond MOST_FOLLOWED.
    """
    with transaction.atomic():
        Investor.objects.select_for_update(no_key=True).get(pk=investor.pk)  # two at once must not pass the most together
        followed = FollowedFund.objects.filter(investor=investor, until=None)
        if (found := followed.filter(fund=fund).first()) is not None:
            return found
        if has_ended(fund):
            raise Refused("fund_ended")
        if followed.count() >= MOST_FOLLOWED:
            raise Refused("too_many_followed", most=MOST_FOLLOWED)
        return FollowedFund.objects.create(investor=investor, fund=fund)


def unfollow(*, investor: Investor, fund: Fund) -> bool:
    """The person follows the fund no more; the row stays, with its end. False where they did not. Safe to repeat."""
    return bool(FollowedFund.objects.filter(investor=investor, fund=fund, until=None).update(until=timezone.now()))
