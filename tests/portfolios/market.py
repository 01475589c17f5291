"""A small market for the tests of orders: funds with a NAV on each business day."""

from datetime import date

import numpy as np

from portfolios.kernels.types import FundHistory
from portfolios.models import Fund
from portfolios.services import store_histories


def make_fund(code="110011", *, category="equity", grade=4, fee_bps=60, **fields) -> Fund:
    known = {"asset_class": category, "risk_grade": grade, "purchase_fee_bps": fee_bps, "source": "test", "name_en": f"Fund {code}"}
    return Fund.objects.create(code=code, category=category, **(known | fields))


def publish(fund: Fund, navs: dict[date, int]) -> None:
    """Store NAVs in millionths by date; the fund row then knows its last one."""
    dates = sorted(navs)
    nav = np.array([navs[day] for day in dates], np.int64)
    store_histories([FundHistory(fund.code, np.array([day.toordinal() for day in dates]), nav, nav / nav[0])])
    fund.refresh_from_db()
