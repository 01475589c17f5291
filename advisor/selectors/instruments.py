"""The questionnaires as the advisors' site shows them: the list, one version as investors see it, and what it changes."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from advisor.instruments import Contradiction, Instrument, Item, Option, Step
from advisor.models import InstrumentVersion
from advisor.rules import may_publish_instruments
from advisor.selectors.instrument_changes import Change, changes_between
from advisor.selectors.instrument_words import BLOCKS, EXAMPLE_MINOR, FACTS, ReportView, report_view
from portfolios.templatetags.money import percent


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
