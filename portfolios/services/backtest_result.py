"""From the decisions of a backtest to its result: walks with costs, figures, calendar years, bad times."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date
from typing import Any

import numpy as np

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.backtest import Bands, Settings, Walk, walk
from portfolios.kernels.backtest_figures import (
    calendar_years,
    category_growth,
    costs_of,
    drawdown,
    path_figures,
    rolling_year,
    spread,
)
from portfolios.kernels.returns import DAYS_A_YEAR, months_of
from portfolios.kernels.stress import Stressed, lived, replayed, shocked
from portfolios.kernels.types import FloatArray, IntArray, ReturnMatrix
from portfolios.services.backtest_world import Weights, World, strategies

Decisions = Mapping[int, Mapping[str, Weights | None]]
CAPITAL = 1_000_000.0
MOST_POINTS = 800  # of the stored series: one a week over fifteen years
PLACES = 6


def result_of(world: World, decisions: Decisions, past: ReturnMatrix) -> dict[str, Any]:
    """Work out every strategy's path and figures; `past` holds the funds' prices from before the test, for replays."""
    first = min(decisions)
    dates = world.matrix.dates[first:]
    names = strategies(world.inputs)
    walks = {name: _walk(world, decisions, name) for name in names}
    paths = {name: found.wealth / CAPITAL for name, found in walks.items()}
    if not world.inputs["cash"]:
        paths["cash"] = (1.0 + jurisdiction().cash_rate) ** ((dates - dates[0]) / DAYS_A_YEAR)
    paths["category_average"] = _category_average(world, first)
    shown = spread(dates, np.column_stack(list(paths.values())), MOST_POINTS)
    last = {name: _last_weights(decisions, name) for name in names}
    return {
        "dates": [date.fromordinal(int(day)).isoformat() for day in dates[shown]],
        "n_decisions": len(decisions),
        "n_rows": len(dates),
        "capital": CAPITAL,
        "strategies": [_strategy(name, dates, paths[name], walks.get(name), shown) for name in _ordered(paths)],
        "last_weights": {name: weights for name, weights in last.items() if weights},
        "stress": [_scenario(world, past, dates, paths, last, place) for place in range(len(jurisdiction().backtest.scenarios))],
    }


def _ordered(paths: Mapping[str, FloatArray]) -> list[str]:
    """Levels first, then what they are compared with."""
    fixed = ["cash", "mix_60_40", "equal_weight", "category_average"]
    return [name for name in paths if name not in fixed] + [name for name in fixed if name in paths]


def held_weights(world: World, decisions: Decisions, row: int) -> dict[str, Weights]:
    """What each level holds before a row's decision, at the prices published by then; empty before the first one, or by its model."""
    if world.inputs["follows"] == "model" or not decisions:
        return {}
    past = replace(world, matrix=replace(world.matrix, dates=world.matrix.dates[:row], values=world.matrix.values[:row]))
    return {name: _held(past, _walk(past, decisions, name)) for name in (f"level_{level}" for level in world.inputs["levels"])}


def _held(past: World, found: Walk) -> Weights:
    units = np.zeros(len(past.matrix.codes))
    for trade in found.trades:
        units[trade.fund] += trade.units
    prices = past.matrix.values[-max(past.lag, 1)]  # published by the row after the last
    worth = np.where((units > 1e-9) & np.isfinite(prices), units * np.nan_to_num(prices), 0.0)
    total = float(worth.sum() + found.idle[-1])
    shares = worth / total
    return {code: float(share) for code, share in zip(past.matrix.codes, shares, strict=True) if share > 1e-9}


def _walk(world: World, decisions: Decisions, name: str) -> Walk:
    """A strategy's walk: a day on which it decides nothing leaves it as it is, and before its first decision it is cash."""
    rules = jurisdiction().backtest
    targets = {min(decisions): np.zeros(len(world.matrix.codes))}
    for row, weights in sorted(decisions.items()):
        chosen = weights.get(name)
        if chosen:
            targets[row] = world.vector(chosen)
    bands = Bands(rules.band_relative, rules.band_absolute) if world.inputs["bands"] else None
    settings = Settings(CAPITAL, world.lag, bands)
    return walk(world.matrix.values, world.matrix.dates, targets, world.terms, settings)


def _category_average(world: World, first: int) -> FloatArray:
    categories = [world.facts[code]["category"] for code in world.matrix.codes]
    groups = np.unique(categories, return_inverse=True)[1]
    return category_growth(world.matrix.values[first:], groups, months_of(world.matrix.dates[first:]))


def _last_weights(decisions: Decisions, name: str) -> Weights | None:
    return next((dict(found) for _, weights in sorted(decisions.items(), reverse=True) if (found := weights.get(name))), None)


def _strategy(name: str, dates: IntArray, path: FloatArray, walked: Walk | None, shown: IntArray) -> dict[str, Any]:
    rolling = rolling_year(dates, path)
    return {
        "name": name,
        "growth": _rounded(path[shown]),
        "drawdown": _rounded(drawdown(path)[shown]),
        "rolling": _rounded(rolling[shown]),
        "figures": _plain(asdict(path_figures(dates, path))),
        "years": [[year, round(value, PLACES), is_whole] for year, value, is_whole in calendar_years(dates, path)],
        "costs": _plain(asdict(costs_of(walked, dates))) if walked is not None else None,
    }


def _scenario(
    world: World, past: ReturnMatrix, dates: IntArray, paths: Mapping[str, FloatArray], last: Mapping[str, Weights | None], place: int
) -> dict[str, Any]:
    scenario = jurisdiction().backtest.scenarios[place]
    span = scenario.start.toordinal(), scenario.end.toordinal()
    classes = [world.facts[code]["asset_class"] for code in world.matrix.codes]
    found: dict[str, Any] = {}
    for name, path in paths.items():
        weights = world.vector(last.get(name) or {})
        stressed: Stressed | None = lived(dates, path, *span)
        if stressed is None and weights.any():
            stressed = replayed(past.dates, past.values, weights, *span) or shocked(weights, classes, scenario.shocks)
        found[name] = _plain(asdict(stressed)) if stressed else None
    return {"code": scenario.code, "start": scenario.start.isoformat(), "end": scenario.end.isoformat(), "strategies": found}


def _rounded(values: FloatArray) -> list[float | None]:
    return [round(float(value), PLACES) if np.isfinite(value) else None for value in values]


def _plain(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {key: round(value, PLACES + 2) if isinstance(value, float) else value for key, value in figures.items()}
