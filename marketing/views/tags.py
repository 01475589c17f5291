"""Tags: the list, one with its history and overlaps, making and retiring one, and those of a client for the advisor."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from advisor.models import Investor
from identity.roles import Role
from marketing.charts import gained_and_lost, size_card
from marketing.models import Tag
from marketing.selectors.tag_pages import found_tags, group_counts, last_refresh, overlaps, tag_page, tag_rows
from marketing.selectors.tags import person_tags
from marketing.services import retire_tag, write_tag
from marketing.services.tag_refresh import ask_for_tag_refresh
from marketing.tag_forms import TagForm
from marketing.views.access import marketers_only

TAGS_A_PAGE = 50


@marketers_only
@require_GET
def tag_list(request: HttpRequest) -> HttpResponse:
    asked = {"search": request.GET.get("q", "")[:60], "group": request.GET.get("group", "")[:30]}
    page = Paginator(found_tags(**asked), TAGS_A_PAGE).get_page(request.GET.get("page"))
    shown = {"page_obj": page, "rows": tag_rows(list(page)), "groups": group_counts(), "refreshed": last_refresh()}
    return render(request, "marketing/tag_list_page.html", shown | asked)


@marketers_only
@require_GET
def tag(request: HttpRequest, tag: str) -> HttpResponse:
    found = get_object_or_404(Tag.objects.visible_to(request.user), code=tag)
    page = tag_page(found) | {"tag": found, "overlaps": overlaps(found) if "overlap" in request.GET else None}
    page["size_card"] = size_card(page["history"], _("How many have it"))
    page["changes_figure"] = gained_and_lost([(one.date, one.gained, one.lost) for one in reversed(page["changes"])])
    return render(request, "marketing/tag_page.html", page)


@marketers_only
@require_GET
def tag_overlap(request: HttpRequest, tag: str) -> HttpResponse:
    found = get_object_or_404(Tag.objects.visible_to(request.user), code=tag)
    return render(request, "marketing/_tag_overlap.html", {"tag": found, "overlaps": overlaps(found)})


@marketers_only
@require_http_methods(["GET", "HEAD", "POST"])
def tag_new(request: HttpRequest) -> HttpResponse:
    form = TagForm(request.POST or None, user=request.user, initial={"segment": request.GET.get("segment")})
    if request.method == "POST" and form.is_valid():
        try:
            made = write_tag(draft=form.as_draft(), author=request.user)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            ask_for_tag_refresh()
            return redirect("tag", made.code)
    return render(request, "marketing/tag_form_page.html", {"form": form}, status=422 if form.errors else 200)


@marketers_only
@require_POST
def tag_retire(request: HttpRequest, tag: str) -> HttpResponse:
    found = get_object_or_404(Tag.objects.visible_to(request.user), code=tag)
    try:
        retire_tag(tag=found, by=request.user)
    except ValidationError as error:
        messages.error(request, error.messages[0])
        return redirect("tag", found.code)
    ask_for_tag_refresh()
    messages.success(request, _("“%(name)s” is no longer used.") % {"name": found.name})
    return redirect("tag_list")


@login_required
@require_GET
def client_tags_slot(request: HttpRequest, investor: int) -> HttpResponse:
    """Tags of a client on the advisor's page: for the staff in charge of them."""
    user: Any = request.user
    if not (user.has_role(Role.ADVISOR) or user.has_role(Role.SUPERVISOR)):
        raise PermissionDenied
    client = get_object_or_404(Investor.objects.visible_to(user), pk=investor)
    search = request.GET.get("q", "")[:60]
    shown = {"client": client, "tags": person_tags(client, search=search), "search": search}
    name = "_client_tags_slot" if request.headers.get("HX-Request") else "client_tags_page"
    return render(request, f"marketing/{name}.html", shown)
