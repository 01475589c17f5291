"""The record of advice on the advisors' site: a client's chain, and for supervisors the night's verification and who looked at whom."""

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from advisor import rules
from advisor.selectors.privacy import accesses_in_branch, page_words
from advisor.selectors.record_pages import client_record as read_client_record
from advisor.selectors.record_pages import nightly_record
from advisor.views.clients import client_address, client_or_404


@require_safe
def client_record(request: HttpRequest, pk: int) -> HttpResponse:
    investor = client_or_404(request, pk)
    context = {"record": read_client_record(investor), "back": client_address(request, pk)}
    return render(request, "advisor/site/client_record_page.html", context)


@require_safe
def record(request: HttpRequest) -> HttpResponse:
    if not rules.may_audit(request.user):
        raise PermissionDenied
    return render(request, "advisor/site/record_page.html", {"night": nightly_record(request.user)})


@require_safe
def accesses(request: HttpRequest) -> HttpResponse:
    if not rules.may_audit(request.user):
        raise PermissionDenied
    page = Paginator(accesses_in_branch(request.user), 100).get_page(request.GET.get("page"))
    rows = [(row, page_words(row.what)) for row in page]
    return render(request, "advisor/site/accesses_page.html", {"page_obj": page, "rows": rows})
