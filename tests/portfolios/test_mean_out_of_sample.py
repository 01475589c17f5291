"""What each mean earns after the year it was estimated in, on pools screened by past performance; the study is the benchmark's."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.out_of_sample import ASSUMED, EQUAL, EQUAL_AND_CASH, HISTORICAL, SURE, WEEKS, Setting, screened, simulate, study

SETTING = Setting(n_funds=300)


@pytest.fixture(scope="module")
def found():
    return study((simulate(seed, SETTING) for seed in range(60)), SETTING)


@pytest.mark.parametrize("over", [EQUAL, EQUAL_AND_CASH, HISTORICAL], ids=["equal_weight", "equal_weight_and_cash", "historical_mean"])
def test_class_assumptions_have_the_higher_certainty_equivalent(found, over):
    lead, t = found.lead(over)
    assert (lead > 0).all() and (t > SURE).all(), (lead, t)


def test_the_historical_mean_promises_twice_what_it_delivers_and_class_assumptions_what_they_do(found):
    promised, delivered = found.promised.mean(axis=0), found.delivered.mean(axis=0)
    assert (promised[:, HISTORICAL] > 2.0 * delivered[:, HISTORICAL]).all()
    assert np.abs(promised - delivered)[:, ASSUMED].max() < 0.01


def test_the_screen_picks_funds_by_their_past():
    world = simulate(3, SETTING)
    past = world.weekly[: SETTING.past_years * WEEKS]
    pool = screened(world, past, SETTING.kept)
    category = np.array(world.categories)
    assert set(category[pool]) == set(category)
    for name in set(world.categories):
        chosen = np.intersect1d(pool, np.flatnonzero(category == name))
        assert past[:, chosen].mean() > past[:, category == name].mean()


def _reversed(world):
    """Who trusts these assumptions shuns what earns most."""
    return replace(world, assumed=world.assumed.max() + world.assumed.min() - world.assumed)


def _repeating(world):
    """A market whose next five years are the last five again."""
    past = world.weekly[: SETTING.past_years * WEEKS]
    return replace(world, weekly=np.vstack([past, past]))


def test_the_study_finds_against_assumptions_that_are_upside_down():
    turned = study((_reversed(simulate(seed, SETTING)) for seed in range(10)), SETTING)
    lead, t = turned.lead(EQUAL)
    assert lead[0] < 0 and t[0] < -SURE, (lead, t)


def test_the_study_finds_for_the_historical_mean_where_the_past_comes_back():
    repeated = study((_repeating(simulate(seed, SETTING)) for seed in range(10)), SETTING)
    lead, t = repeated.lead(ASSUMED, of=HISTORICAL)
    assert (lead > 0).all() and (t > SURE).all(), (lead, t)
