"""Forms of the small steps around a client's level. They check types; what the rules allow is the services' to say."""

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from advisor import selectors
from advisor.errors import Refused
from advisor.forms import overrides
from advisor.models import LevelReview

DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


def said(refused: Refused) -> str:
    """Why nothing was changed, in the advisor's words where there are some."""
    if refused.code in overrides.SENTENCES:
        return overrides.sentence(refused)
    return selectors.sentence(refused.code, refused.params)


class HoldForm(overrides.ReasonForm):
    until_date = forms.DateField(label=pgettext_lazy("of a hold", "Until"), widget=DAY)


class ReviewForm(overrides.ReasonForm):
    kind = forms.ChoiceField(label=_("Review"), choices=LevelReview.Kind.choices)


class RiseForm(overrides.ReasonForm):
    """The assessment that the page showed, and whether it is confirmed."""

    assessment = forms.IntegerField(widget=forms.HiddenInput)
    step = forms.ChoiceField(choices=[("confirm", "confirm"), ("decline", "decline")])


class DecisionForm(forms.Form):
    step = forms.ChoiceField(choices=[("sign", "sign"), ("return", "return")])
    answer = forms.CharField(label=_("Answer"), max_length=300, required=False, widget=forms.Textarea(attrs={"rows": 2}))
