"""What simulated investors do with their portfolios, persona by persona. Pure: people, prices and target weights in, books out.

Everybody buys a proposal first, and only funds within their level; later purchases stay within the lowest level they
ever had, and stop when the assessment runs out. Nobody trades in the last sessions, so that everything is settled.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from advisor.kernels.amounts import split_amount
from demo.people import GoalPlan, Person, Persona
from demo.tape import Tape
from demo.trading import Book

QUIET_SESSIONS = 4  # no orders at the very end: purchases settle within two, and later redemptions are not placed
VALID_DAYS = 365
DORMANT_FOR = 200  # sessions at least


@dataclass(frozen=True)
class Standing:
    """A person's levels over time: (session, level) of each assessment, oldest first."""

    assessed: tuple[tuple[int, int], ...]
    valid_until: int  # the last session on which purchases are recommended

    @property
    def lowest(self) -> int:
        return min(level for _, level in self.assessed)

    def on(self, day: int) -> int:
        return next((level for assessed_on, level in reversed(self.assessed) if assessed_on <= day), self.assessed[0][1])


@dataclass(frozen=True)
class Life:
    """One portfolio of one person, with the target it was bought for."""

    person: Person
    goal: GoalPlan
    standing: Standing
    start: int  # session on which the proposal was accepted
    weights: Mapping[int, float]  # of the proposal, by column of the tape
    goal_level: int


def live(life: Life, tape: Tape) -> Book:
    """Return the whole ledger of one portfolio."""
    book, rng = Book(tape), np.random.default_rng([life.person.seed, round(life.goal.years * 1e6)])
    book.deposit(life.start, life.goal.amount_minor)
    _buy_proposal(book, life)
    _HABITS[life.person.persona](book, life, rng)
    book.settle(tape.last_day)
    return book


def _buy_proposal(book: Book, life: Life) -> None:
    column = {book.tape.codes[fund]: fund for fund in life.weights}
    amounts = split_amount(life.goal.amount_minor, {code: life.weights[fund] for code, fund in column.items()})
    for code, amount_minor in sorted(amounts.items()):
        book.buy(life.start, column[code], amount_minor, origin="proposal", level=life.standing.on(life.start))


def _last_purchase(book: Book, life: Life) -> int:
    return min(book.tape.last_day - QUIET_SESSIONS, life.standing.valid_until)


def _calm(book: Book, life: Life, rng: np.random.Generator) -> None:
    """Holds. One in six pays something in once and lets it wait in cash."""
    if rng.random() < 1 / 6 and life.start + 60 < book.tape.last_day:
        day = int(rng.integers(life.start + 40, book.tape.last_day - 10))
        book.deposit(day, round(life.goal.amount_minor * float(rng.uniform(0.01, 0.04)) / 10_000) * 10_000 or 10_000)


def _save(book: Book, life: Life, rng: np.random.Generator) -> None:
    """Pays in monthly; the money buys what is furthest below its target. One in five stops the plan after a while."""
    if life.standing.lowest < life.goal_level:
        return
    last = _last_purchase(book, life)
    if rng.random() < 0.2:
        last = min(last, life.start + int(rng.integers(60, 300)))
    for day in range(life.start + 21, last, 21):
        book.deposit(day, life.person.monthly_minor)
        held = book.held(day)
        fund = min(life.weights, key=lambda fund: (held.get(fund, 0) / life.weights[fund], fund))
        book.buy(day, fund, life.person.monthly_minor, origin="plan", level=life.standing.on(day))


def _trade(book: Book, life: Life, rng: np.random.Generator) -> None:
    """Buys what they like with fresh money, and takes some gains."""
    last, day = _last_purchase(book, life), life.start
    liked = _liked(book.tape, life, rng)
    pace = float(rng.uniform(15, 45))
    while True:
        day += 3 + int(rng.exponential(pace))
        if day >= last:
            return
        if liked and rng.random() < 0.7:
            amount_minor = max(100_000, round(life.goal.amount_minor * float(rng.uniform(0.01, 0.05)) / 10_000) * 10_000)
            book.deposit(day, amount_minor)
            fund = liked[min(int(rng.exponential(2.0)), len(liked) - 1)]
            book.buy(day, fund, amount_minor, origin="investor", level=life.standing.on(day))
        elif gains := _gaining(book, day):
            book.sell(
                day, gains[int(rng.integers(len(gains)))], float(rng.uniform(0.2, 0.6)), origin="investor", level=life.standing.on(day)
            )


def _liked(tape: Tape, life: Life, rng: np.random.Generator) -> list[int]:
    """Funds within the level, those of the liked categories first; the order is the person's own."""
    allowed = tape.up_to(life.standing.lowest) if life.standing.lowest else []
    rank = {category: place for place, category in enumerate(life.person.taste)}
    noise = rng.random(len(tape.codes))
    return sorted(allowed, key=lambda fund: rank.get(tape.categories[fund], 6) + 2 * noise[fund])[:10]


def _gaining(book: Book, day: int) -> list[int]:
    held = book.held(day)
    return [fund for fund, value in sorted(held.items()) if value > sum(lot.cost_minor for lot in book.lots[fund])]


def _panic(book: Book, life: Life, rng: np.random.Generator) -> None:
    """Sells most of what is R3 or above in a fall; half come back months later, to less."""
    calm_since = life.start + 10
    for fall in book.tape.falls:
        day = fall + int(rng.integers(2, 40))
        share = float(rng.uniform(0.5, 1.0))
        if fall < calm_since or day >= book.tape.last_day - QUIET_SESSIONS:
            continue
        calm_since = day
        for fund in sorted(book.held(day)):
            if book.tape.grades[fund] >= 3:
                book.sell(day, fund, share, origin="investor", level=life.standing.on(day))
        back = day + int(rng.integers(60, 160))
        if rng.random() < 0.5 and back < _last_purchase(book, life):
            calm_since = back
            book.settle(back)
            for fund in _liked(book.tape, life, rng)[:2]:
                book.buy(back, fund, book.cash_minor // 3, origin="investor", level=life.standing.on(back))


def _sleep(book: Book, life: Life, rng: np.random.Generator) -> None:
    """Does little, then nothing for most of a year: most leave money idle in cash, some sell a part before they go."""
    asleep_from = book.tape.last_day - DORMANT_FOR
    if life.start + 30 >= asleep_from:
        return
    first, second = sorted(int(day) for day in rng.integers(life.start + 5, asleep_from, size=2))
    if rng.random() < 0.3:
        for fund in sorted(book.held(first))[:3]:
            book.sell(first, fund, 0.5, origin="investor", level=life.standing.on(first))
    if rng.random() < 0.75:
        book.deposit(second, max(200_000, round(life.goal.amount_minor * float(rng.uniform(0.4, 1.0)) / 10_000) * 10_000))


_HABITS: dict[Persona, Callable[[Book, Life, np.random.Generator], None]] = {
    Persona.CALM: _calm,
    Persona.SAVER: _save,
    Persona.ACTIVE: _trade,
    Persona.PANICKING: _panic,
    Persona.DORMANT: _sleep,
}
