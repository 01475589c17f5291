"""The page that says who sleeps, how that is decided, and how well it was foretold."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from marketing.charts_dormancy import bin_label, calibration_figure, tracking_figure
from marketing.selectors.dormancy_page import dormancy_page
from marketing.views.access import marketers_only


@marketers_only
@require_GET
def dormancy(request: HttpRequest) -> HttpResponse:
    page = dormancy_page()
    shown = page["shown"]
    if shown is not None and shown.bins:
        page["bins"] = [(bin_label(one), one) for one in shown.bins]
        page["calibration_figure"] = calibration_figure(shown.bins)
        page["tracking_figure"] = tracking_figure(shown.tracking, shown.fit.report["calibration_week"])
        page["tracking_rows"] = shown.tracking[3::4]
    return render(request, "marketing/dormancy_page.html", page)
