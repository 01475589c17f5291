"""Many simulated investors at once, with what campaigns and dormancy look at."""

from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from advisor.models import Branch, Consent, Household, Investor
from identity.models import User
from marketing.models import Campaign, Dormancy, Profile, Segment
from marketing.services import Draft, write_draft

WORDS = {
    "subject_zh": "{name}，您的闲置资金",
    "subject_en": "Your idle cash, {name}",
    "body_zh": "{name}，您好。您有一笔资金没有投入计划。",
    "body_en": "Dear {name}, some of your money is not at work in your plan.",
}


def crowd(n: int, *, prefix: str = "crowd", dormancy: str = Dormancy.DORMANT, consent: bool = True, idle_minor: int = 500_000, **fields):
    """Investors with a profile each and, if asked, an agreement to marketing; a handful of bulk inserts."""
    branch, _ = Branch.objects.get_or_create(name="Crowd")
    household, _ = Household.objects.get_or_create(name="Crowd", branch=branch)
    users = User.objects.bulk_create(
        [User(email=f"{prefix}{i}@example.com", name=f"{prefix.title()} {i}", language="en" if i % 2 else "zh-hans") for i in range(n)]
    )
    people = Investor.objects.bulk_create(
        [Investor(user=user, household=household, pseudonym=f"{prefix[:5]}-{i}", **fields) for i, user in enumerate(users)]
    )
    Profile.objects.bulk_create(
        [Profile(investor=one, dormancy=dormancy, assets_minor=2 * idle_minor, idle_cash_minor=idle_minor) for one in people]
    )
    if consent:
        agreed(people)
    return people


def agreed(people, is_given: bool = True, days_ago: int = 100, purpose=Consent.Purpose.MARKETING):
    at = timezone.now() - timedelta(days=days_ago)
    Consent.objects.bulk_create([Consent(investor=one, purpose=purpose, is_given=is_given, source="simulated", at=at) for one in people])


def everybody() -> Segment:
    rule = {"version": 1, "rule": {"all": [{"field": "dormancy", "is": list(Dormancy.values)}]}}
    return Segment.objects.get_or_create(name="Everybody", defaults={"rule": rule})[0]


def draft(author=None, *, segment=None, channels=("inbox", "email"), **words) -> Campaign:
    fields = {"name": "Idle cash", "segment": segment or everybody(), "channels": list(channels)} | WORDS | words
    return write_draft(draft=Draft(**fields), author=author, form_key=uuid4())
