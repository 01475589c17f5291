"""Segments: saved rules with their versions, the ones that every deployment begins with, sizes and snapshots."""

from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone
from django.utils.translation import gettext as _

from marketing.jurisdictions import market_rules
from marketing.kernels.segments import RuleError, segments_named
from marketing.models import Purpose, Segment, SegmentMember, SegmentSize, SegmentSnapshot, SegmentVersion
from marketing.selectors.segment_problems import checked, readable, why_not
from marketing.selectors.segments import frozen, members, people_in, read_rule, roomy
from marketing.services.look_alikes import ask_again, ask_for_look_alikes

MEMBERS_A_BLOCK = 5_000


def write_segment(*, name: str, rule: Any, author: Any, purpose: str = Purpose.SALES) -> Segment:
    """Save a new segment after its rule was validated. Safe to repeat: the same name with the same rule is one segment.

    Refused with a sentence, and nothing written, when the rule cannot be used or the name is taken by another rule.
    """
    clean = _clean(rule, purpose)
    try:
        with transaction.atomic():
            segment, is_new = Segment.objects.get_or_create(name=name, defaults={"rule": clean, "author": author, "purpose": purpose})
            if is_new:
                _keep_version(segment, author)
    except IntegrityError:  # somebody saved it in between
        segment, is_new = Segment.objects.get(name=name), False
    if segment.rule != clean or segment.purpose != purpose:
        raise ValidationError(_("There is another segment of this name. Choose another name."))
    if is_new:
        ask_for_look_alikes(clean)
        note_size(segment=segment)
    return segment


def change_segment(*, segment_id: int, version: int, name: str, rule: Any, author: Any, purpose: str = Purpose.SALES) -> Segment:
    """Save a segment anew as its next version; what was launched keeps what it was launched with. Safe to repeat.

    Refused with a sentence when somebody saved another version meanwhile, the rule cannot be used, leads back to itself,
    or takes from sales what another segment for sales rests on.
    """
    clean = _clean(rule, purpose, of=segment_id)
    try:
        with transaction.atomic():
            segment = Segment.objects.select_for_update().get(pk=segment_id)
            if (segment.name, segment.rule, segment.purpose) == (name, clean, purpose):
                return segment
            if segment.builtin:
                raise ValidationError(_("A built-in segment cannot be changed. Save a copy under another name."))
            if segment.version != version:
                raise ValidationError(
                    _("Somebody saved this segment while you were editing it. Open it again; your rule is still on this page.")
                )
            segment.name, segment.rule, segment.purpose, segment.version = name, clean, purpose, version + 1
            segment.save(update_fields=["name", "rule", "purpose", "version"])
            _keep_version(segment, author)
    except IntegrityError as error:
        raise ValidationError(_("There is another segment of this name. Choose another name.")) from error
    ask_for_look_alikes(clean)
    ask_again(segment_id)
    note_size(segment=segment)
    return segment


def _clean(rule: Any, purpose: str, of: int | None = None) -> dict[str, Any]:
    try:
        read = checked(rule, purpose)
        if of is not None:
            _refuse_cycle(read, of)
            _refuse_losing_users(read, purpose, of)
    except RuleError as error:
        raise ValidationError(_("%(why)s Nothing was saved.") % {"why": why_not(error)}) from error
    return read.as_json()


def _refuse_cycle(rule: Any, own: int) -> None:
    """Raise where the rule names the segment that it is to become, however far down."""
    waiting, seen = segments_named(rule.rule), set[int]()
    while waiting:
        if own in waiting:
            raise RuleError("cycle", "", str(own))
        seen |= waiting
        inner = [readable(data) for data in Segment.objects.filter(pk__in=waiting).values_list("rule", flat=True)]
        waiting = set[int]().union(*(segments_named(each.rule) for each in inner if each)) - seen


def _refuse_losing_users(rule: Any, purpose: str, own: int) -> None:
    """A segment that others for sales rest on stays one for sales."""
    if purpose == Purpose.SERVICE and (users := [one.title for one in segments_naming(own) if one.purpose == Purpose.SALES]):
        raise ValidationError(_("The segment “%(name)s” is for sales and rests on this one. Change that one first.") % {"name": users[0]})


def segments_naming(pk: int) -> list[Segment]:
    """The other segments whose rules name this one."""
    return [one for one in Segment.objects.exclude(pk=pk) if (rule := readable(one.rule)) and pk in segments_named(rule.rule)]


def _keep_version(segment: Segment, author: Any) -> None:
    SegmentVersion.objects.create(
        segment=segment, number=segment.version, name=segment.name, rule=segment.rule, purpose=segment.purpose, author=author
    )


@transaction.atomic
def delete_segment(*, segment_id: int) -> None:
    """Delete a segment with its versions and sizes; refused with a sentence when something rests on it."""
    segment = Segment.objects.select_for_update().get(pk=segment_id)
    if segment.builtin:
        raise ValidationError(_("A built-in segment cannot be deleted."))
    if users := segments_naming(segment_id):
        raise ValidationError(_("The segment “%(name)s” rests on this one. Change that one first.") % {"name": users[0].title})
    try:
        segment.delete()
    except ProtectedError as error:
        raise ValidationError(
            _("A campaign or a list of recipients was made from this segment, so it is kept: their record must stay readable.")
        ) from error


def note_size(*, segment: Segment, on: date | None = None) -> int | None:
    """Count a segment and keep the number for the day; None, and nothing kept, when its rule can no longer be used."""
    try:
        with roomy():
            n = members(read_rule(segment.rule)).count()
    except RuleError:
        return None
    SegmentSize.objects.update_or_create(segment=segment, date=on or timezone.localdate(), defaults={"n": n})
    return n


def note_sizes(*, on: date | None = None) -> int:
    """Count every segment for the day; returns how many could be counted. Safe to repeat."""
    return sum(note_size(segment=one, on=on) is not None for one in Segment.objects.order_by("pk"))


def take_snapshot(*, segment: Segment, actor: Any = None) -> SegmentSnapshot:
    """Write the people whom a segment describes now, in blocks; `n` is set once all of them stand.

    Raises RuleError when the rule can no longer be used. Later changes of the segment, or of segments inside it, change nothing.
    """
    now = timezone.now()
    whole = frozen(read_rule(segment.rule))
    snapshot = SegmentSnapshot.objects.create(segment=segment, version=segment.version, rule=whole.as_json(), as_of=now, actor=actor)
    with roomy():
        pks = list(people_in(whole, now=now).order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(pks), MEMBERS_A_BLOCK):
        block = pks[start : start + MEMBERS_A_BLOCK]
        SegmentMember.objects.bulk_create([SegmentMember(snapshot=snapshot, investor_id=pk) for pk in block], ignore_conflicts=True)
    snapshot.n = len(pks)
    snapshot.save(update_fields=["n"])
    return snapshot


def ensure_builtin_segments() -> list[Segment]:
    """Write the built-in segments that are not there yet; returns all of them. Safe to repeat."""
    floor = market_rules().dormancy.idle_cash_floor_minor
    wanted = [{"field": "dormancy", "is": ["dormant"]}, {"field": "idle_cash_minor", "at_least": floor}]
    rule = read_rule({"version": 1, "rule": {"all": wanted}}).as_json()
    builtin = Segment.Builtin.DORMANT_IDLE_CASH
    with transaction.atomic():
        segment, is_new = Segment.objects.get_or_create(builtin=builtin, defaults={"name": f"builtin:{builtin}", "rule": rule})
        if is_new:
            _keep_version(segment, None)
    return [segment]
