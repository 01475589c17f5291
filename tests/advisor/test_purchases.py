"""Purchases that an investor starts: the warning, the time to think, the second confirmation, and the gate at both ends."""

import hashlib
import json
import threading
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.db import connections
from django.utils import timezone, translation

from advisor import services
from advisor.errors import Refused
from advisor.models import AdvicePayload, AdviceRecord, Clearance, Investor, OwnPurchase
from advisor.services import Wish
from portfolios.models import Fund, Order, Portfolio
from portfolios.services import confirm_orders, deposit, open_portfolio
from tests.advisor.site_world import give_level, make_goal
from tests.portfolios.market import make_fund, publish

CASH = 10_000_000
AMOUNT = 1_000_000


@pytest.fixture
def funds(db):
    kinds = {"MM": ("money", "money_market", 1), "EQ4": ("equity", "equity", 4), "EQ5": ("sector", "sector_equity", 5)}
    for code, (category, asset_class, grade) in kinds.items():
        make_fund(code, category=category, asset_class=asset_class, grade=grade)
    Fund.objects.update(last_nav_micro=1_000_000, last_nav_date=timezone.localdate(), purchase_fee_bps=15)
    return Fund.objects.in_bulk(field_name="code")


@pytest.fixture
def goal(people):
    give_level(people.anna_investor, 3)
    portfolio = open_portfolio()
    deposit(portfolio_id=portfolio.pk, amount_minor=CASH, key="start")
    return make_goal(people.anna_investor, portfolio=portfolio)


def start(people, goal, fund, **said) -> OwnPurchase:
    wish = Wish(goal=goal, fund=fund, amount_minor=said.get("amount_minor", AMOUNT), key=said.get("key") or uuid4())
    return services.start_purchase(wish=wish, actor=people.anna)


def warned(people, goal, fund) -> OwnPurchase:
    return services.show_warning(purchase=start(people, goal, fund), actor=people.anna)


def waiting(people, goal, fund) -> OwnPurchase:
    row = warned(people, goal, fund)
    return services.acknowledge_warning(purchase=row, actor=people.anna, seen_sha256=row.warning_sha256)


def order(people, purchase) -> OwnPurchase:
    return services.order_purchase(purchase=purchase, actor=people.anna)


def refused(people, purchase) -> str:
    before = Order.objects.count()
    with pytest.raises(Refused) as error:
        order(people, purchase)
    assert Order.objects.count() == before
    return error.value.code


def in_hours(hours: float):
    return time_machine.travel(timezone.now() + timedelta(hours=hours), tick=False)


def test_within_the_level_it_is_ordered_at_once_and_once(people, goal, funds):
    purchase = start(people, goal, funds["MM"])
    assert (purchase.state, purchase.warning_kind) == ("open", "")
    assert services.show_warning(purchase=purchase, actor=people.anna).state == "open", "no warning where none is wanted"
    done = order(people, purchase)
    placed = Order.objects.get()
    assert (done.state, placed.origin, placed.amount_minor, placed.clearance_id) == ("ordered", "investor", AMOUNT, done.clearance_id)
    assert Portfolio.objects.get().cash_minor == CASH - AMOUNT
    assert order(people, purchase).state == "ordered" and Order.objects.count() == 1
    assert list(AdviceRecord.objects.values_list("kind", flat=True)) == ["purchase"]
    assert [event.to_state for event in purchase.events.order_by("pk")] == ["open", "ordered"]


def test_the_same_form_sent_twice_is_one_purchase_and_one_decision(people, goal, funds):
    key = uuid4()
    assert start(people, goal, funds["MM"], key=key) == start(people, goal, funds["MM"], key=key)
    assert (OwnPurchase.objects.count(), Clearance.objects.count()) == (1, 1)


def test_above_the_level_it_is_warned_of_waits_and_is_confirmed_again(people, goal, funds):
    purchase = start(people, goal, funds["EQ4"])
    assert (purchase.state, purchase.warning_kind, refused(people, purchase)) == ("open", "above_level", "not_acknowledged")
    purchase = services.show_warning(purchase=purchase, actor=people.anna)
    assert purchase.warning_sha256 == hashlib.sha256(purchase.warning_text.encode()).hexdigest()
    assert "R4" in purchase.warning_text and "C3" in purchase.warning_text and purchase.warned_at
    assert refused(people, purchase) == "not_acknowledged"
    purchase = services.acknowledge_warning(purchase=purchase, actor=people.anna, seen_sha256=purchase.warning_sha256)
    assert purchase.may_order_at - purchase.acknowledged_at == timedelta(hours=24)
    again = services.acknowledge_warning(purchase=purchase, actor=people.anna, seen_sha256=purchase.warning_sha256)
    assert again.may_order_at == purchase.may_order_at, "a second click moves nothing"
    with in_hours(23.9):
        assert refused(people, purchase) == "must_wait"
    with in_hours(24.1):
        done = order(people, purchase)
    assert done.state == "ordered" and Order.objects.get().origin == "investor"
    assert Clearance.objects.get(pk=done.clearance_id).verdict == "warn"
    assert list(AdviceRecord.objects.order_by("seq").values_list("kind", flat=True)) == ["warning", "warning_acknowledged", "purchase"]
    told = json.loads(AdvicePayload.objects.order_by("seq").first().text)
    assert (told["text"], told["sha256"], told["language"]) == (purchase.warning_text, purchase.warning_sha256, purchase.warning_language)


def test_the_warning_is_kept_in_the_language_it_was_read_in(people, goal, funds):
    with translation.override("zh-hans"):
        purchase = warned(people, goal, funds["EQ4"])
        chinese = purchase.warning_sha256
        assert "风险等级" in purchase.warning_text and purchase.warning_language == "zh-hans"
        services.show_warning(purchase=purchase, actor=people.anna)
    with translation.override("en"):
        purchase = services.show_warning(purchase=purchase, actor=people.anna)
    assert "graded R4" in purchase.warning_text and purchase.warning_language == "en"
    assert AdviceRecord.objects.filter(kind="warning").count() == 2, "once a language, not once a reload"
    with pytest.raises(Refused, match="warning_changed"):
        services.acknowledge_warning(purchase=purchase, actor=people.anna, seen_sha256=chinese)
    purchase.refresh_from_db()
    assert purchase.state == "warned"


def test_the_highest_grade_is_explained_and_waits_even_within_the_level(people, goal, funds):
    give_level(people.anna_investor, 5)
    purchase = waiting(people, goal, funds["EQ5"])
    assert (purchase.warning_kind, purchase.state) == ("highest_grade", "waiting")
    assert refused(people, purchase) == "must_wait"
    with in_hours(25):
        assert order(people, purchase).state == "ordered"
    assert Clearance.objects.get(pk=OwnPurchase.objects.get().clearance_id).verdict == "recommend"


def lower(investor):
    Investor.objects.filter(pk=investor.pk).update(level=2)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lower, "changed_since_started"),
        (lambda investor: Investor.objects.filter(pk=investor.pk).update(level=0), "only_class"),
        (lambda investor: Investor.objects.filter(pk=investor.pk).update(level=None), "no_level"),
        (lambda investor: Investor.objects.filter(pk=investor.pk).update(level_valid_until=timezone.localdate()), "level_expired"),
        (lambda investor: Fund.objects.update(risk_grade=5), "changed_since_started"),
        (lambda investor: Fund.objects.update(is_open=False), "fund_not_open"),
        (lambda investor: Portfolio.objects.update(cash_minor=5), "not_enough_cash"),
    ],
    ids=["level lowered", "to the lowest class", "no level", "expired", "grade risen", "closed", "cash gone"],
)
def test_the_gate_decides_again_at_the_order_and_keeps_its_decision(people, goal, funds, change, code):
    purchase = waiting(people, goal, funds["EQ4"])
    change(people.anna_investor)
    n_decisions = Clearance.objects.count()
    with in_hours(25):
        assert refused(people, purchase) == code
    purchase.refresh_from_db()
    assert purchase.state == "waiting" and not AdviceRecord.objects.filter(kind="purchase").exists()
    assert Clearance.objects.count() == n_decisions + 1
    if code == "not_enough_cash":
        assert Portfolio.objects.get().cash_minor == 5


def test_a_purchase_within_the_level_that_is_above_it_by_now_starts_anew(people, goal, funds):
    purchase = start(people, goal, funds["MM"])
    Fund.objects.filter(code="MM").update(risk_grade=4)
    assert refused(people, purchase) == "changed_since_started"


def test_a_higher_level_by_a_new_assessment_needs_the_warning_no_more(people, goal, funds):
    purchase = waiting(people, goal, funds["EQ4"])
    give_level(people.anna_investor, 4)
    with in_hours(25):
        assert order(people, purchase).state == "ordered"


@pytest.mark.parametrize(
    ("level", "days", "code"),
    [(0, 200, "only_class"), (None, 200, "no_level"), (3, -1, "level_expired")],
    ids=["the lowest class", "no level", "expired"],
)
def test_some_never_buy_above_and_the_decision_is_kept(people, goal, funds, level, days, code):
    give_level(people.anna_investor, level, days=days)
    with pytest.raises(Refused, match=code):
        start(people, goal, funds["EQ4"])
    assert not OwnPurchase.objects.exists() and Clearance.objects.get().verdict == "forbid"


@pytest.mark.parametrize(("amount_minor", "code"), [(1, "below_smallest_purchase"), (CASH + 1, "not_enough_cash")])
def test_an_amount_that_cannot_be_is_refused_before_anything_is_written(people, goal, funds, amount_minor, code):
    with pytest.raises(Refused, match=code):
        start(people, goal, funds["MM"], amount_minor=amount_minor)
    assert not Clearance.objects.exists()


def test_nobody_buys_or_redeems_for_somebody_else(people, goal, funds):
    purchase = waiting(people, goal, funds["EQ4"])
    wish = Wish(goal=goal, fund=funds["MM"], amount_minor=AMOUNT, key=uuid4())
    for who in (people.ada, people.sue, people.ben):
        for refuses in (
            lambda who=who: services.start_purchase(wish=wish, actor=who),
            lambda who=who: services.order_purchase(purchase=purchase, actor=who),
            lambda who=who: services.withdraw_purchase(purchase=purchase, actor=who),
            lambda who=who: services.acknowledge_warning(purchase=purchase, actor=who, seen_sha256="x"),
            lambda who=who: services.redeem_units(goal=goal, fund=funds["MM"], units_centi=1, key=uuid4(), actor=who),
        ):
            with pytest.raises(Refused, match="not_your_purchase"):
                refuses()


def test_it_lapses_after_some_days_and_may_be_dropped_before(people, goal, funds):
    lapsing, dropped = waiting(people, goal, funds["EQ4"]), warned(people, goal, funds["EQ4"])
    assert services.withdraw_purchase(purchase=dropped, actor=people.anna)
    assert not services.withdraw_purchase(purchase=dropped, actor=people.anna)
    assert refused(people, dropped) == "purchase_ended"
    with in_hours(24 * 8 + 1):
        assert refused(people, lapsing) == "purchase_lapsed", "also before the nightly job has written it down"
        assert (services.lapse_purchases(), services.lapse_purchases()) == (1, 0)
        lapsing.refresh_from_db()
        assert lapsing.state == "lapsed" and refused(people, lapsing) == "purchase_ended"


def test_selling_is_never_blocked_and_is_ordered_once(people, goal, funds):
    publish(funds["MM"], {timezone.localdate() - timedelta(days=1): 1_000_000})
    order(people, start(people, goal, funds["MM"]))
    confirm_orders(today=timezone.localdate() + timedelta(days=30))
    held = services.free_units(goal, funds["MM"])
    assert held > 0
    Investor.objects.filter(pk=people.anna_investor.pk).update(level=None)
    Fund.objects.update(is_open=False, risk_grade=5)
    preview = services.preview_redemption(goal=goal, fund=funds["MM"], units_centi=held)
    assert preview.gross_minor > 0 and preview.pay_date >= preview.price_date
    key = uuid4()
    sale = services.redeem_units(goal=goal, fund=funds["MM"], units_centi=held, key=key, actor=people.anna)
    assert (sale.origin, sale.side, Clearance.objects.get(pk=sale.clearance_id).reasons) == ("investor", "sell", ["sale"])
    assert services.redeem_units(goal=goal, fund=funds["MM"], units_centi=held, key=key, actor=people.anna) == sale
    assert services.free_units(goal, funds["MM"]) == 0
    for refuses in (
        lambda: services.redeem_units(goal=goal, fund=funds["MM"], units_centi=1, key=uuid4(), actor=people.anna),
        lambda: services.preview_redemption(goal=goal, fund=funds["MM"], units_centi=1),
    ):
        with pytest.raises(Refused, match="not_enough_units"):
            refuses()


@pytest.mark.django_db(transaction=True)
def test_two_tabs_make_one_purchase_and_one_order_of_it(people, goal, funds):
    key, outcomes, together = uuid4(), [], threading.Barrier(3)

    def tab(act):
        together.wait()
        try:
            purchase = start(people, goal, funds["MM"], key=key)
            act(purchase=purchase, actor=people.anna)
            outcomes.append("done")
        except Refused as refusal:
            outcomes.append(refusal.code)
        finally:
            connections.close_all()

    acts = (services.order_purchase, services.order_purchase, services.withdraw_purchase)
    threads = [threading.Thread(target=tab, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    purchase = OwnPurchase.objects.get()
    assert purchase.state in {"ordered", "withdrawn"} and len(outcomes) == 3
    assert Order.objects.count() == (purchase.state == "ordered")
    assert set(outcomes) <= {"done", "purchase_ended"}
    assert Portfolio.objects.get().cash_minor == CASH - AMOUNT * Order.objects.count()


def test_own_purchases_are_seen_by_their_investor_and_those_who_advise(people, goal, funds):
    start(people, goal, funds["MM"])
    seen = {name: OwnPurchase.objects.visible_to(getattr(people, name)).count() for name in ("anna", "ben", "ada", "bob", "mark", "adam")}
    assert seen == {"anna": 1, "ben": 0, "ada": 1, "bob": 0, "mark": 0, "adam": 0}
