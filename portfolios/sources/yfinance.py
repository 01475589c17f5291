"""Listed funds as the library yfinance reads them from Yahoo. Live calls are the user's; only shapes are assumed here.

Shape, as of yfinance 1.7: `Ticker(code).history(auto_adjust=False, actions=True)` and its `history_metadata`. "Close" comes
adjusted for every split up to today, so that it changes backwards at each; it is unadjusted here, and the split stands on its
day. "Adj Close" is the total return: only its steps count.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from portfolios.sources.calls import Patience, fund_by_fund, library, ordinal_days, require_columns
from portfolios.sources.contract import FundFacts, Piece, Wanted
from portfolios.sources.frame import filled


class YfinanceSource:
    """The source `yfinance`."""

    name = "yfinance"

    def __init__(self, api: Any = None, patience: Patience | None = None) -> None:
        self._api = api if api is not None else library("yfinance")
        debug = getattr(getattr(self._api, "config", None), "debug", None)
        if debug is not None:
            debug.hide_exceptions = False  # by default a source that is down looks like a fund without prices
        self._patience = patience or Patience()
        self._metadata: dict[str, dict[str, Any]] = {}

    def describe(self, codes: Sequence[str]) -> Iterable[FundFacts]:
        """Name and currency, as they came with the prices."""
        for code in codes:
            told = self._metadata.get(code)
            if told is not None:
                name = str(told.get("longName") or told.get("shortName") or "")
                yield FundFacts(code, currency=str(told.get("currency") or "").upper(), words=name, columns={"name_en": name[:120]})

    def pieces(self, wanted: Wanted) -> Iterator[Piece]:
        """One fund a piece."""
        return fund_by_fund(wanted, self._read, self._patience)

    def _read(self, code: str, since: date | None) -> pd.DataFrame:
        ticker = self._api.Ticker(code)
        start = {"start": since.isoformat()} if since else {"period": "max"}
        table = ticker.history(auto_adjust=False, actions=True, **start)
        table = require_columns(table, ["Close", "Adj Close", "Dividends", "Stock Splits"])
        self._metadata[code] = dict(getattr(ticker, "history_metadata", None) or {})
        split = table["Stock Splits"].to_numpy(float)
        factor = np.where(split > 0, split, 1.0)
        later = np.append(np.cumprod(factor[::-1])[::-1][1:], 1.0)  # every split after the day
        paid = table["Dividends"].to_numpy(float)
        return filled(
            fund=[code] * len(table),
            date=ordinal_days(pd.Series(table.index)).to_numpy(),
            nav=table["Close"].to_numpy(float) * later,
            total_return=table["Adj Close"].to_numpy(float),
            distribution=np.where(paid > 0, paid * later, np.nan),
            split=np.where(split > 0, split, np.nan),
        )
