"""The table of levels and grades at every door through which a fund can reach an investor: made, listed, shown, sent, ordered.

Each door is held against the whole table, written out here a second time. What changes between making and ordering is met
at the order: see test_acceptance and test_purchases.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.contrib import admin
from django.urls import URLResolver, get_resolver, reverse

from advisor import models, services
from advisor.errors import Refused
from advisor.models import Consent, Proposal
from advisor.selectors import recommendable_funds
from advisor.selectors.fund_pages import fund_view, listed_funds
from advisor.selectors.overrides import Figures, OverridePrice
from advisor.selectors.suitability import decide_portfolio
from advisor.services import Wish, overrides
from advisor.services.acceptance import check_acceptable
from advisor.services.overrides import check_fund
from advisor.services.proposals import _check_funds
from advisor.site import advisor_site
from marketing.models import Campaign, CampaignStep, Suggestion
from marketing.selectors.sending import Way, refusals
from marketing.selectors.suggestions import suggestions_to_show
from marketing.services import ensure_builtin_segments
from marketing.services.api_keys import make_api_key
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import DataError, InfeasibleError
from portfolios.models import Fund, Holding, Pool, PoolFund
from portfolios.selectors import FundQuery
from portfolios.services import deposit, open_portfolio
from portfolios.services.levels import advised_funds
from tests.advisor.site_world import REASON, give_level, make_assessment, make_goal, make_proposal, tomorrow
from tests.marketing.suiting_world import agree, approve_plain_models, hold, suggest
from tests.portfolios.market import make_fund

# y: recommended, listed, bought. x: the same, and explained separately before it is ordered. w: by one's own wish after a
# warning, never recommended. -: never.
FUNDS = ["MONEY1", "SHORT1", "GRADE2", "GRADE3", "GRADE4", "GRADE5"]
TABLE = {
    0: "y - - - - -",
    1: "y y w w w w",
    2: "y y y w w w",
    3: "y y y y w w",
    4: "y y y y y w",
    5: "y y y y y x",
}
RECOMMENDED = {level: {code for code, cell in zip(FUNDS, row.split(), strict=True) if cell in "yx"} for level, row in TABLE.items()}

TWINS = [("MONEY1", "GRADE5"), ("SHORT1", "GRADE4"), ("GRADE2", "GRADE3")]  # move alike, so that one stands on the page of the other


@pytest.fixture
def market(people):
    pool = Pool.objects.create(name="all", is_current=True)
    for code in FUNDS:
        asset_class = "money_market" if code == "MONEY1" else "bond"
        fund = make_fund(code, category="bond", asset_class=asset_class, grade=int(code[-1]), last_nav_micro=1_000_000)
        PoolFund.objects.create(pool=pool, fund=fund)
    return Fund.objects.in_bulk(field_name="code")


def levels(people) -> Iterator[tuple[int, models.Investor]]:
    """Anna at each level in turn."""
    for level in TABLE:
        give_level(people.anna_investor, level)
        yield level, people.anna_investor


def refused(errors, do) -> bool:
    try:
        do()
    except errors:
        return True
    return False


def refusal(do) -> str:
    try:
        do()
    except Refused as refused:
        return refused.code
    return ""


def test_the_list_shows_what_may_be_recommended_and_a_search_marks_the_rest(people, market):
    for level, _ in levels(people):
        view = fund_view(people.anna)
        assert {fund.code for fund in listed_funds(view, FundQuery())} == RECOMMENDED[level]
        assert {fund.code for fund in recommendable_funds(level)} == RECOMMENDED[level]
        assert listed_funds(view, FundQuery(text="fund")).count() == len(FUNDS), "an explicit search finds all"
        marks = {"y": "", "x": "", "w": "above", "-": "forbidden"}
        for code, cell in zip(FUNDS, TABLE[level].split(), strict=True):
            assert (view.mark(market[code]), view.can_buy(market[code])) == (marks[cell], cell != "-"), (level, code)


def test_an_own_purchase_is_warned_of_above_the_level_and_never_begun_by_the_lowest_class(people, market):
    portfolio = open_portfolio()
    deposit(portfolio_id=portfolio.pk, amount_minor=10_000_000, key="start")
    goal = make_goal(people.anna_investor, portfolio=portfolio)
    kinds = {"y": "", "x": "highest_grade", "w": "above_level"}
    for level, investor in levels(people):
        goal.account.investor = investor
        for code, cell in zip(FUNDS, TABLE[level].split(), strict=True):
            wish = Wish(goal=goal, fund=market[code], amount_minor=100_000, key=uuid4())
            if cell == "-":
                with pytest.raises(Refused, match="only_class"):
                    services.start_purchase(wish=wish, actor=people.anna)
                continue
            purchase = services.start_purchase(wish=wish, actor=people.anna)
            assert purchase.warning_kind == kinds[cell], (level, code)
            is_ordered = not refused(Refused, lambda purchase=purchase: services.order_purchase(purchase=purchase, actor=people.anna))
            assert is_ordered == (cell == "y"), "without a warning only what is within the level"


def test_a_proposal_is_neither_made_nor_accepted_above_the_level(people, market):
    goal = make_goal(people.anna_investor)
    make_assessment(people.anna_investor)
    for level, investor in levels(people):
        goal.account.investor = investor
        for code, cell in zip(FUNDS, TABLE[level].split(), strict=True):
            solution = SimpleNamespace(weights={code: 1.0}, cvar=0.0, cvar_limit=1.0)
            is_made = not refused(DataError, lambda level=level, solution=solution: _check_funds(level, solution, market))
            proposal = make_proposal(
                goal, level, {code: 1.0}, inputs={"funding": "deposit"}, result={"weights": {code: 1.0}, "amounts": {code: 100_000}}
            )
            why_not = refusal(lambda proposal=proposal: check_acceptable(proposal, people.anna))
            decision = decide_portfolio(investor, {"MONEY1": 0.999, code: 0.001} if code != "MONEY1" else {code: 1.0}, goal)
            expected = code in RECOMMENDED[level]
            assert (is_made, decision.verdict == "recommend") == (expected, expected), (level, code)
            assert why_not == {"y": "", "x": "not_acknowledged"}.get(cell, "fund_not_suitable"), (level, code)
    assert Proposal.objects.filter(state="accepted").count() == 0


def test_an_override_takes_no_fund_above_the_level(people, market):
    goal = make_goal(people.anna_investor)
    for level, investor in levels(people):
        goal.account.investor = investor
        taken = {code for code in FUNDS if not refused(Refused, lambda code=code: check_fund(goal=goal, code=code))}
        assert taken == RECOMMENDED[level]


def test_an_override_is_asked_about_once_more_as_it_is_written(people, market):
    """Between the price and the saving a fund may be graded higher."""
    give_level(people.anna_investor, 3)
    goal = make_goal(people.anna_investor)
    proposal = make_proposal(goal, 3, {"MONEY1": 1.0})
    figures = Figures(0.05, 0.05, 0.0, 0.0, 0, 0, 0)
    price = OverridePrice(proposal.pk, 3, 1_000_000, figures, figures)
    for weights, price_then in [({"GRADE4": 1.0}, price), ({"GRADE3": 1.0}, replace(price, chosen=replace(figures, cvar=0.13)))]:
        with pytest.raises(Refused, match="price_changed"):
            overrides._write(goal, people.ada, weights, price_then, REASON, tomorrow(9))
    assert overrides._write(goal, people.ada, {"GRADE3": 1.0}, price, REASON, tomorrow(9)).state == "active"


def test_no_suggestion_above_the_level_is_shown_at_any_door_though_it_was_stored(people, market, client):
    """Each fund alone, stored for somebody whose goal holds cash only, so that whatever suits also fits."""
    agree(people.anna_investor)
    hold(people.anna_investor, cash_minor=10_000_000)
    approve_plain_models(alike=TWINS)
    twin = dict([*TWINS, *(pair[::-1] for pair in TWINS)])
    key = make_api_key(name="app", scopes=["suggestions:read"])[1]
    client.force_login(people.anna)

    def page(address, **headers):
        return client.get(address, headers={"HX-Request": "true"} | headers).content.decode()

    for level, investor in levels(people):
        for code, cell in zip(FUNDS, TABLE[level].split(), strict=True):
            suggest(investor, code)
            doors = {
                "selector": {shown.fund.code for shown in suggestions_to_show(investor, n=10)},
                "home": set(re.findall(r"/funds/(\w+)/", page(reverse("suggestions_slot")))),
                "fund page": set(re.findall(r"/funds/(\w+)/", page(reverse("fund_suggestions_slot", args=[code])))),
                "API": {
                    one["fund"]
                    for one in json.loads(page("/marketing/api/v1/suggestions/P-anna", Authorization=f"Bearer {key}"))["suggestions"]
                },
            }
            assert {door: found - RECOMMENDED[level] for door, found in doors.items() if found - RECOMMENDED[level]} == {}, (level, code)
            assert all((code in doors[door]) == (cell in "yx") for door in ("selector", "home", "API")), (level, code, doors)
            assert doors["fund page"] == {twin[code]} & RECOMMENDED[level]


@pytest.mark.parametrize("by_name", [False, True], ids=["by code", "by name"])
def test_no_message_about_a_fund_reaches_somebody_it_does_not_suit(people, market, by_name):
    services.give_consent(investor=people.anna_investor, purpose=Consent.Purpose.MARKETING, is_given=True, source="test")
    campaign = Campaign.objects.create(name="news", segment=ensure_builtin_segments()[0])
    everybody = models.Investor.objects.filter(pk=people.anna_investor.pk)
    words = {"subject_zh": "您好", "subject_en": "Hello", "body_zh": "您好", "channels": ["inbox"]}
    ways = {}
    for position, code in enumerate(FUNDS, start=1):
        body = f"Have a look at {market[code].name_en if by_name else f'/funds/{code}/'}."
        step = CampaignStep.objects.create(campaign=campaign, position=position, body_en=body, **words)
        ways[code] = Way(campaign, step, "inbox", people.anna_investor.joined_at)
    for level, investor in levels(people):
        reached = {code for code, way in ways.items() if refusals(everybody, way)[investor.pk] != "above_level"}
        assert reached == RECOMMENDED[level]
    for changed in ({"level": None}, {"level": 5, "level_valid_until": "2020-01-01"}):
        everybody.update(**changed)
        assert {refusals(everybody, way)[people.anna_investor.pk] for way in ways.values()} == {"above_level"}


def test_a_service_letter_about_a_fund_also_reaches_who_holds_it(people, market):
    holder, other = people.anna_investor, people.ben_investor
    portfolio = open_portfolio()
    Holding.objects.create(portfolio=portfolio, fund=market["GRADE5"], units_centi=1, cost_minor=1)
    make_goal(holder, portfolio=portfolio)
    words = {
        "subject_zh": "通知",
        "subject_en": "Notice",
        "body_zh": "GRADE5 将清盘。",
        "body_en": "GRADE5 is wound up.",
        "channels": ["inbox"],
    }
    reached = {}
    for is_letter in (True, False):
        campaign = Campaign.objects.create(name=f"letter {is_letter}", segment=ensure_builtin_segments()[0], is_service_letter=is_letter)
        step = CampaignStep.objects.create(campaign=campaign, **words)
        for one in (holder, other):
            services.give_consent(investor=one, purpose=Consent.Purpose.MARKETING, is_given=True, source="test")
        found = refusals(models.Investor.objects.all(), Way(campaign, step, "inbox", holder.joined_at))
        reached[is_letter] = [found[one.pk] != "above_level" for one in (holder, other)]
    assert reached == {True: [True, False], False: [False, False]}


def test_a_models_portfolio_is_made_of_what_its_level_may_hold(people, market):
    facts = {code: SimpleNamespace(risk_grade=fund.risk_grade, asset_class=fund.asset_class, is_open=True) for code, fund in market.items()}
    pool = SimpleNamespace(funds=facts, has_record=lambda code: True)
    for level in TABLE:
        assert set(advised_funds(pool, level)) == RECOMMENDED[level]
    only_risky = SimpleNamespace(funds={"GRADE4": facts["GRADE4"]}, has_record=lambda code: True)
    for level in (0, 1, 2, 3):
        with pytest.raises(InfeasibleError):
            advised_funds(only_risky, level)
    assert jurisdiction().levels[0].only_classes == ["money_market"]


def test_no_admin_page_changes_a_level_a_decision_or_what_is_recommended():
    theirs = {model for site in (admin.site, advisor_site) for model in site._registry}
    advised = {model for model in models.__dict__.values() if hasattr(model, "investor_path")} | {models.Investor, Suggestion}
    assert theirs & advised == set()


def test_every_door_of_the_programming_interface_is_known_here():
    """Events give no advice; suggestions are held against the table above. Whoever adds another adds its door."""

    def found(resolver, prefix=""):
        for pattern in resolver.url_patterns:
            address = prefix + str(pattern.pattern)
            yield address
            if isinstance(pattern, URLResolver):
                yield from found(pattern, address)

    api = "marketing/api/v1/"
    assert {address for address in found(get_resolver()) if "api" in address.split("/")} == {
        api, f"{api}openapi.json", f"{api}docs", f"{api}events", f"{api}suggestions/<investor>"
    }  # fmt: skip
