"""Backtests: the list, the request, the report and its file. For staff; never a page of an investor."""

import csv
from typing import Any

from django.contrib.auth.decorators import login_required, permission_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from portfolios.forms.backtests import BacktestForm
from portfolios.kernels.errors import DataError
from portfolios.models import Backtest
from portfolios.selectors import backtests as selectors
from portfolios.services import request_backtest
from portfolios.views.backtest_report import report_context
from portfolios.views.polling import progress

A_PAGE = 25
may_read = permission_required("portfolios.view_backtest", raise_exception=True)
may_ask = permission_required("portfolios.add_backtest", raise_exception=True)


@login_required
@may_read
@require_safe
def backtest_list(request: HttpRequest) -> HttpResponse:
    page = Paginator(selectors.backtests_shown(), A_PAGE).get_page(request.GET.get("page"))
    return render(request, "portfolios/backtest_list_page.html", {"page": page})


@login_required
@may_ask
@require_http_methods(["GET", "HEAD", "POST"])
def backtest_new(request: HttpRequest) -> HttpResponse:
    form = BacktestForm(request.POST) if request.method == "POST" else BacktestForm(initial=selectors.first_inputs())
    if request.method == "POST" and form.is_valid():
        try:
            backtest = request_backtest(name=form.cleaned_data["name"], inputs=form.inputs(), actor=request.user)
            return redirect("market_backtest", pk=backtest.pk)
        except DataError as error:
            form.refuse(error)
    return render(request, "portfolios/backtest_new_page.html", {"form": form})


@login_required
@may_read
@require_safe
def backtest(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Backtest, pk=pk)
    context: dict[str, Any] = {"backtest": row, "is_working": selectors.is_at_work(row)}
    if row.result is not None:
        context |= report_context(selectors.report_of(row), request.GET.get("level", ""))
    elif not context["is_working"]:
        context["problem"] = selectors.problem_of_backtest(row)
    return render(request, "portfolios/backtest_page.html", context)


@login_required
@may_read
@require_safe
def backtest_progress(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(selectors.backtests_shown(), pk=pk)
    return progress(request, "portfolios/_backtest_progress.html", {"backtest": row}, is_at_work=selectors.is_at_work(row))


@login_required
@may_read
@require_safe
def backtest_csv(request: HttpRequest, pk: int) -> HttpResponse:
    """The paths as a file: a row a day that is kept, growth of 1 and drawdown a strategy."""
    row = get_object_or_404(Backtest.objects.filter(result__isnull=False), pk=pk)
    response = HttpResponse(
        content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="backtest-{pk}.csv"'}
    )
    response.write("\ufeff")
    csv.writer(response).writerows(selectors.file_rows(selectors.report_of(row)))
    return response
