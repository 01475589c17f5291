"""The guard of a night: who may serve, and who stays."""

from dataclasses import replace

import numpy as np
import pytest

from advisor.models import Investor
from advisor.selectors import recommendable_funds
from config.jobs import Job
from marketing.kernels.recommenders.contract import BASELINES
from marketing.kernels.recommenders.registry import candidates
from marketing.models import RecommenderRun, Suggestion
from marketing.selectors.interactions import load_interactions
from marketing.selectors.recommender_page import told_run
from marketing.services import recommender_training
from marketing.services.recommender_training import MIN_TESTED
from portfolios.models import Fund, ModelSet
from tests.marketing.night_world import (
    Shuffled,
    Twin,
    Unavailable,
    compete,
    served,
    train,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("impostor", [Shuffled, Twin])
def test_a_model_that_knows_nothing_does_not_pass_and_what_served_stays(market, monkeypatch, impostor):
    yesterday, before = train(), served()
    every = candidates(42)
    of = every["als"] if impostor is Shuffled else every["popularity"]
    compete(monkeypatch, "popularity", impostor=lambda: impostor(of))
    tonight = train()
    yesterday.refresh_from_db()
    assert (tonight.status, tonight.is_serving, tonight.report["decision"]["promoted"]) == (Job.Status.DONE, False, False)
    assert yesterday.is_serving and served() == before
    assert not Suggestion.objects.filter(run=tonight).exists()
    assert tonight.report["decision"]["code"] in {"ties_with_popularity", "worse_than_popularity"}


def test_interactions_dealt_to_the_wrong_people_promote_nothing(market, monkeypatch):
    yesterday, before = train(), served()
    read = load_interactions

    def dealt(as_of):
        seen = read(as_of)
        return type(seen)(np.random.default_rng(2).permutation(seen.user), seen.item, seen.kind, seen.age_days)

    monkeypatch.setattr("marketing.services.recommender_night.load_interactions", dealt)
    tonight = train()
    assert not tonight.report["decision"]["promoted"] and served() == before
    yesterday.refresh_from_db()
    assert yesterday.is_serving


def test_popularity_alone_is_never_served(market, monkeypatch):
    compete(monkeypatch, "popularity", "recent_popularity")
    run = train()
    assert (run.status, run.is_serving, run.report["decision"]["promoted"]) == (Job.Status.DONE, False, False)


def test_a_challenger_that_is_no_better_leaves_the_place_to_what_serves_and_that_learns_the_new_day(market, monkeypatch):
    compete(monkeypatch, "popularity", "als")
    train()
    every = candidates(42)
    compete(monkeypatch, "popularity", "als", als_again=every["als"])  # ties with what serves
    tonight = train()
    assert (tonight.algorithm, tonight.is_serving, tonight.report["decision"]["code"]) == ("als", True, "refreshed")


def test_what_serves_stays_where_it_could_not_be_measured_itself(market, monkeypatch):
    compete(monkeypatch, "popularity", "als")
    yesterday, before = train(), served()
    compete(monkeypatch, "popularity", "item_cosine", als=lambda: Unavailable(candidates(42)["als"]))
    tonight = train()
    assert (tonight.is_serving, tonight.report["decision"]) == (
        False,
        {"promoted": False, "name": "item_cosine", "code": "serving_not_measured", "baseline": "popularity"},
    )
    assert served() == before and RecommenderRun.objects.get(is_serving=True) == yesterday


def test_what_serves_and_competes_no_longer_makes_room_for_what_beats_popularity(market, monkeypatch):
    RecommenderRun.objects.filter(pk=train().pk).update(algorithm="blend")
    tonight = train()
    assert tonight.is_serving and tonight.report["decision"]["code"] == "unopposed"
    assert "competes no longer" in told_run(tonight).conclusion


def test_when_everybody_is_alike_nothing_is_better_than_popularity(market, monkeypatch):
    read = load_interactions

    def alike(as_of):
        """Everybody looks at the same thirty funds, in the same order, one every three days."""
        seen = read(as_of)
        people, funds = np.unique(seen.user), np.unique(seen.item)[:30]
        user, item = np.repeat(people, len(funds)), np.tile(funds, len(people))
        return type(seen)(user, item, np.zeros(len(user), np.int8), np.tile(3.0 * np.arange(len(funds)), len(people)))

    monkeypatch.setattr("marketing.services.recommender_night.load_interactions", alike)
    run = train()
    assert not run.is_serving and not run.report["decision"]["promoted"]


def test_what_learned_only_the_levels_does_not_pass(market, monkeypatch):
    """Nobody has a taste: all look by one popularity at the two highest grades that their level may hold."""
    grade, level = dict(Fund.objects.values_list("pk", "risk_grade")), dict(Investor.objects.exclude(level=None).values_list("pk", "level"))
    random = np.random.default_rng(0)
    popular = {pk: float(weight) for pk, weight in zip(sorted(grade), random.zipf(1.6, len(grade)).clip(1, 50), strict=True)}
    own = {one: [pk for pk in recommendable_funds(one).values_list("pk", flat=True) if grade[pk] >= one - 1] for one in range(1, 6)}
    chance = {one: np.array([popular[pk] for pk in funds]) / sum(popular[pk] for pk in funds) for one, funds in own.items()}

    def drawn(as_of):
        seen = load_interactions(as_of)
        levels = [level.get(who, 3) for who in seen.user.tolist()]
        return replace(seen, item=np.array([random.choice(own[one], p=chance[one]) for one in levels], np.int64))

    monkeypatch.setattr("marketing.services.recommender_night.load_interactions", drawn)
    compete(monkeypatch, *BASELINES, "item_cosine", "als", "ease")
    run = train()
    told = {one["name"]: one["metrics"]["ndcg@10"]["mean"] for one in run.report["candidates"]}
    assert max(told["ease"], told["item_cosine"]) > 1.5 * told["popularity"], "everybody's popularity alone would have been beaten"
    assert run.report["decision"]["baseline"] == "level_popularity" and not run.is_serving


def test_the_best_of_the_popularities_is_the_one_to_beat(market, monkeypatch):
    own, found = np.linspace(0.1, 0.3, 2 * MIN_TESTED), {"popularity": 0.0, "recent_popularity": 0.4, "als": 0.1}
    figures = {name: {"people": np.arange(len(own)), "ndcg": own + gain} for name, gain in found.items()}
    monkeypatch.setattr(recommender_training, "evaluations_of", lambda run: figures)
    compete(monkeypatch, "popularity", "recent_popularity", "als")
    run = train()
    assert (run.is_serving, run.report["decision"]["code"], run.report["decision"]["baseline"]) == (
        False, "worse_than_popularity", "recent_popularity",
    )  # fmt: skip


def test_too_few_who_were_tried_on_every_candidate_decide_nothing(market, monkeypatch):
    own = np.linspace(0.1, 0.3, MIN_TESTED - 1)
    figures = {name: {"people": np.arange(len(own)), "ndcg": own + gain} for name, gain in {"popularity": 0.0, "als": 0.5}.items()}
    monkeypatch.setattr(recommender_training, "evaluations_of", lambda run: figures)
    run = train()
    assert (run.is_serving, run.report["decision"]["code"]) == (False, "nothing_to_compare")


def test_what_serves_and_fails_night_after_night_opposes_nobody_in_the_third(market, monkeypatch):
    compete(monkeypatch, "popularity", "als")
    yesterday = train()
    compete(monkeypatch, "popularity", "item_cosine", als=lambda: Unavailable(candidates(42)["als"]))
    codes = [train().report["decision"]["code"] for _ in range(3)]
    yesterday.refresh_from_db()
    assert codes == ["serving_not_measured", "serving_not_measured", "unopposed"] and not yesterday.is_serving


def test_what_serves_and_cannot_be_trained_is_not_waited_for_again_after_a_night_without_a_winner(market, monkeypatch):
    compete(monkeypatch, "popularity", "als")
    train()
    every = candidates(42)
    compete(monkeypatch, "popularity", twin=lambda: Twin(every["popularity"]), als=lambda: Unavailable(every["als"]))
    codes = [train().report["decision"]["code"] for _ in range(4)]
    assert codes == ["serving_not_measured"] * 2 + ["ties_with_popularity"] * 2
    compete(monkeypatch, "popularity", "item_cosine", als=lambda: Unavailable(every["als"]))
    assert train().is_serving, "what is better gets its place at once"


def test_a_night_with_nothing_to_show_leaves_what_served_and_says_so(market):
    yesterday, before = train(), served()
    ModelSet.objects.update(is_current=False)
    tonight = train()
    assert (tonight.status, tonight.is_serving, tonight.error) == (Job.Status.FAILED, False, {"code": "nothing_to_show"})
    yesterday.refresh_from_db()
    assert yesterday.is_serving and served() == before
    assert "no model portfolios are approved" in told_run(tonight).why


@pytest.mark.parametrize("command", ["spark-submit --name 'x", "local"])
def test_spark_that_cannot_be_used_costs_no_other_winner_its_night(market, monkeypatch, settings, tmp_path, command):
    """An open quote in its command; a folder that went away, as one that is mounted no longer."""
    settings.SPARK_COMMAND, settings.SPARK_FOLDER = command, tmp_path / "gone"
    from marketing.services.spark import spark_als

    compete(monkeypatch, "popularity", "item_cosine", als=lambda: spark_als(42))
    run = train()
    assert (run.status, run.is_serving, run.algorithm) == (Job.Status.DONE, True, "item_cosine")
    assert run.report["candidates"][-1]["failed"]
