"""Pages that belong to no app: health, language, icon, and the errors."""

from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from config.jobs import seconds_since_heartbeat
from identity import elder
from identity.roles import Role
from identity.services import set_elder_mode
from identity.services import set_language as keep_language


def is_admin(request: HttpRequest) -> bool:
    user: Any = request.user
    return user.is_active and user.is_authenticated and (user.is_superuser or user.has_role(Role.ADMIN))


def admin_entrance(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    """Stand in for the admin's own login form, which would take a password and ask for no second factor."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))
    if not is_admin(request):
        raise PermissionDenied
    return redirect("admin:index")


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """Say whether the database answers, and how long ago each worker last did (null: not within the hour)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"database": "ok", "seconds_since_worker": {queue: seconds_since_heartbeat(queue) for queue in ("now", "bulk")}})


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    return redirect(static("favicon.svg"))


def _back_to(request: HttpRequest) -> HttpResponseRedirect:
    """To the page that the switch was on, or the first one."""
    target = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(target if is_ours else "/")


@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Keep the chosen language in a cookie and, for somebody signed in, for the messages we send."""
    language = request.POST.get("language", "")
    response = _back_to(request)
    if language in dict(settings.LANGUAGES):
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            max_age=365 * 86400,
            secure=settings.LANGUAGE_COOKIE_SECURE,
            samesite="Lax",
            httponly=True,
        )
        if request.user.is_authenticated:
            keep_language(user=request.user, language=language)
    return response


@require_POST
def choose_elder_mode(request: HttpRequest) -> HttpResponse:
    """Switch the elder mode on or off, on this device and for the person signed in."""
    is_on = request.POST.get("on")
    response = _back_to(request)
    if is_on in {"1", "0"}:
        elder.keep_on_device(response, is_on=is_on == "1")
        if request.user.is_authenticated:
            set_elder_mode(user=request.user, is_on=is_on == "1")
    return response


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "403.html", status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    return render(request, "500.html", status=500)
