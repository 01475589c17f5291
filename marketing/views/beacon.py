"""What the browser tells when a page of ours is left: how long, how far, what was clicked. Never whose it is: the session knows."""

import uuid
from datetime import timedelta
from typing import Annotated, Any, Literal

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from marketing.middleware import channel_of, may_record, visitor_of, within_limit
from marketing.services.beacon import BeaconEvent, record_beacon

MOST_BYTES = 16 * 1024
A_MINUTE = 120
Word = Annotated[str, Field(pattern=r"^[\w:.-]{1,40}$")]


class Told(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Literal["page_left", "click", "fees_seen"]
    ago: int = Field(ge=0, le=86_400)  # seconds before this was sent: the browser's clock is not asked
    seconds: int | None = Field(default=None, ge=0, le=86_400)
    scroll: int | None = Field(default=None, ge=0, le=100)
    label: Word | None = None
    code: Word | None = None  # of the fund


class Beacon(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    page: Word
    events: Annotated[list[Told], Field(min_length=1, max_length=20)]


@csrf_exempt  # a beacon cannot carry our token; instead only our own pages may send it, see is_from_here
@require_POST
def beacon(request: HttpRequest) -> HttpResponse:
    if not is_from_here(request):
        return _said(403, _("Only pages of this site send this."))
    if not within_limit(request, "beacon", A_MINUTE):
        return _said(429, _("Too many at once."))
    try:
        told = Beacon.model_validate_json(request.body[: MOST_BYTES + 1])
    except (ValidationError, RequestDataTooBig):
        return _said(400, _("This is not what our pages send. Nothing was stored."))
    user: Any = request.user
    visitor = visitor_of(request) if not user.is_authenticated and may_record(request) else None
    now = timezone.now()
    record_beacon(
        user=user,
        anonymous_id=visitor,
        channel=channel_of(request),
        events=[BeaconEvent(uuid.uuid4(), one.name, now - timedelta(seconds=one.ago), _properties(told.page, one)) for one in told.events],
    )
    return HttpResponse(status=204)


def is_from_here(request: HttpRequest) -> bool:
    """Whether the browser says that a page of this site sent it. Who says nothing is refused."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    return request.headers.get("Origin") == f"{request.scheme}://{request.get_host()}"


def _properties(page: str, told: Told) -> dict[str, Any]:
    said = {"page": page, "seconds": told.seconds, "scroll": told.scroll, "label": told.label, "code": told.code}
    return {name: value for name, value in said.items() if value is not None}


def _said(status: int, why: str) -> HttpResponse:
    return HttpResponse(why, status=status, content_type="text/plain; charset=utf-8")
