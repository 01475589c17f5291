"""The slot on the investor's home that says what else might suit them."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from advisor.models import Investor
from marketing.selectors import suggestions_to_show


@login_required
@require_GET
def suggestions_slot(request: HttpRequest) -> HttpResponse:
    investor = get_object_or_404(Investor.objects.visible_to(request.user), user=request.user)
    return render(request, "marketing/_suggestions_slot.html", {"suggestions": suggestions_to_show(investor)})
