"""What simulated people do on the pages: their own whoever else there is, by habits that can be found again."""

import numpy as np
import pytest

from demo.clicks import (
    ASKED,
    CHANNELS,
    EVENTS_AN_INVESTOR,
    FEES,
    FUND,
    HOME,
    OFTEN,
    RESULT,
    SEARCH,
    SIGN_UP,
    SOURCES,
    WINDOW_DAYS,
    Places,
    Visitors,
    draw_clicks,
    draw_follows,
    first_visits,
    seeds,
    sources_of,
)  # fmt: skip
from demo.people import PERSONAS, Persona

N, N_CATEGORIES = 4_000, 12
DAY = 86_400
PLACES = Places(category=np.arange(50) % N_CATEGORIES, n_items=16, weekday=6)


@pytest.fixture(scope="module")
def who():
    """A crowd as a large world has it: everybody but the unfinished and the undecided."""
    rng, personas = np.random.default_rng(5), list(Persona)
    here = [persona for persona in personas if persona not in (Persona.UNFINISHED, Persona.UNDECIDED)]
    shares = np.array([PERSONAS[persona][0] for persona in here])
    persona = np.array([personas.index(here[place]) for place in rng.choice(len(here), size=N, p=shares / shares.sum())])
    low, high, visits = (np.array([of[persona_] for persona_ in persona]) for of in _habits(personas))
    return Visitors(
        seed=seeds(2026, np.arange(N)),
        persona=persona,
        visits_a_month=visits * rng.gamma(2.0, 0.5, size=N),
        entered=-(30.4 * DAY * rng.uniform(low, np.minimum(high, 23.5))).astype(np.int64) - DAY,
        agrees=rng.random(N) < 0.8,
        finished=np.ones(N, dtype=bool),
        liking=rng.random((N, N_CATEGORIES)),
    )


def _habits(personas):
    rows = [(*PERSONAS[persona][1], PERSONAS[persona][2]) for persona in personas]
    return [[row[place] for row in rows] for place in range(3)]


@pytest.fixture(scope="module")
def clicks(who):
    return draw_clicks(who, PLACES)


def test_nobody_s_events_depend_on_who_else_there_is(who, clicks):
    some = slice(700, 900)
    alone = draw_clicks(who.taken(some), PLACES).shifted(700)
    among = clicks.taken((clicks.person >= 700) & (clicks.person < 900))
    for name in ("person", "second", "kind", "item", "channel", "visitor"):
        assert (getattr(alone, name) == getattr(among, name)).all(), name


def test_a_crowd_has_about_as_many_events_as_the_loader_reckons_with(clicks):
    assert len(clicks.person) / N == pytest.approx(EVENTS_AN_INVESTOR, rel=0.06)


def test_the_scale_makes_more_or_fewer(who, clicks):
    twice = draw_clicks(who, Places(PLACES.category, 16, 6, scale=2.0))
    at_home = [(some.kind == HOME).sum() for some in (clicks, twice)]
    assert at_home[1] / at_home[0] == pytest.approx(1.95, abs=0.15)


def test_events_stand_in_the_order_of_people_and_time_and_none_is_of_today(clicks):
    key = clicks.person * 10**9 + clicks.second
    assert (np.diff(key) >= 0).all()
    assert clicks.second.max() < -60 and clicks.second.min() > -(WINDOW_DAYS + 15) * DAY


def test_without_consent_only_strangers_come_along(who, clicks):
    silent = ~who.agrees[clicks.person]
    assert (clicks.visitor[silent] > 0).all() and silent.any()


def test_unknown_visits_come_before_joining_and_known_ones_after(who, clicks):
    joined = who.entered[clicks.person]
    assert (clicks.second[clicks.visitor == 0] < joined[clicks.visitor == 0]).all()
    assert (clicks.second[clicks.visitor < 0] > joined[clicks.visitor < 0]).all()
    assert (first_visits(who) < who.entered).all()


def test_the_way_in_is_walked_once_by_who_joined_in_the_window(who, clicks):
    new = np.flatnonzero(who.agrees & (who.entered > -WINDOW_DAYS * DAY))
    assert sorted(clicks.person[clicks.kind == RESULT].tolist()) == new.tolist()
    forms = (clicks.kind == SIGN_UP) & (clicks.visitor == 0)
    assert sorted(clicks.person[forms].tolist()) == new.tolist()


def test_taste_shows_in_the_funds_that_are_looked_at(who, clicks):
    funds = clicks.taken(clicks.kind == FUND)
    place = np.argsort(np.argsort(who.liking[funds.person], axis=1), axis=1)
    liked = place[np.arange(len(funds.person)), PLACES.category[funds.item]]
    assert (liked < 3).mean() > 0.7  # of twelve categories


def test_channel_theme_fees_time_and_weekend_are_habits(who, clicks):
    known = clicks.taken(clicks.visitor < 0)
    homes = known.taken(known.kind == HOME)
    assert _share_of_usual(homes.person, homes.channel, len(CHANNELS)) > 0.8
    searches = known.taken(known.kind == SEARCH)
    assert _share_of_usual(searches.person, searches.item, 6) > 0.6
    evening = (homes.second % DAY) >= 20 * 3600
    weekend = ((6 - -(homes.second // DAY)) % 7) >= 5
    for trait in (evening, weekend):
        shares = np.bincount(homes.person, trait, N)[np.bincount(homes.person, minlength=N) >= 10]
        counts = np.bincount(homes.person, minlength=N)[np.bincount(homes.person, minlength=N) >= 10]
        spread, by_chance = (shares / counts).var(), (trait.mean() * (1 - trait.mean()) / counts).mean()
        assert spread > 2 * by_chance
    fees, funds = (np.bincount(known.person[known.kind == kind], minlength=N) for kind in (FEES, FUND))
    often = funds >= 10
    rate = fees[often] / funds[often]
    assert ((rate > 0.3).mean(), (rate < 0.2).mean()) == (pytest.approx(0.25, abs=0.07), pytest.approx(0.7, abs=0.1))


def _share_of_usual(person, value, n_values):
    """How often, of people with five or more, the value was the person's most frequent one."""
    table = np.zeros((N, n_values))
    np.add.at(table, (person, value), 1)
    table = table[table.sum(axis=1) >= 5]
    return table.max(axis=1).sum() / table.sum()


def test_the_dormant_do_not_come_and_the_active_come_most(who, clicks):
    n = np.bincount(clicks.person[(clicks.visitor < 0) & (clicks.kind == HOME)], minlength=N)
    by = {persona: n[(who.persona == place) & who.agrees] for place, persona in enumerate(Persona)}
    assert by[Persona.DORMANT].sum() == 0
    assert by[Persona.ACTIVE].mean() > by[Persona.SAVER].mean() > by[Persona.CALM].mean() > 0


def test_the_active_come_from_elsewhere(who):
    active = who.persona == list(Persona).index(Persona.ACTIVE)
    douyin = np.array([row[0] == "douyin" for row in SOURCES])[sources_of(who)]
    assert douyin[active].mean() > 1.5 * douyin[~active].mean()
    assert set(sources_of(who).tolist()) == set(range(len(SOURCES)))


def test_items_are_within_what_there_is(clicks):
    assert clicks.item[clicks.kind == FUND].max() < 50 and clicks.item[clicks.kind == FUND].min() >= 0
    assert clicks.item[clicks.kind == ASKED].max() < 6
    assert (clicks.item[clicks.kind == HOME] == -1).all()


def test_some_follow_a_fund_whose_page_they_opened_often_and_each_by_themselves(who, clicks):
    person, fund, second = draw_follows(who, clicks)
    own = (clicks.kind == FUND) & (clicks.visitor < 0)
    assert 0.01 * N < len(person) < 0.5 * N
    for someone, one, at in list(zip(person.tolist(), fund.tolist(), second.tolist(), strict=True))[:50]:
        seen = clicks.second[own & (clicks.person == someone) & (clicks.item == one)]
        assert (seen < at).sum() == OFTEN and at < 0
    half = draw_clicks(who.taken(slice(0, N // 2)), PLACES)
    alone = draw_follows(who.taken(slice(0, N // 2)), half)
    assert [column.tolist() for column in alone] == [column[person < N // 2].tolist() for column in (person, fund, second)]
