"""One proposal: while it is worked out, what it says, and the step that accepts it."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from advisor import selectors, services
from advisor.errors import Refused
from advisor.models import Proposal
from advisor.selectors.results import pot_of

STOP_POLLING = 286
ASKING_HELPS = {"level_fell", "assessed_again", "goal_funded", "cash_changed", "fund_not_suitable"}


def _visible_rows(request: HttpRequest) -> QuerySet[Proposal]:
    return Proposal.objects.visible_to(request.user).select_related("goal__account__investor__user")


def _visible(request: HttpRequest, pk: int) -> Proposal:
    return get_object_or_404(_visible_rows(request), pk=pk)


def _why_not(proposal: Proposal, user: Any) -> dict[str, Any]:
    """Why this person cannot accept it now, and whether a new proposal would help; empty when they can."""
    try:
        services.check_acceptable(proposal, user)
    except Refused as refusal:
        if refusal.code == "not_acknowledged":
            return {}  # accepting begins with the explanation
        return {"why_not": selectors.sentence(refusal.code, refusal.params), "asking_helps": refusal.code in ASKING_HELPS}
    return {}


@login_required
@require_safe
def proposal(request: HttpRequest, pk: int) -> HttpResponse:
    row = _visible(request, pk)
    context: dict[str, Any] = {"proposal": row, "is_own": row.goal.account.investor.user_id == request.user.pk}
    if selectors.is_working(row):
        return render(request, "advisor/proposal_page.html", context | {"is_working": True})
    if row.result is None:
        return render(request, "advisor/proposal_page.html", context | {"problem": selectors.problem_of(row)})
    context["page"] = selectors.proposal_page(row, with_method=selectors.may_see_method(request.user, row))
    if row.state == Proposal.State.READY and context["is_own"]:
        context |= _why_not(row, request.user)
    return render(request, "advisor/proposal_page.html", context)


@login_required
@require_safe
def proposal_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """A fragment polled while the worker is at it; 286 ends the polling and the page is fetched anew."""
    row = _visible(request, pk)
    if selectors.is_working(row):
        return render(request, "advisor/_proposal_progress.html", {"proposal": row})
    return HttpResponse(status=STOP_POLLING, headers={"HX-Refresh": "true"})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def proposal_accept(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(_visible_rows(request), pk=pk, goal__account__investor__user=request.user)
    try:
        if request.method == "POST":
            services.accept_proposal(proposal=row, actor=request.user, seen_sha256=request.POST.get("inputs_sha256", ""))
            messages.success(request, _("Accepted. The orders are placed; here you can follow them."))
            return redirect("goal", pk=row.goal_id)
        funds = services.check_acceptable(row, request.user)
    except Refused as refusal:
        if refusal.code == "not_acknowledged":
            return redirect("proposal_warning", pk=pk)
        messages.warning(request, selectors.sentence(refusal.code, refusal.params))
        return redirect("proposal", pk=pk)
    context = {"proposal": row, "orders": selectors.planned_orders(row, funds, timezone.now()), "pot": pot_of(row.goal)}
    return render(request, "advisor/proposal_accept_page.html", context)
