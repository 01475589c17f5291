"""Reviews of a level that an advisor asks for and a supervisor signs: of the limit of age, and of a level that ran out."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from advisor import rules
from advisor.errors import Refused
from advisor.kernels.rises import YEAR_LIMIT
from advisor.models import Investor, LevelReview, RecordKind
from advisor.selectors.reassessment import may_assess
from advisor.services.overrides import check_reason
from advisor.services.record import append_record

Kind, State = LevelReview.Kind, LevelReview.State


def request_level_review(*, investor: Investor, advisor: Any, kind: str, reason: str) -> LevelReview:
    """Write an advisor's request for a review, which changes nothing until it is signed. Raises Refused while one of the kind waits,
    and where nothing can be restored."""
    if not rules.may_lower_level(advisor, investor):
        raise PermissionDenied
    check_reason(reason := reason.strip(), most=300)
    if kind == Kind.RESTORE:
        _check_restorable(Investor.objects.get(pk=investor.pk))
    try:
        with transaction.atomic():
            review = LevelReview.objects.create(investor=investor, kind=Kind(kind), reason=reason, asked_by=advisor)
            _record(review, advisor, reason)
    except IntegrityError as error:
        raise Refused("review_waits") from error
    return review


def _check_restorable(investor: Investor) -> Any:
    """The day on which an attempt is free again; raises Refused where the level need not, or must not, be restored."""
    if investor.level is None:
        raise Refused("nothing_to_restore")
    if investor.has_valid_level():
        raise Refused("level_still_valid")
    is_left, limit, free_on = may_assess(investor)
    if is_left or limit != YEAR_LIMIT:
        raise Refused("attempt_left")
    return free_on


@transaction.atomic
def sign_level_review(*, review: LevelReview, supervisor: Any, answer: str = "") -> LevelReview:
    """Write a supervisor's signature. A review of age counts at the next assessment; a restored level is the old one, valid until
    an attempt is free again. Raises Refused for what has been decided, and for one's own request."""
    row, investor = _to_decide(review, supervisor)
    if row.kind == Kind.RESTORE:
        valid_until = _check_restorable(investor)
        Investor.objects.filter(pk=investor.pk, level=investor.level).update(level_valid_until=valid_until)
        told = {"from": investor.level, "to": investor.level, "why": "restored", "review": row.pk, "valid_until": valid_until.isoformat()}
        append_record(investor_id=investor.pk, kind=RecordKind.LEVEL, payload=told)
    return _decide(row, State.SIGNED, supervisor, answer)


@transaction.atomic
def return_level_review(*, review: LevelReview, supervisor: Any, answer: str) -> LevelReview:
    """Write that a supervisor does not sign, and why; nothing else changes. Raises Refused as `sign_level_review`."""
    check_reason(answer.strip(), most=300)
    row, _ = _to_decide(review, supervisor)
    return _decide(row, State.RETURNED, supervisor, answer)


def _to_decide(review: LevelReview, supervisor: Any) -> tuple[LevelReview, Investor]:
    investor = Investor.objects.select_for_update(of=("self",)).select_related("household").get(pk=review.investor_id)
    if not rules.may_sign_review(supervisor, investor):
        raise PermissionDenied
    row = LevelReview.objects.select_for_update().get(pk=review.pk)
    if row.state != State.WAITING:
        raise Refused("review_decided")
    if row.asked_by_id == supervisor.pk:
        raise Refused("own_request")
    return row, investor


def _decide(row: LevelReview, state: str, supervisor: Any, answer: str) -> LevelReview:
    row.state, row.signed_by, row.signed_at, row.answer = state, supervisor, timezone.now(), answer.strip()[:300]
    row.save(update_fields=["state", "signed_by", "signed_at", "answer"])
    _record(row, supervisor, row.answer)
    return row


def _record(row: LevelReview, actor: Any, words: str) -> None:
    told = {"review": row.pk, "kind": str(row.kind), "state": str(row.state), "by": actor.pk, "words": words}
    append_record(investor_id=row.investor_id, kind=RecordKind.LEVEL_REVIEW, payload=told)
