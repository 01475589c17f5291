"""The inbox on our own site: a message is a row, written in one transaction with its ledger row."""

from datetime import datetime

from marketing.channels.wording import wording
from marketing.models import CampaignStep, Delivery, InboxMessage


def compose(delivery: Delivery, step: CampaignStep, at: datetime) -> InboxMessage:
    """Build, without saving, the message of a ledger row."""
    user = delivery.investor.user
    subject, body = wording(step, name=str(user), language=user.language)
    return InboxMessage(investor_id=delivery.investor.pk, delivery=delivery, subject=subject, body=body, at=at)
