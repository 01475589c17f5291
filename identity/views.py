from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from identity.outbox import latest_messages


@require_safe
@never_cache
def demo_outbox(request: HttpRequest) -> HttpResponse:
    """In a demo nothing leaves the machine, so that whoever tries it reads the codes here; a public demo has no such page."""
    if not settings.DEMO_OUTBOX:
        raise Http404
    return render(request, "identity/demo_outbox_page.html", {"sent": latest_messages()})
