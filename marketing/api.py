"""The API of other systems, with a key: events in batches, and what may be suggested to a person.

The document is at openapi.json, a page to try it at docs."""

import json
import logging
from typing import Any, Literal

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError
from ninja.errors import ValidationError as BadParameter
from ninja.security import HttpBearer
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from marketing.api_suggestions import router as suggestions
from marketing.kernels.events import EventForm, Moment, Refusal
from marketing.models import ApiKey
from marketing.services.api_keys import api_key_of
from marketing.services.event_intake import MOST_EVENTS, Intake, take_in_events
from marketing.services.event_words import too_many

log = logging.getLogger(__name__)

NDJSON = "application/x-ndjson"
_moment: TypeAdapter[Any] = TypeAdapter(Moment)


class KeyWithScope(HttpBearer):
    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        return api_key_of(text=token, scope=self.scope)


class VerdictOut(Schema):
    index: int
    message_id: str
    verdict: Literal["accepted", "repeated", "refused"]
    code: str
    why: str


class IntakeOut(Schema):
    accepted: int
    repeated: int
    refused: int
    events: list[VerdictOut]


class ErrorOut(Schema):
    code: str
    why: str


class BatchError(Exception):
    """The whole batch cannot be read: nothing of it was stored."""

    def __init__(self, status: int, code: str, why: str) -> None:
        super().__init__(why)
        self.status, self.code, self.why = status, code, why


api = NinjaAPI(
    title="Hengtou API",
    version="1",
    urls_namespace="api",
    docs_decorator=require_safe,
    description="Events of other systems, and suggestions for them. Every refusal has a code and a sentence; see docs/.",
)

BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [
                        {"type": "array", "maxItems": MOST_EVENTS, "items": {"$ref": "#/components/schemas/EventForm"}},
                        {
                            "type": "object",
                            "required": ["events"],
                            "properties": {
                                "sent_at": {"type": "string", "format": "date-time"},
                                "events": {"type": "array", "maxItems": MOST_EVENTS, "items": {"$ref": "#/components/schemas/EventForm"}},
                            },
                        },
                    ]
                }
            },
            NDJSON: {"schema": {"type": "string", "description": "One event a line; a line that is no JSON refuses itself alone."}},
        },
    }
}


@api.exception_handler(BatchError)
def batch_error(request: HttpRequest, error: BatchError) -> HttpResponse:
    return _json({"code": error.code, "why": error.why}, error.status)


@api.exception_handler(DatabaseError)
def database_error(request: HttpRequest, error: DatabaseError) -> HttpResponse:
    log.warning("the API could not use the database: %s", error)
    if request.method == "GET":
        return _json({"code": "try_again", "why": _("That could not be looked up just now. Ask again.")}, 503)
    return _json({"code": "try_again", "why": _("The batch could not be stored just now; nothing of it was. Send it again.")}, 503)


@api.exception_handler(BadParameter)
def bad_parameter(request: HttpRequest, error: BadParameter) -> HttpResponse:
    names = ", ".join(sorted({str(one["loc"][-1]) for one in error.errors}))
    return _json({"code": "bad_value", "why": _("A parameter of the address cannot be read: %(names)s.") % {"names": names}}, 422)


@api.exception_handler(AuthenticationError)
def no_key(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    why = _("No valid key. Send it as “Authorization: Bearer htk_…”; an administrator can make one.")
    response = _json({"code": "no_key", "why": why}, 401)
    response["WWW-Authenticate"] = "Bearer"
    return response


@api.post(
    "/events",
    auth=KeyWithScope(ApiKey.Scope.WRITE_EVENTS),
    response={200: IntakeOut, 207: IntakeOut, 400: ErrorOut, 401: ErrorOut, 413: ErrorOut, 415: ErrorOut, 503: ErrorOut},
    openapi_extra=BODY,
    operation_id="take_in_events",
    summary="Take in up to 500 events",
)
def events(request: HttpRequest) -> HttpResponse:
    """Each event gets its verdict: accepted (it is stored), repeated (it was already), or refused with a code and a sentence.

    200 if none was refused, else 207. What is called accepted is committed; send the same batch again after any failure.
    """
    raw, sent_at = read_batch(request)
    if len(raw) > MOST_EVENTS:
        raise BatchError(413, "too_many", too_many(len(raw), MOST_EVENTS))
    taken = take_in_events(raw=raw, sent_at=sent_at)
    return _json(_as_json(taken), 207 if taken.count("refused") else 200)


api.add_router("/suggestions", suggestions, auth=KeyWithScope(ApiKey.Scope.READ_SUGGESTIONS))


def read_batch(request: HttpRequest) -> tuple[list[object], Any]:
    """The entries of a body and the time it was sent; raises BatchError where it cannot be read as a whole."""
    try:
        body = request.body
    except RequestDataTooBig:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raise BatchError(413, "body_too_large", _("The body is larger than %(n)s bytes. Nothing was stored.") % {"n": limit}) from None
    kind = (request.content_type or "").lower()
    if kind == NDJSON:
        lines = [line for line in body.split(b"\n") if line.strip()]
        if len(lines) > MOST_EVENTS:
            raise BatchError(413, "too_many", too_many(len(lines), MOST_EVENTS))
        return [_line(line) for line in lines], None
    if kind != "application/json":
        raise BatchError(415, "content_type", _("Send application/json or application/x-ndjson. Nothing was stored."))
    try:
        parsed = from_json(body)
    except ValueError as error:
        why = _("The body is no JSON: %(error)s. Nothing was stored.") % {"error": error}
        raise BatchError(400, "invalid_json", why) from None
    sent_at = None
    if isinstance(parsed, dict):
        sent_at, parsed = _sent_at(parsed.get("sent_at")), parsed.get("events")
    if not isinstance(parsed, list):
        why = _("The body is a list of events, or an object with a list “events”. Nothing was stored.")
        raise BatchError(400, "not_a_batch", why)
    return parsed, sent_at


def _line(line: bytes) -> object:
    try:
        return from_json(line)
    except ValueError as error:
        return Refusal("invalid_json", {"error": str(error)})


def _sent_at(value: object) -> Any:
    try:
        return None if value is None else _moment.validate_python(value)
    except ValidationError:
        why = _("“sent_at” is no time with a zone, such as 2026-11-22T08:00:00+08:00. Nothing was stored.")
        raise BatchError(400, "bad_sent_at", why) from None


def _as_json(taken: Intake) -> dict[str, Any]:
    counts = {word: taken.count(word) for word in ("accepted", "repeated", "refused")}
    return counts | {"events": [vars(verdict) for verdict in taken.verdicts]}


def _json(content: dict[str, Any], status: int) -> HttpResponse:
    return HttpResponse(json.dumps(content, ensure_ascii=False), status=status, content_type="application/json")


_plain_document = api.get_openapi_schema


def _with_event_form(*args: Any, **kwargs: Any) -> Any:
    """The document with the form of an event, which is read from the raw body and so is no parameter that ninja knows."""
    document = _plain_document(*args, **kwargs)
    document["components"]["schemas"]["EventForm"] = EventForm.model_json_schema()
    return document


api.get_openapi_schema = _with_event_form  # type: ignore[method-assign]
