"""Is the risk assessment as sure as it says?

Invented people are asked again, with new errors on the same traits. p_retest, which the confidence of a final level
rests on, is held against how often their score was again at or above the lower edge of that level; the norms it uses are the
linter's, over other people. The same of p, the normal mass that the specification defines, stands beside it. People of another
make (traits more or less alike, items that hang together more or less) show how far p_retest leans on the norm group.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from advisor.instruments import load_instrument
from advisor.instruments.schema import Instrument
from advisor.jurisdictions import advice_rules
from advisor.kernels.behaviour_types import BoolArray, FloatArray, IntArray
from advisor.kernels.instrument_lint import cronbach_alpha
from advisor.kernels.instrument_people import answered, assess_all, draw_traits, raw_scores, scores_of
from advisor.kernels.risk_profile import HIGH, LOW, MEDIUM, NEAR, Rules
from benchmarks.rows import Row

SEED = 22_11
ASKED, TIMES = (4_000, 60_000), (20, 60)
POPULATIONS = 3  # of so many people each, drawn apart
OTHERS = ((0.0, 0.58), (0.15, 0.58), (0.5, 0.58), (0.3, 0.57), (0.3, 0.64))  # trait correlation and loading of other people
BIN, LEAST_IN_A_BIN, MOST_OFF = 0.05, 500, 0.05


@dataclass(frozen=True)
class Retest:
    """Of everybody whose final level has a lower edge (n,): p_retest, the specification's p, how often R was at or above
    the edge again, and the level.

    `claimed_error` and `real_error` are the root mean squares of sigma_R and of R's own deviation between sheets.
    """

    claimed: FloatArray
    by_p: FloatArray
    again: FloatArray
    level: IntArray
    claimed_error: float
    real_error: float


@dataclass(frozen=True)
class Bin:
    n: int
    claimed: float
    again: float

    @property
    def off(self) -> float:
        return self.again - self.claimed


def bins_of(claimed: FloatArray, again: FloatArray, width: float = BIN, least: int = LEAST_IN_A_BIN) -> list[Bin]:
    """Means of the people whose claim lies in each step of `width`, 1 in the last; steps of fewer than `least` are left out."""
    place = np.minimum((claimed / width + NEAR).astype(int), round(1 / width) - 1)
    chosen = [place == k for k in np.unique(place)]
    return [Bin(int(one.sum()), float(claimed[one].mean()), float(again[one].mean())) for one in chosen if one.sum() >= least]


@dataclass(frozen=True)
class People:
    """How invented people are made; the norm group's way where nothing is said."""

    seed: int = SEED
    correlation: float | None = None
    loading: float | None = None


def asked_again(instrument: Instrument, n: int, times: int, people: People = People()) -> Retest:
    """Ask n invented people once, give them their levels, and ask them `times` times more."""
    rules, items, rng = advice_rules().for_scoring, instrument.for_scoring, np.random.default_rng(people.seed)
    traits = draw_traits(n, rng, people.correlation)

    def ask() -> IntArray:
        return answered(items, instrument.shares, traits, rng, people.loading)

    first = assess_all(ask(), items, rules, instrument.sem)
    assert first.retest is not None, "the questionnaire has no norms"
    edge = np.array([-np.inf, -np.inf, *rules.thresholds])[first.level]
    again, total, squares = np.zeros(n), np.zeros(n), np.zeros(n)
    for _ in range(times):
        answers = ask()
        score = raw_scores(scores_of(answers, items, "tolerance"), scores_of(answers, items, "capacity"), rules)[-1]
        again += score >= edge - NEAR
        total, squares = total + score, squares + score**2
    within = (squares - total**2 / times) / (times - 1)
    rated = np.isfinite(edge)
    errors = float(np.sqrt((first.error**2).mean())), float(np.sqrt(max(0.0, within.mean())))
    return Retest(first.retest[rated], first.certainty[rated], again[rated] / times, first.level[rated], *errors)


def pooled(found: list[Retest]) -> Retest:
    claimed, by_p, again, level = (np.concatenate([getattr(one, name) for one in found]) for name in ("claimed", "by_p", "again", "level"))
    claimed_error, real_error = (float(np.mean([getattr(one, name) for one in found])) for name in ("claimed_error", "real_error"))
    return Retest(claimed, by_p, again, level, claimed_error, real_error)


def bands_of(lowest: FloatArray, rules: Rules) -> dict[str, BoolArray]:
    """Whom each band is shown to, by the probability it goes by; what the advisors' queue takes off is left aside."""
    is_high, is_low = lowest >= rules.high_from, lowest < rules.medium_from
    return {HIGH: is_high, MEDIUM: ~is_high & ~is_low, LOW: is_low}


def how_sure(quick: bool) -> Iterator[Row]:
    n, times = (ASKED[0], TIMES[0]) if quick else (ASKED[1], TIMES[1])
    least = LEAST_IN_A_BIN // 5 if quick else LEAST_IN_A_BIN
    key = advice_rules().assessment.instrument
    instrument = load_instrument(key)
    found = [asked_again(instrument, n, times, People(SEED + place)) for place in range(1 if quick else POPULATIONS)]
    yield from _sure_rows(key, found, least, quick)
    yield from _band_rows(pooled(found))
    for correlation, loading in OTHERS[: 1 if quick else None]:
        people = People(SEED, correlation, loading)
        yield from _other_rows(instrument, asked_again(instrument, n, times, people), people, least)


def _compared(claim: str, claimed: FloatArray, again: FloatArray, *, quick: bool, is_judged: bool = True) -> Row:
    said, found = float(claimed.mean()), float(again.mean())
    verdict = "shown" if not is_judged else "not judged: a quick run" if quick else "ok" if abs(found - said) <= MOST_OFF else "short"
    return Row(claim, f"{said:.3f}", f"again {found:.3f}", f"{found - said:+.3f}", f"<= {MOST_OFF}" if is_judged else "–", verdict)


def _worst(claimed: FloatArray, again: FloatArray, least: int) -> Bin:
    return max(bins_of(claimed, again, least=least), key=lambda one: abs(one.off))


def _sure_rows(key: str, found: list[Retest], least: int, quick: bool) -> Iterator[Row]:
    every = pooled(found)
    yield _compared(f"{key}: p_retest of a final level, {len(every.again):,} simulated people", every.claimed, every.again, quick=quick)
    worst = [_worst(one.claimed, one.again, least) for one in (*found, every)]
    for said, one in (("all", worst[-1]), (f"the worst of {len(found)} populations", max(worst[:-1], key=lambda one: abs(one.off)))):
        means = np.array([one.claimed]), np.array([one.again])
        yield _compared(f"  the worst step of {BIN} of p_retest, {said}, {one.n:,} people", *means, quick=quick)
    levels = [(level, every.level == level) for level in np.unique(every.level).tolist()]
    for level, of in levels:
        yield _compared(f"  of final level C{level}, {of.sum():,} people", every.claimed[of], every.again[of], quick=quick)
    yield _compared("  p as specified: one score for the true one", every.by_p, every.again, quick=quick, is_judged=False)
    one = _worst(every.by_p, every.again, least)
    yield _compared(f"    its worst step, {one.n:,} people", np.array([one.claimed]), np.array([one.again]), quick=quick, is_judged=False)
    for level, of in levels:
        yield _compared(f"    of final level C{level}", every.by_p[of], every.again[of], quick=quick, is_judged=False)
    errors = every.claimed_error, every.real_error
    yield Row("  sigma_R", f"{errors[0]:.2f} points", f"found {errors[1]:.2f}", f"{errors[0] / errors[1]:.2f}")


def _band_rows(found: Retest) -> Iterator[Row]:
    rules = advice_rules().for_scoring

    def said(of: BoolArray) -> str:
        return f"{of.mean():.1%}" + (f", again {found.again[of].mean():.3f}" if of.any() else "")

    before = bands_of(found.by_p, rules)
    for name, shown in bands_of(np.minimum(found.by_p, found.claimed), rules).items():
        yield Row(f"  shown as {name}", said(shown), f"by p alone {said(before[name])}", verdict="shown")


def _other_rows(instrument: Instrument, found: Retest, people: People, least: int) -> Iterator[Row]:
    alpha = _alphas(instrument, people)
    said = f"  other people: traits {people.correlation:g}, loading {people.loading:g} (alpha {alpha[0]:.2f}, {alpha[1]:.2f})"
    yield _compared(said, found.claimed, found.again, quick=False, is_judged=False)
    one = _worst(found.claimed, found.again, least)
    yield _compared(f"    the worst step, {one.n:,} people", np.array([one.claimed]), np.array([one.again]), quick=False, is_judged=False)
    off = [float((found.again - found.claimed)[found.level == level].mean()) for level in np.unique(found.level)]
    levels = ", ".join(f"C{level} {one:+.3f}" for level, one in zip(np.unique(found.level).tolist(), off, strict=True))
    yield Row("    again less p_retest, by final level", levels, verdict="shown")


def _alphas(instrument: Instrument, people: People, n: int = 20_000) -> tuple[float, ...]:
    rng = np.random.default_rng(SEED)
    answers = answered(instrument.for_scoring, instrument.shares, draw_traits(n, rng, people.correlation), rng, people.loading)
    return tuple(cronbach_alpha(scores_of(answers, instrument.for_scoring, block)) for block in ("tolerance", "capacity"))
