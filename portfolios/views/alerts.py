"""What the daily watch found and how grades changed, for staff. Funds and numbers only: whose money it is stands elsewhere."""

from django.contrib.auth.decorators import login_required, permission_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portfolios.selectors import alerts as alert_selectors
from portfolios.selectors import grades as grade_selectors

A_PAGE = 25


@login_required
@permission_required("portfolios.view_marketalert", raise_exception=True)
@require_safe
def alert_list(request: HttpRequest) -> HttpResponse:
    kinds = alert_selectors.kind_counts()
    kind = request.GET.get("kind", "")
    page = Paginator(alert_selectors.open_alerts(kind), A_PAGE).get_page(request.GET.get("page"))
    rows = alert_selectors.alert_rows(list(page.object_list))
    context = {"page": page, "rows": rows, "kinds": kinds, "kind": kind, "n_open": sum(one.n for one in kinds)}
    return render(request, "portfolios/alert_list_page.html", context)


@login_required
@permission_required("portfolios.view_gradechange", raise_exception=True)
@require_safe
def grade_list(request: HttpRequest) -> HttpResponse:
    direction = request.GET.get("direction", "")
    page = Paginator(grade_selectors.grade_changes(direction), A_PAGE).get_page(request.GET.get("page"))
    rows = grade_selectors.grade_rows(list(page.object_list))
    context = {"page": page, "rows": rows, "direction": direction, "directions": grade_selectors.DIRECTIONS.items()}
    return render(request, "portfolios/grade_list_page.html", context)
