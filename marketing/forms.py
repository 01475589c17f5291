"""What a marketer fills in. Money is typed in yuan and leaves here in minor units."""

import json
from typing import Any
from uuid import uuid4

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from advisor.models import Level
from marketing.channels import CHANNELS
from marketing.kernels.policy import unknown_placeholders
from marketing.models import Dormancy, Segment
from marketing.services import Draft
from portfolios.money import to_minor

YUAN = {"min_value": 0, "max_digits": 13, "decimal_places": 2, "required": False}
DAYS = {"min_value": 0, "max_value": 3_650, "required": False}


class SegmentForm(forms.Form):
    """The thin builder: everything chosen must hold together. A rule in JSON, from a program, takes its place."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=80)
    dormancy = forms.MultipleChoiceField(
        label=gettext_lazy("Activity"), choices=Dormancy.choices, widget=forms.CheckboxSelectMultiple, required=False
    )
    level = forms.MultipleChoiceField(
        label=gettext_lazy("Level"),
        choices=[*Level.choices, ("none", gettext_lazy("not assessed yet"))],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    assets = forms.DecimalField(label=gettext_lazy("Assets of at least, yuan"), **YUAN)  # type: ignore[arg-type]
    idle_cash = forms.DecimalField(label=gettext_lazy("Idle cash of at least, yuan"), **YUAN)  # type: ignore[arg-type]
    last_visit = forms.IntegerField(label=gettext_lazy("No visit for at least, days"), **DAYS)  # type: ignore[arg-type]
    n_holdings = forms.IntegerField(label=gettext_lazy("Different funds held, at least"), **DAYS)  # type: ignore[arg-type]
    consent = forms.BooleanField(label=gettext_lazy("Only people who agreed to marketing messages"), required=False)
    rule = forms.CharField(widget=forms.HiddenInput, required=False, max_length=20_000, strip=True)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors and not data.get("rule") and not self._conditions(data):
            raise forms.ValidationError(_("Choose at least one condition; a segment of everybody is not a segment."))
        return data

    def as_rule(self) -> Any:
        """The rule as plain data, or the JSON text that was posted in its place."""
        return self.cleaned_data["rule"] or json.dumps({"version": 1, "rule": {"all": self._conditions(self.cleaned_data)}})

    @staticmethod
    def _conditions(data: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if data.get("dormancy"):
            found.append({"field": "dormancy", "is": data["dormancy"]})
        if data.get("level"):
            found.append({"field": "level", "is": [None if value == "none" else int(value) for value in data["level"]]})
        for name in ("assets", "idle_cash"):
            if data.get(name) is not None:
                found.append({"field": f"{name}_minor", "at_least": to_minor(data[name])})
        for name, condition in (("last_visit", "last_visit_days"), ("n_holdings", "n_holdings")):
            if data.get(name) is not None:
                found.append({"field": condition, "at_least": data[name]})
        if data.get("consent"):
            found.append({"field": "consent", "purpose": "marketing", "is": True})
        return found


class CampaignForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name, for yourself"), max_length=80)
    segment = forms.ModelChoiceField(
        label=gettext_lazy("To whom"), queryset=Segment.objects.none(), empty_label=gettext_lazy("Choose a segment")
    )
    channels = forms.MultipleChoiceField(
        label=gettext_lazy("By which channels"), choices=list(CHANNELS.items()), widget=forms.CheckboxSelectMultiple
    )
    is_service_letter = forms.BooleanField(
        label=gettext_lazy("This is a service letter"),
        help_text=gettext_lazy(
            "About something that has happened to their own account, with nothing to sell. It goes out without an agreement to marketing."
        ),
        required=False,
    )
    subject_zh = forms.CharField(label=gettext_lazy("Subject in Chinese"), max_length=120)
    body_zh = forms.CharField(label=gettext_lazy("Text in Chinese"), max_length=4_000, widget=forms.Textarea(attrs={"rows": 6}))
    subject_en = forms.CharField(label=gettext_lazy("Subject in English"), max_length=120)
    body_en = forms.CharField(label=gettext_lazy("Text in English"), max_length=4_000, widget=forms.Textarea(attrs={"rows": 6}))
    form_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["segment"].queryset = Segment.objects.visible_to(user)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for name in ("subject_zh", "subject_en", "body_zh", "body_en"):
            for unknown in unknown_placeholders(data.get(name, "")):
                self.add_error(name, _("Nothing would fill the placeholder {%(name)s}. Use {name} or none.") % {"name": unknown})
        for name in ("subject_zh", "subject_en"):
            data[name] = " ".join(data.get(name, "").split())
        return data

    def as_draft(self) -> Draft:
        data = {name: value for name, value in self.cleaned_data.items() if name != "form_key"}
        return Draft(**data)


class WhyForm(forms.Form):
    why = forms.CharField(label=gettext_lazy("Why (kept in the record)"), max_length=300, required=False)
