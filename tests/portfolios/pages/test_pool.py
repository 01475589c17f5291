"""The pool's pages and the market's first one: what is in and why, earlier versions, decisions by hand on the page."""

import csv
import io
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portfolios.models import Fund, MarketAlert, Pool, PoolDecision, PoolFund
from tests.portfolios.pages.models_world import make_set
from tests.portfolios.pages.screens_world import CLOSED, make_pool, make_run

DAY = date(2026, 11, 20)
REASON = "Its manager left on Monday."


def page(client, who, name, *args, **query) -> str:
    client.force_login(who)
    response = client.get(reverse(name, args=args), query, headers={"accept-language": "en"})
    assert response.status_code == 200
    return response.content.decode()


def post(client, who, name, *args, **data) -> str:
    client.force_login(who)
    return client.post(reverse(name, args=args), data, follow=True, headers={"accept-language": "en"}).content.decode()


@pytest.fixture
def pool(people) -> Pool:
    return make_pool(make_run(DAY, {"F1": 0.95, "F2": 0.9, "F3": 0.5, "F4": 0.4}, gates={"F4": [CLOSED]}))


def wish(people, client, code="F1", kind="exclude", **changed) -> str:
    data = {"fund": code, "kind": kind, "reason": REASON, "expires_date": str(timezone.localdate() + timedelta(days=30))}
    return post(client, people.ada, "market_pool_decision_new", **(data | changed))


def test_the_pool_says_of_each_fund_why_it_is_in_and_what_it_would_lack(people, client, pool):
    text = page(client, people.ada, "market_pool")
    assert "2 funds from 0 companies." in text
    assert "In: it ranks above 95" in text
    assert "grade R1 has 0 funds and needs 8" in text
    assert "/funds/F3/" not in text
    assert "No fund is like that" in page(client, people.ada, "market_pool", grade="5")
    assert "/funds/F2/" in page(client, people.ada, "market_pool", q="f2", grade="'", asset_class="'")


def test_without_a_pool_the_page_says_what_to_do(people, client):
    assert "Screen the market" in page(client, people.sue, "market_pool")
    assert "nothing can be advised" in page(client, people.sue, "market_home")
    assert "There is no fund pool yet" in page(client, people.sue, "market_pool_versions")


def test_a_pool_that_no_screen_made_shows_what_was_written(people, client, pool):
    Pool.objects.update(is_current=False)
    other = Pool.objects.create(name="A list", is_current=True)
    PoolFund.objects.create(pool=other, fund=Fund.objects.get(code="F3"), reason="chosen by the committee")
    assert "chosen by the committee" in page(client, people.ada, "market_pool")
    assert "not in use" in page(client, people.ada, "market_pool_version", pool.pk)


def test_a_fund_is_found_then_asked_for_then_approved_by_another_and_is_out(people, client, pool):
    assert "?fund=F1" in page(client, people.ada, "market_pool_decision_new", q="f1")
    assert "No fund has “zzz”" in page(client, people.ada, "market_pool_decision_new", q="zzz")
    assert "It is in the pool." in page(client, people.ada, "market_pool_decision_new", fund="F1")
    assert "It waits for a second person." in wish(people, client)
    decision = PoolDecision.objects.get()
    assert "It waits for a supervisor" not in page(client, people.ada, "market_pool_decision", decision.pk)
    assert "It waits for a supervisor" in page(client, people.bob, "market_pool_decision", decision.pk)
    assert "Approve or return" in page(client, people.sue, "market_pool_decision", decision.pk)
    said = post(client, people.sue, "market_pool_decision_decide", decision.pk, approve="1")
    assert "The fund is out of the pool from now on" in said
    text = page(client, people.ada, "market_pool")
    assert "Taken out by hand since the screen" in text and REASON in text
    assert "taken out by hand, approved by Sue" in page(client, people.ada, "market_pool_versions")
    again = post(client, people.sue, "market_pool_decision_decide", decision.pk, approve="1")
    assert "Nothing was changed" in again and Pool.objects.count() == 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"reason": "short"}, "Say why, in at least 10 characters."),
        ({"reason": ""}, "Say why."),
        ({"expires_date": "2020-01-01"}, "The last day must lie after today"),
        ({"expires_date": "2999-01-01"}, "A decision lasts a year at most"),
        ({"kind": ""}, "Choose one of the two."),
        ({"code": "F4", "kind": "include"}, "It cannot be bought, so no decision puts it in: it is closed for purchase."),
        ({"code": "NONE"}, "No fund has “NONE”"),
    ],
)
def test_every_refusal_of_a_wish_is_a_sentence_on_the_form(people, client, pool, changed, said):
    assert said in wish(people, client, **changed)
    assert not PoolDecision.objects.exists()


def test_whoever_asked_cannot_approve_but_withdraw_and_a_return_needs_a_reason(people, client, pool):
    wish(people, client)
    decision = PoolDecision.objects.get()
    PoolDecision.objects.update(asked_by=people.sue)
    assert "another person must approve" in page(client, people.sue, "market_pool_decision", decision.pk)
    assert "somebody else must approve" in post(client, people.sue, "market_pool_decision_decide", decision.pk, approve="1")
    assert "Only who asked" in post(client, people.ada, "market_pool_decision_withdraw", decision.pk)
    PoolDecision.objects.update(asked_by=people.ada)
    assert "at least 10 characters" in post(client, people.sue, "market_pool_decision_decide", decision.pk, **{"return": "1"})
    too_long = post(client, people.sue, "market_pool_decision_decide", decision.pk, approve="1", answer="x" * 301)
    assert "too long" in too_long
    assert PoolDecision.objects.get().state == "waiting"
    assert "Withdrawn." in post(client, people.ada, "market_pool_decision_withdraw", decision.pk)


def test_the_queue_has_the_oldest_first_with_what_each_touches(people, client, pool):
    wish(people, client, "F2")
    wish(people, client, "F1")
    model = make_set().portfolios.order_by("pk")[0]
    model.weights.create(fund=Fund.objects.get(code="F1"), weight=0.25, low=0, high=1, held_share=1)
    text = page(client, people.sue, "market_pool_decisions")
    assert text.index("Fund F2") < text.index("Fund F1")
    assert "1 model portfolio holds it, with 25.0" in text
    assert "No decision is like that" in page(client, people.sue, "market_pool_decisions", state="approved")
    assert "Fund F2" in page(client, people.sue, "market_pool_decisions", state="")


def test_the_first_page_counts_what_waits(people, client, pool):
    wish(people, client)
    make_set(waits=True)
    fund = Fund.objects.get(code="F1")
    MarketAlert.objects.create(fund=fund, kind="drawdown", day=DAY)
    text = page(client, people.sue, "market_home")
    assert "5 funds of 7 are in the pool" in text and "Decide what waits" in text
    assert "1 alert is open" in text
    assert "Prices held back" in text
    assert "Prices held back" not in page(client, people.ada, "market_home"), "an advisor does not judge prices"


def test_staff_find_the_market_in_the_navigation_and_investors_do_not(people, client, pool):
    assert f'href="{reverse("market_home")}"' in page(client, people.ada, "market_pool")
    client.force_login(people.anna)
    assert f'href="{reverse("market_home")}"' not in client.get(reverse("home"), follow=True).content.decode()


def test_the_pools_file_has_a_row_a_fund_with_its_reason(people, client, pool):
    client.force_login(people.ada)
    content = b"".join(client.get(reverse("market_pool_csv", args=[pool.pk])).streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(content)))
    assert [(row["code"], row["grade"]) for row in rows] == [("F1", "R3"), ("F2", "R3")]
    assert all(row["why"] for row in rows)


def test_no_page_of_the_pool_asks_more_than_twelve_queries(people, client, pool):
    wish(people, client, "F1")
    decision = PoolDecision.objects.get()
    wish(people, client, "F2")
    post(client, people.sue, "market_pool_decision_decide", decision.pk, approve="1")
    make_set()
    client.force_login(people.sue)
    for name, args, query in [
        ("market_home", [], {}),
        ("market_pool", [], {"q": "F"}),
        ("market_pool_version", [pool.pk], {}),
        ("market_pool_versions", [], {}),
        ("market_pool_decisions", [], {}),
        ("market_pool_decisions", [], {"state": ""}),
        ("market_pool_decision", [decision.pk], {}),
        ("market_pool_decision", [PoolDecision.objects.latest("pk").pk], {}),
        ("market_pool_decision_new", [], {"q": "F"}),
        ("market_pool_decision_new", [], {"fund": "F1"}),
    ]:
        with CaptureQueriesContext(connection) as seen:
            assert client.get(reverse(name, args=args), query).status_code == 200
        assert len(seen) <= 12, f"{name} {query}: {len(seen)}"
