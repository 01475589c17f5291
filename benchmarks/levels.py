"""Do the levels keep what they promise? Models made by the product's own rule in simulated markets, and the year after.

Each seed is a market of its own that the estimators know only by its past: true class means are drawn round the settings and
the assumptions of the advice round these again (a point each, less for bonds and cash), factor volatilities are drawn round
their documented ones, and weeks come from a regime that is calm for 16 months and then in stress for two, with Student t
shocks. Five years are shown; the best fifth of each category is the pool; each level's model is made exactly as model sets
make it (class assumptions, Ledoit-Wolf, gamma rule, estimator of record, caps, small weights dropped). It is then held
untouched for a year, its purchase fees paid at once. A breach is a year whose loss is greater than the level's budget.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from benchmarks.out_of_sample import CALM, MONEY, WEEKS, World, screened, style_beta
from benchmarks.rows import Row
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.moments import class_moments
from portfolios.kernels.risk import Record
from portfolios.kernels.simulate import CALM_SHOCK, FACTOR_VOL, STRESS_PULL, STRESS_SHOCK, TO_CALM, TO_STRESS
from portfolios.kernels.simulate_funds import FACTORS, FundSpec, make_funds
from portfolios.kernels.types import FloatArray, IntArray, ReturnMatrix
from portfolios.selectors.model_sets import AdviceMarket, FundFacts
from portfolios.services.levels import advised_funds, level_mandate, solve_advised

SEEDS, FEW = 2_000, 30
PAST_YEARS, N_FUNDS, KEPT = 5, 300, 0.2
HORIZON_YEARS = 5.0
SPREAD = ERROR = 0.01  # standard deviations of a class's true mean round the settings, and of its assumption round the truth
VOLATILITY_SPREAD = 0.15  # of a factor's volatility round the documented one, in logs
MOST_BREACHES, MOST_WORST, LEAST_STEP = 0.04, 1.15, 0.01
LEAST_YEARS = 200  # a level whose budget binds in fewer years is not judged


@dataclass(frozen=True)
class LevelYears:
    """Of each seed and level C1 to C5 (s, 5): the year's loss, whether the budget bound, and the volatility that was estimated."""

    loss: FloatArray
    binds: np.ndarray
    volatility: FloatArray

    def breaches(self, place: int) -> tuple[int, float, float]:
        """Of the years in which a level's budget bound: how many, the share of breaches, and the mean loss of the worst 5 %."""
        loss = np.sort(self.loss[self.binds[:, place], place])[::-1]
        if not len(loss):
            return 0, 0.0, 0.0
        budget = jurisdiction().levels[place + 1].cvar_budget
        return len(loss), float((loss > budget).mean()), float(loss[: max(1, round(0.05 * len(loss)))].mean())


def weather(random: np.random.Generator, n_weeks: int) -> FloatArray:
    """Weekly factor returns (weeks, factors): two regimes, in the long run of mean zero and of this seed's own volatility."""
    to_stress, to_calm = 5 * TO_STRESS, 5 * TO_CALM
    share = to_stress / (to_stress + to_calm)
    stress, draws = np.empty(n_weeks, bool), random.random(n_weeks + 1)
    state = bool(draws[-1] < share)
    for week in range(n_weeks):
        state = bool(draws[week] >= to_calm) if state else bool(draws[week] < to_stress)
        stress[week] = state
    pull = STRESS_PULL * np.sqrt(5.0)
    shocks = random.standard_t(5, (n_weeks, len(FACTORS))) / np.sqrt(5 / 3)
    shocks = np.where(stress[:, None], STRESS_SHOCK * shocks - pull, CALM_SHOCK * shocks)
    mean = -share * pull
    deviation = np.sqrt(share * (STRESS_SHOCK**2 + pull**2) + (1.0 - share) * CALM_SHOCK**2 - mean**2)
    own = FACTOR_VOL * np.exp(VOLATILITY_SPREAD * random.standard_normal(len(FACTORS)))
    return (shocks - mean) / deviation * own / np.sqrt(WEEKS)


def draw_market(seed: int) -> tuple[World, list[FundSpec]]:
    """One market with its past and the year after, as the advice may see it and as it is."""
    random, rules = np.random.default_rng([seed, 91]), jurisdiction()
    of = {name: category.asset_class for name, category in rules.categories.items()}
    sizes = {name: CALM.get(name, 1.0) for name in sorted(set(of.values()))}
    true = {name: rules.classes[name].mean + SPREAD * size * random.standard_normal() for name, size in sizes.items()}
    assumed = {name: true[name] + ERROR * size * random.standard_normal() for name, size in sizes.items()}
    means = {name: true[of[name]] for name in of}
    made = make_funds(seed=seed, n_funds=N_FUNDS, class_means=means, fee_caps_bps=rules.purchase_fee_caps_bps)
    funds = [fund for fund in made if fund.is_open and fund.share_class != "C"]
    n_weeks = (PAST_YEARS + 1) * WEEKS
    factors = weather(random, n_weeks)
    shocks = random.standard_t(6, (n_weeks, len(funds))) / np.sqrt(6 / 4) * np.array([fund.own_vol for fund in funds])
    drift = np.array([fund.drift + (style_beta(fund) - 1.0) * (means[fund.category] - rules.cash_rate) for fund in funds])
    weekly = drift / WEEKS + factors @ np.array([fund.loadings for fund in funds]).T + shocks / np.sqrt(WEEKS)
    is_money = np.array([of[fund.category] == MONEY for fund in funds])
    codes, categories = tuple(fund.code for fund in funds), tuple(fund.category for fund in funds)
    known = np.array([assumed[of[fund.category]] for fund in funds])
    return World(codes, np.maximum(weekly, -0.5), categories, is_money, known), funds


def advice_market(world: World, funds: list[FundSpec], pool: IntArray) -> AdviceMarket:
    """What a set of models would freeze of the pool at the end of the past."""
    rules = jurisdiction()
    past = world.weekly[: PAST_YEARS * WEEKS, pool]
    codes = tuple(world.codes[i] for i in pool)
    levels = np.vstack([np.ones(len(pool)), np.cumprod(1.0 + past, axis=0)])
    matrix = ReturnMatrix(codes, 735_000 + 7 * np.arange(len(levels)), levels)
    moments = class_moments(matrix, dict(zip(codes, world.assumed[pool].tolist(), strict=True)))
    facts = {funds[i].code: _facts(funds[i]) for i in pool.tolist()}
    return AdviceMarket(0, 0, facts, moments, Record(past, rules.cash_rate), date(2026, 1, 1))


def _facts(fund: FundSpec) -> FundFacts:
    kind = jurisdiction().categories[fund.category]
    fees = (fund.purchase_fee_bps, fund.annual_fee_bps)
    return FundFacts(fund.code, "", "", fund.category, kind.asset_class, kind.grade, True, *fees)


def live_a_year(seed: int) -> tuple[list[float], list[bool], list[float]]:
    """Make the models of C1 to C5 in one market and hold each for a year: losses, whether the budget bound, volatilities."""
    world, funds = draw_market(seed)
    market = advice_market(world, funds, screened(world, world.weekly[: PAST_YEARS * WEEKS], KEPT))
    place = {code: column for column, code in enumerate(world.codes)}
    year = np.prod(1.0 + world.weekly[PAST_YEARS * WEEKS :], axis=0)
    rules = jurisdiction()
    losses, binds, volatilities = [], [], []
    for level in range(1, 6):
        mandate = level_mandate(advised_funds(market, level), HORIZON_YEARS)
        found = solve_advised(market, mandate, rules.levels[level].cvar_budget, rules.advice.gamma_min)
        held = np.array([place[code] for code in found.solution.codes])
        losses.append(1.0 + found.solution.costs - float(found.solution.weights @ year[held]))
        binds.append(found.budget_binds)
        volatilities.append(found.solution.volatility)
    return losses, binds, volatilities


def live(n_seeds: int) -> LevelYears:
    lived = [live_a_year(seed) for seed in range(n_seeds)]
    losses, binds, volatilities = (np.array(column) for column in zip(*lived, strict=True))
    return LevelYears(losses, binds, volatilities)


def levels_keep_their_budget(quick: bool) -> Iterator[Row]:
    """Breaches and the worst years where budgets bind, and how far apart the levels' volatilities are."""
    n_seeds = FEW if quick else SEEDS
    lived = live(n_seeds)
    rules = jurisdiction().levels
    middle = lived.volatility.mean(axis=0)
    for place in range(5):
        rule = rules[place + 1]
        n, share, worst = lived.breaches(place)
        name = f"{rule.code}, budget {rule.cvar_budget:.0%}, binds in {n:,} of {n_seeds:,} years"
        judged = "not judged: few years" if quick or n < LEAST_YEARS else ""
        yield Row(f"{name}: breaches", f"{share:.1%}", bound="<= 4 %", verdict=judged or ("ok" if share <= MOST_BREACHES else "short"))
        ratio = worst / rule.cvar_budget
        verdict = judged or ("ok" if ratio <= MOST_WORST else "short")
        yield Row("  mean loss of the worst 5 % of them", f"{worst:.1%}", ratio=f"{ratio:.2f}", bound="<= 1.15", verdict=verdict)
    for place in range(5):
        step = middle[place] - middle[place - 1] if place else 0.0
        is_judged = place >= 2  # from C2 up
        verdict = "ok" if not is_judged or step >= LEAST_STEP else "short"
        above = f"{step * 100:+.1f} points" if place else "–"
        bound = ">= 1 point" if is_judged else "–"
        yield Row(
            f"{rules[place + 1].code}: mean volatility, above the level below", f"{middle[place]:.1%}", above, bound=bound, verdict=verdict
        )


CLAIMS = (levels_keep_their_budget,)
