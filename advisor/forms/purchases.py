"""Buying and redeeming on one's own initiative: types and units; what may be is decided by the services."""

import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from advisor.models import Goal
from advisor.selectors.purchases import GoalMoney
from advisor.services import Wish
from portfolios.models import Fund
from portfolios.money import CENTI_PER_UNIT, to_minor
from portfolios.templatetags.money import yuan


class PurchaseForm(forms.Form):
    amount = forms.DecimalField(
        label=gettext_lazy("For how much, in yuan?"),
        max_digits=14,
        decimal_places=2,
        min_value=Decimal("0.01"),
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "min": "0.01", "step": "any", "autocomplete": "off"}),
    )
    goal = forms.ChoiceField(label=gettext_lazy("With the cash of which goal?"), widget=forms.RadioSelect)
    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, data: Any, money: Sequence[GoalMoney]) -> None:
        paying = [one for one in money if one.cash_minor > 0]
        super().__init__(data, initial={"key": uuid.uuid4()} | ({"goal": paying[0].goal.pk} if len(paying) == 1 else {}))
        self.goals = {str(one.goal.pk): one.goal for one in paying}
        choices = [(str(one.goal.pk), f"{one.goal.name} · {yuan(one.cash_minor)}") for one in paying]
        self.fields["goal"].choices = choices  # type: ignore[attr-defined]

    def wish(self, fund: Fund) -> Wish:
        """What the valid form asks for."""
        asked = self.cleaned_data
        goal: Goal = self.goals[asked["goal"]]
        return Wish(goal=goal, fund=fund, amount_minor=to_minor(asked["amount"]), key=asked["key"])


class ReadForm(forms.Form):
    """That the text with this hash was read; not ticked for anybody."""

    has_read = forms.BooleanField(
        label=gettext_lazy("I have read all of it and understand it"),
        error_messages={"required": gettext_lazy("Please confirm that you have read it.")},
    )
    sha256 = forms.CharField(widget=forms.HiddenInput, max_length=64)


class WarningForm(ReadForm):
    """Two separate confirmations, neither ticked for anybody, of the warning with this hash."""

    is_own_wish = forms.BooleanField(
        label=gettext_lazy("Buying it is my own idea; nobody recommended it to me"),
        error_messages={"required": gettext_lazy("It can only be bought on your own initiative.")},
    )


class ExplanationForm(ReadForm):
    """Of a proposal: that the explanation with this hash was read, and that these funds are wanted. Neither is ticked for anybody."""

    wants_it = forms.BooleanField(
        label=gettext_lazy("I want these funds in my portfolio"),
        error_messages={"required": gettext_lazy("Please say that you want them, or ask for another proposal.")},
    )


class RedeemForm(forms.Form):
    units = forms.DecimalField(
        label=gettext_lazy("How many units?"),
        max_digits=16,
        decimal_places=2,
        min_value=Decimal("0.01"),
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "min": "0.01", "step": "any", "autocomplete": "off"}),
    )
    key = forms.UUIDField(widget=forms.HiddenInput, required=False)

    @property
    def units_centi(self) -> int:
        return int(self.cleaned_data["units"] * CENTI_PER_UNIT)
