"""Backtests as their pages show them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from config.jobs import Job
from portfolios.jurisdictions import jurisdiction
from portfolios.models import Backtest, Fund
from portfolios.money import MINOR_PER_UNIT
from portfolios.selectors.sentences import error_sentence

DAYS_A_YEAR = 365.25


@dataclass(frozen=True)
class StrategyRow:
    """A strategy of a report: its name, figures and costs as they were stored, and its calendar years by year."""

    code: str
    name: str
    figures: Mapping[str, Any]
    costs: Mapping[str, Any] | None
    years: Mapping[int, tuple[float, bool]]

    @property
    def is_level(self) -> bool:
        return self.code.startswith("level_")

    @property
    def bad_year(self) -> float | None:
        """The mean return of the worst 5 % of rolling twelve months; None on a path of less than a year."""
        realised = self.figures["realised_cvar"]
        return None if realised is None else -float(realised)

    @property
    def budget(self) -> float | None:
        """The return of a bad year that the level's budget allows, zero or below; None for what is no level."""
        level = self.code.removeprefix("level_")
        return -jurisdiction().levels[int(level)].cvar_budget if self.is_level else None

    @property
    def is_over_budget(self) -> bool:
        return self.budget is not None and self.bad_year is not None and self.bad_year < self.budget

    @property
    def under_water_years(self) -> float:
        return float(self.figures["under_water_days"]) / DAYS_A_YEAR

    @property
    def purchase_fees_minor(self) -> int:
        """Purchase fees over the whole time, of a million at the beginning."""
        return round(float((self.costs or {}).get("purchase_fees", 0.0)) * MINOR_PER_UNIT)

    @property
    def redemption_fees_minor(self) -> int:
        """Redemption fees over the whole time, of a million at the beginning."""
        return round(float((self.costs or {}).get("redemption_fees", 0.0)) * MINOR_PER_UNIT)


@dataclass(frozen=True)
class Series:
    """The stored paths of a strategy on the report's dates: growth of 1, drawdown, return of the last twelve months."""

    name: str
    growth: list[float]
    drawdown: list[float]
    rolling: list[float | None]


@dataclass(frozen=True)
class StressRow:
    """A bad time and what each strategy did in it, in the order of the report's strategies; None where nothing can be said."""

    name: str
    start: date
    end: date
    found: list[Mapping[str, Any] | None]


@dataclass(frozen=True)
class Problem:
    """A day on which a level found no portfolio, and why."""

    day: date
    strategy: str
    text: str


@dataclass(frozen=True)
class BacktestReport:
    """All that the report of a finished backtest shows."""

    start: date
    end: date
    dates: list[str]
    n_decisions: int
    n_funds: int
    rows: list[StrategyRow]
    series: dict[str, Series]
    years: list[int]
    stress: list[StressRow]
    problems: list[Problem]
    last_weights: dict[str, list[tuple[str, float]]]

    def row(self, code: str) -> StrategyRow | None:
        return next((row for row in self.rows if row.code == code), None)

    @property
    def level_rows(self) -> list[StrategyRow]:
        return [row for row in self.rows if row.is_level]


def strategy_name(code: str) -> str:
    """What a strategy is called on pages."""
    kind, _sep, level = code.partition("level_")
    if not kind and level.isdigit() and int(level) in jurisdiction().levels:
        return jurisdiction().levels[int(level)].code
    names = {
        "cash": _("Cash"),
        "mix_60_40": _("60/40"),
        "equal_weight": _("Equal weight"),
        "category_average": _("Category average"),
    }
    return names.get(code, code)


def backtests_shown() -> QuerySet[Backtest]:
    """All backtests, newest first, without their results."""
    return Backtest.objects.defer("result", "inputs").select_related("requested_by").order_by("-pk")


def is_at_work(backtest: Backtest) -> bool:
    return backtest.status in (Job.Status.QUEUED, Job.Status.RUNNING)


def problem_of_backtest(backtest: Backtest) -> str:
    """Why a backtest failed, as a sentence."""
    error = backtest.error or {}
    return error_sentence(str(error.get("code", "")), error.get("params", error))


def report_of(backtest: Backtest) -> BacktestReport:
    """The report of a finished backtest; one query beside the row itself. Raises ValueError for one without a result."""
    result, inputs = backtest.result, backtest.inputs
    if result is None:
        raise ValueError("the backtest has no result")
    rows = [_row(found) for found in result["strategies"]]
    series = {
        found["name"]: Series(strategy_name(found["name"]), found["growth"], found["drawdown"], found["rolling"])
        for found in result["strategies"]
    }
    return BacktestReport(
        start=date.fromisoformat(result["dates"][0]),
        end=date.fromisoformat(result["dates"][-1]),
        dates=result["dates"],
        n_decisions=result["n_decisions"],
        n_funds=len(inputs["funds"]),
        rows=rows,
        series=series,
        years=sorted({year for row in rows for year in row.years}),
        stress=[_stress(scenario, rows) for scenario in result["stress"]],
        problems=_problems(backtest),
        last_weights={
            name: sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))
            for name, weights in result["last_weights"].items()
            if name.startswith("level_")
        },
    )


def _row(found: Mapping[str, Any]) -> StrategyRow:
    years = {int(year): (float(value), bool(is_whole)) for year, value, is_whole in found["years"]}
    return StrategyRow(found["name"], strategy_name(found["name"]), found["figures"], found["costs"], years)


def _stress(scenario: Mapping[str, Any], rows: list[StrategyRow]) -> StressRow:
    named = {one.code: one.name for one in jurisdiction().backtest.scenarios}
    return StressRow(
        name=named.get(scenario["code"], scenario["code"]),
        start=date.fromisoformat(scenario["start"]),
        end=date.fromisoformat(scenario["end"]),
        found=[scenario["strategies"].get(row.code) for row in rows],
    )


def _problems(backtest: Backtest) -> list[Problem]:
    steps = backtest.steps.exclude(notes=[]).order_by("day").values_list("day", "notes")
    return [
        Problem(day, strategy_name(note["strategy"]) if "strategy" in note else "", error_sentence(note["code"], note["params"]))
        for day, notes in steps
        for note in notes
    ]


def first_inputs() -> dict[str, Any]:
    """What the form begins with: the funds of the current pool, and the later years that they have prices for."""
    pooled = Fund.objects.filter(pool_memberships__pool__is_current=True, inception_date__isnull=False, last_nav_date__isnull=False)
    rows = list(pooled.order_by("code").values_list("code", "inception_date", "last_nav_date"))
    firsts, lasts = [row[1] for row in rows if row[1]], [row[2] for row in rows if row[2]]
    if not firsts or not lasts:
        return {}
    first, last = min(firsts), max(lasts)
    # The years before the first decision are what its moments are estimated from.
    start = date(first.year + min(jurisdiction().advice.history_years, (last.year - first.year) // 2), first.month, 1)
    return {"name": _("Walk-forward of the current pool"), "funds": ", ".join(row[0] for row in rows), "start": start, "end": last}


def file_rows(report: BacktestReport) -> list[list[str]]:
    """The rows of the report's file, header first: each day that is kept, with growth and drawdown of every strategy."""
    heads = ["date", *(f"{code}_growth" for code in report.series), *(f"{code}_drawdown" for code in report.series)]
    body = [
        [day, *(f"{one.growth[i]:.6f}" for one in report.series.values()), *(f"{one.drawdown[i]:.6f}" for one in report.series.values())]
        for i, day in enumerate(report.dates)
    ]
    return [heads, *body]
