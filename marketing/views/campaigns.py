"""Campaigns: written, looked at dry, launched, watched, paused, resumed, cancelled."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from config.jobs import ring
from marketing.forms import CampaignForm, WhyForm
from marketing.models import Campaign
from marketing.selectors.campaigns import campaign_page, campaigns_of, draft_values, launch_page, ledger_counts, progress
from marketing.services import cancel_campaign, change_draft, launch_campaign, pause_campaign, resume_campaign, write_draft
from marketing.tasks import launch_campaign_task, ring_sender
from marketing.views.access import marketers_only


def _own(request: HttpRequest, pk: int) -> Campaign:
    found: Campaign = get_object_or_404(campaigns_of(request.user), pk=pk)
    return found


@marketers_only
@require_GET
def campaign_list(request: HttpRequest) -> HttpResponse:
    page = Paginator(campaigns_of(request.user), 50).get_page(request.GET.get("page"))
    counts = ledger_counts(page.object_list)
    return render(
        request,
        "marketing/campaign_list_page.html",
        {"page_obj": page, "rows": [(one, counts.get(one.pk, {})) for one in page.object_list]},
    )


@marketers_only
@require_GET
def campaign(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "marketing/campaign_page.html", campaign_page(_own(request, pk)))


@marketers_only
@require_http_methods(["GET", "HEAD", "POST"])
def campaign_new(request: HttpRequest) -> HttpResponse:
    form = CampaignForm(request.POST or None, user=request.user, initial={"segment": request.GET.get("segment"), "channels": ["inbox"]})
    if request.method == "POST" and form.is_valid():
        made = write_draft(draft=form.as_draft(), author=request.user, form_key=form.cleaned_data["form_key"])
        return redirect("campaign", made.pk)
    return render(request, "marketing/campaign_form_page.html", {"form": form}, status=422 if form.errors else 200)


@marketers_only
@require_http_methods(["GET", "HEAD", "POST"])
def campaign_edit(request: HttpRequest, pk: int) -> HttpResponse:
    found = _own(request, pk)
    form = CampaignForm(request.POST or None, user=request.user, initial=draft_values(found))
    if request.method == "POST" and form.is_valid():
        try:
            change_draft(campaign_id=pk, draft=form.as_draft())
        except ValidationError as error:
            messages.error(request, error.messages[0])
        return redirect("campaign", pk)
    return render(request, "marketing/campaign_form_page.html", {"form": form, "campaign": found}, status=422 if form.errors else 200)


@marketers_only
@require_http_methods(["GET", "HEAD", "POST"])
def campaign_launch(request: HttpRequest, pk: int) -> HttpResponse:
    found = _own(request, pk)
    if request.method != "POST":
        if found.state != Campaign.State.DRAFT:
            return redirect("campaign", pk)
        return render(request, "marketing/campaign_launch_page.html", launch_page(found))
    try:
        if launch_campaign(campaign_id=pk, actor=request.user):
            ring(launch_campaign_task, pk)
        else:
            messages.info(request, _("This campaign had been launched or cancelled already. Nothing has changed."))
    except ValidationError as error:
        messages.error(request, error.messages[0])
    return redirect("campaign", pk)


def _move(request: HttpRequest, pk: int, service: Callable[..., bool], **fields: Any) -> HttpResponse:
    _own(request, pk)
    if not service(campaign_id=pk, actor=request.user, **fields):
        messages.info(request, _("The campaign was in another state by then. Nothing has changed."))
    return redirect("campaign", pk)


def _why(request: HttpRequest) -> str:
    form = WhyForm(request.POST)
    return form.cleaned_data["why"] if form.is_valid() else request.POST.get("why", "").replace("\0", "")[:300]


@marketers_only
@require_POST
def campaign_pause(request: HttpRequest, pk: int) -> HttpResponse:
    return _move(request, pk, pause_campaign, why=_why(request))


@marketers_only
@require_POST
def campaign_resume(request: HttpRequest, pk: int) -> HttpResponse:
    response = _move(request, pk, resume_campaign)
    ring(launch_campaign_task, pk)
    ring_sender(pk)
    return response


@marketers_only
@require_POST
def campaign_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    return _move(request, pk, cancel_campaign, why=_why(request))


@marketers_only
@require_GET
def campaign_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """The fragment that polls: 286 ends the polling, HX-Refresh brings the whole page up to a new state."""
    found = _own(request, pk)
    now = progress(found)
    response = render(
        request, "marketing/_campaign_progress.html", {"campaign": found, "progress": now}, status=286 if now.is_ended else 200
    )
    if request.GET.get("state", found.state) != found.state:
        response["HX-Refresh"] = "true"
    return response
