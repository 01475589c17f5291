"""Segments: the list, one with what may be known of it, and the form that makes one."""

from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from marketing.forms import SegmentForm
from marketing.models import Segment
from marketing.selectors.audience import segment_page
from marketing.services import write_segment
from marketing.views.access import marketers_only


@marketers_only
@require_GET
def segment_list(request: HttpRequest) -> HttpResponse:
    page = Paginator(Segment.objects.visible_to(request.user).select_related("author"), 50).get_page(request.GET.get("page"))
    return render(request, "marketing/segment_list_page.html", {"page_obj": page})


@marketers_only
@require_GET
def segment(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Segment.objects.visible_to(request.user), pk=pk)
    return render(request, "marketing/segment_page.html", {"segment": found} | segment_page(found))


@marketers_only
@require_http_methods(["GET", "HEAD", "POST"])
def segment_new(request: HttpRequest) -> HttpResponse:
    asked = {"dormancy": request.GET.getlist("dormancy"), "level": request.GET.getlist("level")}
    form = SegmentForm(request.POST or None, initial=asked)
    if request.method == "POST" and form.is_valid():
        try:
            made = write_segment(name=form.cleaned_data["name"], rule=form.as_rule(), author=request.user)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return redirect("segment", made.pk)
    return render(request, "marketing/segment_form_page.html", {"form": form}, status=422 if form.errors else 200)
