"""Next best actions: counts for marketers, and a client's own for the staff in charge of them."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from advisor.models import Investor
from identity.roles import Role
from marketing.charts_next_actions import actions_card, ways_card
from marketing.selectors.next_action_page import next_action_page
from marketing.selectors.next_action_words import channel_words, reason_words
from marketing.selectors.next_actions import next_action_of
from marketing.views.access import marketers_only


@marketers_only
@require_GET
def next_actions(request: HttpRequest) -> HttpResponse:
    page = next_action_page()
    actions = page["actions"]
    page["card"] = actions_card(actions) if actions else None
    page["ways"] = [ways_card(one) for one in actions if one.cells and one.kind != "silence"]
    return render(request, "marketing/next_actions_page.html", page)


@login_required
@require_GET
def client_next_action_slot(request: HttpRequest, investor: int) -> HttpResponse:
    """What would be best done next for a client, with its reason: for the staff in charge of them."""
    user: Any = request.user
    if not (user.has_role(Role.ADVISOR) or user.has_role(Role.SUPERVISOR)):
        raise PermissionDenied
    client = get_object_or_404(Investor.objects.visible_to(user), pk=investor)
    found = next_action_of(client)
    shown: dict[str, Any] = {"client": client, "action": found}
    if found is not None:
        shown |= {"reason": reason_words(found), "way": channel_words(found)}
    name = "_client_next_action_slot" if request.headers.get("HX-Request") else "client_next_action_page"
    return render(request, f"marketing/{name}.html", shown)
