"""Grading the funds: our own grade of each by what it did and what it is, the stricter of it and the issuer's in force.

A change is a dated row, written once; the fund's column only repeats the last of them. What follows from a change for
people, an upper app reads from the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import F, Max, OuterRef, Subquery

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.grades import GradeInputs, GradeRules, own_grades
from portfolios.kernels.returns import annual_volatility
from portfolios.kernels.types import FloatArray, IntArray
from portfolios.models import Fund, GradeChange
from portfolios.selectors.matrices import daily_block

FUNDS_A_WRITE = 500
MIN_YEARS_OF_FALL = 0.25  # a fall says little about a fund of weeks


@dataclass(frozen=True, slots=True)
class GradeReport:
    """How many funds were graded, and how many of them up and down."""

    n_funds: int
    n_up: int
    n_down: int


def grade_funds(*, data_date: date | None = None, codes: Sequence[str] | None = None) -> GradeReport:
    """Grade all funds that are not wound up, or those named, on prices until a date; without one, on all there are.

    Writes a GradeChange where a grade or our own grade is another than before, and the fund's columns. Safe to repeat:
    the same prices write nothing.
    """
    chosen = Fund.objects.filter(ended_on=None) if codes is None else Fund.objects.filter(code__in=list(codes))
    funds = list(chosen.order_by("pk"))
    until = data_date or chosen.aggregate(last=Max("last_nav_date"))["last"]
    if until is None:
        return GradeReport(0, 0, 0)
    table = jurisdiction()
    known = [fund for fund in funds if fund.category in table.categories]
    grades, reasons = own_grades(_inputs(known, until), rules_of_grading())
    report = GradeReport(len(known), 0, 0)
    for start in range(0, len(known), FUNDS_A_WRITE):
        block = slice(start, start + FUNDS_A_WRITE)
        report = _write(known[block], grades[block].tolist(), reasons[block], until, report)
    return report


def grade_restated() -> GradeReport:
    """Grade the funds whose grade in force is not the one told last: an import restated the issuer's, and people are told by the row.

    Funds that were never graded wait for the night. Safe to repeat.
    """
    living = Fund.objects.filter(ended_on=None)
    last = GradeChange.objects.filter(fund=OuterRef("pk")).order_by("-pk").values("to_grade")[:1]
    restated = living.annotate(told=Subquery(last)).filter(told__isnull=False).exclude(risk_grade=F("told"))
    codes = list(restated.values_list("code", flat=True))
    if not codes:
        return GradeReport(0, 0, 0)
    return grade_funds(codes=codes, data_date=living.aggregate(last=Max("last_nav_date"))["last"])


def rules_of_grading() -> GradeRules:
    """The jurisdiction's bands and steps as the kernel reads them."""
    table = jurisdiction()
    rules = table.grading
    return GradeRules(table.volatility_bands, rules.drawdown_bands, rules.leverage, rules.complex_at_least, rules.calmer)


def _inputs(funds: list[Fund], until: date) -> GradeInputs:
    categories = jurisdiction().categories
    volatility, fall = _figures([fund.pk for fund in funds], until)
    return GradeInputs(
        np.array([categories[fund.category].grade for fund in funds], np.int64),
        volatility,
        fall,
        np.array([fund.leverage_percent for fund in funds], np.int64),
        np.array([fund.is_complex for fund in funds], bool),
        np.array([fund.own_grade or 0 for fund in funds], np.int64),
    )


def _figures(fund_ids: list[int], until: date) -> tuple[FloatArray, FloatArray]:
    """Annual volatility and deepest fall of each fund over the window of the rules; NaN where the history is too short."""
    years = jurisdiction().grading.window_years
    since = until.replace(year=until.year - years, day=min(until.day, 28))
    volatility, fall = [np.empty(0)], [np.empty(0)]
    for matrix in daily_block(fund_ids, since, until):
        volatility.append(annual_volatility(matrix))
        fall.append(_deepest_fall(matrix.dates, matrix.values))
    return np.concatenate(volatility), np.concatenate(fall)


def _deepest_fall(dates: IntArray, values: FloatArray) -> FloatArray:
    """The largest fall of each column from its highest value so far, positive; NaN for a column of less than three months."""
    if not len(dates):
        return np.full(values.shape[1], np.nan)
    known = np.isfinite(values)
    highest = np.maximum.accumulate(np.where(known, values, -np.inf), axis=0)
    with np.errstate(invalid="ignore"):
        fall = np.where(known, 1.0 - values / highest, 0.0).max(axis=0)
    first = np.where(known.any(axis=0), dates[known.argmax(axis=0)], dates[-1])
    return np.where(dates[-1] - first >= 365.25 * MIN_YEARS_OF_FALL, fall, np.nan)


def _write(funds: list[Fund], own: list[int], reasons: list[list[dict[str, Any]]], until: date, report: GradeReport) -> GradeReport:
    """Write the changes of a block in one short transaction. A fund's first row has no grade of before, unless it is moved by it."""
    changes, touched = [], []
    n_up = n_down = 0
    with transaction.atomic():
        # While ours was worked out, an import may have restated the issuer's grade, and another grading told the change.
        locked = Fund.objects.select_for_update(no_key=True).order_by("pk").in_bulk([fund.pk for fund in funds])
        told = _last_told(list(locked.values()))
        for read, grade, why in zip(funds, own, reasons, strict=True):
            fund = locked.get(read.pk)
            if fund is None:
                continue
            in_force = max(grade, fund.issuer_grade or 0)
            # An import may have restated the issuer's grade since: what counts as before is what was told last.
            before = told.get(fund.pk, fund.risk_grade)
            is_new = fund.pk not in told
            if not is_new and (fund.own_grade, before) == (grade, in_force):
                if fund.risk_grade != in_force:  # somebody wrote the old one back
                    fund.risk_grade = in_force
                    touched.append(fund)
                continue
            n_up += in_force > before
            n_down += in_force < before
            change = GradeChange(fund=fund, to_grade=in_force, issuer_grade=fund.issuer_grade, own_grade=grade, reasons=why)
            change.from_grade, change.data_date = None if is_new and in_force == before else before, until
            changes.append(change)
            fund.own_grade, fund.risk_grade = grade, in_force
            touched.append(fund)
        GradeChange.objects.bulk_create(changes)
        Fund.objects.bulk_update(touched, ["own_grade", "risk_grade"])
    return GradeReport(report.n_funds, report.n_up + n_up, report.n_down + n_down)


def _last_told(funds: list[Fund]) -> dict[int, int]:
    """The grade of each fund's last change, by fund."""
    latest = GradeChange.objects.filter(fund__in=funds).order_by().values("fund_id").annotate(last=Max("pk")).values("last")
    return dict(GradeChange.objects.filter(pk__in=latest).values_list("fund_id", "to_grade"))
