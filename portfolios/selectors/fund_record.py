"""What is on record about a fund besides its prices: managers, sizes, splits, share classes, and its risk grade with the reasons."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portfolios.models import Fund, FundFact, FundSize, GradeChange
from portfolios.money import MICRO_PER_UNIT, MINOR_PER_UNIT
from portfolios.selectors.funds import category_of
from portfolios.selectors.screen_words import large_amount
from portfolios.templatetags.money import percent

N_QUARTERS = 12
_QUARTERS_A_YEAR = 4
_GRADE_REASONS = {
    "category": _("its category is R%(grade)s"),
    "volatility": _("its volatility of %(value)s a year asks for R%(grade)s"),
    "drawdown": _("its deepest fall of %(value)s asks for R%(grade)s"),
    "leverage": _("its leverage asks for at least R%(grade)s"),
    "complex": _("a complex product is at least R%(grade)s"),
    "issuer": _("its issuer grades it R%(grade)s"),
}


@dataclass(frozen=True, slots=True)
class Tenure:
    name: str
    start: date
    end: date | None  # None: still in office


@dataclass(frozen=True, slots=True)
class Quarter:
    """Published net assets of a quarter: in minor units, and in words of the reader's language."""

    day: date
    size_minor: int
    size: str
    institutional_share: float | None


@dataclass(frozen=True, slots=True)
class Split:
    day: date
    ratio: float  # new units for an old one


@dataclass(frozen=True, slots=True)
class Grade:
    """A fund's risk grade: the issuer's and ours where known, the stricter of which counts, and why, since when."""

    counts: int
    issuer: int | None
    own: int | None
    category: int | None
    category_name: str
    reasons: list[str]
    changes: list[GradeChange]


@dataclass(frozen=True, slots=True)
class FundRecord:
    """Everything that was published of a fund besides prices, the latest first."""

    tenures: list[Tenure]
    quarters: list[Quarter]
    splits: list[Split]
    share_classes: list[Fund]
    warned_on: date | None
    has_ended: bool
    size: str
    grade: Grade

    @property
    def size_change(self) -> float | None:
        """The change of the net assets over the last four quarters, or None."""
        if len(self.quarters) <= _QUARTERS_A_YEAR or not self.quarters[_QUARTERS_A_YEAR].size_minor:
            return None
        return self.quarters[0].size_minor / self.quarters[_QUARTERS_A_YEAR].size_minor - 1.0


def fund_record(fund: Fund) -> FundRecord:
    """Read a fund's record. Four queries."""
    facts = list(FundFact.objects.filter(fund=fund).order_by("from_date", "pk"))
    quarters = [
        Quarter(row.as_of_date, row.size_minor, size_words(row.size_minor), row.institutional_share)
        for row in FundSize.objects.filter(fund=fund).order_by("-as_of_date")[:N_QUARTERS]
    ]
    others = Fund.objects.filter(family_code=fund.family_code).exclude(pk=fund.pk).order_by("code") if fund.family_code else []
    warnings = [fact.from_date for fact in facts if fact.kind == FundFact.Kind.LIQUIDATION_WARNING]
    size_minor = fund.size_minor if fund.size_minor is not None else (quarters[0].size_minor if quarters else None)
    return FundRecord(
        tenures=_tenures(fund, [fact for fact in facts if fact.kind == FundFact.Kind.MANAGER]),
        quarters=quarters,
        splits=[
            Split(fact.from_date, fact.number / MICRO_PER_UNIT)
            for fact in reversed(facts)
            if fact.kind == FundFact.Kind.SPLIT and fact.number
        ],
        share_classes=list(others),
        warned_on=warnings[-1] if warnings else None,
        has_ended=has_ended(fund),
        size="" if size_minor is None else size_words(size_minor),
        grade=_grade(fund),
    )


def has_ended(fund: Fund) -> bool:
    """Whether a fund is wound up today; one whose end is only announced is not yet."""
    return fund.ended_on is not None and fund.ended_on <= timezone.localdate()


def size_words(size_minor: int) -> str:
    """Net assets in the large unit that the language counts by."""
    return large_amount(size_minor / MINOR_PER_UNIT)


def _tenures(fund: Fund, facts: list[FundFact]) -> list[Tenure]:
    """Managers, the latest first; the fund's own column where no fact tells."""
    if not facts:
        return [Tenure(fund.manager, fund.manager_since, fund.ended_on)] if fund.manager and fund.manager_since else []
    ends = [*(fact.from_date for fact in facts[1:]), fund.ended_on]
    return [Tenure(fact.text, fact.from_date, end) for fact, end in zip(facts, ends, strict=True)][::-1]


def _grade(fund: Fund) -> Grade:
    changes = list(GradeChange.objects.filter(fund=fund).order_by("-data_date", "-pk")[:10])
    category, last = category_of(fund), changes[0] if changes else None
    return Grade(
        counts=fund.risk_grade,
        issuer=fund.issuer_grade if fund.issuer_grade is not None else (last.issuer_grade if last else None),
        own=fund.own_grade if fund.own_grade is not None else (last.own_grade if last else None),
        category=category.grade if category else None,
        category_name=category.name if category else fund.category,
        reasons=[words for reason in (last.reasons if last else []) if (words := _reason_words(reason))],
        changes=changes,
    )


def _reason_words(reason: Any) -> str:
    """A reason of a grade change as a part of a sentence; '' for one that is not known here."""
    if not isinstance(reason, Mapping) or reason.get("code") not in _GRADE_REASONS or "grade" not in reason:
        return ""
    value = reason.get("value")
    shown = {"grade": reason["grade"], "value": percent(value) if isinstance(value, int | float) else "–"}
    return str(_GRADE_REASONS[reason["code"]]) % shown
