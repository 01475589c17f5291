"""The questionnaires as the advisors' site shows them: the list, one version as investors see it, and what it changes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from advisor.instruments import Contradiction, Instrument, Item, Option, Step
from advisor.models import InstrumentVersion
from advisor.rules import may_publish_instruments
from advisor.selectors.instrument_words import BLOCKS, ReportView, report_view
from portfolios.templatetags.money import percent

EXAMPLE_MINOR = 10_000_000  # the preview asks about 100,000
FACTS: Mapping[str, Any] = {
    "short_reserve": gettext_lazy("reserve below three months"),
    "consumer_debt": gettext_lazy("consumer debt"),
    "age_65": gettext_lazy("65 or older"),
    "knows": gettext_lazy("right answer"),
    "no_experience": gettext_lazy("less than six months of experience"),
    "no_civil_capacity": gettext_lazy("no civil capacity"),
    "no_loss": gettext_lazy("no loss at all"),
}
PARTS: Mapping[str, Any] = {
    "topic": gettext_lazy("topic"), "question": gettext_lazy("question"), "why": gettext_lazy("why we ask"),
    "options": gettext_lazy("answer"), "steps": gettext_lazy("step"), "score": gettext_lazy("score"),
    "share": gettext_lazy("expected share"), "facts": gettext_lazy("facts"), "yuan": gettext_lazy("amounts"), "zh": "中文", "en": "English",
}  # fmt: skip


@dataclass(frozen=True)
class OptionView:
    text: str
    code: str
    score: float | None
    share: float | None
    facts: list[str]


@dataclass(frozen=True)
class StepView:
    """A step of a staircase: what it asks, and for each answer its words and where it leads."""

    code: str
    question: str
    ways: list[tuple[str, str]]


@dataclass(frozen=True)
class ItemView:
    number: int
    code: str
    block: str
    question: str
    why: str
    is_staircase: bool
    options: list[OptionView]
    steps: list[StepView]


@dataclass(frozen=True)
class ContradictionView:
    is_hard: bool
    topics: list[str]
    sentence: str


@dataclass(frozen=True)
class Change:
    """One difference to the published version: where, and what stood and stands there ("" for nothing)."""

    topic: str
    where: str
    before: str
    after: str


@dataclass(frozen=True)
class VersionPage:
    version: InstrumentVersion
    total: int
    items: list[ItemView]
    contradictions: list[ContradictionView]
    report: ReportView
    published: InstrumentVersion | None
    changes: list[Change]
    may_publish: bool
    is_own: bool


def versions_of(user: Any) -> Any:
    """Every version that this person may see, the latest first, without what they ask."""
    return InstrumentVersion.objects.visible_to(user).select_related("made_by", "published_by").defer("content")


def version_page(user: Any, version: InstrumentVersion) -> VersionPage:
    """One version as investors see it, with what only those who judge it see."""
    instrument = Instrument.model_validate(version.content)
    published = InstrumentVersion.objects.filter(state=InstrumentVersion.State.PUBLISHED).exclude(pk=version.pk).first()
    is_draft = version.state == InstrumentVersion.State.DRAFT
    return VersionPage(
        version=version,
        total=len(instrument.items),
        items=[_item_view(number, item) for number, item in enumerate(instrument.items, 1)],
        contradictions=[_contradiction_view(instrument, rule) for rule in instrument.contradictions],
        report=report_view(version.report, instrument),
        published=published,
        changes=changes_between(Instrument.model_validate(published.content), instrument) if published and is_draft else [],
        may_publish=is_draft and may_publish_instruments(user) and version.made_by_id != user.pk and not version.report["findings"],
        is_own=version.made_by_id == user.pk,
    )


def _item_view(number: int, item: Item) -> ItemView:
    return ItemView(
        number=number,
        code=item.code,
        block=str(BLOCKS[item.block]),
        question=item.asked(EXAMPLE_MINOR),
        why=item.why.said,
        is_staircase=item.kind == "staircase",
        options=[OptionView(o.text(EXAMPLE_MINOR), o.code, o.score, o.share, facts_of(o)) for o in item.options],
        steps=[_step_view(item, step) for step in item.steps],
    )


def _step_view(item: Item, step: Step) -> StepView:
    ends = {option.code: option.text(EXAMPLE_MINOR) for option in item.options}
    ways = [(words, ends.get(step.ways[answer], step.ways[answer])) for answer, words in item.choices_at(step)]
    return StepView(step.code, item.asked_at(step, EXAMPLE_MINOR), ways)


def facts_of(option: Option) -> list[str]:
    """What an answer says to ceilings and gates, in words."""
    facts = [str(FACTS[fact]) for fact in option.facts if fact in FACTS]
    if option.stated_loss is not None:
        facts.append(_("largest loss %(share)s") % {"share": percent(option.stated_loss, 0) if option.stated_loss < 1 else _("more")})
    if option.wealth_share:
        low, high = (percent(share, 0) for share in option.wealth_share)
        facts.append(_("%(low)s to %(high)s of all wealth") % {"low": low, "high": high})
    return facts


def _contradiction_view(instrument: Instrument, rule: Contradiction) -> ContradictionView:
    return ContradictionView(rule.is_hard, [item.topic.said for code in rule.items if (item := instrument.item(code))], rule.said)


def changes_between(old: Instrument, new: Instrument) -> list[Change]:
    """List every difference, question by question in the order of the new version, then what was dropped, then contradictions."""
    before, after = ({item.code: item for item in instrument.items} for instrument in (old, new))
    changes = []
    for code, item in after.items():
        if code not in before:
            changes.append(Change(item.topic.said, _("new question"), "", item.question.said))
        else:
            changes += _changes_of(item.topic.said, before[code].model_dump(mode="json"), item.model_dump(mode="json"))
    changes += [
        Change(item.topic.said, _("question dropped"), item.question.said, "") for code, item in before.items() if code not in after
    ]
    if [code for code in before if code in after] != [code for code in after if code in before]:
        changes.append(Change(_("all questions"), pgettext("of questions", "order"), ", ".join(before), ", ".join(after)))
    rules = [{"rules": [rule.model_dump(mode="json") for rule in instrument.contradictions]} for instrument in (old, new)]
    return changes + _changes_of(_("contradictions"), *rules)


def _changes_of(topic: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    before, after = dict(_leaves(old)), dict(_leaves(new))
    wholes = {path[:2] for path in before if len(path) > 2} ^ {path[:2] for path in after if len(path) > 2}
    changes: dict[tuple[str, ...], Change] = {}
    for path in [*after, *(path for path in before if path not in after)]:
        if before.get(path) == after.get(path):
            continue
        # An answer, a step or a rule that is only in one of the two is told once, by its words.
        place = path[:2] if path[:2] in wholes else path
        words = [_words_of(side, place) for side in (before, after)] if place != path else [before.get(path, ""), after.get(path, "")]
        changes.setdefault(place, Change(topic, " › ".join(str(PARTS.get(part, part)) for part in place), *words))
    return list(changes.values())


def _words_of(leaves: Mapping[tuple[str, ...], str], place: tuple[str, ...]) -> str:
    inside = {path: value for path, value in leaves.items() if path[:2] == place}
    return " / ".join(value for path, value in inside.items() if path[-1] in ("zh", "en")) or ", ".join(inside.values())


def _leaves(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every value with the way to it; what has a code is named by it, so that a move is no change of everything."""
    if isinstance(data, dict):
        for name, value in data.items():
            yield from _leaves(value, path if name == "code" else (*path, name))
    elif isinstance(data, list) and data and isinstance(data[0], dict):
        yield (*path, pgettext("of questions", "order")), ", ".join(str(one.get("code", "")) for one in data)
        for place, one in enumerate(data):
            yield from _leaves(one, (*path, str(one.get("code", place))))
    else:
        yield path, ", ".join(str(one) for one in data) if isinstance(data, list) else str(data)
