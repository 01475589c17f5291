"""Chinese open-end funds as the library akshare reads them from Eastmoney. Live calls are the user's; only shapes are assumed here.

Shapes: `fund_name_em`, `fund_purchase_em`, `fund_open_fund_info_em` with four indicators, `fund_money_fund_info_em`, read in
the source of akshare 1.19. Where the site answers with an error page, akshare gives an empty table or raises: either is a failure.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

import pandas as pd

from portfolios.kernels.errors import DataError
from portfolios.money import MINOR_PER_UNIT
from portfolios.sources.calls import Patience, fund_by_fund, library, on_price_days, ordinal_days, require_columns, within
from portfolios.sources.contract import FundFacts, Piece, Wanted
from portfolios.sources.csv import payment_of, split_of
from portfolios.sources.frame import filled

_NAV, _CUMULATIVE, _PAYMENTS, _SPLITS = "单位净值走势", "累计净值走势", "分红送配详情", "拆分详情"
_MONEY = re.compile("货币")
_CLOSED = re.compile("暂停申购|封闭期|认购期")
_NO_LIMIT = 1e10  # how the table writes "no limit", in yuan
_PER_10K = 1e4
# The history of a money-market fund comes twenty days a request: some 180 requests for ten years.
_PATIENCE = Patience(seconds=240)
_TABLE_SECONDS = 60.0  # for the tables of all funds; with a fund's history, less than a worker's lease


class AkshareSource:
    """The source `akshare`."""

    name = "akshare"

    def __init__(self, api: Any = None, patience: Patience | None = None) -> None:
        self._api = api if api is not None else library("akshare")
        self._patience = patience or _PATIENCE
        self._names: pd.DataFrame | None = None
        self._purchases: pd.DataFrame | None = None

    def describe(self, codes: Sequence[str]) -> Iterable[FundFacts]:
        """Name, type in words, whether it is open and what may be bought a day."""
        names, purchases = self._tables()
        facts = []
        for code in codes:
            if code not in names.index:
                continue
            name, kind = str(names.at[code, "基金简称"]), str(names.at[code, "基金类型"])
            columns: dict[str, Any] = {"name_zh": name[:120]}
            if code in purchases.index:
                columns["is_open"] = not _CLOSED.search(str(purchases.at[code, "申购状态"]))
                limit = _number(purchases.at[code, "日累计限定金额"])
                columns["daily_limit_minor"] = round(limit * MINOR_PER_UNIT) if 0 < limit < _NO_LIMIT else None
            facts.append(FundFacts(code, words=kind, columns=columns))
        return facts

    def pieces(self, wanted: Wanted) -> Iterator[Piece]:
        """One fund a piece. The names come first: without them it is not known which funds are money-market funds."""
        names, _ = self._tables()
        is_money = {code: bool(_MONEY.search(str(kind))) for code, kind in names["基金类型"].items()}

        def read(code: str, since: date | None) -> pd.DataFrame:
            frame = self._money(code) if is_money.get(code) else self._open(code)
            return frame[frame["date"] >= since.toordinal()] if since else frame

        return fund_by_fund(wanted, read, self._patience)

    def _tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        if self._names is None or self._purchases is None:
            seconds = min(_TABLE_SECONDS, self._patience.seconds)
            names = within(seconds, self._api.fund_name_em)
            self._names = require_columns(names, ["基金代码", "基金简称", "基金类型"]).drop_duplicates("基金代码").set_index("基金代码")
            purchases = within(seconds, self._api.fund_purchase_em)
            purchases = require_columns(purchases, ["基金代码", "申购状态", "日累计限定金额"])
            self._purchases = purchases.drop_duplicates("基金代码").set_index("基金代码")
        return self._names, self._purchases

    def _open(self, code: str) -> pd.DataFrame:
        """Unit and cumulative NAV, distributions and splits of an open-end fund."""
        nav = require_columns(self._info(code, _NAV), ["净值日期", "单位净值"])
        cumulative = require_columns(self._info(code, _CUMULATIVE), ["净值日期", "累计净值"])
        days = ordinal_days(nav["净值日期"])
        running = dict(zip(ordinal_days(cumulative["净值日期"]), cumulative["累计净值"].astype(float), strict=True))
        return filled(
            fund=[code] * len(nav),
            date=days.to_numpy(),
            nav=pd.to_numeric(nav["单位净值"], errors="coerce").to_numpy(float),
            cumulative=[running.get(day, float("nan")) for day in days],
            distribution=on_price_days(days, self._events(code, _PAYMENTS, "除息日", "每份分红", payment_of)),
            split=on_price_days(days, self._events(code, _SPLITS, "拆分折算日", "拆分折算比例", split_of)),
        )

    def _info(self, code: str, indicator: str) -> Any:
        return self._api.fund_open_fund_info_em(symbol=code, indicator=indicator)

    def _events(self, code: str, indicator: str, day: str, cell: str, read: Any) -> dict[int, float]:
        """What a table of distributions or splits says, by ordinal; akshare gives an empty one where there was none."""
        table = self._info(code, indicator)
        if isinstance(table, pd.DataFrame) and table.empty:
            return {}
        table = require_columns(table, [day, cell])
        found = {}
        for on, text in zip(ordinal_days(table[day]), table[cell].astype(str), strict=True):
            value = read(text)
            if on < 0 or value is None:
                raise DataError("source_not_data")
            found[int(on)] = float(value)
        return found

    def _money(self, code: str) -> pd.DataFrame:
        """The daily income of a money-market fund, whose NAV stays at 1."""
        table = require_columns(self._api.fund_money_fund_info_em(symbol=code), ["净值日期", "每万份收益", "7日年化收益率"])
        state = table["申购状态"].astype(str) if "申购状态" in table.columns else pd.Series([""] * len(table))
        return filled(
            fund=[code] * len(table),
            date=ordinal_days(table["净值日期"]).to_numpy(),
            nav=[1.0] * len(table),
            income=pd.to_numeric(table["每万份收益"], errors="coerce").to_numpy(float) / _PER_10K,
            annual_yield=pd.to_numeric(table["7日年化收益率"], errors="coerce").to_numpy(float) / 100,
            subscription=["closed" if _CLOSED.search(text) else "open" if text.strip() else "" for text in state],
        )


def _number(cell: object) -> float:
    """The number in a cell; 0, which is no limit, for a dash or an empty one."""
    try:
        return float(str(cell))
    except ValueError:
        return 0.0
