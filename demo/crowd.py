"""A crowd of people with short lives, a block of arrays at a time: most of a large world. Pure, seeded a block.

Answers come from the traits, loadings and option weights of demo.people and are scored by the product's own kernel.
Everybody finished the questionnaire, did it again when the year was over, and bought a proposal: each has a level in
force. Blocks are always drawn whole, so that a person does not depend on how many others there are.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.kernels.contradictions import Rule
from advisor.kernels.risk_profile import Item, Profile
from demo.cast import DAYS_A_YEAR, REASSESSED_AFTER, Stage
from demo.lives import DORMANT_FOR, QUIET_SESSIONS
from demo.names import GIVEN, SURNAMES
from demo.people import GOALS, LOADING, OPTION_WEIGHTS, PERSONAS, TRAIT_CORRELATION, Persona, settled

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BLOCK_PEOPLE = 1_000
NEVER = 10**9  # a session that does not come
STREAM = 3_000  # tells these draws from those of demo.people
KINDS = list(GOALS)
# Everybody here has invested.
PERSONAS_HERE: list[Persona] = [persona for persona in PERSONAS if persona not in (Persona.UNFINISHED, Persona.UNDECIDED)]
SHARE_WITH_TWO_GOALS = 0.1
LEAST_YEARS_LEFT = 0.6  # of a goal, on the last day of the market
N_ANSWERS_CHANGED = 3


@dataclass(frozen=True)
class Plans:
    """Goals in the order of their people: session on which each was bought, and years to go on that day."""

    person: Ints  # place in the block
    kind: Ints  # place in KINDS
    amount_minor: Ints
    start: Ints
    target: Ints  # proleptic ordinal
    years: Floats


@dataclass(frozen=True)
class Crowd:
    """A block of people, one entry each; sessions are those of the tape."""

    first: int  # number of the first person in the world
    persona: Ints  # place in PERSONAS_HERE
    joined: Ints
    renewed: Ints  # session of the second assessment, or NEVER
    sheets: list[list[dict[str, str]]]
    profiles: list[list[Profile]]
    first_level: Ints
    last_level: Ints
    names: list[str]
    speaks_english: Bools
    liking: Floats  # (n, categories): the less, the more the category is liked
    agrees_to_profiling: Bools
    agrees_to_marketing: Bools
    visits_a_month: Floats
    minute: Ints  # of the day, 0 .. 299: a habit
    saving_share: Floats  # of a goal's amount, monthly
    joins_household: Bools  # of the person before
    luck: Floats  # (n, 12) numbers in [0, 1) for what is of no account: branch and pseudonym
    plans: Plans

    def is_a(self, *personas: Persona) -> Bools:
        return np.isin(self.persona, [PERSONAS_HERE.index(persona) for persona in personas])

    def level_on(self, person: Ints, session: Ints) -> Ints:
        return np.where(session >= self.renewed[person], self.last_level[person], self.first_level[person])

    @property
    def lowest(self) -> Ints:
        return np.minimum(self.first_level, self.last_level)


def draw_crowd(block: int, seed: int, stage: Stage, *, months: float) -> tuple[Crowd, np.random.Generator]:
    """Draw one whole block of people, and return it with the generator that their lives go on from."""
    rng, tape, n = np.random.default_rng([seed, STREAM, block]), stage.tape, BLOCK_PEOPLE
    shares = np.array([PERSONAS[persona][0] for persona in PERSONAS_HERE])
    persona = rng.choice(len(PERSONAS_HERE), size=n, p=shares / shares.sum())
    low, high, visits = (np.array(column)[persona] for column in zip(*(_habit(persona) for persona in PERSONAS_HERE), strict=True))
    since = (30.4 * np.minimum(months - 0.5, rng.uniform(low, high))).astype(np.int64)
    joined = np.minimum(np.searchsorted(tape.days, tape.days[-1] - since), tape.last_day)
    renewed = np.searchsorted(tape.days, tape.days[joined] + REASSESSED_AFTER)
    renewed = np.where(renewed <= tape.last_day, renewed, NEVER)
    sheets = _draw_sheets(rng, stage.items, stage.contradictions, renewed < NEVER)
    drawn: dict[str, Any] = {
        "names": [
            f"{SURNAMES[a]}{GIVEN[b]}" for a, b in zip(rng.integers(len(SURNAMES), size=n), rng.integers(len(GIVEN), size=n), strict=True)
        ],
        "speaks_english": rng.random(n) >= 0.94,
        "liking": rng.random((n, len(set(tape.categories)))),
        "agrees_to_profiling": rng.random(n) < 0.8,
        "agrees_to_marketing": rng.random(n) < 0.66,
        "visits_a_month": visits * rng.gamma(2.0, 0.5, size=n),
        "minute": rng.integers(300, size=n),
        "saving_share": rng.uniform(0.01, 0.06, size=n),
        "joins_household": (np.arange(n) % 2 == 1) & (rng.random(n) < 0.4),
        "luck": rng.random((n, 12)),
        "plans": _draw_plans(rng, persona, joined, stage),
    }
    profiles = _profiles(sheets, drawn["plans"], drawn["agrees_to_profiling"], stage)
    crowd = Crowd(
        first=block * n,
        persona=persona,
        joined=joined,
        renewed=renewed,
        sheets=sheets,
        profiles=profiles,
        first_level=np.array([of_person[0].level for of_person in profiles]),
        last_level=np.array([of_person[-1].level for of_person in profiles]),
        **drawn,
    )
    return crowd, rng


def _profiles(sheets: list[list[dict[str, str]]], plans: Plans, agrees: Bools, stage: Stage) -> list[list[Profile]]:
    """Everybody's assessments, about the money of the first goal."""
    amounts = plans.amount_minor[np.searchsorted(plans.person, np.arange(len(sheets)))].tolist()
    return [
        [stage.assess(answers, amount, has_consent=agreed) for answers in of_person]
        for of_person, amount, agreed in zip(sheets, amounts, agrees.tolist(), strict=True)
    ]


def _habit(persona: Persona) -> tuple[float, float, float]:
    _share, (low, high), visits = PERSONAS[persona]
    return low, high, visits


def _draw_sheets(rng: np.random.Generator, items: Sequence[Item], rules: Sequence[Rule], again: Bools) -> list[list[dict[str, str]]]:
    """One complete sheet a person, and a second one with a few other answers where the assessment was done again."""
    n = len(again)
    rest = math.sqrt(1 - TRAIT_CORRELATION**2)
    tolerance, *others = rng.standard_normal((3, n))
    traits = {"tolerance": tolerance} | {
        block: TRAIT_CORRELATION * tolerance + rest * own for block, own in zip(("capacity", "knowledge"), others, strict=True)
    }
    codes = [item.code for item in items]
    first, second = ([_draw_option(rng, item, traits[item.block]) for item in items] for _ in range(2))
    changed = np.argsort(rng.random((n, len(items))), axis=1)[:, :N_ANSWERS_CHANGED]
    sheets = []
    for person, (answers, others_now) in enumerate(zip(zip(*first, strict=True), zip(*second, strict=True), strict=True)):
        sheet = settled(dict(zip(codes, answers, strict=True)), items, rules)
        sheets.append([sheet])
        if again[person]:
            now = sheet | {codes[place]: others_now[place] for place in changed[person].tolist()}
            sheets[-1].append(settled(now, items, rules))
    return sheets


def _draw_option(rng: np.random.Generator, item: Item, trait: Floats) -> list[str]:
    weights: Mapping[str, float] | None = OPTION_WEIGHTS.get(item.code)
    if weights is None or weights.keys() != item.options.keys():
        ordered = sorted(item.options, key=lambda code: item.options[code].score or 0.0)
        weights = dict.fromkeys(ordered, 1 / len(ordered))
    latent = LOADING * trait + math.sqrt(1 - LOADING**2) * rng.standard_normal(len(trait))
    options = list(weights)
    bounds = [NormalDist().inv_cdf(min(share, 1 - 1e-12)) for share in np.cumsum(list(weights.values()))[:-1].tolist()]
    return [options[place] for place in np.searchsorted(bounds, latent).tolist()]


def _draw_plans(rng: np.random.Generator, persona: Ints, joined: Ints, stage: Stage) -> Plans:
    """One goal a person, two where there was time for a second; round amounts, and none that is over before today."""
    tape, n = stage.tape, len(persona)
    start = joined + 1 + rng.integers(10, size=n)
    later = start + rng.integers(20, 200, size=n)
    latest = np.where(persona == PERSONAS_HERE.index(Persona.DORMANT), tape.last_day - DORMANT_FOR, tape.last_day - 2 * QUIET_SESSIONS)
    start = np.minimum(start, np.maximum(latest, joined))
    two = (rng.random(n) < SHARE_WITH_TWO_GOALS) & (later < latest)
    person = np.concatenate([np.arange(n), np.flatnonzero(two)])
    order = np.argsort(person, kind="stable")
    start = np.concatenate([start, later[two]])[order]
    kind = rng.choice(len(KINDS), size=len(person), p=[GOALS[name][0] for name in KINDS])
    low, high = (np.array([GOALS[name][1][side] for name in KINDS])[kind] for side in (0, 1))
    since = (tape.days[-1] - tape.days[start]) / DAYS_A_YEAR
    years = np.maximum(rng.uniform(low, high), since + LEAST_YEARS_LEFT)
    target = tape.days[start] + np.rint(years * DAYS_A_YEAR).astype(np.int64)
    yuan = np.clip(rng.lognormal(math.log(60_000), 0.9, size=len(person)), 2_000, 3_000_000)
    step = 10.0 ** (np.floor(np.log10(yuan)) - 1)  # people name amounts of two digits
    return Plans(
        person=person[order],
        kind=kind,
        amount_minor=100 * np.rint(np.rint(yuan / step) * step).astype(np.int64),
        start=start,
        target=target,
        years=(target - tape.days[start]) / DAYS_A_YEAR,
    )
