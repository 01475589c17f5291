"""The nightly job: trained once, judged against popularity, swapped in whole, and a bad night keeps what served."""

import threading
import uuid
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import count

import numpy as np
import pytest
import time_machine
from django.db import connection, transaction
from django.utils import timezone

from advisor.models import Consent, Investor
from advisor.selectors.suitability import fund_suits
from config.jobs import Job
from marketing.kernels.interactions import KINDS
from marketing.kernels.packed import FORMAT
from marketing.kernels.recommenders.registry import candidates
from marketing.kernels.recommenders.spark import SparkUnavailableError
from marketing.models import Event, FollowedFund, InvestorFactors, RecommenderPart, RecommenderRun, Suggestion
from marketing.selectors.interactions import load_interactions, suggestible
from marketing.selectors.plans import current_plans
from marketing.selectors.recommender_factors import serving_factors
from marketing.selectors.recommender_page import told_run
from marketing.selectors.suggestion_reasons import LEAST_ALIKE
from marketing.services import execute_training, recommender_parts, recommender_serving, recommender_training, request_training
from marketing.services.recommender_night import Night
from portfolios.kernels.errors import DataError
from portfolios.kernels.types import FundHistory
from portfolios.models import Fund
from portfolios.services import store_histories
from tests.marketing.night_world import (
    FEW,
    N_DAYS,
    N_EVENTS,
    N_FUNDS,
    N_INVESTORS,
    N_KNOWN,
    Dies,
    Twin,
    Unavailable,
    compete,
    lapse,
    lose_the_history,
    served,
    train,
)
from tests.workers import wait_until

Stage = RecommenderRun.Stage


def test_a_night_ends_serving_and_everybody_within_their_level(market):
    run = train()
    assert (run.status, run.is_serving, run.stage) == (Job.Status.DONE, True, Stage.SWAP)
    suggestions = list(Suggestion.objects.filter(run=run).select_related("fund", "investor"))
    assert len(suggestions) > N_INVESTORS
    assert [s for s in suggestions if not fund_suits(s.investor.level, s.fund)] == []


def test_the_model_card_says_what_was_learned_from_tried_decided_filtered_and_served(market):
    run = train()
    report = run.report
    assert report["interactions"]["events"] == N_EVENTS and report["interactions"]["users"] == N_KNOWN
    assert [one["name"] for one in report["candidates"]] == list(FEW)
    best = next(one for one in report["candidates"] if one["name"] == run.algorithm)
    assert best["vs_popularity"]["low"] > 0 and set(best["metrics"]["ndcg@10"]) == {"mean", "low", "high"}
    assert sum(level["users"] for level in best["by_level"].values()) == report["split"]["test_users"]
    assert best["warm"]["users"] + best["cold"]["users"] == report["split"]["test_users"]
    assert report["decision"] == {"promoted": True, "name": run.algorithm, "code": "better", "baseline": "popularity"}
    filters = report["filters"]
    assert filters["proposed"] == filters["kept"] + sum(filters["removed"].values()) and filters["removed"]["mandate"] > 0
    assert filters["utility_change"]["mean"] >= 0 and filters["utility_change"]["n"] == filters["kept"]
    rows = Suggestion.objects.filter(run=run)
    assert report["served"] == {"people": rows.values("investor").distinct().count(), "rows": rows.count(), "unsuitable": 0}
    assert set(report["seconds"]) == set(Stage.values) and report["versions"]["numpy"] == np.__version__


def test_the_report_says_what_the_lists_would_have_returned_in_the_weeks_held_back(market):
    for code in Fund.objects.values_list("code", flat=True):
        days = timezone.localdate().toordinal() - np.arange(80, -1, -1)
        growth = 1.01 ** (np.arange(81) / (365.25 / 12))
        nav = np.round(growth * 1e6).astype(np.int64)
        store_histories([FundHistory(code, days, nav, nav / 1e6, None)])
    assert {round(one["metrics"]["roi@10"]["mean"], 4) for one in train().report["candidates"]} == {0.01}


def test_a_reason_names_something_that_moves_alike_which_the_person_touched_and_the_most_they_did_with_it(market):
    """Every third person follows whatever they looked at or bought."""
    before = load_interactions(timezone.now())
    pairs = sorted({(user, item) for user, item in zip(before.user.tolist(), before.item.tolist(), strict=True) if user % 3 == 0})
    since = timezone.now() - timedelta(days=1)
    FollowedFund.objects.bulk_create(FollowedFund(investor_id=user, fund_id=item, since=since) for user, item in pairs)
    run, plans, funds = train(), current_plans(), Fund.objects.in_bulk()
    place = {pk: np.array([plans.column.get(fund.code, -1)]) for pk, fund in funds.items()}
    seen = load_interactions(run.as_of)
    rows = [(user, item, KINDS[kind]) for user, item, kind in zip(*(x.tolist() for x in (seen.user, seen.item, seen.kind)), strict=True)]
    touched = {(user, item) for user, item, _ in rows}
    followed = {(user, item) for user, item, kind in rows if kind == "follow"}
    bought = {(user, item) for user, item, kind in rows if kind in ("proposal", "plan", "order")}
    assert followed == set(pairs)
    reasons = list(Suggestion.objects.exclude(reason={}).values_list("investor", "fund", "reason"))
    assert len(reasons) > N_INVESTORS / 4
    for investor, fund, reason in reasons:
        pair = (investor, reason["fund_id"])
        assert plans.correlation(place[fund], place[reason["fund_id"]])[0] >= LEAST_ALIKE
        assert pair in touched and (investor, fund) not in touched
        assert reason["code"] == ("like_bought" if pair in bought else "like_followed" if pair in followed else "like_viewed")
    assert {reason["code"] for _, _, reason in reasons} == {"like_bought", "like_followed", "like_viewed"}


def test_the_same_night_run_twice_gives_one_result(market):
    run, before = train(), served()
    assert not execute_training(run.pk)
    assert served() == before


def test_a_second_night_of_the_same_seed_writes_the_same_and_takes_over_by_one_pointer(market):
    first, before = train(), served()
    with time_machine.travel(first.as_of, tick=False):
        second = train()
    first.refresh_from_db()
    assert (first.is_serving, second.is_serving) == (False, True)
    assert [row[1:] for row in served()] == [row[1:] for row in before]


def test_asking_twice_queues_one_run(market):
    assert request_training() == request_training()


@pytest.mark.django_db(transaction=True)
def test_of_several_who_ask_at_the_same_moment_one_queues_the_run():
    """On PostgreSQL each waits for the end of the first, which has not committed; SQLite has one writer anyway."""
    asked: list[int] = []

    def ask() -> None:
        try:
            asked.append(request_training().pk)
        finally:
            connection.close()

    def n_waiting() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees what it saw first
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
            return cursor.fetchone()[0]

    others = [threading.Thread(target=ask) for _ in range(3)]
    with transaction.atomic():
        first = request_training().pk
        if connection.vendor == "postgresql":
            [thread.start() for thread in others]
            wait_until(lambda: asked or n_waiting() == len(others))
    if connection.vendor != "postgresql":
        [thread.start() for thread in others]
    [thread.join(20) for thread in others]
    assert asked == [first] * len(others) and RecommenderRun.objects.count() == 1


def test_a_night_killed_before_any_of_its_writes_goes_on_and_ends_as_an_undisturbed_one(market, monkeypatch):
    """Blocks are small, so that each stage writes several times; the served set is yesterday's until the very end."""
    monkeypatch.setattr(recommender_serving, "BLOCK", 60)
    monkeypatch.setattr(recommender_parts, "PEOPLE_A_WRITE", 100)
    monkeypatch.setattr(recommender_serving, "PEOPLE_A_WRITE", 100)
    yesterday = train()
    undisturbed, died_in = [row[1:] for row in served()], Counter()
    write = Night._write
    with time_machine.travel(yesterday.as_of, tick=False):
        for n_writes in count():
            before, deaths = served(), Dies(n_writes)

            def dying(night, is_ours, fields, deaths=deaths):
                deaths()
                write(night, is_ours, fields)

            run = request_training()
            monkeypatch.setattr(Night, "_write", dying)
            try:
                execute_training(run.pk)
                break
            except KeyboardInterrupt:
                monkeypatch.setattr(Night, "_write", write)
            run.refresh_from_db()
            died_in[run.stage] += 1
            assert run.status == Job.Status.RUNNING and served() == before
            lapse(run)
            assert execute_training(run.pk)
            run.refresh_from_db()
            assert run.is_serving and [row[1:] for row in served()] == undisturbed
            assert Suggestion.objects.filter(run=run).values("investor", "fund").distinct().count() == len(undisturbed)
            assert InvestorFactors.objects.filter(run=run).count() == N_KNOWN
            assert [one["name"] for one in run.report["candidates"]] == list(FEW), "no candidate twice, none forgotten"
    assert set(died_in) == set(Stage.values)


def test_a_candidate_that_takes_its_worker_down_twice_is_left_out(market, monkeypatch):
    class Heavy(Twin):
        def fit(self, matrix):
            raise KeyboardInterrupt  # as a kernel that is out of memory ends a process

    popularity = candidates(42)["popularity"]
    compete(monkeypatch, *FEW, heavy=lambda: Heavy(popularity))
    run = request_training()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            execute_training(run.pk)
        lapse(run)
    assert execute_training(run.pk)
    run.refresh_from_db()
    last = run.report["candidates"][-1]
    assert run.is_serving and (last["name"], last["failed"]) == ("heavy", "died")


def test_a_candidate_that_fails_is_named_and_the_others_go_on(market, monkeypatch):
    class Broken(Twin):
        def fit(self, matrix):
            matrix = matrix.copy()
            matrix.data[0] = np.nan
            self._model.fit(matrix)

    compete(monkeypatch, *FEW, broken=lambda: Broken(candidates(42)["als"]))
    run = train()
    assert run.is_serving
    assert run.report["candidates"][-1]["failed"].startswith("ValueError")


@pytest.mark.parametrize("stage", ["fit", "write"])
def test_a_worker_that_outlived_its_lease_writes_nothing_more(market, monkeypatch, stage):
    run = request_training()
    module, name = (candidates(42)["als"]().__class__, "fit") if stage == "fit" else (recommender_serving, "suit_block")
    slow_one = getattr(module, name)

    def slow(*args, **kwargs):
        monkeypatch.setattr(module, name, slow_one)
        lapse(run)
        assert execute_training(run.pk), "the second worker does the rest of it meanwhile"
        return slow_one(*args, **kwargs)

    monkeypatch.setattr(module, name, slow)
    assert not execute_training(run.pk)
    run.refresh_from_db()
    assert run.is_serving and Suggestion.objects.filter(run=run).count() == run.report["served"]["rows"] > 0


def test_a_worker_that_lost_its_claim_forgets_nothing_that_the_next_one_stored(market, monkeypatch):
    yesterday, run, forget = train(), request_training(), recommender_parts.forget
    InvestorFactors.objects.create(run=run, investor=Investor.objects.first(), vector=b"")  # an earlier worker died in the fit

    def slow(*args):
        monkeypatch.setattr(recommender_serving, "forget", forget)
        lapse(run)
        assert execute_training(run.pk), "the second worker does the rest of it meanwhile"
        return forget(*args)

    monkeypatch.setattr(recommender_serving, "forget", slow)
    assert not execute_training(run.pk)
    run.refresh_from_db()
    assert run.is_serving and run.pk > yesterday.pk
    assert InvestorFactors.objects.filter(run=run).count() == N_KNOWN and run.parts.count() == 1


def test_without_a_model_that_places_people_the_best_one_serves_and_no_factors_are_stored(market, monkeypatch):
    compete(monkeypatch, "popularity", "item_cosine", als=lambda: Unavailable(candidates(42)["als"]))
    run = train()
    assert (run.algorithm, run.is_serving, run.factors_format, run.report["factors"]) == ("item_cosine", True, 0, None)
    assert not InvestorFactors.objects.filter(run=run).exists()


def test_a_chosen_model_that_cannot_be_trained_on_everything_ends_the_night_with_its_reason(market, monkeypatch):
    yesterday, before, tried = train(), served(), []
    compete(monkeypatch, "popularity", "als")
    als = candidates(42)["als"]().__class__
    fit = als.fit

    def fails_later(self, matrix):
        tried.append(matrix)
        if len(tried) > 1:
            raise SparkUnavailableError("the cluster went away")
        fit(self, matrix)

    monkeypatch.setattr(als, "fit", fails_later)
    run = train()
    told = {"code": "model_failed", "name": "als", "said": "SparkUnavailableError: the cluster went away"}
    assert (run.status, run.is_serving, run.error) == (Job.Status.FAILED, False, told)
    assert served() == before and RecommenderRun.objects.get(is_serving=True) == yesterday
    assert "the cluster went away" in told_run(run).why and told_run(run).conclusion == ""


def test_a_chosen_model_that_competes_no_longer_ends_the_night_with_its_reason(market, monkeypatch):
    run = stopped_while_writing(monkeypatch)
    compete(monkeypatch, "popularity", *({"als", "item_cosine"} - {RecommenderRun.objects.get(pk=run.pk).algorithm}))
    assert execute_training(run.pk)
    run.refresh_from_db()
    assert (run.status, run.error) == (Job.Status.FAILED, {"code": "model_gone", "name": run.algorithm})


def test_figures_that_another_version_stored_end_the_night_with_its_reason(market, monkeypatch):
    run, read = request_training(), recommender_training.evaluations_of

    def dies(run):
        raise KeyboardInterrupt

    monkeypatch.setattr(recommender_training, "evaluations_of", dies)
    with pytest.raises(KeyboardInterrupt):
        execute_training(run.pk)
    monkeypatch.setattr(recommender_training, "evaluations_of", read)
    RecommenderPart.objects.filter(run=run).update(format=FORMAT + 1)
    lapse(run)
    assert execute_training(run.pk)
    run.refresh_from_db()
    assert (run.status, run.error["code"]) == (Job.Status.FAILED, "packed_by_another_version")


def stopped_while_writing(monkeypatch) -> RecommenderRun:
    """A run whose worker died after the first block of suggestions."""
    monkeypatch.setattr(recommender_serving, "BLOCK", 60)
    run, blocks, suit = request_training(), Dies(1), recommender_serving.suit_block

    def dying(*args):
        blocks()
        return suit(*args)

    monkeypatch.setattr(recommender_serving, "suit_block", dying)
    with pytest.raises(KeyboardInterrupt):
        execute_training(run.pk)
    monkeypatch.setattr(recommender_serving, "suit_block", suit)
    lapse(run)
    return run


@pytest.mark.parametrize("format_", [FORMAT, FORMAT + 1])
def test_factors_are_read_by_who_goes_on_unless_another_version_wrote_them(market, monkeypatch, format_):
    compete(monkeypatch, "popularity", "als")
    run, fitted = stopped_while_writing(monkeypatch), []
    RecommenderRun.objects.filter(pk=run.pk).update(factors_format=format_)
    als = candidates(42)["als"]().__class__
    fit = als.fit
    monkeypatch.setattr(als, "fit", lambda self, matrix: fitted.append(1) or fit(self, matrix))
    assert execute_training(run.pk)
    run.refresh_from_db()
    assert run.is_serving
    assert bool(fitted) == (format_ != FORMAT)
    told = {"code": "packed_by_another_version", "found": FORMAT + 1, "known": FORMAT}
    assert run.report.get("refitted") == (told if fitted else None)


def test_factors_of_another_version_are_refused_with_both_versions_named(market):
    run = train()
    _, factors = serving_factors()
    assert len(factors.investors) == N_KNOWN and factors.investor_vectors.shape[1] == factors.fund_vectors.shape[1]
    RecommenderRun.objects.filter(pk=run.pk).update(factors_format=FORMAT + 1)
    with pytest.raises(DataError) as refused:
        serving_factors()
    assert refused.value.params == {"found": FORMAT + 1, "known": FORMAT}


def test_what_runs_long_past_left_is_forgotten_in_short_writes_and_their_reports_stay(market, monkeypatch):
    monkeypatch.setattr(recommender_parts, "ROWS_A_DELETE", 7)
    runs = [train() for _ in range(4)]
    RecommenderRun.objects.filter(pk__in=[runs[0].pk, runs[1].pk]).update(finished_at=timezone.now() - timedelta(days=3))
    last = train()
    assert set(Suggestion.objects.values_list("run", flat=True)) == {run.pk for run in (runs[2], runs[3], last)}
    assert runs[1].pk not in set(InvestorFactors.objects.values_list("run", flat=True))
    assert not RecommenderPart.objects.filter(kind="evaluation").exists()
    assert all(run.report["candidates"] for run in RecommenderRun.objects.all())


def test_what_serves_is_kept_through_a_month_of_bad_nights(market, monkeypatch):
    good, before = train(), served()
    RecommenderRun.objects.filter(pk=good.pk).update(finished_at=timezone.now() - timedelta(days=40))
    compete(monkeypatch, "popularity")
    for _ in range(4):
        assert not train().is_serving
    assert served() == before and InvestorFactors.objects.filter(run=good).count() == N_KNOWN


def test_no_history_fails_with_its_reason_and_keeps_what_served(market):
    yesterday, before = train(), served()
    lose_the_history()
    run = request_training()
    assert execute_training(run.pk)
    run.refresh_from_db()
    assert (run.status, run.error["code"], run.report["decision"]["code"]) == (
        Job.Status.FAILED,
        "too_little_history",
        "too_little_history",
    )
    yesterday.refresh_from_db()
    assert yesterday.is_serving and served() == before


@pytest.mark.parametrize("kept", ["one person", "one fund"])
def test_one_person_or_one_fund_is_too_little(market, kept):
    if kept == "one person":
        Consent.objects.exclude(investor=Investor.objects.first()).update(is_given=False)
    else:
        Fund.objects.exclude(code="N00000").update(ended_on=timezone.localdate())
    run = request_training()
    execute_training(run.pk)
    run.refresh_from_db()
    assert (run.status, run.error["code"]) == (Job.Status.FAILED, "too_little_history")


def test_a_user_with_ten_thousand_interactions_is_nothing_special(market):
    heavy = Investor.objects.order_by("pk").last()
    at = timezone.now() - timedelta(days=3)
    looks = {"investor": heavy, "type": "page", "name": "fund", "occurred_at": at, "received_at": at}
    Event.objects.bulk_create(Event(message_id=uuid.uuid4(), properties={"code": f"N{n % 90:05d}"}, **looks) for n in range(10_000))
    run = train()
    assert run.is_serving and run.report["interactions"]["events"] == N_EVENTS + 10_000
    assert Suggestion.objects.filter(run=run, investor=heavy).count() <= N_FUNDS - 90


def test_funds_that_died_changed_their_code_or_never_were_are_left_out(market):
    ended, renamed = Fund.objects.order_by("code")[:2]
    Fund.objects.filter(pk=ended.pk).update(ended_on=timezone.localdate())
    Fund.objects.filter(pk=renamed.pk).update(code="RENAMED")
    Event.objects.filter(pk__in=Event.objects.values("pk")[:2]).update(properties={"code": ["N00005"]})
    Event.objects.filter(pk__in=Event.objects.order_by("-pk").values("pk")[:2]).update(properties={"code": 5})
    seen = load_interactions(timezone.now())
    views = seen.item[seen.kind == 0]
    assert ended.pk not in seen.item and renamed.pk not in views and len(seen.item) < N_EVENTS
    run = train()
    assert run.is_serving and not Suggestion.objects.filter(run=run, fund=ended).exists()


def test_only_what_people_who_agree_did_within_two_years_is_read(market):
    now, one = timezone.now(), Investor.objects.first()
    everything = load_interactions(now)
    assert len(everything.user) == N_EVENTS and everything.age_days.min() >= 0
    Consent.objects.create(investor=one, purpose=Consent.Purpose.PROFILING, is_given=False, source="test")
    assert one.pk not in load_interactions(now).user
    later = load_interactions(now + timedelta(days=730 - N_DAYS / 2))
    assert 0 < len(later.user) < len(everything.user) and later.age_days.max() <= 730


def test_a_level_that_falls_while_the_night_is_at_work_takes_its_rows_away_before_the_swap(market, monkeypatch):
    forget, fallen = recommender_serving.forget, []

    def fall_first(rows, night=None):
        if rows.model is Suggestion and not fallen:
            high = Suggestion.objects.filter(fund__risk_grade__gte=4).select_related("investor")
            fallen.extend({one.investor_id for one in high})
            Investor.objects.filter(pk__in=fallen).update(level=1)
        forget(rows, night)

    monkeypatch.setattr(recommender_serving, "forget", fall_first)
    run = train()
    assert fallen and run.report["served"]["unsuitable"] == 0
    assert all(fund_suits(row.investor.level, row.fund) for row in Suggestion.objects.select_related("investor", "fund"))


def test_nobody_without_a_level_in_force_gets_anything_and_more_is_asked_for_than_a_low_level_is_allowed(market):
    expired = Investor.objects.order_by("pk").first()
    Investor.objects.filter(pk=expired.pk).update(level_valid_until=timezone.localdate() - timedelta(days=1))
    Investor.objects.filter(level=2).update(level=1)
    run = train()
    assert not Suggestion.objects.filter(run=run, investor=expired).exists()
    lowest = Suggestion.objects.filter(run=run, investor__level=1).select_related("fund")
    assert lowest.exists() and all(fund_suits(1, row.fund) for row in lowest)


def test_a_level_lapses_at_midnight_in_shanghai(market):
    investor = Investor.objects.order_by("pk").first()
    Investor.objects.filter(pk=investor.pk).update(level_valid_until=date(2027, 1, 31))
    before = datetime(2027, 1, 31, 15, 30, tzinfo=UTC)
    assert suggestible(before).filter(pk=investor.pk).exists()
    assert not suggestible(before + timedelta(hours=1)).filter(pk=investor.pk).exists()
