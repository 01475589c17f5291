"""Random mandates that some portfolio keeps: limits are laid round a random portfolio, some of them tight."""

from typing import Any

import numpy as np

from portfolios.kernels.mandate import Group, Mandate, Robust
from portfolios.kernels.types import Moments

QUADRATIC = ("utility", "min_volatility", "target_return", "max_sharpe")
CONIC = ("target_volatility", "cvar", "robust", "robust_target", "cvar_costs")


def random_moments(random: np.random.Generator, n: int) -> Moments:
    """Factor-model moments; some markets hold twins, funds without any variance, or means that tie."""
    loadings = random.normal(scale=0.1, size=(n, 3))
    cov = loadings @ loadings.T + np.diag(random.uniform(1e-6, 0.02, n))
    mean = random.choice([0.02, 0.05, 0.07], n) if random.random() < 0.3 else random.uniform(0, 0.1, n)
    kind = random.integers(6)
    if kind == 0 and n > 3:
        cov[:2], cov[:, :2], mean[:2] = 0.0, 0.0, 0.015
    if kind == 1 and n > 2:
        cov[1], cov[:, 1], mean[1] = cov[0], cov[:, 0], mean[0]
        cov[1, 1] = cov[0, 0]
    return Moments(tuple(f"F{i:02d}" for i in range(n)), mean, cov)


def random_mandate(seed: int, kinds: tuple[str, ...]) -> tuple[Moments, Mandate]:
    """A market and a mandate of one of the kinds; the same seed gives the same pair."""
    random = np.random.default_rng(seed)
    n = int(random.integers(2, 13))
    moments = random_moments(random, n)
    codes = moments.codes
    shorts = random.random() < 0.2
    inside = random.dirichlet(np.ones(n))
    if shorts:
        inside = 1.5 * inside - 0.5 * random.dirichlet(np.ones(n))
    held = dict(zip(codes, np.round(random.dirichlet(np.ones(n)) * (random.random(n) < 0.7), 3).tolist(), strict=True))
    fields: dict[str, Any] = {"funds": codes, "long_only": not shorts}
    if shorts:
        fields["default_bounds"] = (-2.0, 2.0)
    if random.random() < 0.6:
        fields["bounds"] = {code: _around(random, value, 0.0 if not shorts else -1.0) for code, value in zip(codes, inside, strict=True)}
    if random.random() < 0.6:
        fields["groups"] = tuple(_group(random, k, codes, inside) for k in range(int(random.integers(1, 4))))
    if random.random() < 0.6:
        fields |= {"current": held, "horizon_years": float(random.uniform(1, 5))}
        for side in ("buy_cost", "sell_cost"):
            fields[side] = dict(zip(codes, (random.uniform(0, 0.02, n) * (random.random(n) < 0.8)).tolist(), strict=True))
    if random.random() < 0.25:
        trade = 0.5 * sum(abs(w - held[code]) for code, w in zip(codes, inside, strict=True))
        fields |= {"current": held, "max_turnover": float(trade + random.uniform(0, 0.2))}
    if random.random() < 0.2:
        fields["locked"] = {codes[-1]: float(inside[-1])}
    if random.random() < 0.2:
        fields["cash"] = (codes[0], float(inside[0]) - random.uniform(0, 0.05))
    if random.random() < 0.2:
        fields |= {"risk_grades": {code: int(random.integers(1, 4)) for code in codes}, "max_grade": 3}
    objective = _objective(random, str(random.choice(kinds)), moments, inside, fields)
    return moments, Mandate(**fields, **objective)


def _around(random: np.random.Generator, value: float, least: float) -> tuple[float, float]:
    return max(least, value - random.uniform(0, 0.4)), value + random.uniform(0, 0.5)


def _group(random: np.random.Generator, k: int, codes: tuple[str, ...], inside: np.ndarray) -> Group:
    member = random.random(len(codes)) < 0.5
    member[random.integers(len(codes))] = True
    total = float(inside[member].sum())
    slack = random.choice([0.0, 0.02, 0.2], 2)
    least, most = total - slack[0], total + slack[1] + 1e-3
    funds = tuple(code for code, ok in zip(codes, member, strict=True) if ok)
    return Group(f"g{k}", funds, None if random.random() < 0.3 else least, None if random.random() < 0.3 else most)


def _objective(random: np.random.Generator, kind: str, moments: Moments, inside: np.ndarray, fields: dict[str, Any]) -> dict[str, Any]:
    mean, volatility = float(moments.mean @ inside), float(np.sqrt(max(inside @ moments.cov @ inside, 0.0)))
    gamma = float(np.exp(random.uniform(np.log(0.5), np.log(100))))
    spread = random.normal(size=(len(inside), len(inside))) * 0.02
    robust = Robust(float(random.uniform(0.1, 1)), moments.codes, spread @ spread.T / len(inside) + 1e-4 * np.eye(len(inside)))
    limit = 2.062713 * volatility - mean + float(random.uniform(0, 0.05))
    if kind == "cvar":
        for side in ("buy_cost", "sell_cost"):
            fields.pop(side, None)
    return {
        "utility": {"risk_aversion": gamma},
        "min_volatility": {"objective": "min_volatility"},
        "target_return": {"target_return": mean - float(random.uniform(0, 0.01))},
        "max_sharpe": {"objective": "max_sharpe", "risk_free": mean - 0.02 - float(random.uniform(0, 0.01))},
        "target_volatility": {"target_volatility": volatility + float(random.uniform(1e-3, 0.05))},
        "cvar": {"risk_aversion": gamma, "cvar_limit": limit},
        "cvar_costs": {"risk_aversion": gamma, "cvar_limit": limit},
        "robust": {"risk_aversion": gamma, "robust": robust},
        "robust_target": {"target_volatility": volatility + float(random.uniform(1e-3, 0.05)), "robust": robust},
    }[kind]
