"""One goal: what it holds, its orders and proposals, and the request for a new proposal."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from advisor import rules, selectors, services
from advisor.errors import Refused
from advisor.models import Goal
from advisor.selectors.results import pot_of


def _visible(request: HttpRequest, pk: int) -> Goal:
    return get_object_or_404(Goal.objects.visible_to(request.user).select_related("account__investor__user", "portfolio"), pk=pk)


def _may_ask(request: HttpRequest, goal: Goal) -> bool:
    """The investor asks for their own goal, an advisor for a client's."""
    investor = goal.account.investor
    return investor.user_id == request.user.pk or rules.may_advise(request.user, investor)


@login_required
@require_safe
def goal(request: HttpRequest, pk: int) -> HttpResponse:
    row = _visible(request, pk)
    context = {
        "page": selectors.goal_page(row),
        "goal": row,
        "pot": pot_of(row),
        "may_ask": _may_ask(request, row) and row.account.investor.has_valid_level(),
        "is_own": row.account.investor.user_id == request.user.pk,
    }
    return render(request, "advisor/goal_page.html", context)


@login_required
@require_POST
def proposal_new(request: HttpRequest, pk: int) -> HttpResponse:
    row = _visible(request, pk)
    if not _may_ask(request, row):
        raise PermissionDenied
    try:
        made = services.request_proposal(goal=row, actor=request.user)
    except Refused as refusal:
        messages.warning(request, selectors.sentence(refusal.code, refusal.params))
        return redirect("goal", pk=pk)
    return redirect("proposal", pk=made.pk)
