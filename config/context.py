"""What every template may know about the deployment."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from portfolios.jurisdictions import jurisdiction


def deployment(request: HttpRequest) -> dict[str, Any]:
    return {"IS_DEMO": settings.IS_DEMO, "LICENCE_TEXT": settings.LICENCE_TEXT, "GAIN_COLOUR": jurisdiction().gain_colour}
