"""Whether the levels keep their budgets in years that their models have not seen; the study is the benchmark's."""

import numpy as np
import pytest

from benchmarks import levels
from benchmarks.levels import advice_market, draw_market, live, weather
from benchmarks.out_of_sample import WEEKS, screened
from portfolios.jurisdictions import jurisdiction

SEEDS = 20


@pytest.fixture(scope="module")
def lived():
    return live(SEEDS)


def test_the_budgets_of_c3_and_c4_bind_and_their_breaches_are_few(lived):
    budgets = np.array([jurisdiction().levels[level].cvar_budget for level in range(1, 6)])
    assert lived.binds[:, 2].mean() > 0.7
    # Of 20 years, 2 are 10 %: more than chance brings where the claim of 4 % holds. The benchmark counts thousands.
    assert (lived.loss > budgets).sum(axis=0).max() <= 2


def test_volatility_rises_by_a_point_from_c2_up(lived):
    assert (np.diff(lived.volatility.mean(axis=0))[1:] >= 0.009).all()


def test_the_year_after_is_not_seen_when_the_models_are_made(monkeypatch):
    first = levels.live_a_year(5)
    world, funds = draw_market(5)
    world.weekly[levels.PAST_YEARS * WEEKS :] = 0.001
    monkeypatch.setattr(levels, "draw_market", lambda seed: (world, funds))
    changed = levels.live_a_year(5)
    assert changed[1:] == first[1:]
    assert changed[0] != first[0]


def test_what_the_estimators_are_told_is_not_the_truth():
    world, funds = draw_market(9)
    pool = screened(world, world.weekly[: levels.PAST_YEARS * WEEKS], levels.KEPT)
    market = advice_market(world, funds, pool)
    known = dict(zip(world.codes, world.assumed.tolist(), strict=True))
    assert [known[code] for code in market.moments.codes] == pytest.approx(market.moments.mean.tolist())
    table = jurisdiction()
    assert any(abs(known[code] - table.classes[market.funds[code].asset_class].mean) > 0.005 for code in market.moments.codes)


def test_the_weather_has_the_stated_mean_and_stormy_weeks_come_together():
    found = weather(np.random.default_rng(1), 60_000)[:, 0] * np.sqrt(WEEKS)
    assert found.mean() / np.sqrt(WEEKS) == pytest.approx(0.0, abs=0.003)
    size = np.abs(found)
    assert np.corrcoef(size[1:], size[:-1])[0, 1] > 0.05
