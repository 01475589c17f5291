"""Who sleeps, on two axes: silent or not, and looked after or not.

A person is silent when neither a visit nor a decision (an order outside plans) is recent; what counts as recent for a
decision is the person's own rhythm. Silence alone is no sleep: somebody whose plan runs, or whose money is invested with
little of it idle and within its limit of risk, is a calm holder whatever the silence. For the rest the probability of still
deciding and the length of the silence, again by the person's own rhythm, say cooling, dormant or lost. Without a fit
(marketing.kernels.bgnbd) lengths decide alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from marketing.kernels.bgnbd import Floats

STATES = ("new", "active", "calm", "cooling", "dormant", "lost")
# Why a state is what it is, in the order in which the rule asks; the state that each gives stands beside it.
REASONS: dict[str, str] = {
    "decided": "active",  # within their own rhythm
    "joined": "new",
    "visited": "active",
    "on_plan": "calm",
    "drifted": "cooling",  # invested, but the nightly review finds the risk above the limit: for a service letter
    "invested": "calm",
    "left": "lost",
    "unlikely": "dormant",  # to decide again
    "long_silent": "dormant",
    "short_silent": "cooling",
}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Lengths in whole days; rhythms are multiples of the usual days between a person's decisions; shares are fractions of 1.

    Where the rhythm is known, a decision is recent for `active_rhythms` of it, at least and at most so many days, and a silence
    is long after `dormant_rhythms` of it; where it is not, after `active_decision_days` and `dormant_days`.
    """

    new_days: int = 30
    active_visit_days: int = 30
    active_decision_days: int = 90
    active_rhythms: float = 1.5
    active_least_days: int = 30
    active_most_days: int = 120
    unlikely_p_alive: float = 0.5
    unlikely_least_days: int = 60
    dormant_days: int = 120
    dormant_rhythms: float = 3.0
    dormant_most_days: int = 240
    lost_days: int = 365
    calm_idle_share: float = 0.2
    idle_cash_floor_minor: int = 100_000


@dataclass(frozen=True, slots=True)
class FitRules:
    """When and what the nightly reading fits: fewer people or repeaters than these say nothing about how people differ."""

    model: Literal["bgnbd", "mbgnbd"] = "mbgnbd"
    every_days: int = 7
    least_people: int = 200
    least_repeaters: int = 50
    holdout_weeks: int = 26
    naive_days: int = 90


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one investor on a day: whole days since, or None for never; money in minor units."""

    days_since_joined: int
    days_since_decision: int | None
    days_since_visit: int | None
    n_plan_orders_90d: int
    assets_minor: int
    idle_cash_minor: int
    is_out_of_bands: bool = False
    p_alive: float | None = None
    rhythm_days: float | None = None


@dataclass(frozen=True, slots=True)
class FactColumns:
    """The same of many investors, one array entry each; NaN for never and for what is not known."""

    days_since_joined: Floats
    days_since_decision: Floats
    days_since_visit: Floats
    is_on_plan: NDArray[np.bool_]
    is_out_of_bands: NDArray[np.bool_]
    assets_minor: Floats
    idle_cash_minor: Floats
    p_alive: Floats
    rhythm_days: Floats

    @property
    def silent_days(self) -> Floats:
        """Days since the last sign of the person: decision, visit, or having joined."""
        return np.fmin(np.fmin(self.days_since_decision, self.days_since_visit), self.days_since_joined)


def reasons_of(facts: FactColumns, limits: Thresholds) -> NDArray[np.str_]:
    """Return each person's reason, a key of REASONS; exactly one, and calm before any word of sleep."""
    recent = np.clip(limits.active_rhythms * facts.rhythm_days, limits.active_least_days, limits.active_most_days)
    recent = np.where(np.isnan(recent), limits.active_decision_days, recent)
    long = np.clip(limits.dormant_rhythms * facts.rhythm_days, limits.dormant_days, limits.dormant_most_days)
    long = np.where(np.isnan(long), limits.dormant_days, long)
    silent, never = facts.silent_days, np.isnan(facts.days_since_decision)
    unlikely = (facts.p_alive < limits.unlikely_p_alive) & (silent >= limits.unlikely_least_days)  # NaN is less than nothing
    cases = {
        "decided": facts.days_since_decision <= recent,
        "joined": never & (facts.days_since_joined <= limits.new_days),
        "visited": facts.days_since_visit <= limits.active_visit_days,
        "on_plan": facts.is_on_plan,
        "drifted": is_invested(facts, limits) & facts.is_out_of_bands,
        "invested": is_invested(facts, limits),
        "left": (facts.assets_minor <= 0) & (silent >= limits.lost_days),
        "unlikely": unlikely,
        "long_silent": silent >= long,
    }
    return np.select(list(cases.values()), list(cases), default="short_silent")


def is_invested(facts: FactColumns, limits: Thresholds) -> NDArray[np.bool_]:
    """Say whether money is invested with no more of it idle than the floor or the share allows."""
    return (facts.assets_minor > facts.idle_cash_minor) & (facts.idle_cash_minor < allowed_idle(facts.assets_minor, limits))


def allowed_idle(assets_minor: Any, limits: Thresholds) -> Any:
    """The idle cash, in minor units, from which on money of this size lies idle."""
    return np.maximum(limits.idle_cash_floor_minor, np.floor(limits.calm_idle_share * np.asarray(assets_minor, dtype=np.float64)))


def columns_of(people: Iterable[Facts]) -> FactColumns:
    """Put the facts of people side by side."""
    rows = list(people)

    def column(name: str) -> Floats:
        return np.array([np.nan if (value := getattr(one, name)) is None else value for one in rows], dtype=np.float64)

    names = ("days_since_joined", "days_since_decision", "days_since_visit", "assets_minor", "idle_cash_minor", "p_alive", "rhythm_days")
    return FactColumns(
        **{name: column(name) for name in names}, is_on_plan=column("n_plan_orders_90d") > 0, is_out_of_bands=column("is_out_of_bands") > 0
    )


def states_of(people: Iterable[Facts], limits: Thresholds) -> list[str]:
    """Return the state of each, in order: new, active, calm, cooling, dormant or lost."""
    return [REASONS[reason] for reason in reasons_of(columns_of(people), limits).tolist()]


def state_of(facts: Facts, limits: Thresholds) -> str:
    """Return the state of one person."""
    return states_of([facts], limits)[0]


def yearly_value_minor(running_minor: Floats, fee_share: Floats, planned_minor: Floats, chosen_minor: Floats) -> NDArray[np.int64]:
    """Return the revenue expected of each person in a year, in whole minor units.

    What money that stays earns in a year (advice fee and sales-service fees), plus purchase fees, a share of what is bought: by
    the plan as it runs, and by one's own decisions as often as the fit expects them. No growth, and nobody leaves in between.
    """
    return np.rint(running_minor + fee_share * (planned_minor + chosen_minor)).astype(np.int64)
