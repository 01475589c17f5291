"""The form with which a marketer makes a tag of a segment's rule."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from marketing.models import Segment
from marketing.services.tags import TagDraft


class TagForm(forms.Form):
    name_zh = forms.CharField(label=gettext_lazy("Name in Chinese"), max_length=60)
    name_en = forms.CharField(label=gettext_lazy("Name in English"), max_length=80)
    meaning_zh = forms.CharField(label=gettext_lazy("What it means, in Chinese"), max_length=300, required=False)
    meaning_en = forms.CharField(label=gettext_lazy("What it means, in English"), max_length=300, required=False)
    segment = forms.ModelChoiceField(
        label=gettext_lazy("Who gets it: the rule of a segment"),
        help_text=gettext_lazy("The rule is copied. It may rest on fields of the profile, ratios, other tags and random buckets only."),
        queryset=Segment.objects.none(),
        empty_label=gettext_lazy("Choose a segment"),
        required=False,
    )
    is_restricted = forms.BooleanField(
        label=gettext_lazy("Only for protection and service, never for sales"),
        help_text=gettext_lazy("A tag is never less sensitive than what its rule rests on, whatever you choose."),
        required=False,
    )
    rule = forms.CharField(
        label=gettext_lazy("Or a rule of your own, as JSON"),
        max_length=20_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["segment"].queryset = Segment.objects.visible_to(user)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if bool(data.get("segment")) == bool(data.get("rule")) and not self.errors:
            raise forms.ValidationError(_("Choose a segment, or write a rule: one of the two."))
        return data

    def as_draft(self) -> TagDraft:
        data = dict(self.cleaned_data)
        segment = data.pop("segment")
        return TagDraft(**data | {"rule": segment.rule if segment else data["rule"]})
