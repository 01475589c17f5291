"""Model portfolios: made level by level, resampled, approved by a second person, and what advice makes of them."""

from contextlib import suppress
from datetime import timedelta
from threading import Barrier, BrokenBarrierError, Thread

import numpy as np
import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections
from django.utils import timezone

from config.jobs import Job
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import InfeasibleError
from portfolios.kernels.resample import draw_moments, resampled_weights, turnover, weight_range
from portfolios.kernels.risk import normal_cvar
from portfolios.models import Fund, ModelPortfolio, ModelSet, ModelWeight, Pool, PoolFund
from portfolios.selectors import current_models
from portfolios.selectors.model_pages import ceiling_of, comparison
from portfolios.selectors.model_sets import bin_years, frozen_market, horizon_bin, market_of_models
from portfolios.services import (
    ModelsRefused,
    approve_models,
    execute_models,
    make_and_approve_models,
    propose_models,
    request_models,
    return_models,
    solve_advice,
)
from portfolios.services import model_sets as service
from portfolios.services.levels import advised_funds, level_mandate
from tests.portfolios.advice_pool import make_pool
from tests.portfolios.models_world import approve_current_models

pytestmark = pytest.mark.django_db


@pytest.fixture
def pool():
    return make_pool()


@pytest.fixture
def models(pool):
    return approve_current_models()


@pytest.fixture
def waiting(pool):
    """A set that waits for approval; what it holds does not matter here."""
    made = request_models(n_draws=0)
    ModelSet.objects.filter(pk=made.pk).update(status=Job.Status.DONE, state=ModelSet.State.WAITING)
    made.refresh_from_db()
    return made


def model_of(models, level, place=3) -> ModelPortfolio:
    return ModelPortfolio.objects.get(model_set=models, level=level, horizon_bin=place)


def weights_of(model) -> dict[str, float]:
    return dict(model.weights.filter(weight__gt=0).values_list("fund__code", "weight"))


# Making


def test_a_set_has_one_model_a_level_and_horizon_bin_within_its_grades_and_budget(models):
    rules = jurisdiction()
    rows = list(models.portfolios.all())
    assert {(row.level, row.horizon_bin) for row in rows} == {(level, place) for level in rules.levels for place in range(4)}
    for row in rows:
        rule, held = rules.levels[row.level], weights_of(row)
        assert row.error is None
        assert sum(held.values()) == pytest.approx(1, abs=1e-12)
        assert max(row.cvar, row.cvar_of_record) <= rule.cvar_budget == row.cvar_limit
        assert row.highest_grade == max(Fund.objects.filter(code__in=held).values_list("risk_grade", flat=True)) <= rule.max_grade
        assert min(held.values()) >= rules.advice.min_weight
        assert row.budget_binds is (row.gamma > rules.advice.gamma_min)


def test_the_lowest_class_holds_money_market_funds_only(models):
    for place in range(4):
        held = weights_of(model_of(models, 0, place))
        assert set(Fund.objects.filter(code__in=held).values_list("asset_class", flat=True)) == {"money_market"}


def test_the_figures_of_a_model_are_those_of_its_weights_on_the_frozen_moments(models):
    market = frozen_market(models)
    model = model_of(models, 4)
    held = weights_of(model)
    weights = np.array([held.get(code, 0.0) for code in market.moments.codes])
    assert model.expected_return == pytest.approx(weights @ market.moments.mean, rel=1e-12)
    assert model.volatility == pytest.approx(np.sqrt(weights @ market.moments.cov @ weights), rel=1e-9)
    assert model.cvar == pytest.approx(normal_cvar(model.expected_return, model.volatility), rel=1e-9)


def test_where_gamma_two_breaks_the_budget_a_slightly_smaller_gamma_would_too(models, monkeypatch):
    strict = {level: rule.model_copy(update={"cvar_budget": rule.cvar_budget / 3}) for level, rule in jurisdiction().levels.items()}
    monkeypatch.setitem(jurisdiction().__dict__, "levels", strict)
    ModelSet.objects.update(inputs_sha256="before")
    tight = approve_current_models()
    model = model_of(tight, 4)
    assert model.budget_binds and model.gamma > 2
    assert model.cvar_limit - max(model.cvar, model.cvar_of_record) < 1e-3
    market = frozen_market(tight)
    mandate = level_mandate(advised_funds(market, 4), bin_years(3))
    bolder = service.solve_advised(market, mandate, 1.0, model.gamma * 0.99)
    assert max(bolder.solution.cvar, bolder.cvar_of_record) > model.cvar_limit


def test_a_level_whose_budget_nothing_keeps_says_which_limit_and_leaves_the_others_their_models(pool):
    PoolFund.objects.filter(fund__risk_grade=1).delete()
    made = approve_current_models()
    lost = model_of(made, 1)
    assert (lost.gamma, lost.error["code"]) == (None, "no_fund_of_grade")
    assert model_of(made, 0).error["code"] == "no_money_market_fund"
    assert model_of(made, 4).error is None
    with pytest.raises(InfeasibleError, match="no_fund_of_grade"):
        solve_advice(level=1, horizon_years=4)


def test_a_budget_that_even_the_largest_risk_aversion_breaks_is_named(pool, monkeypatch):
    strict = {level: rule.model_copy(update={"cvar_budget": 0.02}) for level, rule in jurisdiction().levels.items()}
    monkeypatch.setitem(jurisdiction().__dict__, "levels", strict)
    PoolFund.objects.filter(fund__risk_grade__lt=3).delete()
    lost = model_of(approve_current_models(), 4)
    assert (lost.gamma, lost.error["code"], lost.error["params"]["limit"]) == (None, "cvar_budget", 0.02)
    assert lost.error["params"]["reached"] > 0.02
    with pytest.raises(InfeasibleError, match="cvar_budget"):
        solve_advice(level=4, horizon_years=8)


def test_the_same_inputs_make_one_set_and_the_same_set_again_comes_out_the_same(pool):
    first = request_models(n_draws=3)
    assert request_models(n_draws=3) == first
    assert execute_models(first.pk)
    written = ModelWeight.objects.filter(portfolio__model_set=first).order_by("pk").values_list("weight", "low", "high", "held_share")
    rows = list(written)
    first.portfolios.all().delete()
    ModelSet.objects.filter(pk=first.pk).update(status=Job.Status.QUEUED, state=ModelSet.State.DRAFT)
    assert execute_models(first.pk)
    assert list(written.all()) == rows


def test_killed_after_two_levels_it_goes_on_with_the_third_and_no_level_stands_twice(pool, monkeypatch):
    made = request_models(n_draws=0)
    make, worked = service._make_level, []

    def dying(market, draws, level):
        worked.append(level)
        if level == 2 and worked.count(2) == 1:
            raise KeyboardInterrupt
        return make(market, draws, level)

    monkeypatch.setattr(service, "_make_level", dying)
    with pytest.raises(KeyboardInterrupt):
        execute_models(made.pk)
    assert not execute_models(made.pk), "the lease still holds"
    ModelSet.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert execute_models(made.pk)
    made.refresh_from_db()
    assert worked == [0, 1, 2, 2, 3, 4, 5]
    assert (made.state, made.status, made.attempts, made.portfolios.count()) == ("waiting", "done", 2, 24)


def test_a_worker_that_lost_its_claim_writes_nothing_more(pool, monkeypatch):
    made = request_models(n_draws=0)
    make = service._make_level

    def robbed(*asked):
        ModelSet.objects.update(claim=None)
        return make(*asked)

    monkeypatch.setattr(service, "_make_level", robbed)
    assert not execute_models(made.pk)
    assert not made.portfolios.exists()


def test_without_a_pool_or_prices_a_set_is_refused(db):
    with pytest.raises(ModelsRefused, match="no_pool"):
        request_models()
    Pool.objects.create(name="Empty", is_current=True)
    with pytest.raises(ModelsRefused, match="no_history"):
        request_models()
    assert propose_models() is None


def test_a_set_is_proposed_for_a_new_pool_and_a_new_month_only(pool):
    first = propose_models()
    assert first.state == "draft" and not first.is_current
    assert propose_models() is None
    ModelSet.objects.update(data_date=first.data_date - timedelta(days=31))
    Fund.objects.filter(code="money0").update(annual_fee_bps=51)
    month = propose_models()
    assert month.pk > first.pk
    other = Pool.objects.create(name="Other")
    PoolFund.objects.bulk_create(PoolFund(pool=other, fund=fund) for fund in pool.funds.all())
    Pool.objects.filter(pk=pool.pk).update(is_current=False)
    Pool.objects.filter(pk=other.pk).update(is_current=True)
    assert propose_models().pool == other


# Resampling


def test_ranges_hold_what_draws_hold_and_are_wider_the_more_the_moments_vary(pool):
    made = approve_current_models(n_draws=24)
    rows = list(ModelWeight.objects.filter(portfolio=model_of(made, 3)).select_related("fund"))
    assert all(0 <= row.low <= row.high <= 0.5 + 1e-12 and 0 <= row.held_share <= 1 for row in rows)
    assert any(row.high - row.low > 0.05 for row in rows)
    assert any(row.weight == 0 for row in rows), "a fund that only draws hold is shown too"
    market = frozen_market(made)
    classes = [market.funds[code].asset_class for code in market.moments.codes]
    spreads = [
        np.array([draw.mean for draw in draw_moments(market.moments, market.record.weekly, classes, error, (40, 1))]).std(axis=0).max()
        for error in (0.002, 0.01)
    ]
    assert spreads[0] < spreads[1] == pytest.approx(0.01, rel=0.5)


def test_funds_of_one_class_err_together_and_calm_classes_less(models):
    market = frozen_market(models)
    classes = [market.funds[code].asset_class for code in market.moments.codes]
    errors = np.array(
        [draw.mean - market.moments.mean for draw in draw_moments(market.moments, market.record.weekly, classes, 0.01, (30, 5))]
    )
    place = {code: column for column, code in enumerate(market.moments.codes)}
    assert errors[:, place["equity0"]] == pytest.approx(errors[:, place["equity4"]], abs=1e-15)
    assert errors[:, place["bond0"]].std() < errors[:, place["equity0"]].std()


def test_the_draws_optima_are_those_of_the_kernel_for_single_mandates(models):
    from portfolios.services.levels import solve

    market = frozen_market(models)
    mandate = level_mandate(advised_funds(market, 4), 5.0)
    classes = [market.funds[code].asset_class for code in market.moments.codes]
    draws = draw_moments(market.moments, market.record.weekly, classes, 0.01, (2, 3))
    found = resampled_weights(draws, mandate, np.array([3.0, 9.0]), np.array([5.0, 5.0]))
    from dataclasses import replace

    for at, moments in enumerate(draws):
        for b, gamma in enumerate((3.0, 9.0)):
            assert found[at, b] == pytest.approx(solve(moments, replace(mandate, risk_aversion=gamma)).weights, abs=1e-8)


def test_a_range_leaves_out_draws_that_were_not_proven():
    draws = np.array([[0.5, 0.5], [0.4, 0.6], [np.nan, np.nan]])
    spread = weight_range(draws, 0.45)
    assert spread.held_share.tolist() == [0.5, 1.0]
    assert (spread.low[0], spread.high[1]) == pytest.approx((0.405, 0.595))
    assert np.isnan(weight_range(draws[2:], 0.45).low).all()


# Approval


def test_a_second_supervisor_makes_a_set_current_and_the_one_before_retires(models, people, waiting_after):
    approve_models(model_set=waiting_after, actor=people.sue, answer="Looked at the turnover.")
    models.refresh_from_db()
    waiting_after.refresh_from_db()
    assert (models.state, models.is_current) == ("retired", False)
    assert (waiting_after.state, waiting_after.is_current, waiting_after.decided_by) == ("approved", True, people.sue)
    assert current_models() == waiting_after
    with pytest.raises(ModelsRefused, match="not_waiting"):
        return_models(model_set=waiting_after, actor=people.sue, answer="On second thoughts, no.")


@pytest.fixture
def waiting_after(models):
    made = request_models(n_draws=1)
    ModelSet.objects.filter(pk=made.pk).update(status=Job.Status.DONE, state=ModelSet.State.WAITING)
    made.refresh_from_db()
    return made


def test_whoever_asked_for_a_set_cannot_approve_it_and_an_advisor_never(waiting, people):
    ModelSet.objects.update(requested_by=people.sue)
    waiting.refresh_from_db()
    with pytest.raises(ModelsRefused, match="four_eyes"):
        approve_models(model_set=waiting, actor=people.sue)
    for who in (people.ada, people.anna, people.adam):
        with pytest.raises(PermissionDenied):
            approve_models(model_set=waiting, actor=who)
    assert current_models() is None


def test_the_database_too_refuses_that_one_person_asks_and_decides(waiting, people):
    with pytest.raises(IntegrityError):
        ModelSet.objects.filter(pk=waiting.pk).update(requested_by=people.sue, decided_by=people.sue)


def test_a_set_is_returned_with_a_reason_and_the_same_inputs_may_be_asked_for_again(waiting, people):
    with pytest.raises(ModelsRefused, match="reason_too_short"):
        return_models(model_set=waiting, actor=people.sue, answer="no")
    returned = return_models(model_set=waiting, actor=people.sue, answer="The gold weight looks too high.")
    assert (returned.state, returned.is_current, current_models()) == ("returned", False, None)
    assert request_models(n_draws=0) != waiting


def test_an_older_set_neither_replaces_a_newer_one_nor_goes_on_waiting(waiting, people):
    newer = request_models(n_draws=1)
    ModelSet.objects.filter(pk=newer.pk).update(status=Job.Status.DONE, state=ModelSet.State.WAITING)
    approve_models(model_set=newer, actor=people.sue)
    waiting.refresh_from_db()
    assert waiting.state == "retired"
    ModelSet.objects.filter(pk=waiting.pk).update(state=ModelSet.State.WAITING)
    with pytest.raises(ModelsRefused, match="older"):
        approve_models(model_set=waiting, actor=people.sue)


@pytest.mark.django_db(transaction=True)
def test_two_sets_approved_at_once_leave_the_newer_one_in_use(people, monkeypatch):
    pool = make_pool()
    older, newer = (
        ModelSet.objects.create(pool=pool, state=ModelSet.State.WAITING, status=Job.Status.DONE, data_date=timezone.localdate())
        for _ in range(2)
    )
    both, real, outcomes = Barrier(2, timeout=1), service.current_models, []

    def current_of_both():
        found = real()
        with suppress(BrokenBarrierError):  # whoever is kept waiting by the other does not come
            both.wait()
        return found

    monkeypatch.setattr(service, "current_models", current_of_both)

    def approve(model_set):
        try:
            outcomes.append(approve_models(model_set=model_set, actor=people.sue).pk)
        except Exception as error:
            outcomes.append(getattr(error, "code", repr(error)))
        finally:
            connections.close_all()

    threads = [Thread(target=approve, args=(one,)) for one in (older, newer)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert current_models() == newer
    assert newer.pk in outcomes and set(outcomes) <= {newer.pk, older.pk, "not_waiting", "older"}, outcomes


def test_a_world_is_given_models_in_one_call(pool, people):
    made = make_and_approve_models(approver=people.sue, n_draws=0)
    assert made.is_current and make_and_approve_models(approver=people.sue, n_draws=0) == made


# What advice makes of it


@pytest.mark.parametrize("level", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("years", [0.5, 2.0, 4.0, 12.0])
def test_a_personal_solve_is_the_model_where_nothing_is_different(models, level, years):
    advice = solve_advice(level=level, horizon_years=years)
    model = model_of(models, level, horizon_bin(years))
    assert advice.weights == pytest.approx(weights_of(model), abs=1e-9)
    assert (advice.gamma, advice.cvar, advice.cvar_of_record) == pytest.approx((model.gamma, model.cvar, model.cvar_of_record), abs=1e-9)
    assert advice.moments["model_set"] == models.pk


def test_new_prices_change_no_advice_until_a_new_set_is_approved(models):
    before = solve_advice(level=4, horizon_years=6)
    Fund.objects.update(purchase_fee_bps=80, annual_fee_bps=90)
    draft = request_models(n_draws=0)
    execute_models(draft.pk)
    assert solve_advice(level=4, horizon_years=6).weights == before.weights


def largest(weights) -> str:
    return max(weights, key=lambda code: (not code.startswith("money"), weights[code]))


@pytest.mark.parametrize(
    "change",
    [
        {"is_open": False},
        {"risk_grade": 5},
        {"ended_on": "2025-01-01"},
        {"last_nav_date": None},
        {"last_nav_date": "2024-12-01"},
        {"asset_class": "gold"},
    ],
    ids=["closed", "upgraded", "ended", "without a NAV", "no longer published", "of another class"],
)
def test_a_fund_that_may_no_longer_be_bought_leaves_the_advice_at_once(models, change):
    code = largest(solve_advice(level=4, horizon_years=6).weights)
    Fund.objects.filter(code=code).update(**change)
    advice = solve_advice(level=4, horizon_years=6)
    assert code not in advice.weights
    assert sum(advice.weights.values()) == pytest.approx(1)
    assert max(advice.cvar, advice.cvar_of_record) <= 0.22
    assert market_of_models(models).changed == {code}


def test_a_fund_that_left_the_pool_is_bought_no_more_and_one_that_was_downgraded_waits_for_the_next_set(models):
    code = largest(solve_advice(level=4, horizon_years=6).weights)
    PoolFund.objects.filter(fund__code=code).delete()
    assert code not in solve_advice(level=4, horizon_years=6).weights
    Fund.objects.filter(code="sector0").update(risk_grade=1)
    assert "sector0" not in solve_advice(level=4, horizon_years=6).weights
    assert market_of_models(models).funds["sector0"].risk_grade == 5


def test_a_lower_stated_loss_raises_the_models_risk_aversion_and_a_higher_one_changes_nothing(models):
    model = model_of(models, 4)
    assert solve_advice(level=4, horizon_years=6, stated_loss=0.9).gamma == pytest.approx(model.gamma)
    careful = solve_advice(level=4, horizon_years=6, stated_loss=0.05)
    assert careful.gamma > model.gamma
    assert max(careful.cvar, careful.cvar_of_record) <= 0.05


def test_a_fund_at_its_capacity_gets_no_weight_in_a_new_model(pool, monkeypatch):
    from portfolios.selectors import model_sets

    monkeypatch.setattr(model_sets, "without_room", lambda funds, *, at: {"equity0"} if at == "slow" else set())
    made = request_models(n_draws=0)
    market = frozen_market(made)
    assert "equity0" in market.moments.codes and "equity0" not in advised_funds(market, 5)


# The command


def test_the_command_makes_them_here_and_a_supervisor_approves(pool, people, capsys):
    call_command("make_models", "--here", "--draws", "0", "--approve", "sue@example.com")
    said = capsys.readouterr().out
    assert "C3 3: volatility" in said and "Approved and in use." in said
    assert current_models().decided_by == people.sue


@pytest.mark.parametrize(("who", "says"), [("ada@example.com", "may not approve"), ("nobody@example.com", "may not approve")])
def test_the_command_lets_nobody_else_approve(pool, people, who, says):
    with pytest.raises(CommandError, match=says):
        call_command("make_models", "--here", "--draws", "0", "--approve", who)
    assert current_models() is None


def test_without_a_pool_the_command_says_so(db, capsys):
    with pytest.raises(CommandError, match="There is no fund pool yet"):
        call_command("make_models")


# Pages' figures


def test_turnover_is_half_of_what_moves():
    assert turnover({"a": 0.6, "b": 0.4}, {"b": 0.5, "c": 0.5}) == pytest.approx(0.6)


def test_two_sets_are_compared_level_by_level(models):
    PoolFund.objects.filter(fund__code__in=["equity0", "qdii0"]).delete()
    after = approve_current_models()
    page = comparison(models, after, place=3, level=4)
    row = page.chosen
    assert row.turnover == pytest.approx(turnover(weights_of(model_of(models, 4)), weights_of(model_of(after, 4))))
    assert sum(abs(one.difference) for one in page.funds) / 2 == pytest.approx(row.turnover)
    assert (row.before.model_set_id, row.after.model_set_id) == (models.pk, after.pk)


def test_short_goals_lower_the_level():
    assert [ceiling_of(place) for place in range(4)] == [2, 3, 4, None]
    assert [horizon_bin(years) for years in (0, 0.99, 1, 2.9, 3, 4.9, 5, 60)] == [0, 0, 1, 1, 2, 2, 3, 3]
