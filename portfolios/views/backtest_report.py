"""What the report page of a backtest says: the sentences above its charts, the charts, and their numbers."""

from typing import Any

from django.utils.translation import gettext as _

from portfolios import charts
from portfolios.charts.backtest import Line
from portfolios.selectors.backtests import BacktestReport, StrategyRow, strategy_name
from portfolios.templatetags.money import percent

BENCHMARKS = ("mix_60_40", "equal_weight", "category_average", "cash")
DASHES = ("solid", "dash", "dot", "dashdot")


def report_context(report: BacktestReport, asked: str) -> dict[str, Any]:
    """The context of the report, one level chosen by the reader before the others."""
    levels = [row.code for row in report.level_rows]
    chosen = f"level_{asked}" if f"level_{asked}" in levels else levels[-1]
    row = report.row(chosen)
    against = report.row("mix_60_40") or report.row("equal_weight")
    all_levels: list[Line] = [(report.series[code], {"series": at}) for at, code in enumerate(levels)]
    beside: list[Line] = [
        (report.series[code], {"role": "other", "line": {"dash": dash}})
        for code, dash in zip(BENCHMARKS[:2], DASHES, strict=False)
        if code in report.series
    ]
    compared: list[Line] = [(report.series[chosen], {"role": "main"})]
    compared += [
        (report.series[code], {"role": "other", "line": {"dash": dash}})
        for code, dash in zip(BENCHMARKS, DASHES, strict=True)
        if code in report.series
    ]
    return {
        "report": report,
        "chosen": row,
        "title": verdict(row, against),
        "levels_title": levels_title(report),
        "compared": charts.growth_paths(report.dates, compared, n_below=2),
        "levels_figure": charts.growth_paths(report.dates, all_levels + beside, n_below=len(all_levels)),
        "rolling": charts.rolling_paths(report.dates, compared[:2]),
        "rolling_title": rolling_title(row),
        "stress_rows": [(one, [scenario.found[at] for scenario in report.stress]) for at, one in enumerate(report.rows)],
        "last_weights": [(strategy_name(code), weights) for code, weights in report.last_weights.items()],
        "year_rows": [(year, [one.years.get(year) for one in report.rows]) for year in report.years],
    }


def verdict(row: StrategyRow | None, against: StrategyRow | None) -> str:
    """Whether a level beat what it is held against, in one sentence."""
    if row is None or against is None:
        return ""
    ours, theirs = row.figures["annual_return"], against.figures["annual_return"]
    said = {
        "name": row.name,
        "other": against.name,
        "gap": percent(abs(ours - theirs)),
        "fall": percent(-row.figures["deepest_fall"]),
        "other_fall": percent(-against.figures["deepest_fall"]),
    }
    if ours >= theirs:
        return _("%(name)s earned %(gap)s a year more than %(other)s, and fell by %(fall)s at worst instead of %(other_fall)s") % said
    return _("%(name)s earned %(gap)s a year less than %(other)s, and fell by %(fall)s at worst instead of %(other_fall)s") % said


def levels_title(report: BacktestReport) -> str:
    """What the levels look like beside each other."""
    rows = report.level_rows
    if len(rows) < 2:
        return _("What 10,000 became")
    calm, bold = rows[0], rows[-1]
    return _("From %(calm)s to %(bold)s, the deepest fall goes from %(least)s to %(most)s") % {
        "calm": calm.name,
        "bold": bold.name,
        "least": percent(-calm.figures["deepest_fall"]),
        "most": percent(-bold.figures["deepest_fall"]),
    }


def rolling_title(row: StrategyRow | None) -> str:
    if row is None or row.figures["worst_rolling_year"] is None:
        return _("The return of the last twelve months")
    worst = row.figures["worst_rolling_year"]
    if worst >= 0:
        return _("No twelve months of %(name)s ended below their beginning") % {"name": row.name}
    return _("The worst twelve months of %(name)s cost %(worst)s") % {"name": row.name, "worst": percent(-worst)}
