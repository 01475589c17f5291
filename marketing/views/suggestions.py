"""Suggestions on the investor's home and beside a fund, their page, and what somebody does not want to see again.

The slots are parts of a page that htmx fetches; the same addresses opened by a link are pages, so that nothing needs JavaScript.
"""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from advisor.models import Investor
from advisor.selectors import investor_of
from identity import elder
from marketing.middleware import is_prefetch
from marketing.models import Surface
from marketing.selectors.suggestions import ShownSuggestion, declined_funds, suggestions_beside, suggestions_to_show
from marketing.services.suggestions import decline, note_impressions, take_back
from marketing.views.access import investors_only
from portfolios.models import Fund

ON_A_PAGE, BESIDE = 3, 2


def _own(request: HttpRequest) -> Investor:
    investor = investor_of(request.user)
    if investor is None:
        raise PermissionDenied
    return investor


@investors_only
@never_cache
@require_safe
def suggestions_slot(request: HttpRequest) -> HttpResponse:
    investor = _own(request)
    is_part = _is_part(request)
    surface = Surface.HOME if is_part else Surface.PAGE
    shown = suggestions_to_show(investor, n=1 if is_part or elder.is_on(request) else ON_A_PAGE)
    _note(request, investor, shown, surface)
    context: dict[str, Any] = {"suggestions": shown, "surface": surface.value}
    if is_part:
        return _varied(render(request, "marketing/_suggestions_slot.html", context))
    context |= {"investor": investor, "declined": declined_funds(investor)}
    return _varied(render(request, "marketing/suggestions_page.html", context))


@investors_only
@never_cache
@require_safe
def fund_suggestions_slot(request: HttpRequest, code: str) -> HttpResponse:
    investor = _own(request)
    fund = get_object_or_404(Fund, code=code.replace("\x00", ""))  # which PostgreSQL refuses to look for
    shown = suggestions_beside(investor, fund, n=BESIDE)
    _note(request, investor, shown, Surface.FUND)
    context = {"suggestions": shown, "surface": Surface.FUND.value, "fund": fund}
    template = "_fund_suggestions_slot" if _is_part(request) else "fund_suggestions_page"
    return _varied(render(request, f"marketing/{template}.html", context))


@investors_only
@require_POST
def suggestion_decline(request: HttpRequest, code: str) -> HttpResponse:
    fund = get_object_or_404(Fund, code=code.replace("\x00", ""))
    decline(investor=_own(request), fund=fund)
    messages.success(request, _("%(fund)s is not suggested to you any more. You can take that back below.") % {"fund": fund.name})
    return redirect("suggestions_slot")


@investors_only
@require_POST
def suggestion_take_back(request: HttpRequest, code: str) -> HttpResponse:
    fund = get_object_or_404(Fund, code=code.replace("\x00", ""))
    if take_back(investor=_own(request), fund=fund):
        messages.success(request, _("%(fund)s may be suggested to you again.") % {"fund": fund.name})
    return redirect("suggestions_slot")


def _is_part(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def _varied(response: HttpResponse) -> HttpResponse:
    patch_vary_headers(response, ["HX-Request"])
    return response


def _note(request: HttpRequest, investor: Investor, shown: list[ShownSuggestion], surface: Surface) -> None:
    if request.method == "GET" and shown and not is_prefetch(request):
        note_impressions(investor=investor, shown=shown, surface=surface)
