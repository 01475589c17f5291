"""Fragments that a page polls while a worker is at its job."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

STOP_POLLING = 286  # htmx


def progress(request: HttpRequest, template: str, context: dict[str, Any], *, is_at_work: bool) -> HttpResponse:
    """The fragment while the worker is at it; then 286 ends the polling and the page is fetched anew."""
    if is_at_work:
        return render(request, template, context)
    return HttpResponse(status=STOP_POLLING, headers={"HX-Refresh": "true"})
