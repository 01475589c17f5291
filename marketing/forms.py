"""What a marketer fills in. Money is typed in yuan and leaves here in minor units."""

from typing import Any
from uuid import uuid4

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from marketing.channels import CHANNELS
from marketing.kernels.policy import unknown_placeholders
from marketing.models import Purpose, Segment, SegmentExport
from marketing.services import Draft


class SegmentForm(forms.Form):
    """Name and purpose of a segment; its conditions are fields of the builder (marketing.rule_forms)."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=80)
    purpose = forms.ChoiceField(
        label=gettext_lazy("What for"),
        choices=Purpose.choices,
        initial=Purpose.SALES,
        required=False,
        help_text=gettext_lazy("Only for service and protection may facts of the advice itself be used: answers, behaviour, open reviews."),
    )
    version = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=1)

    def clean_purpose(self) -> str:
        return self.cleaned_data["purpose"] or str(Purpose.SALES)


class ExportForm(forms.Form):
    reason = forms.ChoiceField(label=gettext_lazy("What for"), choices=SegmentExport.Reason.choices)
    why = forms.CharField(label=gettext_lazy("Why, in your own words (kept in the record)"), max_length=300, min_length=10)


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
        segment = data.get("segment")
        if segment is not None and segment.purpose == Purpose.SERVICE and not data.get("is_service_letter"):
            self.add_error("segment", _("This segment is for service and protection only. Choose another, or write a service letter."))
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
