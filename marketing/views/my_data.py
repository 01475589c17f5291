"""A person's own data: everything that is known, what they agreed to, a copy to take away, and the way to have it erased."""

from typing import Any
from urllib.parse import urlencode

from allauth.account.decorators import reauthentication_required
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from advisor.errors import Refused
from advisor.forms.onboarding import PreferenceForm
from advisor.models import Investor
from advisor.selectors import investor_of
from advisor.selectors.privacy import in_the_way_of_closing
from advisor.services import set_preference
from config.jobs import only_one
from marketing.selectors.my_data import erasure_page
from marketing.selectors.my_data import my_data as read_my_data
from marketing.services.erasure import request_erasure, withdraw_erasure
from marketing.services.person_export import export_person
from marketing.views.access import investors_only


@reauthentication_required
def _confirm_who_it_is(request: HttpRequest) -> None:
    """Raises ReauthenticationRequired: a session left open shall not carry everything away, nor end the account."""


def _own(request: HttpRequest) -> Investor:
    investor = investor_of(request.user)
    if investor is None:
        raise PermissionDenied
    return investor


@investors_only
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def my_data(request: HttpRequest) -> HttpResponse:
    investor = _own(request)
    form = PreferenceForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        set_preference(investor=investor, switch=form.cleaned_data["switch"], is_on=form.cleaned_data["is_on"])
        messages.success(request, _("Your choice is kept and holds from now on."))
        return redirect("my_data")
    context = {"page": read_my_data(investor), "form": form}
    return render(request, "marketing/my_data_page.html", context, status=422 if form.errors else 200)


@investors_only
@require_POST
def my_data_export(request: HttpRequest) -> Any:
    investor = _own(request)
    try:
        _confirm_who_it_is(request)
    except ReauthenticationRequired:  # sent on after the password, the file would come and the page stay at the password
        messages.info(request, _("Confirm that it is you, then press once more to have your copy."))
        return redirect(reverse("account_reauthenticate") + "?" + urlencode({"next": reverse("my_data")}))
    with only_one(f"export-person:{investor.pk}", seconds=120) as mine:
        if not mine:
            messages.warning(request, _("Your copy is being made already. Please wait a moment."))
            return redirect("my_data")
        made = export_person(investor=investor)
    name = f"my-data-{investor.pseudonym}-{timezone.localdate():%Y-%m-%d}.zip"
    return FileResponse(made, as_attachment=True, filename=name, content_type="application/zip")


@investors_only
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def my_data_erase(request: HttpRequest) -> HttpResponse:
    investor = _own(request)
    wants = request.method == "POST" and request.POST.get("understood") == "1"
    if wants:
        _confirm_who_it_is(request)
        try:
            request_erasure(investor=investor)
            return redirect("my_data")
        except Refused:  # the page says what is in the way
            pass
    context = {
        "page": erasure_page(in_the_way_of_closing(investor)),
        "investor": investor,
        "is_unread": request.method == "POST" and not wants,
    }
    return render(request, "marketing/my_data_erase_page.html", context, status=422 if request.method == "POST" else 200)


@investors_only
@require_POST
def my_data_erase_withdraw(request: HttpRequest) -> HttpResponse:
    if withdraw_erasure(investor=_own(request)):
        messages.success(request, _("Your request is taken back. Nothing was erased."))
    else:
        messages.warning(request, _("There is no request that could still be taken back."))
    return redirect("my_data")
