"""Mandates that no portfolio keeps, and a slow second way to say by how much their limits must give way."""

import itertools
import warnings
from collections.abc import Collection
from dataclasses import replace

import cvxpy as cp
import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from portfolios.kernels.mandate import Group, Mandate
from portfolios.kernels.types import Moments

FAR = 50.0  # no amount is as large


def market(seed: int, n: int) -> Moments:
    """A factor model; in every third one the first fund is riskless."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(scale=0.1, size=(n, 3))
    cov = loadings @ loadings.T + np.diag(rng.uniform(1e-4, 0.02, n))
    mean = rng.uniform(0, 0.1, n)
    if seed % 3 == 0:
        cov[0], cov[:, 0], mean[0] = 0.0, 0.0, 0.015
    return Moments(tuple(f"F{i}" for i in range(n)), mean, cov)


def tight_mandate(seed: int, funds: tuple[str, ...]) -> Mandate:
    """Limits of every kind, most of them tight; the funds are counted only where no limit is on the volatility."""
    rng = np.random.default_rng([seed, 1])
    n, is_counted = len(funds), seed % 3 == 2

    def share(low: float, high: float) -> float:
        return float(np.round(rng.uniform(low, high), 3))

    def some(probability: float) -> bool:
        return bool(rng.random() < probability)

    long_only = some(0.75)
    goals = [{"risk_aversion": 5.0}, {"objective": "min_volatility"}, {"target_return": share(0.03, 0.1)}]
    goal = rng.integers(3 if is_counted else 4)
    fields = dict(goals[goal] if goal < 3 else {"target_volatility": share(0.005, 0.08)})
    fields["default_bounds"] = (0.0 if long_only else -0.2, share(0.8 / n, 2.0 / n))
    fields["bounds"] = {fund: (share(0, 0.1), share(0.12, 0.5)) for fund in funds if some(0.2)}
    groups = []
    for name in ("bonds", "gold")[: rng.integers(3)]:
        low, members = share(0, 0.6), tuple(fund for fund in funds if some(0.5)) or funds[:1]
        groups.append(Group(name, members, low if some(0.6) else None, share(low, 0.9) if some(0.6) else None))
    if some(0.4):
        fields["current"], fields["max_turnover"] = dict(zip(funds, rng.dirichlet(np.ones(n)).tolist(), strict=True)), share(0, 0.3)
    if some(0.3):
        fields["locked"] = {funds[rng.integers(n)]: share(0, 0.4)}
    if some(0.3):
        fields["excluded"] = (funds[rng.integers(n)],)
    if some(0.3):
        fields["cash"] = (funds[0], share(0.05, 0.3))
    if some(0.3):
        fields["risk_grades"], fields["max_grade"] = {fund: int(rng.integers(1, 6)) for fund in funds}, int(rng.integers(1, 5))
    if some(0.5) and not is_counted:
        fields["cvar_limit"] = share(-0.02, 0.06)
    if some(0.6) and is_counted:
        fields["max_funds"] = int(rng.integers(1, 4))
    if some(0.4) and is_counted:
        fields["min_weight_if_held"] = share(0.05, 0.3)
    return _with_hard(Mandate(funds, long_only=long_only, groups=tuple(groups), **fields), rng)


def _with_hard(mandate: Mandate, rng: np.random.Generator) -> Mandate:
    """Each limit legal with some probability, and so many that at most eight are left to choose from."""
    names = [name for name in limit_names(mandate) if not mandate.is_legal(name)]
    n_hard = max(len(names) - 8, int(len(names) * rng.choice([0.0, 0.1, 0.3])))
    return replace(mandate, hard=tuple(rng.permutation(names)[:n_hard].tolist()))


def limit_names(mandate: Mandate) -> list[str]:
    """The names of all limits of a mandate, fund minima that long-only makes idle left out."""
    names = ["sum"] + ["long_only"] * mandate.long_only + ["max_grade"] * (mandate.max_grade is not None)
    names += [f"fund:{fund}:min" for fund in mandate.funds if not (mandate.long_only and mandate.bound(fund)[0] <= 0)]
    names += [f"fund:{fund}:max" for fund in mandate.funds]
    names += [f"group:{group.name}:{side}" for group in mandate.groups for side in ("min", "max") if getattr(group, side) is not None]
    names += [f"locked:{fund}" for fund in mandate.locked] + [f"excluded:{fund}" for fund in mandate.excluded]
    single = {"turnover": "max_turnover", "cvar": "cvar_limit", "cash": "cash"} | {
        name: name for name in ("target_volatility", "target_return", "max_funds", "min_weight_if_held")
    }
    return names + [name for name, attribute in single.items() if getattr(mandate, attribute) is not None]


class SecondWay:
    """The least sum by which a set of limits must give way, written out again: scipy's milp, and cvxpy for volatility."""

    def __init__(self, moments: Moments, mandate: Mandate) -> None:
        self.names = limit_names(mandate)
        self._mandate, self._moments = mandate, moments
        self._at = {name: i for i, name in enumerate(self.names)}
        self._is_conic = mandate.cvar_limit is not None or mandate.target_volatility is not None
        self._rows: list[np.ndarray] = []
        self._most: list[float] = []
        self._n = len(mandate.funds)
        # Columns: weights, trades, positive parts, negative parts, held long, held short, amounts.
        self._width = 6 * self._n + len(self.names)
        self._write()
        self._matrix, self._limits = np.array(self._rows), np.array(self._most)
        if self._is_conic:
            self._compile()

    def least(self, free: Collection[str], at_no_price: Collection[str] = ()) -> float:
        """The least sum over `free`, infinite where these are not enough; those `at_no_price` are not limits at all."""
        most = np.array([FAR if name in free or name in at_no_price else 0.0 for name in self.names])
        price = np.array([float(name in free) for name in self.names])
        if self._is_conic:
            return self._least_conic(most > 0, price)
        n = self._n
        low = np.concatenate([np.full(n, -FAR), np.zeros(self._width - n)])
        high = np.concatenate([np.full(4 * n, FAR), np.ones(2 * n), most])
        whole = np.zeros(self._width)
        if self._mandate.max_funds is not None or self._mandate.min_weight_if_held is not None:
            whole[4 * n : 6 * n] = 1
        if "max_funds" in self._at:
            whole[6 * n + self._at["max_funds"]] = 1
        cost = np.concatenate([np.zeros(6 * n), price])
        found = milp(cost, integrality=whole, bounds=Bounds(low, high), constraints=LinearConstraint(self._matrix, ub=self._limits))
        return float(found.fun) if found.status == 0 else np.inf

    def _add(self, terms: dict[int, float], most: float, name: str | None = None, move: float = 1.0) -> None:
        row = np.zeros(self._width)
        for column, factor in terms.items():
            row[column] += factor
        if name is not None:
            row[6 * self._n + self._at[name]] -= move
        self._rows.append(row)
        self._most.append(most)

    def _write(self) -> None:
        mandate, n, at = self._mandate, self._n, {fund: i for i, fund in enumerate(self._mandate.funds)}
        for sign in (1.0, -1.0):
            self._add(dict.fromkeys(range(n), sign), sign, "sum")
            for fund, weight in mandate.locked.items():
                self._add({at[fund]: sign}, sign * weight, f"locked:{fund}")
            for fund in mandate.excluded:
                self._add({at[fund]: sign}, 0.0, f"excluded:{fund}")
        for fund, i in at.items():
            low, high = mandate.bound(fund)
            self._add({i: 1.0}, high, f"fund:{fund}:max")
            if f"fund:{fund}:min" in self._at:
                self._add({i: -1.0}, -low, f"fund:{fund}:min")
            if mandate.long_only:
                self._add({i: -1.0}, 0.0, "long_only")
            if mandate.max_grade is not None and mandate.risk_grades[fund] > mandate.max_grade:
                for sign in (1.0, -1.0):
                    self._add({i: sign}, 0.0, "max_grade")
        for group in mandate.groups:
            if group.min is not None:
                self._add({at[fund]: -1.0 for fund in group.funds}, -group.min, f"group:{group.name}:min")
            if group.max is not None:
                self._add({at[fund]: 1.0 for fund in group.funds}, group.max, f"group:{group.name}:max")
        if mandate.cash is not None:
            self._add({at[mandate.cash[0]]: -1.0}, -mandate.cash[1], "cash")
        if mandate.target_return is not None:
            self._add({i: -self._moments.mean[i] for i in range(n)}, -mandate.target_return, "target_return")
        self._write_trades(n)
        self._write_counts(n)

    def _write_trades(self, n: int) -> None:
        if self._mandate.max_turnover is None:
            return
        for i, fund in enumerate(self._mandate.funds):
            now = self._mandate.current.get(fund, 0.0)
            self._add({i: 1.0, n + i: -1.0}, now)
            self._add({i: -1.0, n + i: -1.0}, -now)
        self._add({n + i: 0.5 for i in range(n)}, self._mandate.max_turnover, "turnover")

    def _write_counts(self, n: int) -> None:
        mandate = self._mandate
        if mandate.max_funds is None and mandate.min_weight_if_held is None:
            return
        for i in range(n):
            for sign in (1.0, -1.0):
                self._add({i: sign, 2 * n + i: -sign, 3 * n + i: sign}, 0.0)
            for part, held in ((2 * n + i, 4 * n + i), (3 * n + i, 5 * n + i)):
                self._add({part: 1.0, held: -(1.0 if mandate.long_only else 5.0)}, 0.0)
                if mandate.min_weight_if_held is not None:
                    self._add({held: mandate.min_weight_if_held, part: -1.0}, 0.0, "min_weight_if_held")
            self._add({4 * n + i: 1.0, 5 * n + i: 1.0}, 1.0)
        if mandate.max_funds is not None:
            self._add(dict.fromkeys(range(4 * n, 6 * n), 1.0), float(mandate.max_funds), "max_funds")

    def _compile(self) -> None:
        n, names = self._n, self.names
        self._price = cp.Parameter(len(names), nonneg=True)
        used, self._amounts = cp.Variable(2 * n), cp.Variable(len(names), nonneg=True)
        amounts = self._amounts
        x = cp.hstack([used, np.zeros(4 * n), amounts])
        values, vectors = np.linalg.eigh(self._moments.cov)
        volatility = cp.norm((vectors * np.sqrt(np.maximum(values, 0))).T @ x[:n])
        limits = [self._matrix @ x <= self._limits, used[n:] >= 0]
        if "cvar" in self._at:
            limits.append(2.062713 * volatility - self._moments.mean @ x[:n] <= self._mandate.cvar_limit + amounts[self._at["cvar"]])
        if "target_volatility" in self._at:
            limits.append(volatility <= self._mandate.target_volatility + amounts[self._at["target_volatility"]])
        self._problem = cp.Problem(cp.Minimize(self._price @ amounts), limits)

    def _least_conic(self, is_open: np.ndarray, price: np.ndarray) -> float:
        """Closed limits give way too, at a price so high that they do only if nothing else helps: so there is always a solution."""
        self._price.value = np.where(is_open, price, 1e4)
        with warnings.catch_warnings(action="ignore"):  # of a last digit that is missing
            self._problem.solve(solver=cp.CLARABEL)
        assert self._problem.status.startswith("optimal"), self._problem.status
        amounts = self._amounts.value
        return float(price @ amounts) if float(amounts[~is_open].sum()) < 1e-5 else np.inf


def subsets(names: Collection[str], size: int) -> list[tuple[str, ...]]:
    return list(itertools.combinations(sorted(names), size))
