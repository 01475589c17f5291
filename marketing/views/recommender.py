"""The recommender for marketers: what serves, how the last night went, one run's model card, and a training begun by hand."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from marketing.charts_recommender import difference_card, drift_card, funnel_card, group_table, measure_rows, quality_card
from marketing.models import RecommenderRun
from marketing.selectors.recommender_page import Told, check_now, model_card, progress_of, recommender_page, told_run
from marketing.services import request_training
from marketing.views.access import marketers_only

RUNS_A_PAGE = 30
STOP_POLLING = 286  # htmx


def _report_of(shown: Told | None) -> dict[str, Any]:
    """The cards and tables of how good a run's candidates were; nothing of a run without a report."""
    if shown is None:
        return {"cards": [], "measures": [], "groups": None}
    report = shown.report
    cards = [quality_card(report), difference_card(report)]
    return {"cards": [card for card in cards if card], "measures": measure_rows(report), "groups": group_table(report)}


def _filters_of(run: Told | None) -> dict[str, Any]:
    """What the filters did to what a run proposed; a run that was refused proposed nothing to anybody."""
    return {"filtered": run, "funnel": funnel_card(run.report.funnel) if run else None}


@marketers_only
@require_GET
def recommender(request: HttpRequest) -> HttpResponse:
    page = recommender_page(request.user)
    page |= _report_of(page["shown"]) | _filters_of(page["serving"]) | {"drift": drift_card(page["nights"], page["days"])}
    page |= {"is_checked": "check" in request.GET, "check": check_now() if "check" in request.GET else None}
    return render(request, "marketing/recommender_page.html", page)


@marketers_only
@require_GET
def recommender_check(request: HttpRequest) -> HttpResponse:
    """The fragment that counts unsuitable suggestions now; over everybody's, so that the page does not wait for it."""
    return render(request, "marketing/_recommender_check.html", {"check": check_now()})


@marketers_only
@permission_required("marketing.add_recommenderrun", raise_exception=True)
@require_POST
def recommender_train(request: HttpRequest) -> HttpResponse:
    request_training()
    messages.success(request, _("A training is queued. What serves now keeps serving until a better model takes over."))
    return redirect("recommender")


@marketers_only
@require_GET
def recommender_run_list(request: HttpRequest) -> HttpResponse:
    page = Paginator(RecommenderRun.objects.visible_to(request.user).order_by("-pk"), RUNS_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "marketing/recommender_run_list_page.html", {"page_obj": page, "rows": [told_run(run) for run in page]})


@marketers_only
@require_GET
def recommender_run(request: HttpRequest, pk: int) -> HttpResponse:
    page = model_card(_run(request, pk))
    return render(request, "marketing/recommender_run_page.html", page | _report_of(page["one"]) | _filters_of(page["one"]))


@marketers_only
@require_GET
def recommender_run_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """The fragment that polls: 286 ends the polling, and HX-Refresh brings the page up to how the run ended."""
    run = _run(request, pk)
    if run.status in (RecommenderRun.Status.QUEUED, RecommenderRun.Status.RUNNING):
        return render(request, "marketing/_recommender_progress.html", {"progress": progress_of(run)})
    return HttpResponse(status=STOP_POLLING, headers={"HX-Refresh": "true"})


def _run(request: HttpRequest, pk: int) -> RecommenderRun:
    found: RecommenderRun = get_object_or_404(RecommenderRun.objects.visible_to(request.user), pk=pk)
    return found
