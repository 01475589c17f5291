"""The questionnaire while it is answered: a draft that can be left and taken up again, on another day or in another tab."""

from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from advisor.errors import Refused
from advisor.instruments import Instrument, current_instrument, load_instrument
from advisor.jurisdictions import advice_rules
from advisor.kernels.risk_profile import AnswerError
from advisor.models import Assessment, Investor
from advisor.selectors.reassessment import attempts_of, moment_for

MAX_SECONDS_AN_ITEM = 3600
MOST_POSITIONS = 20
ROWS_A_WRITE = 1000


def start_assessment(*, investor: Investor, amount_minor: int) -> Assessment:
    """Return the open draft, or write a new one about this money; one left too long is set aside, and one whose questionnaire
    was replaced moves its answers over as far as they fit. Raises Refused while no attempt is left, and for a closed account.
    Safe to repeat."""
    if investor.erased_at is not None:
        raise Refused("erased")
    if amount_minor <= 0:
        raise Refused("amount_not_positive")
    drafts = Assessment.objects.filter(investor=investor, state=Assessment.State.DRAFT)
    instrument = current_instrument()
    draft = drafts.first()
    if draft and not is_too_old(draft) and _is_of(draft, instrument):
        return draft
    if not draft:
        check_attempts(investor.pk)
    try:
        with transaction.atomic():
            kept = {}
            if draft:
                kept = {} if is_too_old(draft) else _moved(draft, instrument)
                drafts.filter(pk=draft.pk).update(state=Assessment.State.ABANDONED)
            particulars: dict[str, Any] = {"instrument": instrument.key, "instrument_sha256": instrument.sha256}
            return Assessment.objects.create(investor=investor, amount_minor=amount_minor, **particulars, **kept)
    except IntegrityError:  # another request started it in between
        return drafts.get()


def check_attempts(investor_id: int) -> None:
    """Write nothing; raise Refused with the limit that was met and the day on which it is over."""
    found = attempts_of(investor_id, moment_for(investor_id))
    if not found.is_left:
        raise Refused(found.limit, free_on=found.free_on)


def is_too_old(draft: Assessment) -> bool:
    return draft.started_at < timezone.now() - timedelta(days=advice_rules().assessment.draft_days)


def _is_of(draft: Assessment, instrument: Instrument) -> bool:
    return (draft.instrument, draft.instrument_sha256) == (instrument.key, instrument.sha256)


def _moved(draft: Assessment, instrument: Instrument) -> dict[str, Any]:
    """The answers whose item and option the other version has too, with what was lost, for a new draft of the same age."""
    kept = {
        code: option for code, option in draft.answers.items() if (item := instrument.item(code)) is not None and item.option(str(option))
    }
    lost = sorted(draft.answers.keys() - kept.keys())
    return {
        "answers": kept,
        "seconds": {code: seconds for code, seconds in draft.seconds.items() if code in kept},
        "positions": {code: place for code, place in draft.positions.items() if code in kept},
        "started_at": draft.started_at,
        "working": {"moved": {"from": draft.instrument, "draft": draft.pk, "lost": lost}},
    }


@transaction.atomic
def save_answer(
    *, assessment: Assessment, item: str, option: str, seconds: int | None = None, position: int | None = None, instrument: str = ""
) -> Assessment:
    """Write one answer into a draft, over an earlier one. Raises AnswerError for an unknown item or option, for an answer to
    another version of the questionnaire than the draft's, or when it is no longer open; nothing is written then. Safe to repeat."""
    if instrument and instrument != assessment.instrument:
        raise AnswerError("other_version", items=[item])
    try:
        known = load_instrument(assessment.instrument).item(item)
    except LookupError as error:  # a version that this deployment no longer carries
        raise AnswerError("other_version", items=[item]) from error
    if known is None:
        raise AnswerError("unknown_item", items=[item])
    if known.option(option) is None:
        raise AnswerError("unknown_option", items=[item])
    # The row's lock keeps two tabs from losing each other's answers.
    draft = Assessment.objects.select_for_update().filter(pk=assessment.pk, state=Assessment.State.DRAFT).first()
    if draft is None:
        raise AnswerError("closed", items=[item])
    if is_too_old(draft):
        raise AnswerError("draft_expired", items=[item])
    draft.answers[item] = option
    # The longest look: who comes back and agrees with an answer at once has not clicked it through.
    looks = [] if seconds is None else [draft.seconds.get(item, 0), max(0, min(seconds, MAX_SECONDS_AN_ITEM))]
    _note(draft.seconds, item, max(looks, default=None))
    _note(draft.positions, item, position if position is not None and 0 <= position < MOST_POSITIONS else None)
    draft.save(update_fields=["answers", "seconds", "positions"])
    return draft


def _note(kept: dict[str, int], item: str, value: int | None) -> None:
    if value is not None:
        kept[item] = value


def set_aside_drafts() -> int:
    """Write drafts that were left too long as abandoned, in short writes; returns how many. Safe to repeat."""
    since = timezone.now() - timedelta(days=advice_rules().assessment.draft_days)
    old = Assessment.objects.filter(state=Assessment.State.DRAFT, started_at__lt=since)
    n_done = 0
    while keys := list(old.order_by("pk").values_list("pk", flat=True)[:ROWS_A_WRITE]):
        n_done += Assessment.objects.filter(pk__in=keys, state=Assessment.State.DRAFT).update(state=Assessment.State.ABANDONED)
    return n_done
