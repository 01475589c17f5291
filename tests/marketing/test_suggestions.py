"""What is shown: checked at the moment of showing, with before and after, for a true reason, once a day in the log."""

import uuid
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone, translation

from advisor.models import Consent, Investor
from advisor.services import give_consent, set_preference
from marketing.kernels.suiting import REMOVED, STEP
from marketing.models import Event, NotInterested, RecommenderRun, Suggestion, SuggestionImpression
from marketing.selectors.suggestion_words import CODES, reason_in_words
from marketing.selectors.suggestions import suggestions_beside, suggestions_to_show
from marketing.selectors.suiting import suit_block
from marketing.services.api_keys import make_api_key
from marketing.services.suggestions import decline, note_click, note_impressions, take_back
from portfolios.models import Fund, Holding, ModelSet, Order, Pool, PoolFund, Portfolio
from tests.marketing.suiting_world import agree, approve_plain_models, hold, suggest
from tests.portfolios.market import make_fund

CASH = 10_000_000  # 100,000 yuan
CLASSES = {"MM": ("money", "money_market", 1), "BO": ("bond", "bond", 2), "MX": ("mixed", "mixed", 3), "EQ": ("equity", "equity", 4)}


@pytest.fixture
def market(db):
    pool = Pool.objects.create(name="pool", is_current=True)
    for kind, (category, asset_class, grade) in CLASSES.items():
        for n in (1, 2, 3):
            fund = make_fund(f"{kind}{n}", category=category, asset_class=asset_class, grade=grade, company=f"House {kind}{n}")
            PoolFund.objects.create(pool=pool, fund=fund)
    return approve_plain_models()


@pytest.fixture
def anna(people, market):
    """Level C3, and a goal with nothing but cash: whatever suits her fits."""
    investor = agree(people.anna_investor)
    hold(investor, cash_minor=CASH)
    return investor


def shown(investor, n=10):
    return [one.fund.code for one in suggestions_to_show(Investor.objects.get(pk=investor.pk), n=n)]


def removed(investor, *codes):
    """What became of each fund proposed to a person: '' where it is left."""
    keys = dict(Fund.objects.values_list("code", "pk"))
    verdict = suit_block([investor.pk], np.array([[keys[code] for code in codes]])).verdict[0]
    return ["" if place < 0 else REMOVED[place] for place in verdict.tolist()]


def test_the_stored_order_is_kept_and_every_filter_says_what_it_removed(anna):
    suggest(anna, "MX1", "EQ1", "BO1", "BO2", "BO3", "MM1")
    assert shown(anna) == ["MX1", "BO1", "BO2", "MM1"], "above the level, and a third of one category"
    assert removed(anna, "MX1", "EQ1", "BO1", "BO2", "BO3", "MM1") == ["", "level", "", "", "alike", ""]
    keys = dict(Fund.objects.values_list("code", "pk"))
    counts = suit_block([anna.pk], np.array([[keys["MX1"], keys["EQ1"], -1]])).counts
    assert (counts["proposed"], counts["kept"], counts["level"], sum(counts[name] for name in REMOVED)) == (2, 1, 1, 1)


CHANGES = {
    "level": lambda anna: Investor.objects.filter(pk=anna.pk).update(level=2),
    "expired": lambda anna: Investor.objects.filter(pk=anna.pk).update(level_valid_until=timezone.localdate() - timedelta(days=1)),
    "no level": lambda anna: Investor.objects.filter(pk=anna.pk).update(level=None),
    "graded higher": lambda anna: Fund.objects.filter(code="MX1").update(risk_grade=4),
    "closed": lambda anna: Fund.objects.filter(code="MX1").update(is_open=False),
    "wound up": lambda anna: Fund.objects.filter(code="MX1").update(ended_on=timezone.localdate()),
    "left the pool": lambda anna: PoolFund.objects.filter(fund__code="MX1").delete(),
    "off": lambda anna: set_preference(investor=anna, switch="recommendations", is_on=False),
    "account shut": lambda anna: get_user_model().objects.filter(pk=anna.user_id).update(is_active=False),
    "no consent": lambda anna: give_consent(investor=anna, purpose=Consent.Purpose.PROFILING, is_given=False, source="test"),
    "not interested": lambda anna: decline(investor=anna, fund=Fund.objects.get(code="MX1")),
    "cap": lambda anna: Holding.objects.create(
        portfolio=anna.accounts.get().goals.get().portfolio, fund=Fund.objects.get(code="MX1"), units_centi=1, cost_minor=3_000_000
    ),
    "another run": lambda anna: RecommenderRun.objects.update(is_serving=False),
    "no models": lambda anna: ModelSet.objects.update(is_current=False),
}
NOTHING_AT_ALL = {"expired", "no level", "off", "account shut", "no consent", "no models"}


@pytest.mark.parametrize("what", CHANGES)
def test_what_changed_since_the_night_counts_when_it_is_shown(anna, what):
    suggest(anna, "MX1")
    assert shown(anna) == ["MX1"]
    CHANGES[what](anna)
    assert "MX1" not in shown(anna)
    assert (shown(anna) == []) == (what in NOTHING_AT_ALL), "whoever has no suggestion left gets what their plan lacks"


def test_a_fund_without_room_for_the_smallest_purchase_is_not_suggested(anna):
    """Half of its units is the most that all advised assets may be; nobody buys beyond, so nobody is told to."""
    suggest(anna, "MX1", "MX2", "MX3")
    Fund.objects.filter(code__in=["MX1", "MX2"]).update(units_centi=10_000_000, last_nav_micro=1_000_000)
    Fund.objects.filter(code="MX3").update(daily_limit_minor=100, last_nav_micro=1_000_000)
    others = Portfolio.objects.create()
    for code, units in {"MX1": 5_000_000, "MX2": 4_000_000}.items():
        Holding.objects.create(portfolio=others, fund=Fund.objects.get(code=code), units_centi=units, cost_minor=units)
    assert removed(anna, "MX1", "MX2", "MX3") == ["closed", "", "closed"]
    assert shown(anna) == ["MX2"]


def test_another_share_class_of_a_declined_fund_is_not_suggested(anna):
    Fund.objects.filter(code__in=["MX1", "MX2"]).update(family_code="MX")
    decline(investor=anna, fund=Fund.objects.get(code="MX2"))
    assert removed(anna, "MX1", "MX3") == ["not_interested", ""]


def test_the_cap_of_one_fund_counts_all_of_its_share_classes(people, market):
    Fund.objects.filter(code__in=["MX1", "MX2"]).update(family_code="MX")
    investor = agree(people.anna_investor)
    hold(investor, cash_minor=8_100_000, MX1=1_900_000)
    assert removed(investor, "MX1", "MX2", "MX3") == ["cap", "cap", ""]


def test_two_share_classes_and_two_funds_that_move_together_are_alike(anna):
    ModelSet.objects.update(is_current=False)
    approve_plain_models(alike=[("BO1", "MX1")])
    Fund.objects.filter(code__in=["MM1", "MM2"]).update(family_code="MM")
    assert removed(anna, "MM1", "MM2", "BO1", "MX1", "MX2") == ["", "alike", "", "alike", ""]


def test_a_fund_that_worsens_the_mandate_is_not_shown_and_the_numbers_say_why(people, market):
    ModelSet.objects.update(is_current=False)
    approve_plain_models(gamma=200.0, cvar=0.01, alike=[("BO1", "EQ1")])
    investor = agree(people.anna_investor, 4)
    hold(investor, MM1=2_500_000, MM2=2_500_000, BO1=2_500_000, BO2=2_500_000)
    keys = dict(Fund.objects.values_list("code", "pk"))
    suited = suit_block([investor.pk], np.array([[keys["EQ1"], keys["MM3"]]]))
    assert suited.fit.utility_change[0, 0] < 0 < suited.fit.utility_change[0, 1]
    assert suited.fit.cvar_after[0, 0] > suited.fit.cvar_before[0] > suited.fit.cvar_after[0, 1]
    assert removed(investor, "EQ1", "MM3") == ["mandate", ""]


def test_figures_are_those_of_the_portfolio_after_a_small_purchase(people, market):
    """Worked out by hand: half cash, half MX1; a twentieth of it from cash into BO1."""
    investor = agree(people.anna_investor)
    hold(investor, cash_minor=5_000_000, MX1=5_000_000)
    suggest(investor, "BO1")
    figures = suggestions_to_show(investor)[0].figures
    before, after = 0.5 * 0.06, np.sqrt((0.5 * 0.06) ** 2 + (STEP * 0.04) ** 2 + 2 * 0.5 * STEP * 0.1 * 0.06 * 0.04)
    mean = 0.5 * 0.05
    fee = STEP * Fund.objects.get(code="BO1").purchase_fee_bps / 10_000 / 5
    assert figures["cvar"] == pytest.approx([2.062713 * before - mean, 2.062713 * after - mean - STEP * 0.03], abs=1e-9)
    assert figures["utility"] == pytest.approx([mean - before**2, mean + STEP * 0.03 - after**2 - fee], abs=1e-9)
    assert figures["category"] == pytest.approx([1.0, (0.5**2 + STEP**2) / 0.55**2])
    assert figures["base_minor"] == 10_000_000


def test_nothing_that_is_shown_lowers_the_mandates_utility(people, market):
    random = np.random.default_rng(5)
    keys = list(Fund.objects.order_by("code").values_list("code", "pk"))
    investor = agree(people.anna_investor, 5)
    goal, n_kept, n_mandate = hold(investor), 0, 0
    for _ in range(12):
        Holding.objects.all().delete()
        for code, _ in keys:
            if random.random() < 0.4:
                fund = Fund.objects.get(code=code)
                Holding.objects.create(portfolio=goal.portfolio, fund=fund, units_centi=1, cost_minor=int(random.integers(1, 10**7)))
        suited = suit_block([investor.pk], np.array([[pk for _, pk in keys]]))
        assert (suited.utility_changes >= 0).all()
        n_kept, n_mandate = n_kept + suited.counts["kept"], n_mandate + suited.counts["mandate"]
    assert n_kept > 0 and n_mandate > 0


def test_a_purchase_on_its_way_counts_as_held(anna):
    goal = anna.accounts.get().goals.get()
    Order.objects.create(
        portfolio=goal.portfolio, fund=Fund.objects.get(code="MX1"), side="buy", origin="investor", amount_minor=5_000_000,
        clearance_id="018f3c1e-7b0e-7000-8000-000000000001", idempotency_key="x", placed_at=timezone.now(),
    )  # fmt: skip
    assert removed(anna, "MX1", "MX2") == ["cap", ""]


def test_a_goal_that_ends_soon_lowers_what_may_be_suggested(people, market):
    investor = agree(people.anna_investor, 5)
    goal = hold(investor, cash_minor=CASH)
    assert removed(investor, "EQ1") == [""]
    goal.target_date = timezone.localdate() + timedelta(days=200)
    goal.save()
    assert removed(investor, "EQ1", "BO1") == ["level", ""]


def test_a_newcomer_is_shown_their_own_plan_and_nothing_that_would_worsen_it(people, market):
    ModelSet.objects.update(is_current=False)
    approve_plain_models(gamma=200.0, alike=[("BO2", "MX1")], weights={"MM1": 0.5, "BO2": 0.5})
    investor = agree(people.anna_investor)
    suggest(investor, "MX1", "BO2")
    only = suggestions_to_show(investor, n=10)
    assert [(one.fund.code, one.reason_data, one.is_plan) for one in only] == [("BO2", {"code": "in_model", "weight": 0.5}, True)]
    assert only[0].bad_year_minor == only[0].bad_year_after_minor > 0, "a step of the plan changes nothing"
    hold(investor, cash_minor=0)
    assert suggestions_to_show(investor)[0].reason_data == {"code": "in_plan", "weight": 0.5}, "with a goal the plan is their own"
    Suggestion.objects.all().delete()
    assert shown(investor) == ["MM1", "BO2"]


def test_without_suggestions_the_largest_gap_of_the_plan_comes_first_with_its_reason(people, market):
    ModelSet.objects.update(is_current=False)
    approve_plain_models(weights={"BO1": 0.5, "MX1": 0.3, "MM1": 0.2})
    investor = agree(people.anna_investor)
    hold(investor, cash_minor=5_000_000, MX1=4_500_000, BO2=500_000)
    with translation.override("en"):
        first = suggestions_to_show(investor, n=3)[0]
    assert (first.fund.code, first.model) == ("BO1", "plan")
    assert first.reason_data == {"code": "fills_part", "asset_class": "bond", "plan": 0.5, "held": pytest.approx(0.05)}
    assert first.reason.startswith("It fills a part of your plan: Bonds are to be 50") and "you have 5" in first.reason


def test_a_cheaper_similar_fund_is_named_with_its_true_fees(people, market):
    ModelSet.objects.update(is_current=False)
    Fund.objects.filter(code="BO1").update(annual_fee_bps=120)
    Fund.objects.filter(code="BO2").update(annual_fee_bps=60, sales_fee_bps=10)
    approve_plain_models(alike=[("BO1", "BO2"), ("MX2", "BO2"), ("MX2", "BO3")], weights={"MX1": 1.0})
    investor = agree(people.anna_investor)
    hold(investor, cash_minor=8_000_000, BO1=1_000_000, MM1=1_000_000)
    suggest(investor, "BO2", "BO3", code="like_viewed", fund_id=Fund.objects.get(code="MX2").pk)
    found = {one.fund.code: one.reason_data for one in suggestions_to_show(investor, n=5)}
    assert found["BO2"] == {"code": "cheaper", "fund_id": Fund.objects.get(code="BO1").pk, "fee_bps": 70, "other_fee_bps": 120}
    assert found["BO3"]["code"] == "like_viewed", "not similar, so its price is no reason"
    Fund.objects.filter(code="BO2").update(annual_fee_bps=120)
    assert suggestions_to_show(investor, n=5)[0].reason_data["code"] == "like_viewed", "as it costs today"


def test_what_is_only_ordered_is_not_called_held(people, market):
    ModelSet.objects.update(is_current=False)
    Fund.objects.filter(code="BO1").update(annual_fee_bps=120)
    approve_plain_models(alike=[("BO1", "BO2")], weights={"MX1": 1.0})
    investor = agree(people.anna_investor)
    portfolio = hold(investor, cash_minor=9_000_000).portfolio
    Order.objects.create(
        portfolio=portfolio, fund=Fund.objects.get(code="BO1"), side=Order.Side.BUY, state=Order.State.PLACED, amount_minor=1_000_000,
        clearance_id=uuid.uuid4(), placed_at=timezone.now(), idempotency_key="once", origin=Order.Origin.INVESTOR,
    )  # fmt: skip
    suggest(investor, "BO2")
    assert suggestions_to_show(investor)[0].reason_data["code"] == "within_level"
    Holding.objects.create(portfolio=portfolio, fund=Fund.objects.get(code="BO1"), units_centi=1, cost_minor=1_000_000)
    assert suggestions_to_show(investor)[0].reason_data["code"] == "cheaper"


def test_what_the_same_people_touched_is_only_called_similar_where_it_moves_together(anna):
    ModelSet.objects.update(is_current=False)
    approve_plain_models(alike=[("BO1", "MX3")], weights={"MX1": 1.0})
    make_fund("new", category="unheard of", asset_class="mixed", grade=3)

    def reason(of):
        suggest(anna, "BO1", code="like_bought", fund_id=Fund.objects.get(code=of).pk)
        return suggestions_to_show(anna)[0].reason_data["code"]

    assert reason("MX3") == "like_bought"
    assert reason("EQ3") == "within_level", "the model found the same people with both, no more"
    assert reason("new") == "within_level", "nobody knows how it moves"
    make_fund("MX4", category="mixed", asset_class="mixed", grade=3)
    assert reason("MX4") == "within_level", "the mean of its kind is not the fund"
    assert suggestions_beside(anna, Fund.objects.get(code="MX4")) == []


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_no_reason_speaks_of_others_and_each_names_what_it_must(language):
    data = {"weight": 0.2, "asset_class": "bond", "plan": 0.5, "held": 0.1, "fund_id": 7, "fee_bps": 50, "other_fee_bps": 120}
    with translation.override(language):
        said = {code: reason_in_words(data | {"code": code}, {7: "Seven"}) for code in CODES}
    assert len(set(said.values())) == len(CODES)
    assert all("Seven" in said[code] for code in CODES if code.startswith(("like", "cheaper")))
    words = " ".join(said.values()).lower()
    assert not any(word in words for word in ("other people", "others", "popular", "most", "别人", "大家", "热门", "他人", "其他投资者"))


def test_beside_a_fund_stand_the_similar_ones_of_the_same_level(anna):
    ModelSet.objects.update(is_current=False)
    approve_plain_models(alike=[("MX1", "MX2"), ("MX1", "EQ1"), ("MX1", "BO1")])
    assert [one.fund.code for one in suggestions_beside(anna, Fund.objects.get(code="MX1"), n=5)] == ["BO1", "MX2"], (
        "EQ1 is above the level"
    )
    assert suggestions_beside(anna, Fund.objects.get(code="EQ3"), n=5) == [], "nothing moves like it"
    set_preference(investor=anna, switch="recommendations", is_on=False)
    assert suggestions_beside(anna, Fund.objects.get(code="MX1")) == []


def test_what_is_shown_is_noted_once_a_day_and_its_click_once(anna, client):
    run = suggest(anna, "MX1", "BO1")
    client.force_login(anna.user)
    for _ in range(2):
        client.get(reverse("suggestions_slot"), headers={"HX-Request": "true"})
    seen = SuggestionImpression.objects.get()
    assert (seen.fund.code, seen.run, seen.model, seen.position, seen.propensity) == ("MX1", run, "als", 1, 1.0)
    assert (seen.surface, seen.on_date, seen.clicked_at) == ("home", timezone.localdate(), None)
    client.get(reverse("fund", args=["MX1"]) + "?via=page")
    client.get(reverse("fund", args=["MX1"]) + "?via=nonsense")
    seen.refresh_from_db()
    assert seen.clicked_at is None, "another surface"
    client.get(reverse("fund", args=["MX1"]) + "?via=home")
    seen.refresh_from_db()
    first = seen.clicked_at
    assert first is not None
    client.get(reverse("fund", args=["MX1"]) + "?via=home")
    seen.refresh_from_db()
    assert seen.clicked_at == first
    note_impressions(investor=anna, shown=suggestions_to_show(anna, n=2), surface="page")
    assert list(SuggestionImpression.objects.filter(surface="page").order_by("position").values_list("fund__code", flat=True)) == [
        "MX1", "BO1"
    ]  # fmt: skip
    with pytest.raises(IntegrityError), transaction.atomic():
        SuggestionImpression.objects.filter(pk=seen.pk).update(propensity=0)


def test_what_was_shown_before_midnight_is_opened_after_it_and_only_the_last_showing_counts(anna):
    suggest(anna, "MX1")
    midnight = datetime(2027, 1, 31, 16, tzinfo=UTC)  # in Shanghai

    def look(at):
        with time_machine.travel(at, tick=False):
            note_impressions(investor=anna, shown=suggestions_to_show(anna), surface="home")

    def opened(at):
        with time_machine.travel(at, tick=False):
            return note_click(investor_id=anna.pk, code="MX1", surface="home")

    Investor.objects.filter(pk=anna.pk).update(level_valid_until=date(2028, 1, 1))
    anna.refresh_from_db()
    look(midnight - timedelta(minutes=1))
    assert not opened(midnight + timedelta(days=1)), "the day before yesterday is over"
    assert opened(midnight + timedelta(minutes=1)) and not opened(midnight + timedelta(minutes=2))
    assert SuggestionImpression.objects.get().clicked_at == midnight + timedelta(minutes=1)
    SuggestionImpression.objects.update(clicked_at=None)
    look(midnight + timedelta(hours=9))
    assert opened(midnight + timedelta(hours=10)) and not opened(midnight + timedelta(hours=11))
    clicks = SuggestionImpression.objects.order_by("on_date").values_list("on_date", "clicked_at")
    assert list(clicks) == [(date(2027, 1, 31), None), (date(2027, 2, 1), midnight + timedelta(hours=10))]


def test_what_nobody_sees_is_not_noted(anna, client):
    """A browser that asks ahead, a head, and a home whose end nobody scrolls to."""
    suggest(anna, "MX1")
    client.force_login(anna.user)
    ahead = {"Sec-Purpose": "prefetch;prerender"}
    client.get(reverse("suggestions_slot"), headers=ahead)
    client.head(reverse("suggestions_slot"))
    assert SuggestionImpression.objects.count() == 0
    slot = f'hx-get="{reverse("suggestions_slot")}" hx-trigger="revealed"'
    assert slot in client.get(reverse("home")).content.decode()
    client.get(reverse("suggestions_slot"))
    client.get(reverse("fund", args=["MX1"]) + "?via=page", headers=ahead)
    assert SuggestionImpression.objects.get().clicked_at is None and not Event.objects.filter(name="fund").exists()


def test_not_interested_works_without_javascript_and_can_be_taken_back(anna, client):
    suggest(anna, "MX1", "BO1")
    client.force_login(anna.user)
    page = client.get(reverse("suggestions_slot"), headers={"Accept-Language": "en"}).content.decode()
    address = reverse("suggestion_decline", args=["MX1"])
    assert f'action="{address}"' in page and page.count("csrfmiddlewaretoken") >= 3
    page = client.post(address, follow=True, headers={"Accept-Language": "en"}).content.decode()
    back = reverse("suggestion_take_back", args=["MX1"])
    assert f'action="{back}"' in page and address not in page
    client.post(address)
    assert NotInterested.objects.count() == 1
    assert address in client.post(back, follow=True).content.decode()
    kept = NotInterested.objects.get()
    assert kept.since < kept.until, "the row stays, dated"
    assert take_back(investor=anna, fund=kept.fund) is False
    decline(investor=anna, fund=kept.fund)
    assert NotInterested.objects.count() == 2
    assert client.post(reverse("suggestion_decline", args=["none"])).status_code == 404


def test_one_click_switches_suggestions_off_and_they_stay_off(anna, client):
    suggest(anna, "MX1")
    client.force_login(anna.user)
    slot = client.get(reverse("suggestions_slot"), headers={"HX-Request": "true"}).content.decode()
    assert f'action="{reverse("preferences")}"' in slot and 'value="recommendations"' in slot
    client.post(reverse("preferences"), {"switch": "recommendations", "is_on": "0"})
    for address in (reverse("suggestions_slot"), reverse("fund_suggestions_slot", args=["MX1"])):
        assert "MX2" not in (page := client.get(address, headers={"HX-Request": "true"}).content.decode()) and "<section" not in page
    suggest(anna, "MX1", "BO1")  # another night
    assert shown(anna) == []


def test_the_slots_cost_few_queries_and_say_before_and_after_in_yuan(anna, client, django_assert_max_num_queries):
    ModelSet.objects.update(is_current=False)
    approve_plain_models(alike=[("MX1", "MX2")])
    Fund.objects.update(is_simulated=True)
    anna.accounts.get().goals.update(name="House")
    Holding.objects.create(
        portfolio=anna.accounts.get().goals.get().portfolio, fund=Fund.objects.get(code="MX3"), units_centi=1, cost_minor=CASH
    )
    suggest(anna, "MX1")
    client.force_login(anna.user)
    headers = {"HX-Request": "true", "Accept-Language": "en"}
    client.get(reverse("suggestions_slot"), headers=headers)  # the models are read once a process
    with django_assert_max_num_queries(12):
        page = client.get(reverse("suggestions_slot"), headers=headers).content.decode()
    assert "With ¥10,000 of the ¥200,000 in “House” in it, a bad year could lose about ¥" in page and "today it is ¥" in page
    assert ">Simulated</span>" in page
    with django_assert_max_num_queries(12):
        page = client.get(reverse("fund_suggestions_slot", args=["MX1"]), headers=headers).content.decode()
    assert "It is similar to" in page
    with django_assert_max_num_queries(20):
        assert "<html" in client.get(reverse("suggestions_slot"), headers={"Accept-Language": "en"}).content.decode()


def test_the_number_of_queries_does_not_grow_with_the_block(people, market, django_assert_num_queries):
    for one in (people.anna_investor, people.ben_investor):
        agree(one)
        hold(one, cash_minor=CASH, MX1=CASH)
    keys = list(Fund.objects.order_by("code").values_list("pk", flat=True))
    suit_block([people.anna_investor.pk], np.array([keys]))
    with django_assert_num_queries(6):
        suit_block([people.anna_investor.pk], np.array([keys]))
    with django_assert_num_queries(6):
        suited = suit_block([people.anna_investor.pk, people.ben_investor.pk], np.array([keys, keys]))
    assert suited.verdict.shape == (2, len(keys)) and (suited.verdict[0] == suited.verdict[1]).all()


def test_the_fund_page_leads_to_its_slot_only_for_whom_something_may_be_suggested(anna, client, people):
    client.force_login(anna.user)
    address, slot = reverse("fund", args=["MX1"]), reverse("fund_suggestions_slot", args=["MX1"])
    assert f'hx-get="{slot}"' in client.get(address).content.decode()
    set_preference(investor=anna, switch="recommendations", is_on=False)
    assert slot not in client.get(address).content.decode()
    client.force_login(people.ada)
    assert slot not in client.get(address).content.decode()


def test_the_page_says_truly_why_there_is_nothing(people, market, client):
    def page():
        return client.get(reverse("suggestions_slot"), headers={"Accept-Language": "en"}).content.decode()

    client.force_login(people.anna)
    assert "while you do not agree" in page()
    agree(people.anna_investor, level=None)
    assert "without a level in force" in page()
    agree(people.anna_investor)
    ModelSet.objects.update(is_current=False)
    assert "Nothing at present" in page()
    beside = client.get(reverse("fund_suggestions_slot", args=["MX1"]), headers={"Accept-Language": "en"}).content.decode()
    assert "<html" in beside and "nothing to suggest beside this fund" in beside
    set_preference(investor=people.anna_investor, switch="recommendations", is_on=False)
    assert "Suggestions are switched off" in page()


@pytest.fixture
def ask(client, anna):
    key = make_api_key(name="app", scopes=["suggestions:read"])[1]

    def get(person="P-anna", query="", key=key):
        return client.get(
            f"/marketing/api/v1/suggestions/{person}{query}", headers={"Authorization": f"Bearer {key}", "Accept-Language": "en"}
        )

    return get


def test_the_operators_app_gets_the_same_with_reasons_and_figures_and_it_is_noted(ask, anna):
    suggest(anna, "MX1", "EQ1", "BO1", "BO2", "MM1", code="like_viewed", fund_id=Fund.objects.get(code="MX3").pk)
    answer = ask().json()
    assert (answer["investor"], answer["step"]) == ("P-anna", STEP)
    assert [one["fund"] for one in answer["suggestions"]] == ["MX1", "BO1", "BO2"]
    first = answer["suggestions"][0]
    assert first["cvar"]["before"] == 0 < first["cvar"]["after"] and first["utility"]["after"] > first["utility"]["before"]
    assert set(first["reason"]) == {"code", "words"} and first["model"] == "als"
    assert SuggestionImpression.objects.filter(surface="api").count() == 3
    for query, n in {"?n=1": 1, "?n=0": 1, "?n=-5": 1, "?n=99999999999999999999": 4}.items():
        assert len(ask(query=query).json()["suggestions"]) == n, query
    assert (bad := ask(query="?n=many")).status_code == 422 and bad.json()["code"] == "bad_value"


def test_no_answer_is_kept_anywhere_for_each_counts_as_shown_and_is_asked_anew(ask, anna):
    suggest(anna, "MX1")
    answers = [ask(), ask("P-nobody"), ask(query="?n=many"), ask(key="htk_none")]
    assert [answer.status_code for answer in answers] == [200, 404, 422, 401]
    assert all("no-store" in answer["Cache-Control"] for answer in answers)


def test_an_unknown_person_a_wrong_key_and_somebody_who_does_not_want_any(ask, anna):
    suggest(anna, "MX1")
    unknown = ask("P-nobody")
    assert (unknown.status_code, unknown.json()) == (404, {"code": "unknown_investor", "why": "Nobody has this pseudonym."})
    assert ask("%00").status_code == 404
    assert ask(key=make_api_key(name="events", scopes=["events:write"])[1]).status_code == 401
    assert ask(key="htk_none").status_code == 401
    give_consent(investor=anna, purpose=Consent.Purpose.PROFILING, is_given=False, source="test")
    assert (ask().status_code, ask().json()["suggestions"]) == (200, [])
    assert SuggestionImpression.objects.count() == 0
