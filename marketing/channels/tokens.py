"""The signed token in an unsubscribe link: it names the ledger row and the person, and never lapses."""

from dataclasses import dataclass

from django.core import signing

from marketing.models import Delivery

SALT = "marketing.unsubscribe"


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    investor_id: int
    delivery_id: int


def unsubscribe_token(delivery: Delivery) -> str:
    return signing.dumps({"i": delivery.investor_id, "d": delivery.pk}, salt=SALT)


def read_unsubscribe_token(token: str) -> Unsubscribe | None:
    """The token's content, or None when it was not signed by us."""
    try:
        data = signing.loads(token, salt=SALT)
        return Unsubscribe(int(data["i"]), int(data["d"]))
    except (signing.BadSignature, KeyError, TypeError, ValueError):
        return None
