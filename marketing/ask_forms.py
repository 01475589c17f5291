"""Forms of questions, read from an address so that an answer can be sent on, and of alerts."""

import json
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from marketing.catalogue.events import event_label
from marketing.catalogue.metrics import metrics
from marketing.kernels.ask import FACTS, MAX_DAYS, MAX_PERIODS, MAX_STEPS, Question, QuestionError, as_json, read_question
from marketing.models import MetricAlert, Segment
from marketing.selectors.ask_parts import FACT_WORDS
from marketing.selectors.ask_spread import CATEGORIES, NUMBERS, askable
from marketing.selectors.moments import known_events

N_STEPS = MAX_STEPS
Choices = list[tuple[str, Any]]


def step_choices(*, is_optional: bool = False) -> Choices:
    """Facts, and events under every name that was taken in."""
    facts = [(f"fact:{code}", str(FACT_WORDS[code]).capitalize()) for code in FACTS]
    seen = sorted(((f"event:{name}", event_label(name)) for name in known_events()), key=lambda row: row[1])
    empty: Choices = [("", "–")] if is_optional else []
    return [*empty, (gettext("Records"), facts), (gettext("Events"), seen)]


def step_from(chosen: str, where: str) -> dict[str, Any]:
    """A step as a question holds it; `where` is "property=value", commas between."""
    kind, _colon, name = chosen.partition(":")
    pairs = [pair.partition("=") for pair in where.split(",") if pair.strip()]
    properties = {name.strip(): value.strip() for name, _equals, value in pairs}
    return {kind: name} | ({"where": properties} if properties else {})


def step_fields(step: dict[str, Any], name: str) -> dict[str, str]:
    """The fields that give the step back."""
    chosen = f"fact:{step['fact']}" if step.get("fact") else f"event:{step.get('event', '')}"
    return {name: chosen, f"{name}_where": ", ".join(f"{key}={value}" for key, value in step.get("where", {}).items())}


class QuestionForm(forms.Form):
    """What all questions have: of whom. `question` is what was asked, once the form is valid."""

    kind = ""
    segment = forms.ModelChoiceField(label=_("Of whom"), queryset=Segment.objects.none(), required=False, empty_label=_("everybody"))
    question: Question | None = None

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["segment"].queryset = Segment.objects.visible_to(user)  # type: ignore[attr-defined]
        for name, field in self.fields.items():
            if name.endswith("_where"):
                field.label = _("Only where")
        self.order_fields([*[name for name in self.fields if name != "segment"], "segment"])

    def as_json(self, data: dict[str, Any]) -> dict[str, Any]:
        """What a kind asks besides; nothing more makes no question, which `read_question` refuses."""
        return {}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        asked = self.as_json(data) | {"kind": self.kind, "segment": data["segment"].pk if data.get("segment") else None}
        try:
            self.question = read_question(asked)
        except QuestionError as error:
            raise forms.ValidationError(
                gettext("The question cannot be read at “%(where)s”.") % {"where": error.where or error.code}
            ) from error
        return data

    @property
    def question_text(self) -> str:
        return json.dumps(as_json(self.question), ensure_ascii=False) if self.question else ""


class FunnelForm(QuestionForm):
    kind = "funnel"
    within_days = forms.IntegerField(label=_("All steps within (days)"), min_value=1, max_value=366, initial=7)
    days = forms.IntegerField(label=_("First step in the last (days)"), min_value=1, max_value=MAX_DAYS, initial=30)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        every, optional = step_choices(), step_choices(is_optional=True)
        steps: dict[str, forms.Field] = {}
        for at in range(1, N_STEPS + 1):
            label = gettext("Step %(n)s") % {"n": at}
            steps[f"step_{at}"] = forms.ChoiceField(label=label, choices=every if at < 3 else optional, required=at < 3)
            steps[f"step_{at}_where"] = forms.CharField(label=_("Only where"), max_length=200, required=False)
        self.fields = steps | self.fields  # type: ignore[assignment]

    def as_json(self, data: dict[str, Any]) -> dict[str, Any]:
        chosen = [(data.get(f"step_{at}", ""), data.get(f"step_{at}_where", "")) for at in range(1, N_STEPS + 1)]
        steps = [step_from(step, where) for step, where in chosen if step]
        return {"steps": steps, "within_days": data["within_days"], "days": data["days"]}


class RetentionForm(QuestionForm):
    kind = "retention"
    start = forms.ChoiceField(label=_("Began with"))
    start_where = forms.CharField(required=False, max_length=200)
    again = forms.ChoiceField(label=_("Came back for"))
    again_where = forms.CharField(required=False, max_length=200)
    unit = forms.ChoiceField(label=_("Counted by"), choices=[("week", _("week")), ("month", _("month"))])
    n_periods = forms.IntegerField(label=_("How many"), min_value=2, max_value=MAX_PERIODS, initial=8)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["start"].choices = self.fields["again"].choices = step_choices()  # type: ignore[attr-defined]

    def as_json(self, data: dict[str, Any]) -> dict[str, Any]:
        steps = {name: step_from(data[name], data[f"{name}_where"]) for name in ("start", "again")}
        return steps | {"unit": data["unit"], "n_periods": data["n_periods"]}


class PathForm(QuestionForm):
    kind = "path"
    around = forms.ChoiceField(label=_("Around"))
    around_where = forms.CharField(required=False, max_length=200)
    direction = forms.ChoiceField(label=_("What came"), choices=[("after", _("after it")), ("before", _("before it"))])
    depth = forms.TypedChoiceField(label=_("How many steps"), coerce=int, choices=[(n, str(n)) for n in (1, 2, 3)], initial=3)
    within_hours = forms.IntegerField(label=_("Within (hours)"), min_value=1, max_value=720, initial=24)
    days = forms.IntegerField(label=_("In the last (days)"), min_value=1, max_value=92, initial=30)
    top = forms.IntegerField(label=_("How many ways"), min_value=1, max_value=20, initial=10)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["around"].choices = step_choices()  # type: ignore[attr-defined]

    def as_json(self, data: dict[str, Any]) -> dict[str, Any]:
        plain = {name: data[name] for name in ("direction", "depth", "within_hours", "days", "top")}
        return plain | {"around": step_from(data["around"], data["around_where"])}


class DistributionForm(QuestionForm):
    kind = "distribution"
    field = forms.ChoiceField(label=_("How this is spread"))
    by = forms.ChoiceField(label=_("By category"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["field"].choices = [(one.name, one.label) for one in askable(NUMBERS)]  # type: ignore[attr-defined]
        categories = [(one.name, one.label) for one in askable(CATEGORIES)]
        self.fields["by"].choices = [("", _("none")), *categories]  # type: ignore[attr-defined]

    def as_json(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"field": data["field"], "by": data["by"] or None}


FORMS: dict[str, type[QuestionForm]] = {one.kind: one for one in (FunnelForm, RetentionForm, PathForm, DistributionForm)}


def fields_of(question: dict[str, Any]) -> dict[str, Any]:
    """A stored question as the fields of its form."""
    plain = {key: value for key, value in question.items() if isinstance(value, str | int) and key not in {"kind", "version"}}
    for name in ("start", "again", "around"):
        plain |= step_fields(question[name], name) if name in question else {}
    for at, step in enumerate(question.get("steps", [])[:N_STEPS], 1):
        plain |= step_fields(step, f"step_{at}")
    return plain


class SaveForm(forms.Form):
    """A name for a question that was asked."""

    name = forms.CharField(label=_("Name"), max_length=80)
    question = forms.CharField(widget=forms.HiddenInput, max_length=4_000)


class AlertForm(forms.Form):
    """A limit on a metric; a share and a change are typed in percent, money in yuan."""

    kind = forms.ChoiceField(label=_("Tell me when it"), choices=MetricAlert.Kind.choices)
    limit = forms.FloatField(label=_("The limit"), min_value=-1e12, max_value=1e12)

    def limit_for(self, code: str) -> float:
        """The limit in the metric's own unit."""
        limit, unit = float(self.cleaned_data["limit"]), metrics()[code].unit
        if self.cleaned_data["kind"] == MetricAlert.Kind.CHANGE:
            return abs(limit) / 100
        return limit / 100 if unit == "share" else limit * 100 if unit == "money" else limit
