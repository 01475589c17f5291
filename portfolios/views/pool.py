"""The pool: what is in it and why, its versions, and funds put in or kept out by hand with four eyes. For staff."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portfolios.forms.pool import AnswerForm, MembersForm, PoolDecisionForm, refusal
from portfolios.models import Fund, Pool, PoolDecision
from portfolios.selectors import pool as selectors
from portfolios.services import DecisionRefused, approve_decision, return_decision, withdraw_decision
from portfolios.views.files import csv_file

A_PAGE = 25
MEMBERS_A_PAGE = 50
STATES = PoolDecision.State
may_read = permission_required("portfolios.view_pool", raise_exception=True)
may_read_decisions = permission_required("portfolios.view_pooldecision", raise_exception=True)
may_ask = permission_required("portfolios.add_pooldecision", raise_exception=True)
may_decide = permission_required("portfolios.change_pooldecision", raise_exception=True)


@login_required
@may_read
@require_safe
def pool(request: HttpRequest) -> HttpResponse:
    """The current pool; a page that says what to do where there is none."""
    current = selectors.pools_shown().filter(is_current=True).first()
    if current is None:
        return render(request, "portfolios/pool_page.html")
    return _pool_page(request, current)


@login_required
@may_read
@require_safe
def pool_version(request: HttpRequest, pk: int) -> HttpResponse:
    return _pool_page(request, get_object_or_404(selectors.pools_shown(), pk=pk))


def _pool_page(request: HttpRequest, shown: Pool) -> HttpResponse:
    form = MembersForm(request.GET)
    page = Paginator(selectors.find_members(shown, form.query()), MEMBERS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "pool": shown,
        "summary": selectors.pool_summary(shown),
        "form": form,
        "page": page,
        "members": selectors.with_reasons(shown, list(page)),
    }
    return render(request, "portfolios/pool_page.html", context)


@login_required
@may_read
@require_safe
def pool_versions(request: HttpRequest) -> HttpResponse:
    page = Paginator(selectors.pools_shown(), A_PAGE).get_page(request.GET.get("page"))
    return render(request, "portfolios/pool_versions_page.html", {"page": page})


@login_required
@may_read
@require_safe
def pool_csv(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """The members of a version as a file."""
    shown = get_object_or_404(Pool.objects.select_related("screen_run"), pk=pk)
    return csv_file(f"pool-{pk}.csv", selectors.POOL_COLUMNS, selectors.pool_lines(shown))


@login_required
@may_read_decisions
@require_safe
def decision_list(request: HttpRequest) -> HttpResponse:
    """The queue, oldest first; other states and all of them by ?state=."""
    asked = request.GET.get("state", STATES.WAITING)
    state = asked if asked in ("", *STATES.values) else STATES.WAITING
    page = Paginator(selectors.decisions_shown(state), A_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "rows": selectors.with_touched(list(page)) if page.object_list else [], "state": state}
    return render(request, "portfolios/pool_decision_list_page.html", context | {"states": STATES.choices})


@login_required
@may_ask
@require_http_methods(["GET", "HEAD", "POST"])
def decision_new(request: HttpRequest) -> HttpResponse:
    """First the fund is found, then what is to happen with it."""
    asked = (request.POST.get("fund") or request.GET.get("fund", "")).replace("\x00", "")  # PostgreSQL takes no NUL
    fund = Fund.objects.filter(code=asked).first() if asked else None
    if fund is None:
        text = request.GET.get("q", asked)
        return render(request, "portfolios/pool_decision_find_page.html", {"text": text, "found": selectors.funds_like(text)})
    form = PoolDecisionForm(request.POST) if request.method == "POST" else PoolDecisionForm(initial={"kind": request.GET.get("kind")})
    if request.method == "POST" and form.is_valid():
        decision = form.request(fund, request.user)
        if decision is not None:
            messages.success(request, _("Asked. It waits for a second person."))
            return redirect("market_pool_decision", pk=decision.pk)
    context = {"fund": fund, "form": form, "verdict": selectors.last_verdict(fund), "is_in_pool": selectors.is_in_pool(fund)}
    return render(request, "portfolios/pool_decision_new_page.html", context)


@login_required
@may_read_decisions
@require_safe
def decision(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(selectors.decisions_shown(), pk=pk)
    [touched] = selectors.with_touched([row])
    waits, is_mine = row.state == STATES.WAITING, row.asked_by_id == request.user.pk
    context = {"one": touched, "verdict": selectors.last_verdict(row.fund), "form": AnswerForm(), "waits": waits, "is_mine": is_mine}
    return render(request, "portfolios/pool_decision_page.html", context)


@login_required
@may_decide
@require_POST
def decision_decide(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(selectors.decisions_shown(), pk=pk)
    form, approves = AnswerForm(request.POST), "approve" in request.POST
    if not form.is_valid():
        messages.error(request, _("The answer is too long. Nothing was changed."))
        return redirect("market_pool_decision", pk=pk)
    try:
        decide = approve_decision if approves else return_decision
        decide(decision=row, actor=request.user, answer=form.cleaned_data["answer"])
        messages.success(request, _said(row) if approves else _("Returned. The pool stays as it is."))
    except DecisionRefused as error:
        messages.error(request, refusal(error))
    return redirect("market_pool_decision", pk=pk)


def _said(row: PoolDecision) -> str:
    if row.kind == PoolDecision.Kind.EXCLUDE:
        return _("Approved. The fund is out of the pool from now on: advice buys nothing more of it, and nothing is sold.")
    return _("Approved. The next screen puts the fund in, if it can be bought then.")


@login_required
@may_ask
@require_POST
def decision_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(selectors.decisions_shown(), pk=pk)
    try:
        withdraw_decision(decision=row, actor=request.user)
        messages.success(request, _("Withdrawn."))
    except DecisionRefused as error:
        messages.error(request, refusal(error))
    return redirect("market_pool_decision", pk=pk)
