"""Solving on a price file of the user's own: nothing is read from the database or written to it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portfolios.jurisdictions import LevelRule, jurisdiction
from portfolios.kernels.errors import DataError, InfeasibleError
from portfolios.kernels.gamma import smallest_gamma
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.moments import class_moments
from portfolios.kernels.returns import align, annual_volatility
from portfolios.kernels.risk import grade_of_volatility
from portfolios.kernels.types import FundHistory, GammaSolution, Moments, ReturnMatrix
from portfolios.services.levels import require_some

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FileSolution:
    """The answer in the shape the command prints; `exit_code` 0 solved, 3 infeasible."""

    answer: dict[str, Any]
    exit_code: int


def solve_price_file(*, prices: Path, grades: Path | None, level: str, today: date) -> FileSolution:
    """Solve for a level on a file of prices (taken as total return) and optional grades; the advice caps are not applied.

    Raises DataError for files that cannot be used; an infeasible level comes back as an answer with its limit named.
    """
    rules = jurisdiction()
    rule = next((row for row in rules.levels.values() if row.code.lower() == level.lower()), None)
    if rule is None:
        raise DataError("unknown_level", level=level, known=", ".join(row.code for row in rules.levels.values()))
    matrix, assumed = price_matrix(prices, today)
    graded = graded_funds(matrix, grades)
    answer: dict[str, Any] = {
        "status": "infeasible",
        "level": rule.code,
        "weights": {},
        "objective": None,
        "expected_return": None,
        "costs": 0.0,
        "volatility": None,
        "cvar": None,
        "cvar_limit": rule.cvar_budget,
        "gamma": None,
        "grades": {code: grade for code, (grade, _) in graded.items()},
        "classes": {name: rules.classes[name].mean for name in sorted({name for _, name in graded.values()})},
        "fund_classes": {code: name for code, (_, name) in graded.items()},
        "cash_rate": rules.cash_rate,
        "binding": [],
        "solver": None,
        "gap": None,
        "relax": [],
        "conflict": [],
        "notes": assumed,
    }
    try:
        moments, found = _solve(rule, matrix, graded)
    except InfeasibleError as error:
        return FileSolution({**answer, "conflict": [_limit_name(error)], "reason": {"code": error.code, "params": error.params}}, 3)
    return FileSolution({**answer, **_figures(found, [*assumed, *moments.notes])}, 0)


def price_matrix(prices: Path, today: date, *, years: float | None = None, may_have_gaps: bool = True) -> tuple[ReturnMatrix, list[str]]:
    """Read the last years (the settings' `history_years`) of a price file, funds by code, and what was assumed of them.

    Raises DataError for a row that cannot be used and, unless gaps are allowed, "price_missing" naming the first fund and
    date whose price is missing between days that have one. An allowed gap is carried over for up to 14 days.
    """
    made = _histories(prices, today, may_have_gaps)
    last = max(int(history.dates[-1]) for history, _ in made.values())
    since = last - round(365.25 * (jurisdiction().advice.history_years if years is None else years))
    matrix = align(tuple(sorted(made)), {code: history for code, (history, _) in made.items()})
    kept = matrix.dates >= since
    notes = [f"{note}:{code}" for code, (_, said) in made.items() for note in said]
    return ReturnMatrix(matrix.codes, matrix.dates[kept], matrix.values[kept]), notes


def _histories(prices: Path, today: date, may_have_gaps: bool) -> dict[str, tuple[FundHistory, list[str]]]:
    from portfolios.sources.csv import read_prices
    from portfolios.sources.frame import check, first_gap, histories

    frame = read_prices(prices, empty_cells=not may_have_gaps)
    checked = check(frame, today)
    if checked.refused:
        fatal = next(issue for issue in checked.issues if issue.fund in checked.refused and issue.code != "nav_missing")
        raise DataError("bad_row", line=fatal.line, fund=fatal.fund, reason=fatal.code)
    gap = None if may_have_gaps else first_gap(frame)
    if gap is not None:
        raise DataError("price_missing", fund=gap[0], date=date.fromordinal(gap[1]).isoformat())
    made = {history.fund_code: (history, notes) for history, notes in histories(checked.good)}
    if not made:
        raise DataError("file_has_no_rows", file=prices.name)
    return made


def price_histories(*, prices: Path, today: date) -> dict[str, FundHistory]:
    """The whole histories of a price file's funds by code; raises DataError for a row that cannot be used."""
    return {code: history for code, (history, _) in _histories(prices, today, True).items()}


def table_rows(*, path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a small text table as stripped text with lower-case headers, each with its line; blank lines are left out.

    Raises DataError for what is no table, or lacks one of the columns.
    """
    rows: list[tuple[int, dict[str, str]]] = []
    for chunk, first_line in table_chunks(path=path, columns=columns):
        records = chunk.to_dict("records")
        rows += [
            (line, {str(name): str(cell) for name, cell in row.items()})
            for line, row in enumerate(records, first_line)
            if any(row.values())
        ]
    return rows


def table_chunks(*, path: Path, columns: Sequence[str]) -> Iterator[tuple["pd.DataFrame", int]]:
    """The same of a large table, in pieces: stripped text with the line on which each piece starts; blank lines are in it."""
    from portfolios.sources.text import chunks

    for chunk, first_line in chunks(path):
        for column in columns:
            if column not in chunk.columns:
                raise DataError("column_missing", column=column, file=path.name)
        yield chunk[list(columns)], first_line


def graded_funds(matrix: ReturnMatrix, grades: Path | None) -> dict[str, tuple[int, str]]:
    """Grade and class of each fund: as the grades file says, else by its volatility, one class a grade."""
    rules = jurisdiction()
    volatility = annual_volatility(matrix)
    graded = {}
    for code, own in zip(matrix.codes, volatility.tolist(), strict=True):
        grade = grade_of_volatility(own, rules.volatility_bands)
        graded[code] = (grade, f"grade_{grade}")
    if grades is None:
        return graded
    from portfolios.sources.tables import read_grades

    for row in read_grades(grades):
        if row.code not in graded:
            raise DataError("unknown_fund", fund=row.code)
        asset_class = row.asset_class or f"grade_{row.grade}"
        if asset_class not in rules.classes:
            raise DataError("unknown_class", fund=row.code, asset_class=asset_class, known=", ".join(sorted(rules.classes)))
        graded[row.code] = (row.grade or 5, asset_class)
    return graded


def _solve(rule: LevelRule, matrix: ReturnMatrix, graded: Mapping[str, tuple[int, str]]) -> tuple[Moments, GammaSolution]:
    rules = jurisdiction()
    moments = class_moments(matrix, {code: rules.classes[name].mean for code, (_, name) in graded.items()})
    allowed = {code for code, (grade, asset_class) in graded.items() if rule.allows(grade, asset_class)}
    require_some(rule, dict.fromkeys(allowed))
    usable = tuple(sorted(allowed & set(moments.codes)))
    require_some(rule, dict.fromkeys(usable))
    gammas = (rules.advice.gamma_min, rules.advice.gamma_max)
    return moments, smallest_gamma(moments, Mandate(usable, gammas[0]), rule.cvar_budget, gammas)


def _figures(found: GammaSolution, notes: list[str]) -> dict[str, Any]:
    solution = found.solution
    # No fund is sold short: that a fund is not held is no news.
    news = [limit for limit in solution.binding if limit.limit not in ("long_only", "sum") and not limit.limit.endswith(":min")]
    binding: list[dict[str, Any]] = [asdict(limit) for limit in news]
    if found.budget_binds:
        # The budget chooses the risk aversion and is no limit within the problem: it has no multiplier.
        binding.append({"limit": "cvar", "shadow_price": None})
    return {
        "status": "solved",
        "weights": {code: float(w) for code, w in zip(solution.codes, solution.weights, strict=True) if w > 0},
        "objective": solution.objective,
        "expected_return": solution.expected_return,
        "volatility": solution.volatility,
        "cvar": solution.cvar,
        "gamma": solution.gamma,
        "binding": binding,
        "solver": solution.solver,
        "gap": solution.gap,
        "notes": notes if found.budget_binds else [*notes, "budget_does_not_bind"],
    }


def _limit_name(error: InfeasibleError) -> str:
    return {"cvar_budget": "cvar", "no_money_market_fund": "only_money_market", "no_fund_of_grade": "max_grade"}.get(error.code, error.code)
