"""A real worker takes somebody from the request to holdings, and finishes what a killed one left behind."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from advisor import services
from advisor.models import Goal, Proposal
from advisor.tasks import sweep_task
from portfolios.models import Order
from portfolios.selectors import positions
from tests.advisor.advice_world import ready_to_ask
from tests.workers import empty_queues, start_worker, wait_until

pytestmark = [pytest.mark.worker, pytest.mark.django_db(transaction=True)]


def state(proposal):
    return Proposal.objects.values_list("state", flat=True).get(pk=proposal.pk)


def test_from_the_request_to_holdings(people):
    empty_queues()
    goal = ready_to_ask(people.anna_investor)
    with start_worker("now"):
        proposal = services.request_proposal(goal=goal)
        wait_until(lambda: state(proposal) == "ready")
        services.accept_proposal(proposal=proposal, actor=people.anna)
        wait_until(lambda: not Order.objects.exclude(state="confirmed").exists())
    held = positions([Goal.objects.get(pk=goal.pk).portfolio_id])
    proposal.refresh_from_db()
    assert {position.fund.code for position in held} == set(proposal.result["amounts"])


def test_what_a_killed_worker_held_is_finished_by_the_next_after_the_lease(people):
    empty_queues()
    proposal = services.request_proposal(goal=ready_to_ask(people.anna_investor))
    empty_queues()  # a killed worker takes its message with it
    past = timezone.now() - timedelta(seconds=1)
    Proposal.objects.filter(pk=proposal.pk).update(status="running", claim=uuid.uuid4(), lease_until=past, attempts=1)
    with start_worker("now"):
        sweep_task()
        wait_until(lambda: state(proposal) == "ready")
    proposal.refresh_from_db()
    assert proposal.attempts == 2
