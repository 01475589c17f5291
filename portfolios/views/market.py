"""The first page of the market: what needs a decision, how fresh the data are, what advice rests on. For staff."""

from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portfolios.selectors.market_home import market_home


@login_required
@permission_required("portfolios.view_pool", raise_exception=True)
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "portfolios/market_home_page.html", {"home": market_home()})
