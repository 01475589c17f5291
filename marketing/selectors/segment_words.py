"""A segment's rule in words: a sentence, or a list of sentences below one another, in the reader's language."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import get_language

from advisor.models import Consent, Level
from marketing.catalogue import ProfileField, profile_fields
from marketing.catalogue.events import channels, event_label, sources, themes
from marketing.catalogue.segments import clause, segment_words
from marketing.kernels.conditions import (
    All,
    AnyOf,
    Bucket,
    Condition,
    ConsentIs,
    DidEvent,
    FieldDays,
    FieldFlag,
    FieldIs,
    FieldRange,
    FundTraits,
    Group,
    HasTag,
    Holds,
    InCampaign,
    InSegment,
    LastEvent,
    Messaged,
    NextActionIs,
    Node,
    Ordered,
    Ratio,
    Resembles,
)
from marketing.kernels.segments import Rule, conditions, segments_named
from marketing.models import Campaign, NextAction, Segment, Tag
from portfolios.jurisdictions import jurisdiction
from portfolios.money import from_minor
from portfolios.selectors import class_name

YUAN_OF = {"yi": 10**8, "wan": 10**4}


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence, and the indented ones that belong under it."""

    text: str
    parts: list["Words"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Names:
    """What tags, segments and campaigns of a rule are called: a query a kind, and only for kinds that it names."""

    tags: dict[str, str]
    segments: dict[int, str]
    campaigns: dict[int, str]


def explain(rule: Rule) -> Words:
    """Say the rule as a tree, one line a condition. What a condition names and is no longer there is said to be gone."""
    return _tree(rule.rule, _names(rule))


def sentence(rule: Rule) -> str:
    """Say the whole rule as one sentence."""
    node, names = rule.rule, _names(rule)
    return clause("sentence", rule=_line(node, names, is_inside=False))


def condition_words(one: Condition) -> str:
    """Say one condition."""
    return _leaf(one, _names(Rule.model_construct(version=1, rule=one)))


def _names(rule: Rule) -> Names:
    found = list(conditions(rule.rule))
    tags = {one.tag for one in found if isinstance(one, HasTag)}
    segments = segments_named(rule.rule)
    campaigns = {pk for one in found if isinstance(one, InCampaign | Messaged) and (pk := one.campaign)}
    return Names(
        {tag.code: tag.name for tag in Tag.objects.filter(code__in=tags, state=Tag.State.ACTIVE)} if tags else {},
        {segment.pk: segment.title for segment in Segment.objects.filter(pk__in=segments)} if segments else {},
        dict(Campaign.objects.filter(pk__in=campaigns).values_list("pk", "name")) if campaigns else {},
    )


def _tree(node: Node, names: Names) -> Words:
    if not isinstance(node, Group):
        said = _leaf(node, names)
        return Words(said[:1].upper() + said[1:])
    name = "all" if isinstance(node, All) else "any" if isinstance(node, AnyOf) else "none"
    return Words(clause(name), [_tree(child, names) for child in node.nodes])


def _line(node: Node, names: Names, *, is_inside: bool) -> str:
    if not isinstance(node, Group):
        return _leaf(node, names)
    said = [_line(child, names, is_inside=len(node.nodes) > 1) for child in node.nodes]
    joined = clause("all_joint" if isinstance(node, All) else "any_joint").join(said)
    if not isinstance(node, All | AnyOf):
        return clause("none_group", rule=joined)
    return clause("group", rule=joined) if is_inside and len(said) > 1 else joined


def _leaf(one: Condition, names: Names) -> str:
    if isinstance(one, HasTag):
        return clause("tag" if one.value else "no_tag", name=_name_of(names.tags, one.tag))
    if isinstance(one, InCampaign):
        return clause("campaign" if one.is_in else "no_campaign", name=_name_of(names.campaigns, one.campaign))
    if isinstance(one, InSegment):
        return clause("segment" if one.is_in else "no_segment", name=_name_of(names.segments, one.segment))
    if isinstance(one, Resembles):
        name = _name_of(names.segments, one.resembles)
        return clause("look_alike" if one.is_in else "no_look_alike", name=name, far=_how_far(one))
    if isinstance(one, Messaged):
        of_campaign = clause("of_campaign", name=_name_of(names.campaigns, one.campaign)) if one.campaign else ""
        return clause(f"{'' if one.did else 'no_'}message_{one.message}", campaign=of_campaign, window=_window(one.within_days))
    return _SAID[type(one)](one)


def _how_far(one: Resembles) -> str:
    return clause("nearest", n=one.nearest) if one.nearest is not None else clause("nearest_share", share=f"{(one.parts or 0) / 100:g}%")


def _next_action(one: NextActionIs) -> str:
    said = [str(NextAction.Kind(kind).label) for kind in one.actions]
    return clause("next_action" if one.is_in else "no_next_action", values=_either(said))


def _name_of(names: dict[Any, str], key: Any) -> str:
    return names.get(key) or clause("gone", name=key)


def _window(days: int | None) -> str:
    return "" if days is None else clause("window", n=days)


def _event(one: DidEvent) -> str:
    detail = "".join(clause("event_property", name=name, value=value) for name, value in (one.where or {}).items())
    if one.channel is not None:
        named = channels().get(one.channel)
        detail += clause("event_channel", channel=named.label if named else one.channel)
    name = f"{'' if one.did else 'no_'}event{'_times' if one.at_least > 1 else ''}"
    words = segment_words().clauses[name].label
    return words.format(name=event_label(one.event), detail=detail, n=one.at_least, window=_window(one.within_days))


def _order(one: Ordered) -> str:
    origins = segment_words().origins
    codes: list[str] = list(one.origin) if one.origin else ["decisions"]
    origin = _either([origins[code].label for code in codes])
    of_funds = clause("of_funds", traits=_traits(one)) if one.traits else ""
    what = clause(f"order_{one.order}", origin=origin, funds=of_funds)
    words = segment_words().clauses[f"{'' if one.did else 'no_'}order{'_times' if one.at_least > 1 else ''}"].label
    return words.format(what=what, n=one.at_least, window=_window(one.within_days))


def _holding(one: Holds) -> str:
    return clause(f"{'' if one.value else 'no_'}{'ever_' if one.ever else ''}holds", traits=_traits(one.holding))


def _traits(which: FundTraits) -> str:
    said = {"asset_class": class_name, "category": _category}
    parts = [clause(name, value=said.get(name, str)(value)) for name, value in which.traits.items()]
    return clause("traits", traits=clause("list_joint").join(parts))


def _category(code: str) -> str:
    row = jurisdiction().categories.get(code)
    return row.name if row else code


def _consent(one: ConsentIs) -> str:
    return clause("consent" if one.value else "no_consent", purpose=Consent.Purpose(one.purpose).label)


def _field_label(name: str) -> str:
    known = profile_fields().get(name)
    return known.label if known else clause("gone", name=name)


def _field_range(one: FieldRange) -> str:
    known = profile_fields().get(one.field)
    return _between(_field_label(one.field), one.at_least, one.below, value_shower(known.kind if known else "number"))


def _ratio(one: Ratio) -> str:
    upper, lower = map(_field_label, one.ratio)
    return _between(clause("ratio", upper=upper, lower=lower), one.at_least, one.below, value_shower("number"))


def _between(name: str, low: Any, high: Any, show: Callable[[Any], str]) -> str:
    if low is not None and high is not None:
        return clause("between", name=name, low=show(low), high=show(high))
    return clause("below", name=name, high=show(high)) if low is None else clause("at_least", name=name, low=show(low))


def _field_is(one: FieldIs) -> str:
    names = value_names(profile_fields().get(one.field))
    said = [clause("unknown_value") if value in ("", None) else names.get(value, str(value)) for value in one.values]
    return clause("is", name=_field_label(one.field), values=_either(said))


def _field_days(one: FieldDays) -> str:
    name, low, high = _field_label(one.field), one.days_ago_at_least, one.days_ago_below
    if one.in_days_below is not None:
        return clause("ahead_below", name=name, high=one.in_days_below)
    if low is not None and high is not None:
        return clause("ago_between", name=name, low=low, high=high)
    return clause("ago_at_least", name=name, low=low) if high is None else clause("ago_below", name=name, high=high)


def value_names(known: ProfileField | None) -> dict[Any, str]:
    """What the values of a category or level are called, as far as they have names."""
    if known is None:
        return {}
    if known.kind == "level":
        return {level.value: level.label for level in Level}
    named: dict[str, dict[str, Any]] = {
        "top_theme": dict(themes()),
        "visit_channel": dict(channels()),
        "best_channel": dict(channels()),
        "acquisition_source": dict(sources()),
    }
    if known.name == "top_category":
        return {code: row.name for code, row in jurisdiction().categories.items()}
    rows = named.get(known.name) or segment_words().values.get(known.name, {})
    return {code: row.label for code, row in rows.items()}


def value_shower(kind: str) -> Callable[[Any], str]:
    """How a number of this kind is written: money in yuan (ten thousands in Chinese), shares in percent."""
    if kind in {"money", "signed_money"}:
        return amount_words
    if kind in {"fraction", "signed_fraction"}:
        return lambda value: f"{value * 100:.6g}%"
    if kind == "grade":
        return lambda value: f"R{value}"
    return lambda value: f"{value:,.10g}"


def amount_words(minor: int) -> str:
    """An amount in yuan; in Chinese from ten thousand on in 万, from a hundred million on in 亿."""
    yuan = from_minor(minor)
    if (get_language() or "zh").startswith("zh"):
        for unit, size in YUAN_OF.items():
            if abs(yuan) >= size:
                return clause(unit, amount=f"{yuan / size:,.6f}".rstrip("0").rstrip("."))
    return clause("yuan", amount=f"{yuan:,.2f}".removesuffix(".00"))


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else clause("list_last", list=clause("list_joint").join(names[:-1]), last=names[-1])


_SAID: dict[type, Callable[[Any], str]] = {
    FieldRange: _field_range,
    FieldIs: _field_is,
    FieldFlag: lambda one: clause("is_yes" if one.value else "is_no", name=_field_label(one.field)),
    FieldDays: _field_days,
    ConsentIs: _consent,
    Ratio: _ratio,
    NextActionIs: _next_action,
    DidEvent: _event,
    LastEvent: lambda one: clause("last_event", name=event_label(one.event), n=one.last_before_days),
    Ordered: _order,
    Holds: _holding,
    Bucket: lambda one: clause("bucket", name=one.bucket, low=one.start, high=one.below - 1),
}
