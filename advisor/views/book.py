"""The book: an advisor's first page."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from advisor.rules import may_audit
from advisor.selectors.book import REASONS, SORTS, BookQuery, book


def read_query(params: Any) -> BookQuery:
    """Read the page's address; what is not understood counts as not said."""
    reason, sort, page = params.get("reason", ""), params.get("sort", ""), params.get("page", "")
    return BookQuery(
        text=params.get("q", "").replace("\x00", "")[:80],
        reason=reason if reason in REASONS else "",
        sort=sort if sort in SORTS else "need",
        page=int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
    )


def query_string(query: BookQuery, **changed: Any) -> str:
    """The address that gives the same page again; every page below the book carries it, so that back finds the row."""
    parts = {"q": query.text, "reason": query.reason, "sort": query.sort, "page": query.page} | changed
    unsaid = {"q": "", "reason": "", "sort": "need", "page": 1}
    return urlencode({key: value for key, value in parts.items() if value != unsaid[key]})


@require_safe
def book_page(request: HttpRequest) -> HttpResponse:
    query = read_query(request.GET)
    shown = book(request.user, query)
    context = {
        "book": shown,
        "sorts": SORTS,
        "may_audit": may_audit(request.user),
        "query_string": query_string(query, page=shown.page.number),
        "everybody": query_string(query, reason="", page=1),
        "filters": [(reason, query_string(query, reason=reason.code, page=1)) for reason in shown.reasons],
    }
    return render(request, "advisor/site/book_page.html", context)
