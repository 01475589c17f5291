"""One look at the builder: what the request carries, the step that its button asks for, and what the page then shows."""

import json
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext as _

from marketing.kernels.segments import RuleError
from marketing.models import Purpose, Segment
from marketing.rule_forms.drafts import Draft, complete_part, draft_of_form, draft_of_rule, empty_draft, rule_of_draft
from marketing.rule_forms.pages import builder_page
from marketing.rule_forms.steps import take_step
from marketing.selectors.segment_problems import why_not

STEPS = ("add", "remove", "up", "down")


@dataclass
class Sheet:
    """A rule being written, what the button asked for, and what is wrong with the whole of it."""

    root: Draft
    own: int | None = None
    is_saving: bool = False
    focus: str = ""
    problem: str = ""
    text: str = ""  # a rule in JSON that a program sent in place of the controls

    @property
    def is_blank(self) -> bool:
        return not self.root.nodes and not self.text

    def whole_rule(self) -> str:
        """The rule to be saved. Refused with a sentence, and the places noted beside their controls, where it is not complete."""
        if self.text:
            return self.text
        if all(node.is_group for node in self.root.all()):
            raise ValidationError(_("Add at least one condition; a segment of everybody is not a segment."))
        if any(node.is_group and not node.nodes for node in self.root.all()):
            raise ValidationError(_("A group is empty. Add a condition to it, or remove it."))
        rule = rule_of_draft(self.root)
        if rule is None:
            raise ValidationError(_("Some conditions are not complete. What you typed is kept; the places are marked below."))
        return rule

    def complete_part(self) -> tuple[dict[str, Any] | str | None, int]:
        """The rule of what can be read, and how many conditions cannot; their faults are marked only once somebody saves."""
        if self.text:
            return self.text, 0
        part = complete_part(self.root)
        if not self.is_saving:
            for node in self.root.all():
                node.errors = {}
        return part


def read_sheet(asked: QueryDict, posted: QueryDict | None, segment: Segment | None) -> Sheet:
    """The page as it was sent, after its button was pressed; or, before that, the rule of the address or of the segment."""
    own = segment.pk if segment else None
    if posted is None:
        return _opened(segment.rule if segment else _linked(asked), own)
    text = posted.get("rule", "")[:20_000]
    sheet = Sheet(draft_of_form(posted), own, text=text)
    step = posted.get("do", "save")[:40]
    sheet.is_saving = step == "save"
    if step.partition(":")[0] in STEPS:
        key = step.partition(":")[2]
        sheet.focus = take_step(sheet.root, step, posted.get(f"new-{key}", "")[:100])
    return sheet


def _linked(asked: QueryDict) -> Any:
    """The rule that an address carries, in JSON or, from older links, as states and levels."""
    if asked.get("rule"):
        return asked["rule"][:20_000]
    levels = [None if one == "none" else int(one) for one in asked.getlist("level") if one == "none" or one in "012345"]
    found: list[dict[str, Any]] = [{"field": "dormancy", "is": asked.getlist("dormancy")}, {"field": "level", "is": levels}]
    wanted = [one for one in found if one["is"]]
    return json.dumps({"version": 1, "rule": {"all": wanted}}) if wanted else None


def _opened(rule: Any, own: int | None) -> Sheet:
    if rule is None:
        return Sheet(empty_draft(), own)
    try:
        return Sheet(draft_of_rule(rule), own)
    except RuleError as error:
        return Sheet(empty_draft(), own, problem=why_not(error))


def sheet_page(sheet: Sheet, *, purpose: str | None) -> dict[str, Any]:
    """What the builder's template shows."""
    words = [("up", "↑", _("Move up:")), ("down", "↓", _("Move down:")), ("remove", "×", _("Remove:"))]
    page = builder_page(sheet.root, purpose=purpose or Purpose.SALES, own=sheet.own, focus=sheet.focus)
    return page | {"rule_problem": sheet.problem, "next_key": sheet.root.next_key, "steps": words}
