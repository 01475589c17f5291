"""What is published about simulated funds, as rows: what they are now, sizes by quarter, and dated facts."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from demo.services.bulk import write
from portfolios.jurisdictions import jurisdiction
from portfolios.jurisdictions.simulated_names import fund_columns, manager_name
from portfolios.kernels.simulate import SimulatedFund
from portfolios.kernels.simulate_facts import CLOSED, ENDED, MANAGER, PURCHASE, FundFacts
from portfolios.kernels.simulate_funds import FundSpec
from portfolios.models import Fund, FundFact, FundSize

SOURCE = "simulated"
_FUNDS_A_TRANSACTION = 500


def write_funds(specs: list[FundSpec]) -> None:
    """Write or overwrite what never changes of the funds."""
    table, fields = jurisdiction(), [*fund_columns(specs[0]), "category", "asset_class", "risk_grade", "issuer_grade"]
    funds = []
    for spec in specs:
        kind = table.categories[spec.category]
        graded = {"asset_class": kind.asset_class, "risk_grade": kind.grade, "issuer_grade": kind.grade}
        fixed = {"currency": table.currency, "source": SOURCE, "is_simulated": True}
        funds.append(Fund(code=spec.code, category=spec.category, **graded, **fixed, **fund_columns(spec)))
    for start in range(0, len(funds), _FUNDS_A_TRANSACTION):
        block = funds[start : start + _FUNDS_A_TRANSACTION]
        Fund.objects.bulk_create(block, update_conflicts=True, unique_fields=["code"], update_fields=fields)


def write_facts(made: Iterable[SimulatedFund], *, published_after: date = date.min) -> int:
    """Write sizes and facts published after a day, and what the funds are now; returns how many rows were tried. Safe to repeat."""
    made = list(made)
    funds = {fund.code: fund for fund in Fund.objects.filter(source=SOURCE)}
    sizes = list(_sizes(made, funds, published_after.toordinal()))
    facts = list(_facts(made, funds, published_after.toordinal()))
    write(sizes, ignore_conflicts=True)
    write(facts, ignore_conflicts=True)
    fields, changed = list(_now(FundFacts.nothing())), []
    for one in made:
        fund, now = funds[one.spec.code], _now(one.facts)
        if any(getattr(fund, name) != value for name, value in now.items()):
            for name, value in now.items():
                setattr(fund, name, value)
            changed.append(fund)
    for start in range(0, len(changed), _FUNDS_A_TRANSACTION):
        Fund.objects.bulk_update(changed[start : start + _FUNDS_A_TRANSACTION], fields)
    return len(sizes) + len(facts)


def _sizes(made: list[SimulatedFund], funds: dict[str, Fund], after: int) -> Iterator[FundSize]:
    for one in made:
        of, facts = funds[one.spec.code], one.facts
        columns = (facts.as_of, facts.published, facts.size_minor, facts.units_centi, facts.institutional_share)
        for as_of, published, size, units, held in zip(*(column.tolist() for column in columns), strict=True):
            if published > after:
                yield FundSize(
                    fund=of,
                    as_of_date=date.fromordinal(as_of),
                    published_date=date.fromordinal(published),
                    size_minor=size,
                    units_centi=units,
                    institutional_share=held,
                )


def _facts(made: list[SimulatedFund], funds: dict[str, Fund], after: int) -> Iterator[FundFact]:
    for one in made:
        for fact in one.facts.happenings:
            if fact.published_day > after:
                is_manager = fact.kind == MANAGER
                yield FundFact(
                    fund=funds[one.spec.code],
                    kind=fact.kind,
                    from_date=date.fromordinal(fact.from_day),
                    published_date=date.fromordinal(fact.published_day),
                    text=manager_name(fact.number or 0) if is_manager else fact.text,
                    number=None if is_manager else fact.number,
                )


def _now(facts: FundFacts) -> dict[str, Any]:
    """The columns of a fund that follow from its facts."""
    last = {fact.kind: fact for fact in facts.happenings}
    manager, purchase, ended = last.get(MANAGER), last.get(PURCHASE), last.get(ENDED)
    has_size = len(facts.as_of) > 0
    return {
        "manager": manager_name(manager.number or 0) if manager else "",
        "manager_since": date.fromordinal(manager.from_day) if manager else None,
        "is_open": not ended and not (purchase and purchase.text == CLOSED),
        "daily_limit_minor": purchase.number if purchase else None,
        "ended_on": date.fromordinal(ended.from_day) if ended else None,
        "size_minor": int(facts.size_minor[-1]) if has_size else None,
        "units_centi": int(facts.units_centi[-1]) if has_size else None,
        "size_date": date.fromordinal(int(facts.as_of[-1])) if has_size else None,
    }
