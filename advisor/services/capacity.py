"""What proposals promise of the funds' capacity. Portfolios counts; whose it is, only this app knows."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from advisor.models import Proposal
from portfolios.jurisdictions import jurisdiction
from portfolios.models import Fund
from portfolios.selectors.capacity import counted_reservations
from portfolios.services import Promise, release_capacity, reserve_capacity


def capacity_reference(proposal_pk: int) -> str:
    """The reference under which a proposal's funds are reserved."""
    return f"proposal:{proposal_pk}"


def account_holder(account_id: int) -> str:
    """Who a fund's daily limit counts for: the account, whichever goal buys, and whoever's idea it was."""
    return f"account:{account_id}"


def capacity_holder(proposal: Proposal) -> str:
    """Who a fund's daily limit counts for when a proposal is accepted."""
    return account_holder(proposal.goal.account_id)


def promise_capacity(*, proposal: Proposal, result: dict[str, Any], funds: dict[str, Fund]) -> list[str]:
    """Reserve what a proposal would buy until it lapses; returns the full funds, with nothing reserved, where there are any."""
    amounts = {funds[code].pk: amount for code, amount in result["amounts"].items()}
    promise = Promise(capacity_reference(proposal.pk), capacity_holder(proposal), amounts)
    until = timezone.now() + timedelta(days=jurisdiction().capacity.hold_days)
    return reserve_capacity(promises=[promise], expires_at=until).get(promise.reference, [])


def has_promised_capacity(proposal_pk: int) -> bool:
    """Whether what a proposal reserved is still kept for it."""
    return counted_reservations().filter(reference=capacity_reference(proposal_pk)).exists()


def give_back_capacity(proposal_pks: list[int]) -> None:
    """Give back what proposals had reserved and not ordered."""
    release_capacity(references=[capacity_reference(pk) for pk in proposal_pks])
