"""One event as it comes in: its form, its clock, and the hash by which a repeat is known. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

MOST_BYTES = 32 * 1024  # of properties and context together, as UTF-8
CLOCKS_AGREE_WITHIN = timedelta(seconds=60)
AHEAD_AT_MOST = timedelta(minutes=5)  # of ours, once a wrong clock is corrected
NUL = "\x00"


def _is_text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("not text")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("beyond the calendar") from None


# Times as ISO 8601 text with their zone: a number would be read as seconds or milliseconds, and be wrong by a thousand. In UTC,
# as they are stored: the last hours of the year 9999 west of Greenwich are none of any calendar there.
Moment = Annotated[AwareDatetime, BeforeValidator(_is_text), AfterValidator(_in_utc)]
Identifier = Annotated[str, Field(strict=True, min_length=1, max_length=36, pattern=r"^[A-Za-z0-9._:-]+$")]


class EventForm(BaseModel):
    """What an event has to say, and nothing besides."""

    model_config = ConfigDict(extra="forbid")

    message_id: Annotated[UUID, BeforeValidator(_is_text)] = Field(description="The sender's own id of the event; a repeat has the same")
    type: Literal["track", "page", "identify"]
    name: Annotated[str, Field(strict=True, min_length=1, max_length=80, pattern=r"^\S(.*\S)?$")] = Field(description="What happened")
    investor: Annotated[str, Field(strict=True, min_length=1, max_length=12)] | None = Field(
        default=None, description="The person's pseudonym, never a name, number or e-mail address"
    )
    anonymous_id: Identifier | None = Field(default=None, description="A random id of a visitor who is not known")
    occurred_at: Moment = Field(description="When, by the sender's clock, with its zone")
    sent_at: Moment | None = Field(default=None, description="When this request was sent, by the same clock: corrects a wrong one")
    channel: Annotated[str, Field(strict=True, pattern=r"^[a-z0-9_-]{1,20}$")] = "server"
    properties: dict[str, Any] = Field(default_factory=dict)
    context: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class CheckedEvent:
    """An event that can be stored, if its person agrees and its id is new."""

    form: EventForm
    occurred_at: datetime  # corrected by the sender's clock, and not after it was received
    body_hash: str


@dataclass(frozen=True)
class Refusal:
    """Why an event is not stored: a code, and what it is about."""

    code: str
    about: Mapping[str, Any]
    message_id: str = ""


def check_event(raw: object, *, received_at: datetime, oldest: datetime, sent_at: datetime | None = None) -> CheckedEvent | Refusal:
    """Return the event as it can be stored, or why it cannot; nothing is raised, whatever `raw` is.

    `raw` is parsed JSON. `sent_at` is that of the whole batch, for events that have none of their own. `oldest` is the
    beginning of what is still kept: an event from before it is refused.
    """
    if not isinstance(raw, dict):
        return Refusal("not_an_object", {})
    claimed = raw.get("message_id")
    message_id = claimed[:80].replace(NUL, "") if isinstance(claimed, str) else ""
    try:
        form = EventForm.model_validate(raw)
    except ValidationError as error:
        return Refusal(*_first_error(error), message_id=message_id)
    if form.investor is None and form.anonymous_id is None:
        return Refusal("nobody", {}, message_id)
    try:
        body = _canonical(raw)
    except (ValueError, RecursionError):
        return Refusal("bad_value", {"field": "properties"}, message_id)
    if len(body) > MOST_BYTES and (n_bytes := _n_bytes(form)) > MOST_BYTES:
        return Refusal("too_large", {"bytes": n_bytes, "limit": MOST_BYTES}, message_id)
    if b"\\u0000" in body and has_nul([form.name, form.investor, form.properties, form.context]):
        return Refusal("nul_character", {}, message_id)
    occurred_at = corrected(form.occurred_at, form.sent_at or sent_at, received_at)
    if occurred_at is None:
        return Refusal("bad_value", {"field": "occurred_at"}, message_id)
    if occurred_at > received_at + AHEAD_AT_MOST:
        return Refusal("in_the_future", {"occurred_at": form.occurred_at.isoformat()}, message_id)
    if occurred_at < oldest:
        return Refusal("too_old", {"oldest": oldest.date().isoformat()}, message_id)
    return CheckedEvent(form, min(occurred_at, received_at), hashlib.sha256(body).hexdigest())


def corrected(occurred_at: datetime, sent_at: datetime | None, received_at: datetime) -> datetime | None:
    """The time of an event by our clock: moved by how far the sender's is off, None where that is beyond the calendar.

    As Segment and RudderStack do it, received - (sent - occurred), except that clocks that agree within a minute are
    left alone: what lies between them is mostly the way here.
    """
    try:
        if sent_at is None or abs(received_at - sent_at) <= CLOCKS_AGREE_WITHIN:
            return occurred_at.astimezone(UTC)
        return received_at - (sent_at - occurred_at)
    except OverflowError:
        return None


def has_nul(value: object) -> bool:
    """Whether text anywhere within a JSON value holds the character that no database stores in text."""
    waiting = [value]
    while waiting:  # no recursion: who nests deeper than Python's stack would stop a whole file
        one = waiting.pop()
        if isinstance(one, str) and NUL in one:
            return True
        if isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list):
            waiting += one
    return False


def _canonical(raw: dict[str, Any]) -> bytes:
    """The body that a repeat has in common with the first: all but the time of sending, whatever the order of keys.

    Raises ValueError for what is no JSON and no Unicode: NaN, infinity, half a surrogate pair.
    """
    kept = {name: value for name, value in raw.items() if name != "sent_at"}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()


def _n_bytes(form: EventForm) -> int:
    return len(json.dumps([form.properties, form.context], ensure_ascii=False, separators=(",", ":")).encode())


def _first_error(error: ValidationError) -> tuple[str, dict[str, Any]]:
    """The first thing wrong with the form, as a code; what the sender wrote is not repeated."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = str(first["loc"][0])[:80].replace(NUL, "") if first["loc"] else ""
    kind = {"missing": "missing", "extra_forbidden": "unknown_field"}.get(first["type"], "bad_value")
    return ("unknown_type" if field == "type" and kind == "bad_value" else kind), {"field": field}
