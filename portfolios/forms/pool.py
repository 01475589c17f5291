"""Deciding by hand what is in the pool: the wish, the answer, and every refusal as a sentence."""

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from portfolios.jurisdictions import jurisdiction
from portfolios.models import Fund, PoolDecision
from portfolios.selectors.pool import MemberQuery
from portfolios.selectors.screen_words import gate_words
from portfolios.services.pool_decisions import LONGEST_DAYS, LONGEST_REASON, DecisionRefused, request_decision

USUAL_DAYS = 91
REFUSALS = {
    "reason_too_long": _("The reason has more than %(most)s characters."),
    "ends_past": _("The last day must lie after today, %(today)s."),
    "ends_late": _("A decision lasts a year at most: until %(latest)s. It can be asked for again."),
    "ended": _("The fund was wound up on %(day)s: it cannot be included."),
    "not_open": _("The fund is closed for purchase: a screen would not carry the decision out."),
    "already_waiting": _("Decision no. %(decision)s about this fund waits already. It must be approved, returned or withdrawn first."),
    "four_eyes": _("You asked for this decision yourself: somebody else must approve or return it."),
    "not_waiting": _("This decision does not wait any more: somebody was faster. Nothing was changed."),
    "expired": _("Its last day, %(day)s, has passed. Nothing was changed; it can only be returned."),
    "not_yours": _("Only who asked for a decision can withdraw it."),
    "pool_moved": _("The pool changed at the same moment. Nothing was changed; try again."),
}
FIELDS = {"reason_too_short": "reason", "reason_too_long": "reason", "ends_past": "expires_date", "ends_late": "expires_date"}


def refusal(error: DecisionRefused) -> str:
    """Why nothing was changed, as a sentence."""
    if error.code in ("reason_too_short", "answer_too_short"):
        least = error.params["least"]
        return ngettext("Say why: at least %(n)s character.", "Say why, in at least %(n)s characters.", least) % {"n": least}
    if error.code == "barred":
        gates = gettext("; ").join(gate_words(gate) for gate in error.params["gates"])
        return gettext("It cannot be bought, so no decision puts it in: %(gates)s.") % {"gates": gates}
    return str(REFUSALS[error.code]) % error.params


class PoolDecisionForm(forms.Form):
    """Include or exclude a fund, why, and until when."""

    kind = forms.ChoiceField(
        label=_("What is to happen"),
        choices=[
            (PoolDecision.Kind.EXCLUDE, _("Keep it out of the pool")),
            (PoolDecision.Kind.INCLUDE, _("Put it into the pool")),
        ],
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose one of the two.")},
    )
    reason = forms.CharField(
        label=_("Why"),
        help_text=_("Kept in the record; whoever approves it reads it."),
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": _("Say why.")},
    )
    expires_date = forms.DateField(
        label=_("Until, that day within"),
        help_text=_("A year at most. The first screen after this day judges the fund by the rule again."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        today = timezone.localdate()
        self.fields["expires_date"].initial = today + timedelta(days=USUAL_DAYS)
        limits = {"min": str(today + timedelta(days=1)), "max": str(today + timedelta(days=LONGEST_DAYS))}
        self.fields["expires_date"].widget.attrs |= limits

    def request(self, fund: Fund, actor: Any) -> PoolDecision | None:
        """Ask for the decision; None where it is refused, and the form says why."""
        try:
            return request_decision(fund=fund, actor=actor, **self.cleaned_data)
        except DecisionRefused as error:
            self.add_error(FIELDS.get(error.code), refusal(error))
        return None


class AnswerForm(forms.Form):
    """An answer, needed where the decision is returned."""

    answer = forms.CharField(
        label=_("What you say about it"),
        help_text=_("Needed to return it; whoever asked reads it."),
        required=False,
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class MembersForm(forms.Form):
    """Filters of a pool's members. What is not understood is as if it had not been asked."""

    q = forms.CharField(label=_("Code, name or company"), required=False, max_length=80, widget=forms.SearchInput)
    asset_class = forms.ChoiceField(label=_("Class"), required=False)
    grade = forms.TypedChoiceField(label=_("Risk grade"), required=False, coerce=int, empty_value=None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["asset_class"].choices = [("", _("all")), *((code, one.name) for code, one in jurisdiction().classes.items())]
        fields["grade"].choices = [("", _("all")), *((grade, f"R{grade}") for grade in range(1, 6))]

    def query(self) -> MemberQuery:
        """What was asked, whether or not all of it was understood."""
        self.is_valid()
        asked = self.cleaned_data
        return MemberQuery(text=asked.get("q", ""), asset_class=asked.get("asset_class", ""), grade=asked.get("grade"))
