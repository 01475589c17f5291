"""Buying a fund that one has looked up oneself, and redeeming what one holds."""

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from advisor import selectors, services
from advisor.errors import Refused
from advisor.forms.purchases import ExplanationForm, PurchaseForm, RedeemForm, WarningForm
from advisor.models import Goal, Investor, OwnPurchase, Proposal
from advisor.selectors.purchases import buying_page, goals_with_money, is_above_goal, purchase_costs, purchases_of
from advisor.services.proposal_warnings import acknowledge_proposal_warning, show_proposal_warning
from portfolios.models import Fund
from portfolios.money import from_minor


def _investor(request: HttpRequest) -> Investor:
    investor = selectors.investor_of(request.user)
    if investor is None:
        raise Http404
    return investor


def _fund(code: str) -> Fund:
    return get_object_or_404(Fund, code=code.replace("\x00", ""))  # which PostgreSQL refuses to look for


def _own(request: HttpRequest, pk: int) -> OwnPurchase:
    return get_object_or_404(purchases_of(request.user), pk=pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def purchase_new(request: HttpRequest, code: str) -> HttpResponse:
    """How much, and with the cash of which goal; the gate is asked when the form is sent."""
    investor, fund = _investor(request), _fund(code)
    form = PurchaseForm(request.POST if request.method == "POST" else None, goals_with_money(investor))
    if form.is_bound and form.is_valid():
        try:
            made = services.start_purchase(wish=form.wish(fund), actor=request.user)
            return redirect("purchase", pk=made.pk)
        except Refused as refusal:
            form.add_error(None, selectors.sentence(refusal.code, refusal.params))
    context = {"form": form, "fund": fund, "page": buying_page(investor, fund)}
    return render(request, "advisor/purchase_new_page.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD"])
def purchase(request: HttpRequest, pk: int) -> HttpResponse:
    """Where a purchase stands: to be confirmed, its warning, the time to think, or how it ended."""
    row = services.show_warning(purchase=_own(request, pk), actor=request.user)
    return _show(request, row, WarningForm(initial={"sha256": row.warning_sha256}))


def _show(request: HttpRequest, row: OwnPurchase, form: WarningForm, status: int = 200) -> HttpResponse:
    can_order = row.is_live and (row.is_due or (row.state == OwnPurchase.State.OPEN and not row.warning_kind))
    context: dict[str, Any] = {"purchase": row, "form": form, "can_order": can_order}
    if row.is_live:
        context["costs"] = purchase_costs(row.fund, row.amount_minor)
        context["above_goal"] = is_above_goal(row)
    return render(request, "advisor/purchase_page.html", context, status=status)


@login_required
@require_POST
def purchase_acknowledge(request: HttpRequest, pk: int) -> HttpResponse:
    row, form = _own(request, pk), WarningForm(request.POST)
    if not form.is_valid():
        return _show(request, row, form, status=422)
    try:
        services.acknowledge_warning(purchase=row, actor=request.user, seen_sha256=form.cleaned_data["sha256"])
    except Refused as refusal:
        messages.warning(request, selectors.sentence(refusal.code, refusal.params))
    return redirect("purchase", pk=pk)


@login_required
@require_POST
def purchase_order(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        services.order_purchase(purchase=_own(request, pk), actor=request.user)
    except Refused as refusal:
        messages.warning(request, selectors.sentence(refusal.code, refusal.params))
        return redirect("purchase", pk=pk)
    messages.success(request, _("The order is placed; here you can follow it."))
    return redirect("order_list")


@login_required
@require_POST
def purchase_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    if services.withdraw_purchase(purchase=_own(request, pk), actor=request.user):
        messages.success(request, _("The purchase is dropped. Nothing was ordered."))
    return redirect("order_list")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def redeem(request: HttpRequest, pk: int, code: str) -> HttpResponse:
    """How many units, what they would bring, and the order; selling is never blocked."""
    mine = Goal.objects.visible_to(request.user).filter(account__investor__user=request.user.pk)
    goal = get_object_or_404(mine.select_related("account__investor", "portfolio"), pk=pk)
    fund = _fund(code)
    free = services.free_units(goal, fund)
    data = request.POST if request.method == "POST" else request.GET if "units" in request.GET else None
    form = RedeemForm(data, initial={"units": from_minor(free)})
    context: dict[str, Any] = {"goal": goal, "fund": fund, "free_centi": free, "form": form, "key": uuid.uuid4()}
    if form.is_bound and form.is_valid():
        try:
            if request.method == "POST":
                return _redeemed(request, goal, fund, form)
            context["preview"] = services.preview_redemption(goal=goal, fund=fund, units_centi=form.units_centi)
        except Refused as refusal:
            form.add_error(None, selectors.sentence(refusal.code, refusal.params))
    return render(request, "advisor/redeem_page.html", context, status=422 if form.errors else 200)


def _redeemed(request: HttpRequest, goal: Goal, fund: Fund, form: RedeemForm) -> HttpResponse:
    key = form.cleaned_data["key"] or uuid.uuid4()
    services.redeem_units(goal=goal, fund=fund, units_centi=form.units_centi, key=key, actor=request.user)
    messages.success(request, _("The redemption is ordered; here you can follow it."))
    return redirect("order_list")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def proposal_warning(request: HttpRequest, pk: int) -> HttpResponse:
    """The explanation of a proposal's funds of the highest grade; anything else about it is said on the proposal's page."""
    mine = Proposal.objects.visible_to(request.user).filter(goal__account__investor__user=request.user.pk)
    row = get_object_or_404(mine.select_related("goal__account__investor"), pk=pk)
    try:
        services.check_acceptable(row, request.user)
        return redirect("proposal_accept", pk=pk)
    except Refused as refusal:
        if refusal.code != "not_acknowledged":
            return redirect("proposal", pk=pk)
    form = ExplanationForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            acknowledge_proposal_warning(proposal=row, actor=request.user, seen_sha256=form.cleaned_data["sha256"])
            return redirect("proposal", pk=pk)
        except Refused as refusal:
            form.add_error(None, selectors.sentence(refusal.code, refusal.params))
    funds = Fund.objects.in_bulk(sorted((row.result or {})["amounts"]), field_name="code")
    warning = show_proposal_warning(proposal=row, funds=funds)
    context = {"proposal": row, "warning": warning, "form": form}
    return render(request, "advisor/proposal_warning_page.html", context, status=422 if form.errors else 200)
