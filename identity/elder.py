"""关怀版, the elder mode: larger text, one thing to do a screen, a human first. Kept on the device and beside the person."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

COOKIE = "elder"
COOKIE_AGE_SECONDS = 365 * 86400


def is_on(request: HttpRequest) -> bool:
    """True when this device or the signed-in person has chosen it."""
    user: Any = getattr(request, "user", None)
    return request.COOKIES.get(COOKIE) == "1" or bool(user and user.is_authenticated and user.elder_mode)


def keep_on_device(response: HttpResponse, *, is_on: bool) -> None:
    """Have the device remember the choice, so that it also holds before signing in and after signing out."""
    if not is_on:
        response.delete_cookie(COOKIE, samesite="Lax")
        return
    response.set_cookie(COOKIE, "1", max_age=COOKIE_AGE_SECONDS, secure=settings.LANGUAGE_COOKIE_SECURE, samesite="Lax", httponly=True)
