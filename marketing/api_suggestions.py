"""What the operator's own app may suggest to one person: the same filters, asked at the same moment, as on our own pages."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from ninja import Router, Schema, Status
from ninja.decorators import decorate_view

from advisor.models import Investor
from marketing.kernels.suiting import STEP
from marketing.models import Surface
from marketing.selectors.suggestions import MOST_SHOWN, ShownSuggestion, suggestions_to_show
from marketing.services.suggestions import note_impressions

USUAL = 3


class ReasonOut(Schema):
    code: str
    words: str


class BeforeAfter(Schema):
    before: float
    after: float


class SuggestionOut(Schema):
    position: int
    fund: str
    name: str
    risk_grade: int
    is_simulated: bool
    reason: ReasonOut
    model: str
    utility: BeforeAfter
    cvar: BeforeAfter
    category_concentration: BeforeAfter
    company_concentration: BeforeAfter


class SuggestionsOut(Schema):
    investor: str
    step: float
    suggestions: list[SuggestionOut]


class UnknownOut(Schema):
    code: str
    why: str


router = Router()


@router.get(
    "/{investor}",
    response={200: SuggestionsOut, 401: UnknownOut, 404: UnknownOut, 422: UnknownOut, 503: UnknownOut},
    operation_id="suggestions_of",
    summary="What may be suggested to one person now",
)
@decorate_view(never_cache)
def suggestions(request: HttpRequest, investor: str, n: int = USUAL) -> Any:
    """Up to n funds (1 to 10; what is outside counts as the nearest of these) that pass every filter at this moment.

    An empty list says that nothing may be suggested: no consent, recommendations off, account shut, no level in force,
    or nothing that fits. Each fund in the answer counts as shown, and no answer may be kept.
    """
    person = Investor.objects.filter(pseudonym=investor.replace("\x00", ""), erased_at=None).first()
    if person is None:
        return Status(404, {"code": "unknown_investor", "why": _("Nobody has this pseudonym.")})
    shown = suggestions_to_show(person, n=min(max(n, 1), MOST_SHOWN))
    note_impressions(investor=person, shown=shown, surface=Surface.API)
    return {"investor": person.pseudonym, "step": STEP, "suggestions": [_as_json(one) for one in shown]}


def _as_json(one: ShownSuggestion) -> dict[str, Any]:
    figures = {name: dict(zip(("before", "after"), one.figures[name], strict=True)) for name in ("utility", "cvar")}
    return {
        "position": one.position,
        "fund": one.fund.code,
        "name": one.fund.name,
        "risk_grade": one.fund.risk_grade,
        "is_simulated": one.fund.is_simulated,
        "reason": {"code": one.reason_data["code"], "words": one.reason},
        "model": one.model,
        **figures,
        "category_concentration": dict(zip(("before", "after"), one.figures["category"], strict=True)),
        "company_concentration": dict(zip(("before", "after"), one.figures["company"], strict=True)),
    }
