"""The marketers' pages of the recommender: what serves and why, honest figures, no people, and no report that breaks them."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from identity.models import User
from marketing.models import RecommenderRun, Suggestion
from marketing.selectors.recommender_page import check_now
from marketing.selectors.recommender_report import read_report
from portfolios.models import Fund, Pool, PoolFund
from tests.marketing.crowd import crowd
from tests.marketing.night_world import train
from tests.marketing.recommender_reports import a_report, a_run

pytestmark = pytest.mark.django_db
PAGE = "recommender"


@pytest.fixture
def mark(people, client):
    client.force_login(people.mark)
    return people.mark


def words(response) -> str:
    assert response.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


# ── what serves, and why ─────────────────────────────────────────────────────────────────────────────────────────
def test_before_the_first_night_the_page_says_what_to_do(mark, client):
    text = words(client.get(reverse(PAGE)))
    assert "No model serves suggestions yet" in text and "Nothing has been trained yet" in text and "Train now" in text


def test_the_page_says_what_serves_since_when_and_for_how_many(mark, client):
    run = a_run()
    text = words(client.get(reverse(PAGE)))
    assert f"EASE has served since {timezone.localdate():%Y-%m-%d}" in text
    assert "990" in text and "987" not in text, "people to the nearest ten"
    assert reverse("recommender_run", args=[run.pk]) in client.get(reverse(PAGE)).content.decode()


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("ties_with_popularity", "keeps serving because the best candidate, ALS, could not be told from popularity"),
        ("ties_with_serving", "keeps serving because the best candidate, ALS, could not be told from the model that serves"),
        ("worse_than_serving", "keeps serving because the best candidate, ALS, was worse than the model that serves"),
        ("nothing_to_compare", "keeps serving because no candidate could be trained"),
        ("something_new", "keeps serving because the guard said “something_new”"),
    ],
)
def test_a_refused_night_says_why_yesterdays_model_serves(mark, client, code, why):
    a_run(days_ago=1)
    a_run(a_report(code=code, promoted=False, name="als"), is_serving=False)
    assert why in words(client.get(reverse(PAGE)))


def test_a_failed_night_says_its_reason_in_words(mark, client):
    a_run(days_ago=1)
    error = {"code": "too_little_history", "users": 3, "items": 2}
    failed = a_run({}, status="failed", stage="matrix", is_serving=False, error=error)
    for address in (reverse(PAGE), reverse("recommender_run", args=[failed.pk])):
        assert "Too few people with consent" in words(client.get(address))
    assert "keeps serving" in words(client.get(reverse(PAGE)))
    RecommenderRun.objects.filter(pk=failed.pk).update(error={"code": "too_many_attempts", "attempts": 5})
    assert "tried 5 times" in words(client.get(reverse(PAGE)))


def test_a_model_that_stays_says_who_was_tried_against_it(mark, client):
    report = a_report(code="refreshed")
    report["decision"]["challenger"] = {"name": "blend", "code": "ties_with_serving"}
    a_run(report)
    assert "EASE served already and learned what is new: Blend was tried against it" in words(client.get(reverse(PAGE)))
    first = a_run(a_report() | {"serving": None}, is_serving=False)
    assert "nothing served before" in words(client.get(reverse("recommender_run", args=[first.pk])))


def test_a_candidate_that_could_not_be_trained_says_so_and_stands_last(mark, client):
    report = a_report()
    report["candidates"].insert(0, {"name": "als", "failed": "died"})
    report["candidates"] = [one for one in report["candidates"] if one["name"] != "als" or "failed" in one]
    a_run(report)
    page = client.get(reverse(PAGE))
    assert "ALS It took its worker down with it." in words(page)
    assert [one.name for one, *_rest in page.context["measures"]][-1] == "als"


# ── progress ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_run_at_work_shows_its_stage_polls_and_reloads_without_javascript(mark, client):
    run = RecommenderRun.objects.create(status="running", stage="write", n_done=400, n_total=1600, attempts=2)
    page = client.get(reverse(PAGE))
    html, address = page.content.decode(), reverse("recommender_run_progress", args=[run.pk])
    assert f'hx-get="{address}"' in html and 'http-equiv="refresh"' in html and "Train now" not in html
    assert "400 of 1,600 in this stage" in words(page) and "went on where it had stopped" in words(page)
    assert [state for _name, state in page.context["progress"]["stages"]] == ["done"] * 4 + ["current", ""]
    assert client.get(address).status_code == 200
    RecommenderRun.objects.filter(pk=run.pk).update(status="done", finished_at=timezone.now())
    ended = client.get(address)
    assert (ended.status_code, ended.headers["HX-Refresh"]) == (286, "true")


def test_training_now_queues_one_run_and_needs_the_permission(mark, client):
    for _ in range(2):
        assert client.post(reverse("recommender_train")).status_code == 302
    assert RecommenderRun.objects.get().status == "queued"
    assert client.get(reverse("recommender_train")).status_code == 405
    mark.groups.get().permissions.remove(*mark.groups.get().permissions.filter(codename="add_recommenderrun"))
    RecommenderRun.objects.all().delete()
    client.force_login(User.objects.get(pk=mark.pk))
    assert client.post(reverse("recommender_train")).status_code == 403
    assert "Train now" not in words(client.get(reverse(PAGE)))


# ── figures ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_each_candidate_stands_beside_popularity_with_its_interval(mark, client):
    a_run()
    page = client.get(reverse(PAGE))
    text = words(page)
    assert "EASE ranks what people did next at 0.412, Popularity at 0.251" in text
    assert "0.412 (0.400–0.424)" in text and "+0.161 (+0.146 … +0.176)" in text
    quality, difference = (card.figure for card in page.context["cards"])
    assert quality["layout"]["yaxis"]["categoryarray"][0] == "EASE"
    assert quality["data"][1]["y"] == ["Recent popularity", "Popularity"], "baselines apart"
    assert quality["data"][0]["error_x"]["array"][0] == pytest.approx(0.012)
    assert difference["layout"]["xaxis"]["zeroline"] and "Popularity" not in difference["data"][0]["y"]
    assert "7 of 7 are better than popularity for certain" in text
    assert "No offline measure proves that returns rise" in text and "arXiv 2407.08692" in text


def test_groups_of_fewer_than_ten_tested_people_are_withheld_with_one_more(mark, client):
    a_run()
    groups = client.get(reverse(PAGE)).context["groups"]
    told = dict(zip(groups["heads"], groups["tested"], strict=True))
    assert list(told.values())[:5] == [90, 60, 80, None, None], "four of C5, and the smallest other"
    assert list(told.values())[5:] == [70, 210]
    ease = dict(groups["rows"])["EASE"]
    assert ease[2:5] == ["0.442", "–", "–"]


def test_the_funnel_tells_what_each_filter_removed_and_what_a_purchase_does(mark, client):
    a_run()
    page = client.get(reverse(PAGE))
    card = page.context["funnel"]
    assert card.figure["data"][0]["x"] == [40_000, 38_680, 18_400, 12_400, 8_600]
    removed = {row.name: row.cells[0] for row in card.rows}
    assert removed["Above the person's level"] == "0" and removed["“Not interested”"] == "0", "three is to the nearest ten"
    assert "Of what the model proposed, 31" in card.title and "0.00213" in words(page)


def test_after_a_refused_night_the_filters_are_those_of_what_serves(mark, client):
    serving = a_run(days_ago=1)
    refused = a_report(code="ties_with_popularity", promoted=False)
    del refused["filters"], refused["served"]
    last = a_run(refused, is_serving=False)
    text = words(client.get(reverse(PAGE)))
    assert f"figures below are of run no. {last.pk}" in text and f"Of run no. {serving.pk}" in text and "passed the filters" in text


def test_nights_are_drawn_and_listed_with_their_outcome(mark, client):
    for ago in range(4, 0, -1):
        a_run(a_report(shift=-ago / 100), days_ago=ago, is_serving=False)
    a_run(a_report(code="ties_with_popularity", promoted=False), is_serving=False)
    a_run(days_ago=45, is_serving=True)
    drift = client.get(reverse(PAGE)).context["drift"]
    assert drift.title == "In 5 of 5 nights the best candidate stood above popularity"
    assert [len(trace["y"]) for trace in drift.figure["data"]] == [5, 5]
    assert drift.rows[0].cells[0] == "Refused by the guard" and drift.rows[1].cells[-2:] == ["990", "80\u00a0%"]


# ── unsuitable ───────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def stored(db):
    """Twenty people of C2 with a suggestion each of an R2 fund of the pool."""
    fund = Fund.objects.create(code="T2", name_en="Two", category="bond", asset_class="bond", risk_grade=2, source="test")
    PoolFund.objects.create(pool=Pool.objects.create(name="test", is_current=True), fund=fund)
    folk = crowd(20, level=2, level_valid_until=timezone.localdate() + timedelta(days=9))
    run = a_run()
    Suggestion.objects.bulk_create(Suggestion(run=run, investor=one, fund=fund, rank=1, score=1.0) for one in folk)
    return fund, folk


def test_the_check_counts_what_stands_in_the_database_now(stored, mark, client):
    fund, folk = stored
    assert (check_now().rows, check_now().unsuitable) == (20, 0)
    assert "of 20 stored suggestions, counted just now" in words(client.get(reverse("recommender_check")))
    assert "of 20 stored suggestions, counted just now" in words(client.get(reverse(PAGE), {"check": 1})), "without JavaScript"
    folk[0].level = 1
    folk[0].save()
    assert check_now().unsuitable is None, "one: fewer than ten"
    assert "are not shown" in words(client.get(reverse("recommender_check")))
    Fund.objects.filter(pk=fund.pk).update(is_open=False)
    assert check_now().unsuitable == 20


def test_a_level_that_lapsed_suits_nothing(stored):
    _fund, folk = stored
    type(folk[0]).objects.filter(pk__in=[one.pk for one in folk[:12]]).update(level_valid_until=timezone.localdate() - timedelta(days=1))
    assert check_now().unsuitable == 10


def test_without_a_serving_run_there_is_nothing_to_check(mark, client):
    assert check_now() is None and "Nothing serves" in words(client.get(reverse("recommender_check")))


# ── older runs, strange reports ──────────────────────────────────────────────────────────────────────────────────
OLD = {"users": 40, "items": 20, "interactions": 240, "suggestions": 400, "implicit": "0.7.2", "numpy": "2.2.6"}
STRANGE = [
    {}, OLD, [], None, "x", {"candidates": "x"}, {"candidates": [None, {}, {"name": 3}, {"name": "als"}]},
    {"candidates": [{"name": "als", "metrics": {"ndcg@10": 0.3, "coverage": "?"}, "by_level": [], "warm": None}]},
    {"candidates": [{"name": "new_kind", "metrics": {"ndcg@10": {"mean": float("nan")}}, "vs_popularity": {"mean": 0.1}}]},
    {"decision": {"promoted": "yes", "name": None}, "filters": {"proposed": 0, "kept": 0}, "served": {"people": None}},
    {"filters": {"proposed": 50, "kept": 20, "removed": {"unheard_of": 30}}, "split": {"at": "soon"}, "interactions": {"since": 7}},
]  # fmt: skip


@pytest.mark.parametrize("report", STRANGE)
def test_no_report_breaks_a_page(mark, client, report):
    run = RecommenderRun.objects.create(status="done", is_serving=True, finished_at=timezone.now(), report=_storable(report))
    for address in (reverse(PAGE), reverse("recommender_run_list"), reverse("recommender_run", args=[run.pk])):
        assert client.get(address).status_code == 200
    read_report(report)


def _storable(report):
    """PostgreSQL keeps neither NaN nor NULL in this column."""
    return {} if report is None or "nan" in str(report) else report


def test_one_key_less_breaks_no_page(mark, client):
    run = a_run()
    for key in a_report():
        RecommenderRun.objects.filter(pk=run.pk).update(report={name: value for name, value in a_report().items() if name != key})
        for address in (reverse(PAGE), reverse("recommender_run", args=[run.pk])):
            assert client.get(address).status_code == 200, key


# ── model card, list ─────────────────────────────────────────────────────────────────────────────────────────────
def test_the_model_card_says_data_settings_versions_times_and_limits(mark, client):
    text = words(client.get(reverse("recommender_run", args=[a_run().pk])))
    assert "From 2024-11-22 to 2026-11-22" in text and "Tested on what came after 2026-10-25" in text and "1,230" in text
    assert "2.0 × EASE (k 5) + 1.0 × ALS (k 6)" in text
    assert "factors 64" in text and "implicit 0.7.2" in text and "Training and evaluating each candidate 44.0" in text
    assert "Promoted: EASE was better than popularity" in text and "It decides nothing" in text
    assert "1,234" not in text


def test_the_list_names_each_runs_outcome(mark, client):
    a_run(days_ago=2, is_serving=False)
    a_run(days_ago=1)
    a_run(a_report(promoted=False, code="worse_than_serving"), is_serving=False)
    RecommenderRun.objects.create()
    text = words(client.get(reverse("recommender_run_list")))
    assert all(outcome in text for outcome in ("Served before", "Serves", "Refused by the guard", "Waiting"))


def test_the_pages_ask_the_database_little(mark, client, django_assert_max_num_queries):
    for ago in range(40, -1, -1):
        run = a_run(days_ago=ago, is_serving=ago == 0)
    for address in (reverse(PAGE), reverse(PAGE) + "?check=1", reverse("recommender_run_list"), reverse("recommender_run", args=[run.pk])):
        with django_assert_max_num_queries(12):
            assert client.get(address).status_code == 200


def test_a_real_night_fills_the_page(people, client, market):
    run = train()
    client.force_login(people.mark)
    page = client.get(reverse(PAGE), {"check": 1})
    assert page.context["serving"].run == run and run.is_serving
    assert [one.name for one, *_rest in page.context["measures"]] == sorted(
        (one["name"] for one in run.report["candidates"]),
        key=lambda name: -next(one["metrics"]["ndcg@10"]["mean"] for one in run.report["candidates"] if one["name"] == name),
    )
    assert len(page.context["cards"]) == 2 and page.context["groups"] and page.context["funnel"]
    assert page.context["check"].unsuitable == 0 and page.context["check"].rows == pytest.approx(run.report["served"]["rows"], abs=5)
    assert "nothing served before" in words(client.get(reverse("recommender_run", args=[run.pk])))
