"""What a fund's page and list know of the funds that its reader follows. Named in settings: no lower app imports it."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from marketing.selectors.following import followed_codes


def following(request: HttpRequest) -> dict[str, Any]:
    """FOLLOWED_CODES, asked for by the pages that have found their investor: one query there, none elsewhere."""
    return {"FOLLOWED_CODES": SimpleLazyObject(lambda: followed_codes(getattr(request.user, "investor", None)))}
