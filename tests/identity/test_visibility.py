import pytest
from django.contrib.auth.models import AnonymousUser

from advisor.models import Cover, Investor


def seen_by(user):
    return set(Investor.objects.visible_to(user).values_list("user__name", flat=True))


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        ("anna", {"Anna"}), ("ben", {"Ben"}), ("ada", {"Anna"}), ("bob", {"Ben"}),
        ("cora", {"Anna"}), ("sue", {"Anna"}), ("mark", set()), ("adam", set()),
    ],
)  # fmt: skip
def test_each_sees_only_their_own(people, who, seen):
    assert seen_by(getattr(people, who)) == seen


def test_a_stranger_sees_nobody(people):
    assert seen_by(AnonymousUser()) == set()


def test_cover_ends_with_its_last_day(people):
    from datetime import timedelta

    from django.utils import timezone

    Cover.objects.update(start_date=timezone.localdate() - timedelta(days=9), end_date=timezone.localdate() - timedelta(days=1))
    assert seen_by(people.cora) == set()


def test_a_secondary_advisor_sees_the_household(people):
    household = people.ben_investor.household
    household.secondary_advisor = people.ada
    household.save()
    assert seen_by(people.ada) == {"Anna", "Ben"}


def test_an_inactive_advisor_sees_nobody(people):
    people.ada.is_active = False
    assert seen_by(people.ada) == set()
