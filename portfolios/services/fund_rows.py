"""Funds as rows: made and restated from what a source says of them, with the dated facts beside them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from django.db.models import QuerySet

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import DataError
from portfolios.kernels.returns import align, annual_volatility
from portfolios.kernels.risk import grade_of_volatility
from portfolios.kernels.types import FundHistory
from portfolios.models import Fund, FundFact, FundSize
from portfolios.sources.contract import FundFacts

FACT_COLUMNS = (
    "name_zh", "name_en", "company", "currency", "share_class", "family_code", "is_index", "is_open", "is_complex", "is_simulated",
    "purchase_fee_bps", "annual_fee_bps", "sales_fee_bps", "leverage_percent", "manager", "manager_since", "daily_limit_minor",
    "size_minor", "units_centi", "size_date", "ended_on",
)  # fmt: skip
RESTATED = [*FACT_COLUMNS, "category", "asset_class", "issuer_grade", "risk_grade"]
DATED = {"size_date": ("size_minor", "units_centi", "size_date"), "manager_since": ("manager", "manager_since")}
FUND_REFUSED, CURRENCY_DIFFERS = "fund_refused", "currency_differs"
_ROWS_A_WRITE = 2_000


def checked_facts(facts: Iterable[FundFacts]) -> dict[str, FundFacts]:
    """Facts by code; raises DataError for a category the jurisdiction does not know."""
    known = jurisdiction().categories
    found = {}
    for fact in facts:
        if fact.category and fact.category not in known:
            raise DataError("unknown_category", fund=fact.code, category=fact.category)
        found[fact.code] = fact
    return found


def currency_of(fund: Fund | None, facts: FundFacts, in_rows: Iterable[str]) -> str | None:
    """A currency the source states that is not the one these histories are kept in; None where all agree."""
    kept_in = fund.currency if fund is not None else jurisdiction().currency
    stated = {facts.currency, *in_rows} - {""}
    return next(iter(sorted(stated - {kept_in})), None)


def new_fund(history: FundHistory, facts: FundFacts, source: str) -> tuple[Fund, list[str]]:
    """A fund as the source says, else by clear words, else by volatility; the grade is never below that of its volatility."""
    rules = jurisdiction()
    fund = Fund(code=history.fund_code, source=source, currency=rules.currency)
    restate(fund, facts)
    if facts.category:
        return fund, []
    matrix = align((history.fund_code,), {history.fund_code: history})
    volatility = float(annual_volatility(matrix)[0])
    by_volatility = grade_of_volatility(volatility, rules.volatility_bands)
    text = f"{history.fund_code} {fund.name_zh} {fund.name_en} {facts.words}".lower()
    clear = next((row.category for row in rules.category_words if any(word in text for word in row.words)), None)
    fund.category = clear or rules.band_categories[by_volatility]
    kind = rules.categories[fund.category]
    fund.asset_class = kind.asset_class if clear else f"grade_{by_volatility}"
    fund.risk_grade = max(kind.grade, by_volatility) if clear else by_volatility
    notes = [f"category_from_words:{clear}" if clear else f"category_from_volatility:{fund.category}"]
    if np.isnan(volatility):
        notes.append(f"grade_unknown:{fund.risk_grade}")
    elif not clear or by_volatility > kind.grade:
        notes.append(f"grade_from_volatility:{by_volatility}")
    return fund, notes


def restate(fund: Fund, facts: FundFacts) -> bool:
    """Set what the source says of a fund; True if anything is different now. A fund that was wound up is closed."""
    said = {name: value for name, value in facts.columns.items() if name in FACT_COLUMNS}
    for dated, columns in DATED.items():  # an older quarter or manager is kept as a row, and is not the fund's last
        if (known := getattr(fund, dated)) and said.get(dated, known) < known:
            said = {name: value for name, value in said.items() if name not in columns}
    wanted: dict[str, Any] = {name: value for name, value in said.items() if value not in ("", None) or name == "daily_limit_minor"}
    if wanted.get("ended_on") or fund.ended_on:
        wanted["is_open"] = False
    if facts.category:
        kind = jurisdiction().categories[facts.category]
        issuer = facts.grade or kind.grade
        grade = issuer if fund.own_grade is None else max(issuer, fund.own_grade)
        wanted |= {"category": facts.category, "asset_class": kind.asset_class, "issuer_grade": issuer, "risk_grade": grade}
    differs = any(getattr(fund, name) != value for name, value in wanted.items())
    for name, value in wanted.items():
        setattr(fund, name, value)
    return differs


def regrade(fund: Fund, own_grade: int | None) -> None:
    """Set the grade in force by our own grade of now: the fund may have been graded since it was read."""
    fund.own_grade = own_grade
    if own_grade is not None:
        fund.risk_grade = max(own_grade, fund.issuer_grade or 0)


def says_more(facts: FundFacts, fund: Fund) -> FundFacts:
    """The facts for a fund that is known: a source that names no category renames nobody."""
    if facts.category:
        return facts
    return replace(facts, columns={name: value for name, value in facts.columns.items() if name not in ("name_zh", "name_en")})


def write_record(facts: Iterable[FundFacts]) -> None:
    """Write sizes and events of known funds, new or restated, in short writes. Safe to repeat."""
    told = {fact.code: fact for fact in facts if fact.sizes or fact.events}
    if not told:
        return
    ids = dict(Fund.objects.filter(code__in=told).values_list("code", "pk"))
    sizes = [FundSize(fund_id=pk, **vars(size)) for code, pk in ids.items() for size in told[code].sizes]
    events = [FundFact(fund_id=pk, **vars(event)) for code, pk in ids.items() for event in told[code].events]
    for start in range(0, len(sizes), _ROWS_A_WRITE):
        FundSize.objects.bulk_create(
            sizes[start : start + _ROWS_A_WRITE],
            update_conflicts=True,
            unique_fields=["fund", "as_of_date"],
            update_fields=["published_date", "size_minor", "units_centi", "institutional_share"],
        )
    for start in range(0, len(events), _ROWS_A_WRITE):
        FundFact.objects.bulk_create(
            events[start : start + _ROWS_A_WRITE],
            update_conflicts=True,
            unique_fields=["fund", "kind", "from_date"],
            update_fields=["published_date", "text", "number"],
        )


def join_share_classes(funds: QuerySet[Fund]) -> int:
    """Give funds whose names differ only in a closing class letter one family code; returns how many were changed.

    A family that a source named stays as it is.
    """
    from portfolios.sources.checks import share_class_of

    families: dict[tuple[str, str], list[tuple[Fund, str]]] = {}
    for fund in funds.only("code", "name_zh", "name_en", "company", "family_code", "share_class").order_by("code"):
        found = share_class_of(fund.name_zh or fund.name_en or fund.code)
        if found:
            families.setdefault((found[0], fund.company), []).append((fund, found[1]))
    changed = []
    for members in families.values():
        named = {fund.family_code for fund, _ in members} - {""}
        if len(members) < 2 or len(named) > 1 or len({letter for _, letter in members}) < len(members):
            continue
        family = named.pop() if named else members[0][0].code
        for fund, letter in members:
            if not fund.family_code:
                fund.family_code, fund.share_class = family, fund.share_class or letter
                changed.append(fund)
    Fund.objects.bulk_update(changed, ["family_code", "share_class"], batch_size=500)
    return len(changed)
