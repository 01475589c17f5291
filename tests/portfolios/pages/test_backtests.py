"""The pages of backtests: who sees them, what they say, how much they ask the database."""

import csv
import io
import json
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portfolios.models import Backtest, BacktestStep, Fund, Pool, PoolFund
from portfolios.services import execute_backtest
from tests.portfolios.backtest_world import BACKTEST_INPUTS, BACKTEST_RESULT, END, FIRST_DECISION, FUNDS, paths, store_market

pytestmark = pytest.mark.django_db
MOST_QUERIES = 12


@pytest.fixture
def staff(people, client):
    client.force_login(people.ada)
    return client


@pytest.fixture
def finished():
    backtest = Backtest.objects.create(name="Walk", inputs=BACKTEST_INPUTS, inputs_sha256="0", status="done", result=BACKTEST_RESULT)
    note = {"strategy": "level_4", "code": "no_fund_of_grade", "params": {"level": "C4", "max_grade": "4"}}
    BacktestStep.objects.create(backtest=backtest, day=FIRST_DECISION, notes=[note])
    return backtest


def get(client, name, *args, **query):
    with CaptureQueriesContext(connection) as asked:
        response = client.get(reverse(name, args=args), query)
    assert len(asked) <= MOST_QUERIES, len(asked)
    return response


def figures(html: str) -> dict[str, dict]:
    found = re.findall(r'<script id="(\w+)" type="application/json">(.*?)</script>', html, re.DOTALL)
    return {name: json.loads(body) for name, body in found}


def asked_form(**changes) -> dict:
    known = {
        "name": "Mine", "start": FIRST_DECISION.isoformat(), "end": END.isoformat(), "funds": ", ".join(FUNDS), "levels": ["1", "4"],
        "every_months": "6", "bands": "on", "follows": "advice", "costs": "rules", "index_funds": "marked",
    }  # fmt: skip
    return known | changes


def test_the_list_says_what_there_is_and_leaves_results_in_the_database(staff, finished):
    with CaptureQueriesContext(connection) as queries:
        html = staff.get(reverse("market_backtest_list")).content.decode()
    assert "Walk" in html and reverse("market_backtest", args=[finished.pk]) in html
    assert len(queries) <= MOST_QUERIES
    assert not any('"result"' in query["sql"] for query in queries)


def test_an_empty_list_says_what_to_do(staff):
    html = get(staff, "market_backtest_list").content.decode()
    assert "No backtests yet" in html and reverse("market_backtest_new") in html


def test_the_report_says_in_its_titles_what_to_see_and_tells_every_number_in_tables(staff, finished):
    html = get(staff, "market_backtest", finished.pk).content.decode()
    assert "C4 earned 1.0 % a year more than 60/40, and fell by 10.0 % at worst instead of 10.0 %" in html.replace("\xa0", " ")
    assert "The worst twelve months of C4 cost 5.0 %" in html.replace("\xa0", " ")
    assert html.count("<details") >= html.count('class="plot"') > 0
    assert "Level C4 may hold funds up to R4 only" in html
    drawn = figures(html)
    assert set(drawn) >= {"compared", "rolling"}
    assert drawn["compared"]["data"][0]["y"][0] == 10_000
    assert drawn["compared"]["layout"]["yaxis2"]["domain"][1] < drawn["compared"]["layout"]["yaxis"]["domain"][0]
    assert len(drawn["compared"]["data"][0]["x"]) == 80 and len(drawn["rolling"]["data"][0]["x"]) == 28


def test_simulated_prices_are_called_simulated_and_real_ones_a_backtest(staff, finished):
    real = get(staff, "market_backtest", finished.pk).content.decode()
    assert "nobody held these portfolios" in real and "are made up" not in real
    Backtest.objects.update(is_simulated=True)
    assert "are made up" in get(staff, "market_backtest", finished.pk).content.decode()


def test_a_level_over_its_budget_is_marked(staff, finished):
    assert "over</span>" not in get(staff, "market_backtest", finished.pk).content.decode()
    result = json.loads(json.dumps(BACKTEST_RESULT))
    result["strategies"][0]["figures"]["realised_cvar"] = 0.30
    Backtest.objects.update(result=result)
    assert "over</span>" in get(staff, "market_backtest", finished.pk).content.decode()


def test_an_unknown_level_in_the_address_shows_the_highest_there_is(staff, finished):
    for level in ("9", "x", "cash"):
        assert "C4 earned" in get(staff, "market_backtest", finished.pk, level=level).content.decode()


def test_the_file_holds_every_path_with_its_header(staff, finished):
    response = get(staff, "market_backtest_csv", finished.pk)
    assert response.headers["Content-Disposition"].startswith("attachment")
    rows = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert rows[0] == ["date", "level_4_growth", "mix_60_40_growth", "level_4_drawdown", "mix_60_40_drawdown"]
    assert len(rows) == 81 and rows[1][:2] == [FIRST_DECISION.isoformat(), "1.000000"]
    assert float(rows[-1][1]) == BACKTEST_RESULT["strategies"][0]["growth"][-1]


def test_there_is_no_file_before_there_is_a_result(staff, finished):
    Backtest.objects.update(result=None)
    assert get(staff, "market_backtest_csv", finished.pk).status_code == 404


def test_a_backtest_at_work_shows_how_far_it_is_and_the_polling_ends_with_it(staff, finished):
    Backtest.objects.update(status="running", result=None, n_done=3, n_total=12)
    page = get(staff, "market_backtest", finished.pk).content.decode()
    assert "3 of 12 decisions" in page and "hx-get" in page and "<noscript>" in page
    assert "3 of 12 decisions" in get(staff, "market_backtest_progress", finished.pk).content.decode()
    Backtest.objects.update(status="done", result=BACKTEST_RESULT)
    response = get(staff, "market_backtest_progress", finished.pk)
    assert response.status_code == 286 and response.headers["HX-Refresh"] == "true"


def test_a_backtest_that_failed_says_why(staff, finished):
    Backtest.objects.update(status="failed", result=None, error={"code": "data_changed", "params": {}})
    assert "restated since" in get(staff, "market_backtest", finished.pk).content.decode()


def test_asking_writes_a_queued_backtest_that_a_worker_finishes_and_its_report_is_shown(staff, people):
    store_market(paths())
    response = staff.post(reverse("market_backtest_new"), asked_form())
    backtest = Backtest.objects.get()
    assert response.headers["Location"] == reverse("market_backtest", args=[backtest.pk])
    assert (backtest.status, backtest.requested_by, backtest.inputs["levels"]) == ("queued", people.ada, [1, 4])
    execute_backtest(backtest.pk)
    html = get(staff, "market_backtest", backtest.pk).content.decode()
    assert "C1" in html and "C4" in html and "Category average" in html and set(figures(html)) >= {"compared", "levels", "rolling"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"end": "2021-02-01"}, "at least a year after"),
        ({"funds": "CASH1 NOBODY"}, "There is no fund NOBODY"),
        ({"start": "2010-01-01"}, "None of the funds has a price by 2010-01-01"),
        ({"levels": []}, "This field is required"),
        ({"every_months": "2"}, "Select a valid choice"),
        ({"start": "soon"}, "Enter a valid date"),
        ({"funds": " ".join(f"F{i}" for i in range(300))}, "are too many"),
        ({"name": ""}, "This field is required"),
    ],
)
def test_a_request_that_cannot_be_made_comes_back_with_what_was_typed_and_why(staff, changes, said):
    store_market(paths())
    response = staff.post(reverse("market_backtest_new"), asked_form(**changes))
    html = response.content.decode()
    assert response.status_code == 200 and said in html
    assert "CASH1" in html or "funds" in changes
    assert not Backtest.objects.exists()


def test_the_form_begins_with_the_funds_and_years_of_the_current_pool(staff):
    store_market(paths())
    pool = Pool.objects.create(name="pool", is_current=True)
    PoolFund.objects.bulk_create([PoolFund(pool=pool, fund=fund) for fund in Fund.objects.filter(code__in=["CASH1", "BOND1"])])
    html = get(staff, "market_backtest_new").content.decode()
    assert "BOND1, CASH1" in html and END.isoformat() in html


@pytest.mark.parametrize("name", ["market_backtest_list", "market_backtest_new", "market_backtest", "market_backtest_csv"])
def test_no_investor_and_no_marketer_sees_a_backtest_in_a_demo_or_licensed(people, client, finished, settings, name):
    for is_demo in (True, False):
        settings.IS_DEMO = is_demo
        for person in (people.anna, people.mark):
            client.force_login(person)
            args = [finished.pk] if name in ("market_backtest", "market_backtest_csv") else []
            assert client.get(reverse(name, args=args)).status_code == 403
