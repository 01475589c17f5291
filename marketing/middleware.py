"""Records page views: of investors who agreed, and of unknown visitors of the public pages. Named in settings: no lower app imports it."""

import logging
import uuid
from collections.abc import Callable
from dataclasses import astuple
from datetime import timedelta
from typing import Any
from urllib.parse import quote, unquote

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.core.signing import BadSignature
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from identity.roles import Role
from marketing.models import Surface
from marketing.services import record_page_view
from marketing.services.suggestions import note_click
from marketing.services.visitors import FirstVisit, join_visitor, record_acquisition, record_visitor_page

log = logging.getLogger(__name__)

SECRET_PARTS = {"token", "key", "uidb36"}  # parts of an address that entitle whoever holds them
PUBLIC_PAGES = {"home", "account_login", "account_signup", "account_request_login_code", "account_reset_password"}
VISITOR, CAME_BY = "visitor", "came_by"  # cookies: a random id, and where the first visit came from
COOKIE_AGE = timedelta(days=30)
PAGES_A_MINUTE = 120  # of one address: what stands in front of a larger office is recorded in part
ROBOTS = ("bot", "spider", "crawl", "slurp", "headless")


class PageViewMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if is_page(request, response):
            try:
                if not request.user.is_authenticated:
                    note_visitor(request, response)
                elif request.user.has_role(Role.INVESTOR):
                    note_investor(request, response)
            except DatabaseError as error:  # a page is never broken by its own statistics
                log.warning("page view not recorded: %s", error)
        return response


def is_page(request: HttpRequest, response: HttpResponse) -> bool:
    return (
        request.method == "GET"
        and response.status_code == 200
        and response.get("Content-Type", "").startswith("text/html")
        and not request.headers.get("HX-Request")
        and not is_prefetch(request)
        and request.resolver_match is not None
        and bool(request.resolver_match.view_name)
    )


def is_prefetch(request: HttpRequest) -> bool:
    """Whether a browser asks ahead of its reader, who may never open the page."""
    return "prefetch" in request.headers.get("Sec-Purpose", "")


def channel_of(request: HttpRequest) -> str:
    """The browser inside WeChat says so; nothing else of what browsers say is looked at or kept."""
    return "wechat" if "micromessenger" in request.headers.get("User-Agent", "").lower() else "web"


def note_investor(request: HttpRequest, response: HttpResponse) -> None:
    """Record the view; take over what the browser knows of the time before, and let the browser forget it."""
    user: Any = request.user
    match: Any = request.resolver_match
    properties = {name: str(value) for name, value in match.kwargs.items() if name not in SECRET_PARTS}
    is_recorded = record_page_view(user=user, page=match.view_name, properties=properties, channel=channel_of(request))
    investor = getattr(user, "investor", None)
    if investor is None:
        return
    if is_recorded and (anonymous_id := visitor_of(request)):
        join_visitor(investor_id=investor.pk, anonymous_id=anonymous_id)
        response.delete_cookie(VISITOR, samesite="Lax")
    if is_recorded and match.view_name == "fund" and (surface := request.GET.get("via")) in Surface.values:
        note_click(investor_id=investor.pk, code=match.kwargs["code"], surface=surface)
    if CAME_BY in request.COOKIES:
        if visit := _first_visit(request):
            record_acquisition(investor=investor, visit=visit)
        response.delete_cookie(CAME_BY, samesite="Lax")


def note_visitor(request: HttpRequest, response: HttpResponse) -> None:
    """Let the browser remember where it first came from, and record the view under a random id, unless that is not wanted."""
    page = request.resolver_match.view_name  # type: ignore[union-attr]
    agent = request.headers.get("User-Agent", "").lower()
    if page not in PUBLIC_PAGES or any(robot in agent for robot in ROBOTS):
        return
    if CAME_BY not in request.COOKIES:
        visit = FirstVisit.read(request.GET, request.headers.get("Referer", ""), request.get_host().split(":")[0])
        text = quote("|".join(map(str, astuple(visit))))  # a header holds Latin letters only, and a source may have a Chinese name
        response.set_signed_cookie(CAME_BY, text, salt=CAME_BY, **_cookie())
    if not may_record(request):
        return
    anonymous_id = visitor_of(request)
    if anonymous_id is None:
        anonymous_id = str(uuid.uuid4())
        response.set_cookie(VISITOR, anonymous_id, **_cookie())
    if within_limit(request, "pages", PAGES_A_MINUTE):
        record_visitor_page(anonymous_id=anonymous_id, page=page, channel=channel_of(request))


def may_record(request: HttpRequest) -> bool:
    """Whether unknown visitors are recorded here, and this one did not say that they do not want it."""
    return settings.RECORD_VISITORS and request.headers.get("Sec-GPC") != "1" and request.headers.get("DNT") != "1"


def visitor_of(request: HttpRequest) -> str | None:
    """The random id that we gave this browser; what is none of ours counts as none."""
    try:
        return str(uuid.UUID(request.COOKIES.get(VISITOR, "")))
    except ValueError:
        return None


def within_limit(request: HttpRequest, what: str, a_minute: int) -> bool:
    """Whether this address still may write this minute. The address is kept for that minute in the cache alone."""
    try:
        address = get_adapter().get_client_ip(request)
    except PermissionDenied:  # behind a socket without an address
        address = ""
    key = f"visitors:{what}:{address}"
    if cache.add(key, 1, timeout=60):
        return True
    try:
        return bool(cache.incr(key) <= a_minute)
    except ValueError:  # the minute ended in between
        return True


def _first_visit(request: HttpRequest) -> FirstVisit | None:
    try:
        text = request.get_signed_cookie(CAME_BY, salt=CAME_BY, max_age=COOKIE_AGE) or ""
        source, medium, campaign, referrer, at = unquote(text).split("|")
        return FirstVisit(source, medium, campaign, referrer, int(at))
    except (BadSignature, ValueError, TypeError):
        return None


def _cookie() -> dict[str, Any]:
    return {"max_age": COOKIE_AGE, "httponly": True, "samesite": "Lax", "secure": settings.SESSION_COOKIE_SECURE}
