"""What a marketer sees first, and the metrics behind it: everybody's, or a segment's by ?segment=."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from marketing.ask_forms import AlertForm
from marketing.catalogue.metrics import metrics
from marketing.home_cards import home_cards, metric_card, tiles_by_group
from marketing.models import MetricAlert, Segment
from marketing.selectors.home import campaigns_awaiting, frequency_words, home_of, open_alerts
from marketing.selectors.metric_words import alert_row
from marketing.services.metrics import acknowledge_alert, overview_day, stop_alert, work_out_day, write_alert
from marketing.views.access import marketers_only


def picked_segment(request: HttpRequest) -> Segment | None:
    """The segment that the address names; one that is gone is said to be, and everybody is shown."""
    wanted = (request.POST if request.method == "POST" else request.GET).get("segment", "")
    if not wanted:
        return None
    is_key = wanted.isascii() and wanted.isdecimal() and len(wanted) < 19
    found = Segment.objects.visible_to(request.user).filter(pk=int(wanted)).first() if is_key else None
    if found is None:
        messages.info(request, _("That segment no longer exists. Everybody is shown."))
    return found


def _at(name: str, segment: Segment | None, *args: Any) -> HttpResponse:
    return redirect(reverse(name, args=args) + (f"?segment={segment.pk}" if segment else ""))


@marketers_only
@require_GET
def marketing_home(request: HttpRequest) -> HttpResponse:
    segment = picked_segment(request)
    day = overview_day(segment=segment)
    if day is None:
        messages.error(request, _("The segment's rule can no longer be read. Everybody is shown."))
        segment, day = None, overview_day(segment=None)
    page: dict[str, Any] = {"segment": segment, "segments": Segment.objects.visible_to(request.user), "home": home_of(day) if day else None}
    page["cards"] = home_cards(page["home"]) if day else []
    page["alerts"] = [alert_row(alert) for alert in open_alerts(request.user)]
    page |= campaigns_awaiting(request.user) | {"groups": tiles_by_group(segment), "frequencies": frequency_words()}
    return render(request, "marketing/home_page.html", page)


@marketers_only
@require_POST
def overview_refresh(request: HttpRequest) -> HttpResponse:
    segment = picked_segment(request)
    if not work_out_day(segment=segment):
        messages.error(request, _("The segment's rule can no longer be read. Look at the segment first."))
    return _at("marketing_home", segment)


@marketers_only
@require_GET
def metric(request: HttpRequest, metric: str) -> HttpResponse:
    if metric not in metrics():
        raise Http404
    return _metric_page(request, metric, AlertForm())


def _metric_page(request: HttpRequest, code: str, form: AlertForm) -> HttpResponse:
    segment = picked_segment(request)
    alerts = MetricAlert.objects.visible_to(request.user).filter(metric=code, segment=segment).select_related("segment")
    page: dict[str, Any] = {"metric": metrics()[code], "segment": segment, "form": form, "card": metric_card(code, segment)}
    page["segments"] = Segment.objects.visible_to(request.user)
    page["alerts"] = [(alert_row(alert), alert.events.select_related("actor")[:10]) for alert in alerts[:20]]
    return render(request, "marketing/metric_page.html", page, status=422 if form.errors else 200)


@marketers_only
@require_POST
def metric_alert_new(request: HttpRequest, metric: str) -> HttpResponse:
    if metric not in metrics():
        raise Http404
    form, segment = AlertForm(request.POST), picked_segment(request)
    if not form.is_valid() or (request.POST.get("segment") and segment is None):
        return _metric_page(request, metric, form)
    try:
        write_alert(metric=metric, segment=segment, kind=form.cleaned_data["kind"], limit=form.limit_for(metric), author=request.user)
        messages.success(request, _("It is looked at every night from now on."))
    except ValidationError as error:
        messages.error(request, error.messages[0])
    return _at("metric", segment, metric)


@marketers_only
@require_POST
def metric_alert_seen(request: HttpRequest, pk: int) -> HttpResponse:
    get_object_or_404(MetricAlert.objects.visible_to(request.user), pk=pk)
    acknowledge_alert(alert_id=pk, actor=request.user)
    return redirect("marketing_home")


@marketers_only
@require_POST
def metric_alert_stop(request: HttpRequest, pk: int) -> HttpResponse:
    alert = get_object_or_404(MetricAlert.objects.visible_to(request.user).select_related("segment"), pk=pk)
    stop_alert(alert_id=pk)
    messages.success(request, _("It is no longer looked at."))
    return _at("metric", alert.segment, alert.metric) if alert.metric in metrics() else redirect("marketing_home")
