"""The funds that an investor follows: their list, and the two buttons of a fund's page. Plain forms: nothing needs JavaScript."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from advisor.errors import Refused
from advisor.models import Investor
from advisor.selectors import investor_of
from advisor.selectors.fund_pages import fund_rows, fund_view
from marketing.selectors.following import followed_funds
from marketing.services.following import follow, unfollow
from marketing.views.access import investors_only
from portfolios.models import Fund

FUNDS_A_PAGE = 25


@investors_only
@never_cache
@require_safe
def followed_fund_list(request: HttpRequest) -> HttpResponse:
    view = fund_view(request.user)
    investor = _known(view.investor)
    page = Paginator(followed_funds(investor), FUNDS_A_PAGE).get_page(request.GET.get("page"))
    followed = list(page)
    rows = list(zip(followed, fund_rows(view, [one.fund for one in followed]), strict=True))
    return render(request, "marketing/followed_funds_page.html", {"page_obj": page, "rows": rows, "view": view})


@investors_only
@require_POST
def fund_follow(request: HttpRequest, code: str) -> HttpResponse:
    fund = _fund(code)
    try:
        follow(investor=_known(investor_of(request.user)), fund=fund)
        messages.success(request, _("You follow %(fund)s.") % {"fund": fund.name or fund.code})
    except Refused as refusal:
        messages.error(request, _sentence(refusal))
    return redirect("fund", code=fund.code)


@investors_only
@require_POST
def fund_unfollow(request: HttpRequest, code: str) -> HttpResponse:
    fund = _fund(code)
    if unfollow(investor=_known(investor_of(request.user)), fund=fund):
        messages.success(request, _("You do not follow %(fund)s any more.") % {"fund": fund.name or fund.code})
    return redirect("followed_fund_list") if "from_list" in request.POST else redirect("fund", code=fund.code)


def _known(investor: Investor | None) -> Investor:
    if investor is None:
        raise PermissionDenied
    return investor


def _fund(code: str) -> Fund:
    return get_object_or_404(Fund, code=code.replace("\x00", ""))  # which PostgreSQL refuses to look for


def _sentence(refusal: Refused) -> str:
    if refusal.code == "fund_ended":
        return _("This fund was wound up: there is nothing left to follow.")
    return _("You follow %(most)s funds already, which is the most. Stop following one, then follow this one.") % refusal.params
