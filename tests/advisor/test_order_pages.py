from datetime import date, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from advisor.models import Account, Goal
from portfolios.models import Order
from portfolios.services import OrderRequest, cancel_order, confirm_orders, deposit, open_portfolio, place_order
from tests.portfolios.market import make_fund, publish

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=ZoneInfo("Asia/Shanghai"))


@pytest.fixture
def fund(db):
    fund = make_fund(name_en="Steady shares")
    publish(fund, {date(2026, 2, 27): 1_000_000})
    return fund


@pytest.fixture(autouse=True)
def _by_the_rules(settings):
    settings.PAPER_CONFIRMS_AT_ONCE = False


def make_goal(investor, name="Home") -> Goal:
    portfolio = open_portfolio()
    deposit(portfolio_id=portfolio.pk, amount_minor=100_000_000, key=f"start-{portfolio.pk}", date=MONDAY)
    account = Account.objects.create(investor=investor)
    return Goal.objects.create(
        account=account, portfolio=portfolio, name=name, kind="home", amount_minor=100_000_000, target_date=MONDAY + timedelta(days=3_000)
    )


def order(goal, fund, placed_at=NOON, **asked) -> Order:
    what = {"side": "buy", "amount_minor": 1_000_000} | asked
    return place_order(
        OrderRequest(
            portfolio_id=goal.portfolio_id,
            fund_id=fund.pk,
            origin="proposal",
            clearance_id=uuid4(),
            idempotency_key=uuid4().hex,
            placed_at=placed_at,
            **what,
        )
    )


def shown(response) -> list[list[tuple[str, bool]]]:
    return [[(step.code, step.is_done) for step in row["steps"]] for row in response.context["rows"]]


def test_the_list_holds_own_orders_only_newest_first(client, people, fund):
    anna, ben = make_goal(people.anna_investor, "Anna's home"), make_goal(people.ben_investor, "Ben's boat")
    first = order(anna, fund)
    second = order(anna, fund, placed_at=NOON + timedelta(minutes=1))
    order(ben, fund)
    client.force_login(people.anna)
    response = client.get(reverse("order_list"))
    assert [row["order"].pk for row in response.context["rows"]] == [second.pk, first.pk]
    assert "Anna&#x27;s home" in response.text and "boat" not in response.text


@pytest.mark.parametrize("who", ["ada", "cora", "sue", "mark", "adam", "ben"])
def test_nobody_sees_the_orders_of_another_here(client, people, fund, who):
    order(make_goal(people.anna_investor), fund)
    client.force_login(getattr(people, who))
    response = client.get(reverse("order_list"))
    assert response.status_code == 200
    assert response.context["rows"] == [] and "No orders yet" in response.text


def test_a_purchase_walks_its_four_steps(client, people, fund):
    goal = make_goal(people.anna_investor)
    order(goal, fund)
    client.force_login(people.anna)
    url = reverse("order_list")
    response = client.get(url)
    assert shown(response) == [[("placed", True), ("accepted", False), ("confirmed", False), ("held", False)]]
    assert "expected by 2026-03-03" in response.text and "On its way" in response.text
    confirm_orders(today=MONDAY)
    assert shown(client.get(url))[0][1] == ("accepted", True)
    publish(fund, {MONDAY: 1_000_000})
    confirm_orders(today=MONDAY + timedelta(days=1))
    response = client.get(url)
    assert shown(response) == [[("placed", True), ("accepted", True), ("confirmed", True), ("held", True)]]
    assert "¥59.64" in response.text and "9,940.36" in response.text


def test_a_redemption_ends_with_its_money(client, people, fund):
    goal = make_goal(people.anna_investor)
    publish(fund, {MONDAY: 1_000_000, date(2026, 3, 9): 1_000_000})
    order(goal, fund)
    confirm_orders(today=date(2026, 3, 3))
    order(goal, fund, placed_at=NOON + timedelta(days=7), side="sell", amount_minor=None, units_centi=100_000)
    confirm_orders(today=date(2026, 3, 10))
    client.force_login(people.anna)
    response = client.get(reverse("order_list"))
    assert shown(response)[0] == [("placed", True), ("accepted", True), ("confirmed", True), ("paid", False)]
    assert "expected by 2026-03-13" in response.text and "¥990.00" in response.text
    confirm_orders(today=date(2026, 3, 13))
    assert shown(client.get(reverse("order_list")))[0][3] == ("paid", True)


def test_an_order_that_ended_early_says_how_and_why(client, people, fund):
    goal = make_goal(people.anna_investor)
    cancel_order(order_id=order(goal, fund).pk, actor=people.anna, now=NOON)
    order(goal, fund)
    type(fund).objects.update(is_open=False)
    confirm_orders(today=MONDAY)
    client.force_login(people.anna)
    response = client.get(reverse("order_list"))
    assert shown(response) == [[("placed", True), ("rejected", True)], [("placed", True), ("cancelled", True)]]
    assert "The fund was closed for purchases" in response.text


def test_the_list_takes_few_queries_whatever_its_length(client, people, fund, django_assert_max_num_queries):
    goal = make_goal(people.anna_investor)
    for minute in range(23):
        order(goal, fund, placed_at=NOON + timedelta(minutes=minute))
    client.force_login(people.anna)
    with django_assert_max_num_queries(12):
        assert len(client.get(reverse("order_list")).context["rows"]) == 20
    with django_assert_max_num_queries(12):
        assert len(client.get(reverse("order_list"), {"page": "2"}).context["rows"]) == 3
