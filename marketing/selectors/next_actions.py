"""Next best actions as they may be drawn: what the night wrote is checked again at the moment of drawing."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from advisor.models import Investor, Proposal
from advisor.selectors import consents_in_force, suits_own_level
from marketing.kernels.next_action import LEVEL_ENDS_WITHIN, MARKETING
from marketing.models import NextAction
from marketing.selectors.profile_orders import OWNER, RUNNING_DAYS
from marketing.selectors.profile_rows import day_start
from marketing.selectors.suiting import whom_it_fits
from portfolios.models import Order


def to_draw(now: datetime | None = None, of: QuerySet[NextAction] | None = None) -> QuerySet[NextAction]:
    """The actions that hold at this moment: profiling agreed to, recommendations on, the level as the reason says, nothing above it.

    A proposal only while one waits, a plan only while it has stopped. Marketing only of who agrees to it now; a fund only if it
    may be recommended to the person's level of now, which is valid, and was not turned down. Amounts and habits are those of the
    night. `of` are those that are asked about, all where none are given.
    """
    actions = NextAction.objects.all() if of is None else of
    return actions.filter(_still_true(timezone.localdate(now or timezone.now()), actions), _agreed("profiling"), _open_accounts())


def keys_to_draw(kinds: Iterable[str], now: datetime) -> QuerySet[Any]:
    """Keys of the investors of whom one of these is the next best action now: for a segment's one statement.

    What no statement can ask is `whom_it_fits`: the goal's date, caps, what is held. The night chose only funds that passed all of
    it at that moment; here a fund is asked again only what `to_draw` says. A campaign's message carries nobody's own fund: its
    words are the same for all. At the moment of sending `with_refusal` asks of each sales message whether marketing is agreed to,
    recommendations are on, and all funds that its words name suit the level in force; it does not ask whether the action is still
    this one. Pages and the API show a person's own fund, through every filter then.
    """
    return to_draw(now).filter(kind__in=set(kinds)).order_by().values("pk")


def next_action_of(investor: Investor) -> NextAction | None:
    """What may be drawn for one person now; None where there is nothing, or not any longer.

    A fund goes through every filter of suggestions once more: also what the goal's date, the caps and what is held allow.
    """
    found = to_draw(of=NextAction.objects.filter(pk=investor.pk)).select_related("fund").first()
    if found is not None and found.fund_id is not None and not whom_it_fits({found.pk: found.fund_id}):
        return None
    return found


def _agreed(purpose: str) -> Q:
    return Q(pk__in=consents_in_force(purpose).values("investor"))


def _open_accounts() -> Q:
    return Q(investor__recommendations_off_at=None, investor__erased_at=None, investor__user__is_active=True)


def _still_true(today: date, actions: QuerySet[NextAction]) -> Q:
    valid = Q(investor__level__isnull=False, investor__level_valid_until__gte=today)
    soon = today + timedelta(days=int(LEVEL_ENDS_WITHIN))
    service = (
        Q(reason="not_assessed", investor__level=None)
        | Q(reason="level_expired", investor__level_valid_until__lt=today)
        | Q(reason="level_ending", investor__level_valid_until__range=(today, soon))
        | Q(kind="proposal", pk__in=_waiting_proposals(actions)) & valid
        | Q(kind="plan", pk__in=_stopped_plans(actions, today)) & valid
        | Q(kind="goal") & valid
        | Q(kind="silence")
    )
    return service | Q(kind__in=MARKETING) & valid & _agreed("marketing") & (Q(fund=None) | _fund_suits())


def _waiting_proposals(actions: QuerySet[NextAction]) -> QuerySet[Any]:
    """Keys of those with one, as `has_waiting_proposal` of a profile has it, from the rows of now."""
    ready = Proposal.objects.filter(goal__account__investor=OuterRef("pk"), state=Proposal.State.READY)
    return actions.filter(Exists(ready), kind="proposal").order_by().values("pk")


def _stopped_plans(actions: QuerySet[NextAction], today: date) -> QuerySet[Any]:
    """Keys of those with one, as `plan_status` of a profile has it, from the orders of now: plans have no table of their own.

    Keys of the actions that are asked about, not EXISTS between the alternatives of `_still_true`: there PostgreSQL asked row by
    row, 14 s instead of 0.3 for 20,000 people with 300,000 orders.
    """
    bought = Order.objects.filter(**{OWNER: OuterRef("pk")}, origin=Order.Origin.PLAN, side=Order.Side.BUY)
    bought = bought.exclude(state__in=[Order.State.REJECTED, Order.State.CANCELLED])
    lately = bought.filter(placed_at__gte=day_start(today - timedelta(days=RUNNING_DAYS - 1)))
    return actions.filter(Exists(bought), ~Exists(lately), kind="plan").order_by().values("pk")


def _fund_suits() -> Q:
    return suits_own_level() & ~Q(pk__in=_turned_down())


def _turned_down() -> QuerySet[Any]:
    """Keys of the people who do not want the fund that is proposed, in any share class."""
    same = Q(investor__not_interested__fund=F("fund")) | Q(investor__not_interested__fund__family_code=F("fund__family_code")) & ~Q(
        fund__family_code=""
    )
    return NextAction.objects.filter(same, investor__not_interested__until=None).values("pk")
