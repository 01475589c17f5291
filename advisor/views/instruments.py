"""Questionnaires on the advisors' site: the list, one version, a draft brought in, and its publication."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from advisor import rules
from advisor.forms.instruments import InstrumentForm, PublishForm
from advisor.models import InstrumentVersion
from advisor.selectors.instruments import version_page, versions_of


@require_safe
def instrument_list(request: HttpRequest) -> HttpResponse:
    return render(request, "advisor/site/instrument_list_page.html", {"versions": versions_of(request.user)})


@require_safe
def instrument(request: HttpRequest, pk: int) -> HttpResponse:
    return show(request, get_object_or_404(InstrumentVersion.objects.visible_to(request.user), pk=pk), PublishForm())


def show(request: HttpRequest, version: InstrumentVersion, form: PublishForm) -> HttpResponse:
    context = {"page": version_page(request.user, version), "form": form}
    return render(request, "advisor/site/instrument_page.html", context, status=422 if form.is_bound and form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def instrument_new(request: HttpRequest) -> HttpResponse:
    form = InstrumentForm(request.POST, request.FILES) if request.method == "POST" else InstrumentForm()
    if form.is_bound and form.is_valid() and (version := form.keep(request.user)):
        return redirect("advisors:instrument", version.pk)
    return render(request, "advisor/site/instrument_new_page.html", {"form": form}, status=422 if form.errors else 200)


@require_POST
def instrument_publish(request: HttpRequest, pk: int) -> HttpResponse:
    version = get_object_or_404(InstrumentVersion.objects.visible_to(request.user), pk=pk)
    if not rules.may_publish_instruments(request.user):
        raise PermissionDenied
    form = PublishForm(request.POST)
    if form.is_valid() and form.publish(version, request.user):
        messages.success(request, _("%(key)s is published. New assessments ask it from now on.") % {"key": version.key})
        return redirect("advisors:instrument", pk)
    version.refresh_from_db()
    return show(request, version, form)
