"""One client: the page, and the small changes made from it."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from advisor import rules
from advisor.errors import Refused
from advisor.forms.overrides import LevelForm, ReasonForm, sentence
from advisor.models import Investor, LevelReview, Task
from advisor.selectors.clients import client_page, clients_with_people
from advisor.selectors.level_cases import level_box
from advisor.services import close_task, lower_level
from advisor.views.book import query_string, read_query


def client_or_404(request: HttpRequest, pk: int) -> Investor:
    return get_object_or_404(clients_with_people(request.user), pk=pk)


def client_address(request: HttpRequest, pk: int, anchor: str = "") -> str:
    """The client's page; it carries the book's own query, so that back still finds the row."""
    query = query_string(read_query(request.GET))
    return reverse("advisors:client", args=[pk]) + (f"?{query}" if query else "") + anchor


def book_address(request: HttpRequest, pk: int) -> str:
    query = query_string(read_query(request.GET))
    return reverse("advisors:index") + (f"?{query}" if query else "") + f"#client-{pk}"


def show_client(request: HttpRequest, investor: Investor, level_form: Any = None, status: int = 200) -> HttpResponse:
    shown = client_page(request.user, investor)
    context = {
        "client": shown,
        "level_box": level_box(request.user, investor, shown.evidence.assessment if shown.evidence else None),
        "review_kinds": LevelReview.Kind.choices,
        "back": book_address(request, investor.pk),
        "query_string": query_string(read_query(request.GET)),
        "level_form": level_form or LevelForm(),
        "withdraw_form": ReasonForm(auto_id=False),
        "stay_at": client_address(request, investor.pk),  # the form's own address answers to posts only
    }
    return render(request, "advisor/site/client_page.html", context, status=status)


@require_safe
def client(request: HttpRequest, pk: int) -> HttpResponse:
    return show_client(request, client_or_404(request, pk))


@require_POST
def level(request: HttpRequest, pk: int) -> HttpResponse:
    investor = client_or_404(request, pk)
    if not rules.may_lower_level(request.user, investor):
        raise PermissionDenied
    form = LevelForm(request.POST)
    if form.is_valid():
        try:
            lower_level(investor=investor, advisor=request.user, **form.cleaned_data)
        except Refused as refused:
            form.add_error(None, sentence(refused))
        else:
            messages.success(request, _("The level is lowered. Proposals and overrides above it are taken back."))
            return redirect(client_address(request, pk, "#level"))
    return show_client(request, investor, form, status=422)


@require_POST
def task_done(request: HttpRequest, pk: int) -> HttpResponse:
    task = get_object_or_404(
        Task.objects.visible_to(request.user).exclude(investor__user=request.user.pk).select_related("investor"), pk=pk
    )
    if not rules.may_advise(request.user, task.investor):
        raise PermissionDenied
    close_task(task_id=task.pk, actor=request.user)
    if request.POST.get("to") == "queue":
        kind = request.POST.get("kind", "")
        return redirect(reverse("advisors:queue") + (f"?{urlencode({'kind': kind})}" if kind else ""))
    return redirect(client_address(request, task.investor_id, "#tasks"))
