"""Simulated people with everything that a segment can ask of: profiles, tags, events, orders, holdings, messages, consents.

Made in bulk by a seed, on either database. Corners are dealt on purpose: unknown values, moments at midnight in Shanghai, two
answers to one consent at the same moment, properties of one name and several types, people without a profile or tags.
"""

import json
from typing import Any

import numpy as np

BLOCK = 50_000
EVENTS = ("fund", "search", "fund_list", "purchase_new", "calculator_used", "fees_seen")
PROPERTIES = [
    {"code": "000001", "n": 1}, {"code": "000002", "n": 2}, {"n": "1"}, {"n": True}, {"n": "true"}, {"n": 1.0}, {"n": None}, {},
    {"n": [1]}, {"n": "[1]"}, {"theme": "黄金𠮷😀"}, {"theme": "it's \"quoted\" %s"},
]  # fmt: skip
CHANNELS = ("web", "app", "wechat")
CLASSES = ("money_market", "bond", "equity", "gold")
MIDNIGHT = 16 * 3600  # UTC second of Shanghai's midnight


def write_world(n: int, n_events: int, seed: int = 5, n_orders: int | None = None) -> None:
    """Write n people with so many events; a tenth as many orders unless told, a message for every second person."""
    random = np.random.default_rng(seed)
    people, portfolios, funds = _people(n, random)
    for model, total, write in (("order", n_events // 5 if n_orders is None else n_orders, _orders), ("event", n_events, _events)):
        for start in range(0, total, BLOCK * 2):
            write(min(BLOCK * 2, total - start), people, portfolios, funds, random, f"{model}{start}")
    _holdings(portfolios, funds, random)
    _messages(people, random)


def _moments(n: int, random: Any, days: int = 400) -> Any:
    """Moments of the last days, some of them at midnight in Shanghai to the second."""
    now = np.datetime64("now", "s")
    at = now - random.integers(0, days * 86_400, n).astype("timedelta64[s]")
    midnight = at.astype("datetime64[D]").astype("datetime64[s]") - np.timedelta64(86_400 - MIDNIGHT, "s")
    return np.where(random.random(n) < 0.05, midnight, at)


def _some(values: Any, random: Any, share: float = 0.15) -> list[Any]:
    """The values with some of them unknown."""
    return [None if gone else value for value, gone in zip(values.tolist(), (random.random(len(values)) < share).tolist(), strict=True)]


def _people(n: int, random: Any) -> tuple[Any, Any, Any]:
    from advisor.models import Branch, Household
    from portfolios.models import Fund

    branch = Branch.objects.create(name="Simulated")
    household = Household.objects.create(name="Simulated", branch=branch)
    made = [
        Fund(code=f"{at:06d}", category=("money", "bond", "equity", "gold")[at % 4], asset_class=CLASSES[at % 4], risk_grade=1 + at % 5,
             company=f"Company {at % 7}", source="simulated", is_simulated=True)
        for at in range(40)
    ]  # fmt: skip
    funds = np.array([fund.pk for fund in Fund.objects.bulk_create(made)], np.int64)
    blocks = [_block(range(start, min(start + BLOCK, n)), household.pk, random) for start in range(0, n, BLOCK)]
    return np.concatenate([one for one, _ in blocks]), np.concatenate([two for _, two in blocks]), funds


def _block(numbers: range, household: int, random: Any) -> tuple[Any, Any]:
    from advisor.models import Account, Goal, Investor
    from demo.services.rows import Rows, next_keys
    from identity.models import User
    from portfolios.models import Portfolio

    n, rows, now = len(numbers), Rows(), np.datetime64("now", "s")
    users, investors, accounts, portfolios = (next_keys(model, n) for model in (User, Investor, Account, Portfolio))
    rows.add(User, n, id=users, email=[f"s{k}@example.com" for k in numbers], password="!", date_joined=np.full(n, now))
    rows.add(
        Investor, n, id=investors, user_id=users, household_id=household, pseudonym=[f"S{k}" for k in numbers],
        level=_some(random.integers(0, 6, n), random), is_simulated=True, joined_at=_moments(n, random),
    )  # fmt: skip
    rows.add(Account, n, id=accounts, investor_id=investors, opened_at=np.full(n, now))
    rows.add(Portfolio, n, id=portfolios, opened_at=np.full(n, now))
    rows.add(
        Goal, n, account_id=accounts, portfolio_id=portfolios, name="Pot", kind="wealth", amount_minor=100, target_date="2040-01-01",
        made_at=np.full(n, now),
    )  # fmt: skip
    _consents(rows, investors, random)
    _profiles(rows, investors[random.random(n) < 0.98], random)
    _tag_words(rows, investors[random.random(n) < 0.95], random)
    rows.write()
    return investors, portfolios


def _consents(rows: Any, investors: Any, random: Any) -> None:
    from advisor.models import Consent

    for purpose, share in (("profiling", 0.8), ("marketing", 0.6)):
        asked = investors[random.random(len(investors)) < 0.95]
        at = _moments(len(asked), random)
        given = random.random(len(asked)) < share
        rows.add(Consent, len(asked), investor_id=asked, purpose=purpose, is_given=given, source="simulated", at=at)
        again = random.random(len(asked)) < 0.2
        later = at[again] + random.integers(0, 3, again.sum()).astype("timedelta64[s]")  # also at the very same moment
        given = random.random(int(again.sum())) < 0.5
        rows.add(Consent, int(again.sum()), investor_id=asked[again], purpose=purpose, is_given=given, source="simulated", at=later)


def _profiles(rows: Any, investors: Any, random: Any) -> None:
    from marketing.models import Profile

    n = len(investors)
    today = np.datetime64("today", "D")
    visits = np.where(random.random(n) < 0.15, np.datetime64("NaT"), _moments(n, random))
    goals = today + random.integers(-200, 400, n).astype("timedelta64[D]")
    goals = np.where(random.random(n) < 0.15, np.datetime64("NaT"), goals)
    rows.add(
        Profile, n, investor_id=investors, refreshed_at=np.full(n, np.datetime64("now", "s")),
        dormancy=random.choice(["new", "active", "calm", "cooling", "dormant", "lost"], n),
        assets_minor=random.integers(0, 50_000_000, n), idle_cash_minor=random.integers(0, 20, n) * 100_000,
        net_flow_90d_minor=random.integers(-5_000_000, 5_000_000, n), n_holdings=random.integers(0, 6, n),
        p_alive=_some(random.random(n).round(3), random), language=random.choice(["zh-hans", "en", ""], n),
        goal_kind=random.choice(["home", "education", ""], n), top_category=random.choice(["equity", "bond", ""], n),
        elder_mode=random.random(n) < 0.1, last_visit_at=visits, bucket_seed=random.integers(0, 2**31 - 1, n),
        joined_date=today - random.integers(0, 2_000, n).astype("timedelta64[D]"),
        first_goal_date=goals,
        n_visits_30d=random.integers(0, 20, n),
    )  # fmt: skip


def _tag_words(rows: Any, investors: Any, random: Any) -> None:
    from marketing.models import TagWords

    words = {f"w{word}": random.integers(0, 2**60, len(investors)) for word in (0, 3)}
    rows.add(TagWords, len(investors), investor_id=investors, **words)


def make_tags() -> None:
    """Four tags at the first and last bits of two words; two of them only of people who agree to profiling."""
    from marketing.models import Tag

    tags = [("t-a", 0, 0, "plain"), ("t-b", 0, 59, "profiling"), ("t-c", 3, 31, "plain"), ("t-d", 3, 32, "profiling")]
    for code, word, bit, kind in tags:
        Tag.objects.create(code=code, name_zh=code, name_en=code, group="test", rule={}, word=word, bit=bit, sensitivity=kind)


def _events(n: int, people: Any, portfolios: Any, funds: Any, random: Any, prefix: str) -> None:
    from demo.services.rows import Rows
    from marketing.models import Event

    at = _moments(n, random)
    late = random.integers(0, 3 * 86_400, n).astype("timedelta64[s]") * (random.random(n) < 0.05)
    texts = np.array([json.dumps(one) for one in PROPERTIES], object)
    rows = Rows()
    rows.add(
        Event, n, message_id=_uuids(n, random), investor_id=_some(people[random.integers(0, len(people), n)], random, 0.1),
        type="track", name=random.choice(EVENTS, n, p=[0.4, 0.2, 0.2, 0.1, 0.06, 0.04]),
        properties=texts[random.integers(0, len(texts), n)].tolist(),
        channel=random.choice(CHANNELS, n), occurred_at=at, received_at=np.minimum(at + late, np.datetime64("now", "s")),
    )  # fmt: skip
    rows.write()


def _uuids(n: int, random: Any) -> list[str]:
    from uuid import UUID

    high, low = random.integers(0, 2**62, n).tolist(), random.integers(0, 2**62, n).tolist()
    hexes = (f"{a:016x}{b:016x}" for a, b in zip(high, low, strict=True))
    from django.db import connection

    return [one if connection.vendor == "sqlite" else str(UUID(one)) for one in hexes]


def _orders(n: int, people: Any, portfolios: Any, funds: Any, random: Any, prefix: str) -> None:
    from demo.services.rows import Rows
    from portfolios.models import Order

    rows, is_buy = Rows(), random.random(n) < 0.7
    ended, dropped = np.where(is_buy, "confirmed", "paid"), random.random(n)
    state = np.where(dropped < 0.1, "rejected", np.where(dropped < 0.2, "cancelled", ended))
    at = _moments(n, random)
    rows.add(
        Order, n, portfolio_id=portfolios[random.integers(0, len(portfolios), n)], fund_id=funds[random.integers(0, len(funds), n)],
        side=np.where(is_buy, "buy", "sell"),
        origin=random.choice(["investor", "proposal", "override", "plan"], n, p=[0.3, 0.2, 0.05, 0.45]),
        state=state, amount_minor=100, units_centi=100, clearance_id=_uuids(n, random),
        idempotency_key=[f"{prefix}-{k}" for k in range(n)], placed_at=at,
    )  # fmt: skip
    rows.write()


def _holdings(portfolios: Any, funds: Any, random: Any) -> None:
    from demo.services.rows import Rows
    from portfolios.models import Holding

    for start in range(0, len(portfolios), BLOCK):
        rows, some = Rows(), portfolios[start : start + BLOCK]
        for at in range(2):
            some = some[random.random(len(some)) < 0.7]
            fund = funds[at * 20 + random.integers(0, 20, len(some))]
            units = random.integers(0, 5, len(some)) * 100
            rows.add(Holding, len(some), portfolio_id=some, fund_id=fund, units_centi=units, cost_minor=100)
        rows.write()


def _messages(people: Any, random: Any) -> None:
    from demo.services.rows import Rows
    from marketing.models import Campaign, CampaignStep, Delivery, Segment

    segment = Segment.objects.create(name="Simulated", rule={"version": 1, "rule": {"field": "n_holdings", "at_least": 0}})
    for number in range(2):
        campaign = Campaign.objects.create(name=f"Simulated {number}", segment=segment)
        step = CampaignStep.objects.create(campaign=campaign, channels=["inbox"], subject_zh="x", subject_en="x", body_zh="x", body_en="x")
        for start in range(0, len(people), BLOCK):
            rows, some = Rows(), people[start : start + BLOCK]
            some = some[random.random(len(some)) < 0.4]
            n = len(some)
            ended = _moments(n, random)
            status = random.choice(["sent", "failed", "suppressed"], n, p=[0.8, 0.05, 0.15])
            opened = np.where((random.random(n) < 0.5) | (status != "sent"), np.datetime64("NaT"), ended)
            rows.add(
                Delivery, n, campaign_id=campaign.pk, step_id=step.pk, channel="inbox", investor_id=some, status=status,
                idempotency_key=_uuids(n, random), queued_at=ended, ended_at=ended, opened_at=opened,
            )  # fmt: skip
            rows.write()
