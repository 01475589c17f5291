"""The statement of advice: the investor's own, and an advisor's view of a client's, as a page and as PDF."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.views.decorators.http import require_safe

from advisor.models import Investor
from advisor.pdf import PdfUnavailable, render_pdf
from advisor.selectors import investor_of
from advisor.selectors.statement import statement_of
from advisor.views.clients import client_address, client_or_404

WITHOUT_PDF = "without-pdf"


def _language(request: HttpRequest) -> str:
    """The language that was asked for, or else the reader's own."""
    asked = request.GET.get("language", "")
    return asked if asked in dict(settings.LANGUAGES) else translation.get_language() or settings.LANGUAGE_CODE


def _own(request: HttpRequest) -> Investor:
    investor = investor_of(request.user)
    if investor is None:
        raise Http404
    return investor


def _page(request: HttpRequest, investor: Investor, pdf_address: str, **more: Any) -> HttpResponse:
    language = _language(request)
    others = [code for code, _name in settings.LANGUAGES if code != language]
    with translation.override(language):
        context = {
            "st": statement_of(investor),
            "pdf_address": pdf_address,
            "shown_language": language,
            "other_languages": [(code, translation.get_language_info(code)["name_local"]) for code in others],
            "is_without_pdf": WITHOUT_PDF in request.GET,
        }
        return render(request, "advisor/statement_page.html", context | more)


def _pdf(request: HttpRequest, investor: Investor, page_address: str) -> HttpResponse:
    language = _language(request)
    with translation.override(language):
        html = render_to_string("advisor/statement_pdf.html", {"st": statement_of(investor)}, request)
    try:
        drawn = render_pdf(html)
    except PdfUnavailable:
        return redirect(f"{page_address}?language={language}&{WITHOUT_PDF}")
    name = f"statement-{investor.pseudonym}-{timezone.localdate():%Y-%m-%d}.pdf"
    return HttpResponse(drawn, content_type="application/pdf", headers={"Content-Disposition": f'attachment; filename="{name}"'})


@login_required
@require_safe
def statement(request: HttpRequest) -> HttpResponse:
    return _page(request, _own(request), reverse("statement_pdf"))


@login_required
@require_safe
def statement_pdf(request: HttpRequest) -> HttpResponse:
    return _pdf(request, _own(request), reverse("statement"))


@require_safe
def client_statement(request: HttpRequest, pk: int) -> HttpResponse:
    investor = client_or_404(request, pk)
    return _page(request, investor, reverse("advisors:client_statement_pdf", args=[pk]), back=client_address(request, pk))


@require_safe
def client_statement_pdf(request: HttpRequest, pk: int) -> HttpResponse:
    return _pdf(request, client_or_404(request, pk), reverse("advisors:client_statement", args=[pk]))
