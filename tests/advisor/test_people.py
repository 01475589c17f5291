"""Investors as they are registered, and what they agree to."""

import pytest

from advisor.models import Branch, Consent, Household, Investor
from advisor.selectors import consents_of, has_consent, investor_of, investors_with_consent
from advisor.services import give_consent, give_consents, register_investor
from identity.roles import Role
from tests.conftest import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def user(roles):
    return make_user("new")


def test_registering_twice_makes_one_investor(user):
    first, second = register_investor(user=user), register_investor(user=user)
    assert first == second == investor_of(user)
    assert (Investor.objects.count(), Household.objects.count(), Branch.objects.count()) == (1, 1, 1)
    assert user.has_role(Role.INVESTOR) and not user.is_staff


def test_people_share_the_branch_and_not_the_household_or_the_pseudonym(user):
    one, other = register_investor(user=user), register_investor(user=make_user("other"))
    assert one.household.branch == other.household.branch
    assert one.household != other.household and one.pseudonym != other.pseudonym
    assert user.name not in one.pseudonym and len(one.pseudonym) <= 12


def test_when_a_second_registration_loses_the_race_it_returns_the_first(user, monkeypatch):
    made = register_investor(user=user)
    real_filter = Investor.objects.filter
    monkeypatch.setattr(
        Investor.objects, "filter", lambda **kwargs: real_filter(pk=0) if kwargs == {"user": user} else real_filter(**kwargs)
    )
    assert register_investor(user=user) == made
    assert Household.objects.count() == 1


def test_nobody_who_was_not_asked_has_agreed(user):
    investor = register_investor(user=user)
    assert not has_consent(investor, "marketing")
    assert list(investors_with_consent("marketing")) == []


def test_the_latest_answer_holds(user):
    investor, other = register_investor(user=user), register_investor(user=make_user("other"))
    give_consent(investor=other, purpose="marketing", is_given=True, source="onboarding")
    for is_given in (True, False):
        give_consent(investor=investor, purpose="marketing", is_given=is_given, source="preferences")
        assert has_consent(investor, "marketing") == is_given
        assert set(investors_with_consent("marketing")) == ({investor, other} if is_given else {other})
    assert not has_consent(investor, "profiling")
    assert consents_of(investor)["marketing"].is_given is False


def test_the_same_answer_again_writes_nothing(user):
    investor = register_investor(user=user)
    rows = {give_consent(investor=investor, purpose="marketing", is_given=True, source="onboarding").pk for _ in range(3)}
    assert len(rows) == Consent.objects.count() == 1


def test_answers_to_several_purposes_are_written_all_or_none(user, monkeypatch):
    real_create = Consent.objects.create

    def fail_at_marketing(**fields):
        if fields["purpose"] == "marketing":
            raise OSError("the disk is full")
        return real_create(**fields)

    monkeypatch.setattr(Consent.objects, "create", fail_at_marketing)
    with pytest.raises(OSError, match="disk"):
        give_consents(user=user, given={"terms": True, "marketing": True}, source="onboarding")
    assert not Consent.objects.exists() and not Investor.objects.exists()


def test_an_advisor_is_no_investor_by_looking(people):
    assert investor_of(people.ada) is None
