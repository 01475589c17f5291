"""Cases that wait for an advisor or a supervisor: the queue, reviews to sign, and what surrounds one client's level."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from advisor import rules
from advisor.models import Assessment, Investor, Level, LevelHold, LevelReview, ReviewTrigger, StaffMember, Task
from advisor.selectors.clients import task_label
from advisor.selectors.reassessment import PendingRise, open_triggers_of, pending_rise
from identity.roles import Role

CASES_A_PAGE = 25

# A kind of task as the queue's filter names it, and what to say to the client. A kind without words shows its code and no advice.
KINDS = {
    "low_confidence": gettext_lazy("low confidence"),
    "confirm_rise": gettext_lazy("rise to confirm"),
    "panic_sale": gettext_lazy("sold in a fall"),
    "revealed_risk": gettext_lazy("holds another risk than stated"),
    "portfolio_down": gettext_lazy("portfolio down by a fifth"),
    "life_event": gettext_lazy("a change in life"),
    "questionnaire_corrected": gettext_lazy("a corrected questionnaire"),
    "calm_in_falls": gettext_lazy("kept calm in two falls"),
    "fund_above_level": gettext_lazy("holds a fund above the level"),
    "market_alert": gettext_lazy("an alert about a holding"),
    "override_expired": gettext_lazy("an override has ended"),
    "call_me": gettext_lazy("asks to be called"),
    "campaign_lead": gettext_lazy("answered a message"),
}
SAY = {
    "low_confidence": gettext_lazy(
        "“Some of your answers point in different directions. Shall we go through them together?” Do not suggest an answer."
    ),
    "confirm_rise": gettext_lazy(
        "“Your answers now allow much more risk than before. What has changed?” Confirm only what you can explain yourself."
    ),
    "panic_sale": gettext_lazy("“You sold while prices fell. How did it feel, and would you want to hold less next time?”"),
    "revealed_risk": gettext_lazy("“What you hold is of another risk than what you told us. Which of the two is what you want?”"),
    "portfolio_down": gettext_lazy(
        "First what the fall means for the goal and its date; then what is done, usually nothing. Offer a new assessment, do not press it."
    ),
    "life_event": gettext_lazy("“You told us that something has changed. What does it mean for the money and for the date?”"),
    "questionnaire_corrected": gettext_lazy("“We have corrected a question that you answered. Please answer again, four minutes.”"),
    "calm_in_falls": gettext_lazy("“You kept calm through two falls. If you like, you can answer again.” Nothing follows from a no."),
    "fund_above_level": gettext_lazy("“A fund that you hold is graded higher by now. You may keep it or redeem it; we buy no more of it.”"),
    "market_alert": gettext_lazy("What the alert says, what it means for the goal, and what is proposed, if anything."),
    "override_expired": gettext_lazy("Whether the reason for the other allocation still holds; else the proposal counts again."),
    "call_me": gettext_lazy("Call at the time that suits them; listen first."),
    "campaign_lead": gettext_lazy("What they asked about, and nothing above their level."),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One open task with what an advisor needs to begin: why, what to say, and how sure the level is."""

    pk: int
    kind: str
    why: Any
    say: Any
    client_pk: int
    client: str
    level: str
    confidence: str
    opened_at: datetime
    due_date: date | None
    may_act: bool


@dataclass(frozen=True, slots=True)
class KindCount:
    code: str
    label: Any
    n: int


@dataclass(frozen=True, slots=True)
class Queue:
    kind: str
    page: Page[Any]
    cases: list[Case]
    kinds: list[KindCount]
    n_all: int


@dataclass(frozen=True, slots=True)
class ReviewCase:
    """A review that waits for a signature: what is asked, of whom, and what signing would do."""

    review: LevelReview
    client: str
    level: str
    effect: str
    may_sign: bool


@dataclass(frozen=True, slots=True)
class LevelBox:
    """What surrounds a client's level beside the answers: how sure it is, what waits, what is open."""

    confidence: str
    is_sure: bool
    rise: PendingRise | None
    may_confirm: bool
    held_until: date | None
    triggers: list[ReviewTrigger]
    reviews: list[LevelReview]

    @property
    def flags(self) -> list[Any]:
        """Open matters in a few words each, for the line beside the level."""
        flags: list[Any] = []
        if self.rise is not None:
            said = _("a rise to %(level)s waits for you") if self.rise.waits_for_advisor else _("a rise to %(level)s waits for its day")
            flags.append(said % {"level": self.rise.level.label})
        if self.held_until is not None:
            flags.append(_("held until %(day)s") % {"day": self.held_until.isoformat()})
        flags += [trigger.get_kind_display() for trigger in self.triggers]
        return flags + [_("a review waits for a signature")] * bool(self.reviews)


def open_cases(user: Any) -> QuerySet[Task]:
    """Open tasks of the clients that an advisor or supervisor sees, without their own money's, the oldest first."""
    waiting = Task.objects.visible_to(user).filter(state=Task.State.OPEN).exclude(investor__user=user.pk)
    return waiting.order_by("opened_at", "pk")


def queue(user: Any, kind: str = "", page: int = 1) -> Queue:
    """One page of the queue, of one kind or of all. At most five queries."""
    waiting = open_cases(user)
    counts = dict(waiting.order_by().values_list("kind").annotate(Count("pk")))
    known = kind if kind in counts else ""
    latest = Assessment.objects.filter(investor=OuterRef("investor"), state=Assessment.State.COMPLETED).order_by("-completed_at", "-pk")
    wanted = waiting.filter(kind=known) if known else waiting
    wanted = wanted.select_related("investor__user").annotate(confidence=Subquery(latest.values("confidence")[:1]))
    paginator = Paginator(wanted, CASES_A_PAGE)
    paginator.count = counts[known] if known else sum(counts.values())  # type: ignore[misc]
    shown = paginator.get_page(page)
    rows: list[Any] = list(shown.object_list)
    advised = set(Investor.objects.advised_by(user).filter(pk__in={row.investor_id for row in rows}).values_list("pk", flat=True))
    order = [*KINDS, *sorted(set(counts) - set(KINDS))]
    return Queue(
        kind=known,
        page=shown,
        cases=[_case(row, advised) for row in rows],
        kinds=[KindCount(code, KINDS.get(code, code.replace("_", " ")), counts[code]) for code in order if code in counts],
        n_all=sum(counts.values()),
    )


def _case(row: Any, advised: Collection[int]) -> Case:
    investor = row.investor
    return Case(
        pk=row.pk,
        kind=row.kind,
        why=task_label(row.kind, row.params),
        say=SAY.get(row.kind, ""),
        client_pk=investor.pk,
        client=str(investor.user),
        level=Level(investor.level).label if investor.level is not None else "",
        confidence=str(Assessment.Confidence(row.confidence).label) if row.confidence else "",
        opened_at=row.opened_at,
        due_date=row.due_date,
        may_act=investor.pk in advised,
    )


def waiting_reviews(user: Any) -> QuerySet[LevelReview]:
    """Reviews of clients' levels that nobody has decided yet, the oldest first."""
    waiting = LevelReview.objects.visible_to(user).filter(state=LevelReview.State.WAITING).exclude(investor__user=user.pk)
    return waiting.select_related("investor__user", "investor__household", "asked_by").order_by("asked_at", "pk")


def review_cases(user: Any) -> list[ReviewCase]:
    """The reviews that a supervisor may sign, and those that an advisor sees waiting. At most three queries."""
    branches = set(StaffMember.objects.filter(user=user).values_list("branch", flat=True)) if user.has_role(Role.SUPERVISOR) else set()
    effects = {
        LevelReview.Kind.AGE: _("Signed, the limit of age does not count at the next assessment. The level stays as it is until then."),
        LevelReview.Kind.RESTORE: _("Signed, the old level is in force again until the questionnaire can be answered. It is not raised."),
    }
    return [
        ReviewCase(
            review=row,
            client=str(row.investor.user),
            level=Level(row.investor.level).label if row.investor.level is not None else "",
            effect=effects[LevelReview.Kind(row.kind)],
            may_sign=row.investor.household.branch_id in branches and row.asked_by_id != user.pk,
        )
        for row in waiting_reviews(user)
    ]


def level_box(user: Any, investor: Investor, assessment: Assessment | None) -> LevelBox:
    """Gather what surrounds a client's level; `assessment` is the latest completed one. At most five queries."""
    rise = pending_rise(assessment) if assessment else None
    holds = LevelHold.objects.filter(investor=investor, until_date__gte=timezone.localdate()).order_by("-until_date")
    confidence = assessment.confidence if assessment else ""
    return LevelBox(
        confidence=str(Assessment.Confidence(confidence).label) if confidence else "",
        is_sure=confidence != Assessment.Confidence.LOW,
        rise=rise,
        may_confirm=rise is not None and rise.waits_for_advisor and rules.may_confirm_rise(user, investor),
        held_until=holds.values_list("until_date", flat=True).first(),
        triggers=open_triggers_of(investor),
        reviews=list(LevelReview.objects.filter(investor=investor, state=LevelReview.State.WAITING).select_related("asked_by")),
    )
