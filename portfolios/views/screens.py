"""Screens of the market: the list, the request, a run with the rows of all funds, one fund's row, two runs compared, the file."""

from datetime import date

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from config.jobs import Job
from portfolios.forms.screens import RowsForm, ScreenForm
from portfolios.kernels.errors import DataError
from portfolios.models import ScreenRow, ScreenRun
from portfolios.selectors import error_sentence, pool_fund_ids
from portfolios.selectors import screen_changes as changes
from portfolios.selectors import screens as selectors
from portfolios.selectors.screen_words import screen_rules
from portfolios.services import request_screen
from portfolios.views.files import csv_file
from portfolios.views.polling import progress

A_PAGE = 25
ROWS_A_PAGE = 50
may_read = permission_required("portfolios.view_screenrun", raise_exception=True)
may_ask = permission_required("portfolios.add_screenrun", raise_exception=True)


def _is_working(run: ScreenRun) -> bool:
    return run.status in (Job.Status.QUEUED, Job.Status.RUNNING)


@login_required
@may_read
@require_safe
def screen_list(request: HttpRequest) -> HttpResponse:
    page = Paginator(selectors.screen_runs(), A_PAGE).get_page(request.GET.get("page"))
    return render(request, "portfolios/screen_list_page.html", {"page": page})


@login_required
@may_ask
@require_http_methods(["GET", "HEAD", "POST"])
def screen_new(request: HttpRequest) -> HttpResponse:
    form = ScreenForm(request.POST) if request.method == "POST" else ScreenForm()
    if request.method == "POST" and form.is_valid():
        day: date = form.cleaned_data["data_date"]
        try:
            return redirect("market_screen", pk=request_screen(data_date=day, actor=request.user).pk)
        except DataError as error:
            form.add_error("data_date", error_sentence(error.code, error.params))
    return render(request, "portfolios/screen_new_page.html", {"form": form})


@login_required
@may_read
@require_safe
def screen(request: HttpRequest, pk: int) -> HttpResponse:
    """A run: its counts, and the rows that the filters leave."""
    run = get_object_or_404(ScreenRun.objects.select_related("requested_by"), pk=pk)
    if run.status != Job.Status.DONE:
        problem = error_sentence(run.error["code"], run.error.get("params", run.error)) if run.error else ""
        return render(request, "portfolios/screen_page.html", {"run": run, "is_working": _is_working(run), "problem": problem})
    form = RowsForm(request.GET)
    page = Paginator(selectors.find_rows(run, form.query()), ROWS_A_PAGE).get_page(request.GET.get("page"))
    rules = screen_rules(run)
    rows = [selectors.fund_verdict(row, rules) for row in page]
    context = {"run": run, "summary": selectors.screen_summary(run), "form": form, "page": page, "rows": rows, "rules": rules}
    return render(request, "portfolios/screen_page.html", context)


@login_required
@may_read
@require_safe
def screen_progress(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(ScreenRun.objects.defer("versions"), pk=pk)
    return progress(request, "portfolios/_screen_progress.html", {"run": run}, is_at_work=_is_working(run))


@login_required
@may_read
@require_safe
def screen_fund(request: HttpRequest, pk: int, code: str) -> HttpResponse:
    """What a run found of one fund: each gate and sub-score, its rank, and why it is in or out."""
    code = code.replace("\x00", "")  # PostgreSQL takes no NUL
    row = get_object_or_404(ScreenRow.objects.select_related("fund", "run").filter(run__status=Job.Status.DONE), run=pk, fund__code=code)
    context = {
        "run": row.run,
        "one": selectors.fund_verdict(row, screen_rules(row.run)),
        "is_in_pool": bool(pool_fund_ids([row.fund_id])),
        "is_current": row.run.pools.filter(is_current=True).exists(),
    }
    return render(request, "portfolios/screen_fund_page.html", context)


@login_required
@may_read
@require_safe
def screen_compare(request: HttpRequest, pk: int) -> HttpResponse:
    after = get_object_or_404(ScreenRun.objects.filter(status=Job.Status.DONE), pk=pk)
    before = changes.run_to_compare(after, request.GET.get("with", ""))
    if before is None and request.GET.get("with"):
        raise Http404
    if before is None:
        messages.info(request, _("There is no other finished screen to compare with."))
        return redirect("market_screen", pk=pk)
    found = changes.changes_between(before, after)
    kind = next((one for one in changes.KINDS if one == request.GET.get("show")), changes.KINDS[0])
    page = Paginator(found.of(kind), A_PAGE).get_page(request.GET.get("page"))
    kinds = [(one, len(found.of(one))) for one in changes.KINDS]
    context = {"changes": found, "kind": kind, "kinds": kinds, "page": page, "rows": changes.changed_funds(found, list(page))}
    others = selectors.screen_runs().filter(status=Job.Status.DONE).exclude(pk=pk)[:A_PAGE]
    return render(request, "portfolios/screen_compare_page.html", context | {"others": others})


@login_required
@may_read
@require_safe
def screen_csv(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Every fund of a run as a file."""
    run = get_object_or_404(ScreenRun.objects.filter(status=Job.Status.DONE), pk=pk)
    return csv_file(f"screen-{run.data_date}-{pk}.csv", selectors.EXPORT_COLUMNS, selectors.export_rows(run))
