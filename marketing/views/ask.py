"""Four kinds of questions, each asked by an address, so that an answer can be sent on; and the ones kept under a name."""

from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from marketing.ask_forms import FORMS, SaveForm, fields_of
from marketing.charts import answer_card
from marketing.kernels.ask import QuestionError, as_json, read_question
from marketing.models import SavedQuestion
from marketing.selectors.ask import answer
from marketing.selectors.ask_parts import CannotAnswer
from marketing.services.questions import forget_question, save_question
from marketing.views.access import marketers_only


@marketers_only
@require_GET
def ask(request: HttpRequest) -> HttpResponse:
    saved = SavedQuestion.objects.visible_to(request.user).select_related("author")
    return render(request, "marketing/ask_list_page.html", {"saved": saved[:500], "kinds": list(FORMS)})


@marketers_only
@require_GET
def ask_kind(request: HttpRequest, kind: str) -> HttpResponse:
    if kind not in FORMS:
        raise Http404
    form = FORMS[kind](request.GET or None, user=request.user)
    page, is_asked = {"form": form, "kind": kind, "card": None}, form.is_bound and form.is_valid()
    if is_asked and form.question is not None:
        try:
            found = answer(form.question)
            page |= {"card": answer_card(found), "answer": found, "save": SaveForm(initial={"question": form.question_text})}
        except CannotAnswer as error:
            form.add_error(None, str(error))
    return render(request, "marketing/ask_page.html", page, status=422 if form.errors else 200)


@marketers_only
@require_POST
def ask_save(request: HttpRequest) -> HttpResponse:
    form = SaveForm(request.POST)
    if form.is_valid():
        try:
            saved = save_question(author=request.user, **form.cleaned_data)
            messages.success(request, _("The question is kept as “%(name)s”.") % {"name": saved.name})
            return redirect("ask_saved", saved.pk)
        except ValidationError as error:
            form.add_error(None, error)
    messages.error(request, str(next(iter(form.errors.values()))[0]))
    return redirect(_asked_again(request.POST.get("question", "")))


def _asked_again(text: str) -> str:
    """The address of a question that could not be kept, so that its answer is not lost; of one that cannot be read the list."""
    try:
        question = read_question(text)
    except QuestionError:
        return reverse("ask")
    return reverse("ask_kind", args=[question.kind]) + "?" + urlencode(fields_of(as_json(question)))


@marketers_only
@require_GET
def ask_saved(request: HttpRequest, pk: int) -> HttpResponse:
    """A kept question is asked at its own address."""
    saved = get_object_or_404(SavedQuestion.objects.visible_to(request.user), pk=pk)
    if saved.kind not in FORMS:
        raise Http404
    return redirect(reverse("ask_kind", args=[saved.kind]) + "?" + urlencode(fields_of(saved.question)))


@marketers_only
@require_POST
def ask_forget(request: HttpRequest, pk: int) -> HttpResponse:
    get_object_or_404(SavedQuestion.objects.visible_to(request.user), pk=pk)
    forget_question(question_id=pk)
    messages.success(request, _("The question is forgotten."))
    return redirect("ask")
