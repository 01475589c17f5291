"""A simulated market: open-end funds whose daily NAVs come from a documented factor model. Pure numpy, seeded.

Calendar. Factors are drawn for every weekday from FIRST_DAY in blocks of ten years, and only then cut at the end date,
so a longer series always begins with the shorter one and a nightly extension needs no memory. Within a block each
factor is brought to mean zero and its stated volatility: over a whole block a fund earns what its class assumes. NAVs are
published on the sessions that are asked for; what happens on other weekdays shows in the next one.

Factors a day (annual volatility): market .18, rates .02, credit .008, style .10 (growth minus value), overseas .16, gold
.135, commodity .22, property .15, and six sectors .20. Shocks are Student t with five degrees of freedom, cut at six
standard deviations. A two-state regime (calm, about 16 months; stress, about two months) multiplies every shock by .85
or 1.7 and, in stress, pulls market, credit, overseas, property and commodity down, so falls of 15 to 40 % and their
recoveries appear.

A fund's return a day = (class mean + usual fee of the category - own fee + alpha) / 250 + loadings x factors +
own shock (t with six degrees). Fees are thus inside the NAV. A fund that will be wound up earns less in its last two
years; a few funds change their style one day. Money-market funds follow a slow common yield instead and accumulate.
Overseas funds show no time-zone lag. A fund is made by itself: 10,000 of them need the memory of one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from portfolios.kernels.simulate_facts import FundFacts, facts_of
from portfolios.kernels.simulate_funds import DAYS_A_YEAR, FACTORS, FIRST_DAY, MODELS, FundSpec
from portfolios.kernels.types import FloatArray, FundHistory, IntArray

BLOCK_DAYS = 2610  # weekdays in ten years
FACTOR_VOL = np.array([0.18, 0.02, 0.008, 0.10, 0.16, 0.135, 0.22, 0.15, *[0.20] * 6])
# How far a day of stress pulls each factor down, in daily standard deviations.
STRESS_PULL = np.array([0.16, 0.0, 0.25, 0.0, 0.14, -0.05, 0.10, 0.12, *[0.0] * 6])
CALM_SHOCK, STRESS_SHOCK = 0.85, 1.7
TO_STRESS, TO_CALM = 1 / 350, 1 / 45
# Shocks are cut at so many standard deviations: exchanges stop shares at 10 % a day.
FARTHEST_SHOCK = 6.0
LAST_YEARS_DAYS = 522  # weekdays of decline before a fund is wound up
_MICRO = 1_000_000
_MONTH_OF_PAYMENT, _MONTH_OF_SPLIT = 3, 6  # the latest month of a year's payment hangs on the fund
_SPLIT_ABOVE, _PAYS_ABOVE = 1.8, 1.02


@dataclass(frozen=True)
class SimulatedFund:
    """A fund's prices and facts as published until a day. `split` (T,) is the new units of one old one, 1 on nearly all days."""

    spec: FundSpec
    history: FundHistory
    split: FloatArray
    facts: FundFacts


@dataclass(frozen=True)
class Market:
    """Published NAVs and total-return indices of funds on common days, shape (T, n); NaN before inception and after the end."""

    codes: tuple[str, ...]
    days: IntArray
    nav: FloatArray
    total_return: FloatArray


@dataclass(frozen=True)
class _Weather:
    """What all funds share: weekdays until the last day, factors (T, factors), the money-market yield a year (T,), sessions."""

    days: IntArray
    factors: FloatArray
    money_yield: FloatArray
    sessions: IntArray
    on_session: IntArray  # which weekday a session is


def weekdays(until: date) -> IntArray:
    """Return the proleptic ordinals of all weekdays from FIRST_DAY until a date, both included."""
    days = np.arange(FIRST_DAY.toordinal(), until.toordinal() + 1)
    return days[(days - 1) % 7 < 5]  # ordinal 1 was a Monday


def _weekday_number(day: date) -> int:
    """How many weekdays there are from FIRST_DAY to a day, whether or not the market reaches it."""
    weeks, rest = divmod(day.toordinal() - FIRST_DAY.toordinal(), 7)
    return weeks * 5 + min(rest, 5)


def _standard_block(shocks: FloatArray) -> FloatArray:
    """Bring each column of a whole block to mean 0 and standard deviation 1."""
    return (shocks - shocks.mean(axis=0)) / shocks.std(axis=0)


def _regime_block(rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return where a block of days is in stress."""
    stress, draws, state = np.zeros(BLOCK_DAYS, dtype=bool), rng.random(BLOCK_DAYS), False
    for day, draw in enumerate(draws):
        state = draw >= TO_CALM if state else draw < TO_STRESS
        stress[day] = state
    return stress


def factor_returns(*, seed: int, n_days: int) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Draw daily factors (n_days, factors), the common money-market yield a year (n_days,), and where the market is in stress."""
    blocks, yields, regimes = [], [], []
    for block in range(-(-n_days // BLOCK_DAYS)):
        rng = np.random.default_rng([seed, 0, block])
        stress = _regime_block(rng)
        shocks = rng.standard_t(5, (BLOCK_DAYS, len(FACTORS))) / np.sqrt(5 / 3)
        shocks = np.where(stress[:, None], STRESS_SHOCK * shocks - STRESS_PULL, CALM_SHOCK * shocks)
        blocks.append(_standard_block(np.clip(shocks, -FARTHEST_SHOCK, FARTHEST_SHOCK)) * FACTOR_VOL / np.sqrt(DAYS_A_YEAR))
        slow, level = rng.standard_normal(BLOCK_DAYS), np.empty(BLOCK_DAYS)
        state = 0.0
        for day in range(BLOCK_DAYS):
            state = 0.995 * state + 0.1 * slow[day]
            level[day] = state
        yields.append(_standard_block(level[:, None])[:, 0] * 0.0035)
        regimes.append(stress)
    return np.concatenate(blocks)[:n_days], np.concatenate(yields)[:n_days], np.concatenate(regimes)[:n_days]


def simulate_funds(funds: Sequence[FundSpec], *, seed: int, until: date, sessions: IntArray | None = None) -> Iterator[SimulatedFund]:
    """Yield each fund with what was published until a date; one that has no price by then is left out.

    `sessions` are the ordinals of the days on which NAVs are published (default: every weekday). NAVs begin at 1 and are
    rounded as published: four decimals, money-market six.
    """
    days = weekdays(until)
    factors, money_yield, _stress = factor_returns(seed=seed, n_days=len(days))
    sessions = days if sessions is None else sessions[(sessions >= days[0]) & (sessions <= days[-1])]
    weather = _Weather(days, factors, money_yield, sessions, np.searchsorted(days, sessions))
    for fund in funds:
        made = _simulate_fund(fund, weather)
        if made is not None:
            yield made


def simulate(funds: Sequence[FundSpec], *, seed: int, until: date, sessions: IntArray | None = None) -> Market:
    """Return NAVs and total returns of the funds until a date as matrices."""
    days = weekdays(until) if sessions is None else sessions
    return as_matrix(funds, days, simulate_funds(funds, seed=seed, until=until, sessions=sessions))


def as_matrix(funds: Sequence[FundSpec], days: IntArray, made: Iterable[SimulatedFund]) -> Market:
    """Lay simulated funds side by side on their common days; a fund that is not among them is all NaN."""
    column = {fund.code: at for at, fund in enumerate(funds)}
    nav, total_return = np.full((2, len(days), len(funds)), np.nan)
    for one in made:
        rows = np.searchsorted(days, one.history.dates)
        nav[rows, column[one.spec.code]] = one.history.nav_micro / _MICRO
        total_return[rows, column[one.spec.code]] = one.history.total_return
    return Market(tuple(fund.code for fund in funds), days, nav, total_return)


def _own_shocks(fund: FundSpec, n_days: int) -> FloatArray:
    parts = []
    for block in range(-(-n_days // BLOCK_DAYS)):
        rng = np.random.default_rng([fund.seed, block])
        shocks = np.clip(rng.standard_t(6, (BLOCK_DAYS, 1)), -FARTHEST_SHOCK, FARTHEST_SHOCK)
        parts.append(_standard_block(shocks)[:, 0])
    return np.concatenate(parts)[:n_days] * fund.own_vol / np.sqrt(DAYS_A_YEAR)


def _returns(fund: FundSpec, weather: _Weather) -> FloatArray:
    """Daily returns on all weekdays. Sums run factor by factor: a matrix product would hang on how many days there are."""
    drift = np.full(len(weather.days), fund.drift)
    if fund.ended is not None:
        drift[max(0, _weekday_number(fund.ended) - LAST_YEARS_DAYS) :] -= MODELS[fund.category].decline
    if fund.category == "money":
        return np.maximum(drift + weather.money_yield, 0.003) / DAYS_A_YEAR
    turn = _weekday_number(fund.changes_style) if fund.changes_style else len(weather.days)
    returns = drift / DAYS_A_YEAR + _own_shocks(fund, len(weather.days))
    for part, loadings in ((slice(0, turn), fund.loadings), (slice(turn, None), fund.loadings_after)):
        for factor, loading in enumerate(loadings):
            if loading:
                returns[part] += loading * weather.factors[part, factor]
    return np.maximum(returns, -0.15)


def _simulate_fund(fund: FundSpec, weather: _Weather) -> SimulatedFund | None:
    born = _weekday_number(fund.inception)
    first = int(np.searchsorted(weather.sessions, fund.inception.toordinal()))
    last = int(np.searchsorted(weather.sessions, fund.ended.toordinal(), side="right")) if fund.ended else len(weather.sessions)
    if first >= last:
        return None
    path = np.cumprod(1.0 + _returns(fund, weather)[born:])[weather.on_session[first:last] - born]
    days, path = weather.sessions[first:last], path / path[0]
    unit, paid, split = _events(fund, days, path)
    nav = np.round(path * unit, 6 if fund.category == "money" else 4)
    # What a holder has who reinvests each payment at that day's NAV.
    total_return = nav * np.cumprod(split + paid / nav) / nav[0]
    history = FundHistory(fund.code, days, np.rint(nav * _MICRO).astype(np.int64), total_return, np.rint(paid * _MICRO).astype(np.int64))
    return SimulatedFund(fund, history, split, facts_of(fund, history, split, int(weather.days[-1])))


def _events(fund: FundSpec, days: IntArray, path: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What one unit is of the path, distributions a unit, and splits, each (T,): once a year where the NAV is high enough."""
    unit, paid, split = np.ones(len(days)), np.zeros(len(days)), np.ones(len(days))
    if not (fund.pays or fund.splits):
        return unit, paid, split
    last_event = (fund.events_until or date.max).toordinal()
    for year in range(date.fromordinal(int(days[0])).year + 1, date.fromordinal(int(days[-1])).year + 1):
        pays_on = date(year, 1 + fund.seed % _MONTH_OF_PAYMENT, 15)
        at = _session_of(days, pays_on, last_event)
        nav = path[at] * unit[at] if at is not None else 0.0
        if fund.pays and at is not None and nav >= _PAYS_ABOVE:
            paid[at] = round((nav - 1.0) * fund.pays, 3)
            unit[at:] *= (nav - paid[at]) / nav
        at = _session_of(days, date(year, _MONTH_OF_SPLIT, 15), last_event)
        nav = path[at] * unit[at] if at is not None else 0.0
        if fund.splits and at is not None and nav >= _SPLIT_ABOVE:
            split[at] = np.rint(nav * _MICRO) / _MICRO
            unit[at:] /= split[at]
    return unit, paid, split


def _session_of(days: IntArray, day: date, last_event: int) -> int | None:
    at = int(np.searchsorted(days, day.toordinal()))
    return at if 0 < at < len(days) and days[at] <= last_event else None
