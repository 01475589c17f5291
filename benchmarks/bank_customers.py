"""The customers of FAR-Trans as ledgers: what they did in the next fall, for those who have downloaded the full data set.

A customer is assessed 24 months after the first order of all, by the level of the last questionnaire before that day; the
middle of that level's band stands for both blocks, for the answers were not published. Left out are those whose level is not
known or was predicted by an algorithm, those without an order before the day, and those whose ledger sells more than it bought
until then: what they held before 2018 is not known. Grades, classes and regions are ours (docs/far-trans.md).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from advisor.jurisdictions import advice_rules
from advisor.kernels.behaviour import Market, Trades, measure
from advisor.kernels.behaviour_market import carried, fresh, indices, months_before, numbered
from advisor.services.far_trans import SIDES, FarTrans, read_far_trans
from benchmarks.assessment import MINOR_A_YUAN, Seen, damages, next_crossing, seen_of, sellers

YUAN_A_EURO = 7.7  # of the years 2018 to 2022, roughly: for two thresholds in yuan
STALE_DAYS = 14
KINDS = {  # kind and sub-kind: class and grade
    ("Stock", ""): ("equity", 4),
    ("Stock", "Large Cap"): ("equity", 4),
    ("Bond", "Government"): ("bond", 2),
    ("Bond", "Corporate"): ("bond", 2),
    ("MTF", "Money Market"): ("money_market", 1),
    ("MTF", "Bond"): ("bond", 2),
    ("MTF", "Bonds"): ("bond", 2),
    ("MTF", "Balanced"): ("mixed", 3),
    ("MTF", "Equity"): ("equity", 4),
    ("MTF", "Other"): ("other", 3),
    ("MTF", "Structured"): ("structured", 3),
}
UNKNOWN_KIND = ("", 3)


def customers_seen(folder: Path) -> tuple[Seen, Mapping[str, int]]:
    """What level and ledger said of each customer who held risk assets as the next fall began, and how many were left out, by reason."""
    found = read_far_trans(folder=folder)
    orders, rules = found.tables["transactions"], advice_rules().for_ledger(MINOR_A_YUAN)
    rules = replace(rules, min_risk_assets=rules.min_risk_assets / YUAN_A_EURO, min_opening=rules.min_opening / YUAN_A_EURO)
    as_of = months_before(orders["timestamp"].min().date(), -rules.window_months)
    levels, left_out = _levels(found, as_of)
    market, codes = market_of(found)
    is_priced = orders["isin"].isin(codes) & (_ordinals(orders["timestamp"]) >= market.dates[0])
    is_early = orders["timestamp"] <= pd.Timestamp(as_of)
    wrong = levels.index.isin(orders.loc[is_early & ~is_priced, "customerid"])
    levels = _without(levels, wrong, "with an order of an asset without prices", left_out)
    levels = _without(levels, ~levels.index.isin(orders.loc[is_early, "customerid"]), "without an order", left_out)
    trades = _trades(orders[is_priced & orders["customerid"].isin(levels.index)], list(levels.index), codes)
    readings = measure(trades, market, rules, as_of, len(levels))
    session = next_crossing(market, rules, as_of.toordinal())
    nobody = np.zeros(len(levels), bool)
    held, sold = (nobody, nobody) if session is None else sellers(trades, market, rules, session, len(levels))
    is_whole = readings.short_row < 0
    left_out["selling more than they bought"] = int((~is_whole).sum())
    left_out["held no risk assets"] = int((is_whole & ~held).sum())
    middle = [[level / 5 - 0.1] for level in levels.tolist()]
    return seen_of(middle, middle, damages(readings), (held & is_whole, sold)), left_out


def _levels(found: FarTrans, as_of: date) -> tuple["pd.Series[int]", dict[str, int]]:
    """The level that each customer had stated by a day, by customer."""
    customers = found.tables["customers"]
    n = customers["customerid"].nunique()
    stated = customers[~customers["is_predicted"] & (customers["level"] > 0)]
    n_stated = stated["customerid"].nunique()
    known = stated[stated["lastquestionnairedate"] <= pd.Timestamp(as_of)].sort_values("lastquestionnairedate", kind="stable")
    levels = known.drop_duplicates("customerid", keep="last").set_index("customerid")["level"]
    return levels, {"without a stated level": n - n_stated, "who answered later": n_stated - len(levels)}


def _without(levels: "pd.Series[int]", wrong: "np.ndarray", why: str, left_out: dict[str, int]) -> "pd.Series[int]":
    left_out[why] = int(wrong.sum())
    return levels[~wrong]


def market_of(found: FarTrans) -> tuple[Market, list[str]]:
    """The market of the assets that have prices, and their codes in its order."""
    prices, assets = found.tables["prices"], found.described_assets.set_index("isin")
    countries = found.tables["markets"].set_index("marketid")["country"] if "markets" in found.tables else pd.Series(dtype=str)
    day = _ordinals(prices["timestamp"])
    days = np.unique(day[(day - 1) % 7 < 5])
    rows = {str(code): np.sort(of) for code, of in prices.groupby("isin").indices.items()}
    codes, value = sorted(rows), prices["closeprice"].to_numpy()
    paths = []
    for code in codes:
        of = rows[code][np.argsort(day[rows[code]], kind="stable")]
        paths.append((days, day[of], value[of]))
    said = [(str(assets.at[code, "assetcategory"]), str(assets.at[code, "assetsubcategory"])) for code in codes]
    kinds = [KINDS.get(kind, UNKNOWN_KIND) for kind in said]
    # Where a fund's holdings lie is not said: no look-through, so no region.
    places = [str(countries.get(assets.at[code, "marketid"], "")) for code in codes]
    regions = ["" if kind[0] == "MTF" else place for kind, place in zip(said, places, strict=True)]
    cells = [f"{kind[0]}/{region}" if kind[0] and region else "" for kind, region in zip(kinds, regions, strict=True)]
    whole = np.column_stack([carried(*path) for path in paths])
    lately = np.column_stack([fresh(*path, STALE_DAYS) for path in paths])
    asset_class, classes = numbered([kind[0] for kind in kinds])
    category, categories = numbered(["/".join(kind) for kind in said])
    cell, cell_names = numbered(cells)
    market = Market(
        dates=days,
        total_return=whole,
        grade=np.broadcast_to(np.array([kind[1] for kind in kinds], np.int64), whole.shape),
        asset_class=asset_class,
        cell=cell,
        category=category,
        classes=classes,
        cells=cell_names,
        class_index=indices(lately, asset_class, len(classes)),
        category_index=indices(lately, category, len(categories)),
    )
    return market, codes


def _trades(orders: pd.DataFrame, customers: list[str], codes: list[str]) -> Trades:
    paid = orders["totalvalue"].to_numpy(float)
    return Trades(
        key=orders["line"].to_numpy(np.int64),
        investor=orders["customerid"].map({code: place for place, code in enumerate(customers)}).to_numpy(np.int64),
        fund=orders["isin"].map({code: place for place, code in enumerate(codes)}).to_numpy(np.int64),
        date=_ordinals(orders["timestamp"]),
        is_buy=orders["transactiontype"].map(SIDES).to_numpy(bool),
        units=orders["units"].to_numpy(float),
        worth=paid,
        paid=paid,
        is_own=np.ones(len(orders), bool),
    )


def _ordinals(days: "pd.Series[pd.Timestamp]") -> "np.ndarray":
    return days.to_numpy("datetime64[D]").astype(np.int64) + date(1970, 1, 1).toordinal()
