"""Next best actions as they may be drawn: what the night wrote is checked again at the moment of drawing."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from advisor.models import Investor
from advisor.selectors import consents_in_force, suits_own_level
from marketing.kernels.next_action import LEVEL_ENDS_WITHIN, MARKETING
from marketing.models import NextAction
from marketing.selectors.suiting import whom_it_fits


def to_draw(now: datetime | None = None) -> QuerySet[NextAction]:
    """The actions that hold at this moment: profiling agreed to, recommendations on, the level as the reason says, nothing above it.

    Marketing only of who agrees to it now; a fund only if it may be recommended to the person's level of now, which is valid,
    and was not turned down. Amounts and habits are those of the night.
    """
    return NextAction.objects.filter(_still_true(timezone.localdate(now or timezone.now())), _agreed("profiling"), _open_accounts())


def keys_to_draw(kinds: Iterable[str], now: datetime) -> QuerySet[Any]:
    """Keys of the investors of whom one of these is the next best action now: for a segment's one statement."""
    return to_draw(now).filter(kind__in=set(kinds)).order_by().values("pk")


def next_action_of(investor: Investor) -> NextAction | None:
    """What may be drawn for one person now; None where there is nothing, or not any longer.

    A fund goes through every filter of suggestions once more: also what the goal's date, the caps and what is held allow.
    """
    found = to_draw().filter(pk=investor.pk).select_related("fund").first()
    if found is not None and found.fund_id is not None and not whom_it_fits({found.pk: found.fund_id}):
        return None
    return found


def _agreed(purpose: str) -> Q:
    return Q(pk__in=consents_in_force(purpose).values("investor"))


def _open_accounts() -> Q:
    return Q(investor__recommendations_off_at=None, investor__erased_at=None, investor__user__is_active=True)


def _still_true(today: Any) -> Q:
    valid = Q(investor__level__isnull=False, investor__level_valid_until__gte=today)
    soon = today + timedelta(days=int(LEVEL_ENDS_WITHIN))
    service = (
        Q(reason="not_assessed", investor__level=None)
        | Q(reason="level_expired", investor__level_valid_until__lt=today)
        | Q(reason="level_ending", investor__level_valid_until__range=(today, soon))
        | Q(kind__in=["proposal", "plan", "goal"]) & valid
        | Q(kind="silence")
    )
    return service | Q(kind__in=MARKETING) & valid & _agreed("marketing") & (Q(fund=None) | _fund_suits())


def _fund_suits() -> Q:
    return suits_own_level() & ~Q(pk__in=_turned_down())


def _turned_down() -> QuerySet[Any]:
    """Keys of the people who do not want the fund that is proposed, in any share class."""
    same = Q(investor__not_interested__fund=F("fund")) | Q(investor__not_interested__fund__family_code=F("fund__family_code")) & ~Q(
        fund__family_code=""
    )
    return NextAction.objects.filter(same, investor__not_interested__until=None).values("pk")
