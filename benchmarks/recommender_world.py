"""Simulated people with tastes, as the nightly recommender reads them: each likes two kinds of funds, and looks mostly at these.

Made in bulk by a seed, on either database. People have a level in force and agreed to profiling; a tenth of the looks are
purchases. What somebody likes is a function of their place, so that it can be asked afterwards what was found.
"""

import json
from datetime import timedelta
from typing import Any

import numpy as np

BLOCK = 20_000  # people written at once
KINDS, DAYS = 20, 600
TOGETHER = 0.7  # correlation of two funds of a kind
LIKED_SHARE = 0.85  # of looks; the others go where everybody looks
PURCHASES = 0.1
CLASSES = ("money_market", "bond", "mixed", "equity", "sector_equity")


def likes(places: Any, kinds: int = KINDS) -> Any:
    """The two kinds (n, 2) that the people at these places like."""
    return np.stack([places % kinds, (places // kinds) % (kinds - 1) + 1 + places % kinds], axis=1) % kinds


def write_night(n: int, n_funds: int, n_events: int, seed: int = 11, *, kinds: int = KINDS, days: int = DAYS) -> None:
    """Write n people, so many funds of the current pool, and so many looks and purchases of theirs in the last days."""
    from django.utils import timezone

    from marketing.services import make_event_partitions

    random = np.random.default_rng(seed)
    make_event_partitions(since=timezone.localdate() - timedelta(days=days + 1))
    funds, codes = _write_funds(n_funds, kinds)
    approve_plans()
    often = np.arange(1, n_funds + 1) ** -0.4  # by place: the kinds take turns
    by_kind = [np.flatnonzero(np.arange(n_funds) % kinds == kind) for kind in range(kinds)]
    activity = random.lognormal(0, 0.6, n)
    household = _household()
    counts = random.multinomial(n_events, activity / activity.sum())
    for first in range(0, n, BLOCK):
        last = min(first + BLOCK, n)
        investors, portfolios = _write_people(first, last, household)
        who = np.repeat(np.arange(last - first), counts[first:last])
        fund = _looked_at(who + first, often, by_kind, random)
        _write_looks(who, fund, days, investors, portfolios, funds, codes, random)


def _looked_at(person: Any, often: Any, by_kind: list[Any], random: Any) -> Any:
    everywhere = np.cumsum(often)
    fund = np.searchsorted(everywhere, random.random(len(person)) * everywhere[-1])
    follows = random.random(len(person)) < LIKED_SHARE
    kind = likes(person, len(by_kind))[np.arange(len(person)), random.integers(0, 2, len(person))]
    for at, funds in enumerate(by_kind):
        rows = np.flatnonzero(follows & (kind == at))
        within = np.cumsum(often[funds])
        fund[rows] = funds[np.searchsorted(within, random.random(len(rows)) * within[-1])]
    return fund


def _write_funds(n: int, kinds: int) -> tuple[Any, list[str]]:
    from portfolios.models import Fund, Pool, PoolFund

    made = [
        Fund(code=f"N{at:05d}", name_en=f"Simulated {at}", category=f"kind{at % kinds}", asset_class=CLASSES[at % 5],
             risk_grade=1 + at % 5, company=f"Company {at % 60}", source="simulated", is_simulated=True, purchase_fee_bps=0)
        for at in range(n)
    ]  # fmt: skip
    Fund.objects.bulk_create(made)
    pool = Pool.objects.create(name="Simulated", is_current=True)
    PoolFund.objects.bulk_create(PoolFund(pool=pool, fund=fund) for fund in made)
    return np.array([fund.pk for fund in made], np.int64), [fund.code for fund in made]


def approve_plans(n_funds: int = 60, seed: int = 5) -> None:
    """A set of models of the first funds of the pool as it would have been approved: what a purchase is measured against.

    Returns of half the funds are above those of the plans, so that about half of what is proposed fits; those of one kind move together.
    """
    from dataclasses import asdict

    from django.utils import timezone

    from portfolios.jurisdictions import jurisdiction
    from portfolios.models import Fund, ModelPortfolio, ModelSet, ModelWeight, Pool
    from portfolios.selectors.model_sets import facts_of

    random = np.random.default_rng(seed)
    funds = list(Fund.objects.filter(pools__is_current=True).order_by("code")[:n_funds])
    mean = 0.03 + 0.01 * random.standard_normal(len(funds))
    spread, kind = random.uniform(0.01, 0.05, len(funds)), np.array([fund.category for fund in funds])
    cov = np.outer(spread, spread) * np.where(kind[:, None] == kind[None, :], TOGETHER, 0.0)
    np.fill_diagonal(cov, spread**2)
    made = ModelSet.objects.create(
        pool=Pool.objects.get(is_current=True), state=ModelSet.State.APPROVED, status="done", is_current=True, rules_version="simulated",
        data_date=timezone.localdate(), decided_at=timezone.now(), codes=[fund.code for fund in funds],
        mean=mean.astype("<f8").tobytes(), cov=cov.astype("<f8").tobytes(), funds=[asdict(facts_of(fund)) for fund in funds],
    )  # fmt: skip
    bins = list(enumerate(jurisdiction().horizon_bins))
    for level, rule in jurisdiction().levels.items():
        held = [fund for fund in funds if fund.risk_grade <= rule.max_grade][:5]
        for place, one in bins:
            model = ModelPortfolio.objects.create(
                model_set=made, level=level, horizon_bin=place, horizon_years=one.years, cvar_limit=0.5, gamma=2.0, cvar=0.5
            )
            weight = {"weight": 1 / len(held), "low": 0.0, "high": 1.0, "held_share": 1.0}
            ModelWeight.objects.bulk_create(ModelWeight(portfolio=model, fund=fund, **weight) for fund in held)


def _household() -> int:
    from advisor.models import Branch, Household

    return Household.objects.create(name="Simulated", branch=Branch.objects.create(name="Simulated")).pk


def _write_people(first: int, last: int, household: int) -> tuple[Any, Any]:
    from django.utils import timezone

    from advisor.models import Account, Consent, Goal, Investor
    from demo.services.rows import Rows, next_keys
    from identity.models import User
    from portfolios.models import Portfolio

    n, rows, now = last - first, Rows(), np.datetime64("now", "s")
    users, investors, accounts, portfolios = (next_keys(model, n) for model in (User, Investor, Account, Portfolio))
    rows.add(User, n, id=users, email=[f"n{k}@example.com" for k in range(first, last)], password="!", date_joined=np.full(n, now))
    rows.add(
        Investor, n, id=investors, user_id=users, household_id=household, pseudonym=[f"N{k}" for k in range(first, last)],
        level=1 + np.arange(first, last) % 5, level_valid_until=(timezone.localdate() + timedelta(days=300)).isoformat(),
        is_simulated=True, joined_at=np.full(n, now),
    )  # fmt: skip
    rows.add(Consent, n, investor_id=investors, purpose="profiling", is_given=True, source="simulated", at=np.full(n, now))
    rows.add(Account, n, id=accounts, investor_id=investors, opened_at=np.full(n, now))
    rows.add(Portfolio, n, id=portfolios, opened_at=np.full(n, now))
    rows.add(
        Goal, n, account_id=accounts, portfolio_id=portfolios, name="Pot", kind="wealth", amount_minor=100, target_date="2040-01-01",
        made_at=np.full(n, now),
    )  # fmt: skip
    rows.write()
    return investors, portfolios


def _write_looks(who: Any, fund: Any, days: int, investors: Any, portfolios: Any, funds: Any, codes: list[str], random: Any) -> None:
    from demo.services.rows import Rows
    from marketing.models import Event
    from portfolios.models import Order

    at = np.datetime64("now", "s") - random.integers(60, days * 86_400, len(who)).astype("timedelta64[s]")
    buys = random.random(len(who)) < PURCHASES
    texts = np.array([json.dumps({"code": code}) for code in codes], object)
    looks, bought, rows = np.flatnonzero(~buys), np.flatnonzero(buys), Rows()
    rows.add(
        Event, len(looks), message_id=_ids(len(looks), random), investor_id=investors[who[looks]], type="page", name="fund",
        properties=texts[fund[looks]].tolist(), channel="web", occurred_at=at[looks], sent_at=at[looks], received_at=at[looks],
        anonymous_id="",
    )  # fmt: skip
    rows.add(
        Order, len(bought), portfolio_id=portfolios[who[bought]], fund_id=funds[fund[bought]], side="buy", origin="investor",
        state="confirmed", amount_minor=100_000, units_centi=100_000, clearance_id=_ids(len(bought), random),
        idempotency_key=_ids(len(bought), random), placed_at=at[bought],
    )  # fmt: skip
    rows.write()


def _ids(n: int, random: Any) -> list[str]:
    """Random UUIDs as the database keeps them."""
    from django.db import connection

    high, low = random.integers(0, 2**62, n).tolist(), random.integers(0, 2**62, n).tolist()
    made = [f"{a:016x}{b:016x}" for a, b in zip(high, low, strict=True)]
    return made if connection.vendor == "sqlite" else [f"{one[:8]}-{one[8:12]}-{one[12:16]}-{one[16:20]}-{one[20:]}" for one in made]
