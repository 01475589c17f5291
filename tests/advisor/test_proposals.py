import uuid
from datetime import timedelta

import plotly.graph_objects as go
import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from advisor import charts, services
from advisor.errors import Refused
from advisor.models import Investor, Proposal, ProposalEvent
from advisor.selectors import proposal_page, sentence
from advisor.tasks import sweep_task
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import DataError, InfeasibleError, SolverError
from portfolios.models import Fund, ModelPortfolio, ModelSet
from tests.advisor.advice_world import WEIGHTS, answer_with, ready_proposal, ready_to_ask, solution
from tests.advisor.site_world import give_level, make_assessment


@pytest.fixture
def goal(people):
    return ready_to_ask(people.anna_investor)


def states(proposal):
    return list(ProposalEvent.objects.filter(proposal=proposal).order_by("pk").values_list("to_state", flat=True))


def test_the_inputs_are_frozen_when_it_is_asked_for(goal):
    proposal = services.request_proposal(goal=goal, actor=goal.account.investor.user)
    assert proposal.inputs["amount_minor"] == 10_000_000
    assert (proposal.inputs["level"], proposal.inputs["stated_loss"], proposal.inputs["funding"]) == (3, 0.2, "deposit")
    assert proposal.inputs["horizon_years"] == pytest.approx(9.99, abs=0.02)
    assert (proposal.status, proposal.state, len(proposal.inputs_sha256)) == ("queued", "working", 64)
    assert ProposalEvent.objects.get(proposal=proposal).actor == goal.account.investor.user


def test_asking_twice_gives_one_proposal(goal):
    first = services.request_proposal(goal=goal)
    assert services.request_proposal(goal=goal).pk == first.pk
    assert Proposal.objects.count() == 1


def test_asking_again_with_nothing_changed_returns_the_finished_one_and_with_new_inputs_another(goal, monkeypatch):
    first = ready_proposal(monkeypatch, goal)
    assert services.request_proposal(goal=goal).pk == first.pk
    goal.amount_minor += 100
    assert services.request_proposal(goal=goal).pk != first.pk


def test_the_worker_is_rung_by_name_after_the_commit(goal, django_capture_on_commit_callbacks, monkeypatch):
    rung = []
    monkeypatch.setattr("celery.canvas.Signature.apply_async", lambda self, args, **_: rung.append((self.task, self.options, args)))
    with django_capture_on_commit_callbacks(execute=True):
        proposal = services.request_proposal(goal=goal)
    assert rung == [("advisor.execute_proposal", {"queue": "now"}, (proposal.pk,))]


@pytest.mark.parametrize(("level", "days", "code"), [(None, None, "no_level"), (3, -1, "level_expired")], ids=["no level", "expired level"])
def test_without_a_level_in_force_nothing_is_written(goal, level, days, code):
    investor = goal.account.investor
    investor.level, investor.level_valid_until = level, days and timezone.localdate() + timedelta(days=days)
    investor.save()
    with pytest.raises(Refused, match=code):
        services.request_proposal(goal=goal)
    assert not Proposal.objects.exists()


def test_without_approved_models_nothing_is_written(goal):
    ModelSet.objects.update(is_current=False)
    with pytest.raises(Refused, match="no_models"):
        services.request_proposal(goal=goal)
    assert not Proposal.objects.exists()
    assert "no approved model portfolios" in sentence("no_models")


def test_a_proposal_is_solved_with_the_models_that_were_current_when_it_was_asked_for(goal, monkeypatch):
    first = ModelSet.objects.get()
    proposal = services.request_proposal(goal=goal)
    assert proposal.inputs["models"] == first.pk
    calls = answer_with(monkeypatch, lambda: solution())
    services.execute_proposal(proposal.pk)
    assert calls[0]["model_set_id"] == first.pk


def test_without_holdings_or_a_lower_stated_loss_a_proposal_is_the_model(goal):
    proposal = services.request_proposal(goal=goal)
    assert services.execute_proposal(proposal.pk)
    proposal.refresh_from_db()
    model = ModelPortfolio.objects.get(level=3, horizon_bin=3, model_set__is_current=True)
    weights = {row.fund.code: row.weight for row in model.weights.select_related("fund") if row.weight > 0}
    assert proposal.result["weights"] == pytest.approx(weights, abs=1e-9)
    assert proposal.result["gamma"] == pytest.approx(model.gamma)


def test_a_goal_near_its_date_is_solved_at_the_horizons_ceiling(goal, monkeypatch):
    goal.target_date = timezone.localdate() + timedelta(days=300)
    goal.save()
    calls = answer_with(monkeypatch, lambda: solution({"MM1": 0.5, "MM2": 0.5}))
    proposal = services.request_proposal(goal=goal)
    services.execute_proposal(proposal.pk)
    assert (proposal.level, calls[0]["level"], proposal.inputs["person_level"]) == (2, 2, 3)


def test_amounts_add_up_to_the_cent_and_keep_the_weights(goal, monkeypatch):
    goal.amount_minor = 1_234_567
    result = ready_proposal(monkeypatch, goal).result
    assert sum(result["amounts"].values()) == 1_234_567
    assert all(abs(part - 1_234_567 * WEIGHTS[code]) <= 1 for code, part in result["amounts"].items())
    assert result["bad_year_minor"] == round(0.0923 * 1_234_567)
    assert result["purchase_cost_minor"] == sum(result["fees"].values()) > 0


def test_what_is_too_small_for_an_order_goes_to_the_money_market_fund(goal, monkeypatch):
    goal.amount_minor = 12_000
    weights = {"MM1": 0.4, "BO1": 0.18, "BO2": 0.18, "BO3": 0.18, "IX1": 0.06}
    amounts = ready_proposal(monkeypatch, goal, weights).result["amounts"]
    assert amounts == {"MM1": 4_800 + 720, "BO1": 2_160, "BO2": 2_160, "BO3": 2_160}
    assert min(amounts.values()) >= jurisdiction().min_purchase_minor


def test_an_amount_too_small_to_spread_is_said_and_not_heaped_on_one_fund(goal, monkeypatch):
    goal.amount_minor = 2_000
    proposal = ready_proposal(monkeypatch, goal)
    assert (proposal.status, proposal.state, proposal.error["code"]) == ("done", "infeasible", "amount_too_small")
    assert "would be enough" in sentence(proposal.error["code"], proposal.error["params"])
    goal.amount_minor = proposal.error["params"]["enough_minor"]
    assert ready_proposal(monkeypatch, goal).state == "ready"


def test_executing_twice_gives_one_result(goal, monkeypatch):
    calls = answer_with(monkeypatch, lambda: solution())
    proposal = services.request_proposal(goal=goal)
    assert services.execute_proposal(proposal.pk) is True
    assert services.execute_proposal(proposal.pk) is False
    assert len(calls) == 1
    assert states(proposal) == ["working", "ready"]


def test_a_worker_that_lost_its_claim_discards_its_result(goal, monkeypatch):
    proposal = services.request_proposal(goal=goal)

    def stolen():
        Proposal.objects.filter(pk=proposal.pk).update(claim=uuid.uuid4())
        return solution()

    answer_with(monkeypatch, stolen)
    assert services.execute_proposal(proposal.pk) is False
    proposal.refresh_from_db()
    assert (proposal.status, proposal.result, states(proposal)) == ("running", None, ["working"])


def test_a_worker_whose_lease_ran_out_discards_what_a_second_one_has_finished(goal, monkeypatch):
    proposal = services.request_proposal(goal=goal)

    def slow():
        answer_with(monkeypatch, lambda: solution(gamma=9.0))
        with time_machine.travel(timezone.now() + timedelta(minutes=5)):
            assert services.execute_proposal(proposal.pk) is True
        return solution(gamma=1.0)

    answer_with(monkeypatch, slow)
    assert services.execute_proposal(proposal.pk) is False
    proposal.refresh_from_db()
    assert (proposal.result["gamma"], proposal.attempts, states(proposal)) == (9.0, 2, ["working", "ready"])


@pytest.mark.parametrize("error", [DataError("no_history"), SolverError("solver_failed", detail="x")])
def test_a_failure_is_kept_as_data_and_shown_as_a_sentence(goal, monkeypatch, client, error):
    answer_with(monkeypatch, error)
    proposal = services.request_proposal(goal=goal)
    services.execute_proposal(proposal.pk)
    proposal.refresh_from_db()
    assert (proposal.status, proposal.error["code"], proposal.result) == ("failed", error.code, None)
    client.force_login(goal.account.investor.user)
    page = client.get(reverse("proposal", args=[proposal.pk]), headers={"accept-language": "en"}).content.decode()
    assert "could not be worked out" in page
    assert "Nothing was ordered" in page


def test_a_limit_that_cannot_be_kept_is_named(goal, monkeypatch, client):
    answer_with(monkeypatch, InfeasibleError("cvar_budget", limit=0.02, reached=0.034, gamma=200.0))
    proposal = services.request_proposal(goal=goal)
    services.execute_proposal(proposal.pk)
    proposal.refresh_from_db()
    assert (proposal.status, proposal.state) == ("done", "infeasible")
    client.force_login(goal.account.investor.user)
    page = client.get(reverse("proposal", args=[proposal.pk]), headers={"accept-language": "en"}).content.decode()
    assert "No portfolio keeps all the limits" in page
    assert "2.00\u00a0%" in page
    assert "3.40\u00a0%" in page


@pytest.mark.parametrize("code", ["EQ1", "MM5"], ids=["above the level", "closed"])
def test_what_the_engine_returns_passes_the_gate_or_is_thrown_away(goal, monkeypatch, code):
    proposal = ready_proposal(monkeypatch, goal, {"MM1": 0.9, code: 0.1})
    assert (proposal.status, proposal.error["code"], proposal.result) == ("failed", "fund_not_suitable", None)


def test_a_level_that_fell_while_it_waited_stops_the_proposal(goal, monkeypatch):
    proposal = services.request_proposal(goal=goal)
    answer_with(monkeypatch, lambda: solution())
    Investor.objects.update(level=2)
    services.execute_proposal(proposal.pk)
    proposal.refresh_from_db()
    assert (proposal.status, proposal.error["code"]) == ("failed", "level_fell")


def test_a_newer_proposal_replaces_the_older_one_whichever_ends_first(goal, monkeypatch):
    answer_with(monkeypatch, lambda: solution())
    older = services.request_proposal(goal=goal)
    goal.amount_minor += 100
    newer = services.request_proposal(goal=goal)
    services.execute_proposal(newer.pk)
    services.execute_proposal(older.pk)
    older.refresh_from_db()
    newer.refresh_from_db()
    assert (older.state, newer.state) == ("superseded", "ready")
    assert states(older) == ["working", "ready", "superseded"]


def test_the_sweeper_rings_for_what_waits_and_fails_what_was_tried_too_often(goal, django_capture_on_commit_callbacks, monkeypatch):
    rung = []
    monkeypatch.setattr("advisor.tasks.execute_proposal_task.apply_async", lambda args, **_: rung.append(args))
    proposal = services.request_proposal(goal=goal)
    with time_machine.travel(timezone.now() + timedelta(minutes=1)), django_capture_on_commit_callbacks(execute=True):
        sweep_task()
    assert rung == [(proposal.pk,)]
    Proposal.objects.update(status="running", attempts=5, lease_until=timezone.now() - timedelta(minutes=1))
    sweep_task()
    proposal.refresh_from_db()
    assert proposal.status == "failed"
    assert "too often" in sentence(proposal.error["code"], proposal.error)


def test_the_real_engine_makes_a_proposal_that_keeps_every_limit(goal):
    proposal = services.request_proposal(goal=goal)
    assert services.execute_proposal(proposal.pk)
    proposal.refresh_from_db()
    result, funds = proposal.result, Fund.objects.in_bulk(field_name="code")
    assert (proposal.state, proposal.error) == ("ready", None)
    assert sum(result["amounts"].values()) == goal.amount_minor
    assert all(funds[code].risk_grade <= 3 and funds[code].is_open for code in result["amounts"])
    limits = jurisdiction().advice
    for code, part in result["amounts"].items():
        cap = limits.money_fund_cap if funds[code].asset_class == "money_market" else limits.fund_cap
        assert part <= cap * goal.amount_minor + 1
    assert result["bad_year_minor"] <= 0.12 * goal.amount_minor
    assert result["growth"]["growth"][0] == 1.0
    assert min(result["growth"]["drawdown"]) < 0


# Pages


def test_a_proposal_is_seen_by_its_investor_and_their_advisors_only(people, goal, monkeypatch, client):
    proposal = ready_proposal(monkeypatch, goal)
    got = {}
    for who in ("anna", "ben", "ada", "bob", "cora", "sue", "mark", "adam"):
        client.force_login(getattr(people, who))
        got[who] = [
            client.get(reverse(name, args=[proposal.pk])).status_code for name in ("proposal", "proposal_progress", "proposal_accept")
        ]
    assert [who for who, codes in got.items() if codes == [404, 404, 404]] == ["ben", "bob", "mark", "adam"]
    assert got["anna"] == [200, 286, 200]
    assert got["ada"] == [200, 286, 404], "an advisor reads, and does not accept"


def test_the_page_polls_while_the_worker_is_at_it_and_refreshes_without_javascript(people, goal, monkeypatch, client):
    client.force_login(people.anna)
    proposal = services.request_proposal(goal=goal)
    page = client.get(reverse("proposal", args=[proposal.pk])).content.decode()
    assert '<noscript><meta http-equiv="refresh"' in page
    assert f'hx-get="{reverse("proposal_progress", args=[proposal.pk])}"' in page
    assert client.get(reverse("proposal_progress", args=[proposal.pk])).status_code == 200
    answer_with(monkeypatch, lambda: solution())
    services.execute_proposal(proposal.pk)
    done = client.get(reverse("proposal_progress", args=[proposal.pk]))
    assert (done.status_code, done.headers["HX-Refresh"]) == (286, "true")
    assert 'http-equiv="refresh"' not in client.get(reverse("proposal", args=[proposal.pk])).content.decode()


def test_the_first_screen_says_what_a_bad_year_and_the_costs_are_in_yuan(people, goal, monkeypatch, client):
    client.force_login(people.anna)
    proposal = ready_proposal(monkeypatch, goal)
    page = client.get(reverse("proposal", args=[proposal.pk]), headers={"accept-language": "en"}).content.decode()
    assert "about ¥9,200 of your ¥100,000, or more" in page
    assert "¥500" in page, "50 basis points a year of 100,000"
    assert "You would hold 5 funds" in page


FORECASTS = [
    "Expected return",
    "expected return",
    "backtest",
    'data-figure="frontier"',
    'data-figure="growth"',
    "How we chose",
    "we expect",
    "3.1\u00a0%",
]


def test_in_a_demo_everybody_sees_how_it_was_chosen(people, goal, monkeypatch, client):
    client.force_login(people.anna)
    page = client.get(reverse("proposal", args=[ready_proposal(monkeypatch, goal).pk]), headers={"accept-language": "en"}).content.decode()
    assert all(words in page for words in ("How we chose", 'data-figure="frontier"', 'data-figure="growth"', "A backtest"))


@pytest.mark.parametrize(("who", "sees"), [("anna", False), ("ada", True), ("sue", True)])
def test_in_a_licensed_deployment_investors_see_no_forecast_and_no_backtest(people, goal, monkeypatch, client, settings, who, sees):
    settings.IS_DEMO = False
    proposal = ready_proposal(monkeypatch, goal)
    client.force_login(getattr(people, who))
    page = client.get(reverse("proposal", args=[proposal.pk]), headers={"accept-language": "en"}).content.decode()
    found = [words for words in FORECASTS if words in page]
    assert bool(found) is sees, found
    assert "about ¥9,200 of your ¥100,000, or more" in page


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_figures_are_valid_plotly_and_their_numbers_stand_in_tables(goal, monkeypatch, language):
    from django.utils.translation import override

    with override(language):
        page = proposal_page(ready_proposal(monkeypatch, goal), with_method=True)
    for figure in (page.bars, page.method.frontier, page.method.growth):
        go.Figure(figure)
    assert page.bars["data"][0]["meta"]["asset_class"] == ["money_market", "bond", "equity"]
    assert sum(page.bars["data"][0]["x"]) == 100_000
    assert sum(share.amount_minor for share in page.shares) == 10_000_000
    assert page.method.years[-1][0] == page.method.growth["data"][0]["x"][-1]


def test_targets_are_marked_on_the_bars():
    shares = [charts.ClassShare("bond", "Bonds", 6_000, 0.6, 0.5), charts.ClassShare("gold", "Gold", 4_000, 0.4, 0.5)]
    figure = charts.allocation_bars(shares)
    go.Figure(figure)
    assert figure["data"][1]["x"] == [50.0, 50.0]
    assert figure["data"][1]["meta"] == {"role": "target"}


@pytest.mark.parametrize(
    "code", ["no_fund_of_grade", "no_money_market_fund", "bounds_cannot_sum_to_one", "order_refused", "never heard of"]
)
def test_every_code_becomes_a_sentence(code):
    params = {"level": "C1", "max_grade": 1, "n_funds": 3, "min": 0, "max": 0.5, "reason": "x"}
    assert sentence(code, params).endswith(".")


def test_a_new_proposal_can_be_asked_for_by_the_investor_and_the_advisor(people, goal, client):
    for who, status in [("ben", 404), ("sue", 403), ("ada", 302), ("anna", 302)]:
        client.force_login(getattr(people, who))
        assert client.post(reverse("proposal_new", args=[goal.pk])).status_code == status, who
    assert Proposal.objects.count() == 1
    assert client.get(reverse("proposal_new", args=[goal.pk])).status_code == 405


def test_asking_with_an_expired_level_says_so_and_changes_nothing(people, goal, client):
    give_level(people.anna_investor, 3, days=-1)
    make_assessment(people.anna_investor)
    client.force_login(people.anna)
    response = client.post(reverse("proposal_new", args=[goal.pk]), follow=True, headers={"accept-language": "en"})
    assert "Your risk level has expired" in response.content.decode()
    assert not Proposal.objects.exists()
