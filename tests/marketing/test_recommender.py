"""The nightly job: trained once, swapped in whole, and nothing above a level at any door."""

import uuid
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import time_machine
from django.utils import timezone

from advisor.models import Consent, Household, Investor
from config.jobs import Job, claim_job
from identity.models import User
from identity.roles import Role
from identity.services import give_role
from marketing.models import Event, RecommenderRun, Suggestion
from marketing.selectors import suggestions_to_show
from marketing.selectors.interactions import investors_to_suggest_to
from marketing.services import execute_training, request_training
from portfolios.models import Fund, Pool, PoolFund

N_INVESTORS, N_FUNDS = 40, 20


@pytest.fixture
def market(people):
    """Twenty pool funds R1-R5 and forty investors C1-C5 of two tastes, with a month of page views."""
    funds = Fund.objects.bulk_create(
        Fund(code=f"T{n:03d}", name_en=f"Fund {n}", category="mixed", asset_class="mixed", risk_grade=1 + n % 5, source="test")
        for n in range(N_FUNDS)
    )
    pool = Pool.objects.create(name="test", is_current=True)
    PoolFund.objects.bulk_create(PoolFund(pool=pool, fund=fund) for fund in funds)
    household = Household.objects.first()
    random = np.random.default_rng(3)
    events, consents = [], []
    for n in range(N_INVESTORS):
        user = User.objects.create_user(email=f"i{n}@example.com", language="en")
        investor = Investor.objects.create(
            user=user, household=household, pseudonym=f"T-{n}", level=1 + n % 5, level_valid_until=timezone.localdate() + timedelta(days=90)
        )
        consents.append(Consent(investor=investor, purpose=Consent.Purpose.PROFILING, is_given=True, source="test"))
        for fund in random.choice(np.arange(10) + 10 * (n % 2), 6, replace=False):
            at = timezone.now() - timedelta(days=float(random.uniform(0, 30)))
            events.append(
                Event(
                    message_id=uuid.uuid4(),
                    investor=investor,
                    type="page",
                    name="fund",
                    properties={"code": f"T{fund:03d}"},
                    occurred_at=at,
                    received_at=at,
                )
            )
    Consent.objects.bulk_create(consents)
    Event.objects.bulk_create(events)


def train() -> RecommenderRun:
    run = request_training()
    assert execute_training(run.pk)
    run.refresh_from_db()
    return run


def test_a_training_ends_serving_and_everybody_within_their_level(market):
    run = train()
    assert (run.status, run.is_serving) == (Job.Status.DONE, True)
    suggestions = list(Suggestion.objects.filter(run=run).select_related("fund", "investor"))
    assert len(suggestions) > N_INVESTORS
    assert [s for s in suggestions if s.fund.risk_grade > s.investor.level] == []


def test_the_same_night_run_twice_gives_one_result(market):
    run = train()
    before = Suggestion.objects.count()
    assert not execute_training(run.pk)
    assert Suggestion.objects.count() == before


def test_an_interrupted_training_begins_again(market):
    run = request_training()
    claim_job(RecommenderRun, run.pk)
    investor, fund = Investor.objects.last(), Fund.objects.first()
    Suggestion.objects.create(run=run, investor=investor, fund=fund, rank=1, score=1.0)
    RecommenderRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert execute_training(run.pk)
    assert Suggestion.objects.values("run", "investor", "fund").distinct().count() == Suggestion.objects.count()


def test_a_new_run_takes_over_by_one_pointer(market):
    first, second = train(), train()
    first.refresh_from_db()
    assert (first.is_serving, second.is_serving) == (False, True)


def test_suggestions_of_runs_long_past_are_forgotten_block_by_block(market, monkeypatch):
    monkeypatch.setattr("marketing.services.recommender.ROWS_A_DELETE", 7)
    runs = [train() for _ in range(4)]
    RecommenderRun.objects.filter(pk=runs[0].pk).update(finished_at=timezone.now() - timedelta(days=3))
    last = train()
    kept = set(Suggestion.objects.values_list("run", flat=True))
    assert runs[0].pk not in kept
    assert {run.pk for run in (runs[2], runs[3], last)} <= kept


def test_asking_twice_queues_one_run(market):
    assert request_training() == request_training()


def test_too_little_history_fails_with_its_reason(people):
    run = request_training()
    execute_training(run.pk)
    run.refresh_from_db()
    assert (run.status, run.error["code"]) == (Job.Status.FAILED, "too_little_history")


def test_a_level_that_fell_overnight_hides_what_is_now_above_it(market):
    train()
    investor = Suggestion.objects.filter(fund__risk_grade__gte=3).first().investor
    Investor.objects.filter(pk=investor.pk).update(level=1)
    investor.refresh_from_db()
    assert all(shown.fund.risk_grade <= 1 for shown in suggestions_to_show(investor, n=10))


@pytest.mark.parametrize(
    "change",
    [
        {"recommendations_off_at": timezone.now()},
        {"level_valid_until": timezone.localdate() - timedelta(days=1)},
        {"level": None},
    ],
)
def test_nothing_is_shown_when_switched_off_expired_or_without_a_level(market, change):
    train()
    investor = Suggestion.objects.first().investor
    Investor.objects.filter(pk=investor.pk).update(**change)
    investor.refresh_from_db()
    assert suggestions_to_show(investor) == []


def test_nothing_is_shown_after_consent_is_withdrawn(market):
    train()
    investor = Suggestion.objects.first().investor
    Consent.objects.create(investor=investor, purpose=Consent.Purpose.PROFILING, is_given=False, source="test")
    assert suggestions_to_show(investor) == []


def test_a_closed_fund_and_one_out_of_the_pool_are_not_shown(market):
    train()
    Fund.objects.filter(code__lt="T010").update(is_open=False)
    PoolFund.objects.filter(fund__code__gte="T010").delete()
    assert [suggestions_to_show(investor, n=10) for investor in Investor.objects.all() if suggestions_to_show(investor, n=10)] == []


def test_a_reason_names_something_the_person_really_touched(market):
    train()
    for suggestion in Suggestion.objects.select_related("fund"):
        code = Fund.objects.get(pk=suggestion.reason["fund_id"]).code
        assert Event.objects.filter(investor=suggestion.investor, properties__code=code).exists()


def test_the_slot_shows_one_suggestion_in_few_queries(market, client, django_assert_max_num_queries):
    train()
    investor = Suggestion.objects.first().investor
    give_role(user=investor.user, role=Role.INVESTOR)
    client.force_login(investor.user)
    with django_assert_max_num_queries(12):
        response = client.get("/marketing/suggestions/", headers={"HX-Request": "true", "Accept-Language": "en"})
    assert response.content.decode().count("<section") == 1
    assert "you looked at" in response.content.decode()


def test_a_training_that_outlived_its_lease_leaves_the_others_suggestions_alone(market, monkeypatch):
    from marketing.kernels.recommenders.als import Als

    run = request_training()
    fit = Als.fit

    def slow(self, *args, **kwargs):
        monkeypatch.setattr(Als, "fit", fit)
        RecommenderRun.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert execute_training(run.pk), "the second worker does the whole of it meanwhile"
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(Als, "fit", slow)
    assert not execute_training(run.pk)
    run.refresh_from_db()
    assert run.is_serving and Suggestion.objects.filter(run=run).count() == run.report["suggestions"] > 0


def test_a_level_lapses_at_midnight_in_shanghai(market):
    train()
    investor = Suggestion.objects.first().investor
    with time_machine.travel(datetime(2027, 1, 31, 16, 30, tzinfo=UTC), tick=False):  # 00:30 on 1 February in Shanghai
        investor.level_valid_until = date(2027, 1, 31)
        investor.save()
        assert suggestions_to_show(investor) == []
        assert investor.pk not in {pk for pks in investors_to_suggest_to(timezone.now()).values() for pk in pks}
