"""Model portfolios: the list of sets, a set, two sets beside each other, and the decision. For staff; never a page of an investor."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from portfolios.charts import weights_with_range
from portfolios.forms.models import DecisionForm, refusal
from portfolios.jurisdictions import jurisdiction
from portfolios.selectors import model_pages as selectors
from portfolios.services import ModelsRefused, approve_models, request_models, return_models
from portfolios.views.polling import progress

A_PAGE = 25
may_read = permission_required("portfolios.view_modelset", raise_exception=True)
may_ask = permission_required("portfolios.add_modelset", raise_exception=True)
may_decide = permission_required("portfolios.change_modelset", raise_exception=True)


@login_required
@may_read
@require_safe
def model_list(request: HttpRequest) -> HttpResponse:
    page = Paginator(selectors.model_sets_shown(), A_PAGE).get_page(request.GET.get("page"))
    return render(request, "portfolios/model_list_page.html", {"page": page})


@login_required
@may_ask
@require_POST
def model_new(request: HttpRequest) -> HttpResponse:
    try:
        return redirect("market_model_set", pk=request_models(actor=request.user).pk)
    except ModelsRefused as error:
        messages.error(request, refusal(error))
        return redirect("market_model_list")


@login_required
@may_read
@require_safe
def model_set(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(selectors.model_sets_shown(), pk=pk)
    place, level = _chosen(request)
    page = selectors.set_page(row, place=place, level=level)
    said = {
        "page": page,
        "set": row,
        "is_working": selectors.is_at_work(row),
        "problem": selectors.problem_of(row.error),
        "figure": weights_with_range(page.weights),
        "form": DecisionForm(),
        "may_decide": row.state == row.State.WAITING and row.requested_by_id != request.user.pk,
    }
    return render(request, "portfolios/model_set_page.html", said)


def _chosen(request: HttpRequest) -> tuple[int, int]:
    """The horizon bin and level of the address, the last bin and the middle level where it names none that exist."""
    n_bins, levels = len(jurisdiction().horizon_bins), jurisdiction().levels
    place, level = request.GET.get("bin", ""), request.GET.get("level", "")
    return (
        int(place) if place.isdecimal() and int(place) < n_bins else n_bins - 1,
        int(level) if level.isdecimal() and int(level) in levels else sorted(levels)[len(levels) // 2],
    )


@login_required
@may_read
@require_safe
def model_progress(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(selectors.model_sets_shown(), pk=pk)
    return progress(request, "portfolios/_model_progress.html", {"set": row}, is_at_work=selectors.is_at_work(row))


@login_required
@may_read
@require_safe
def model_compare(request: HttpRequest, pk: int) -> HttpResponse:
    after = get_object_or_404(selectors.model_sets_shown(), pk=pk)
    before = selectors.set_to_compare(after, request.GET.get("with", ""))
    if before is None:
        raise Http404
    place, level = _chosen(request)
    page = selectors.comparison(before, after, place=place, level=level)
    return render(request, "portfolios/model_compare_page.html", {"page": page, "sets": selectors.model_sets_shown()[:A_PAGE]})


@login_required
@may_decide
@require_POST
def model_decide(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(selectors.model_sets_shown(), pk=pk)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("The answer is too long. Nothing was changed."))
        return redirect("market_model_set", pk=pk)
    decide = approve_models if "approve" in request.POST else return_models
    try:
        decide(model_set=row, actor=request.user, answer=form.cleaned_data["answer"])
        messages.success(request, _("The set is in use from now on.") if "approve" in request.POST else _("The set was returned."))
    except ModelsRefused as error:
        messages.error(request, refusal(error))
    return redirect("market_model_set", pk=pk)
