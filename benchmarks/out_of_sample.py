"""Which mean earns most where it counts: class assumptions, the historical mean and equal weight on screened pools, walked forward.

Each seed is a market of its own, by the models of `kernels.simulate_funds`: loadings on common factors, fees, lasting alphas, and
shocks of a fund's own. What its classes truly earn is drawn round the jurisdiction's assumptions, and what advice assumes is
drawn round that truth: so the assumptions are wrong too, and the optimiser is free to bet on their errors. Factors are
independent from week to week. (`kernels.simulate` would not do: it brings each factor to its mean over ten years, so
that a bad half decade follows a good one, which would hand the historical mean its defeat.)

Once a year the market is screened on the five years past: of each category the best fifth by Morningstar's risk-adjusted
return. On the pool so found each method makes its portfolio, which is held untouched for the next year. Trading costs nothing,
which favours the method that trades most.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.rows import Row
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.means import past_mean
from portfolios.kernels.moments import class_moments, usable_returns
from portfolios.kernels.simulate import FACTOR_VOL
from portfolios.kernels.simulate_funds import FACTORS, MODELS, FundSpec, make_funds
from portfolios.kernels.solve import solve
from portfolios.kernels.types import FloatArray, IntArray, Moments, ReturnMatrix

GAMMAS = (3.0, 6.0, 12.0)
METHODS = ("class assumptions", "historical mean", "equal weight", "equal weight and cash")
ASSUMED, HISTORICAL, EQUAL, EQUAL_AND_CASH = range(4)
MONEY = "money_market"
SURE = 2.0  # t-statistic over markets, paired: an interval of 95 % does not hold 0
WEEKS = 52  # in a year of the simulated market
# How surprising a class is, of other classes: its yield is published.
CALM = {MONEY: 0.1, "short_bond": 0.25, "bond": 0.5}


@dataclass(frozen=True)
class Setting:
    """How large a market is, how wrong its assumptions are, how it is screened, and for how long it is walked.

    `spread` and `error` are standard deviations of a year's mean: of the true class means round the jurisdiction's, and of the
    assumed ones round the true. `kept` is the share of a category that the screen keeps.
    """

    n_funds: int = 300
    past_years: int = 5
    years: int = 5
    spread: float = 0.01
    error: float = 0.01
    kept: float = 0.2


@dataclass(frozen=True)
class World:
    """One simulated market: weekly returns (T, n), the category of each fund, and the class mean that advice assumes for it (n,)."""

    codes: tuple[str, ...]
    weekly: FloatArray
    categories: tuple[str, ...]
    is_money: np.ndarray
    assumed: FloatArray


@dataclass(frozen=True)
class Study:
    """Of each seed, risk aversion and method (s, g, m): mean promised, mean delivered and certainty equivalent, a year."""

    promised: FloatArray
    delivered: FloatArray
    equivalent: FloatArray

    def lead(self, over: int, of: int = ASSUMED) -> tuple[FloatArray, FloatArray]:
        """By how much the certainty equivalent of one method exceeds another's, paired by seed: mean (g,) and t-statistic (g,)."""
        lead = self.equivalent[:, :, of] - self.equivalent[:, :, over]
        return lead.mean(axis=0), lead.mean(axis=0) / (lead.std(axis=0, ddof=1) / np.sqrt(len(lead)))


def simulate(seed: int, setting: Setting) -> World:
    """Draw one market; factors and own shocks are Student t, independent from week to week."""
    random, rules = np.random.default_rng([seed, 77]), jurisdiction()
    of = {name: category.asset_class for name, category in rules.categories.items()}
    sizes = {name: CALM.get(name, 1.0) for name in sorted(set(of.values()))}
    true = {name: rules.classes[name].mean + setting.spread * size * random.standard_normal() for name, size in sizes.items()}
    assumed = {name: true[name] + setting.error * size * random.standard_normal() for name, size in sizes.items()}
    means = {name: true[of[name]] for name in of}
    made = make_funds(seed=seed, n_funds=setting.n_funds, class_means=means, fee_caps_bps=rules.purchase_fee_caps_bps)
    funds = [fund for fund in made if fund.is_open and fund.share_class != "C"]
    n_weeks = (setting.past_years + setting.years) * WEEKS
    factors = random.standard_t(5, (n_weeks, len(FACTORS))) / np.sqrt(5 / 3) * FACTOR_VOL
    shocks = random.standard_t(6, (n_weeks, len(funds))) / np.sqrt(6 / 4) * np.array([fund.own_vol for fund in funds])
    drift = np.array([fund.drift + (style_beta(fund) - 1.0) * (means[fund.category] - rules.cash_rate) for fund in funds])
    weekly = drift / WEEKS + (factors @ np.array([fund.loadings for fund in funds]).T + shocks) / np.sqrt(WEEKS)
    return World(
        codes=tuple(fund.code for fund in funds),
        weekly=np.maximum(weekly, -0.5),
        categories=tuple(fund.category for fund in funds),
        is_money=np.array([of[fund.category] == MONEY for fund in funds]),
        assumed=np.array([assumed[of[fund.category]] for fund in funds]),
    )


def style_beta(fund: FundSpec) -> float:
    """A fund's loading on the main factor of its category, of the category's middle."""
    for name, (low, high) in MODELS[fund.category].loadings.items():
        return fund.loadings[FACTORS.index(name)] / ((low + high) / 2.0)
    return 1.0


def screened(world: World, past: FloatArray, kept: float) -> IntArray:
    """The columns of each category's best share by Morningstar's risk-adjusted return, MRAR(2), over the past (T, n)."""
    months = np.expm1(np.log1p(past).reshape(-1, 4, past.shape[1]).sum(axis=1))
    cash = jurisdiction().cash_rate / 13.0
    merit = ((1.0 + months) / (1.0 + cash)) ** -2.0
    merit = np.mean(merit, axis=0) ** (-13.0 / 2.0) - 1.0
    chosen: list[int] = []
    for category in dict.fromkeys(world.categories):
        columns = np.flatnonzero(np.array(world.categories) == category)
        best = columns[np.argsort(-merit[columns], kind="stable")]
        chosen += best[: max(2, round(kept * len(best)))].tolist()
    return np.array(sorted(chosen))


def moments_of(world: World, past: FloatArray, pool: IntArray) -> tuple[Moments, Moments]:
    """Those of advice (class means, Ledoit-Wolf), and the same with the historical mean."""
    codes = tuple(world.codes[i] for i in pool)
    levels = np.vstack([np.ones(len(pool)), np.cumprod(1.0 + past[:, pool], axis=0)])
    matrix = ReturnMatrix(codes, 735_000 + 7 * np.arange(len(levels)), levels)
    advised = class_moments(matrix, dict(zip(codes, world.assumed[pool].tolist(), strict=True)))
    usable = usable_returns(matrix)
    return advised, replace(advised, mean=past_mean("historical", usable.returns).mean * usable.periods)


def portfolios_of(moments: tuple[Moments, Moments], is_money: np.ndarray) -> tuple[FloatArray, FloatArray]:
    """Weights (g, m, n) of each method at each risk aversion under the caps of advice, and the mean (g, m) that it promises.

    Equal weight knows no risk aversion, which at a high one costs it dearly; so besides it there is equal weight mixed with
    the money-market funds at the best share by the very means and covariance that advice uses.
    """
    advised, historical = moments
    limits, n = jurisdiction().advice, len(is_money)
    caps = np.where(is_money, limits.money_fund_cap, limits.fund_optimised_cap)
    bounds = {code: (0.0, cap) for code, cap in zip(advised.codes, caps.tolist(), strict=True)}
    equal, cash = np.full(n, 1.0 / n), is_money / is_money.sum()
    step = equal - cash
    weights, promised = np.empty((len(GAMMAS), len(METHODS), n)), np.empty((len(GAMMAS), len(METHODS)))
    for g, gamma in enumerate(GAMMAS):
        for method, own in ((ASSUMED, advised), (HISTORICAL, historical)):
            weights[g, method] = solve(own, Mandate(funds=own.codes, risk_aversion=gamma, bounds=bounds)).weights
        share = (advised.mean - gamma * advised.cov @ cash) @ step / (gamma * step @ advised.cov @ step)
        weights[g, EQUAL], weights[g, EQUAL_AND_CASH] = equal, cash + np.clip(share, 0.0, 1.0) * step
        for method in range(len(METHODS)):
            promised[g, method] = weights[g, method] @ (historical if method == HISTORICAL else advised).mean
    return weights, promised


def walk(world: World, setting: Setting) -> tuple[FloatArray, FloatArray]:
    """Weekly returns (g, m, T) of each method over the years that follow, screened anew each year, and what was promised (g, m)."""
    earned, promises = [], []
    for year in range(setting.years):
        now = (setting.past_years + year) * WEEKS
        past, ahead = world.weekly[now - setting.past_years * WEEKS : now], world.weekly[now : now + WEEKS]
        pool = screened(world, past, setting.kept)
        weights, promised = portfolios_of(moments_of(world, past, pool), world.is_money[pool])
        growth = np.cumprod(1.0 + ahead[:, pool], axis=0)
        value = np.concatenate([np.ones((*weights.shape[:2], 1)), weights @ growth.T], axis=2)
        earned.append(value[:, :, 1:] / value[:, :, :-1] - 1.0)
        promises.append(promised)
    return np.concatenate(earned, axis=2), np.mean(promises, axis=0)


def study(worlds: Iterable[World], setting: Setting) -> Study:
    """Walk through each world; a certainty equivalent is mean - gamma/2 variance of weekly returns, both times 52."""
    promised, delivered, equivalent = [], [], []
    for world in worlds:
        earned, said = walk(world, setting)
        mean, variance = WEEKS * earned.mean(axis=2), WEEKS * earned.var(axis=2, ddof=1)
        promised.append(said)
        delivered.append(mean)
        equivalent.append(mean - np.array(GAMMAS)[:, None] / 2.0 * variance)
    return Study(np.array(promised), np.array(delivered), np.array(equivalent))


def mean_out_of_sample(quick: bool) -> Iterator[Row]:
    """Certainty equivalents a year: class means wrong by a point (standard deviation), then by three, beside the others'."""
    n_seeds = 16 if quick else 200
    for setting in (Setting(), Setting(error=0.03)):
        found = study((simulate(seed, setting) for seed in range(n_seeds)), setting)
        for over in (HISTORICAL, EQUAL, EQUAL_AND_CASH):
            lead, t = found.lead(over)
            for g, gamma in enumerate(GAMMAS):
                ours, theirs = found.equivalent[:, g, [ASSUMED, over]].mean(axis=0)
                yield Row(
                    f"certainty equivalent, gamma {gamma:g}, class means off by {setting.error * 100:g}",
                    f"{ours:.2%}",
                    f"{METHODS[over]} {theirs:.2%}",
                    f"{lead[g] * 100:+.2f} (t {t[g]:.1f})",
                    f"t >= {SURE:g}",
                    "not judged: few markets" if quick else "ok" if t[g] >= SURE else "short",
                )
        if setting.error == Setting().error:
            for method in (ASSUMED, HISTORICAL):
                said, came = found.promised[:, 1, method].mean(), found.delivered[:, 1, method].mean()
                yield Row(
                    f"{METHODS[method]}, gamma {GAMMAS[1]:g}: return delivered, promised",
                    f"{came:.1%}",
                    f"{said:.1%}",
                    f"{came / said:.2f}",
                )


CLAIMS = (mean_out_of_sample,)
