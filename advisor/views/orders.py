"""A person's own orders, each with its four steps."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from advisor.selectors.own_orders import own_orders
from advisor.selectors.purchases import waiting_purchases
from portfolios.selectors import steps_of, why_not

ORDERS_A_PAGE = 20


@login_required
@require_safe
def order_list(request: HttpRequest) -> HttpResponse:
    page = Paginator(own_orders(request.user), ORDERS_A_PAGE).get_page(request.GET.get("page"))
    rows = [{"order": order, "steps": steps_of(order), "why_not": why_not(order)} for order in page]
    context = {"page_obj": page, "rows": rows, "confirms_at_once": settings.PAPER_CONFIRMS_AT_ONCE}
    context["purchases"] = waiting_purchases(request.user) if page.number == 1 else []
    return render(request, "advisor/order_list_page.html", context)
