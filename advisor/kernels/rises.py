"""When somebody may answer again, and how far an assessment may raise a level, as pure rules on dates.

Every rule has a name; `advisor.selectors.level_words` has its sentence.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median

NO_LEVEL_YET, NOT_A_RISE, COOLING_OFF, TWO_LEVELS = "first_level", "no_rise", "cooling_off", "two_levels"
HELD, BLOCKED_PURCHASE, RECENT_RISE, PORTFOLIO_DOWN = "held", "blocked_purchase", "recent_rise", "portfolio_down"
DAY_LIMIT, YEAR_LIMIT = "day_limit", "year_limit"


@dataclass(frozen=True)
class AttemptRules:
    """How often somebody may complete an assessment, in days and months of the jurisdiction's own calendar."""

    a_day: int
    a_window: int
    window_months: int


@dataclass(frozen=True)
class RiseRules:
    cooling_off_hours: int
    days_after_rise: int
    days_after_fall: int
    confirmed_from: int  # levels at once that an advisor has to confirm


@dataclass(frozen=True)
class RiseFacts:
    """What may stand against a rise today. Each date is the last day on which it does, None where there is none."""

    held_until: date | None = None
    blocked_purchase_until: date | None = None
    last_rise: date | None = None
    last_fall: date | None = None  # the portfolio was found down by a fifth


@dataclass(frozen=True)
class Rise:
    """What an assessment does to the level in force: `granted` at once, `pending` later.

    `rule` names what decided: first_level, no_rise, cooling_off, two_levels, or what kept the old level (`is_kept`), and
    `until` is then the last day on which it does.
    """

    granted: int
    rule: str
    pending: int | None = None
    takes_effect_at: datetime | None = None
    until: date | None = None

    @property
    def is_kept(self) -> bool:
        return self.rule in {HELD, BLOCKED_PURCHASE, RECENT_RISE, PORTFOLIO_DOWN}

    @property
    def needs_confirmation(self) -> bool:
        return self.rule == TWO_LEVELS


@dataclass(frozen=True)
class Attempts:
    """Whether an attempt is left; else the limit that was met and the first day on which it is over."""

    is_left: bool
    limit: str = ""
    free_on: date | None = None


def add_months(day: date, months: int) -> date:
    """The same day of the month so many months later, or the month's last day where it has none."""
    total = day.month - 1 + months
    year, month = day.year + total // 12, total % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def attempts_left(completed: Iterable[date], today: date, rules: AttemptRules) -> Attempts:
    """Say whether one more assessment may be completed today, given the local days of those completed before.

    One counts until the same day of the month `window_months` later, that day not included; where that month has no such
    day, to its end. Days after today, of a clock that was set back, count as today.
    """
    days = sorted(min(day, today) for day in completed)
    over = [_counts_until(day, rules.window_months) for day in days]
    if days.count(today) >= rules.a_day:
        free_on = today + timedelta(days=1)
        if sum(end > free_on for end in over) < rules.a_window:
            return Attempts(False, DAY_LIMIT, free_on)
    in_window = [end for end in over if end > today]
    if len(in_window) >= rules.a_window:
        return Attempts(False, YEAR_LIMIT, in_window[-rules.a_window])
    return Attempts(True)


def _counts_until(day: date, months: int) -> date:
    end = add_months(day, months)
    return end if end.day == day.day else end + timedelta(days=1)  # 29 February is over on 1 March: its 12 months are whole then


def decide_rise(old: int | None, new: int, now: datetime, today: date, facts: RiseFacts, rules: RiseRules) -> Rise:
    """Decide what a completed assessment does to the level in force. A fall and a first level take effect at once.

    `today` is the local day of `now`. A rise that something stands against is not kept for later: only another assessment
    raises the level then.
    """
    if old is None:
        return Rise(new, NO_LEVEL_YET)
    if new <= old:
        return Rise(new, NOT_A_RISE)
    against = {
        HELD: facts.held_until,
        BLOCKED_PURCHASE: facts.blocked_purchase_until,
        RECENT_RISE: _last_day(facts.last_rise, rules.days_after_rise),
        PORTFOLIO_DOWN: _last_day(facts.last_fall, rules.days_after_fall),
    }
    for rule, until in against.items():
        if until is not None and today <= until:
            return Rise(old, rule, until=until)
    rule = TWO_LEVELS if new - old >= rules.confirmed_from else COOLING_OFF
    return Rise(old, rule, pending=new, takes_effect_at=now + timedelta(hours=rules.cooling_off_hours))


def _last_day(since: date | None, n_days: int) -> date | None:
    return None if since is None else since + timedelta(days=n_days - 1)


def is_careless(seconds: Mapping[str, float], positions: Mapping[str, int], *, fewest: int, fastest: float, same_place: int) -> bool:
    """Whether a sheet was clicked through: a median below `fastest` seconds an item, or `same_place` answers at one place of the screen.

    Of fewer than `fewest` timed items nothing is said: a sheet that came without a browser has none.
    """
    is_fast = len(seconds) >= fewest and median(seconds.values()) < fastest
    places = list(positions.values())
    return is_fast or max((places.count(place) for place in places), default=0) >= same_place
