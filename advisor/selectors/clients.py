"""One client as an advisor sees them: the level, what it rests on, the money, and what was decided by whom."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from advisor import rules
from advisor.instruments import load_instrument
from advisor.jurisdictions import advice_rules
from advisor.models import Assessment, Goal, Investor, Level, LevelChange, Override, Proposal, Readvice, Task
from advisor.selectors.behaviour_page import BehaviourPage, behaviour_page
from advisor.selectors.book import LEVEL_EXPIRES_WITHIN, clients_of
from advisor.selectors.level_words import TASKS, change_words
from advisor.selectors.readvice import client_reviews, is_for_gain, problem_in_words, reasons_of
from advisor.selectors.suitability import level_for_goal
from portfolios import selectors as portfolio_selectors
from portfolios.models import Fund, MarketAlert
from portfolios.selectors import PortfolioTotals, Position

PROPOSALS_SHOWN = 20
TASKS_SHOWN = 20
ITEMS_SHOWN = 5  # funds a task names

TASK_KINDS = {
    "override_expired": _("An override has ended: decide whether its goal needs another."),
    "call_me": _("Asks to be called."),
    "campaign_lead": _("Answered a message: get in touch."),
    "fund_above_level": _("Holds what is graded above the goal's level by now: %(funds)s. Talk it over; nothing is sold unasked."),
    "next_action": _("A next step is proposed: see it, with its reason, on the client's page."),
    "market_alert": _("An alert about what is held: %(funds)s."),
    **TASKS,
}


@dataclass(frozen=True)
class AnswerRow:
    topic: str
    question: str
    answer: str


@dataclass(frozen=True)
class CeilingRow:
    name: str
    level: str
    binds: bool


@dataclass(frozen=True)
class Evidence:
    """What the level rests on: the latest completed questionnaire, in words and in numbers."""

    assessment: Assessment
    answers: list[AnswerRow]
    ceilings: list[CeilingRow]
    gate: str


@dataclass(frozen=True)
class TaskRow:
    pk: int
    label: Any
    is_open: bool
    opened_at: Any
    due_date: date | None
    done_at: Any
    done_by: Any


@dataclass(frozen=True)
class TargetRow:
    """One fund of a goal: what is held, its share, and the share it should have."""

    fund: Fund
    value_minor: int
    share: float
    target: float | None


@dataclass(frozen=True)
class GoalView:
    goal: Goal
    level: str | None
    totals: PortfolioTotals | None
    proposal: Proposal | None
    override: Override | None
    rows: list[TargetRow]
    review: Readvice | None = None
    review_reasons: list[Any] = field(default_factory=list)
    review_problem: str = ""

    @property
    def is_for_gain(self) -> bool:
        """Whether the review found nothing wrong, only a change that is worth its costs."""
        return self.review is not None and is_for_gain(self.review)

    @property
    def other_level(self) -> str:
        """The level of the latest proposal where the goal has come to stand at another since."""
        then = self.proposal.get_level_display() if self.proposal else ""
        return then if self.level and then != self.level else ""


@dataclass(frozen=True)
class ClientPage:
    investor: Investor
    may_act: bool
    flags: list[Any]
    evidence: Evidence | None
    level_changes: list[LevelChange]
    lower_levels: list[tuple[int, str]]
    goals: list[GoalView]
    proposals: list[Proposal]
    overrides: list[Override]
    tasks: list[TaskRow]
    behaviour: BehaviourPage

    @property
    def goals_in_need(self) -> list[GoalView]:
        return [view for view in self.goals if view.review_reasons]


def clients_with_people(user: Any) -> QuerySet[Investor]:
    """The user's clients with the people named on their page."""
    return clients_of(user).select_related("user", "household__branch", "household__primary_advisor", "household__secondary_advisor")


def client_page(user: Any, investor: Investor) -> ClientPage:
    """Gather one client's page; the caller has found the client among those visible to the user."""
    overrides = list(
        Override.objects.filter(goal__account__investor=investor)
        .select_related("goal", "advisor")
        .prefetch_related("events__actor")
        .order_by("-made_at", "-pk")
    )
    proposals = list(Proposal.objects.filter(goal__account__investor=investor).select_related("goal")[:PROPOSALS_SHOWN])
    return ClientPage(
        investor=investor,
        may_act=rules.may_advise(user, investor),
        flags=flags_of(investor),
        evidence=evidence_of(investor),
        level_changes=_level_changes(investor),
        lower_levels=[choice for choice in Level.choices if investor.level is not None and choice[0] < investor.level],
        goals=goal_views(investor, proposals, overrides),
        proposals=proposals,
        overrides=overrides,
        tasks=task_rows(investor),
        behaviour=behaviour_page(investor),
    )


def _level_changes(investor: Investor) -> list[LevelChange]:
    """The history of the level, the newest first, with its reasons in words."""
    changes = list(LevelChange.objects.filter(investor=investor).select_related("actor").order_by("-at", "-pk"))
    for change in changes:
        change.why = change_words(change.why)
    return changes


def flags_of(investor: Investor) -> list[Any]:
    """What must be known before anything else is read."""
    today = timezone.localdate()
    until = investor.level_valid_until
    flags: list[Any] = []
    if investor.erased_at is not None:
        return [_("account closed and data erased at the person's request")]
    if investor.level is None or until is None:
        flags.append(_("no risk level yet"))
    elif until < today:
        flags.append(_("risk level has expired"))
    elif until <= today + LEVEL_EXPIRES_WITHIN:
        flags.append(_("risk level expires soon"))
    if investor.level == Level.C1_MIN:
        flags.append(_("money-market funds only"))
    if investor.recommendations_off_at:
        flags.append(_("recommendations switched off"))
    return flags


def evidence_of(investor: Investor) -> Evidence | None:
    """Return the latest completed questionnaire in words, or None."""
    assessment = Assessment.objects.filter(investor=investor, state=Assessment.State.COMPLETED).order_by("-completed_at", "-pk").first()
    if assessment is None:
        return None
    words = advice_rules()
    caps = [(words.ceiling(cap["name"]), cap) for cap in assessment.working.get("caps", [])]
    gate = words.gate(assessment.working.get("gate") or "")
    return Evidence(
        assessment=assessment,
        answers=answers_in_words(assessment),
        ceilings=[CeilingRow(rule.said if rule else cap["name"], Level(cap["level"]).label, bool(cap.get("binds"))) for rule, cap in caps],
        gate=gate.said if gate else "",
    )


def answers_in_words(assessment: Assessment) -> list[AnswerRow]:
    """The questions as they were asked, about the investor's own money, and the options chosen."""
    try:
        instrument = load_instrument(assessment.instrument)
    except LookupError:  # a questionnaire this deployment no longer carries: the codes are all that is left
        return [AnswerRow(item, "", str(option)) for item, option in assessment.answers.items()]
    amount = assessment.amount_minor or 0
    rows = []
    for item in instrument.items:
        option = item.option(assessment.answers.get(item.code, ""))
        rows.append(AnswerRow(item.topic.said, item.asked(amount), option.text(amount) if option else "–"))
    return rows


def goal_views(investor: Investor, proposals: Iterable[Proposal], overrides: Iterable[Override]) -> list[GoalView]:
    """Each goal with its holdings beside the weights they should have: those of the override in force, or the proposal's."""
    goals = list(Goal.objects.filter(account__investor=investor).select_related("account").order_by("target_date", "pk"))
    portfolios = [goal.portfolio_id for goal in goals if goal.portfolio_id]
    positions = portfolio_selectors.positions(portfolios) if portfolios else []
    totals = portfolio_selectors.portfolio_totals(portfolios, positions) if portfolios else {}
    held: dict[int, list[Position]] = defaultdict(list)
    for position in positions:
        held[position.portfolio_id].append(position)
    today = timezone.localdate()
    in_force = {one.goal_id: one for one in overrides if one.state == Override.State.ACTIVE and one.expires_on > today}
    usable = [one for one in proposals if one.state in (Proposal.State.READY, Proposal.State.ACCEPTED) and one.result]
    latest = {one.goal_id: one for one in reversed(usable)}
    targets = {goal.pk: target_weights(in_force.get(goal.pk), latest.get(goal.pk)) for goal in goals}
    funds = {position.fund.code: position.fund for position in positions}
    funds |= Fund.objects.in_bulk(sorted({code for weights in targets.values() for code in weights} - set(funds)), field_name="code")
    reviews = client_reviews(investor.pk)
    views = []
    for goal in goals:
        level = level_for_goal(investor, goal)
        views.append(
            GoalView(
                goal=goal,
                level=Level(level).label if level is not None else None,
                totals=totals.get(goal.portfolio_id or 0),
                proposal=latest.get(goal.pk),
                override=in_force.get(goal.pk),
                rows=target_rows(held[goal.portfolio_id or 0], targets[goal.pk], funds),
                review=reviews.get(goal.pk),
                review_reasons=reasons_of(reviews[goal.pk]) if goal.pk in reviews else [],
                review_problem=problem_in_words(reviews[goal.pk]) if goal.pk in reviews else "",
            )
        )
    return views


def target_weights(override: Override | None, proposal: Proposal | None) -> dict[str, float]:
    if override:
        return {code: float(weight) for code, weight in override.weights.items()}
    return {code: float(weight) for code, weight in ((proposal.result if proposal else None) or {}).get("weights", {}).items()}


def target_rows(held: list[Position], weights: dict[str, float], funds: dict[str, Fund]) -> list[TargetRow]:
    value = sum(position.value_minor for position in held)
    rows = [
        TargetRow(position.fund, position.value_minor, position.value_minor / value if value else 0.0, weights.get(position.fund.code, 0.0))
        for position in held
    ]
    here = {row.fund.code for row in rows}
    rows += [TargetRow(fund, 0, 0.0, weights[code]) for code, fund in funds.items() if code in weights and code not in here]
    return sorted(rows, key=lambda row: (-(row.target or 0.0), row.fund.code))


def task_rows(investor: Investor) -> list[TaskRow]:
    """Open tasks first, oldest first, then those done lately."""
    lately = Task.objects.filter(investor=investor, state=Task.State.DONE).order_by("-done_at", "-pk")[:TASKS_SHOWN]
    shown = Task.objects.filter(Q(state=Task.State.OPEN) | Q(pk__in=lately.values("pk")), investor=investor).select_related("done_by")
    return [
        TaskRow(
            task.pk,
            task_label(task.kind, task.params),
            task.state == Task.State.OPEN,
            task.opened_at,
            task.due_date,
            task.done_at,
            task.done_by,
        )
        for task in shown.order_by("-state", "-done_at", "due_date", "opened_at", "pk")  # open, then done
    ]


def task_label(kind: str, params: Mapping[str, Any]) -> Any:
    """What to do, in words, with the funds it is about; a kind without words yet shows its code."""
    items = [item.partition(":") for item in params.get("items", [])]
    kinds = dict(MarketAlert.Kind.choices)
    named = [f"{code} ({kinds.get(alert, alert)})" if alert else code for code, _colon, alert in items]
    more = len(named) - ITEMS_SHOWN
    shown = gettext(", ").join(named[:ITEMS_SHOWN])
    if more > 0:
        shown = gettext("%(funds)s and %(n)s more") % {"funds": shown, "n": more}
    words = TASK_KINDS.get(kind, kind.replace("_", " "))
    return words % {"funds": shown} if kind in TASK_KINDS and items else words
