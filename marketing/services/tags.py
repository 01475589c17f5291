"""Tags as definitions: those that come with the product, those of marketers, their places, and their end."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.text import slugify
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from marketing.catalogue import profile_fields
from marketing.catalogue.tags import ShippedTag, shipped_tags
from marketing.kernels.segments import TAG_KINDS, RuleError, read_rule
from marketing.kernels.tag_words import BITS_A_WORD, mask_of
from marketing.kernels.tags import Plan, TagSource
from marketing.models import Segment, Tag, TagWords
from marketing.models.tags import N_WORDS
from marketing.selectors.tag_columns import WORD_NAMES
from marketing.selectors.tags import active_tags, fund_companies, has_bits, plan_of, problem_of, problem_words

OWN = "own"
NO_PLACE = "no_place"
OWN_PRIORITY = 150
COPIED = ("name_zh", "name_en", "meaning_zh", "meaning_en", "group", "refresh", "owner", "priority")
REWRITTEN = (*COPIED, "rule", "sensitivity", "needs_consent", "state", "retired_at", "defined_at", "counted_from")


@dataclass(frozen=True, slots=True)
class Synced:
    """How many tags a sync made, changed and retired."""

    made: int
    changed: int
    retired: int


@dataclass(frozen=True, slots=True)
class TagDraft:
    """A tag as a marketer writes it. The rule is parsed JSON or its text."""

    name_zh: str
    name_en: str
    rule: Any
    meaning_zh: str = ""
    meaning_en: str = ""
    is_restricted: bool = False


# ── Tags that come with the product ──────────────────────────────────────────────────────────────────────────────


def sync_tags() -> Synced:
    """Write the shipped tags as rows, retire those that are no longer shipped, and give places. Safe to repeat.

    Tags of marketers are left alone. A changed rule is worked out for everybody at the next refresh, and gains and
    losses are counted anew from then.
    """
    wanted = {tag.code: tag for tag in shipped_tags(fund_companies())}
    rows = {tag.code: tag for tag in Tag.objects.filter(is_shipped=True)}
    plan = _plan_with(wanted)
    with transaction.atomic():
        new = [_as_row(tag, plan) for code, tag in wanted.items() if code not in rows]
        made = Tag.objects.bulk_create(new, batch_size=200, ignore_conflicts=True)  # two at once: the same rows from either
        changed = [row for code, row in rows.items() if code in wanted and _take_over(row, wanted[code], plan)]
        Tag.objects.bulk_update(
            changed, [*COPIED, "rule", "sensitivity", "needs_consent", "state", "retired_at", "defined_at", "counted_from"]
        )
        gone = [row.pk for code, row in rows.items() if code not in wanted and row.state == Tag.State.ACTIVE]
        Tag.objects.filter(pk__in=gone).update(state=Tag.State.RETIRED, retired_at=timezone.now())
    note_traits()
    give_places()
    return Synced(len(made), len(changed), len(gone))


def _plan_with(shipped: dict[str, ShippedTag]) -> Plan:
    own = active_tags().filter(is_shipped=False).values_list("code", "rule", "sensitivity")
    sources = {code: TagSource(rule, sensitivity) for code, rule, sensitivity in own}
    return plan_of(sources | {code: TagSource(_whole(tag.rule), tag.sensitivity) for code, tag in shipped.items()})


def _whole(node: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "rule": node}


def _as_row(tag: ShippedTag, plan: Plan) -> Tag:
    traits = plan.traits.get(tag.code)
    known = {"sensitivity": traits.sensitivity, "needs_consent": traits.needs_consent} if traits else {"sensitivity": tag.sensitivity}
    return Tag(code=tag.code, rule=_whole(tag.rule), is_shipped=True, **{name: getattr(tag, name) for name in COPIED}, **known)


def _take_over(row: Tag, tag: ShippedTag, plan: Plan) -> bool:
    """Bring a row up to date with what is shipped; whether anything was to be done."""
    new = _as_row(tag, plan)
    names = (*COPIED, "sensitivity", "needs_consent")
    is_back, is_other = row.state == Tag.State.RETIRED, row.rule != new.rule
    if not (is_back or is_other or any(getattr(row, name) != getattr(new, name) for name in names)):
        return False
    for name in names:
        setattr(row, name, getattr(new, name))
    if is_back or is_other:
        row.rule, row.state, row.retired_at = new.rule, Tag.State.ACTIVE, None
        row.defined_at, row.counted_from = timezone.now(), None
    return True


def note_traits() -> Plan:
    """Write of every tag in use what its rule turns out to be, and what is wrong with it; returns the plan. Safe to repeat.

    A sensitivity only ever gets stricter here. A tag whose problem is over is counted anew.
    """
    tags = list(active_tags())
    plan = plan_of({tag.code: TagSource(tag.rule, tag.sensitivity) for tag in tags})
    changed = []
    for tag in tags:
        traits, error = plan.traits.get(tag.code), plan.problems.get(tag.code)
        before = (tag.problem, tag.sensitivity, tag.needs_consent)
        tag.problem = problem_of(error) if error else ""
        if traits:
            tag.sensitivity, tag.needs_consent = traits.sensitivity, traits.needs_consent
            tag.counted_from = None if before[0] else tag.counted_from
        if before != (tag.problem, tag.sensitivity, tag.needs_consent):
            changed.append(tag)
    Tag.objects.bulk_update(changed, ["problem", "sensitivity", "needs_consent", "counted_from"])
    return plan


# ── Places ───────────────────────────────────────────────────────────────────────────────────────────────────────


def give_places() -> int:
    """Give each tag in use that has none a (word, bit) of its own; returns how many got one. Safe to repeat.

    A bit that somebody still has, of a tag that was deleted past its retirement, is cleared first.
    """
    n_waiting = active_tags().filter(word__isnull=True).count()
    if not n_waiting:
        return 0
    every = [(word, bit) for word in range(N_WORDS) for bit in range(BITS_A_WORD)]
    taken = _taken_places()
    clean = [place for place in every if place not in taken][:n_waiting]
    clear_bits(mask_of(clean, N_WORDS))
    with transaction.atomic():
        waiting = list(active_tags().filter(word__isnull=True).order_by("pk").select_for_update())
        taken = _taken_places()  # again, now that nobody else gives any
        free = [place for place in clean if place not in taken]
        for tag, (word, bit) in zip(waiting, free, strict=False):
            tag.word, tag.bit = word, bit
            tag.problem = "" if tag.problem == NO_PLACE else tag.problem
        for tag in waiting[len(free) :]:
            tag.problem = NO_PLACE
        Tag.objects.bulk_update(waiting, ["word", "bit", "problem"], batch_size=200)
    return min(len(waiting), len(free))


def _taken_places() -> set[tuple[int | None, int | None]]:
    return set(Tag.objects.filter(word__isnull=False).values_list("word", "bit"))


def free_retired_places() -> int:
    """Clear the bits of retired tags everywhere, then take their places from them; returns how many. Safe to repeat."""
    retired = list(Tag.objects.filter(state=Tag.State.RETIRED, word__isnull=False))
    clear_bits(mask_of([(tag.word or 0, tag.bit or 0) for tag in retired], N_WORDS))
    return Tag.objects.filter(pk__in=[tag.pk for tag in retired], state=Tag.State.RETIRED).update(word=None, bit=None, problem="")


def clear_bits(mask: NDArray[np.int64]) -> int:
    """Clear these bits in every row that has one, a short block at a time; returns how many rows had. Safe to interrupt."""
    words = {name: int(value) for name, value in zip(WORD_NAMES, mask.tolist(), strict=True) if value}
    if not words:
        return 0
    dirty = Q()
    for name, value in words.items():
        dirty |= has_bits(name, value)
    size = block_size()
    n_cleared, last = 0, 0
    while keys := list(TagWords.objects.filter(dirty, pk__gt=last).order_by("pk").values_list("pk", flat=True)[:size]):
        kept = {name: F(name).bitand(~value) for name, value in words.items()}
        n_cleared += TagWords.objects.filter(dirty, pk__gt=last, pk__lte=keys[-1]).update(**kept)
        last = keys[-1]
    return n_cleared


def block_size() -> int:
    """How many people are written in one transaction."""
    return 5_000 if connection.vendor == "postgresql" else 1_000


# ── Tags of marketers ────────────────────────────────────────────────────────────────────────────────────────────


def write_tag(*, draft: TagDraft, author: Any) -> Tag:
    """Keep a marketer's own tag; people have it after the next refresh. Safe to repeat: the same name with the same rule is one tag.

    Refused with a sentence, and nothing written, when the rule cannot be used or the name is taken.
    """
    try:
        rule = read_rule(draft.rule, profile_fields(), kinds=TAG_KINDS).as_json()
    except RuleError as error:
        raise ValidationError(problem_words(problem_of(error))) from error
    same = active_tags().filter(Q(name_zh=draft.name_zh) | Q(name_en=draft.name_en)).first()
    if same and same.rule == rule and same.author_id == author.pk:
        return same
    if same:
        raise ValidationError(_("There is another tag of this name. Choose another name."))
    tag = _own_tag(draft, rule, author)
    _check(tag)
    tag.save(force_insert=True)
    note_traits()
    give_places()
    tag.refresh_from_db()
    return tag


def _own_tag(draft: TagDraft, rule: dict[str, Any], author: Any) -> Tag:
    words = {name: getattr(draft, name) for name in ("name_zh", "name_en", "meaning_zh", "meaning_en")}
    code = "_".join(filter(None, [OWN, slugify(draft.name_en).replace("-", "_")[:40], get_random_string(5).lower()]))
    sensitivity = Tag.Sensitivity.RESTRICTED if draft.is_restricted else Tag.Sensitivity.PLAIN
    return Tag(
        code=code, rule=rule, group=OWN, priority=OWN_PRIORITY, owner=str(author)[:60], author=author, sensitivity=sensitivity, **words
    )


def _check(tag: Tag) -> None:
    """Refuse a tag that could not be worked out beside those that there are."""
    rows = active_tags().values_list("code", "rule", "sensitivity")
    sources = {code: TagSource(rule, sensitivity) for code, rule, sensitivity in rows}
    error = plan_of(sources | {tag.code: TagSource(tag.rule, tag.sensitivity)}).problems.get(tag.code)
    if error:
        raise ValidationError(problem_words(problem_of(error)))


def retire_tag(*, tag: Tag, by: Any) -> None:
    """Take a marketer's tag out of use; its bit is cleared by the next refresh. Safe to repeat.

    Refused with a sentence while a tag in use or a segment names it, and for tags that come with the product.
    """
    if tag.is_shipped:
        raise ValidationError(_("This tag comes with the product and stays."))
    users = users_of(tag)
    if users:
        raise ValidationError(_("“%(name)s” is still named by: %(users)s.") % {"name": tag.name, "users": _(", ").join(users)})
    Tag.objects.filter(pk=tag.pk, state=Tag.State.ACTIVE).update(state=Tag.State.RETIRED, retired_at=timezone.now(), retired_by=by)


def users_of(tag: Tag) -> list[str]:
    """Names of the tags and segments whose rule names this tag."""
    tags = [other.name for other in active_tags().exclude(pk=tag.pk) if names_tag(other.rule, tag.code)]
    return tags + [segment.title for segment in Segment.objects.all() if names_tag(segment.rule, tag.code)]


def names_tag(rule: Any, code: str) -> bool:
    """Whether a rule as it is kept names a tag, wherever in it."""
    waiting: list[Any] = [rule]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if value.get("tag") == code:
                return True
            waiting += value.values()
        elif isinstance(value, Iterable) and not isinstance(value, str):
            waiting += value
    return False
