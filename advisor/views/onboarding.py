"""From sign-up to a level: agreements, a goal, sixteen questions, the answers checked, the result."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from advisor import services
from advisor.errors import Refused
from advisor.forms.onboarding import ConsentsForm, GoalForm, QuestionForm
from advisor.kernels.risk_profile import AnswerError
from advisor.models import Assessment, Goal
from advisor.selectors import assessments as selectors
from advisor.selectors.assessments import Standing

View = Callable[..., HttpResponse]


def own_page(view: View) -> View:
    """For people about their own money: those who work here advise others and do not answer for them."""

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_staff:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


@require_safe
@own_page
def onboarding(request: HttpRequest) -> HttpResponse:
    """Lead to the next thing to do."""
    standing = selectors.standing_of(request.user)
    if not standing.has_terms:
        return redirect("onboarding_consents")
    if standing.goal is None:
        return redirect("onboarding_goal")
    if standing.has_level:
        return redirect("home")
    return _to_next_question(open_draft(standing))


@require_http_methods(["GET", "HEAD", "POST"])
@own_page
def consents(request: HttpRequest) -> HttpResponse:
    if selectors.standing_of(request.user).has_terms:  # an old page sent again must not undo what was withdrawn since
        return redirect("onboarding")
    form = ConsentsForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        services.give_consents(user=request.user, given=form.given, source="onboarding")
        return redirect("onboarding")
    return render(request, "advisor/consents_page.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@own_page
def goal(request: HttpRequest) -> HttpResponse:
    """The first goal may be changed until it has a portfolio; whoever has a level adds a further one."""
    standing = selectors.standing_of(request.user)
    if standing.investor is None or not standing.has_terms:
        return redirect("onboarding")
    changed = None if standing.has_level else selectors.changeable_goal(standing.investor)
    form = GoalForm(request.POST if request.method == "POST" else None, goal=changed)
    if not form.is_bound or not form.is_valid():
        return render(request, "advisor/goal_form_page.html", {"form": form, "is_first": not standing.has_level})
    if form.cleaned_data["changes"] and changed is None:
        messages.warning(request, _("This goal has a proposal already, so nothing was changed. You can add a further goal."))
        return redirect("home")
    if changed:
        services.change_goal(goal=changed, request=form.request, actor=request.user)
        return redirect("onboarding")
    made = services.add_goal(investor=standing.investor, request=form.request, key=form.cleaned_data["key"], actor=request.user)
    if not standing.has_level:
        return redirect("onboarding")
    return _to_proposal(request, made)


@require_http_methods(["GET", "HEAD", "POST"])
@own_page
def question(request: HttpRequest, item: str) -> HttpResponse:
    standing = selectors.standing_of(request.user)
    if not standing.may_answer:
        return redirect("onboarding_result" if standing.has_level else "onboarding")
    draft = open_draft(standing)
    page = selectors.question_page(draft, item)
    if page is None:
        raise Http404
    form = QuestionForm(request.POST if request.method == "POST" else None, page=page)
    if not form.is_bound or not form.is_valid():
        return render(request, "advisor/question_page.html", {"page": page, "form": form})
    try:
        draft = services.save_answer(assessment=draft, item=item, option=form.cleaned_data["answer"], seconds=form.seconds)
    except AnswerError:  # finished in another browser in between
        return redirect("onboarding")
    return _to_next_question(draft, after=item)


@require_http_methods(["GET", "HEAD", "POST"])
@own_page
def check_answers(request: HttpRequest) -> HttpResponse:
    standing = selectors.standing_of(request.user)
    if not standing.may_answer:
        return redirect("onboarding_result" if standing.has_level else "onboarding")
    draft = open_draft(standing)
    rows, is_refused = selectors.answer_rows(draft), False
    if request.method == "POST":
        try:
            services.complete_assessment(assessment=draft, actor=request.user)
            return redirect("onboarding_result")
        except AnswerError:
            if selectors.standing_of(request.user).has_level:  # the other of two clicks was quicker, and this draft is a new one
                return redirect("onboarding_result")
            is_refused = True
    missing = [row for row in rows if row.answer is None]
    return render(request, "advisor/check_answers_page.html", {"rows": rows, "missing": missing, "is_refused": is_refused})


@require_safe
@own_page
def result(request: HttpRequest) -> HttpResponse:
    page = selectors.result_page(request.user)
    return render(request, "advisor/result_page.html", {"page": page}) if page else redirect("onboarding")


@own_page
@require_POST
def call_me(request: HttpRequest) -> HttpResponse:
    """One tap: somebody who advises this person finds the wish in the queue."""
    investor = selectors.standing_of(request.user).investor
    if investor is None:
        return redirect("onboarding")
    services.open_task(investor_id=investor.pk, kind="call_me")
    messages.success(request, _("We have noted that you would like a call. Somebody who advises you will get in touch."))
    return redirect("home")


def open_draft(standing: Standing) -> Assessment:
    """The questionnaire to go on with; it begins with the first question seen."""
    if standing.investor is None or standing.goal is None:
        raise LookupError("questions come after the goal")
    return services.start_assessment(investor=standing.investor, amount_minor=standing.goal.amount_minor)


def _to_proposal(request: HttpRequest, goal: Goal) -> HttpResponse:
    try:
        return redirect("proposal", services.request_proposal(goal=goal, actor=request.user).pk)
    except Refused:  # the goal is kept, and its page says what is missing
        return redirect("goal", goal.pk)


def _to_next_question(draft: Assessment, after: str | None = None) -> HttpResponse:
    item = selectors.next_question(draft, after)
    return redirect("onboarding_question", item) if item else redirect("onboarding_check")
