"""Outside a demo, staff without a second factor are sent to set one up before they see anything."""

from collections.abc import Callable
from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

# Without these the set-up itself, and the re-authentication it asks for, would be sent back to the set-up.
PASSED = {"account_reauthenticate", "account_logout", "account_login", "set_language", "javascript-catalog"}


class SecondFactorMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if not settings.SECOND_FACTOR_REQUIRED or not request.user.is_authenticated or not request.user.is_staff:
            return None
        name = request.resolver_match.url_name if request.resolver_match else ""
        if name in PASSED or (name or "").startswith("mfa_") or is_mfa_enabled(request.user):
            return None
        return redirect("mfa_activate_totp")
