"""What a person does with our messages: reads them, or wants no more of them."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from advisor.models import Consent, Investor
from advisor.services import give_consent
from marketing.channels.tokens import read_unsubscribe_token
from marketing.models import Delivery, InboxMessage


@transaction.atomic
def mark_read(*, message: InboxMessage) -> None:
    """Write when the person first opened a message, and the same on its ledger row. Safe to repeat."""
    now = timezone.now()
    if InboxMessage.objects.filter(pk=message.pk, read_at__isnull=True).update(read_at=now) and message.delivery_id:
        Delivery.objects.filter(pk=message.delivery_id, opened_at__isnull=True).update(opened_at=now)


def withdraw_marketing_consent(*, token: str) -> bool:
    """Withdraw the marketing consent of the person whom a signed link names; False for a link that is not ours.

    The signature stands in for a sign-in, as RFC 8058 asks. Safe to repeat.
    """
    named = read_unsubscribe_token(token)
    investor: Any = Investor.objects.filter(pk=named.investor_id).first() if named else None
    if investor is None:
        return False
    give_consent(investor=investor, purpose=Consent.Purpose.MARKETING, is_given=False, source="unsubscribe")
    return True
