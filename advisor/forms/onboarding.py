"""Types, ranges and units of what people type; what may be is decided by the services."""

import re
import time
import uuid
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from advisor.models import Consent, Goal
from advisor.selectors.level_words import LIFE_EVENTS
from advisor.selectors.onboarding import Clash, QuestionPage
from advisor.services import GoalError, GoalRequest
from advisor.services.goals import check_goal
from portfolios.money import from_minor, to_minor


class ConsentsForm(forms.Form):
    """Three separate questions, none ticked for anybody."""

    terms = forms.BooleanField(
        label=gettext_lazy("I have read the terms of service and agree to them"),
        error_messages={"required": gettext_lazy("We can only advise you if you agree to the terms of service.")},
    )
    profiling = forms.BooleanField(
        label=gettext_lazy("You may look at how I buy and sell, so that the advice fits what I really do"), required=False
    )
    marketing = forms.BooleanField(label=gettext_lazy("You may send me suggestions and news"), required=False)

    @property
    def given(self) -> dict[str, bool]:
        return {purpose: self.cleaned_data[purpose] for purpose in Consent.Purpose.values}


class PreferenceForm(forms.Form):
    """One switch at a time: which, and whether it is on."""

    SWITCHES = ("profiling", "marketing", "recommendations")

    switch = forms.ChoiceField(choices=[(value, value) for value in SWITCHES])
    is_on = forms.TypedChoiceField(choices=[("1", "1"), ("0", "0")], coerce=lambda value: value == "1")


class GoalForm(forms.Form):
    kind = forms.ChoiceField(
        label=gettext_lazy("What is it for?"),
        choices=Goal.Kind.choices,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose what the money is for.")},
    )
    name = forms.CharField(label=gettext_lazy("What do you call it?"), max_length=60, required=False)
    amount = forms.DecimalField(
        label=gettext_lazy("How much would you invest now, in yuan?"),
        max_digits=14,
        decimal_places=2,
        error_messages={"required": gettext_lazy("Say how much you would invest.")},
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "min": "100", "step": "any", "autocomplete": "off"}),
    )
    target_date = forms.DateField(
        label=gettext_lazy("When will you need it?"),
        help_text=gettext_lazy("If the day is not settled, take the earliest on which you might need the money."),
        error_messages={"required": gettext_lazy("Say when you will need the money.")},
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    key = forms.UUIDField(widget=forms.HiddenInput, required=False)
    changes = forms.Field(widget=forms.HiddenInput, required=False)  # the goal that the page was opened to change

    def __init__(self, *args: Any, goal: Goal | None = None, **kwargs: Any) -> None:
        shown: dict[str, Any] = {"key": uuid.uuid4()}  # no date is suggested: it limits the portfolio's level
        if goal:
            shown = {"kind": goal.kind, "name": goal.name, "amount": from_minor(goal.amount_minor), "target_date": goal.target_date}
            shown["changes"] = goal.pk
        kwargs["initial"] = shown
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                check_goal(self.request)
            except GoalError as error:
                field = "amount" if error.code.startswith("amount") else "target_date"
                self.add_error(field, goal_sentence(error))
        return cleaned

    @property
    def request(self) -> GoalRequest:
        data = self.cleaned_data
        name = data["name"].strip() or Goal.Kind(data["kind"]).label
        return GoalRequest(str(name), data["kind"], to_minor(data["amount"]), data["target_date"])


def goal_sentence(error: GoalError) -> str:
    if error.code == "amount_too_small":
        return _("The smallest amount is %(limit)s yuan.") % {"limit": f"{error.params['limit_minor'] // 100:,}"}
    if error.code == "amount_too_large":
        return _("The largest amount is %(limit)s yuan. For more, please talk to an advisor.") % {
            "limit": f"{error.params['limit_minor'] // 100:,}"
        }
    if error.code == "date_not_in_future":
        return _("Choose a day after today.")
    return _("Choose a day within the next %(years)s years.") % {"years": error.params["years"]}


class QuestionForm(forms.Form):
    """Exactly one answer to exactly one question."""

    KNOWN = {"csrfmiddlewaretoken", "answer", "shown_at", "amount_minor", "sheet"}
    NUMBERS = ("shown_at", "amount_minor", "sheet")

    answer = forms.ChoiceField(
        widget=forms.RadioSelect,
        error_messages={
            "required": gettext_lazy("Please choose one of the answers. Nothing has been saved for this question."),
            "invalid_choice": gettext_lazy(
                "That is not one of the answers to this question. Please choose again; nothing has been changed."
            ),
        },
    )
    shown_at = forms.Field(widget=forms.HiddenInput, required=False)
    amount_minor = forms.Field(widget=forms.HiddenInput, required=False)  # the money that the page asked about
    sheet = forms.Field(widget=forms.HiddenInput, required=False)  # the questionnaire that the page was of

    def __init__(self, *args: Any, page: QuestionPage, began: str = "", **kwargs: Any) -> None:
        shown_at = began if re.fullmatch(r"[0-9]{1,15}", began) else int(time.time())
        kwargs["initial"] = {"answer": page.chosen, "shown_at": shown_at, "amount_minor": page.amount_minor, "sheet": page.sheet}
        super().__init__(*args, **kwargs)
        self.page = page
        answer: Any = self.fields["answer"]
        answer.choices, answer.label = page.choices, page.question

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        sent = self.data
        is_odd = any(not re.fullmatch(r"[0-9]{0,15}", str(sent.get(name, ""))) for name in self.NUMBERS)
        if is_odd or set(sent) - self.KNOWN or (hasattr(sent, "getlist") and len(sent.getlist("answer")) > 1):
            raise ValidationError(
                _("This page takes one answer to one question, and more was sent. Nothing has been changed; please choose again.")
            )
        if cleaned.get("sheet") and cleaned["sheet"] != str(self.page.sheet):
            raise ValidationError(
                _("This page was of an earlier questionnaire, and its answer was not kept. This is the question as it is asked now.")
            )
        asked = cleaned.get("amount_minor")
        if asked and self.page.item.names_amounts and asked != str(self.page.amount_minor):
            raise ValidationError(
                _("The amount of your goal has changed, and this question with it. Nothing has been saved; please choose again.")
            )
        return cleaned

    @property
    def seconds(self) -> int | None:
        """How long the page was looked at; None where it does not say, or a clock that was set back says less than nothing."""
        shown_at = self.cleaned_data.get("shown_at")
        seconds = int(time.time()) - int(shown_at) if shown_at else -1
        return seconds if seconds >= 0 else None


class ConfirmForm(forms.Form):
    """Each unlikely pair of answers is confirmed by itself."""

    confirmed = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple, required=False)

    def __init__(self, *args: Any, clashes: list[Clash], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        confirmed: Any = self.fields["confirmed"]
        confirmed.choices = [(clash.code, clash.sentence) for clash in clashes]

    def clean_confirmed(self) -> list[str]:
        confirmed: list[str] = self.cleaned_data["confirmed"]
        wanted: Any = self.fields["confirmed"]
        if {code for code, _sentence in wanted.choices} - set(confirmed):
            raise ValidationError(_("Say that both answers are right for you, or change one of them. Nothing has been decided yet."))
        return confirmed


class LifeEventForm(forms.Form):
    what = forms.ChoiceField(
        choices=list(LIFE_EVENTS.items()),
        widget=forms.RadioSelect,
        error_messages={
            "required": gettext_lazy("Please choose what has changed."),
            "invalid_choice": gettext_lazy("Please choose what has changed."),
        },
    )
