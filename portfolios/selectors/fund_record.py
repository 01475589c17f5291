"""What is on record about a fund besides its prices: managers, sizes, splits, share classes, and its risk grade with the reasons."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from django.db.models import CharField, FloatField, Value
from django.db.models.functions import Cast
from django.utils import timezone

from portfolios.models import Fund, FundFact, FundSize, GradeChange
from portfolios.money import MICRO_PER_UNIT, MINOR_PER_UNIT
from portfolios.selectors.funds import category_of
from portfolios.selectors.grades import reason_words
from portfolios.selectors.screen_words import large_amount

N_QUARTERS = 12
_SIZE = "size"
_QUARTERS_A_YEAR = 4


class _Event(NamedTuple):
    """A fact or a size: the kind of fact or "size", its day, and its figures."""

    kind: str
    day: date
    text: str
    number: int | None
    share: float | None


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
    """Read a fund's record. Two queries."""
    events = _published(fund)
    quarters = [_quarter(event) for event in reversed(events) if event.kind == _SIZE]
    warnings = [event.day for event in events if event.kind == FundFact.Kind.LIQUIDATION_WARNING]
    size_minor = fund.size_minor if fund.size_minor is not None else (quarters[0].size_minor if quarters else None)
    return FundRecord(
        tenures=_tenures(fund, [event for event in events if event.kind == FundFact.Kind.MANAGER]),
        quarters=quarters[:N_QUARTERS],
        splits=[
            Split(event.day, event.number / MICRO_PER_UNIT)
            for event in reversed(events)
            if event.kind == FundFact.Kind.SPLIT and event.number
        ],
        warned_on=warnings[-1] if warnings else None,
        has_ended=has_ended(fund),
        size="" if size_minor is None else size_words(size_minor),
        grade=_grade(fund),
    )


def _published(fund: Fund) -> list[_Event]:
    """Facts and sizes of a fund in the order of their days, as one query: a page has few to spend."""
    nothing = Cast(Value(None), FloatField())
    facts = FundFact.objects.filter(fund=fund).last_told().values_list("kind", "from_date", "text", "number", nothing)
    sizes = (
        FundSize.objects.filter(fund=fund)
        .last_told()
        .values_list(Value(_SIZE, CharField()), "as_of_date", Value("", CharField()), "size_minor", "institutional_share")
    )
    return sorted((_Event(*row) for row in facts.union(sizes, all=True)), key=lambda event: event.day)


def _quarter(event: _Event) -> Quarter:
    size_minor = event.number or 0
    return Quarter(event.day, size_minor, size_words(size_minor), event.share)


def has_ended(fund: Fund) -> bool:
    """Whether a fund is wound up today; one whose end is only announced is not yet."""
    return fund.ended_on is not None and fund.ended_on <= timezone.localdate()


def size_words(size_minor: int) -> str:
    """Net assets in the large unit that the language counts by."""
    return large_amount(size_minor / MINOR_PER_UNIT)


def _tenures(fund: Fund, facts: list[_Event]) -> list[Tenure]:
    """Managers, the latest first; the fund's own column where no fact tells."""
    if not facts:
        return [Tenure(fund.manager, fund.manager_since, fund.ended_on)] if fund.manager and fund.manager_since else []
    ends = [*(fact.day for fact in facts[1:]), fund.ended_on]
    return [Tenure(fact.text, fact.day, end) for fact, end in zip(facts, ends, strict=True)][::-1]


def _grade(fund: Fund) -> Grade:
    changes = list(GradeChange.objects.filter(fund=fund).order_by("-data_date", "-pk")[:10])
    category, last = category_of(fund), changes[0] if changes else None
    return Grade(
        counts=fund.risk_grade,
        issuer=fund.issuer_grade if fund.issuer_grade is not None else (last.issuer_grade if last else None),
        own=fund.own_grade if fund.own_grade is not None else (last.own_grade if last else None),
        category=category.grade if category else None,
        category_name=category.name if category else fund.category,
        reasons=_told(last.reasons if last else []),
        changes=changes,
    )


def _told(reasons: list[Any]) -> list[str]:
    return [words for reason in reasons if isinstance(reason, Mapping) and (words := reason_words(reason))]
