"""The simulated world in the database: whole, consistent, labelled, loaded once, and never in a licensed deployment."""

from collections import Counter, defaultdict
from datetime import timedelta

import pytest
from django.contrib.auth import authenticate
from django.db import transaction
from django.db.models import F, Sum, Window
from django.db.models.functions import Lag
from django.utils import timezone

from advisor.models import AdviceRecord, Assessment, Clearance, Consent, Goal, Investor, LevelChange, Proposal
from advisor.selectors.record import verify_record
from advisor.services.record_history import record_history
from demo.logins import COLLEAGUES, DEMO_LOGINS
from demo.models import World
from demo.services import extend_market, load_demo_world
from demo.services.erasing import erase_people
from demo.services.market import last_priced_day
from identity.models import User
from marketing.models import Acquisition, AnonymousIdentity, Event, FollowedFund, Profile, Segment
from portfolios.jurisdictions import jurisdiction
from portfolios.models import Fund, FundFact, Holding, LedgerEntry, NavYear, Order, OrderEvent, Pool, Portfolio
from portfolios.selectors import current_models, nav_on
from portfolios.services import rebuild_holdings, solve_advice
from tests.advisor.record_world import forget_the_record

MODELS = [
    AdviceRecord, User, Investor, Fund, NavYear, Pool, Assessment, Proposal,
    Portfolio, Order, OrderEvent, LedgerEntry, Holding, Event, Profile,
]  # fmt: skip


def counts():
    return {model.__name__: model.objects.count() for model in MODELS}


def test_all_is_there_and_labelled_simulated(world):
    assert Investor.objects.count() == Investor.objects.filter(is_simulated=True).count() == 60
    assert Fund.objects.count() == Fund.objects.filter(is_simulated=True).count() == 80
    assert all(number > 0 for number in counts().values()), counts()
    assert set(Order.objects.values_list("origin", flat=True)) >= {"proposal", "plan", "investor"}
    assert set(Order.objects.values_list("side", flat=True)) == {"buy", "sell"}
    assert Assessment.objects.filter(state="draft").exists()
    assert Proposal.objects.filter(state="ready").exists()
    assert Segment.objects.exists()
    assert any("loaded" in line for line in world)


def test_everybody_s_record_tells_what_their_rows_tell_and_verifies(world):
    reading = verify_record()
    assert (reading.n_investors, reading.findings) == (60, [])
    kinds = Counter(AdviceRecord.objects.values_list("kind", flat=True))
    assert kinds["consent"] == 60 and kinds["assessment"] == Assessment.objects.filter(state="completed").count()
    assert kinds["acceptance"] == Proposal.objects.filter(state="accepted").count()
    assert kinds["proposal"] == Proposal.objects.filter(state="ready").count()
    before = Window(Lag("at"), order_by=["investor", "seq"])
    for at, seq, earlier in AdviceRecord.objects.values_list("at", "seq", before):
        assert seq == 1 or at >= earlier
    assert record_history() == 0, "who has a chain is passed by"


def test_the_last_nav_is_of_the_last_business_day(world):
    assert set(Fund.objects.filter(ended_on__isnull=True).values_list("last_nav_date", flat=True)) == {last_priced_day()}


def test_ledger_holdings_and_cash_agree(world):
    for pk in Portfolio.objects.values_list("pk", flat=True):
        assert rebuild_holdings(pk) == 0


def test_cash_and_units_are_never_negative_at_any_time(world):
    cash, units = Counter(), Counter()
    for entry in LedgerEntry.objects.order_by("portfolio_id", "pk"):
        cash[entry.portfolio_id] += entry.cash_minor
        units[entry.portfolio_id, entry.fund_id] += entry.units_centi
        assert cash[entry.portfolio_id] >= 0
        assert units[entry.portfolio_id, entry.fund_id] >= 0


def test_orders_are_filled_at_the_nav_of_their_price_day(world):
    for order in Order.objects.order_by("?")[:150]:
        assert nav_on(order.fund_id, order.price_date) == (order.price_date, order.nav_micro)
        assert order.placed_at.date() == order.price_date


def test_every_order_has_its_own_suitable_decision(world):
    decisions = {row.pk: row for row in Clearance.objects.all()}
    orders = Order.objects.annotate(investor=F("portfolio__goal__account__investor"))
    assert orders.count() == len(decisions)
    for order in orders:
        decision = decisions[order.clearance_id]
        assert decision.verdict == Clearance.Verdict.RECOMMEND
        bound = (decision.investor_id, decision.portfolio_id, decision.fund_id, decision.side)
        assert bound == (order.investor, order.portfolio_id, order.fund_id, order.side)
        asked = (decision.amount_minor, decision.units_centi)
        assert asked == ((order.amount_minor, None) if order.side == "buy" else (None, order.units_centi))


def test_nobody_bought_above_their_level(world):
    levels = defaultdict(list)
    for change in LevelChange.objects.order_by("at"):
        levels[change.investor_id].append((change.at, change.to_level))
    table = jurisdiction()
    for decision in Clearance.objects.filter(side="buy").select_related("fund"):
        level = [level for at, level in levels[decision.investor_id] if at <= decision.at][-1]
        assert decision.level == level
        assert decision.risk_grade == decision.fund.risk_grade <= table.levels[level].max_grade
        assert table.levels[level].only_classes is None or decision.fund.asset_class in table.levels[level].only_classes


def test_accepted_proposals_are_those_that_were_bought(world):
    funded = Goal.objects.filter(portfolio__isnull=False)
    assert set(Proposal.objects.filter(state="accepted").values_list("goal", flat=True)) == set(funded.values_list("pk", flat=True))
    for proposal in Proposal.objects.filter(state="accepted").select_related("goal"):
        bought = Order.objects.filter(portfolio=proposal.goal.portfolio_id, origin="proposal").values_list("fund__code", "amount_minor")
        assert dict(bought) == proposal.result["amounts"]
        assert proposal.level <= proposal.inputs["person_level"]


def test_events_are_only_of_those_who_agreed_to_profiling(world):
    agreed = set(Consent.objects.filter(purpose="profiling", is_given=True).values_list("investor", flat=True))
    seen = set(Event.objects.exclude(investor=None).values_list("investor", flat=True))
    assert seen
    assert seen <= agreed
    codes = {row.properties["code"] for row in Event.objects.filter(name="fund")}
    assert codes <= set(Fund.objects.values_list("code", flat=True))
    assert not Event.objects.filter(occurred_at__gt=timezone.now()).exists()
    followed = FollowedFund.objects.all()
    assert followed.exists() and set(followed.values_list("investor", flat=True)) <= seen
    assert not followed.filter(since__gt=timezone.now()).exists()
    unknown = Event.objects.filter(investor=None)
    assert unknown.exists() and not unknown.filter(anonymous_id="").exists()
    joined = AnonymousIdentity.objects.values_list("anonymous_id", flat=True)
    assert not unknown.filter(anonymous_id__in=joined).exists()
    assert Acquisition.objects.filter(investor__in=Investor.objects.all()).count() == Investor.objects.count()


def test_the_advice_is_possible_for_every_level(world):
    for level, rule in jurisdiction().levels.items():
        solution = solve_advice(level=level, horizon_years=10)
        assert sum(solution.weights.values()) == pytest.approx(1, abs=1e-8)
        assert solution.cvar <= rule.cvar_budget + 1e-9


def test_dormant_people_with_idle_cash_exist(world):
    assert Profile.objects.filter(dormancy="dormant", idle_cash_minor__gte=100_000).exists()
    assert Profile.objects.filter(dormancy="calm").exists()


def test_each_login_signs_in_to_what_it_promises(world):
    for login in DEMO_LOGINS + COLLEAGUES:
        user = authenticate(None, email=login.email, password=login.password)
        assert user is not None, login.email
        assert user.role_names == {login.role}
    rich, fresh = (Investor.objects.get(user__email=login.email) for login in DEMO_LOGINS[:2])
    assert Holding.objects.filter(portfolio__goal__account__investor=rich).count() >= 5
    assert rich.level == 4
    assert rich.has_valid_level()
    assert fresh.has_valid_level()
    assert not Portfolio.objects.filter(goal__account__investor=fresh).exists()
    assert Event.objects.filter(investor=rich).exists()
    advisor = User.objects.get(email=DEMO_LOGINS[2].email)
    assert Investor.objects.visible_to(advisor).count() == 20
    assert not Investor.objects.visible_to(User.objects.get(email=DEMO_LOGINS[4].email)).exists()


def test_only_the_logins_have_a_password(world):
    known = {login.email for login in DEMO_LOGINS + COLLEAGUES}
    others = User.objects.exclude(email__in=known)
    assert others.exists()
    assert not any(user.has_usable_password() for user in others)


def test_a_second_load_says_so_and_changes_nothing(world):
    before, lines = counts(), []
    assert load_demo_world(n_investors=60, n_funds=80, years=3, report=lines.append) is False
    assert counts() == before
    assert "is there" in lines[0]


def test_an_interrupted_load_is_taken_back_and_made_again(world):
    before = counts()
    with transaction.atomic():
        forget_the_record()  # the last thing that is written
        World.objects.update(people_loaded_at=None, full_lives_loaded_at=None)
        Profile.objects.all().delete()
        Portfolio.objects.create()  # written, but its goal not yet joined to it
        assert load_demo_world(n_investors=60, n_funds=80, years=3) is True
        assert counts() == before
        transaction.set_rollback(True)


def test_erasing_leaves_staff_funds_and_real_people(world):
    with transaction.atomic():
        forget_the_record()
        person = User.objects.create_user(email="real@example.com")
        assert erase_people() == 60
        left = set(User.objects.values_list("email", flat=True))
        assert left == {person.email} | {login.email for login in DEMO_LOGINS[2:] + COLLEAGUES}
        assert not any(model.objects.exists() for model in (Investor, Goal, Portfolio, Order, LedgerEntry, Clearance, Event, Profile))
        assert Fund.objects.count() == 80
        transaction.set_rollback(True)


def test_the_market_grows_by_the_days_that_are_missing(world):
    until = last_priced_day()
    with transaction.atomic():
        assert extend_market(until=until) == 0
        later = until + timedelta(days=14)
        n_new = extend_market(until=later)
        running = Fund.objects.filter(ended_on__isnull=True)
        assert n_new % running.count() == 0
        assert 5 <= n_new / running.count() <= 10
        assert extend_market(until=later) == 0
        fund = running.order_by("?").first()
        assert until < fund.last_nav_date <= later
        transaction.set_rollback(True)


def test_the_market_of_another_simulation_is_not_gone_on_with(world):
    with transaction.atomic():
        running = Fund.objects.filter(ended_on__isnull=True)
        running.filter(pk=running.first().pk).update(last_nav_micro=1)
        assert extend_market(until=last_priced_day() + timedelta(days=14)) == 0
        transaction.set_rollback(True)


def test_facts_of_funds_are_there_and_known_to_the_funds(world):
    fund = Fund.objects.filter(ended_on__isnull=True, size_date__isnull=False).first()
    assert fund.issuer_grade == fund.risk_grade
    assert fund.size_minor == fund.sizes.latest("as_of_date").size_minor
    assert fund.sizes.latest("published_date").published_date <= last_priced_day()
    manager = fund.facts.filter(kind="manager").latest("from_date")
    assert (fund.manager, fund.manager_since) == (manager.text, manager.from_date)
    assert set(FundFact.objects.values_list("kind", flat=True)) >= {"manager", "purchase"}
    assert Fund.objects.filter(share_class="C", purchase_fee_bps=0, sales_fee_bps__gt=0).exclude(family_code="").exists()


def test_models_are_approved_by_the_supervisor_and_say_that_they_are_simulated(world):
    models = current_models()
    assert models.decided_by.email == "supervisor@demo.hengtou.invalid"
    assert "simulated" in models.answer


def test_cash_is_the_sum_of_the_ledger(world):
    for portfolio in Portfolio.objects.annotate(all=Sum("entries__cash_minor"))[:30]:
        assert portfolio.all == portfolio.cash_minor
