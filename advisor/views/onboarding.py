"""From sign-up to a level: agreements, a goal, sixteen questions, the answers checked, the result."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from advisor import services
from advisor.errors import Refused
from advisor.forms.onboarding import ConfirmForm, ConsentsForm, GoalForm, QuestionForm
from advisor.instruments import Option
from advisor.kernels.risk_profile import AnswerError
from advisor.models import Assessment, Goal
from advisor.selectors import onboarding as selectors
from advisor.selectors import sentence
from advisor.selectors.assessments import answer_rows
from advisor.selectors.level_words import moved_sentence
from advisor.selectors.onboarding import QuestionPage, Standing
from identity import elder

View = Callable[..., HttpResponse]
LIMITS = {"day_limit", "year_limit"}  # nothing to go on with today


def own_page(view: View) -> View:
    """For people about their own money: those who work here advise others and do not answer for them."""

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_staff:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


def answering(view: View) -> View:
    """For the pages of an open questionnaire, which hand on its draft; whoever has none to answer is led to where they stand."""

    @own_page
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        standing = selectors.standing_of(request.user)
        if not standing.may_answer:
            return redirect("onboarding_result" if standing.has_level else "onboarding")
        if request.method == "POST" and selectors.is_completed(standing.draft):  # the other of two clicks was quicker
            return redirect("onboarding_result")
        try:
            draft = _open_draft(request, standing)
        except Refused as refusal:
            return _refused(request, refusal)
        return view(request, draft, *args, **kwargs)

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
    if not standing.may_answer:
        return redirect("home")
    try:
        return _to_next_question(_open_draft(request, standing))
    except Refused as refusal:
        return _refused(request, refusal)


@own_page
@require_POST
def answer_again(request: HttpRequest) -> HttpResponse:
    """A new attempt, begun on purpose: while a level is valid no page begins one by being opened."""
    standing = selectors.standing_of(request.user)
    if standing.goal is None or not standing.has_terms:
        return redirect("onboarding")
    try:
        return _to_next_question(_open_draft(request, standing))
    except Refused as refusal:
        return _refused(request, refusal)


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
@answering
def question(request: HttpRequest, draft: Assessment, item: str) -> HttpResponse:
    """One question, or one step of it; `way`, `was` and `began` in the address say how far somebody is on a staircase."""
    page = selectors.question_page(draft, item, request.GET.get("way", ""), request.GET.get("was", ""))
    if page is None and "way" in request.GET:
        return redirect("onboarding_question", item)
    if page is None:
        raise Http404
    form = QuestionForm(request.POST if request.method == "POST" else None, page=page, began=request.GET.get("began", ""))
    if form.is_bound and form.is_valid():
        return _answered(request, draft, page, form)
    return render(request, "advisor/question_page.html", {"page": page, "form": form})


def _answered(request: HttpRequest, draft: Assessment, page: QuestionPage, form: QuestionForm) -> HttpResponse:
    """Keep the answer and go on: to the staircase's next step, or to the next question."""
    option, position = form.cleaned_data["answer"], [code for code, _text in page.choices].index(form.cleaned_data["answer"])
    if page.is_staircase:
        way = page.way + option[0]
        place = selectors.place_on(page.item, way)
        if not isinstance(place, Option):
            query = request.GET.dict() | {"way": way, "began": form.cleaned_data["shown_at"]}
            query.pop("was", None)
            return redirect(f"{request.path}?{urlencode(query)}")
        option = place.code
    try:
        draft = services.save_answer(
            assessment=draft, item=page.item.code, option=option, seconds=form.seconds, position=position, instrument=draft.instrument
        )
    except AnswerError as error:  # finished in another browser in between, or left too long
        messages.warning(request, sentence(error.code))
        return redirect("onboarding")
    if request.GET.get("to") == "contradictions":
        return redirect("onboarding_contradictions")
    return _to_next_question(draft, after=page.item.code)


@require_http_methods(["GET", "HEAD", "POST"])
@answering
def check_answers(request: HttpRequest, draft: Assessment) -> HttpResponse:
    rows = answer_rows(draft)
    missing = [row for row in rows if row.answer is None]
    if request.method == "POST" and not missing:
        return _completed(request, draft)
    return render(request, "advisor/check_answers_page.html", {"rows": rows, "missing": missing, "is_refused": request.method == "POST"})


@require_http_methods(["GET", "HEAD", "POST"])
@answering
def contradictions(request: HttpRequest, draft: Assessment) -> HttpResponse:
    """Between the check and the result: what cannot be true together is changed, what is unlikely is confirmed."""
    clashes = selectors.clashes_of(draft)
    if not clashes:
        return redirect("onboarding_check")
    hard = [clash for clash in clashes if clash.is_hard]
    said = {clash.code for clash in clashes} & set(request.POST.getlist("said"))  # on the screens before this one
    left = hard or [clash for clash in clashes if clash.code not in said] or clashes
    n_shown = 1 if elder.is_on(request) else len(left)  # one thing to do a screen
    form = ConfirmForm(request.POST if request.method == "POST" and not hard else None, clashes=left[:n_shown])
    if form.is_bound and form.is_valid():
        said |= set(form.cleaned_data["confirmed"])
        left = left[n_shown:]
        if not left:
            return _completed(request, draft, said)
        form = ConfirmForm(clashes=left[:n_shown])
    context = {"clashes": left[:n_shown], "said": sorted(said), "form": form, "has_hard": bool(hard)}
    return render(request, "advisor/contradictions_page.html", context)


def _completed(request: HttpRequest, draft: Assessment, confirmed: Iterable[str] = ()) -> HttpResponse:
    """Ask for the level, once; or lead to what stands against it."""
    try:
        services.complete_assessment(assessment=draft, actor=request.user, confirmed=confirmed)
    except Refused as refusal:
        return _refused(request, refusal)
    except AnswerError:  # an answer was taken back in between, or the other of two clicks was quicker
        return redirect("onboarding")
    return redirect("onboarding_result")


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


def _open_draft(request: HttpRequest, standing: Standing) -> Assessment:
    """The questionnaire to go on with, begun where there is none; whoever finds another than they left is told why."""
    if standing.investor is None or standing.goal is None:
        raise LookupError("questions come after the goal")
    draft = services.start_assessment(investor=standing.investor, amount_minor=standing.goal.amount_minor)
    if standing.draft is not None and standing.draft.pk != draft.pk:
        messages.warning(request, moved_sentence(draft.working.get("moved", {})) or sentence("draft_expired"))
    return draft


def _refused(request: HttpRequest, refusal: Refused) -> HttpResponse:
    """Say what stands against a level, and lead to where it can be put right."""
    if refusal.code in {"contradiction", "confirm"}:
        return redirect("onboarding_contradictions")
    messages.warning(request, sentence(refusal.code, refusal.params))
    return redirect("home" if refusal.code in LIMITS else "onboarding")


def _to_proposal(request: HttpRequest, goal: Goal) -> HttpResponse:
    try:
        return redirect("proposal", services.request_proposal(goal=goal, actor=request.user).pk)
    except Refused:  # the goal is kept, and its page says what is missing
        return redirect("goal", goal.pk)


def _to_next_question(draft: Assessment, after: str | None = None) -> HttpResponse:
    item = selectors.next_question(draft, after)
    return redirect("onboarding_question", item) if item else redirect("onboarding_check")
