"""Buying and redeeming in the browser: the pages say what the gate says, and what it costs."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from advisor import services
from advisor.models import OwnPurchase
from advisor.selectors import home_page
from portfolios.models import Fund, Order
from portfolios.services import confirm_orders
from tests.advisor.site_world import give_level
from tests.advisor.test_purchases import funds, goal, in_hours, order, start  # noqa: F401  fixtures among them
from tests.portfolios.market import publish

ENGLISH = {"accept-language": "en"}


@pytest.fixture
def anna(client, people):
    client.force_login(people.anna)
    return client


def page(client, name, *args, status=200, **query):
    response = client.get(reverse(name, args=args), query, headers=ENGLISH)
    assert response.status_code == status, response
    return response.content.decode()


def send(client, name, *args, **data):
    return client.post(reverse(name, args=args), data, headers=ENGLISH)


def ask(client, goal, code, amount="10000"):  # noqa: F811
    key = re.search(r'name="key" value="([^"]+)"', page(client, "purchase_new", code))[1]
    return send(client, "purchase_new", code, amount=amount, goal=goal.pk, key=key)


def test_within_the_level_from_the_funds_page_to_the_order(anna, goal, funds):  # noqa: F811
    assert f'href="{reverse("purchase_new", args=["MM"])}"' in page(anna, "fund", "MM")
    response = ask(anna, goal, "MM")
    purchase = OwnPurchase.objects.get()
    assert response.headers["Location"] == reverse("purchase", args=[purchase.pk])
    confirm = page(anna, "purchase", purchase.pk)
    assert "¥10,000.00" in confirm and "The price is not known when you order" in confirm and "¥14.98" in confirm, "fee of 15 bps, outside"
    assert not Order.objects.exists(), "nothing is ordered by looking"
    assert send(anna, "purchase_order", purchase.pk).headers["Location"] == reverse("order_list")
    assert Order.objects.get().origin == "investor"
    assert "This purchase is ordered" in page(anna, "purchase", purchase.pk)


def test_above_the_level_by_warning_two_ticks_a_day_and_a_second_yes(anna, people, goal, funds):  # noqa: F811
    assert "We do not recommend it" in page(anna, "purchase_new", "EQ4")
    ask(anna, goal, "EQ4")
    purchase = OwnPurchase.objects.get()
    warning = page(anna, "purchase", purchase.pk)
    purchase.refresh_from_db()
    assert "Warning: this fund is above your level C3" in warning and purchase.warning_sha256 in warning
    assert not re.search(r"<input[^>]*\bchecked", warning), "nothing is ticked beforehand"
    assert reverse("purchase_order", args=[purchase.pk]) not in warning
    for ticks in ({}, {"has_read": "on"}, {"is_own_wish": "on"}):
        response = send(anna, "purchase_acknowledge", purchase.pk, sha256=purchase.warning_sha256, **ticks)
        assert response.status_code == 422
    send(anna, "purchase_acknowledge", purchase.pk, sha256=purchase.warning_sha256, has_read="on", is_own_wish="on")
    assert "You can confirm from" in page(anna, "purchase", purchase.pk)
    send(anna, "purchase_order", purchase.pk)
    assert not Order.objects.exists()
    assert "Not ordered yet" in page(anna, "order_list") and not home_page(people.anna_investor).due_purchases
    with in_hours(25):
        anna.force_login(people.anna)
        home = page(anna, "home")
        assert "is over. Nothing is ordered unless you confirm" in home and "There is nothing to do" not in home
        assert "Your time to think is over" in page(anna, "purchase", purchase.pk)
        send(anna, "purchase_order", purchase.pk)
        assert Order.objects.get().fund.code == "EQ4"


@pytest.mark.parametrize(
    ("level", "days", "code", "said"),
    [
        (0, 100, "EQ4", "may hold money-market funds of grade R1 only"),
        (None, 100, "MM", "no risk level yet"),
        (3, -1, "MM", "has expired"),
        (3, 100, "shut", "takes no purchases"),
    ],
)
def test_where_the_gate_forbids_the_page_says_why_and_offers_no_form(anna, people, goal, funds, level, days, code, said):  # noqa: F811
    give_level(people.anna_investor, level, days=days)
    Fund.objects.filter(code="EQ5").update(code="shut", is_open=False, risk_grade=1)
    shown = page(anna, "purchase_new", code)
    assert said in shown and 'name="amount"' not in shown
    assert reverse("purchase_new", args=[code]) not in page(anna, "fund", code)
    assert send(anna, "purchase_new", code, amount="1000", goal=goal.pk, key="0" * 32).status_code == 422
    assert not OwnPurchase.objects.exists()


def test_what_is_missing_is_said_in_yuan(anna, goal, funds):  # noqa: F811
    response = ask(anna, goal, "MM", amount="100000.01")
    assert response.status_code == 422 and "¥0.01 is missing" in response.content.decode()
    assert "The smallest purchase" in ask(anna, goal, "MM", amount="0.01").content.decode()


def test_somebody_elses_goal_pays_for_nothing(client, people, goal, funds):  # noqa: F811
    give_level(people.ben_investor, 3)
    client.force_login(people.ben)
    assert "There is no cash to buy with" in page(client, "purchase_new", "MM")
    assert send(client, "purchase_new", "MM", amount="1000", goal=goal.pk, key="0" * 32).status_code == 422
    assert not OwnPurchase.objects.exists()


def test_a_purchase_is_dropped_with_one_click(anna, people, goal, funds):  # noqa: F811
    purchase = start(people, goal, funds["EQ4"])
    send(anna, "purchase_withdraw", purchase.pk)
    assert "You dropped this purchase" in page(anna, "purchase", purchase.pk)
    assert "Not ordered yet" not in page(anna, "order_list")


def test_redeeming_shows_what_it_brings_before_it_is_ordered(anna, people, goal, funds):  # noqa: F811
    publish(funds["MM"], {timezone.localdate() - timedelta(days=1): 1_000_000})
    order(people, start(people, goal, funds["MM"]))
    confirm_orders(today=timezone.localdate() + timedelta(days=30))
    address = reverse("redeem", args=[goal.pk, "MM"])
    assert address in page(anna, "goal", goal.pk)
    free = services.free_units(goal, funds["MM"])
    shown = page(anna, "redeem", goal.pk, "MM", units=f"{free / 100}")
    assert "Redemption fee" in shown and "The price is not known when you order" in shown
    key = re.search(r'name="key" value="([^"]+)"', shown)[1]
    for _twice in range(2):
        assert send(anna, "redeem", goal.pk, "MM", units=f"{free / 100}", key=key).headers["Location"] == reverse("order_list")
    assert Order.objects.filter(side="sell").count() == 1
    assert "0.00 units that can be redeemed" in page(anna, "redeem", goal.pk, "MM", status=422, units="1")


def test_the_pages_take_few_queries(anna, people, goal, funds, django_assert_max_num_queries):  # noqa: F811
    for _ in range(3):
        purchase = start(people, goal, funds["EQ4"])
    page(anna, "purchase", purchase.pk)
    for name, args in [("purchase", [purchase.pk]), ("purchase_new", ["EQ4"]), ("order_list", []), ("redeem", [goal.pk, "MM"])]:
        with django_assert_max_num_queries(12):
            page(anna, name, *args)
