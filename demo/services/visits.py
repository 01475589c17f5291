"""Page views of simulated people, as the product's own middleware would have written them."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import NAMESPACE_URL, uuid5

from django.utils import timezone

from advisor.models import Investor
from demo.cast import Member
from demo.services.bulk import write
from demo.services.stage import Scenery
from marketing.models import Event


def load_visits(members: Sequence[Member], investors: Sequence[Investor], scenery: Scenery) -> int:
    """Write the page views of those who agreed to profiling; returns how many."""
    now = timezone.now()
    rows = []
    for member, investor in zip(members, investors, strict=True):
        if not member.person.agrees_to_profiling:
            continue
        for number, (days_ago, page, fund) in enumerate(sorted(member.seen, key=lambda visit: -visit[0])):
            when = now - timedelta(days=days_ago)
            rows.append(
                Event(
                    message_id=uuid5(NAMESPACE_URL, f"demo:{investor.pk}:{number}"),
                    investor=investor,
                    type=Event.Type.PAGE,
                    name=page,
                    properties={} if fund is None else {"code": scenery.funds[fund].code},
                    context={"simulated": True},
                    occurred_at=when,
                    sent_at=when,
                    received_at=when,
                )
            )
    return len(write(rows))
