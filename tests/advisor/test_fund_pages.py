import json
import re
from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from plotly.graph_objects import Figure

from portfolios.models import Fund, FundFact, FundSize, GradeChange, Pool, PoolFund, ScreenRow, ScreenRun
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


def words_of(response) -> str:
    """A page without its tags."""
    return " ".join(re.sub(r"<[^>]*>", "", response.text).split())


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


def screen(funds) -> ScreenRun:
    """A screen behind the current pool that ranked the wild fund, and gated the bonds."""
    run = ScreenRun.objects.create(data_date=date(2026, 1, 30), rules_version="test", outcome=ScreenRun.Outcome.PUBLISHED)
    Pool.objects.filter(is_current=True).update(screen_run=run)
    ranked = {"percentile": 0.871, "rank_low": 0.35, "rank_high": 0.91, "passes_4433": True, "is_in": True, "verdict": "enters"}
    ScreenRow.objects.create(
        run=run, fund=funds["wild"], peer_group="sector", n_peers=27, risk_grade=5, sub_scores={"mrar": 0.85, "cost": 0.5}, **ranked
    )
    ScreenRow.objects.create(
        run=run,
        fund=funds["bond"],
        peer_group="bond",
        risk_grade=2,
        verdict="gated",
        gates=[{"code": "too_young", "months": 20, "needs": 36}],
    )
    return run


def test_the_fund_page_takes_few_queries(client, funds, anna, django_assert_max_num_queries):
    """With everything on it, and nothing cached."""
    set_level(anna, 5)
    wild = funds["wild"]
    publish(wild, navs(2_000))
    screen(funds)
    Fund.objects.filter(pk=wild.pk).update(family_code="F")
    Fund.objects.create(code="000006", category="sector", asset_class="sector_equity", risk_grade=5, source="test", family_code="F")
    for n, name in enumerate(("equity", "bond", "gold")):
        publish(make_fund(f"80000{n}", category=name), navs(2_000, dip_at=100 * n + 1))
    FundFact.objects.create(fund=wild, kind="manager", from_date=START, published_date=START, text="Wang")
    FundSize.objects.create(fund=wild, as_of_date=START, published_date=START, size_minor=10**11, units_centi=1)
    GradeChange.objects.create(fund=wild, to_grade=5, own_grade=5, data_date=START)
    with django_assert_max_num_queries(12):
        response = client.get(reverse("fund", args=["000005"]))
    page = response.context["page"]
    assert page.style and page.verdict and page.share_classes and page.record.quarters and page.record.grade.changes
    assert set(response.context["figures"]) == {"growth", "rolling", "style", "scores"}


def test_every_chart_has_a_sentence_and_its_numbers_in_a_table(client, funds, anna):
    set_level(anna, 5)
    publish(funds["wild"], navs(2_000))
    screen(funds)
    html = client.get(reverse("fund", args=["000005"])).text
    cards = re.findall(r'<section class="chart-card">.*?</section>', html, re.S)
    assert len(cards) == 3  # no style: there is no other class to compare it with
    for card in cards:
        assert 'class="plot"' in card and "<h2>" in card and "<details>" in card and '<p class="source">' in card
        Figure(json.loads(re.search(r'type="application/json">(.*?)</script>', card, re.S)[1]))


# Our own ranking, where the sales-conduct rule allows it

RANK_WORDS = ("Our screen ranks it above 87", "Passes the 4433 rule", "In our pool")


@pytest.fixture
def ranked(funds, people, settings):
    """A fund with a rank and history; second factors are another test's matter."""
    settings.SECOND_FACTOR_REQUIRED = False
    publish(funds["wild"], navs(2_000))
    screen(funds)
    set_level(people.anna_investor, 5)
    return reverse("fund", args=["000005"])


@pytest.mark.parametrize(
    ("who", "is_demo", "sees"),
    [
        ("anna", True, True),
        ("anna", False, False),
        ("ada", False, True),
        ("sue", False, True),
        ("mark", False, False),
        ("mark", True, True),
    ],
)
def test_our_ranking_is_shown_in_a_demo_and_to_advisors(client, people, ranked, settings, who, is_demo, sees):
    settings.IS_DEMO = is_demo
    client.force_login(getattr(people, who))
    page = client.get(ranked)
    assert [words in page.text for words in RANK_WORDS] == [sees, sees, sees or who == "mark"]
    assert ("scores" in page.context["figures"]) is sees
    assert page.context["history"] is not None
    listed = client.get(reverse("fund_list"), {"q": "wild"})
    assert ("Rank" in listed.text) is sees
    assert (listed.context["rows"][0].rank is not None) is sees


def test_an_advisor_of_a_licensed_deployment_is_told_that_the_ranking_is_not_for_clients(client, people, ranked, settings):
    client.force_login(people.ada)
    assert "For advisors" not in client.get(ranked).text
    settings.IS_DEMO = False
    assert "For advisors" in client.get(ranked).text


def test_an_investor_who_is_not_known_sees_no_ranking_even_in_a_demo(client, people, ranked):
    set_level(people.anna_investor, 5, days=-1)
    client.force_login(people.anna)
    page = client.get(ranked)
    assert not any(words in page.text for words in RANK_WORDS)
    assert page.context["figures"] == {}


def test_a_licensed_investor_cannot_sort_by_our_rank(client, people, ranked, settings):
    """Else the order of the list would tell it."""
    client.force_login(people.anna)
    assert codes(client.get(reverse("fund_list"), {"sort": "rank"}))[0] == "000005"
    settings.IS_DEMO = False
    assert codes(client.get(reverse("fund_list"), {"sort": "rank"})) == ["000001", "000002", "000005"]
    assert codes(client.get(reverse("fund_list"), {"sort": "rank", "q": "0000"}))[0] == "000001"


def test_a_fund_that_fails_a_gate_is_told_why_without_a_chart(client, people, ranked):
    client.force_login(people.ada)
    page = client.get(reverse("fund", args=["000002"]))
    assert "Our screen does not rank it" in page.text and "36 are needed" in page.text
    assert "scores" not in page.context["figures"]


# The list


def test_staff_narrow_the_list_to_the_pool_and_see_who_is_in_it(client, people, funds):
    client.force_login(people.mark)
    rows = client.get(reverse("fund_list")).context["rows"]
    assert {row.fund.code: row.is_in_pool for row in rows} == {"000001": True, "000002": True, "000003": False, "000005": True}
    assert codes(client.get(reverse("fund_list"), {"pool": "in"})) == ["000001", "000002", "000005"]
    assert len(codes(client.get(reverse("fund_list"), {"pool": "<b>"}))) == 4


def test_a_licensed_investor_is_not_told_which_found_fund_is_in_the_pool(client, people, funds, settings):
    settings.IS_DEMO = False
    set_level(people.anna_investor, 3)
    client.force_login(people.anna)
    assert "In our pool" not in client.get(reverse("fund_list"), {"q": "bonds"}).text


def test_a_year_of_figures_stands_beside_its_risk_and_not_beside_what_is_above_the_level(client, funds, anna):
    set_level(anna, 2)
    publish(funds["bond"], navs(2_000))
    publish(funds["wild"], navs(2_000))
    publish(funds["outside"], navs(200))
    rows = {row.fund.code: row for row in client.get(reverse("fund_list"), {"q": "0000"}).context["rows"]}
    assert rows["000002"].year.total_return == pytest.approx(1.0002**366 - 1, abs=1e-5)
    assert rows["000002"].year.volatility >= 0 and rows["000002"].year.max_drawdown <= 0
    assert [rows[code].year for code in ("000005", "000003", "000001")] == [None, None, None]


def test_a_fund_that_was_wound_up_is_found_by_search_only_and_cannot_be_bought(client, people, funds, anna):
    publish(funds["bond"], navs(900))
    Fund.objects.filter(code="000002").update(ended_on=date(2021, 6, 30), is_open=True)
    set_level(anna, 3)
    assert codes(client.get(reverse("fund_list"))) == ["000001"]
    found = client.get(reverse("fund_list"), {"q": "Steady"})
    assert codes(found) == ["000002"] and "Wound up 2021-06-30" in found.text
    assert found.context["rows"][0].year is None
    page = words_of(client.get(reverse("fund", args=["000002"])))
    assert "was wound up on 2021-06-30. It cannot be bought" in page
    assert "open, without a daily limit" not in page and "Buying for 10,000 yuan" not in page
    client.force_login(people.ada)
    assert "000002" not in codes(client.get(reverse("fund_list")))


@pytest.mark.parametrize("page", ["9" * 40, "-1", "1e9", "%00", "٣"])
def test_a_page_that_does_not_exist_is_one_that_does(client, funds, anna, page):
    set_level(anna, 3)
    assert codes(client.get(f"/funds/?page={page}")) == ["000001", "000002"]


# The page's facts


def test_the_page_tells_limits_warnings_and_costs_in_yuan(client, funds, people):
    Fund.objects.filter(code="000002").update(daily_limit_minor=100_000, company="Moss", sales_fee_bps=40)
    FundFact.objects.create(fund=funds["bond"], kind="liquidation_warning", from_date=date(2026, 1, 5), published_date=date(2026, 1, 5))
    client.force_login(people.ada)
    text = words_of(client.get(reverse("fund", args=["000002"])))
    assert "takes at most ¥1,000 a day" in text and "On 2026-01-05 this fund warned" in text
    assert "costs ¥130.37 after a week, ¥69.79 after three years" in text  # 29.91 + 99.70 + 0.76, and 29.91 + 39.88


def test_the_page_says_whose_grade_is_the_stricter(client, funds, people):
    Fund.objects.filter(code="000002").update(issuer_grade=1, own_grade=2)
    GradeChange.objects.create(
        fund=funds["bond"], from_grade=1, to_grade=2, issuer_grade=1, own_grade=2, data_date=date(2026, 1, 5),
        reasons=[{"code": "drawdown", "grade": 2, "value": 0.041}],
    )  # fmt: skip
    client.force_login(people.ada)
    text = client.get(reverse("fund", args=["000002"])).text
    assert "we grade it more strictly than its issuer, who says R1" in text
    assert "ts deepest fall of 4.1\u00a0% asks for R2" in text and "2026-01-05" in text


def test_a_licensed_deployment_names_no_expected_return(client, funds, anna, settings):
    settings.IS_DEMO = False
    set_level(anna, 5)
    publish(funds["wild"], navs(2_000))
    for url in (reverse("fund_list"), reverse("fund", args=["000005"])):
        assert "xpected return" not in client.get(url).text
