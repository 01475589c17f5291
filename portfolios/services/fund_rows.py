"""Funds as rows: made and restated from what a source says of them, with the dated facts beside them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from operator import attrgetter
from typing import Any, TypeVar

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
_Published = TypeVar("_Published", FundSize, FundFact)


def checked_facts(facts: Iterable[FundFacts], today: date) -> dict[str, FundFacts]:
    """Facts by code; raises DataError for a category the jurisdiction does not know, and for what is yet to be published.

    A slip of the year would else be the fund's last quarter, or its manager, for as long as the slip is wide.
    """
    known = jurisdiction().categories
    found = {}
    for fact in facts:
        if fact.category and fact.category not in known:
            raise DataError("unknown_category", fund=fact.code, category=fact.category)
        days = [("size_published", size.published_date) for size in fact.sizes]
        days += [(f"{event.kind}_since", event.published_date) for event in fact.events]
        for column, day in days:
            if day > today:
                raise DataError("fund_cell_unclear", fund=fact.code, column=column, value=day.isoformat())
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
    if changes_manager_undated(fund, facts):
        said.pop("manager", None)
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


def changes_manager_undated(fund: Fund, facts: FundFacts) -> bool:
    """Whether a source names another manager without the first day: such a one would inherit the other's years."""
    name, since = facts.columns.get("manager"), facts.columns.get("manager_since")
    return bool(name and not since and fund.manager_since and fund.manager and name != fund.manager)


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


def write_record(facts: Iterable[FundFacts]) -> set[str]:
    """Write what is new of sizes and events of known funds, in short writes; returns the codes of the funds of which something is.

    What is said again keeps the day on which it was first published, and what is restated stands beside it with its own: a
    screen of a past day sees what was public then. Safe to repeat.
    """
    told = {fact.code: fact for fact in facts if fact.sizes or fact.events}
    ids = dict(Fund.objects.filter(code__in=told).values_list("pk", "code")) if told else {}
    sizes = [FundSize(fund_id=pk, **vars(size)) for pk, code in ids.items() for size in told[code].sizes]
    events = [FundFact(fund_id=pk, **vars(event)) for pk, code in ids.items() for event in told[code].events]
    new_sizes = _write_new(sizes, ("size_minor", "units_centi", "institutional_share"))
    new_events = _write_new(events, ("text", "number"))
    return {ids[row.fund_id] for row in new_sizes} | {ids[row.fund_id] for row in new_events}


def _write_new(rows: Sequence[_Published], said: tuple[str, ...]) -> list[_Published]:
    """Write the rows that say something else of a thing than what was public of it on their day; returns these."""
    if not rows:
        return []
    model, about = type(rows[0]), attrgetter("fund_id", *rows[0].SAME[1:])
    day, days = rows[0].SAME[-1], {getattr(row, rows[0].SAME[-1]) for row in rows}
    before: dict[Any, list[_Published]] = defaultdict(list)
    for row in model._default_manager.filter(**{"fund_id__in": {row.fund_id for row in rows}, f"{day}__in": days}).order_by(
        "published_date"
    ):
        before[about(row)].append(row)
    new = []
    for row in rows:
        public = [one for one in before[about(row)] if one.published_date <= row.published_date]
        if public and isinstance(row, FundSize) and row.institutional_share is None:  # an empty cell says nothing
            row.institutional_share = public[-1].institutional_share
        if not public or any(getattr(public[-1], name) != getattr(row, name) for name in said):
            new.append(row)
    unique = [*rows[0].SAME, "published_date"]
    for start in range(0, len(new), _ROWS_A_WRITE):
        block = new[start : start + _ROWS_A_WRITE]
        model._default_manager.bulk_create(block, update_conflicts=True, unique_fields=unique, update_fields=said)
    return new


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
