"""Who sleeps: a thin, documented rule on two axes, silent or not and looked after or not.

A person is silent when neither a visit nor a decision (an order outside plans) is recent. Silence alone is no sleep:
somebody whose plan runs, or whose money is invested with little of it idle, is a calm holder whatever the silence.
For the rest the length of the silence decides. BG/NBD replaces the lengths later; the states stay.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Lengths in whole days; `calm_idle_share` a fraction of assets; `idle_cash_floor_minor` in minor units."""

    new_days: int = 30
    active_visit_days: int = 30
    active_decision_days: int = 90
    dormant_days: int = 120
    lost_days: int = 365
    calm_idle_share: float = 0.2
    idle_cash_floor_minor: int = 100_000


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one investor on a day: whole days since, or None for never; money in minor units."""

    days_since_joined: int
    days_since_decision: int | None
    days_since_visit: int | None
    n_plan_orders_90d: int
    assets_minor: int
    idle_cash_minor: int


def state_of(facts: Facts, limits: Thresholds) -> str:
    """Return new, active, calm, cooling, dormant or lost; exactly one, and calm before any word of sleep."""
    if facts.days_since_decision is not None and facts.days_since_decision <= limits.active_decision_days:
        return "active"
    if facts.days_since_joined <= limits.new_days and facts.days_since_decision is None:
        return "new"
    if facts.days_since_visit is not None and facts.days_since_visit <= limits.active_visit_days:
        return "active"
    if is_looked_after(facts, limits):
        return "calm"
    silent_days = min(days for days in (facts.days_since_decision, facts.days_since_visit, facts.days_since_joined) if days is not None)
    if silent_days < limits.dormant_days:
        return "cooling"
    return "lost" if silent_days >= limits.lost_days and facts.assets_minor <= 0 else "dormant"


def is_looked_after(facts: Facts, limits: Thresholds) -> bool:
    """Say whether a plan runs, or money is invested with no more idle than the floor or the share allows."""
    if facts.n_plan_orders_90d > 0:
        return True
    allowed_idle = max(limits.idle_cash_floor_minor, int(limits.calm_idle_share * facts.assets_minor))
    return facts.assets_minor > facts.idle_cash_minor and facts.idle_cash_minor < allowed_idle


def states_of(facts: Iterable[Facts], limits: Thresholds) -> list[str]:
    """Return the state of each, in order."""
    return [state_of(one, limits) for one in facts]
