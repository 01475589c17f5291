"""Ten million random proposals through the three filters, each that is left held against rules written out a second time.

`python -m benchmarks.recommender_checks [--quick] [--seed 42]` measures it alone; no database. Random people (levels, expired,
switched off), holdings up to and over the caps, idle cash, funds that are closed, outside the pool or without moments, and
funds declined. Of every proposal that is left the first filter is asked again from the raw data; of a sample of people the
whole verdict, filter by filter, one number at a time.
"""

import argparse
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.rows import Row
from marketing.kernels.suiting import KEPT, MOST_A_CATEGORY, MOST_ALIKE, NOBODY, REMOVED, STEP, Funds, Moments, People, suit

CHECKS, FEW = 10_000_000, 200_000
BLOCK, PROPOSED, HELD, DECLINED, FUNDS = 1_000, 20, 8, 2, 240
JUDGED_IN_FULL = 10  # people of each block
# What a level may be recommended, written out once more: the highest grade, and whether money-market funds alone.
LEVELS = {0: (1, True), 1: (1, False), 2: (2, False), 3: (3, False), 4: (4, False), 5: (5, False)}
TOLERANCE = 1e-9  # a verdict of the second filter is not judged where its numbers are nearer to the line than this


@dataclass(frozen=True)
class Block:
    """A random world: the arrays of the kernel, and of the funds what those arrays were made from."""

    funds: Funds
    people: People
    moments: Moments
    candidates: Any
    grade: Any
    is_money: Any


def random_block(random: np.random.Generator, n: int) -> Block:
    """One block of n people with a market of its own."""
    grade, is_money = random.integers(1, 6, FUNDS), random.random(FUNDS) < 0.1
    grade[is_money] = 1
    loadings = random.normal(0, 0.1, (FUNDS, 4)) * grade[:, None] / 3
    twins = np.arange(0, FUNDS - 1, 7)
    loadings[twins] = loadings[twins + 1]  # funds that move together
    cov = loadings @ loadings.T + np.diag((0.004 * grade) ** 2)
    funds = Funds(
        column=np.where(random.random(FUNDS) < 0.03, -1, np.arange(FUNDS)),
        allowed=np.array([(grade <= highest) & (is_money | (not only_money)) for highest, only_money in LEVELS.values()]),
        is_open=random.random(FUNDS) < 0.9,
        in_pool=random.random(FUNDS) < 0.9,
        cap=np.where(is_money, 0.5, 0.2),
        buy_cost=random.integers(0, 80, FUNDS) / 10_000,
        category=random.integers(0, 12, FUNDS),
        company=random.integers(0, 40, FUNDS),
        family=np.where(random.random(FUNDS) < 0.2, np.arange(FUNDS) // 2, FUNDS + np.arange(FUNDS)),
    )
    moments = Moments(np.abs(random.normal(0.02, 0.01, FUNDS)) * grade, cov)
    people = _people(random, n)
    return Block(funds, people, moments, _proposed(random, people), grade, is_money)


def _people(random: np.random.Generator, n: int) -> People:
    held = np.argsort(random.random((n, FUNDS)), axis=1)[:, :HELD]
    held[random.random((n, HELD)) < 0.3] = -1
    raw = np.where(held >= 0, random.random((n, HELD)) ** 3, 0.0)
    cash = np.where(random.random(n) < 0.5, random.random(n) * 0.5, 0.0)
    cash[raw.sum(axis=1) == 0] = 1.0
    weight = raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-12) * (1 - cash)[:, None]
    is_plan = (random.random(n) < 0.1) & (cash < 1)
    figure = lambda low, high: random.uniform(low, high, n)  # noqa: E731
    return People(
        is_on=random.random(n) < 0.9,
        level=random.integers(-1, len(LEVELS), n),
        held=held,
        weight=weight,
        share=weight * figure(0, 1)[:, None],
        cash=np.where(is_plan, 0.0, cash),
        is_plan=is_plan,
        gamma=np.where(random.random(n) < 0.05, np.nan, figure(2, 60)),
        years=random.choice([1.0, 2.0, 4.0, 5.0], n),
        plan_cvar=figure(0, 0.35),
        plan_category=figure(0.1, 1),
        plan_company=figure(0.1, 1),
        declined=random.integers(-1, FUNDS, (n, DECLINED)),
    )


def _proposed(random: np.random.Generator, people: People) -> Any:
    """Any funds, in each tenth place one that is held."""
    proposed = np.argsort(random.random((len(people.level), FUNDS)), axis=1)[:, :PROPOSED]
    places = random.random(proposed.shape) < 0.1
    proposed[places] = people.held[:, random.integers(0, HELD, PROPOSED)][places]
    proposed[random.random(proposed.shape) < 0.02] = -1
    return proposed


def first_filter(block: Block, who: int, fund: int) -> str:
    """What speaks against showing a fund to a person at all, '' where nothing does."""
    people, funds = block.people, block.funds
    if not people.is_on[who]:
        return "off"
    level = int(people.level[who])
    if level < 0 or block.grade[fund] > LEVELS[level][0] or (LEVELS[level][1] and not block.is_money[fund]):
        return "level"
    if not funds.is_open[fund]:
        return "closed"
    if not funds.in_pool[fund]:
        return "pool"
    if any(other >= 0 and funds.family[other] == funds.family[fund] for other in people.declined[who]):
        return "not_interested"
    cap = 0.5 if block.is_money[fund] else 0.2
    places = [place for place, other in enumerate(people.held[who]) if other >= 0 and funds.family[other] == funds.family[fund]]
    if sum(people.share[who, place] for place in places) >= cap:
        return "cap"
    held = sum(after for place, after in enumerate(_after_selling(people, who)) if place in places)
    return "cap" if held + STEP > cap + 1e-12 and not people.is_plan[who] else ""


def _after_selling(people: People, who: int) -> list[float]:
    """What is left of each holding when cash has paid what it can, and they pay the rest in proportion."""
    invested = 1.0 - float(people.cash[who])
    sold = max(STEP - float(people.cash[who]), 0.0)
    return [float(weight) * (1.0 - sold / invested if invested > 0 else 1.0) for weight in people.weight[who]]


def worsens(block: Block, who: int, fund: int) -> tuple[bool, float]:
    """Whether a small purchase is against the mandate, and how far the nearest of its numbers is from the line."""
    people, funds = block.people, block.funds
    now = [(int(one), float(weight)) for one, weight in zip(people.held[who], people.weight[who], strict=True) if one >= 0]
    unknown = sum(weight for one, weight in now if funds.column[one] < 0)
    if funds.column[fund] < 0 or unknown > 0.01 or math.isnan(people.gamma[who]):
        return True, math.inf
    if people.is_plan[who] and fund in [one for one, _ in now]:
        return False, math.inf
    left = [(int(one), after) for one, after in zip(people.held[who], _after_selling(people, who), strict=True) if one >= 0]
    then = [*left, (fund, STEP)]
    margins = [_utility(block, who, then) - STEP * float(funds.buy_cost[fund] / people.years[who]) - _utility(block, who, now)]
    for figure, plan in (
        (lambda parts: _cvar(block, parts), people.plan_cvar[who]),
        (lambda parts: _concentration(funds.category, parts), people.plan_category[who]),
        (lambda parts: _concentration(funds.company, parts), people.plan_company[who]),
    ):
        margins.append(max(figure(now), float(plan)) - figure(then))
    return min(margins) < 0, min(abs(margin) for margin in margins)


def _moments(block: Block, parts: list[tuple[int, float]]) -> tuple[float, float]:
    known = [(int(block.funds.column[fund]), weight) for fund, weight in parts if block.funds.column[fund] >= 0]
    mean = sum(weight * float(block.moments.mean[at]) for at, weight in known)
    variance = sum(weight * other * float(block.moments.cov[at, to]) for at, weight in known for to, other in known)
    return mean, max(variance, 0.0)


def _utility(block: Block, who: int, parts: list[tuple[int, float]]) -> float:
    mean, variance = _moments(block, parts)
    return mean - float(block.people.gamma[who]) / 2 * variance


def _cvar(block: Block, parts: list[tuple[int, float]]) -> float:
    mean, variance = _moments(block, parts)
    return 2.062713 * math.sqrt(variance) - mean


def _concentration(label: Any, parts: list[tuple[int, float]]) -> float:
    sums: dict[int, float] = {}
    for fund, weight in parts:
        sums[int(label[fund])] = sums.get(int(label[fund]), 0.0) + weight
    total = sum(sums.values())
    return sum((value / total) ** 2 for value in sums.values()) if total > 0 else 1.0


def whole_verdict(block: Block, who: int) -> list[str | None]:
    """Every proposal of a person through all three filters; None where a number lies on the line and what follows from it is open."""
    found: list[str | None] = []
    kept: list[int] = []
    for fund in block.candidates[who].tolist():
        said = "nobody" if fund < 0 else first_filter(block, who, fund)
        if said == "":
            is_worse, margin = worsens(block, who, fund)
            if margin < TOLERANCE:
                return [*found, *[None] * (PROPOSED - len(found))]
            said = "mandate" if is_worse else "alike" if _has_alike(block, kept, fund) else ""
        if said == "":
            kept.append(fund)
        found.append(said)
    return found


def _has_alike(block: Block, kept: list[int], fund: int) -> bool:
    funds, cov = block.funds, block.moments.cov
    if sum(funds.category[other] == funds.category[fund] for other in kept) >= MOST_A_CATEGORY:
        return True
    at = funds.column[fund]
    return any(
        funds.family[other] == funds.family[fund]
        or cov[at, funds.column[other]] >= MOST_ALIKE * math.sqrt(cov[at, at]) * math.sqrt(cov[funds.column[other], funds.column[other]])
        for other in kept
    )


@dataclass
class Counted:
    """What a run of checks came to."""

    checks: int = 0
    kept: int = 0
    unsuitable: int = 0
    judged: int = 0
    differ: int = 0
    seconds: float = 0.0
    utility: float = 0.0
    lowered: int = 0
    removed: Counter[str] = field(default_factory=Counter)


def check(n_checks: int, seed: int) -> Counted:
    """Put at least `n_checks` proposals through the filters and judge them."""
    random, counted = np.random.default_rng(seed), Counted()
    while counted.checks < n_checks:
        block = random_block(random, BLOCK)
        began = time.process_time()
        verdict, fit = suit(block.people, block.funds, block.moments, block.candidates)
        counted.seconds += time.process_time() - began
        _judge(block, verdict, fit.utility_change, counted)
    return counted


def _judge(block: Block, verdict: Any, change: Any, counted: Counted) -> None:
    counted.checks += int((verdict != NOBODY).sum())
    for place, name in enumerate(REMOVED):
        counted.removed[name] += int((verdict == place).sum())
    kept = np.argwhere(verdict == KEPT)
    counted.kept += len(kept)
    counted.unsuitable += sum(first_filter(block, who, int(block.candidates[who, at])) != "" for who, at in kept.tolist())
    counted.utility += float(change[verdict == KEPT].sum())
    counted.lowered += int((change[verdict == KEPT] < 0).sum())
    names = {NOBODY: "nobody", KEPT: ""} | dict(enumerate(REMOVED))
    for who in range(JUDGED_IN_FULL):
        said = whole_verdict(block, who)
        counted.judged += sum(one is not None for one in said)
        counted.differ += sum(one is not None and one != names[int(verdict[who, at])] for at, one in enumerate(said))


def recommender_checks(quick: bool, seed: int = 42) -> Iterator[Row]:
    """Nothing unsuitable among what is left, and the same verdict as a judge who reckons one number at a time."""
    counted = check(FEW if quick else CHECKS, seed)
    removed = ", ".join(f"{name} {count / counted.checks:.1%}" for name, count in counted.removed.items())
    wrong = counted.unsuitable + counted.differ + counted.lowered
    verdict = "short" if wrong else "not judged: a quick run" if quick else "ok"
    yield Row(f"{counted.checks:,} random proposals: unsuitable among the {counted.kept:,} left", f"{counted.unsuitable}", verdict=verdict)
    yield Row(f"  verdicts that differ from the judge's, of {counted.judged:,}", f"{counted.differ}")
    yield Row(f"  removed: {removed}", f"{1 - counted.kept / counted.checks:.1%}")
    yield Row("  mean change of mandate utility a year of what is left", f"{counted.utility / max(counted.kept, 1):+.5f}")
    yield Row("  processor time in the filters, a million proposals", f"{counted.seconds / counted.checks * 1e6:.1f} s")


def main() -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recommender_checks")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=42)
    asked = parser.parse_args()
    for row in recommender_checks(asked.quick, asked.seed):
        sys.stdout.write(row.line() + "\n")


if __name__ == "__main__":
    main()
