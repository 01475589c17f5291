"""What a marketer sees first: how many sleep, how many woke, and what needs a decision."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from marketing.selectors.campaigns import overview
from marketing.views.access import marketers_only


@marketers_only
@require_GET
def marketing_home(request: HttpRequest) -> HttpResponse:
    return render(request, "marketing/home_page.html", {"overview": overview(request.user)})
