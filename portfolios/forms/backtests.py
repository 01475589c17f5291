"""What is asked for a backtest."""

import re
from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import DataError
from portfolios.selectors import error_sentence
from portfolios.services import BacktestInputs
from portfolios.services.backtests import LEAST_DAYS, MOST_FUNDS

_BETWEEN = re.compile(r"[\s,，;；、]+")


class BacktestForm(forms.Form):
    """Dates, funds, levels, interval and costs of a backtest; `inputs` is what its service takes."""

    name = forms.CharField(label=_("Name"), max_length=120)
    start = forms.DateField(label=_("First decision"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    end = forms.DateField(label=_("Last day"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    funds = forms.CharField(
        label=_("Funds"),
        help_text=_(
            "Codes with commas or spaces between them: a list that does not change over the test, written by somebody who knows what "
            "became of each fund. Left empty, the pool is screened anew at each decision from the whole market."
        ),
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    levels = forms.TypedMultipleChoiceField(label=_("Levels"), coerce=int, widget=forms.CheckboxSelectMultiple)
    every_months = forms.TypedChoiceField(
        label=_("A decision every"),
        coerce=int,
        choices=[(1, _("month")), (3, _("quarter")), (6, _("half-year")), (12, _("year"))],
        initial=3,
    )
    bands = forms.BooleanField(
        label=_("Leave a fund alone while it is near its target"),
        help_text=_("Within a fifth of its target weight, or one point where that is more."),
        required=False,
        initial=True,
    )
    follows = forms.ChoiceField(
        label=_("A level goes"),
        choices=[("advice", _("from what it holds, as advice would, costs weighed")), ("model", _("to its model, whatever that costs"))],
        initial="advice",
    )
    costs = forms.ChoiceField(
        label=_("Costs"),
        help_text=_("Purchase fees; redemption fees by holding time come on top, and none at all with “no costs”."),
        choices=[
            ("rules", _("as each fund charges")),
            ("caps", _("the highest purchase fee allowed")),
            ("none", _("no costs")),
        ],
        initial="rules",
    )
    index_funds = forms.ChoiceField(
        label=_("The cap on a single fund"),
        choices=[
            ("marked", _("holds for all funds but index funds")),
            ("none", _("holds for all funds")),
            ("all", _("holds for none: all of these are index funds")),
        ],
        initial="marked",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        levels = {level: rule.code for level, rule in jurisdiction().levels.items()}
        field: Any = self.fields["levels"]
        field.choices = list(levels.items())
        field.initial = [level for level in levels if level > 0]

    def clean_funds(self) -> tuple[str, ...]:
        codes = tuple(dict.fromkeys(code for code in _BETWEEN.split(self.cleaned_data["funds"]) if code))
        if len(codes) > MOST_FUNDS:
            raise forms.ValidationError(error_sentence("too_many_funds", {"n_funds": len(codes), "most": MOST_FUNDS}))
        return codes

    def clean_end(self) -> date:
        end: date = self.cleaned_data["end"]
        start = self.cleaned_data.get("start")
        if start is not None and (end - start).days < LEAST_DAYS:
            raise forms.ValidationError(gettext("The last day lies at least a year after the first decision."))
        return end

    def inputs(self) -> BacktestInputs:
        """What was asked, of a valid form."""
        data = {name: value for name, value in self.cleaned_data.items() if name != "name"}
        return BacktestInputs(**{**data, "levels": tuple(data["levels"])})

    def refuse(self, error: DataError) -> None:
        """Put what the service says of the inputs under the field that it is about."""
        field = {"unknown_fund_code": "funds", "no_fund": "funds", "no_price_by": "start"}.get(error.code)
        self.add_error(field, error_sentence(error.code, error.params))
