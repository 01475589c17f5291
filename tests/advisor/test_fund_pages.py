import json
import re
from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from plotly.graph_objects import Figure

from portfolios.models import Fund, Pool, PoolFund
from tests.portfolios.market import make_fund, publish

pytestmark = pytest.mark.django_db
START = date(2019, 1, 1)


def navs(n_days: int, dip_at: int = 900) -> dict[date, int]:
    """A price that climbs a thousandth a day and once falls by a fifth."""
    return {START + timedelta(days=n): round(1_000_000 * 1.0002**n * (0.8 if n >= dip_at else 1)) for n in range(n_days)}


@pytest.fixture
def funds(people):
    pool = Pool.objects.create(name="Pool", is_current=True)
    made = {
        "safe": make_fund(
            "000001", category="money", asset_class="money_market", grade=1, fee_bps=0, name_zh="安心货币", name_en="Calm cash"
        ),
        "bond": make_fund("000002", category="bond", grade=2, fee_bps=30, name_en="Steady bonds"),
        "wild": make_fund("000005", category="sector", asset_class="sector_equity", grade=5, name_en="Wild sector", is_simulated=True),
    }
    for fund in made.values():
        PoolFund.objects.create(pool=pool, fund=fund)
    made["outside"] = make_fund("000003", category="bond", grade=2, name_en="Outside bonds")
    return made


@pytest.fixture
def anna(people, client):
    client.force_login(people.anna)
    return people.anna_investor


def set_level(investor, level, days=100) -> None:
    investor.level, investor.level_valid_until = level, timezone.localdate() + timedelta(days=days)
    investor.save()


def codes(response) -> list[str]:
    return [row.fund.code for row in response.context["rows"]]


@pytest.mark.parametrize("url", ["/funds/", "/funds/000001/", "/orders/"])
def test_a_stranger_is_sent_to_sign_in(client, funds, url):
    response = client.get(url)
    assert response.status_code == 302
    assert response.url.startswith(reverse("account_login"))


@pytest.mark.parametrize("days", [None, -1])
def test_no_fund_is_listed_before_the_investor_is_known(client, funds, anna, days):
    if days is not None:
        set_level(anna, 5, days)
    response = client.get(reverse("fund_list"), {"q": "0000"})
    assert response.status_code == 200
    assert codes(response) == []
    assert "000001" not in response.text


@pytest.mark.parametrize(
    ("level", "listed"), [(0, ["000001"]), (1, ["000001"]), (2, ["000001", "000002"]), (5, ["000001", "000002", "000005"])]
)
def test_the_list_holds_what_suits_the_level_and_nothing_above(client, funds, anna, level, listed):
    set_level(anna, level)
    assert codes(client.get(reverse("fund_list"))) == listed
    assert codes(client.get(reverse("fund_list"), {"grade": "5"})) == [code for code in listed if code == "000005"]


def test_a_search_finds_every_fund_and_marks_what_is_above_the_level(client, funds, anna):
    set_level(anna, 2)
    response = client.get(reverse("fund_list"), {"q": "00000", "sort": "-grade"})
    assert {row.fund.code: row.mark for row in response.context["rows"]} == {
        "000005": "above",
        "000003": "",
        "000002": "",
        "000001": "",
    }
    assert "Above your level C2" in response.text
    assert "not recommendations" in response.text
    assert codes(client.get(reverse("fund_list"), {"q": "安心"})) == ["000001"]
    assert codes(client.get(reverse("fund_list"), {"q": "wild SECTOR"})) == ["000005"]


def test_the_lowest_level_is_told_what_is_not_open_to_it(client, funds, anna):
    set_level(anna, 0)
    response = client.get(reverse("fund_list"), {"q": "00000"})
    assert {row.fund.code: row.mark for row in response.context["rows"]} == {
        "000005": "forbidden", "000003": "forbidden", "000002": "forbidden", "000001": "",
    }  # fmt: skip
    assert "Not open to level C1-min" in response.text


@pytest.mark.parametrize("who", ["ada", "sue", "mark", "adam"])
def test_staff_see_every_fund_and_its_page(client, people, funds, who):
    client.force_login(getattr(people, who))
    publish(funds["wild"], navs(500))
    assert codes(client.get(reverse("fund_list"))) == ["000001", "000002", "000003", "000005"]
    page = client.get(reverse("fund", args=["000005"]))
    assert page.status_code == 200 and page.context["history"] is not None


def test_filters_that_make_no_sense_are_left_aside(client, funds, people):
    client.force_login(people.ada)
    response = client.get(reverse("fund_list"), {"grade": "R9", "asset_class": "<b>", "sort": "; drop", "page": "zzz"})
    assert len(codes(response)) == 4
    assert codes(client.get(reverse("fund_list"), {"asset_class": "bond", "sort": "fee", "page": "99"})) == ["000002", "000003"]


def test_a_search_without_a_match_says_so(client, funds, anna):
    set_level(anna, 3)
    response = client.get(reverse("fund_list"), {"q": "no such fund"})
    assert "No fund matches" in response.text


@pytest.mark.parametrize("n_funds", [1, 60])
def test_the_list_takes_few_queries_whatever_its_length(client, people, funds, anna, n_funds, django_assert_max_num_queries):
    set_level(anna, 3)
    pool = Pool.objects.get()
    more = [Fund(code=f"1{n:05}", category="bond", asset_class="bond", risk_grade=2, source="test") for n in range(n_funds)]
    PoolFund.objects.bulk_create(PoolFund(pool=pool, fund=fund) for fund in Fund.objects.bulk_create(more))
    with django_assert_max_num_queries(12):
        response = client.get(reverse("fund_list"), {"sort": "fee"})
    assert len(codes(response)) == min(n_funds + 2, 25)
    with django_assert_max_num_queries(12):
        client.get(reverse("fund_list"), {"q": "1", "page": "2"})


def figure_of(response) -> dict:
    return json.loads(re.search(r'<script id="fund-growth" type="application/json">(.*?)</script>', response.text, re.S)[1])


def test_the_fund_page_shows_history_with_its_risk_beside_it(client, funds, anna):
    set_level(anna, 5)
    publish(funds["wild"], navs(2_000))
    response = client.get(reverse("fund", args=["000005"]))
    figure = figure_of(response)
    Figure(figure)
    growth, drawdown = figure["data"]
    assert growth["x"] == drawdown["x"] and 500 < len(growth["x"]) <= 600
    assert growth["meta"] == {"asset_class": "sector_equity"} and drawdown["yaxis"] == "y2"
    assert min(drawdown["y"]) == pytest.approx(0.8 * 1.0002 - 1, abs=1e-4)
    history = response.context["history"]
    assert [period.years for period in history.periods] == [1, 3, 5, None]
    assert history.periods[0].total_return == pytest.approx(1.0002**366 - 1, abs=1e-5)  # the last year holds a 29 February
    assert all(period.volatility >= 0 and period.max_drawdown <= 0 for period in history.periods)
    assert "Simulated" in response.text and "Past results" in response.text
    assert "1.50\u00a0%" in response.text and "180 days or longer" in response.text


def test_a_fund_younger_than_a_year_shows_no_history(client, funds, anna):
    set_level(anna, 5)
    publish(funds["bond"], navs(300))
    response = client.get(reverse("fund", args=["000002"]))
    assert response.context["history"] is None
    assert "less than a year" in response.text


def test_history_waits_until_the_investor_is_known(client, funds, anna):
    publish(funds["bond"], navs(800))
    response = client.get(reverse("fund", args=["000002"]))
    assert response.status_code == 200
    assert response.context["history"] is None and "fund-growth" not in response.text


def test_a_fund_above_the_level_is_never_recommended_on_its_page(client, funds, anna):
    set_level(anna, 2)
    assert "above your level C2. We do not recommend it" in client.get(reverse("fund", args=["000005"])).text
    assert "notice-warning" not in client.get(reverse("fund", args=["000002"])).text


def test_a_money_market_fund_redeems_free_of_charge(client, funds, anna):
    assert "Redeeming costs nothing" in client.get(reverse("fund", args=["000001"])).text


@pytest.mark.parametrize("code", ["999999", "0" * 300, "%00", "%00000001%27", "<script>", "..%2f000001"])
def test_an_unknown_code_is_not_found(client, funds, anna, code):
    assert client.get(f"/funds/{code}/").status_code == 404


def test_a_search_with_a_nul_is_as_if_nothing_had_been_searched(client, funds, anna):
    set_level(anna, 1)
    assert codes(client.get("/funds/?q=%00")) == ["000001"]


def test_the_fund_page_takes_few_queries(client, funds, anna, django_assert_max_num_queries):
    set_level(anna, 5)
    publish(funds["wild"], navs(2_000))
    with django_assert_max_num_queries(12):
        client.get(reverse("fund", args=["000005"]))


def test_a_licensed_deployment_names_no_expected_return(client, funds, anna, settings):
    settings.IS_DEMO = False
    set_level(anna, 5)
    publish(funds["wild"], navs(2_000))
    for url in (reverse("fund_list"), reverse("fund", args=["000005"])):
        assert "xpected return" not in client.get(url).text
