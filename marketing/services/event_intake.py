"""Taking in events of other systems: checked one by one, stored once, in one short transaction a batch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from marketing.kernels.events import CheckedEvent, Refusal, check_event
from marketing.models import Event, EventKey
from marketing.selectors.events import agreed_by_pseudonym, agreed_to_profiling, oldest_kept, owners_of_visitors
from marketing.services.event_words import why_refused
from marketing.services.visitors import join_visitor

MOST_EVENTS = 500  # in one batch

# Keys as one parameter: to parse 1,500 marks took a fifth of a batch's time. In the order of ids, so that of two batches with
# the same ids one waits for the other, and never both.
INSERT_KEYS = {
    "postgresql": "SELECT message_id, body_hash, %s FROM "
    "json_to_recordset(%s::json) AS key (message_id uuid, body_hash text) ORDER BY message_id",
    "sqlite": "SELECT json_extract(value, '$.message_id'), json_extract(value, '$.body_hash'), %s FROM json_each(%s) WHERE true",
}
COLUMNS = (
    "message_id", "investor_id", "anonymous_id", "type", "name", "properties", "context", "channel",
    "occurred_at", "sent_at", "received_at",
)  # fmt: skip

Word = Literal["accepted", "repeated", "refused"]


@dataclass(frozen=True)
class Verdict:
    """What became of one event of a batch, by its place in it."""

    index: int
    message_id: str
    verdict: Word
    code: str = ""
    why: str = ""


@dataclass(frozen=True)
class Intake:
    verdicts: tuple[Verdict, ...]

    def count(self, word: Word) -> int:
        return sum(verdict.verdict == word for verdict in self.verdicts)


@dataclass(frozen=True)
class _Found:
    """An event that may be stored if its id is new, with its place in the batch and its person."""

    index: int
    event: CheckedEvent
    investor_id: int | None

    @property
    def id(self) -> UUID:
        return self.event.form.message_id


Answer = Refusal | Literal["accepted", "repeated"]


def take_in_events(*, raw: Sequence[object], sent_at: datetime | None = None, received_at: datetime | None = None) -> Intake:
    """Store what can be stored of a batch and return a verdict on each event, in order. Safe to repeat with the same ids.

    An entry is a parsed event, or a Refusal for what could not even be parsed. When this returns, everything that it
    calls accepted is committed; the one transaction holds at most 500 keys and as many events.
    """
    if len(raw) > MOST_EVENTS:
        raise ValueError(f"{len(raw)} events are more than {MOST_EVENTS}")
    now = received_at or timezone.now()
    oldest = oldest_kept(now)
    checked = [one if isinstance(one, Refusal) else check_event(one, received_at=now, oldest=oldest, sent_at=sent_at) for one in raw]
    answers: dict[int, Answer] = {place: one for place, one in enumerate(checked) if isinstance(one, Refusal)}
    found = _with_people([(place, one) for place, one in enumerate(checked) if isinstance(one, CheckedEvent)], answers)
    first: dict[UUID, _Found] = {}
    for one in found:
        first.setdefault(one.id, one)
    stored = _store(first, now, answers)
    answers |= {one.index: _repeat(one, stored.get(one.id)) for one in found if first[one.id] is not one}
    ids = {one.index: str(one.id) for one in found}
    return Intake(tuple(_verdict(place, answers[place], ids.get(place, "")) for place in range(len(raw))))


def _verdict(place: int, answer: Answer, message_id: str) -> Verdict:
    if isinstance(answer, Refusal):
        return Verdict(place, answer.message_id, "refused", answer.code, why_refused(answer))
    return Verdict(place, message_id, answer)


def _with_people(events: Sequence[tuple[int, CheckedEvent]], answers: dict[int, Answer]) -> list[_Found]:
    """The events whose person is known and agrees, or who are anonymous; of the others the refusal is noted."""
    agreed = agreed_by_pseudonym({event.form.investor for _, event in events if event.form.investor})
    unnamed = {event.form.anonymous_id for _, event in events if event.form.investor is None and event.form.anonymous_id}
    joined = owners_of_visitors(unnamed)
    still = agreed_to_profiling(set(joined.values()))
    found = []
    for place, event in events:
        form = event.form
        owner = agreed.get(form.investor) if form.investor else joined.get(form.anonymous_id or "")
        if form.investor and form.investor not in agreed:
            answers[place] = Refusal("unknown_investor", {}, str(form.message_id))
        elif (form.investor and owner is None) or (owner is not None and not form.investor and owner not in still):
            answers[place] = Refusal("no_consent", {}, str(form.message_id))
        else:
            found.append(_Found(place, event, owner))
    return found


def _repeat(one: _Found, stored_hash: str | None) -> Answer:
    """The answer to an event whose id there was before; None: its key was thirty days old and went this moment."""
    if stored_hash is None:
        return Refusal("try_again", {}, str(one.id))
    return "repeated" if one.event.body_hash == stored_hash else Refusal("other_body", {}, str(one.id))


def _store(first: dict[UUID, _Found], now: datetime, answers: dict[int, Answer]) -> dict[UUID, str]:
    """Write keys and events of what is new, and return the hash of what is stored now under each id.

    Two batches with the same id at once: one waits, and sees the other's.
    """
    if not first:
        return {}
    with transaction.atomic():
        new = _insert_keys(first, now)
        stored = [one for one in first.values() if one.id in new]
        insert_events([_row(one, now) for one in stored])
        for one in stored:
            if one.event.form.type == Event.Type.IDENTIFY and one.investor_id and one.event.form.anonymous_id:
                join_visitor(investor_id=one.investor_id, anonymous_id=one.event.form.anonymous_id)
    known = dict(EventKey.objects.filter(pk__in=first.keys() - new).values_list("pk", "body_hash")) if len(new) < len(first) else {}
    for message_id, one in first.items():
        answers[one.index] = "accepted" if message_id in new else _repeat(one, known.get(message_id))
    return known | {message_id: first[message_id].event.body_hash for message_id in new}


def _insert_keys(first: dict[UUID, _Found], now: datetime) -> set[UUID]:
    """Write the keys that are not there yet, and return them."""
    keys = [{"message_id": message_id.hex, "body_hash": first[message_id].event.body_hash} for message_id in sorted(first)]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO marketing_eventkey (message_id, body_hash, received_at) "
            + INSERT_KEYS[connection.vendor]
            + " ON CONFLICT DO NOTHING RETURNING message_id",
            [connection.ops.adapt_datetimefield_value(now), json.dumps(keys)],
        )
        return {key if isinstance(key, UUID) else UUID(key) for (key,) in cursor.fetchall()}


def _row(one: _Found, now: datetime) -> tuple[Any, ...]:
    """The values of COLUMNS."""
    form = one.event.form
    about = (form.type, form.name, form.properties, form.context, form.channel)
    return (form.message_id, one.investor_id, form.anonymous_id or "", *about, one.event.occurred_at, form.sent_at, now)


def insert_events(rows: Sequence[tuple[Any, ...]]) -> None:
    """Write events, each the values of COLUMNS: by COPY on PostgreSQL, which took a quarter off a batch's processor time."""
    if connection.vendor != "postgresql":
        Event.objects.bulk_create(Event(**dict(zip(COLUMNS, row, strict=True))) for row in rows)
        return
    place = COLUMNS.index("properties")
    with connection.cursor() as cursor, cursor.copy(f"COPY marketing_event ({', '.join(COLUMNS)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row((*row[:place], json.dumps(row[place]), json.dumps(row[place + 1]), *row[place + 2 :]))
