"""What follows from showing suggestions: that they were seen and opened is noted, and what nobody wants again is kept."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from advisor.models import Investor
from marketing.models import NotInterested, SuggestionImpression, Surface
from marketing.selectors.suggestions import ShownSuggestion
from portfolios.models import Fund

ALWAYS = 1.0  # what is shown is not drawn: the same fund would stand at the same place again


def note_impressions(*, investor: Investor, shown: Sequence[ShownSuggestion], surface: Surface) -> None:
    """Note what stands before somebody's eyes, once a day, fund and surface. Safe to repeat; one statement."""
    now = timezone.now()
    rows = [
        SuggestionImpression(
            investor=investor,
            fund_id=one.fund.pk,
            run_id=one.run_id,
            model=one.model,
            surface=surface,
            position=one.position,
            propensity=ALWAYS,
            on_date=timezone.localdate(now),
            shown_at=now,
        )
        for one in shown
    ]
    SuggestionImpression.objects.bulk_create(rows, ignore_conflicts=True)


def note_click(*, investor_id: int, code: str, surface: str, at: datetime | None = None) -> bool:
    """Note that the page of a suggested fund was opened from where it was shown last, today or yesterday; False where none was.

    Yesterday's counts because a page that was shown before midnight is still open after it. A second opening changes nothing.
    """
    today = timezone.localdate(at)
    days = (today - timedelta(days=1), today)
    seen = SuggestionImpression.objects.filter(investor=investor_id, fund__code=code, surface=surface, on_date__in=days)
    last = seen.order_by("-on_date").values("pk")[:1]
    return bool(SuggestionImpression.objects.filter(pk__in=last, clicked_at=None).update(clicked_at=at or timezone.now()))


def decline(*, investor: Investor, fund: Fund) -> NotInterested:
    """Never suggest this fund to the person again, in any share class. Safe to repeat."""
    found, _ = NotInterested.objects.get_or_create(investor=investor, fund=fund, until=None)
    return found


def take_back(*, investor: Investor, fund: Fund) -> bool:
    """The fund may be suggested again; the row stays, with its end. False where it was not declined."""
    return bool(NotInterested.objects.filter(investor=investor, fund=fund, until=None).update(until=timezone.now()))
