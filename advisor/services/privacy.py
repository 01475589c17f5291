"""Noting who looked at whom, and the closing of an account for good."""

from typing import Any

from django.core.cache import cache
from django.db import DatabaseError, transaction
from django.utils import timezone

from advisor.errors import Refused
from advisor.models import Assessment, BehaviourReading, Consent, DataAccess, Household, Investor, RecordKind, Task
from advisor.selectors.people import consents_of
from advisor.selectors.privacy import in_the_way_of_closing
from advisor.services.people import give_consent
from advisor.services.record import append_record, lock_chain
from advisor.services.rises import cancel_pending_rise
from identity.roles import Role
from identity.services import close_user

LOOK_SECONDS = 1800  # the same page of the same person by the same reader within half an hour is one look


def log_access(*, actor: Any, investor_id: int, what: str) -> bool:
    """Note that somebody of the staff looks at a person's data, at most once in half an hour a page; says whether it was noted."""
    key = f"looked:{actor.pk}:{investor_id}:{what}"
    if not cache.add(key, 1, timeout=LOOK_SECONDS):
        return False
    role = next((role for role in (Role.ADVISOR, Role.SUPERVISOR, Role.ADMIN, Role.MARKETER) if actor.has_role(role)), Role.INVESTOR)
    try:
        DataAccess.objects.create(actor=actor, role=role, investor_id=investor_id, what=what)
    except DatabaseError:
        cache.delete(key)  # or the next try within half an hour would look unnoted
        raise
    return True


def log_command(*, investor: Investor, what: str) -> DataAccess:
    """Note that a command of the server read or changed a person's data. Every call notes it."""
    return DataAccess.objects.create(role=Role.ADMIN, investor=investor, what=what, via=DataAccess.Via.COMMAND)


@transaction.atomic
def close_account(*, investor: Investor, why: str) -> Investor:
    """Close a person's account for good: nobody can sign in, name and contact data go, every consent ends, and so does the level.

    What was advised, agreed and ordered stays. Raises Refused("in_the_way") while there is money, units or an open order,
    or the person works here. Safe to repeat.
    """
    lock_chain(investor.pk)
    person = Investor.objects.select_related("user", "household").get(pk=investor.pk)
    if person.erased_at is not None:
        return person
    if left := in_the_way_of_closing(person):
        raise Refused("in_the_way", left=left)
    for purpose, consent in consents_of(person).items():
        if consent.is_given and purpose != Consent.Purpose.TERMS:
            give_consent(investor=person, purpose=purpose, is_given=False, source="erasure")
    cancel_pending_rise(investor_id=person.pk, why="erased")
    Assessment.objects.filter(investor=person, state=Assessment.State.DRAFT).delete()
    BehaviourReading.objects.filter(investor=person).delete()
    Task.objects.filter(investor=person, state=Task.State.OPEN).update(state=Task.State.DONE, done_at=timezone.now())
    _forget_name(person)
    append_record(investor_id=person.pk, kind=RecordKind.ACCOUNT_CLOSED, payload={"why": why})
    person.level, person.level_valid_until, person.erased_at = None, None, timezone.now()
    person.save(update_fields=["level", "level_valid_until", "erased_at"])
    return person


def _forget_name(person: Investor) -> None:
    """The household bears its first member's name, or the address where there was none: that goes as well.

    Where others are in it, who has been there longest gives it theirs, unless it has a name of its own.
    """
    user = person.user
    told = {part for part in (user.name, user.email, user.phone) if part}
    close_user(user=user, placeholder=person.pseudonym)
    heir = Investor.objects.filter(household=person.household_id, erased_at=None).exclude(pk=person.pk).order_by("pk").first()
    if heir is None:
        Household.objects.filter(pk=person.household_id).update(name=person.pseudonym)
    elif any(part in person.household.name for part in told):
        Household.objects.filter(pk=person.household_id).update(name=str(heir.user)[:80])


def record_erasure(*, investor_id: int, erased: dict[str, int]) -> None:
    """Append what was erased beside the record, by table; inside the caller's transaction. Every call appends an entry."""
    append_record(investor_id=investor_id, kind=RecordKind.DATA_ERASED, payload={"rows": erased})
