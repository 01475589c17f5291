"""Simulated investors: who they are, how they answer, what they save for. Pure, seeded a person, so person i never changes.

Two latent traits, capacity and tolerance (correlation .3), drive the answers with a loading of .58 each, which gives a
Cronbach's alpha of about .75 in either block; a third one drives knowledge. How often an option is chosen at the middle of
its trait is OPTION_WEIGHTS (ours, uncalibrated). A persona says what the person does with the account afterwards.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from advisor.kernels.contradictions import Rule, find
from advisor.kernels.risk_profile import Item
from demo.names import GIVEN, SURNAMES

LOADING = 0.58
TRAIT_CORRELATION = 0.3

# Options in ascending order of the trait, with their shares; an item that is not here has equal shares, by its scores.
OPTION_WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "income": {"none": 0.05, "student": 0.05, "investments": 0.08, "varying": 0.32, "pension": 0.10, "steady": 0.40},
    "reserve": {"below-3": 0.12, "3-to-6": 0.30, "6-to-12": 0.33, "above-12": 0.25},
    "debt": {"consumer": 0.09, "heavy-mortgage": 0.26, "light-mortgage": 0.33, "none": 0.32},
    "age": {"no-capacity": 0.004, "65-or-more": 0.07, "55-to-64": 0.15, "40-to-54": 0.36, "18-to-39": 0.416},
    "dependants": {"supported": 0.04, "3-or-more": 0.14, "2": 0.28, "1": 0.29, "0": 0.25},
    "horizon": {"below-1": 0.06, "1-to-3": 0.18, "3-to-5": 0.24, "5-to-10": 0.23, "no-term": 0.12, "above-10": 0.17},
    "loss": {"nothing": 0.025, "up-to-5": 0.09, "up-to-10": 0.17, "up-to-20": 0.30, "up-to-50": 0.265, "more": 0.15},
    "coin": {"never": 0.15, "unsettled": 0.05, "3": 0.20, "2": 0.25, "1.5": 0.20, "1.2": 0.15},
    "spread": {"no-loss": 0.07, "unsure": 0.13, "more-return": 0.10, "less-swing": 0.70},
    "rates": {"unsure": 0.25, "same": 0.08, "up": 0.15, "down": 0.52},
    "experience": {"never": 0.08, "below-6-months": 0.08, "6-months-to-3-years": 0.34, "above-3-years": 0.50},
}


class Persona(StrEnum):
    """What someone does with an account once it is open."""

    UNFINISHED = "unfinished"  # stopped in the questionnaire
    UNDECIDED = "undecided"  # has a level, has not invested
    CALM = "calm"  # invests once and leaves it
    SAVER = "saver"  # a monthly plan
    ACTIVE = "active"  # buys and sells on their own
    PANICKING = "panicking"  # sells what is risky in falls
    DORMANT = "dormant"  # stopped long ago, often with idle cash


# Share of people, months since joining (low, high), visits a month with their spread over people.
PERSONAS: Mapping[Persona, tuple[float, tuple[float, float], float]] = {
    Persona.UNFINISHED: (0.06, (0.0, 3.0), 1.0),
    Persona.UNDECIDED: (0.08, (0.1, 14.0), 1.5),
    Persona.CALM: (0.27, (3.0, 24.0), 0.5),
    Persona.SAVER: (0.22, (2.0, 24.0), 2.0),
    Persona.ACTIVE: (0.16, (2.0, 24.0), 6.0),
    Persona.PANICKING: (0.09, (9.0, 24.0), 3.0),
    Persona.DORMANT: (0.12, (11.0, 24.0), 0.0),
}

# Kind: share, years to go when made (low, high), Chinese and English name.
GOALS: Mapping[str, tuple[float, tuple[float, float], str, str]] = {
    "wealth": (0.34, (5.2, 14.0), "长期积累", "Long-term wealth"),
    "retirement": (0.24, (8.0, 25.0), "养老", "Retirement"),
    "education": (0.18, (3.2, 12.0), "孩子上学", "Education"),
    "home": (0.14, (2.0, 6.0), "买房", "A home"),
    "reserve": (0.10, (0.8, 2.6), "备用金", "A reserve"),
}


@dataclass(frozen=True)
class GoalPlan:
    kind: str
    name: str
    years: float  # to go when it was made
    amount_minor: int


@dataclass(frozen=True)
class Person:
    """One simulated investor. Days are counted back from the last day of the market."""

    index: int
    name: str
    language: str
    persona: Persona
    days_since_joining: int
    answers: tuple[dict[str, str], ...]  # one sheet an assessment; the last of an unfinished person is a part of one
    reassessed: bool  # did the yearly assessment again when it was due
    goals: tuple[GoalPlan, ...]
    monthly_minor: int  # of a saver
    taste: tuple[str, ...]  # categories liked, most first
    agrees_to_profiling: bool
    agrees_to_marketing: bool
    visits_a_month: float
    seed: int


def draw_answers(rng: np.random.Generator, items: Sequence[Item], traits: Mapping[str, float]) -> dict[str, str]:
    """Answer every item from the traits of its block."""
    return {item.code: _draw_option(rng, item, traits[item.block]) for item in items}


def _draw_option(rng: np.random.Generator, item: Item, trait: float) -> str:
    latent = LOADING * trait + math.sqrt(1 - LOADING**2) * float(rng.standard_normal())
    place = 0.5 * (1 + math.erf(latent / math.sqrt(2)))
    weights = OPTION_WEIGHTS.get(item.code)
    if weights is None or weights.keys() != item.options.keys():
        ordered = sorted(item.options, key=lambda code: item.options[code].score or 0.0)
        weights = dict.fromkeys(ordered, 1 / len(ordered))
    total = 0.0
    for code, weight in weights.items():
        total += weight
        if place <= total:
            return code
    return code


def draw_traits(rng: np.random.Generator) -> dict[str, float]:
    tolerance = float(rng.standard_normal())
    rest = math.sqrt(1 - TRAIT_CORRELATION**2)
    return {
        "tolerance": tolerance,
        "capacity": TRAIT_CORRELATION * tolerance + rest * float(rng.standard_normal()),
        "knowledge": TRAIT_CORRELATION * tolerance + rest * float(rng.standard_normal()),
    }


def settled(answers: dict[str, str], items: Sequence[Item], rules: Sequence[Rule]) -> dict[str, str]:
    """Answers that could be finished: of two that cannot both be right the second becomes the nearest one that goes with the first."""
    hard = [rule for rule in rules if rule.is_hard]
    while found := find(answers, hard):
        item = next(item for item in items if item.code == found[0].items[1])
        order = list(OPTION_WEIGHTS.get(item.code) or item.options)
        now, least = order.index(answers[item.code]), len(found)
        nearest = sorted(range(len(order)), key=lambda place, now=now: abs(place - now))  # type: ignore[misc]
        tried = (answers | {item.code: order[place]} for place in nearest)
        answers = next(sheet for sheet in tried if len(find(sheet, hard)) < least)
    return answers


def make_people(
    *, n: int, seed: int, items: Sequence[Item], categories: Sequence[str], months: float = 24.0, rules: Sequence[Rule] = ()
) -> list[Person]:
    """Invent n investors who joined within the last `months`; `categories` are those of funds that a taste may prefer, `rules`
    say which answers do not go together."""
    return [_make_person(index, seed, items, categories, months, rules) for index in range(n)]


def _make_person(index: int, seed: int, items: Sequence[Item], categories: Sequence[str], months: float, rules: Sequence[Rule]) -> Person:
    rng = np.random.default_rng([seed, 1000, index])
    persona = list(PERSONAS)[int(rng.choice(len(PERSONAS), p=[row[0] for row in PERSONAS.values()]))]
    _share, (low, high), visits = PERSONAS[persona]
    since = int(30.4 * min(months - 0.5, float(rng.uniform(low, high))))
    traits = draw_traits(rng)
    sheets = [settled(draw_answers(rng, items, traits), items, rules)]
    reassessed = since > 365 and bool(rng.random() < (0.15 if persona is Persona.DORMANT else 0.8))
    if reassessed:
        changed = list(rng.choice([item.code for item in items], size=3, replace=False))
        again = draw_answers(rng, items, traits)
        sheets.append(settled({code: again[code] if code in changed else answer for code, answer in sheets[0].items()}, items, rules))
    if persona is Persona.UNFINISHED:
        n_answered = int(rng.integers(0, len(items)))
        sheets = [dict(list(sheets[0].items())[:n_answered])]
    goals = _make_goals(rng)
    return Person(
        index=index,
        name=f"{SURNAMES[int(rng.integers(len(SURNAMES)))]}{GIVEN[int(rng.integers(len(GIVEN)))]}",
        language="zh-hans" if rng.random() < 0.94 else "en",
        persona=persona,
        days_since_joining=since,
        answers=tuple(sheets),
        reassessed=reassessed,
        goals=goals,
        monthly_minor=100 * max(100, round(goals[0].amount_minor / 100 * float(rng.uniform(0.01, 0.06)) / 100) * 100),
        taste=tuple(str(name) for name in rng.permutation(list(categories))[:4]),
        agrees_to_profiling=bool(rng.random() < 0.8),
        agrees_to_marketing=bool(rng.random() < 0.66),
        visits_a_month=visits * float(rng.gamma(2.0, 0.5)),
        seed=int(rng.integers(2**31)),
    )


def _make_goals(rng: np.random.Generator) -> tuple[GoalPlan, ...]:
    n_goals = 1 if rng.random() < 0.8 else 2
    kinds = list(GOALS)
    made = []
    for kind in rng.choice(kinds, size=n_goals, replace=False, p=[GOALS[kind][0] for kind in kinds]):
        _share, (low, high), name, _english = GOALS[str(kind)]
        yuan = float(np.clip(rng.lognormal(math.log(60_000), 0.9), 2_000, 3_000_000))
        made.append(GoalPlan(str(kind), name, float(rng.uniform(low, high)), round(yuan / 1000) * 100_000))
    return tuple(made)
