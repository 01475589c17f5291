"""Funds: found, and read about. Whoever looks, the facts are the same; what may be listed depends on the level."""

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from advisor.selectors.fund_pages import FundView, fund_figures, fund_page, fund_rows, fund_view, listed_funds
from portfolios import charts, selectors
from portfolios.jurisdictions import jurisdiction
from portfolios.selectors import FundQuery

FUNDS_A_PAGE = 25
SORT_CHOICES = [
    ("grade", _("Lowest grade first")),
    ("-grade", _("Highest grade first")),
    ("fee", _("Lowest yearly fees first")),
    ("purchase", _("Lowest purchase fee first")),
    ("age", _("Longest history first")),
    ("size", _("Largest first")),
    ("name", _("By code")),
]
RANK_CHOICE = (selectors.RANK, _("Best rank first"))


def class_choices() -> list[tuple[str, Any]]:
    used = dict.fromkeys(row.asset_class for row in jurisdiction().categories.values())
    return [("", _("All classes")), *((code, selectors.class_name(code)) for code in used)]


class FundFilterForm(forms.Form):
    q = forms.CharField(label=_("Code, name or company"), required=False, max_length=80)
    asset_class = forms.ChoiceField(label=_("Class"), required=False, choices=class_choices)
    grade = forms.TypedChoiceField(
        label=_("Risk grade"),
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", _("All grades")), *((grade, f"R{grade}") for grade in range(1, 6))],
    )
    pool = forms.ChoiceField(label=_("Pool"), required=False, choices=[("", _("All funds")), ("in", _("In our pool"))])
    sort = forms.ChoiceField(label=_("Sort by"), required=False, choices=SORT_CHOICES)

    def __init__(self, data: Any, view: FundView) -> None:
        super().__init__(data)
        if not view.is_staff:  # what is listed for an investor is the pool
            del self.fields["pool"]
        if view.sees_ranking:
            self.fields["sort"].choices = [*SORT_CHOICES, RANK_CHOICE]  # type: ignore[attr-defined]

    def query(self) -> FundQuery:
        """What was asked; a field that makes no sense is as if it had been left empty."""
        self.is_valid()
        asked = self.cleaned_data
        return FundQuery(
            text=asked.get("q") or "",
            asset_class=asked.get("asset_class") or "",
            risk_grade=asked.get("grade"),
            sort=asked.get("sort") or "grade",
            in_pool=asked.get("pool") == "in",
        )


@login_required
@require_safe
def fund_list(request: HttpRequest) -> HttpResponse:
    view = fund_view(request.user)
    form = FundFilterForm(request.GET, view)
    query = form.query()
    page = Paginator(listed_funds(view, query), FUNDS_A_PAGE).get_page(request.GET.get("page"))
    context = {"form": form, "query": query, "page_obj": page, "view": view, "is_filtered": bool(request.GET)}
    context["marks_pool"] = view.is_staff or query.text
    return render(request, "advisor/fund_list_page.html", {**context, "rows": fund_rows(view, list(page))})


@login_required
@require_safe
def fund(request: HttpRequest, code: str) -> HttpResponse:
    view = fund_view(request.user)
    page = fund_page(view, code.replace("\x00", ""))  # which PostgreSQL refuses to look for
    if page is None:
        raise Http404
    context = {
        "fund": page.fund,
        "view": view,
        "page": page,
        "history": page.history,
        "figures": fund_figures(page),
        "category": selectors.category_of(page.fund),
        "class_name": selectors.class_name(page.fund.asset_class),
        "lag": selectors.settlement_lag(page.fund),
        "redemption_fees": selectors.redemption_fees(page.fund),
        "growth_rows": charts.growth_rows(page.history.growth) if page.history else [],
        "rolling_rows": charts.rolling_rows(page.rolling) if page.rolling else [],
    }
    return render(request, "advisor/fund_page.html", context)
