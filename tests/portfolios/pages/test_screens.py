"""The pages of screens: what a run says of the market and of each fund, what changed between two, the file."""

import csv
import io
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portfolios.models import Fund, ScreenRow, ScreenRun
from portfolios.views.files import safe_cell
from tests.portfolios.market import make_fund, publish
from tests.portfolios.pages.screens_world import CLOSED, YOUNG, make_pool, make_run

FIRST, SECOND = date(2026, 8, 20), date(2026, 11, 20)


def page(client, who, name, *args, **query) -> str:
    client.force_login(who)
    response = client.get(reverse(name, args=args), query, headers={"accept-language": "en"})
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def two_runs(db) -> tuple[ScreenRun, ScreenRun]:
    before = make_run(FIRST, {"F1": 0.9, "F2": 0.85, "F3": 0.4, "F4": None})
    after = make_run(SECOND, {"F1": 0.95, "F2": 0.3, "F3": 0.82, "F4": 0.5, "F5": None}, previous=before)
    make_pool(after)
    return before, after


def test_the_list_says_how_each_run_ended(people, client, two_runs):
    lacks = [{"grade": 1, "what": "funds", "has": 2, "needs": 8}]
    refused = make_run(date(2026, 11, 21), {"F1": 0.9}, outcome="refused", shortage=lacks)
    text = page(client, people.ada, "market_screen_list")
    assert text.count('tag-good">published') == 2 and 'tag-warning">refused' in text
    assert "Screen the market" not in text.split("<main")[1].split("<table")[0], "an advisor asks for none"
    text = page(client, people.sue, "market_screen", refused.pk)
    assert "grade R1 has 2 funds and needs 8" in text and "The pool before stays in use" in text


def test_a_run_shows_every_fund_with_its_rank_as_a_bar_and_in_words(people, client, two_runs):
    text = page(client, people.ada, "market_screen", two_runs[1].pk)
    assert "Of 5 funds 4 pass the gates; 2 of these are in." in text
    assert "This is the pool that advice draws from." in text
    assert 'x1="0.850" x2="1.000"' in text and "95\u00a0%" in text and "(85\u00a0% – 100\u00a0%)" in text
    assert "it has 12 whole months of history; 36 are needed" in text
    rows = text[text.index("<tbody") :]  # a token above may hold any two letters
    assert rows.index("F1") < rows.index("F3") < rows.index("F4") < rows.index("F5"), "best rank first, none last"


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"q": "f3"}, {"F3"}),
        ({"which": "in"}, {"F1", "F3"}),
        ({"which": "out"}, {"F2", "F4", "F5"}),
        ({"which": "gated"}, {"F5"}),
        ({"verdict": "ranked_out"}, {"F2", "F4"}),
        ({"category": "bond"}, set()),
        ({"grade": "3", "sort": "code"}, {"F1", "F2", "F3", "F4", "F5"}),
        ({"verdict": "nonsense", "grade": "²", "category": "'", "sort": "x", "page": "-7"}, {"F1", "F2", "F3", "F4", "F5"}),
    ],
)
def test_rows_are_filtered_and_what_is_not_understood_is_as_if_not_asked(people, client, two_runs, query, shown):
    text = page(client, people.ada, "market_screen", two_runs[1].pk, **query)
    assert {code for code in ("F1", "F2", "F3", "F4", "F5") if f"/funds/{code}/" in text} == shown
    assert shown or "No fund is like that" in text


def test_a_fund_of_a_run_shows_its_sub_scores_and_that_it_was_taken_out_since(people, client, two_runs):
    run = two_runs[1]
    text = page(client, people.ada, "market_screen_fund", run.pk, "F1")
    assert "Risk-adjusted return" in text and "left out" in text, "a sub-score that could not be had is named"
    assert "taken out of the pool by hand" not in text
    run.pools.get().members.filter(fund__code="F1").delete()
    assert "taken out of the pool by hand" in page(client, people.ada, "market_screen_fund", run.pk, "F1")
    assert client.get(reverse("market_screen_fund", args=[run.pk, "NONE"])).status_code == 404


def test_two_runs_are_compared_by_who_entered_left_moved_and_whose_gates_changed(people, client, two_runs):
    before, after = two_runs
    for kind, has, lacks in [("entered", "F3", "F2"), ("left", "F2", "F3"), ("gates", "F4", "F3")]:
        text = page(client, people.ada, "market_screen_compare", after.pk, show=kind)
        assert f"/funds/{has}/" in text and f"/funds/{lacks}/" not in text, kind
    assert "no more: too young" in text
    text = page(client, people.ada, "market_screen_compare", after.pk, show="moved")
    assert text.index("/funds/F2/") < text.index("/funds/F3/") < text.index("/funds/F1/")
    assert "−55" in text and "+42" in text
    assert "1 left" in text
    assert "From" in page(client, people.ada, "market_screen_compare", after.pk, **{"with": str(before.pk), "show": "'"})
    client.force_login(people.ada)
    assert client.get(reverse("market_screen_compare", args=[after.pk]), {"with": "999"}).status_code == 404


def test_a_fund_that_has_no_row_any_more_has_left_and_says_so(people, client, two_runs):
    ScreenRow.objects.filter(run=two_runs[1], fund__code="F2").delete()
    assert "wound up or has no price any more" in page(client, people.ada, "market_screen_compare", two_runs[1].pk, show="left")


def test_the_only_run_is_compared_with_none(people, client):
    run = make_run(FIRST, {"F1": 0.9})
    client.force_login(people.ada)
    said = client.get(reverse("market_screen_compare", args=[run.pk]), follow=True, headers={"accept-language": "en"})
    assert "no other finished screen" in said.content.decode()


def test_a_run_that_works_is_polled_and_one_that_failed_says_why(people, client):
    run = make_run(FIRST, {}, status="running", outcome="working", n_done=1500)
    text = page(client, people.ada, "market_screen", run.pk)
    assert "hx-trigger" in text and "<noscript><meta" in text and "1,500 funds are written" in text
    assert "1,500 funds" in page(client, people.ada, "market_screen_progress", run.pk)
    ScreenRun.objects.update(status="failed", error={"code": "no_history", "params": {}})
    assert client.get(reverse("market_screen_progress", args=[run.pk])).status_code == 286
    assert "There is not enough price history." in page(client, people.ada, "market_screen", run.pk)
    assert client.get(reverse("market_screen_csv", args=[run.pk])).status_code == 404


def test_a_screen_is_asked_for_once_and_only_for_a_day_with_prices(people, client):
    today = timezone.localdate()
    client.force_login(people.sue)
    address = reverse("market_screen_new")

    def ask(day) -> str:
        return client.post(address, {"data_date": str(day)}, headers={"accept-language": "en"}).content.decode()

    assert "There are no prices yet" in ask(today)
    publish(make_fund("F1"), {today - timedelta(days=9): 1_000_000, today - timedelta(days=8): 1_010_000})
    Fund.objects.update(inception_date=today - timedelta(days=9))
    assert "lies in the future" in ask(today + timedelta(days=1))
    assert "The stored prices begin on" in ask(today - timedelta(days=10))
    assert "that is the latest day" in ask(today)
    assert not ScreenRun.objects.exists()
    days = [client.post(address, {"data_date": str(today - timedelta(days=8))}).headers["Location"] for _ in range(2)]
    assert len(set(days)) == ScreenRun.objects.count() == 1, "a double click asks once"
    assert ScreenRun.objects.get().requested_by == people.sue


def test_the_file_opens_in_a_spreadsheet_and_computes_nothing(people, client, two_runs):
    Fund.objects.filter(code="F1").update(name_en="=HYPERLINK(1)", company="@x", name_zh="+基金")
    client.force_login(people.ada)
    response = client.get(reverse("market_screen_csv", args=[two_runs[1].pk]))
    assert response.streaming
    content = b"".join(response.streaming_content).decode("utf-8")
    assert content.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(content.removeprefix("\ufeff"))))
    assert [row["code"] for row in rows] == ["F1", "F2", "F3", "F4", "F5"]
    assert (rows[0]["name_en"], rows[0]["company"], rows[0]["name_zh"]) == ("'=HYPERLINK(1)", "'@x", "'+基金")
    assert float(rows[0]["percentile"]) == 0.95
    assert (safe_cell(-0.5), safe_cell("\tx"), safe_cell("a=b"), safe_cell("\uff1dx")) == (-0.5, "'\tx", "a=b", "'\uff1dx")


def test_no_page_of_screens_asks_more_than_twelve_queries(people, client, two_runs):
    make_run(date(2026, 5, 20), {"F1": 0.5}, gates={"F1": [CLOSED, YOUNG]})
    client.force_login(people.sue)
    pk = two_runs[1].pk
    for name, args, query in [
        ("market_home", [], {}),
        ("market_screen_list", [], {}),
        ("market_screen_new", [], {}),
        ("market_screen", [pk], {"q": "F"}),
        ("market_screen_fund", [pk, "F1"], {}),
        ("market_screen_compare", [pk], {"show": "gates"}),
        ("market_screen_compare", [pk], {"with": str(two_runs[0].pk)}),
    ]:
        with CaptureQueriesContext(connection) as seen:
            assert client.get(reverse(name, args=args), query).status_code == 200
        assert len(seen) <= 12, name


def test_an_address_with_a_nul_or_an_endless_number_is_no_error(people, client):
    run = make_run(date(2026, 11, 20), {"F1": 0.9})
    client.force_login(people.sue)
    address = reverse("market_screen", args=[run.pk])
    assert client.get(f"{address}funds/F%00/").status_code == 404
    assert client.get(f"{address}compare/?with={'9' * 5000}").status_code in (302, 404)
    for query in ({"q": "F\x00"}, {"fund": "F\x00"}):
        assert client.get(reverse("market_pool_decision_new"), query).status_code == 200
