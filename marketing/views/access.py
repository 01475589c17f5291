"""The marketers' door: who is not signed in is sent to sign in, who is not a marketer is refused."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from identity.roles import Role


def role_required(role: Role) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Let only people of one role through to the view."""

    def guard(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        @login_required
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            user: Any = request.user
            if not user.has_role(role):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return guard


marketers_only = role_required(Role.MARKETER)
investors_only = role_required(Role.INVESTOR)
