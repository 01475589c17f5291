"""What simulated funds, companies and managers are called, in both languages."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from portfolios.kernels.simulate_funds import NUMBERED_FROM, FundSpec


@dataclass(frozen=True)
class FundNames:
    zh: str
    en: str
    company: str


@cache
def _words() -> dict[str, Any]:
    return yaml.safe_load(Path(__file__).with_name("simulated_names.yaml").read_text(encoding="utf-8"))


@cache
def _companies() -> list[tuple[str, str]]:
    words = _words()
    made = [(zh + rest_zh, en + rest_en) for zh, en in words["first_words"] for rest_zh, rest_en in words["second_words"]]
    return [*map(tuple, words["companies"]), *made]


def fund_columns(fund: FundSpec) -> dict[str, Any]:
    """What of a simulated fund never changes, as columns of `models.Fund`."""
    names = fund_names(fund)
    return {
        "name_zh": names.zh,
        "name_en": names.en,
        "company": names.company,
        "share_class": fund.share_class,
        "family_code": fund.family_code,
        "is_index": fund.is_index,
        "purchase_fee_bps": fund.purchase_fee_bps,
        "annual_fee_bps": fund.annual_fee_bps,
        "sales_fee_bps": fund.sales_fee_bps,
    }


def fund_names(fund: FundSpec) -> FundNames:
    """The fund's names and its company's; no two funds of a market share one."""
    words = _words()
    company_zh, company_en = _companies()[fund.company]
    mood_zh, mood_en = words["moods"][fund.mood]
    theme_zh, theme_en = words["themes"][fund.category][fund.theme]
    zh, en = f"{company_zh}{mood_zh}{theme_zh}", f"{company_en} {mood_en} {theme_en}"
    if fund.number >= NUMBERED_FROM:
        number = fund.number // NUMBERED_FROM + 1
        zh, en = zh + words["numbered"][0].format(number), f"{en} {words['numbered'][1].format(number)}"
    if fund.share_class:
        zh, en = zh + fund.share_class, f"{en} {fund.share_class}"
    return FundNames(zh, en, f"{company_zh}{words['company_suffix']} {company_en}")


def manager_name(who: int) -> str:
    """The name of a simulated manager by the number that the kernel gives."""
    surnames, given = _words()["managers"]["surnames"], _words()["managers"]["given"].split()
    return surnames[who % len(surnames)] + given[who // len(surnames) % len(given)]
