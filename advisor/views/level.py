"""Somebody's own level: what it is and why, the answers to keep, and a change in life to tell."""

import csv
import io
import json

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from advisor import services
from advisor.forms.onboarding import LifeEventForm
from advisor.models import Assessment
from advisor.selectors import investor_of
from advisor.selectors.answer_files import answers_as_json, answers_as_rows
from advisor.selectors.level_news import level_news
from advisor.selectors.results import result_page
from advisor.views.onboarding import own_page


@require_safe
@own_page
def result(request: HttpRequest) -> HttpResponse:
    page = result_page(request.user)
    if page is None:
        return redirect("onboarding")
    return render(request, "advisor/result_page.html", {"page": page, "news": level_news(page.assessment.investor)})


@require_http_methods(["GET", "HEAD", "POST"])
@own_page
def life_event(request: HttpRequest) -> HttpResponse:
    investor = investor_of(request.user)
    if investor is None or investor.level is None:
        return redirect("onboarding")
    form = LifeEventForm(request.POST if request.method == "POST" else None)
    if not form.is_bound or not form.is_valid():
        return render(request, "advisor/life_event_page.html", {"form": form})
    services.report_life_event(investor=investor, what=form.cleaned_data["what"], actor=request.user)
    messages.success(request, _("Thank you. It is noted; answer the questionnaire again when it suits you."))
    return redirect("onboarding_result")


def _completed(request: HttpRequest, pk: int) -> Assessment:
    rows = Assessment.objects.visible_to(request.user).filter(state=Assessment.State.COMPLETED).select_related("investor")
    return get_object_or_404(rows, pk=pk)


def _file(text: str, name: str, content_type: str) -> HttpResponse:
    headers = {"Content-Disposition": content_disposition_header(True, name) or "attachment"}
    return HttpResponse(text, content_type=content_type, headers=headers)


@login_required
@require_safe
def assessment_json(request: HttpRequest, pk: int) -> HttpResponse:
    row = _completed(request, pk)
    text = json.dumps(answers_as_json(row), ensure_ascii=False, indent=2)
    return _file(text, f"{_file_name(row)}.json", "application/json; charset=utf-8")


@login_required
@require_safe
def assessment_csv(request: HttpRequest, pk: int) -> HttpResponse:
    """A table that spreadsheets open as UTF-8. Every text in it is the questionnaire's own."""
    row, written = _completed(request, pk), io.StringIO()
    csv.writer(written).writerows(answers_as_rows(row))
    return _file(f"\ufeff{written.getvalue()}", f"{_file_name(row)}.csv", "text/csv; charset=utf-8")


def _file_name(row: Assessment) -> str:
    return _("Hengtou answers %(day)s") % {"day": f"{timezone.localdate(row.completed_at):%Y-%m-%d}"}
