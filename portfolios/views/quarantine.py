"""Histories with a jump nothing explains: what waits, and the decision on it. For staff."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from portfolios.charts import jump_figure
from portfolios.forms.imports import DecisionForm
from portfolios.models import QuarantinedHistory
from portfolios.selectors import imports as selectors
from portfolios.services import QuarantineRefused, accept_quarantined, reject_quarantined

A_PAGE = 25
may_read = permission_required("portfolios.view_quarantinedhistory", raise_exception=True)
may_decide = permission_required("portfolios.change_quarantinedhistory", raise_exception=True)
STATES = QuarantinedHistory.State
SENTENCES = {
    "already_decided": gettext_lazy("Somebody has decided on it already."),
    "reason_missing": gettext_lazy("Say why."),
    "overtaken": gettext_lazy("Later prices of these days took its place."),
}


@login_required
@may_read
@require_safe
def quarantine_list(request: HttpRequest) -> HttpResponse:
    asked = request.GET.get("state", STATES.WAITING)
    state = asked if asked in ("", *STATES.values) else STATES.WAITING
    page = Paginator(selectors.quarantined_shown(state), A_PAGE).get_page(request.GET.get("page"))
    return render(request, "portfolios/quarantine_list_page.html", {"page": page, "state": state, "states": STATES.choices})


@login_required
@may_read
@require_safe
def quarantine(request: HttpRequest, pk: int) -> HttpResponse:
    kept = get_object_or_404(QuarantinedHistory.objects.select_related("fund", "run", "decided_by"), pk=pk)
    page = selectors.quarantine_page(kept)
    may_still = kept.state == STATES.WAITING or (kept.state == STATES.REJECTED and bool(kept.why))
    context = {
        "kept": kept,
        "page": page,
        "is_open": may_still,
        "figure": jump_figure(page.dates, page.nav, [jump.day for jump in page.jumps]),
    }
    return render(request, "portfolios/quarantine_page.html", context | {"form": DecisionForm()})


@login_required
@may_decide
@require_POST
def quarantine_decide(request: HttpRequest, pk: int) -> HttpResponse:
    kept = get_object_or_404(QuarantinedHistory, pk=pk)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Nothing was decided: say why, and choose to accept or to reject."))
        return redirect("market_quarantine", pk=pk)
    try:
        if form.cleaned_data["decision"] == "accept":
            count = accept_quarantined(kept=kept, actor=request.user, why=form.cleaned_data["why"])
            text = _("Accepted: %(new)s new and %(changed)s changed prices are stored.")
            messages.success(request, text % {"new": count.n_new, "changed": count.n_changed})
        else:
            reject_quarantined(kept=kept, actor=request.user, why=form.cleaned_data["why"])
            messages.success(request, _("Rejected. The same jump is not asked about again."))
    except QuarantineRefused as refusal:
        messages.warning(request, str(SENTENCES[refusal.code]))
    return redirect("market_quarantine_list")
