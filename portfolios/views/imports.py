"""Imports: the list, the upload, one import with its progress, notes and error report. For staff."""

import csv
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.decorators import login_required, permission_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from portfolios.forms.imports import ImportForm
from portfolios.models import ImportRun
from portfolios.selectors import import_problem
from portfolios.selectors import imports as selectors
from portfolios.views.polling import progress

A_PAGE = 25
may_read = permission_required("portfolios.view_importrun", raise_exception=True)
may_add = permission_required("portfolios.add_importrun", raise_exception=True)


@login_required
@may_read
@require_safe
def import_list(request: HttpRequest) -> HttpResponse:
    page = Paginator(selectors.imports_shown(), A_PAGE).get_page(request.GET.get("page"))
    may_judge = request.user.has_perm("portfolios.view_quarantinedhistory")
    return render(request, "portfolios/import_list_page.html", {"page": page, "n_waiting": selectors.n_waiting() if may_judge else 0})


@login_required
@may_add
@require_http_methods(["GET", "HEAD", "POST"])
def import_new(request: HttpRequest) -> HttpResponse:
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    if request.method == "POST" and form.is_valid():
        run = form.request(request.user)
        if run is not None:
            return redirect("market_import", pk=run.pk)
    return render(request, "portfolios/import_new_page.html", {"form": form})


@login_required
@may_read
@require_safe
def import_run(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(ImportRun.objects.select_related("requested_by"), pk=pk)
    context: dict[str, Any] = {"run": run, "is_working": selectors.is_import_at_work(run), "problem": import_problem(run.error)}
    if not context["is_working"]:
        issues = Paginator(selectors.issues_shown(run), A_PAGE).get_page(request.GET.get("page"))
        context |= {
            "reasons": selectors.reason_counts(run),
            "issues": issues,
            "issue_rows": selectors.with_sentences(issues),
            "notes": Paginator(selectors.notes_shown(run), A_PAGE).get_page(request.GET.get("notes")),
            "n_quarantined": run.quarantined.count(),
        }
    return render(request, "portfolios/import_page.html", context)


@login_required
@may_read
@require_safe
def import_progress(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(selectors.imports_shown(), pk=pk)
    return progress(request, "portfolios/_import_progress.html", {"run": run}, is_at_work=selectors.is_import_at_work(run))


class _Line:
    """What csv.writer writes to, handing each line on."""

    def write(self, line: str) -> str:
        return line


@login_required
@may_read
@require_safe
def import_issues(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Every row that was not stored, as a CSV file that spreadsheets open in UTF-8."""
    run = get_object_or_404(ImportRun.objects.only("pk"), pk=pk)
    writer = csv.writer(_Line())

    def lines() -> Iterator[str]:
        yield "\ufeff"
        for cells in selectors.issue_lines(run):
            yield writer.writerow(cells)

    name = f'attachment; filename="import-{pk}-rows.csv"'
    return StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8", headers={"Content-Disposition": name})
