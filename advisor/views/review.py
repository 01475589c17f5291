"""The nightly review as the advisors' site shows it."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from advisor.selectors.readvice import ATTENTION, progress_of, review_page, runs_of

STOP_POLLING = 286


@require_safe
def review(request: HttpRequest) -> HttpResponse:
    asked, number = request.GET.get("reason", ""), request.GET.get("page", "")
    reason = asked if asked in ATTENTION else ""
    shown = review_page(request.user, reason, int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1)
    context: dict[str, Any] = {
        "review": shown,
        "run": shown.run,
        "progress": shown.progress,
        "reason": reason,
    }
    return render(request, "advisor/site/review_page.html", context)


@require_safe
def review_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """A fragment polled while the workers are at it; 286 ends the polling and the page is fetched anew."""
    run = get_object_or_404(runs_of(request.user), pk=pk)
    if run.finished_at is not None:
        return HttpResponse(status=STOP_POLLING, headers={"HX-Refresh": "true"})
    return render(request, "advisor/site/_review_progress.html", {"run": run, "progress": progress_of(run)})
