from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from portfolios import calendar

SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=SHANGHAI)


FRIDAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("placed_at", "priced_on"),
    [
        (at(FRIDAY, 14, 59, 59), FRIDAY),
        (at(FRIDAY, 15), date(2026, 11, 23)),
        (at(date(2026, 11, 21), 10), date(2026, 11, 23)),
        # The eve of the National Day week: the next NAV is eight days off.
        (at(date(2026, 9, 30), 16), date(2026, 10, 8)),
        # 06:30 UTC is 14:30 in Shanghai; 16:30 UTC is already Saturday there.
        (datetime(2026, 11, 20, 6, 30, tzinfo=UTC), FRIDAY),
        (datetime(2026, 11, 20, 16, 30, tzinfo=UTC), date(2026, 11, 23)),
    ],
)
def test_an_order_gets_the_nav_of_its_day_until_the_cut_off(placed_at, priced_on):
    assert calendar.price_date(placed_at) == priced_on


def test_the_exchange_rests_on_working_weekends():
    # Sunday 15 February 2026 before the Spring Festival may be a working day for offices, never for the exchange.
    assert not calendar.is_business_day(date(2026, 2, 15))
    assert not calendar.is_business_day(date(2026, 2, 17))


@pytest.mark.parametrize(
    ("category", "confirmed", "paid"),
    [
        ("money", date(2026, 11, 23), date(2026, 11, 24)),
        ("equity", date(2026, 11, 23), date(2026, 11, 26)),
        ("qdii", date(2026, 11, 24), date(2026, 12, 3)),
    ],
)
def test_confirmation_and_payment_follow_the_category(category, confirmed, paid):
    assert calendar.confirm_date(FRIDAY, category) == confirmed
    assert calendar.pay_date(confirmed, category) == paid


def test_lags_count_trading_days_over_a_holiday_week():
    assert calendar.confirm_date(date(2026, 9, 30), "equity") == date(2026, 10, 8)
    assert calendar.pay_date(date(2026, 10, 8), "equity") == date(2026, 10, 13)


def test_beyond_the_published_calendar_weekdays_count():
    assert calendar.is_business_day(date(2050, 10, 3))  # a Monday within a holiday nobody has announced yet
    assert not calendar.is_business_day(date(2050, 10, 1))  # a Saturday
    assert calendar.add_business_days(date(2050, 9, 30), 1) == date(2050, 10, 3)
