"""Deciding on a set of model portfolios."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from portfolios.selectors import error_sentence
from portfolios.services import ModelsRefused
from portfolios.services.model_sets import LONGEST_ANSWER

REFUSALS = {
    "four_eyes": _("You asked for this set yourself: somebody else must approve or return it."),
    "not_waiting": _("This set has been decided on already. Nothing was changed."),
    "older": _("A newer set is in use already. Nothing was changed; ask for a new set instead."),
    "reason_too_short": _("Say in a few words why the set is returned."),
}


class DecisionForm(forms.Form):
    """An answer, needed where the set is returned."""

    answer = forms.CharField(
        label=_("What you say about it"),
        required=False,
        max_length=LONGEST_ANSWER,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Needed to send the set back; whoever asked for it reads it."),
    )


def refusal(error: ModelsRefused) -> str:
    """Why nothing was changed, as a sentence."""
    params: dict[str, Any] = dict(error.params)
    return str(REFUSALS[error.code]) if error.code in REFUSALS else error_sentence(error.code, params)
