"""The pages of alerts and of grade changes: what they say, to whom, and in how many queries."""

from datetime import date

import pytest
from django.urls import reverse

from portfolios.models import GradeChange, Holding, MarketAlert, Portfolio
from tests.portfolios.market import make_fund

KIND = MarketAlert.Kind
DAY = date(2026, 3, 2)
FIGURES = {
    KIND.VOLATILITY: (2.61, 2.0, "It moved 2.6 times as much as usual in the last 20 days; the limit is 2.0 times."),
    KIND.DRAWDOWN: (0.153, 0.12, "It stood 15.3\u00a0% below its highest value of a year; the limit for its grade is 12.0\u00a0%."),
    KIND.STALE_NAV: (7.0, 5.0, "It had no new NAV for 7 working days; the limit is 5."),
    KIND.STYLE_DRIFT: (0.6, 0.4, "30.0\u00a0% of what it follows had changed in a year; the limit is 20.0\u00a0%."),
    KIND.SIZE_COLLAPSE: (0.55, 0.5, "It lost 55.0\u00a0% of its net assets from one quarter to the next; the limit is 50.0\u00a0%."),
    KIND.SUSPENSION: (1.0, 0.0, "It cannot be bought."),
}


def alert(code: str, kind: str, **fields) -> MarketAlert:
    value, limit, _ = FIGURES[kind]
    fund = make_fund(code, category="mixed", grade=3)
    figures = {"value": value, "latest": value, "limit": limit}
    return MarketAlert.objects.create(fund=fund, kind=kind, day=DAY, **({"figures": figures} | fields))


@pytest.fixture
def alerts(people):
    return {kind: alert(f"90000{n}", kind) for n, kind in enumerate(FIGURES)}


def page_of(client, user, name: str, **asked) -> str:
    client.force_login(user)
    return client.get(reverse(name), asked).content.decode()


def test_every_kind_says_its_figure_against_its_limit_in_words(alerts, people, client):
    shown = page_of(client, people.sue, "market_alerts")
    for _, _, sentence in FIGURES.values():
        assert sentence in shown
    assert shown.count("2026-03-02") == len(FIGURES)
    assert reverse("fund", args=["900001"]) in shown


def test_the_page_shows_one_kind_where_it_is_asked_for_and_all_for_one_that_does_not_exist(alerts, people, client):
    stale = page_of(client, people.sue, "market_alerts", kind="stale_nav")
    assert "Fund 900002" in stale
    assert "Fund 900001" not in stale
    assert "Fund 900001" in page_of(client, people.sue, "market_alerts", kind="nonsense")


def test_an_alert_that_is_over_is_not_shown(people, client):
    alert("900001", KIND.DRAWDOWN, closed_at="2026-03-04T00:00:00Z")
    shown = page_of(client, people.sue, "market_alerts")
    assert "Fund 900001" not in shown
    assert "No open alerts" in shown


def test_the_figure_of_the_last_watch_stands_beside_the_first_only_where_it_reads_differently(people, client):
    alert("900001", KIND.DRAWDOWN, figures={"value": 0.153, "latest": 0.18, "limit": 0.12})
    alert("900002", KIND.DRAWDOWN, figures={"value": 0.1531, "latest": 0.1532, "limit": 0.12})
    shown = page_of(client, people.sue, "market_alerts")
    assert shown.count("At the last watch:") == 1
    assert "At the last watch: 18.0\u00a0%." in shown


def test_who_holds_the_fund_is_a_number_and_no_name(alerts, people, client):
    fund = alerts[KIND.DRAWDOWN].fund
    for units in (100, 200, 0):
        Holding.objects.create(portfolio=Portfolio.objects.create(), fund=fund, units_centi=units, cost_minor=1)
    shown = page_of(client, people.sue, "market_alerts", kind="drawdown")
    assert 'data-label="Portfolios that hold it">2<' in shown
    assert "Anna" not in shown


def change(code: str, before: int | None, after: int, **fields) -> GradeChange:
    said = {"own_grade": after, "data_date": DAY, "reasons": [{"code": "volatility", "grade": after, "value": 0.223}]}
    return GradeChange.objects.create(
        fund=make_fund(code, category="mixed", grade=after), from_grade=before, to_grade=after, **(said | fields)
    )


def test_changes_of_grades_are_shown_with_their_reasons_and_first_gradings_are_not(people, client):
    change("900001", 3, 4, reasons=[{"code": "volatility", "grade": 4, "value": 0.223}, {"code": "drawdown", "grade": 4, "value": 0.41}])
    change("900002", None, 3)
    change("900003", 3, 3)  # our own grade moved, the one in force did not
    shown = page_of(client, people.sue, "market_grades")
    assert "R3 → R4" in shown
    assert "Its volatility of 22.3\u00a0% a year asks for R4" in shown
    assert "its deepest fall of 41.0\u00a0% asks for R4" in shown
    assert "Fund 900002" not in shown
    assert "Fund 900003" not in shown


def test_the_issuer_is_the_reason_where_it_is_the_stricter(people, client):
    change("900001", 3, 5, own_grade=3, issuer_grade=5)
    shown = page_of(client, people.sue, "market_grades")
    assert "Its issuer grades it R5" in shown
    assert "volatility" not in shown


def test_changes_are_shown_by_direction(people, client):
    change("900001", 3, 4)
    change("900002", 4, 3)
    up, down = (page_of(client, people.sue, "market_grades", direction=direction) for direction in ("up", "down"))
    assert ("Fund 900001" in up, "Fund 900002" in up) == (True, False)
    assert ("Fund 900001" in down, "Fund 900002" in down) == (False, True)


@pytest.mark.parametrize("name", ["market_alerts", "market_grades"])
def test_full_pages_take_few_queries(name, people, client, django_assert_max_num_queries):
    for n in range(30):
        alert(f"91{n:04}", KIND.DRAWDOWN)
        change(f"92{n:04}", 3, 4)
    client.force_login(people.sue)
    with django_assert_max_num_queries(12):
        assert "Page 1 of 2" in client.get(reverse(name)).content.decode()


@pytest.mark.parametrize("name", ["market_alerts", "market_grades"])
def test_investors_and_marketers_see_neither(name, people, client):
    for user in (people.anna, people.mark):
        client.force_login(user)
        assert client.get(reverse(name)).status_code == 403
