"""Segments: the list, one with what may be known of it, the builder, versions, overlap, and lists that are taken away."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from marketing.charts import size_card
from marketing.forms import ExportForm, SegmentForm
from marketing.models import Segment, SegmentExport
from marketing.rule_forms import Sheet, read_sheet, sheet_page
from marketing.selectors.segment_pages import overlap_page, preview_of, segment_list_rows, segment_page
from marketing.services import ask_for_look_alikes, change_segment, delete_segment, request_export, take_export, write_segment
from marketing.views.access import marketers_only


def _own(request: HttpRequest, pk: int) -> Segment:
    found: Segment = get_object_or_404(Segment.objects.visible_to(request.user), pk=pk)
    return found


@marketers_only
@require_GET
def segment_list(request: HttpRequest) -> HttpResponse:
    page = Paginator(Segment.objects.visible_to(request.user).select_related("author"), 50).get_page(request.GET.get("page"))
    return render(request, "marketing/segment_list_page.html", {"page_obj": page, "rows": segment_list_rows(page.object_list)})


@marketers_only
@require_GET
def segment(request: HttpRequest, pk: int) -> HttpResponse:
    found = _own(request, pk)
    return _shown(request, found, ExportForm())


def _shown(request: HttpRequest, found: Segment, form: ExportForm, status: int = 200) -> HttpResponse:
    page = segment_page(found) | {"export_form": form}
    page["size_card"] = size_card(page["sizes"], _("How many they were")) if page["sizes"] else None
    return render(request, "marketing/segment_page.html", page, status=status)


@marketers_only
@require_http_methods(["GET", "HEAD", "POST"])
def segment_new(request: HttpRequest) -> HttpResponse:
    return _build(request, None)


@marketers_only
@require_http_methods(["GET", "HEAD", "POST"])
def segment_edit(request: HttpRequest, pk: int) -> HttpResponse:
    return _build(request, _own(request, pk))


def _build(request: HttpRequest, found: Segment | None) -> HttpResponse:
    """The builder: every button but "save" comes back to the page with what was typed."""
    initial = {"name": found.title, "purpose": found.purpose, "version": found.version} if found else None
    sheet = read_sheet(request.GET, request.POST if request.method == "POST" else None, found)
    form = SegmentForm(request.POST if sheet.is_saving else request.POST or None, initial=initial)
    if sheet.is_saving:
        try:
            rule = sheet.whole_rule()
            if form.is_valid():
                return redirect("segment", _save(found, form.cleaned_data, rule, request.user).pk)
        except ValidationError as error:
            form.add_error(None, error)
    if not sheet.is_saving and form.is_bound:
        form.errors.clear()  # nobody asked yet whether it is complete
    shown = {"form": form, "segment": found} | _page(sheet, form)
    if request.headers.get("HX-Request"):  # the page alone: parsing its head again would break the policy for styles
        return render(request, "marketing/_segment_builder.html", shown)
    return render(request, "marketing/segment_form_page.html", shown, status=422 if sheet.is_saving else 200)


def _page(sheet: Sheet, form: SegmentForm) -> dict[str, Any]:
    preview = None if sheet.is_blank else preview_of(*sheet.complete_part())
    return sheet_page(sheet, purpose=form["purpose"].value()) | {"preview": preview}


def _save(found: Segment | None, data: dict[str, Any], rule: str, author: Any) -> Segment:
    given = {"name": data["name"], "purpose": data["purpose"], "rule": rule, "author": author}
    if found is None:
        return write_segment(**given)
    return change_segment(segment_id=found.pk, version=data["version"] or found.version, **given)


@marketers_only
@require_POST
def segment_preview(request: HttpRequest) -> HttpResponse:
    """What the rule on the page means now, as far as it is complete: a fragment."""
    sheet = read_sheet(request.GET, request.POST, None)
    rule, n_open = sheet.complete_part()
    ask_for_look_alikes(rule)
    preview = None if sheet.is_blank else preview_of(rule, n_open)
    return render(request, "marketing/_segment_preview.html", {"preview": preview})


@marketers_only
@require_POST
def segment_delete(request: HttpRequest, pk: int) -> HttpResponse:
    found = _own(request, pk)
    try:
        delete_segment(segment_id=found.pk)
    except ValidationError as error:
        messages.error(request, error.messages[0])
        return redirect("segment", pk)
    messages.success(request, _("The segment is deleted."))
    return redirect("segment_list")


@marketers_only
@require_GET
def segment_overlap(request: HttpRequest, pk: int) -> HttpResponse:
    found, other = _own(request, pk), request.GET.get("with", "")
    if not other:
        return redirect("segment", pk)
    if not (other.isascii() and other.isdecimal() and len(other) < 19):
        raise Http404
    return render(request, "marketing/segment_overlap_page.html", overlap_page(found, _own(request, int(other))))


@marketers_only
@require_POST
def segment_export(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for a list: noted with its reason, then offered for fetching."""
    found, form = _own(request, pk), ExportForm(request.POST)
    if form.is_valid():
        try:
            export = request_export(segment=found, actor=request.user, **form.cleaned_data)
            return render(request, "marketing/segment_export_page.html", {"export": export, "segment": found})
        except ValidationError as error:
            form.add_error(None, error)
    return _shown(request, found, form, status=422)


@marketers_only
@require_POST
def segment_export_take(request: HttpRequest, pk: int) -> Any:
    """The list itself. Whether the person may have it is asked anew here."""
    get_object_or_404(SegmentExport.objects.visible_to(request.user), pk=pk, actor=request.user)
    try:
        export, lines = take_export(export_id=pk, actor=request.user)
    except ValidationError as error:
        messages.error(request, error.messages[0])
        return redirect("segment_list")
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="segment-{export.segment_id}-{export.columns}-{export.pk}.csv"'
    response["Cache-Control"] = "no-store"
    return response
