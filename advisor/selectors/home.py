"""An investor's home and one goal's page: what there is, how it went, and the one thing to do next."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import F

from advisor import charts
from advisor.models import Goal, Investor, Override, OwnPurchase, Proposal
from advisor.selectors.advice import class_shares, is_working
from advisor.selectors.overrides import active_overrides
from advisor.selectors.purchases import due_purchases
from advisor.selectors.suitability import level_for_goal
from config.jobs import Job
from portfolios.jurisdictions import jurisdiction
from portfolios.models import Fund, Order
from portfolios.selectors import PortfolioTotals, Position, portfolio_totals, positions

ORDERS_SHOWN = 5
PROPOSALS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class GoalCard:
    """One pot: its money and its state as a code: start, working, ready, problem, ordering, cash, invested."""

    goal: Goal
    proposal: Proposal | None
    totals: PortfolioTotals | None
    state: str
    level_code: str = ""  # of the pot's portfolio today

    @property
    def gain_share(self) -> float | None:
        """Gain over what was paid in, or None where nothing was."""
        return self.totals.gain_minor / self.totals.paid_in_minor if self.totals and self.totals.paid_in_minor else None

    @property
    def missing_minor(self) -> int | None:
        """What is missing to the amount wanted if nothing grows, None without a target."""
        if self.goal.target_minor is None:
            return None
        return max(0, self.goal.target_minor - (self.totals.total_minor if self.totals else 0))

    @property
    def progress(self) -> int:
        """Money there as a whole percentage of the money wanted, 100 at most."""
        if not self.goal.target_minor or not self.totals:
            return 0
        return min(100, 100 * self.totals.total_minor // self.goal.target_minor)


@dataclass(frozen=True, slots=True)
class HomePage:
    """`step` is the one thing to do: no_level, level_expired, no_goal, ready, problem, start, working, ordering, nothing."""

    investor: Investor
    level_code: str
    has_valid_level: bool
    step: str
    step_card: GoalCard | None
    cards: list[GoalCard]
    total_minor: int
    paid_in_minor: int
    in_orders_minor: int
    cash_minor: int
    shares: list[charts.ClassShare]
    bars: charts.Figure | None
    nav_date: Any
    due_purchases: list[OwnPurchase] = field(default_factory=list)  # whose time to think is over

    @property
    def gain_minor(self) -> int:
        return self.total_minor - self.paid_in_minor

    @property
    def gain_share(self) -> float | None:
        return self.gain_minor / self.paid_in_minor if self.paid_in_minor else None

    @property
    def shows_suggestions(self) -> bool:
        return self.has_valid_level and self.investor.recommendations_off_at is None


@dataclass(frozen=True, slots=True)
class GoalPage:
    card: GoalCard
    level_code: str
    positions: list[Position]
    shares: list[charts.ClassShare]
    bars: charts.Figure | None
    proposals: list[Proposal]
    orders: list[Order]
    override: Override | None
    nav_date: Any


def goal_cards(goals: list[Goal], held: list[Position], proposals: Iterable[Proposal]) -> list[GoalCard]:
    """The goals' pots with their latest proposals (newest first) and money: three queries whatever their number."""
    latest: dict[int, Proposal] = {}
    for proposal in proposals:
        latest.setdefault(proposal.goal_id, proposal)
    funded = [goal.portfolio_id for goal in goals if goal.portfolio_id is not None]
    totals = portfolio_totals(funded, held) if funded else {}
    return [_card(goal, latest.get(goal.pk), totals.get(goal.portfolio_id or 0)) for goal in goals]


def _card(goal: Goal, proposal: Proposal | None, totals: PortfolioTotals | None) -> GoalCard:
    if proposal is not None and is_working(proposal):
        state = "working"
    elif proposal is not None and proposal.state == Proposal.State.READY and _can_be_paid(goal, proposal):
        state = "ready"
    elif totals is not None:
        state = "ordering" if totals.in_orders_minor else "invested"
    elif proposal is not None and (proposal.state == Proposal.State.INFEASIBLE or proposal.status == Job.Status.FAILED):
        state = "problem"
    else:
        state = "start"
    return GoalCard(goal, proposal, totals, state)


def level_code_of(investor: Investor, goal: Goal) -> str:
    """The level that a goal's portfolio follows today, "" without a level in force."""
    level = level_for_goal(investor, goal)
    return "" if level is None else jurisdiction().levels[level].code


def _can_be_paid(goal: Goal, proposal: Any) -> bool:
    """Whether a ready proposal is for the money there is: the first payment, or cash. Others are only there to be read."""
    return proposal.funding == ("deposit" if goal.portfolio_id is None else "cash")


def home_page(investor: Investor) -> HomePage:
    """Everything the home shows, in at most eight queries."""
    goals = list(Goal.objects.filter(account__investor=investor).order_by("target_date", "pk"))
    held = positions([goal.portfolio_id for goal in goals if goal.portfolio_id is not None])
    proposals = (
        Proposal.objects.filter(goal__in=[goal.pk for goal in goals]).defer("result", "inputs").annotate(funding=F("inputs__funding"))
    )
    cards = goal_cards(goals, held, proposals)
    has_valid_level = investor.has_valid_level()
    step, step_card = _next_step(investor, cards, has_valid_level=has_valid_level)
    shares = class_shares([(position.fund.asset_class, position.value_minor) for position in held])
    cards = [replace(card, level_code=level_code_of(investor, card.goal)) for card in cards]
    totals = [card.totals for card in cards if card.totals is not None]
    return HomePage(
        investor=investor,
        level_code="" if investor.level is None else jurisdiction().levels[investor.level].code,
        has_valid_level=has_valid_level,
        step=step,
        step_card=step_card,
        cards=cards,
        total_minor=sum(total.total_minor for total in totals),
        paid_in_minor=sum(total.paid_in_minor for total in totals),
        in_orders_minor=sum(total.in_orders_minor for total in totals),
        cash_minor=sum(total.cash_minor for total in totals),
        shares=shares,
        bars=charts.allocation_bars(shares) if shares else None,
        nav_date=max((position.nav_date for position in held if position.nav_date), default=None),
        due_purchases=due_purchases(investor) if goals else [],
    )


def _next_step(investor: Investor, cards: list[GoalCard], *, has_valid_level: bool) -> tuple[str, GoalCard | None]:
    """The most pressing thing to do, one only."""
    if not has_valid_level:
        return ("no_level" if investor.level is None else "level_expired"), None
    if not cards:
        return "no_goal", None
    for state in ("ready", "problem", "start", "working", "ordering"):
        for card in cards:
            if card.state == state:
                return state, card
    return "nothing", None


def goal_page(goal: Goal) -> GoalPage:
    """Everything one goal's page shows, its last orders and proposals among it, in eight queries."""
    held = positions([goal.portfolio_id]) if goal.portfolio_id is not None else []
    # Of a result only the funds' rows: the curves behind "how we chose" are a hundred times as long.
    proposals: list[Any] = list(
        goal.proposals.defer("result", "inputs").annotate(funding=F("inputs__funding"), funds=F("result__funds"))[:PROPOSALS_SHOWN]
    )
    card = goal_cards([goal], held, proposals)[0]
    override = active_overrides().filter(goal=goal).select_related("advisor").first()
    targets = _target_shares(proposals, override) if held else {}
    shares = class_shares([(position.fund.asset_class, position.value_minor) for position in held], targets)
    level = goal.account.investor.level
    return GoalPage(
        card=card,
        level_code="" if level is None else jurisdiction().levels[level].code,
        positions=held,
        shares=shares,
        bars=charts.allocation_bars(shares) if shares else None,
        proposals=proposals,
        orders=list(Order.objects.filter(portfolio=goal.portfolio_id).select_related("fund")[:ORDERS_SHOWN]) if goal.portfolio_id else [],
        override=override,
        nav_date=max((position.nav_date for position in held if position.nav_date), default=None),
    )


def _target_shares(proposals: list[Proposal], override: Override | None) -> dict[str, float]:
    """The share each asset class should have: by the override in force, else by the last accepted proposal."""
    if override is not None:
        classes = dict(Fund.objects.filter(code__in=list(override.weights)).values_list("code", "asset_class"))
        rows = [(classes[code], weight) for code, weight in override.weights.items() if code in classes]
    else:
        accepted: Any = next((proposal for proposal in proposals if proposal.state == Proposal.State.ACCEPTED), None)
        rows = [(row["asset_class"], row["weight"]) for row in accepted.funds or []] if accepted else []
    shares: dict[str, float] = {}
    for asset_class, weight in rows:
        shares[asset_class] = shares.get(asset_class, 0.0) + weight
    return shares
