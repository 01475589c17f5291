"""What is asked for a screen of the market, and for the rows of one."""

from datetime import date
from typing import Any

from django import forms
from django.db.models import Min
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portfolios.jurisdictions import jurisdiction
from portfolios.models import Fund
from portfolios.selectors.screen_inputs import latest_data_date
from portfolios.selectors.screen_words import VERDICTS
from portfolios.selectors.screens import RowQuery


class ScreenForm(forms.Form):
    """The day as of which the market is screened."""

    data_date = forms.DateField(
        label=_("Screen the market as of"),
        help_text=_("The screen sees what was published by this day, and nothing later."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["data_date"].initial = latest_data_date()

    def clean_data_date(self) -> date:
        asked: date = self.cleaned_data["data_date"]
        first, last = Fund.objects.aggregate(first=Min("inception_date"))["first"], latest_data_date()
        if asked > timezone.localdate():
            raise forms.ValidationError(gettext("This day lies in the future."))
        if first is None or last is None:
            raise forms.ValidationError(gettext("There are no prices yet: import some first."))
        if asked > last:
            raise forms.ValidationError(gettext("The stored prices were all public on %(day)s: that is the latest day.") % {"day": last})
        if asked < first:
            raise forms.ValidationError(gettext("The stored prices begin on %(day)s.") % {"day": first})
        return asked


class RowsForm(forms.Form):
    """Filters of a screen's rows. What is not understood is as if it had not been asked."""

    q = forms.CharField(label=_("Code, name or company"), required=False, max_length=80, widget=forms.SearchInput)
    which = forms.ChoiceField(
        label=_("In or out"),
        required=False,
        choices=[("", _("all")), ("in", _("in the pool")), ("out", _("out")), ("gated", _("fails a gate"))],
    )
    verdict = forms.ChoiceField(label=_("Verdict"), required=False)
    category = forms.ChoiceField(label=_("Category"), required=False)
    grade = forms.TypedChoiceField(label=_("Risk grade"), required=False, coerce=int, empty_value=None)
    sort = forms.ChoiceField(
        label=_("Order"),
        required=False,
        choices=[("rank", _("rank among peers")), ("code", _("code")), ("grade", _("risk grade")), ("company", _("company"))],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["verdict"].choices = [("", _("all")), *VERDICTS.items()]
        fields["category"].choices = [("", _("all")), *((code, one.name) for code, one in jurisdiction().categories.items())]
        fields["grade"].choices = [("", _("all")), *((grade, f"R{grade}") for grade in range(1, 6))]

    def query(self) -> RowQuery:
        """What was asked, whether or not all of it was understood."""
        self.is_valid()
        asked = self.cleaned_data
        return RowQuery(
            text=asked.get("q", ""),
            which=asked.get("which", ""),
            verdict=asked.get("verdict", ""),
            category=asked.get("category", ""),
            grade=asked.get("grade"),
            sort=asked.get("sort") or "rank",
        )
