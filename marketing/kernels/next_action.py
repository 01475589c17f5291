"""What would be best done next for each person: rules in a fixed order, the first that holds decides; silence is the last.

The order, and why:

1. `not_assessed`: nothing may be proposed to who has no level: the questionnaire comes first.
2. `level_expired`: nor to who has one that has run out.
3. `proposal_waits`: somebody asked for it, and prices move.
4. `level_ending`: within 30 days it would stop everything else.
5. `plan_stopped`: a plan that bought and no longer does; what was agreed with oneself is missed.
6. `goal_behind`: at least half of the time has gone, and what was reached lags the time by more than a quarter.
7. `asleep`: who has fallen silent is woken with something to learn, never with something to buy.
8. `idle_cash`: money lies idle beyond what is usual to keep, and a suitable fund was found. Not of calm holders.
9. silence, because of `no_permission` (7 or 8 would hold, and marketing messages were not agreed to), `calm`, `gone`
   (nothing is left here), or `nothing_due`.

7 and 8 are marketing; 1 to 6 are about the person's own account and need no agreement to marketing.
"""

from dataclasses import dataclass
from datetime import time

import numpy as np
from numpy.typing import NDArray

from marketing.kernels.policy import QuietHours

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

# In the order of the rules: the code of the reason, and what is to be done.
RULES: tuple[tuple[str, str], ...] = (
    ("not_assessed", "assess"),
    ("level_expired", "assess"),
    ("proposal_waits", "proposal"),
    ("level_ending", "assess"),
    ("plan_stopped", "plan"),
    ("goal_behind", "goal"),
    ("asleep", "learn"),
    ("idle_cash", "place"),
    ("no_permission", "silence"),
    ("calm", "silence"),
    ("gone", "silence"),
    ("nothing_due", "silence"),
)
CODES = tuple(code for code, _ in RULES)
MARKETING = ("learn", "place")
TALKED_OVER = ("goal", "place")  # where somebody has an advisor, the advisor speaks to them
LEVEL_ENDS_WITHIN = 30.0  # days
GONE_ENOUGH, BEHIND_ENOUGH = 0.5, 0.25
AWAY_DAYS = 30.0  # who has not been seen for so long does not see the inbox either
OFFICE = range(9, 18)  # hours at which an advisor calls
HALFWAY_MINOR = 10_000_000.0  # an amount of 100,000 yuan is half as urgent as any can be


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of n people, one entry each; NaN where a number is not known."""

    level_days: Floats  # until the level ends, below zero once it has; NaN without a level
    has_proposal: Bools
    plan_stopped: Bools
    reached: Floats  # share of what is wanted of goals
    gone: Floats  # share of the time for it, weighted by the amounts wanted
    dormancy: NDArray[np.str_]  # a state of marketing.kernels.segments.STATES
    assets_minor: Floats
    idle_minor: Floats
    has_fund: Bools  # one passes every filter of suggestions today; asked only of whose cash lies about
    wants_marketing: Bools
    has_advisor: Bools
    has_email: Bools
    complained: Bools
    opens: NDArray[np.str_]  # the channel whose messages are opened most; "" where none is known
    seen_days: Floats  # since the last visit
    hour: Floats  # of the day, the one most used


@dataclass(frozen=True, slots=True)
class Limits:
    """Idle cash counts from `floor_minor` on and from `share` of the assets on. `quiet`: when nobody is written to."""

    floor_minor: int
    share: float
    quiet: QuietHours


@dataclass(frozen=True, slots=True)
class Decided:
    """By person: a place in RULES, the channel ("" for silence), the hour (-1 where no habit is known), and the score."""

    rule: NDArray[np.int64]
    channel: NDArray[np.str_]
    hour: NDArray[np.int64]
    score: Floats

    @property
    def codes(self) -> list[str]:
        return [CODES[at] for at in self.rule.tolist()]

    @property
    def kinds(self) -> list[str]:
        return [RULES[at][1] for at in self.rule.tolist()]


def decide(facts: Facts, limits: Limits) -> Decided:
    """Decide for everybody at once. The higher a score the sooner: rules in their order, and by urgency within one."""
    with np.errstate(invalid="ignore"):
        holds = _holds(facts, limits)
        rule = np.argmax(np.stack(holds), axis=0).astype(np.int64)
        kinds = np.array([kind for _, kind in RULES])[rule] if len(rule) else np.empty(0, "U8")
        channel = _channel(facts, kinds)
        score = len(RULES) - 1 - rule + np.where(kinds == "silence", 0.0, _urgency(facts, rule))
    return Decided(rule, channel, _hour(facts.hour, channel, limits.quiet), np.round(score, 6))


def has_idle_cash(dormancy: NDArray[np.str_], assets_minor: Floats, idle_minor: Floats, limits: Limits) -> Bools:
    """Whose cash (n,) lies about: of those who are awake, more than a floor and than a share of what they have."""
    awake = np.isin(dormancy, ("new", "active"))
    return np.asarray(awake & (idle_minor >= np.maximum(limits.floor_minor, limits.share * assets_minor)))


def _holds(facts: Facts, limits: Limits) -> list[Bools]:
    """Each rule by itself, in order; the last holds of everybody."""
    asleep = np.isin(facts.dormancy, ("cooling", "dormant"))
    idle = facts.has_fund & has_idle_cash(facts.dormancy, facts.assets_minor, facts.idle_minor, limits)
    lags = (facts.gone >= GONE_ENOUGH) & (facts.gone - facts.reached > BEHIND_ENOUGH)
    return [
        np.isnan(facts.level_days),
        facts.level_days < 0,
        facts.has_proposal,
        (facts.level_days >= 0) & (facts.level_days <= LEVEL_ENDS_WITHIN),
        facts.plan_stopped & (facts.assets_minor > 0),
        lags & (facts.assets_minor > 0),
        asleep & facts.wants_marketing,
        idle & facts.wants_marketing & ~asleep,
        asleep | idle,
        facts.dormancy == "calm",
        facts.dormancy == "lost",
        np.ones(len(facts.level_days), bool),
    ]


def _urgency(facts: Facts, rule: NDArray[np.int64]) -> Floats:
    """From 0 to below 1: the longer run out, the further behind, the larger the amount."""
    places = {code: at for at, code in enumerate(CODES)}
    overdue = np.maximum(np.nan_to_num(-facts.level_days), 0.0)
    found = np.full(len(rule), 0.5)
    found = np.where(rule == places["level_expired"], overdue / (overdue + 365.0), found)
    found = np.where(rule == places["level_ending"], 1 - (np.nan_to_num(facts.level_days) + 1) / (LEVEL_ENDS_WITHIN + 2), found)
    found = np.where(rule == places["goal_behind"], np.nan_to_num(facts.gone - facts.reached) * 0.999, found)
    for code, amount in (("asleep", facts.assets_minor), ("idle_cash", facts.idle_minor)):
        positive = np.maximum(amount, 0.0)
        found = np.where(rule == places[code], positive / (positive + HALFWAY_MINOR), found)
    return np.clip(found, 0.0, 0.999)


def _channel(facts: Facts, kinds: NDArray[np.str_]) -> NDArray[np.str_]:
    """The advisor where it is to be talked over; else what is opened, or e-mail for who has not been here for long; else the inbox."""
    away = ~(facts.seen_days <= AWAY_DAYS)  # also who was never seen
    by_mail = facts.has_email & ~facts.complained & ((facts.opens == "email") | ((facts.opens != "inbox") & away))
    found = np.where(by_mail, "email", "inbox")
    found = np.where(facts.has_advisor & np.isin(kinds, TALKED_OVER), "advisor", found)
    return np.where(kinds == "silence", "", found)


def _hour(habit: Floats, channel: NDArray[np.str_], quiet: QuietHours) -> NDArray[np.int64]:
    """The hour of the person's habit, moved to the nearest at which the channel may be used; -1 where no habit is known."""
    known = np.where(np.isnan(habit), -1, habit).astype(np.int64)
    found = np.where(channel == "", -1, known)
    for name, is_open in (("email", open_hours(quiet)), ("advisor", np.isin(np.arange(24), OFFICE))):
        moved = nearest_hours(is_open)
        of = (channel == name) & (known >= 0)
        found[of] = moved[known[of] % 24]
    return found


def open_hours(quiet: QuietHours) -> Bools:
    """For each hour of the day (24,) whether none of it is quiet."""
    edges = [(time(hour), time(hour, 59, 59)) for hour in range(24)]
    return np.array([not (_is_quiet(first, quiet) or _is_quiet(last, quiet)) for first, last in edges])


def _is_quiet(clock: time, quiet: QuietHours) -> bool:
    if quiet.start > quiet.end:
        return clock >= quiet.start or clock < quiet.end
    return quiet.start <= clock < quiet.end


def nearest_hours(is_open: Bools) -> NDArray[np.int64]:
    """For each hour of the day (24,) the nearest open one around the clock, the earlier of two; -1 where none is open."""
    opened = np.flatnonzero(is_open)
    if not len(opened):
        return np.full(24, -1, np.int64)
    apart = np.abs(np.arange(24)[:, None] - opened[None, :])
    return opened[np.argmin(np.minimum(apart, 24 - apart), axis=1)]
