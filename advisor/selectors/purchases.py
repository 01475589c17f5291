"""Purchases of one's own as pages show them: the warning in words, what it costs, the money there is, and what waits."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from advisor.jurisdictions.purchases import purchase_rules
from advisor.kernels.suitability import HIGHEST_GRADE, Decision, Verdict
from advisor.models import Goal, Investor, OwnPurchase, Proposal
from advisor.models.purchases import LIVE
from advisor.selectors.refusals import sentence
from advisor.selectors.suitability import decide_for, decide_weights, fund_suits, level_for_goal
from portfolios import calendar
from portfolios import selectors as portfolio_selectors
from portfolios.jurisdictions import jurisdiction
from portfolios.models import Fund
from portfolios.money import BPS_PER_UNIT, MICRO_PER_UNIT, split_purchase
from portfolios.templatetags.money import percent, yuan

PURCHASES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class PurchaseCosts:
    """What a purchase costs in minor units, and the days of its price and confirmation if it were placed at a moment."""

    fee_minor: int
    invested_minor: int
    yearly_minor: int
    holding: list[portfolio_selectors.HoldingCost]
    price_date: date
    confirm_date: date


@dataclass(frozen=True, slots=True)
class GoalMoney:
    """A goal with a portfolio and the cash that lies in it."""

    goal: Goal
    cash_minor: int


def warning_kind(decision: Decision) -> str:
    """The warning that a purchase of one's own waits for: above_level, highest_grade, or none."""
    if not decision.wants_warning:
        return ""
    return "above_level" if decision.verdict == Verdict.ALLOW_AFTER_WARNING else "highest_grade"


def warning_words(purchase: OwnPurchase) -> str:
    """The warning in the reader's language, a paragraph a line; empty where none is wanted. Two queries for the fund's history."""
    rules, fund, levels = purchase_rules(), purchase.fund, jurisdiction().levels
    if not purchase.warning_kind:
        return ""
    words = rules.warnings[purchase.warning_kind].said.format(
        fund=fund.name or fund.code,
        code=fund.code,
        grade=purchase.risk_grade,
        level=levels[purchase.level].code,
        highest=levels[purchase.level].max_grade,
        amount=yuan(purchase.amount_minor),
        hours=rules.wait_hours,
        days=rules.lapse_days,
    )
    prices = portfolio_selectors.prices_of(fund)
    history = portfolio_selectors.published_history(prices.own) if prices else None
    if history is not None:
        fall = percent(history.deepest_fall)
        words += rules.deepest_fall.said.format(fall=fall, first=history.start.isoformat(), last=history.end.isoformat())
    return words.strip()


def proposal_decision(proposal: Proposal, funds: Mapping[str, Fund]) -> Decision:
    """What the gate says of all that a proposal would buy, at the goal's own level; no query."""
    result = proposal.result or {}
    bought = {code: float(amount) for code, amount in result["amounts"].items()}
    return decide_weights(proposal.level, bought, funds, loss=result.get("cvar"), limit=result.get("cvar_limit"))


def highest_funds(proposal: Proposal, funds: Mapping[str, Fund]) -> list[Fund]:
    """The funds of the highest grade that a proposal would buy."""
    amounts = (proposal.result or {})["amounts"]
    return [fund for code, fund in sorted(funds.items()) if fund.risk_grade == HIGHEST_GRADE and amounts.get(code)]


def proposal_warning_words(proposal: Proposal, funds: Mapping[str, Fund]) -> str:
    """The explanation of a proposal's funds of the highest grade in the reader's language; empty where it holds none."""
    rules, amounts = purchase_rules(), (proposal.result or {})["amounts"]
    highest = highest_funds(proposal, funds)
    if not highest:
        return ""
    said = rules.warnings["proposal"].said.format(
        grade=HIGHEST_GRADE,
        funds=_(", ").join(_("%(name)s (%(code)s)") % {"name": fund.name or fund.code, "code": fund.code} for fund in highest),
        amount=yuan(sum(amounts[fund.code] for fund in highest)),
        level=jurisdiction().levels[proposal.inputs.get("person_level", proposal.level)].code,
        hours=rules.wait_hours,
    )
    return said.strip()


def sha256_of(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()


def purchase_costs(fund: Fund, amount_minor: int, at: datetime | None = None) -> PurchaseCosts:
    """What buying for an amount would cost, at an unchanged NAV; no query."""
    fee_minor, _units = split_purchase(amount_minor, fund.purchase_fee_bps, MICRO_PER_UNIT)
    priced_on = calendar.price_date(at or timezone.now())
    return PurchaseCosts(
        fee_minor=fee_minor,
        invested_minor=amount_minor - fee_minor,
        yearly_minor=amount_minor * fund.annual_fee_bps // BPS_PER_UNIT,
        holding=portfolio_selectors.holding_costs(fund, amount_minor),
        price_date=priced_on,
        confirm_date=calendar.confirm_date(priced_on, fund.category),
    )


def goals_with_money(investor: Investor) -> list[GoalMoney]:
    """The person's goals that have a portfolio, with its cash, the most cash first. One query."""
    goals = Goal.objects.filter(account__investor=investor, portfolio__isnull=False).select_related("portfolio", "account__investor")
    found = [GoalMoney(goal, goal.portfolio.cash_minor) for goal in goals if goal.portfolio is not None]
    return sorted(found, key=lambda one: (-one.cash_minor, one.goal.pk))


def purchases_of(user: Any) -> QuerySet[OwnPurchase]:
    """The signed-in person's own purchases, newest first; nobody else's, whoever may see them elsewhere."""
    mine = OwnPurchase.objects.visible_to(user).filter(investor__user=user)
    return mine.select_related("fund", "goal__account", "goal__portfolio", "investor").order_by("-started_at", "-pk")


def waiting_purchases(user: Any) -> list[OwnPurchase]:
    """The person's purchases that are not ordered yet and can still be, newest first. One query."""
    return list(purchases_of(user).filter(state__in=LIVE, lapses_at__gt=timezone.now())[:PURCHASES_SHOWN])


def due_purchases(investor: Investor) -> list[OwnPurchase]:
    """The person's purchases whose time to think is over: they may be confirmed or dropped. One query."""
    now = timezone.now()
    waiting = OwnPurchase.objects.filter(investor=investor, state=OwnPurchase.State.WAITING, may_order_at__lte=now, lapses_at__gt=now)
    return list(waiting.select_related("fund", "goal").order_by("may_order_at", "pk")[:PURCHASES_SHOWN])


@dataclass(frozen=True, slots=True)
class BuyingPage:
    """What somebody who wants to buy a fund is told before the amount: the gate's word, or why not."""

    kind: str  # within, above_level, highest_grade, or forbidden
    why_not: str
    level_code: str
    money: list[GoalMoney]
    wait_hours: int

    @property
    def can_buy(self) -> bool:
        return self.kind != "forbidden" and any(one.cash_minor > 0 for one in self.money)


def buying_page(investor: Investor, fund: Fund) -> BuyingPage:
    """Ask the gate about a fund for a person, writing nothing. One query."""
    decision = decide_for(investor, fund)
    level = investor.level
    kind = "forbidden" if decision.verdict == Verdict.FORBID else warning_kind(decision) or "within"
    codes = ("no_level", "level_expired", "fund_closed", "only_class")
    code = next((code for code in codes if code in decision.reasons), "")
    return BuyingPage(
        kind=kind,
        why_not=sentence("fund_not_open" if code == "fund_closed" else code, {"level": level}) if kind == "forbidden" else "",
        level_code="" if level is None else jurisdiction().levels[level].code,
        money=goals_with_money(investor),
        wait_hours=purchase_rules().wait_hours,
    )


def is_above_goal(purchase: OwnPurchase) -> bool:
    """Whether the fund is above what the goal's own date allows, though within the person's level."""
    level = level_for_goal(purchase.investor, purchase.goal)
    return level is not None and purchase.warning_kind != "above_level" and not fund_suits(level, purchase.fund)
