"""Moments and mandates as JSON files, funds by id and never by position; and the answer in the shape the command prints."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from portfolios.kernels.errors import DataError
from portfolios.kernels.mandate import Group, Mandate, Robust
from portfolios.kernels.moments import checked_moments
from portfolios.kernels.types import FloatArray, Moments, Solution

_MOMENTS_KEYS = {"funds", "mean", "cov", "versions", "notes"}
HELD = 1e-12  # printed weights below this are the dust of floating point
LEAST = 1e-100  # figures nearer to zero are zero: their products and inverses leave what a float can hold
MOST = 1e9  # no figure of a portfolio comes near; up to here amounts to relax still have their 1e-6


def read_moments(path: Path) -> Moments:
    """Read {"funds", "mean", "cov"}: annual simple returns, mean and cov in the order of funds or as maps by fund id."""
    data = _read_object(path)
    _refuse_unknown(data, _MOMENTS_KEYS, path.name)
    for key in ("funds", "mean", "cov"):
        if key not in data:
            raise DataError("key_missing", file=path.name, key=key)
    funds = _fund_list(data["funds"], "funds")
    return checked_moments(funds, _vector(data["mean"], funds, "mean"), _matrix(data["cov"], funds, "cov"))


def read_mandate(path: Path, funds: tuple[str, ...], *, objective_required: bool = True) -> Mandate:
    """Read a mandate over these funds. Where no objective is required and none is given, least variance stands in."""
    data = _read_object(path)
    _refuse_unknown(data, set(_FIELDS), path.name)
    given = {key: _FIELDS[key](value, funds, key) for key, value in data.items() if value is not None}
    if not objective_required:
        given.pop("risk_aversion", None)
        if given.get("objective", "utility") == "utility" and not {"target_volatility", "target_return"} & set(given):
            given["objective"] = "min_volatility"
    return Mandate(funds=funds, **given)


def answer_of(solution: Solution) -> dict[str, Any]:
    """The printed form of a solved mandate."""
    return {
        "status": "solved",
        "weights": {code: float(w) if abs(w) > HELD else 0.0 for code, w in zip(solution.codes, solution.weights, strict=True)},
        "objective": solution.objective,
        "expected_return": solution.expected_return,
        "costs": solution.costs,
        "volatility": solution.volatility,
        "cvar": solution.cvar,
        "risk_aversion": solution.gamma,
        "binding": [asdict(limit) for limit in solution.binding],
        "solver": solution.solver,
        "gap": solution.gap,
        "relax": [],
        "conflict": [],
        "notes": list(solution.notes),
    }


def infeasible_answer(relax: list[dict[str, Any]], conflict: Iterable[str]) -> dict[str, Any]:
    """The printed form of a mandate that no portfolio keeps."""
    nothing = dict.fromkeys(("objective", "expected_return", "costs", "volatility", "cvar", "risk_aversion"))
    rest = {"binding": [], "solver": None, "gap": None, "relax": relax, "conflict": list(conflict), "notes": []}
    return {"status": "infeasible", "weights": {}, **nothing, **rest}


def _read_object(path: Path) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise DataError("json_key_twice", file=path.name, key=key)
            found[key] = value
        return found

    try:
        data = json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=once)
    except FileNotFoundError:
        raise DataError("file_not_found", file=path.name) from None
    except OSError:
        raise DataError("file_not_readable", file=path.name) from None
    except UnicodeDecodeError:
        raise DataError("file_is_not_json", file=path.name, line=1) from None
    except json.JSONDecodeError as error:
        raise DataError("file_is_not_json", file=path.name, line=error.lineno) from None
    except (RecursionError, ValueError):  # nested too deeply, or a whole number of thousands of digits
        raise DataError("file_is_not_json", file=path.name, line=1) from None
    if not isinstance(data, dict):
        raise DataError("json_not_an_object", file=path.name)
    return data


def _refuse_unknown(data: Mapping[str, Any], known: set[str], name: str) -> None:
    for key in data:
        if key not in known:
            raise DataError("unknown_key", file=name, key=key, known=", ".join(sorted(known)))


def _number(value: Any, field: str, fund: str | None = None, *, most: float = MOST) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DataError("not_a_number", field=field if fund is None else f"{field} {fund}", value=str(value)[:40])
    if most < abs(value) < math.inf:
        raise DataError("not_a_number", field=field if fund is None else f"{field} {fund}", value=str(value)[:40])
    return 0.0 if abs(value) < LEAST else float(value)


def _finite(value: Any, _funds: tuple[str, ...], field: str) -> float:
    number = _number(value, field)
    if not math.isfinite(number):
        raise DataError("not_a_number", field=field, value=str(value))
    return number


def _whole(value: Any, _funds: tuple[str, ...], field: str) -> int:
    number = _finite(value, _funds, field)
    if number != int(number):
        raise DataError("not_a_whole_number", field=field, value=number)
    return int(number)


def _flag(value: Any, _funds: tuple[str, ...], field: str) -> bool:
    if not isinstance(value, bool):
        raise DataError("not_true_or_false", field=field, value=str(value)[:40])
    return value


def _word(value: Any, _funds: tuple[str, ...], field: str) -> str:
    if not isinstance(value, str) or not _is_text(value):
        raise DataError("not_a_word", field=field, value=ascii(value)[:40])
    return value


def _is_text(value: str) -> bool:
    """Whether a string can be printed: JSON can escape half a character, which no encoding has."""
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


def _fund_list(value: Any, field: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(fund, str) and fund and _is_text(fund) for fund in value):
        raise DataError("not_a_list_of_funds", field=field)
    seen: set[str] = set()
    for fund in value:
        if fund in seen:
            raise DataError("duplicate_fund", fund=fund)
        seen.add(fund)
    return tuple(value)


def _words(value: Any, _funds: tuple[str, ...], field: str) -> tuple[str, ...]:
    return _fund_list(value, field)


def _limit_names(value: Any, _funds: tuple[str, ...], field: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and _is_text(name) for name in value):
        raise DataError("not_a_list_of_limits", field=field)
    return tuple(dict.fromkeys(value))


def _object(value: Any, field: str, keys: set[str] | None = None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError("not_an_object", field=field)
    if keys is not None:
        _refuse_unknown(value, keys, field)
    return value


def _by_fund(value: Any, _funds: tuple[str, ...], field: str) -> dict[str, float]:
    return {fund: _number(one, field, fund) for fund, one in _object(value, field).items() if one is not None}


def _cost(value: Any, funds: tuple[str, ...], field: str) -> dict[str, float]:
    """One number for every fund, or a number a fund."""
    return _by_fund(value, funds, field) if isinstance(value, dict) else dict.fromkeys(funds, _number(value, field))


def _pair(value: Any, _funds: tuple[str, ...], field: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise DataError("not_a_pair", field=field)
    return _number(value[0], field), _number(value[1], field)


def _bounds(value: Any, funds: tuple[str, ...], field: str) -> dict[str, tuple[float, float]]:
    return {fund: _pair(pair, funds, f"{field} {fund}") for fund, pair in _object(value, field).items() if pair is not None}


def _groups(value: Any, _funds: tuple[str, ...], field: str) -> tuple[Group, ...]:
    if not isinstance(value, list):
        raise DataError("not_a_list", field=field)
    return tuple(_group(entry, field) for entry in value)


def _group(entry: Any, field: str) -> Group:
    group = _object(entry, field, {"name", "funds", "min", "max"})
    name = _word(group.get("name"), (), f"{field} name")
    least, most = (None if group.get(key) is None else _number(group[key], f"{field} {name} {key}") for key in ("min", "max"))
    return Group(name, _fund_list(group.get("funds"), f"{field} {name} funds"), least, most)


def _grades(value: Any, _funds: tuple[str, ...], field: str) -> dict[str, int]:
    return {fund: _whole(grade, _funds, f"{field} {fund}") for fund, grade in _object(value, field).items()}


def _cash(value: Any, _funds: tuple[str, ...], field: str) -> tuple[str, float]:
    cash = _object(value, field, {"fund", "min"})
    return _word(cash.get("fund"), _funds, f"{field} fund"), _finite(cash.get("min"), _funds, f"{field} min")


def _robust(value: Any, funds: tuple[str, ...], field: str) -> Robust:
    robust = _object(value, field, {"kappa", "mean_cov"})
    kappa = _finite(robust.get("kappa"), funds, f"{field} kappa")
    mean_cov = checked_moments(funds, np.zeros(len(funds)), _matrix(robust.get("mean_cov"), funds, f"{field} mean_cov"))
    return Robust(kappa, mean_cov.codes, mean_cov.cov)


def _vector(value: Any, funds: tuple[str, ...], field: str) -> FloatArray:
    """(n,) from a list in the order of `funds` or a map by fund id; null counts as NaN, which names its fund later."""
    entries = _of_each_fund(value, funds, field)
    return np.array([math.nan if one is None else _number(one, field, fund) for fund, one in entries])


def _matrix(value: Any, funds: tuple[str, ...], field: str) -> FloatArray:
    rows = [_vector(row, funds, f"{field} {fund}") for fund, row in _of_each_fund(value, funds, field)]
    return np.array(rows).reshape(len(funds), len(funds))


def _of_each_fund(value: Any, funds: tuple[str, ...], field: str) -> list[tuple[str, Any]]:
    """Each fund with its entry, from a list in the order of `funds` or a map by fund id."""
    if isinstance(value, dict):
        _same_labels(value, funds, field)
        value = [value[fund] for fund in funds]
    if not isinstance(value, list):
        raise DataError("not_a_list", field=field)
    if len(value) != len(funds):
        raise DataError("wrong_length", field=field, n=len(value), n_funds=len(funds))
    return list(zip(funds, value, strict=True))


def _same_labels(value: Mapping[str, Any], funds: tuple[str, ...], field: str) -> None:
    for fund in funds:
        if fund not in value:
            raise DataError("label_missing", field=field, fund=fund)
    known = set(funds)
    for fund in value:
        if fund not in known:
            raise DataError("fund_not_in_universe", fund=fund, where=field)


_FIELDS: dict[str, Callable[[Any, tuple[str, ...], str], Any]] = {
    "objective": _word,
    "risk_aversion": lambda value, _funds, field: _number(value, field, most=1e300),
    "risk_free": _finite,
    "target_volatility": _finite,
    "target_return": _finite,
    "cvar_limit": _finite,
    "default_bounds": _pair,
    "bounds": _bounds,
    "groups": _groups,
    "current": _by_fund,
    "buy_cost": _cost,
    "sell_cost": _cost,
    "horizon_years": _finite,
    "long_only": _flag,
    "max_turnover": _finite,
    "locked": _by_fund,
    "excluded": _words,
    "max_funds": _whole,
    "min_weight_if_held": _finite,
    "risk_grades": _grades,
    "max_grade": _whole,
    "cash": _cash,
    "robust": _robust,
    "hard": _limit_names,
}
