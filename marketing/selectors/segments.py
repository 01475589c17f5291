"""What a segment's rule means: one query over investors. Its words are in segment_words."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import count
from typing import Any, get_args

from django.db import connection, transaction
from django.db.models import BigIntegerField, DateTimeField, F, FloatField, Q, QuerySet, Value
from django.db.models.functions import Cast, NullIf
from django.db.models.lookups import GreaterThan, GreaterThanOrEqual, LessThan
from django.utils import timezone

from advisor.models import Investor
from advisor.selectors import consents_in_force
from marketing.catalogue import profile_fields
from marketing.kernels.conditions import (
    N_BUCKETS,
    All,
    AnyOf,
    Bucket,
    Condition,
    ConsentIs,
    FactCondition,
    FieldDays,
    FieldFlag,
    FieldIs,
    Group,
    HasTag,
    InCampaign,
    InSegment,
    NextActionIs,
    Node,
    NoneOf,
    Ratio,
    Resembles,
)
from marketing.kernels.segments import (
    FROZEN_LIMITS,
    PRIME,
    Rule,
    RuleError,
    bucket_factors,
    conditions,
    parse_rule,
    placed_conditions,
    problems,
    segment_named,
    segments_named,
    sensitivity_of,
)
from marketing.kernels.segments import read_rule as read_with
from marketing.models import Campaign, Profile, Segment, Tag, TagWords
from marketing.selectors.look_alikes import look_alikes_of
from marketing.selectors.next_actions import keys_to_draw
from marketing.selectors.segment_facts import recipients, who

LIVE = {"level": "investor__level", "level_valid_until": "investor__level_valid_until"}  # fresher than the nightly row
FACTS = get_args(FactCondition)


def read_rule(data: Any) -> Rule:
    """Read a segment's rule against the fields that there are; RuleError with the first thing that is wrong."""
    return read_with(data, profile_fields())


def read_frozen(data: Any) -> Rule:
    """Read a rule that `frozen` wrote."""
    return parse_rule(data, limits=FROZEN_LIMITS)


def people_in(rule: Rule, *, now: datetime | None = None) -> QuerySet[Investor]:
    """The investors whom the rule describes now, unevaluated; only those whose profile has been worked out.

    Raises RuleError where the rule names what is gone, or leads back to itself.
    """
    return Investor.objects.filter(pk__in=members(rule, now=now).values("pk"), erased_at=None)


def members(rule: Rule, *, now: datetime | None = None) -> QuerySet[Profile]:
    """The same people as rows of the profile, whose columns can be counted without another table."""
    whole = frozen(rule)
    return Profile.objects.filter(_Compiler(now or timezone.now(), _tags_in(whole)).compile(whole.rule, True))


@contextmanager
def roomy() -> Iterator[None]:
    """Room to hash the people of a whole bank while a rule is evaluated; what is read inside must be read to its end.

    With 4 MB PostgreSQL would give up hashing at some 260,000 people and search a list for each of them; and its
    compiler takes longer than such a statement. Elsewhere this does nothing.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem TO '64MB'; SET LOCAL jit TO off")
        yield


def frozen(rule: Rule) -> Rule:
    """The rule with the segments that it names written out, so that it no longer changes with them; checked whole."""
    rules = _rules_below(rule)
    whole = Rule.model_construct(version=1, rule=_written_out(rule.rule, rules, (), count(1)))
    for problem in (*problems(whole, profile_fields()), *_gone(whole)):
        raise problem
    return whole


def _rules_below(rule: Rule) -> dict[int, Rule]:
    """Every rule that this one names, however far down; a query a level."""
    found: dict[int, Rule] = {}
    wanted = segments_named(rule.rule)
    while wanted:
        rows = dict(Segment.objects.filter(pk__in=wanted).values_list("pk", "rule"))
        for pk in wanted:
            if pk not in rows:
                raise RuleError("unknown_segment", _place_of_segment(rule, pk), str(pk))
            found[pk] = parse_rule(rows[pk])
        wanted = set[int]().union(*(segments_named(found[pk].rule) for pk in wanted)) - set(found)
    return found


def _place_of_segment(rule: Rule, pk: int) -> str:
    return next((where for where, one in placed_conditions(rule.rule) if segment_named(one) == pk), "")


def _written_out(node: Node, rules: dict[int, Rule], path: tuple[int, ...], written: Iterator[int]) -> Any:
    """Conditions are counted as they are written: five segments that name each other fifty times would be 300 million."""
    if isinstance(node, Group):
        return type(node).model_construct(nodes=[_written_out(child, rules, path, written) for child in node.nodes])
    named = segment_named(node)
    if not isinstance(node, InSegment) and next(written) > FROZEN_LIMITS[1]:
        raise RuleError("too_long")
    if named is None:
        return node
    if named in path:
        raise RuleError("cycle", "", str(named))
    if len(path) >= FROZEN_LIMITS[0] // 8:
        raise RuleError("too_deep")
    inner = _written_out(rules[named].rule, rules, (*path, named), written)
    if not isinstance(node, InSegment):
        return node  # whom it names was worked out before; its rule was walked for what leads back here
    return (All if node.is_in else NoneOf).model_construct(nodes=[inner])


def _tags_in(rule: Rule) -> dict[str, Tag]:
    codes = {one.tag for one in conditions(rule.rule) if isinstance(one, HasTag)}
    return {tag.code: tag for tag in Tag.objects.filter(code__in=codes, state=Tag.State.ACTIVE)} if codes else {}


def _gone(rule: Rule) -> Iterable[RuleError]:
    """Tags and campaigns that a rule names and that are no longer there."""
    tags = _tags_in(rule)
    campaigns = {one.campaign for one in conditions(rule.rule) if one.kind in {"campaign", "message"} and one.campaign}  # type: ignore[union-attr]
    there = set(Campaign.objects.filter(pk__in=campaigns).values_list("pk", flat=True)) if campaigns else set()
    for where, one in placed_conditions(rule.rule):
        if isinstance(one, HasTag) and one.tag not in tags:
            yield RuleError("unknown_tag", where, one.tag)
        campaign = getattr(one, "campaign", None)
        if campaign is not None and campaign not in there:
            yield RuleError("unknown_campaign", where, str(campaign))


def restricted_in(rule: Rule) -> Iterable[RuleError]:
    """What a rule reads, also in segments below it, that may never choose whom to sell to."""
    fields, whole = profile_fields(), frozen(rule)
    tags = _tags_in(whole)
    for where, one in placed_conditions(whole.rule):
        if isinstance(one, Resembles):  # who is like people chosen by such facts is chosen by them as well
            seed = parse_rule(Segment.objects.values_list("rule", flat=True).get(pk=one.resembles))
            yield from (RuleError("restricted", where, inner.name) for inner in restricted_in(seed))
        elif isinstance(one, HasTag) and tags[one.tag].sensitivity == Tag.Sensitivity.RESTRICTED:
            yield RuleError("restricted", where, tags[one.tag].name)
        elif sensitivity_of(one, fields) == "restricted":
            names = one.ratio if isinstance(one, Ratio) else [one.field]  # type: ignore[union-attr]
            yield RuleError("restricted", where, next(fields[name].label for name in names if fields[name].sensitivity == "restricted"))


@dataclass(frozen=True, slots=True)
class _Compiler:
    """Turns nodes into conditions on rows of Profile, at one moment.

    A condition on behaviour speaks only of people who agree to profiling: neither it nor its opposite is ever true of
    somebody else. So "not" is carried down to the conditions, and the agreement is asked beside each group of them.
    """

    now: datetime
    tags: dict[str, Tag]

    def compile(self, node: Node, wanted: bool) -> Q:
        """Rows of which the node is true, or false where it is not wanted."""
        if not isinstance(node, Group):
            return self._together([node], wanted, True)
        inside = wanted is not isinstance(node, NoneOf)
        joins = wanted is not isinstance(node, AnyOf)  # de Morgan: all of a group are true unless one of them is false
        plain = [child for child in node.nodes if not isinstance(child, Group)]
        parts = [self.compile(child, inside) for child in node.nodes if isinstance(child, Group)]
        return _joined([self._together(plain, inside, joins), *parts] if plain else parts, joins)

    def _together(self, leaves: list[Condition], wanted: bool, joins: bool) -> Q:
        """Conditions that stand side by side, with one agreement for all of them that read behaviour."""
        behaviour = [self._leaf(one, wanted) for one in leaves if self._reads_behaviour(one)]
        parts = [self._leaf(one, wanted) for one in leaves if not self._reads_behaviour(one)]
        if behaviour:
            parts.append(Q(pk__in=consents_in_force("profiling").values("investor_id")) & _joined(behaviour, joins))
        return _joined(parts, joins)

    def _reads_behaviour(self, one: Condition) -> bool:
        if isinstance(one, HasTag):
            tag = self.tags[one.tag]
            return tag.needs_consent or tag.sensitivity == Tag.Sensitivity.PROFILING
        return sensitivity_of(one, profile_fields()) == "profiling"

    def _leaf(self, one: Condition, wanted: bool) -> Q:
        says_yes = getattr(one, "did", getattr(one, "is_in", getattr(one, "value", True)))
        found = self._found(one)
        return found if wanted is bool(says_yes) else ~found

    def _found(self, one: Condition) -> Q:
        """Rows of which the condition is true, before its own "did", "is" or "is_in"."""
        if isinstance(one, FACTS):
            return Q(pk__in=who(one, self.now))
        if isinstance(one, InCampaign):
            return Q(pk__in=recipients(one.campaign))
        if isinstance(one, Resembles):
            return Q(pk__in=look_alikes_of(one))
        if isinstance(one, NextActionIs):
            return Q(pk__in=keys_to_draw(one.actions, self.now))
        if isinstance(one, ConsentIs):
            return Q(pk__in=consents_in_force(one.purpose).values("investor_id"))
        if isinstance(one, HasTag):
            return _tagged(self.tags[one.tag])
        if isinstance(one, FieldDays):
            return _on_days(one, timezone.localdate(self.now))
        return _in_profile(one)


def _joined(parts: list[Q], joins: bool) -> Q:
    whole = parts[0]
    for part in parts[1:]:
        whole = whole & part if joins else whole | part
    return whole


def _in_profile(one: Any) -> Q:
    if isinstance(one, Ratio):
        return _ratio(one)
    if isinstance(one, Bucket):
        return _in_bucket(one)
    column = LIVE.get(one.field, one.field)
    if isinstance(one, FieldFlag):
        return Q(**{column: True})
    if isinstance(one, FieldIs):
        return _is_one_of(column, one.values, is_text=profile_fields()[one.field].kind == "category")
    bounds = Q(**{f"{column}__isnull": False})
    if one.at_least is not None:
        bounds &= Q(**{f"{column}__gte": one.at_least})
    return bounds if one.below is None else bounds & Q(**{f"{column}__lt": one.below})


def _is_one_of(column: str, values: list[Any], *, is_text: bool) -> Q:
    known = [value for value in values if value not in (None, "")]
    unknown = Q(**{column: ""}) if is_text else Q(**{f"{column}__isnull": True})
    if len(known) == len(values):
        return Q(**{f"{column}__in": known})
    return unknown | Q(**{f"{column}__in": known}) if known else unknown


def _on_days(one: FieldDays, today: date) -> Q:
    column = LIVE.get(one.field, one.field)
    is_moment = isinstance(Profile._meta.get_field(one.field), DateTimeField)

    def begins(day: date) -> date | datetime:
        return timezone.make_aware(datetime.combine(day, time.min)) if is_moment else day

    if one.in_days_below is not None:
        return Q(**{f"{column}__gte": begins(today), f"{column}__lt": begins(today + timedelta(days=one.in_days_below))})
    on = Q()
    if one.days_ago_at_least is not None:
        until = begins(today - timedelta(days=one.days_ago_at_least - 1))
        on &= Q(**{f"{column}__lt": until}) | Q(**{f"{column}__isnull": True})
    if one.days_ago_below is not None:
        on &= Q(**{f"{column}__gte": begins(today - timedelta(days=one.days_ago_below - 1))})
    return on


def _ratio(one: Ratio) -> Q:
    upper, lower = (LIVE.get(name, name) for name in one.ratio)
    fraction = Cast(F(upper), FloatField()) / NullIf(Cast(F(lower), FloatField()), Value(0.0))
    known = Q(**{f"{upper}__isnull": False, f"{lower}__isnull": False}) & ~Q(**{lower: 0})
    if one.at_least is not None:
        known &= Q(GreaterThanOrEqual(fraction, float(one.at_least)))
    return known if one.below is None else known & Q(LessThan(fraction, float(one.below)))


def _tagged(tag: Tag) -> Q:
    if tag.word is None or tag.bit is None:  # nobody has been given it yet
        return Q(pk__in=[])
    return Q(pk__in=TagWords.objects.filter(GreaterThan(F(f"w{tag.word}").bitand(1 << tag.bit), 0)).values("pk"))


def _in_bucket(one: Bucket) -> Q:
    multiplier, offset = (Value(factor, BigIntegerField()) for factor in bucket_factors(one.bucket))
    dealt = (Cast(F("bucket_seed"), BigIntegerField()) * multiplier + offset) % PRIME % N_BUCKETS
    return Q(GreaterThanOrEqual(dealt, one.start)) & Q(LessThan(dealt, one.below))
