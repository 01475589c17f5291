"""An override: typed, priced, and only then saved."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from advisor import rules
from advisor.errors import Refused
from advisor.forms.overrides import MAX_FUNDS, AllocationForm, ReasonForm, hundredths, sentence, share_out
from advisor.models import Goal, Override, Proposal
from advisor.selectors.overrides import active_overrides, allocation_rows, latest_proposal, offered_funds, price_sha
from advisor.selectors.suitability import level_for_goal
from advisor.services import check_fund, check_override, make_override, withdraw_override
from advisor.views.book import query_string, read_query
from advisor.views.clients import client_address


@require_http_methods(["GET", "HEAD", "POST"])
def override(request: HttpRequest, pk: int) -> HttpResponse:
    rows = Goal.objects.visible_to(request.user).exclude(account__investor__user=request.user.pk)
    goal = get_object_or_404(rows.select_related("account__investor__user"), pk=pk)
    may_act = rules.may_override(request.user, goal.account.investor)
    if request.method == "POST" and not may_act:
        raise PermissionDenied
    proposal = latest_proposal(goal)
    if request.method != "POST" or proposal is None:
        form = first_form(goal, proposal) if proposal else None
        return show_override(request, goal, proposal, {"form": form, "may_act": may_act})
    form = AllocationForm(AllocationForm.posted_codes(request.POST), request.POST)
    changes: dict[str, Any] = {"form": form, "may_act": may_act}
    if form.is_valid():
        step = STEPS.get(request.POST.get("step", ""), preview)
        try:
            changes |= step(request, goal, form)
        except Refused as refused:
            form.add_error(None, sentence(refused))
    if changes.get("saved"):
        return redirect(client_address(request, goal.account.investor_id, f"#goal-{goal.pk}"))
    return show_override(request, goal, proposal, changes)


def first_form(goal: Goal, proposal: Proposal) -> AllocationForm:
    """What the form begins with: the override in force, or else the proposal."""
    in_force = active_overrides().filter(goal=goal).first()
    weights = hundredths(in_force.weights if in_force else (proposal.result or {})["weights"])
    return AllocationForm(weights, initial={f"weight_{code}": share for code, share in weights.items()})


def add_fund(request: HttpRequest, goal: Goal, form: AllocationForm) -> dict[str, Any]:
    """Put one more fund into the list, with no weight yet. The gate is asked when the allocation is priced."""
    code, percents = form.cleaned_data["add"].strip(), form.percents
    if code in percents:
        raise Refused("already_listed", code=code)
    if len(percents) >= MAX_FUNDS:
        raise Refused("too_many_funds", most=MAX_FUNDS)
    check_fund(goal=goal, code=code)
    return {"form": form.changed_to(percents | {code: Decimal(0)})}


def share(request: HttpRequest, goal: Goal, form: AllocationForm) -> dict[str, Any]:
    return {"form": form.changed_to(share_out(form.percents, form.kept))}


def preview(request: HttpRequest, goal: Goal, form: AllocationForm) -> dict[str, Any]:
    price = check_override(goal=goal, weights=form.weights)
    return {"price": price, "price_sha": price_sha(form.weights, price)}


def save(request: HttpRequest, goal: Goal, form: AllocationForm) -> dict[str, Any]:
    """Save what was shown; what differs from it is shown first."""
    said = form.cleaned_data
    try:
        make_override(
            goal=goal,
            advisor=request.user,
            weights=form.weights,
            reason=said["reason"],
            expires_on=said["expires_on"],
            expected_price_sha=said["expected_price_sha"],
        )
    except Refused as refused:
        if refused.code not in {"price_changed", "reason_too_short", "reason_too_long", "expiry_out_of_range"}:
            raise
        form.add_error(None, sentence(refused))
        return preview(request, goal, form)
    messages.success(request, _("The override is saved. It becomes the target of the next rebalancing; nothing is bought or sold now."))
    return {"saved": True}


STEPS: dict[str, Callable[[HttpRequest, Goal, AllocationForm], dict[str, Any]]] = {
    "add": add_fund,
    "share": share,
    "preview": preview,
    "save": save,
}


def show_override(request: HttpRequest, goal: Goal, proposal: Proposal | None, changes: dict[str, Any]) -> HttpResponse:
    form = changes["form"]
    rows = allocation_rows(proposal, dict.fromkeys(form.codes, 0.0)) if proposal and form else []
    context = {
        "goal": goal,
        "investor": goal.account.investor,
        "level": level_for_goal(goal.account.investor, goal),
        "proposal": proposal,
        "lines": form.lines(rows) if form else [],
        "offered": offered_funds(goal).exclude(code__in=form.codes) if form else [],
        "in_force": active_overrides().filter(goal=goal).select_related("advisor").first(),
        "withdraw_form": ReasonForm(auto_id="withdraw_%s"),
        "back": client_address(request, goal.account.investor_id, f"#goal-{goal.pk}"),
        "query_string": query_string(read_query(request.GET)),
    }
    status = 422 if form is not None and form.is_bound and form.errors else 200
    return render(request, "advisor/site/override_page.html", context | changes, status=status)


@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    rows = Override.objects.visible_to(request.user).exclude(goal__account__investor__user=request.user.pk)
    found = get_object_or_404(rows.select_related("goal__account__investor"), pk=pk)
    form = ReasonForm(request.POST)
    back = redirect(client_address(request, found.goal.account.investor_id, f"#goal-{found.goal_id}"))
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for error in form.errors["reason"]))
        return back
    try:
        ended = withdraw_override(override=found, actor=request.user, reason=form.cleaned_data["reason"])
    except Refused as refused:
        messages.error(request, sentence(refused))
    else:
        said = _("The override is withdrawn; the proposal counts again.") if ended else _("That override was no longer in force.")
        messages.success(request, said)
    return back
