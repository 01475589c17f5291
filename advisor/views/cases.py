"""The queue, reviews to sign, and the steps around a client's level: a hold, a question asked again, a rise, a review."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from advisor import rules, services
from advisor.errors import Refused
from advisor.forms.cases import DecisionForm, HoldForm, ReviewForm, RiseForm, said
from advisor.forms.overrides import ReasonForm
from advisor.models import Assessment, Investor
from advisor.selectors.level_cases import queue, review_cases, waiting_reviews
from advisor.views.clients import client_address, client_or_404


@require_safe
def queue_page(request: HttpRequest) -> HttpResponse:
    number = request.GET.get("page", "")
    page = int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1
    shown = queue(request.user, request.GET.get("kind", ""), page)
    return render(request, "advisor/site/queue_page.html", {"queue": shown})


@require_safe
def reviews_page(request: HttpRequest) -> HttpResponse:
    return render(request, "advisor/site/level_reviews_page.html", {"cases": review_cases(request.user), "form": DecisionForm()})


@require_POST
def review_decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign a review or return it, by a supervisor of the branch who did not ask for it."""
    review = get_object_or_404(waiting_reviews(request.user), pk=pk)
    if not rules.may_sign_review(request.user, review.investor):
        raise PermissionDenied
    form = DecisionForm(request.POST)
    try:
        if not form.is_valid():
            messages.error(request, _("That is not one of the choices on this page. Nothing has been changed."))
        elif form.cleaned_data["step"] == "sign":
            services.sign_level_review(review=review, supervisor=request.user, answer=form.cleaned_data["answer"])
            messages.success(request, _("The review is signed."))
        else:
            services.return_level_review(review=review, supervisor=request.user, answer=form.cleaned_data["answer"])
            messages.success(request, _("The review is returned with your reason."))
    except Refused as refused:
        messages.error(request, said(refused))
    return redirect("advisors:level_reviews")


def _step(
    request: HttpRequest, pk: int, form: forms.Form, act: Callable[[Investor, dict[str, Any]], str], may: Any = rules.may_lower_level
) -> HttpResponse:
    """One small step from the client's page: done or refused in a sentence, and back to where it was asked."""
    investor = client_or_404(request, pk)
    if not may(request.user, investor):
        raise PermissionDenied
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
    else:
        try:
            messages.success(request, act(investor, form.cleaned_data))
        except Refused as refused:
            messages.error(request, said(refused))
    return redirect(client_address(request, pk, "#level"))


@require_POST
def client_hold(request: HttpRequest, pk: int) -> HttpResponse:
    def act(investor: Investor, asked: dict[str, Any]) -> str:
        services.hold_level(investor=investor, advisor=request.user, **asked)
        return _("No assessment raises the level before the hold ends; the next one after it may.")

    return _step(request, pk, HoldForm(request.POST), act)


@require_POST
def client_reassess(request: HttpRequest, pk: int) -> HttpResponse:
    def act(investor: Investor, asked: dict[str, Any]) -> str:
        services.ask_reassessment(investor=investor, advisor=request.user, **asked)
        return _("The client is asked to answer the questionnaire again. The level stays until then.")

    return _step(request, pk, ReasonForm(request.POST), act)


@require_POST
def client_review(request: HttpRequest, pk: int) -> HttpResponse:
    def act(investor: Investor, asked: dict[str, Any]) -> str:
        services.request_level_review(investor=investor, advisor=request.user, **asked)
        return _("The review waits for a supervisor's signature.")

    return _step(request, pk, ReviewForm(request.POST), act)


@require_POST
def client_rise(request: HttpRequest, pk: int) -> HttpResponse:
    """Confirm or decline the very assessment that the page showed."""

    def act(investor: Investor, asked: dict[str, Any]) -> str:
        assessment = get_object_or_404(Assessment.objects.filter(investor=investor), pk=asked["assessment"])
        if asked["step"] == "confirm":
            confirmed = services.confirm_rise(assessment=assessment, advisor=request.user, reason=asked["reason"])
            if confirmed.kept_by:
                return _("Confirmed, but something has come to stand against the rise since it was asked for: the old level stays.")
            return _("Confirmed: the higher level takes effect once its waiting time is over.")
        services.decline_rise(assessment=assessment, advisor=request.user, reason=asked["reason"])
        return _("Declined: the level in force stays.")

    return _step(request, pk, RiseForm(request.POST), act, may=rules.may_confirm_rise)
