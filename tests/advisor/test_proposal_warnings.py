"""A proposal with funds of the highest grade: explained, thought over for a day, and only then accepted."""

import pytest
from django.urls import reverse

from advisor import services
from advisor.errors import Refused
from advisor.models import AdviceRecord, Proposal, ProposalWarning
from portfolios.models import Fund, Order
from tests.advisor.advice_world import ready_proposal, ready_to_ask
from tests.advisor.test_purchases import in_hours

ENGLISH = {"accept-language": "en"}


@pytest.fixture
def proposal(people, monkeypatch):
    goal = ready_to_ask(people.anna_investor, 5)
    Fund.objects.filter(code="IX1").update(risk_grade=5)
    return ready_proposal(monkeypatch, goal)


def test_it_is_explained_waits_a_day_and_is_accepted_then(people, client, proposal):
    client.force_login(people.anna)
    address = reverse("proposal_warning", args=[proposal.pk])
    accept = reverse("proposal_accept", args=[proposal.pk])
    with pytest.raises(Refused, match="not_acknowledged"):
        services.accept_proposal(proposal=proposal, actor=people.anna)
    assert accept in client.get(reverse("proposal", args=[proposal.pk]), headers=ENGLISH).text
    assert client.get(accept, headers=ENGLISH).headers["Location"] == address
    shown = client.get(address, headers=ENGLISH).text
    warning = ProposalWarning.objects.get()
    assert "graded R5" in shown and "Fund IX1 (IX1)" in shown and "Fund MM1" not in shown and warning.warning_sha256 in shown
    assert client.get(address, headers=ENGLISH).status_code == 200
    for ticks in ({}, {"has_read": "on"}, {"has_read": "on", "wants_it": "on", "sha256": "0" * 64}):
        assert client.post(address, {"sha256": warning.warning_sha256} | ticks, headers=ENGLISH).status_code == 422
    said = {"sha256": warning.warning_sha256, "has_read": "on", "wants_it": "on"}
    assert client.post(address, said, headers=ENGLISH).headers["Location"] == reverse("proposal", args=[proposal.pk])
    assert "Your time to think is not over yet" in client.get(reverse("proposal", args=[proposal.pk]), headers=ENGLISH).text
    with pytest.raises(Refused, match="must_wait"):
        services.accept_proposal(proposal=proposal, actor=people.anna)
    assert not Order.objects.exists()
    with in_hours(24.1):
        services.accept_proposal(proposal=proposal, actor=people.anna)
    assert Proposal.objects.get().state == "accepted" and Order.objects.filter(fund__code="IX1").exists()
    told = AdviceRecord.objects.filter(kind__in=["warning", "warning_acknowledged", "acceptance"]).order_by("seq")
    kinds = [row.kind for row in told]
    assert kinds == ["warning", "warning_acknowledged", "acceptance"], "shown once, though looked at twice"


def test_a_fund_that_rises_to_the_highest_grade_later_is_explained_too(people, client, proposal):
    client.force_login(people.anna)
    address = reverse("proposal_warning", args=[proposal.pk])

    def acknowledge():
        client.get(address, headers=ENGLISH)
        row = ProposalWarning.objects.get()
        return services.proposal_warnings.acknowledge_proposal_warning(proposal=proposal, actor=people.anna, seen_sha256=row.warning_sha256)

    first = acknowledge()
    Fund.objects.filter(code="BO1").update(risk_grade=5)
    with in_hours(25):
        with pytest.raises(Refused, match="not_acknowledged"):
            services.accept_proposal(proposal=proposal, actor=people.anna)
        again = acknowledge()
        assert "(BO1)" in again.warning_text and again.may_order_at > first.may_order_at
        with pytest.raises(Refused, match="must_wait"):
            services.accept_proposal(proposal=proposal, actor=people.anna)


@pytest.mark.parametrize("who", ["ada", "sue", "ben"])
def test_only_the_investor_reads_and_acknowledges_it(people, client, proposal, who):
    client.force_login(getattr(people, who))
    assert client.get(reverse("proposal_warning", args=[proposal.pk])).status_code == 404
    with pytest.raises(Refused, match="not_yours"):
        services.proposal_warnings.acknowledge_proposal_warning(proposal=proposal, actor=getattr(people, who), seen_sha256="x")


def test_a_proposal_that_could_lose_more_than_its_limit_is_not_accepted(people, proposal):
    Fund.objects.filter(code="IX1").update(risk_grade=3)
    proposal.result["cvar"] = 0.2
    proposal.save()
    with pytest.raises(Refused, match="above_budget"):
        services.accept_proposal(proposal=proposal, actor=people.anna)
