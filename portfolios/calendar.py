"""Business days of the jurisdiction's exchange, and the days on which an order is priced, confirmed and paid.

Sessions come from exchange-calendars, which publishes them from twenty years ago until the end of the last year whose
holidays are announced. Outside that range every weekday counts as a business day: a date so far ahead is an estimate.
"""

from bisect import bisect_left
from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from portfolios.jurisdictions import Lag, jurisdiction


@cache
def _sessions(calendar: str) -> list[date]:
    import exchange_calendars  # pandas comes with it: not at web start

    return [session.date() for session in exchange_calendars.get_calendar(calendar).sessions]


def is_business_day(day: date) -> bool:
    """Whether funds are priced that day; beyond the published calendar, whether it is a weekday."""
    sessions = _sessions(jurisdiction().calendar)
    if not sessions[0] <= day <= sessions[-1]:
        return day.weekday() < 5
    return sessions[bisect_left(sessions, day)] == day


def next_business_day(day: date) -> date:
    """The first business day after a day."""
    day += timedelta(days=1)
    while not is_business_day(day):
        day += timedelta(days=1)
    return day


def add_business_days(day: date, n_days: int) -> date:
    """The n-th business day after a day."""
    for _ in range(n_days):
        day = next_business_day(day)
    return day


def local_date(at: datetime) -> date:
    return at.astimezone(ZoneInfo(jurisdiction().timezone)).date()


def price_date(placed_at: datetime) -> date:
    """The day whose NAV an order gets: its own until the cut-off of a business day, else the next one."""
    local = placed_at.astimezone(ZoneInfo(jurisdiction().timezone))
    is_in_time = local.time() < time.fromisoformat(jurisdiction().cut_off)
    return local.date() if is_in_time and is_business_day(local.date()) else next_business_day(local.date())


def cut_off_at(day: date) -> datetime:
    """The moment until which an order priced on that day may be withdrawn."""
    return datetime.combine(day, time.fromisoformat(jurisdiction().cut_off), tzinfo=ZoneInfo(jurisdiction().timezone))


def _lag(category: str) -> Lag:
    table = jurisdiction()
    return table.lags[table.categories[category].lag]


def confirm_date(priced_on: date, category: str) -> date:
    """The day on which an order priced on `priced_on` is confirmed, by the category's lag."""
    return add_business_days(priced_on, _lag(category).confirm)


def pay_date(confirmed_on: date, category: str) -> date:
    """The day on which the money of a redemption confirmed on `confirmed_on` arrives."""
    return add_business_days(confirmed_on, _lag(category).pay)
