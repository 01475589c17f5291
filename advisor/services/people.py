"""Investors, what they agree to, and whether they wish to see recommendations."""

import secrets
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from advisor.errors import Refused
from advisor.jurisdictions import advice_rules
from advisor.models import BehaviourReading, Branch, Consent, Household, Investor, RecordKind
from advisor.services.record import append_record
from advisor.services.record_payloads import consent_told
from identity.roles import Role
from identity.services import give_role

# No letters or digits that are mistaken for one another: a pseudonym is read out on the telephone.
PSEUDONYM_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"


def new_pseudonym() -> str:
    return "P" + "".join(secrets.choice(PSEUDONYM_LETTERS) for _ in range(10))


def register_investor(*, user: Any) -> Investor:
    """Write the signed-in person as an investor: role, own household in the online branch, pseudonym. Safe to repeat."""
    found = Investor.objects.filter(user=user).first()
    if found:
        return found
    try:
        with transaction.atomic():
            give_role(user=user, role=Role.INVESTOR)
            branch, _ = Branch.objects.get_or_create(name=advice_rules().online_branch)
            household = Household.objects.create(name=str(user)[:80], branch=branch)
            return Investor.objects.create(user=user, household=household, pseudonym=new_pseudonym())
    except IntegrityError:  # another request registered the same person in between
        return Investor.objects.get(user=user)


@transaction.atomic
def give_consent(*, investor: Investor, purpose: str, is_given: bool, source: str) -> Consent:
    """Write a dated yes or no to one purpose, unless it is what already holds; nobody's silence is a yes. Safe to repeat.

    Raises Refused("erased"): nobody agrees to anything for a person who had their data erased.
    """
    locked = Investor.objects.select_for_update().get(pk=investor.pk)
    if locked.erased_at is not None and is_given:
        raise Refused("erased")
    latest = Consent.objects.filter(investor=investor, purpose=purpose).order_by("-at", "-id").first()
    if latest and latest.is_given == is_given:
        return latest
    consent = Consent.objects.create(investor=investor, purpose=purpose, is_given=is_given, source=source)
    told = consent_told(purpose, is_given, source)
    append_record(investor_id=investor.pk, kind=RecordKind.CONSENT, payload=told, at=consent.at)
    if purpose == Consent.Purpose.PROFILING and not is_given:  # what was read of the person goes; the level in force stays
        BehaviourReading.objects.filter(investor=investor).delete()
    return consent


def give_consents(*, user: Any, given: dict[str, bool], source: str) -> Investor:
    """Register the person if need be and write each purpose's answer, all or none. Safe to repeat."""
    with transaction.atomic():
        investor = register_investor(user=user)
        for purpose, is_given in given.items():
            give_consent(investor=investor, purpose=purpose, is_given=is_given, source=source)
    return investor


@transaction.atomic
def switch_recommendations(*, investor: Investor, is_on: bool) -> None:
    """Write since when the person wants no recommendations, or that they want them again. Safe to repeat."""
    others = Investor.objects.filter(pk=investor.pk, recommendations_off_at__isnull=not is_on)
    if others.update(recommendations_off_at=None if is_on else timezone.now()):
        append_record(investor_id=investor.pk, kind=RecordKind.PREFERENCE, payload={"recommendations": is_on})


def set_preference(*, investor: Investor, switch: str, is_on: bool) -> None:
    """Write one switch of the preferences page: profiling, marketing or recommendations. Safe to repeat."""
    if switch == "recommendations":
        switch_recommendations(investor=investor, is_on=is_on)
    else:
        give_consent(investor=investor, purpose=switch, is_given=is_on, source="preferences")
