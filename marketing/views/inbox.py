"""A person's own messages, and the way out of more of them."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from marketing.channels.tokens import read_unsubscribe_token
from marketing.selectors import inbox_of
from marketing.services import mark_read, withdraw_marketing_consent
from marketing.views.access import investors_only


@investors_only
@require_GET
def inbox(request: HttpRequest) -> HttpResponse:
    page = Paginator(inbox_of(request.user), 20).get_page(request.GET.get("page"))
    return render(request, "marketing/inbox_page.html", {"page_obj": page})


@investors_only
@require_GET
def message(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(inbox_of(request.user), pk=pk)
    mark_read(message=found)
    return render(request, "marketing/message_page.html", {"message": found})


# Mail programs post here without a cookie (RFC 8058); the signed token is what entitles to it.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    if request.method == "POST":
        is_ours = is_done = withdraw_marketing_consent(token=token)
    else:
        is_ours, is_done = read_unsubscribe_token(token) is not None, False
    status = 200 if is_ours else 404
    return render(request, "marketing/unsubscribe_page.html", {"is_ours": is_ours, "is_done": is_done}, status=status)
