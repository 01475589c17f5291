"""What simulated people did on the pages of the last half year, as arrays. Pure, and each person's own.

Every draw is a hash of the person's seed and of what is drawn, so that nobody depends on who else there is. Planted: visits
by persona, a taste for categories and one theme, a time of day and a channel that are a habit, some who come at weekends,
some who look at fees. Who joined within the window came before as an unknown visitor; other visitors never signed up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from demo.people import GOALS, Persona
from demo.short_lives import Bools, Floats, Ints, Table

WINDOW_DAYS = 180
DAYS_A_MONTH = 30.4
MOST_VISITS = 150
EVENTS_AN_INVESTOR = 25.0  # on average at scale 1, which is measured: tests/demo/test_clicks.py
STEPS_A_VISIT = 1.22
DAY = 86_400

PAGES = (
    "home", "fund", "fund_list", "order_list", "goal", "inbox", "message", "proposal", "statement", "preferences",
    "account_signup", "onboarding_consents", "onboarding_goal", "onboarding_question", "onboarding_result",
)  # fmt: skip
TRACKS = ("search", "calculator_used", "question_asked", "fees_seen", "page_left")
NAMES = PAGES + TRACKS
(
    HOME, FUND, FUND_LIST, ORDERS, GOAL, INBOX, MESSAGE, PROPOSAL, STATEMENT, PREFERENCES,
    SIGN_UP, CONSENTS, FIRST_GOAL, QUESTION, RESULT, SEARCH, CALCULATOR, ASKED, FEES, LEFT,
) = range(len(NAMES))  # fmt: skip

CHANNELS = ("app", "wechat", "web")
CHANNEL_SHARES = (0.5, 0.28, 0.22)
FAITHFUL = 0.85  # share of visits by a person's own channel, and at 0.7 at their own time
AT_OWN_TIME = 0.7
# Minutes of the day, and how many have the habit.
TIMES = ((20 * 60, 23 * 60, 0.42), (12 * 60, 13 * 60 + 30, 0.20), (7 * 60 + 30, 9 * 60, 0.16), (9 * 60 + 30, 15 * 60, 0.22))
SHARE_OF_WEEKENDERS = 0.25
SHARE_WATCHING_FEES = 0.25
SHARE_LEAVING = 0.3  # of fund pages whose end the browser told
OFTEN, SHARE_FOLLOWED = 4, 0.5  # times that a fund's page was opened, and how many such funds are followed from then on
THEMES = ("health", "technology", "consumer", "energy", "finance", "materials")
TOPICS = ("fees", "risk", "redemption", "proposal", "tax", "account")

STEP_KINDS = (FUND, FUND_LIST, SEARCH, ORDERS, GOAL, INBOX, MESSAGE, PROPOSAL, STATEMENT, CALCULATOR, ASKED, PREFERENCES)
_USUAL = (0.34, 0.10, 0.07, 0.08, 0.13, 0.05, 0.06, 0.04, 0.03, 0.05, 0.03, 0.02)
STEPS: Mapping[Persona, tuple[float, ...]] = {
    Persona.UNDECIDED: (0.38, 0.14, 0.08, 0.00, 0.06, 0.04, 0.04, 0.12, 0.00, 0.08, 0.05, 0.01),
    Persona.SAVER: (0.22, 0.07, 0.04, 0.14, 0.24, 0.05, 0.07, 0.04, 0.05, 0.05, 0.02, 0.01),
    Persona.ACTIVE: (0.44, 0.13, 0.12, 0.11, 0.06, 0.04, 0.03, 0.01, 0.01, 0.02, 0.02, 0.01),
    Persona.PANICKING: (0.40, 0.05, 0.05, 0.14, 0.12, 0.06, 0.08, 0.02, 0.03, 0.01, 0.04, 0.00),
}

# Where people come from: code, medium, campaign, share, and how much likelier those are who trade on their own.
SOURCES = (
    ("direct", "direct", "", 0.20, 1.0), ("wechat", "social", "", 0.16, 0.9), ("wechat", "campaign", "spring-plan", 0.08, 0.5),
    ("douyin", "social", "", 0.12, 2.2), ("xiaohongshu", "social", "", 0.07, 1.2), ("baidu", "organic", "", 0.14, 1.0),
    ("baidu", "campaign", "steady-bonds", 0.05, 0.4), ("bank-branch", "partner", "", 0.10, 0.4), ("friend", "referral", "", 0.08, 1.0),
)  # fmt: skip
VISITOR_SHARE_SIGNING_UP = 0.35


@dataclass(frozen=True)
class Visitors(Table):
    """One entry a person. `entered` is the second of joining, counted from the last midnight in Shanghai, below zero."""

    seed: np.ndarray  # uint64
    persona: Ints  # place in Persona
    visits_a_month: Floats
    entered: Ints
    agrees: Bools  # to profiling
    finished: Bools  # the questionnaire
    liking: Floats  # (n, categories): the less, the more the category is liked


@dataclass(frozen=True)
class Places:
    """What there is to be seen: the category of each fund as a column of `liking`, items of the questionnaire, today's weekday."""

    category: Ints
    n_items: int
    weekday: int  # of the day that began at second 0; Monday is 0
    scale: float = 1.0


@dataclass(frozen=True)
class Clicks(Table):
    """Events in the order of people and time. `visitor` is -1 for the person signed in, 0 for the person before signing up, and
    1, 2, ... for somebody who never did, and came at that time. `item` depends on the kind: fund, theme, topic, number."""

    person: Ints
    second: Ints  # from the last midnight in Shanghai, below zero
    kind: Ints
    item: Ints
    channel: Ints
    visitor: Ints

    def shifted(self, by: int) -> Self:
        """The same of people whose places are counted from elsewhere."""
        return replace(self, person=self.person + by)


def seeds(*parts: Ints | int) -> np.ndarray:
    """A seed of 64 bits for each entry of whole numbers that name a person."""
    key = np.zeros(np.broadcast(*parts).shape, dtype=np.uint64)
    for part in parts:
        key = _mixed(key + np.asarray(part).astype(np.uint64))
    return key


def _mixed(key: np.ndarray) -> np.ndarray:
    """SplitMix64 (Steele, Lea and Flood 2014): neighbouring numbers become unrelated ones."""
    key = key + np.uint64(0x9E3779B97F4A7C15)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


def luck(key: np.ndarray, stream: int) -> Floats:
    """A number in [0, 1) for each key; streams are independent."""
    mixed = _mixed(key ^ np.uint64(stream * 0x2545F4914F6CDD1D & 0xFFFFFFFFFFFFFFFF))
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _chosen(shares: Sequence[float] | np.ndarray, drawn: Floats) -> Ints:
    bounds = np.cumsum(shares)
    return np.minimum(np.searchsorted(bounds / bounds[-1], drawn, side="right"), len(bounds) - 1)


def _poisson(mean: Floats, drawn: Floats, most: int) -> Ints:
    """The Poisson quantile of each number, cut at `most`."""
    count, chance = np.zeros(len(mean), dtype=np.int64), np.exp(-mean)
    below = chance.copy()
    for number in range(1, most + 1):
        more = drawn >= below
        if not more.any():
            break
        count += more
        chance = chance * mean / number
        below = below + chance
    return count


def sources_of(who: Visitors) -> Ints:
    """Where each came from, as a place in SOURCES; the active more often from where they also watch."""
    shares, tilt = (np.array([row[place] for row in SOURCES]) for place in (3, 4))
    drawn, active = luck(who.seed, 1), who.persona == list(Persona).index(Persona.ACTIVE)
    return np.where(active, _chosen(shares * tilt, drawn), _chosen(shares, drawn))


def first_visits(who: Visitors) -> Ints:
    """The second of each person's first visit: up to two weeks before they joined."""
    return who.entered - (120 + luck(who.seed, 2) ** 3 * 14 * DAY).astype(np.int64)


def draw_clicks(who: Visitors, places: Places) -> Clicks:
    """Everything that those who agree did in the window; strangers come with somebody who joined in it."""
    visits, key = _visits(who, places)
    parts = [visits, *_steps(who, visits, key, places), _onboarding(who, places), _before(who), _strangers(who)]
    clicks = Clicks.joined(parts)
    clicks = clicks.taken((clicks.second < -60) & (clicks.second > -WINDOW_DAYS * DAY - 15 * DAY))
    return clicks.taken(np.lexsort((clicks.kind, clicks.second, clicks.person)))


def draw_follows(who: Visitors, clicks: Clicks) -> tuple[Ints, Ints, Ints]:
    """Who follows which fund, and from which second on: some of those whose pages they opened often."""
    own = clicks.taken((clicks.kind == FUND) & (clicks.visitor < 0))
    own = own.taken(np.lexsort((own.second, own.item, own.person)))
    is_first = np.append(True, (own.person[1:] != own.person[:-1]) | (own.item[1:] != own.item[:-1]))[: len(own.person)]
    first = np.flatnonzero(is_first)
    often = first[np.diff(np.append(first, len(own.person))) >= OFTEN]
    key = _mixed(who.seed[own.person[often]] + np.uint64(3000) + own.item[often].astype(np.uint64))
    kept = often[luck(key, 1) < SHARE_FOLLOWED]
    return own.person[kept], own.item[kept], own.second[kept + OFTEN - 1] + 20


def _visits(who: Visitors, places: Places) -> tuple[Clicks, np.ndarray]:
    """The home page of each visit by day and time, and a key of the visit."""
    days = np.minimum(WINDOW_DAYS, -who.entered // DAY)
    mean = np.minimum(places.scale * who.visits_a_month * days / DAYS_A_MONTH, MOST_VISITS)
    n_visits = np.where(who.agrees, _poisson(mean, luck(who.seed, 3), MOST_VISITS), 0)
    person = np.repeat(np.arange(len(n_visits)), n_visits)
    number = np.arange(len(person)) - np.repeat(np.cumsum(n_visits) - n_visits, n_visits)
    key = _mixed(who.seed[person] + np.uint64(1000) + number.astype(np.uint64))
    day = 1 + (luck(key, 1) * days[person]).astype(np.int64)
    weekday = (places.weekday - day) % 7
    weekends = luck(who.seed, 4)[person] < SHARE_OF_WEEKENDERS
    # Those who come at weekends move most of their other visits to the weekend before; others half of theirs into the week.
    to_weekend = (weekday < 5) & weekends & (luck(key, 2) < 0.7)
    away = (weekday >= 5) & ~weekends & (luck(key, 2) < 0.5)
    day = day + np.where(to_weekend, weekday + 1 + (luck(key, 3) < 0.5), 0)
    day = day + np.where(away, weekday - 4 + (luck(key, 3) * 5).astype(np.int64), 0)
    own = luck(key, 4) < AT_OWN_TIME
    habit = _chosen([share for _, _, share in TIMES], np.where(own, luck(who.seed, 5)[person], luck(key, 5)))
    start, end = (np.array([row[place] for row in TIMES])[habit] for place in (0, 1))
    second = -DAY * day + (60 * (start + luck(key, 6) * (end - start))).astype(np.int64)
    channel = _chosen(CHANNEL_SHARES, np.where(luck(key, 7) < FAITHFUL, luck(who.seed, 6)[person], luck(key, 8)))
    after = second > who.entered[person] + 900
    visits = Clicks(person, second, np.full(len(person), HOME), np.full(len(person), -1), channel, np.full(len(person), -1))
    return visits.taken(after), key[after]


def _steps(who: Visitors, visits: Clicks, key: np.ndarray, places: Places) -> list[Clicks]:
    """What is looked at after the home page, and what a fund page is followed by."""
    n_steps = _poisson(np.full(len(key), STEPS_A_VISIT), luck(key, 9), 8)
    of = np.repeat(np.arange(len(key)), n_steps)
    number = np.arange(len(of)) - np.repeat(np.cumsum(n_steps) - n_steps, n_steps)
    key = _mixed(key[of] + np.uint64(7) + number.astype(np.uint64))
    person, channel = visits.person[of], visits.channel[of]
    second = visits.second[of] + 50 * (number + 1) + (luck(key, 1) * 40).astype(np.int64)
    mixes = np.cumsum([STEPS.get(persona, _USUAL) for persona in Persona], axis=1)
    kind = np.array(STEP_KINDS)[np.minimum((luck(key, 2)[:, None] >= mixes[who.persona[person]]).sum(axis=1), len(STEP_KINDS) - 1)]
    steps = Clicks(person, second, kind, _items(who, person, kind, key, places), channel, np.full(len(of), -1))
    fund = steps.kind == FUND
    watches = luck(who.seed, 7)[person] < SHARE_WATCHING_FEES
    looks = fund & (luck(key, 5) < np.where(watches, 0.6, 0.06))
    leaves = fund & (luck(key, 6) < SHARE_LEAVING)
    fees, left = steps.taken(looks), steps.taken(leaves)
    stayed = (4 + 36 * luck(key[leaves], 7) ** 2).astype(np.int64)
    return [
        steps,
        Clicks(fees.person, fees.second + 4, np.full(len(fees.kind), FEES), fees.item, fees.channel, fees.visitor),
        Clicks(left.person, left.second + stayed, np.full(len(left.kind), LEFT), stayed, left.channel, left.visitor),
    ]


def _items(who: Visitors, person: Ints, kind: Ints, key: np.ndarray, places: Places) -> Ints:
    """What each step was about: mostly a fund of a liked category, mostly the theme that one follows."""
    fund_noise = _mixed(who.seed[:, None] + np.arange(1, len(places.category) + 1, dtype=np.uint64)) >> np.uint64(11)
    liked = np.argsort(who.liking[:, places.category] + fund_noise * 2.0**-53 * 0.15, axis=1)
    rank = np.minimum((-2.5 * np.log1p(-luck(key, 3))).astype(np.int64), len(places.category) - 1)
    theme = _chosen(np.ones(len(THEMES)), np.where(luck(key, 4) < 0.7, luck(who.seed, 8)[person], luck(key, 8)))
    item = np.where(kind == FUND, liked[person, rank], -1)
    item = np.where(kind == SEARCH, theme, item)
    item = np.where(kind == CALCULATOR, (luck(key, 3) * len(GOALS)).astype(np.int64), item)
    return np.where(kind == ASKED, _chosen((3, 2, 2, 1, 1, 1), luck(key, 3)), item)


def _onboarding(who: Visitors, places: Places) -> Clicks:
    """The way in of those who joined within the window: agreements, goal, questions one by one, result."""
    new = np.flatnonzero(who.agrees & (who.entered > -WINDOW_DAYS * DAY))
    path = [CONSENTS, FIRST_GOAL, *[QUESTION] * places.n_items, RESULT]
    answered = np.where(who.finished[new], len(path), 2 + (luck(who.seed[new], 9) * places.n_items).astype(np.int64))
    step = np.arange(len(path))
    there = step < answered[:, None]
    row, step = np.nonzero(there)
    person = new[row]
    second = who.entered[person] + 30 + 25 * step + (luck(who.seed[person] + step.astype(np.uint64), 10) * 20).astype(np.int64)
    channel = _chosen(CHANNEL_SHARES, luck(who.seed[person], 6))
    kind = np.array(path)[step]
    return Clicks(person, second, kind, np.where(kind == QUESTION, step - 2, -1), channel, np.full(len(person), -1))


def _before(who: Visitors) -> Clicks:
    """Visits before signing up, of those whose history was joined to them: the first one, some later, and the form itself."""
    new = np.flatnonzero(who.agrees & (who.entered > -WINDOW_DAYS * DAY))
    first, form = first_visits(who)[new], who.entered[new] - 60
    later = form - ((form - first) * luck(who.seed[new], 11)).astype(np.int64)
    again = luck(who.seed[new], 12) < 0.4
    person = np.concatenate([new, new[again], new])
    second = np.concatenate([first, later[again], form])
    kind = np.concatenate([np.full(len(new), HOME), np.full(int(again.sum()), HOME), np.full(len(new), SIGN_UP)])
    return _unknown(who, person, second, kind, np.zeros(len(person), dtype=np.int64))


def _strangers(who: Visitors) -> Clicks:
    """Visitors who never signed up, about two for one who did; some of them opened the form."""
    new = np.flatnonzero(who.entered > -WINDOW_DAYS * DAY)
    n = np.rint(luck(who.seed[new], 13) * 2 * (1 / VISITOR_SHARE_SIGNING_UP - 1)).astype(np.int64)
    person = np.repeat(new, n)
    visitor = 1 + np.arange(len(person)) - np.repeat(np.cumsum(n) - n, n)
    key = _mixed(who.seed[person] + np.uint64(50) + visitor.astype(np.uint64))
    second = np.minimum(who.entered[person] + ((luck(key, 1) - 0.5) * 6 * DAY).astype(np.int64), -120)
    opens = luck(key, 2) < 0.3
    kind = np.concatenate([np.full(len(person), HOME), np.full(int(opens.sum()), SIGN_UP)])
    return _unknown(
        who,
        np.concatenate([person, person[opens]]),
        np.concatenate([second, second[opens] + 40]),
        kind,
        np.concatenate([visitor, visitor[opens]]),
    )


def _unknown(who: Visitors, person: Ints, second: Ints, kind: Ints, visitor: Ints) -> Clicks:
    channel = np.full(len(person), CHANNELS.index("web"))
    return Clicks(person, second, kind, np.full(len(person), -1), channel, visitor)
