"""Lists that leave the house: who may, asked twice; why, kept for good; and never a name, number or address in the clear."""

import csv
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from advisor.selectors import consents_in_force
from marketing.kernels.segments import RuleError
from marketing.models import Purpose, Segment, SegmentExport
from marketing.selectors.audience import SMALLEST_GROUP
from marketing.selectors.segment_problems import why_not
from marketing.selectors.segments import frozen, people_in, read_frozen, read_rule

PERMISSION = "marketing.export_segment"
MINUTES = 15  # in which a list that was asked for is to be fetched
ROWS_AT_ONCE = 2_000
Columns, Reason = SegmentExport.Columns, SegmentExport.Reason
HEADS = {Columns.PSEUDONYMS: ["pseudonym"], Columns.HASHED: ["email_sha256", "phone_sha256"]}


def request_export(*, segment: Segment, actor: Any, reason: str, why: str) -> SegmentExport:
    """Note who asks for which list and why; the list itself is made when it is fetched.

    Raises PermissionDenied without the right. Refused with a sentence: fewer than ten people, a rule that can no longer
    be used, and hashed contact data of a segment that is not for sales.
    """
    if not actor.has_perm(PERMISSION):
        raise PermissionDenied
    columns = Columns.HASHED if reason == Reason.ACQUISITION else Columns.PSEUDONYMS
    if columns == Columns.HASHED and segment.purpose != Purpose.SALES:
        raise ValidationError(_("A segment for service and protection may not serve to find customers."))
    try:
        whole = frozen(read_rule(segment.rule))
    except RuleError as error:
        raise ValidationError(why_not(error)) from error
    now = timezone.now()
    export = SegmentExport(
        segment=segment, segment_name=segment.title[:80], version=segment.version, rule=whole.as_json(), reason=reason, why=why,
        columns=columns, actor=actor, asked_at=now, expires_at=now + timedelta(minutes=MINUTES),
    )  # fmt: skip
    _refuse_few(export)
    export.save()
    return export


def take_export(*, export_id: int, actor: Any) -> tuple[SegmentExport, Iterator[bytes]]:
    """Hand out the list, once, to who asked for it: the row is marked as taken, then the lines come as they are read.

    Raises PermissionDenied where the right has ended since it was asked for, or somebody else asked. Refused with a
    sentence: too late, taken already, or fewer than ten people by now.
    """
    export = SegmentExport.objects.get(pk=export_id)
    if export.actor_id != actor.pk or not actor.has_perm(PERMISSION):
        raise PermissionDenied
    now = timezone.now()
    _refuse_few(export)
    if not SegmentExport.objects.filter(pk=export_id, taken_at__isnull=True, expires_at__gt=now).update(taken_at=now):
        raise ValidationError(_("This list has been fetched already, or was not fetched in time. Ask for it again."))
    return export, _lines(export)


def _people(export: SegmentExport) -> Any:
    people = people_in(read_frozen(export.rule))
    if export.columns == Columns.HASHED:
        people = people.filter(pk__in=consents_in_force("marketing").values("investor_id"), recommendations_off_at__isnull=True)
    return people.filter(user__is_active=True)


def _refuse_few(export: SegmentExport) -> None:
    try:
        few = len(_people(export).order_by()[:SMALLEST_GROUP].values_list("pk")) < SMALLEST_GROUP
    except RuleError as error:
        raise ValidationError(why_not(error)) from error
    if few:
        raise ValidationError(_("Fewer than ten people: such a list is not handed out, so that nobody can be recognised."))


class _Line:
    """What csv.writer writes to: hands the line back."""

    def write(self, text: str) -> str:
        return text


def _lines(export: SegmentExport) -> Iterator[bytes]:
    writer, n_rows = csv.writer(_Line()), 0
    yield b"\xef\xbb\xbf" + writer.writerow(HEADS[Columns(export.columns)]).encode()
    columns = ("pseudonym",) if export.columns == Columns.PSEUDONYMS else ("user__email", "user__phone")
    try:
        for row in _people(export).order_by("pk").values_list(*columns).iterator(ROWS_AT_ONCE):
            cells = [safe_cell(row[0])] if export.columns == Columns.PSEUDONYMS else [hashed(value) for value in row]
            n_rows += 1
            yield writer.writerow(cells).encode()
    finally:  # also when the reader went away: so many lines have left
        SegmentExport.objects.filter(pk=export.pk).update(n_rows=n_rows)


def hashed(value: str | None) -> str:
    """SHA-256 of an address or number as advertising partners compare it: trimmed, in lower case; "" for none."""
    return hashlib.sha256(value.strip().lower().encode()).hexdigest() if value else ""


def safe_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
