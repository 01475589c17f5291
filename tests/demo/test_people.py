"""Simulated people and their ledgers, without a database."""

from collections import Counter
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.instruments import load_instrument
from advisor.jurisdictions import advice_rules
from advisor.kernels import risk_profile
from demo.leads import lead_people
from demo.people import OPTION_WEIGHTS, Persona, make_people
from demo.tape import Tape
from demo.trading import Book
from portfolios.kernels.lots import FeeStep

CATEGORIES = ["bond", "gold", "index", "sector"]


@pytest.fixture(scope="module")
def instrument():
    return load_instrument("standard@2")


@pytest.fixture(scope="module")
def crowd(instrument):
    return make_people(n=2000, seed=2026, items=instrument.for_scoring, categories=CATEGORIES, rules=instrument.contradictions)


def level_of(answers, instrument, rules):
    return risk_profile.assess(risk_profile.sheet(answers, instrument.for_scoring), rules, instrument.sem).level


def test_person_number_i_is_the_same_in_every_crowd(instrument, crowd):
    said = {"items": instrument.for_scoring, "categories": CATEGORIES, "rules": instrument.contradictions}
    assert make_people(n=5, seed=2026, **said) == crowd[:5]
    assert make_people(n=5, seed=1, **said) != crowd[:5]


def test_nobody_gives_answers_that_could_not_be_finished(instrument, crowd):
    def n_hard(people):
        return sum(one.is_hard for person in people for sheet in person.answers for one in instrument.contradictions_in(sheet))

    assert n_hard(make_people(n=400, seed=2026, items=instrument.for_scoring, categories=CATEGORIES)) > 20
    assert n_hard(crowd) == 0


def test_every_persona_and_every_level_occurs(instrument, crowd):
    finished = [person for person in crowd if person.persona is not Persona.UNFINISHED]
    rules = advice_rules().for_scoring
    levels = Counter(level_of(person.answers[0], instrument, rules) for person in finished)
    assert {person.persona for person in crowd} == set(Persona)
    assert all(levels[level] >= 0.001 * len(finished) for level in range(6))
    assert max(levels.values()) <= 0.6 * len(finished)


@pytest.mark.parametrize("block", ["capacity", "tolerance"])
def test_answers_of_a_block_hang_together_as_documented(instrument, crowd, block):
    items = [item for item in instrument.for_scoring if item.block == block]
    sheets = [person.answers[0] for person in crowd if person.persona is not Persona.UNFINISHED]
    scores = np.array([[item.options[sheet[item.code]].score for item in items] for sheet in sheets])
    k = len(items)
    alpha = k / (k - 1) * (1 - scores.var(axis=0, ddof=1).sum() / scores.sum(axis=1).var(ddof=1))
    assert 0.68 <= alpha <= 0.82


def test_option_weights_name_the_options_of_the_questionnaire(instrument):
    for code, weights in OPTION_WEIGHTS.items():
        assert weights.keys() == {option.code for option in instrument.item(code).options}
        assert sum(weights.values()) == pytest.approx(1)


def test_the_lead_investors_have_levels_that_may_hold_shares(instrument):
    rules = advice_rules().for_scoring
    levels = [level_of(person.answers[-1], instrument, rules) for person in lead_people(1)]
    assert levels == [4, 3]


def flat_tape(n_days=60, n_funds=3):
    """Prices that wander a little; the third fund settles as overseas funds do."""
    rng = np.random.default_rng(5)
    nav = np.rint(1e6 * np.cumprod(1 + rng.normal(0, 0.01, (n_days, n_funds)), axis=0)).astype(np.int64)
    days = date(2026, 1, 1).toordinal() + np.arange(n_days)
    steps = [[], [FeeStep(7, 150), FeeStep(30, 100)], [FeeStep(7, 150)]]
    return Tape(days, nav, ["A", "B", "C"], ["money", "index", "qdii"], [1, 3, 4], [0, 15, 80], [1, 1, 2], [1, 3, 7], steps)


actions = st.lists(
    st.tuples(
        st.sampled_from(["deposit", "buy", "sell"]), st.integers(0, 6), st.integers(0, 2), st.integers(0, 5_000_000), st.floats(0.01, 1.0)
    ),
    max_size=25,
)


@settings(max_examples=80, deadline=None)
@given(actions)
def test_a_book_is_the_sum_of_its_movements_and_never_below_zero(steps):
    tape, day = flat_tape(), 0
    book = Book(tape)
    for kind, wait, fund, amount_minor, share in steps:
        day = min(day + wait, tape.last_day)
        if kind == "deposit" and amount_minor:
            book.deposit(day, amount_minor)
        elif kind == "buy":
            book.buy(day, fund, amount_minor, origin="investor", level=5)
        elif kind == "sell":
            book.sell(day, fund, share, origin="investor", level=5)
    book.settle(tape.last_day)
    cash, units = 0, Counter()
    for movement in book.movements:
        cash += movement.cash_minor
        if movement.trade is not None:
            units[book.trades[movement.trade].fund] += movement.units_centi
        assert cash >= 0
        assert min(units.values(), default=0) >= 0
    assert cash == book.cash_minor
    assert {fund: held for fund, held in units.items() if held} == {fund: held for fund, (held, _) in book.holdings().items()}
    assert all(cost >= 0 for _, cost in book.holdings().values())
    assert [movement.day for movement in book.movements] == sorted(movement.day for movement in book.movements)


def test_a_movement_before_the_last_one_is_refused():
    book = Book(flat_tape())
    book.deposit(10, 1_000)
    with pytest.raises(ValueError, match="after one of session 10"):
        book.deposit(9, 1_000)
