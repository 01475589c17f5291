"""What every template may know about the deployment."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from identity import elder
from portfolios.jurisdictions import jurisdiction


def deployment(request: HttpRequest) -> dict[str, Any]:
    return {
        "IS_DEMO": settings.IS_DEMO,
        "LICENCE_TEXT": settings.LICENCE_TEXT,
        "SERVICE_PHONE": settings.SERVICE_PHONE,
        "GAIN_COLOUR": jurisdiction().gain_colour,
        # Lazy: an error page asks for neither session nor database.
        "IS_ELDER": SimpleLazyObject(lambda: elder.is_on(request)),
    }
