"""What follows for people from an alert about a fund: a task for the advisors whose clients hold it."""

from advisor.selectors.holders import holders_of
from advisor.services.following import mark_read, read_unread
from advisor.services.queue import open_tasks
from portfolios.models import MarketAlert

CURSOR = "market_alerts"
TASK_KIND = "market_alert"


def follow_market_alerts() -> int:
    """Open a task for each client who holds a fund with an alert that is new since the last time; returns how many are new.

    One that was over before it was read opens none. Safe to repeat; writes in blocks.
    """
    unread = read_unread(name=CURSOR, rows=MarketAlert.objects.filter(closed_at=None))
    items: dict[int, list[str]] = {}
    for fund_id, code, kind in MarketAlert.objects.filter(pk__in=unread.keys).values_list("fund_id", "fund__code", "kind"):
        items.setdefault(fund_id, []).append(f"{code}:{kind}")
    n_tasks = 0
    for block in holders_of(items) if items else ():
        told: dict[int, list[str]] = {}
        for row in block:
            named = told.setdefault(row.investor_id, [])
            named += [item for item in items[row.fund_id] if item not in named]
        n_tasks += open_tasks(kind=TASK_KIND, items=told)
    mark_read(unread)
    return n_tasks
