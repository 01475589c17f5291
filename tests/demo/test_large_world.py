"""A world of which most have short lives, written by the bulk paths: as consistent as one that the services wrote."""

import json
from collections import Counter, defaultdict
from copy import copy
from datetime import timedelta
from itertools import pairwise

import pytest
from django.apps import apps
from django.db import transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from advisor.models import Assessment, Branch, Clearance, Consent, Goal, Investor, LevelChange, Proposal
from advisor.selectors.suitability import level_for_goal
from advisor.services.assessments import valid_until_from
from advisor.services.scoring import Known, profile_of, write_profile
from demo.clicks import WINDOW_DAYS
from demo.models import World
from demo.services import load_demo_world
from demo.services.bulk import ROWS_A_TRANSACTION
from demo.services.erasing import erase_people
from demo.services.rows import Rows, next_keys
from marketing.models import DormancyChange, Event, Profile
from marketing.services import refresh_dormancy
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.lots import FeeStep, Lot, redeem, take_oldest
from portfolios.models import LedgerEntry, Order, PoolFund, Portfolio
from portfolios.money import rate_bps, split_purchase
from portfolios.selectors import nav_on
from portfolios.services import rebuild_holdings
from tests.advisor.record_world import forget_the_record

N, N_FULL = 200, 21
SIZE = {"n_investors": N, "n_funds": 80, "years": 3, "n_full_lives": N_FULL}
FIRST_PIECES = 3
OURS = {"identity", "portfolios", "advisor", "marketing", "demo"}


class Killed(Exception):
    """Stands for the process's end in the middle of a load."""


@pytest.fixture(scope="module")
def large_world(django_db_setup, django_db_blocker):
    """A world whose first load was killed after a few transactions; yields how many people it had then, and rows a transaction."""
    rows, write = [], Rows.write

    def counted(self):
        if len(rows) == FIRST_PIECES and not left:
            left.append(Investor.objects.count())
            with transaction.atomic():
                write(self)
                raise Killed
        rows.append(write(self))
        return rows[-1]

    left: list[int] = []
    with django_db_blocker.unblock(), transaction.atomic(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rows, "write", counted)
        with pytest.raises(Killed):
            load_demo_world(**SIZE)
        assert Investor.objects.count() == left[0]
        assert load_demo_world(**SIZE) is True
        yield left[0], rows
        transaction.set_rollback(True)


def counts():
    return {model.__name__: model._base_manager.count() for model in apps.get_models() if model._meta.app_label in OURS}


@pytest.fixture
def short(large_world, db):
    """Those with short lives."""
    return Investor.objects.filter(user__email__gte=f"p{N_FULL:06d}@", user__email__startswith="p")


def stories():
    """What can be told of each person without the keys that the database gave, or the time of the load."""
    told = defaultdict(list)
    for row in Investor.objects.values_list("user__email", "user__name", "pseudonym", "level", "level_valid_until", "joined_at"):
        told[row[0]].append(row[1:])
    for email, *row in Assessment.objects.order_by("completed_at").values_list("investor__user__email", "completed_at", "working"):
        told[email].append(json.dumps(row, default=str, sort_keys=True))
    who = "portfolio__goal__account__investor__user__email"
    things = ["portfolio__goal__name", "portfolio__goal__target_date", "portfolio__cash_minor"]
    particulars = [
        "fund__code",
        "side",
        "origin",
        "state",
        "amount_minor",
        "units_centi",
        "fee_minor",
        "placed_at",
        "pay_date",
        "clearance_id",
    ]
    for email, *row in Order.objects.order_by("pk").values_list(who, *things, *particulars):
        told[email].append(row)
    for email, *row in Event.objects.exclude(investor=None).order_by("pk").values_list("investor__user__email", "name", "properties"):
        told[email].append(row)
    return told


def test_everybody_with_a_short_life_can_be_advised_again(short):
    assert short.count() == N - N_FULL
    in_pool = set(PoolFund.objects.filter(pool__is_current=True).values_list("fund", flat=True))
    for investor in short.prefetch_related("accounts__goals__portfolio__holdings"):
        assert investor.has_valid_level()
        goals = [goal for account in investor.accounts.all() for goal in account.goals.all()]
        assert goals
        for goal in goals:
            assert goal.horizon_years() > 0.5
            assert level_for_goal(investor, goal) is not None
            held = {row.fund_id for row in goal.portfolio.holdings.all()}
            assert held
            assert held <= in_pool


def test_levels_horizons_and_habits_are_mixed(short):
    assert len(set(short.values_list("level", flat=True))) >= 5
    assert len(set(Goal.objects.filter(account__investor__in=short).values_list("kind", flat=True))) == 5
    orders = Order.objects.filter(portfolio__goal__account__investor__in=short)
    assert set(orders.values_list("origin", "side")) == {("proposal", "buy"), ("plan", "buy"), ("investor", "buy"), ("investor", "sell")}
    assert {"active", "calm", "dormant"} <= set(Profile.objects.filter(investor__in=short).values_list("dormancy", flat=True))
    assert Portfolio.objects.filter(goal__account__investor__in=short, cash_minor__gt=100_000).exists()


def test_ledger_holdings_and_cash_agree_at_every_time(short):
    portfolios = Portfolio.objects.filter(goal__account__investor__in=short)
    assert sum(rebuild_holdings(pk) for pk in portfolios.values_list("pk", flat=True)) == 0
    cash, units = Counter(), Counter()
    for entry in LedgerEntry.objects.filter(portfolio__in=portfolios).order_by("portfolio_id", "pk"):
        cash[entry.portfolio_id] += entry.cash_minor
        units[entry.portfolio_id, entry.fund_id] += entry.units_centi
        assert cash[entry.portfolio_id] >= 0
        assert units[entry.portfolio_id, entry.fund_id] >= 0


def test_the_ledger_stands_in_the_order_of_its_days(short):
    last = {}
    for entry in LedgerEntry.objects.filter(portfolio__goal__account__investor__in=short).order_by("portfolio_id", "pk"):
        assert last.get(entry.portfolio_id, entry.date) <= entry.date
        last[entry.portfolio_id] = entry.date


def test_orders_are_filled_as_the_product_would_fill_them(short):
    """Units, fees and the cost of what left, by the product's own functions, from the lots that the ledger holds."""
    steps = [FeeStep(floor.below_days, rate_bps(floor.rate)) for floor in jurisdiction().redemption_floors]
    orders = Order.objects.filter(portfolio__goal__account__investor__in=short).select_related("fund")
    for order in orders.filter(Q(side="sell") | Q(pk__in=orders.order_by("?").values("pk")[:200])):
        assert nav_on(order.fund_id, order.price_date) == (order.price_date, order.nav_micro)
        assert order.placed_at.date() == order.price_date
        if order.side == "buy":
            assert (order.fee_minor, order.units_centi) == split_purchase(order.amount_minor, order.fund.purchase_fee_bps, order.nav_micro)
            continue
        before = LedgerEntry.objects.filter(portfolio=order.portfolio_id, fund=order.fund_id, kind="buy", date__lte=order.confirm_date)
        lots = [Lot(entry.units_centi, entry.cost_minor, entry.date) for entry in before.order_by("pk")]
        taken, _left = take_oldest(lots, order.units_centi)
        exempt = order.fund.category in jurisdiction().redemption_exempt_categories
        got = redeem(taken, order.nav_micro, order.confirm_date, [] if exempt else steps)
        assert (order.amount_minor, order.fee_minor) == (got.gross_minor, got.fee_minor)
        entry = order.entries.get(kind="sell")
        assert (entry.units_centi, entry.cost_minor) == (-order.units_centi, -got.cost_minor)
        assert order.entries.get(kind="payout").cash_minor == got.gross_minor - got.fee_minor


def test_every_order_has_its_own_suitable_decision(short):
    decisions = Clearance.objects.in_bulk()
    assert Order.objects.count() == len(decisions)
    table, levels = jurisdiction(), {}
    for change in LevelChange.objects.order_by("at"):
        levels.setdefault(change.investor_id, []).append((change.at, change.to_level))
    orders = Order.objects.filter(portfolio__goal__account__investor__in=short).select_related("fund")
    for order in orders.annotate(investor=F("portfolio__goal__account__investor")):
        decision = decisions[order.clearance_id]
        bound = (decision.investor_id, decision.portfolio_id, decision.fund_id, decision.side, decision.at)
        assert bound == (order.investor, order.portfolio_id, order.fund_id, order.side, order.placed_at)
        asked = (decision.amount_minor, decision.units_centi)
        assert asked == ((order.amount_minor, None) if order.side == "buy" else (None, order.units_centi))
        level = [level for at, level in levels[order.investor] if at <= decision.at][-1]
        assert (decision.level, decision.risk_grade) == (level, order.fund.risk_grade)
        if order.side == "buy":
            assert order.fund.risk_grade <= table.levels[level].max_grade
            assert table.levels[level].only_classes is None or order.fund.asset_class in table.levels[level].only_classes


def test_orders_have_the_transitions_of_their_state(short):
    path = {"confirmed": ["placed", "accepted", "confirmed"], "paid": ["placed", "accepted", "confirmed", "paid"]}
    for order in Order.objects.filter(portfolio__goal__account__investor__in=short).prefetch_related("events"):
        events = sorted(order.events.all(), key=lambda event: event.pk)
        by_state = {event.to_state: event for event in events}
        assert sorted(by_state) == sorted(path[order.state])
        assert all(by_state[to].from_state == was for was, to in pairwise(path[order.state]))
        assert [event.at for event in events] == sorted(event.at for event in events)


def test_accepted_proposals_are_those_that_were_bought_for_the_level_of_that_day(short):
    assert not Proposal.objects.filter(error__isnull=False).exists()
    for proposal in Proposal.objects.filter(goal__account__investor__in=short).select_related("goal__account", "assessment"):
        bought = Order.objects.filter(portfolio=proposal.goal.portfolio_id, origin="proposal").values_list("fund__code", "amount_minor")
        assert dict(bought) == proposal.result["amounts"]
        assert sum(proposal.result["amounts"].values()) == proposal.goal.amount_minor
        earlier = Assessment.objects.filter(investor=proposal.assessment.investor_id, completed_at__lte=proposal.accepted_at)
        assert proposal.assessment == earlier.order_by("-completed_at").first()
        assert proposal.level <= proposal.inputs["person_level"] == proposal.assessment.level
        assert [event.to_state for event in proposal.events.order_by("pk")] == ["working", "ready", "accepted"]


def test_levels_are_what_the_questionnaire_gives(short):
    for investor in short.prefetch_related("assessments", "level_changes"):
        sheets = sorted(investor.assessments.all(), key=lambda row: row.completed_at)
        changes = sorted(investor.level_changes.all(), key=lambda row: row.at)
        assert [(row.assessment_id, row.to_level) for row in changes] == [(row.pk, row.level) for row in sheets]
        assert [row.from_level for row in changes] == [None, *(row.level for row in sheets)][: len(sheets)]
        assert (investor.level, investor.level_valid_until) == (sheets[-1].level, valid_until_from(sheets[-1].completed_at))
        agreed = investor.consents.get(purpose=Consent.Purpose.PROFILING).is_given
        again, known = copy(sheets[-1]), Known(agreed)
        write_profile(again, profile_of(again, known), known, again.completed_at)
        again.working = json.loads(json.dumps(again.working))
        for name in ("working", "level", "confidence", "stated_loss", "score"):
            assert getattr(again, name) == getattr(sheets[-1], name)


def test_profiles_are_what_the_nightly_reading_makes_of_the_rows(short):
    fields = [field.attname for field in Profile._meta.concrete_fields if field.name != "refreshed_at"]
    before = set(Profile.objects.values_list(*fields))
    changes = set(DormancyChange.objects.values_list("investor", "from_state", "to_state", "date"))
    refresh_dormancy()
    assert set(Profile.objects.values_list(*fields)) == before
    assert set(DormancyChange.objects.values_list("investor", "from_state", "to_state", "date")) == changes


def test_events_are_of_the_last_half_year_and_of_those_who_agreed(short):
    seen = Event.objects.filter(investor__in=short)
    agreed = Consent.objects.filter(purpose="profiling", is_given=True).values("investor")
    assert seen.exists()
    assert not seen.exclude(investor__in=agreed).exists()
    assert not seen.exclude(occurred_at__range=(timezone.now() - timedelta(days=WINDOW_DAYS + 16), timezone.now())).exists()
    assert not seen.filter(anonymous_id="", occurred_at__lt=F("investor__joined_at")).exists()
    assert not seen.exclude(anonymous_id="").filter(occurred_at__gte=F("investor__joined_at")).exists()
    assert short.annotate(n=Count("consents")).filter(n=3).count() == short.count()


def test_a_second_load_changes_nothing(short):
    before = counts(), stories()
    assert load_demo_world(**SIZE) is False
    assert (counts(), stories()) == before


def test_a_load_killed_in_the_middle_goes_on_behind_the_last_whole_person(large_world, short):
    n_left, rows = large_world
    assert N_FULL < n_left < N
    assert Investor.objects.count() == N
    assert not Portfolio.objects.filter(goal=None).exists()
    assert len(rows) > FIRST_PIECES


def test_no_transaction_is_large(large_world):
    _n_left, rows = large_world
    assert max(rows) <= ROWS_A_TRANSACTION


def test_a_larger_world_of_the_same_seed_begins_with_the_same_people(short):
    before = {email: told for email, told in stories().items() if email >= f"p{N_FULL:06d}"}
    with transaction.atomic():
        forget_the_record()
        erase_people()
        World.objects.update(people_loaded_at=None, full_lives_loaded_at=None, n_investors=N + 40)
        assert load_demo_world() is True
        after = stories()
        transaction.set_rollback(True)
    assert len([email for email in after if email >= f"p{N_FULL:06d}"]) == len(before) + 40
    for email, told in before.items():
        assert after[email] == told


def test_a_person_s_pages_are_there(short, client):
    """The proposal of a short life is kept without the chart of its past, and its page does without."""
    proposal = Proposal.objects.filter(goal__account__investor__in=short).select_related("goal__account__investor__user").first()
    client.force_login(proposal.goal.account.investor.user)
    for path in ("/", f"/proposals/{proposal.pk}/", f"/goals/{proposal.goal_id}/", "/orders/"):
        assert client.get(path).status_code == 200


def test_text_that_looks_like_a_separator_is_written_as_it_is(db):
    names = ["a\\tb\tc", "line\nline\r", "\\N", "\\", '{"a": "\\u4e00"}', ""]
    keys = next_keys(Branch, len(names))
    rows = Rows()
    rows.add(Branch, len(names), id=keys, name=names)
    assert rows.write() == len(names)
    assert list(Branch.objects.filter(pk__in=keys.tolist()).order_by("pk").values_list("name", flat=True)) == names
    assert Branch.objects.create(name="the next one").pk > max(keys)
