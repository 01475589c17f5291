"""Answers of akshare and yfinance in the shapes those libraries document, written by hand: no price here was ever published."""

from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd

FIRST = date(2026, 3, 2)  # a Monday


def weekdays(n: int, first: date = FIRST) -> list[date]:
    days = (first + timedelta(days=i) for i in range(2 * n + 7))
    return [day for day in days if day.weekday() < 5][:n]


class Akshare:
    """Fund 900001 pays .05 on its fourth day and splits 1:2 on its sixth; 900002 is a money-market fund; 900003 is closed."""

    days = weekdays(8)

    def __init__(self):
        self.calls = []

    def fund_name_em(self):
        rows = [("900001", "SYHH", "示意成长混合A", "混合型-偏股"), ("900002", "SYHB", "示意现金货币A", "货币型-普通货币")]
        rows += [("900003", "SYZQ", "示意稳健债券C", "债券型-长债")]
        return pd.DataFrame([(*row, "PINYIN") for row in rows], columns=["基金代码", "拼音缩写", "基金简称", "基金类型", "拼音全称"])

    def fund_purchase_em(self):
        rows = [("900001", "限大额", 50_000.0), ("900002", "开放申购", 1e11), ("900003", "暂停申购", 1e11)]
        return pd.DataFrame(rows, columns=["基金代码", "申购状态", "日累计限定金额"])

    def fund_open_fund_info_em(self, symbol, indicator):
        self.calls.append((symbol, indicator))
        is_first = symbol == "900001"
        nav = [2.0, 2.02, 2.01, 1.97, 1.98, 1.0, 1.01, 1.02] if is_first else [1 + i / 1000 for i in range(8)]
        if indicator == "单位净值走势":
            return pd.DataFrame({"净值日期": self.days, "单位净值": nav, "日增长率": [0.1] * 8})
        if indicator == "累计净值走势":
            return pd.DataFrame({"净值日期": self.days, "累计净值": [value + 0.05 * (is_first and i >= 3) for i, value in enumerate(nav)]})
        if not is_first:
            return pd.DataFrame()
        if indicator == "分红送配详情":
            row = ("2026年", self.days[2].isoformat(), self.days[3].isoformat(), "每份派现金0.0500元", self.days[4].isoformat())
            return pd.DataFrame([row], columns=["年份", "权益登记日", "除息日", "每份分红", "分红发放日"])
        row = ("2026年", self.days[5].isoformat(), "份额分拆", "1:2.0000")
        return pd.DataFrame([row], columns=["年份", "拆分折算日", "拆分类型", "拆分折算比例"])

    def fund_money_fund_info_em(self, symbol):
        self.calls.append((symbol, "money"))
        days = [day.isoformat() for day in reversed(self.days)]
        columns = {"净值日期": days, "每万份收益": ["0.5000"] * 8, "7日年化收益率": ["1.8400"] * 8}
        return pd.DataFrame(columns | {"申购状态": ["开放申购"] * 8, "赎回状态": ["开放赎回"] * 8})


AKSHARE_CODES = ("900001", "900002", "900003")


class Yfinance:
    """EXA.SS pays .1 on its fourth day and splits 2:1 on its sixth; prices before are divided by it, as Yahoo does."""

    days = weekdays(8)

    def Ticker(self, code):
        return SimpleNamespace(history=lambda **asked: self._history(code, asked), history_metadata=self._metadata(code))

    def _history(self, code, asked):
        close = np.array([1.0, 1.01, 1.02, 0.98, 0.99, 1.0, 1.01, 1.02]) * (1 if code == "EXA.SS" else 3)
        paid = np.array([0, 0, 0, 0.05, 0, 0, 0, 0]) * (code == "EXA.SS")
        table = pd.DataFrame({"Open": close, "High": close, "Low": close, "Close": close, "Adj Close": self._adjusted(close, paid)})
        table["Volume"] = 1000
        table["Dividends"] = paid
        table["Stock Splits"] = np.array([0, 0, 0, 0, 0, 2.0, 0, 0]) * (code == "EXA.SS")
        table.index = pd.DatetimeIndex([pd.Timestamp(day, tz="Asia/Shanghai") for day in self.days], name="Date")
        since = asked.get("start")
        return table[table.index >= pd.Timestamp(since, tz="Asia/Shanghai")] if since else table

    @staticmethod
    def _adjusted(close, paid):
        adjusted = close.copy()
        for at in np.flatnonzero(paid):
            adjusted[:at] *= 1 - paid[at] / close[at - 1]
        return adjusted

    def _metadata(self, code):
        return {"currency": "CNY", "symbol": code, "longName": f"Example {code} equity ETF", "instrumentType": "ETF"}


YFINANCE_CODES = ("EXA.SS", "EXB.SS")
