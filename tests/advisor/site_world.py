"""A small market with real histories, and a client with a goal and a finished proposal, for the advisors' pages."""

from datetime import timedelta

import numpy as np
from django.utils import timezone

from advisor.instruments import load_instrument
from advisor.models import Account, Assessment, Goal, Investor, Proposal
from advisor.selectors.overrides import price_of, price_sha
from portfolios.kernels.types import FundHistory
from portfolios.models import Fund, Pool, PoolFund
from portfolios.services import store_histories
from tests.portfolios.models_world import approve_current_models

REASON = "She sells her flat next spring."
# Two of each kind in the pool; index funds swing widely, so that a heap of them breaks the loss budget of C3.
KINDS = {
    "MM": ("money", "money_market", 1, 0.002),
    "BO": ("bond", "bond", 2, 0.03),
    "IX": ("index", "equity", 3, 0.45),
    "EQ": ("equity", "equity", 4, 0.30),
}
PROPOSED = {"MM1": 0.4, "BO1": 0.2, "BO2": 0.2, "BO3": 0.1, "IX1": 0.05, "IX2": 0.05}
CHOSEN = {"MM1": 0.4, "BO1": 0.2, "BO2": 0.2, "BO3": 0.1, "IX1": 0.1}


def make_market() -> None:
    funds = [
        Fund(
            code=f"{kind}{n}", name_en=f"Fund {kind}{n}", name_zh=f"基金{kind}{n}", category=category, asset_class=asset_class,
            risk_grade=grade, source="test", annual_fee_bps=50, purchase_fee_bps=15,
        )
        for kind, (category, asset_class, grade, _) in KINDS.items()
        for n in range(1, 7)
    ]  # fmt: skip
    Fund.objects.bulk_create(funds)
    last = timezone.localdate() - timedelta(days=1)
    days = np.array([last.toordinal() - n for n in range(1100) if (last - timedelta(days=n)).weekday() < 5][::-1])
    rng = np.random.default_rng(7)
    histories = []
    for fund in funds:
        volatility = KINDS[fund.code[:2]][3]
        growth = np.exp(np.cumsum(rng.normal(0.0001, volatility / 16, len(days))))
        histories.append(FundHistory(fund.code, days, np.maximum(1, (1e6 * growth)).astype(np.int64), growth / growth[0]))
    store_histories(histories)
    pool = Pool.objects.create(name="Test pool", is_current=True)
    # The sixth of each kind stays outside the pool; the fifth is closed.
    PoolFund.objects.bulk_create([PoolFund(pool=pool, fund=fund) for fund in Fund.objects.exclude(code__endswith="6")])
    Fund.objects.filter(code__endswith="5").update(is_open=False)
    approve_current_models()


def make_assessment(investor: Investor, level: int = 3) -> Assessment:
    instrument = load_instrument("standard@1")
    return Assessment.objects.create(
        investor=investor, state=Assessment.State.COMPLETED, instrument=instrument.key, instrument_sha256=instrument.sha256,
        answers={item.code: item.options[-1].code for item in instrument.items}, amount_minor=10_000_000, tolerance=55.5, capacity=61.2,
        score=56.9, raw_level=level, level=level, stated_loss=0.2, completed_at=timezone.now(),
        working={"caps": [{"name": "loss_20", "level": 3, "binds": True}], "gate": None},
    )  # fmt: skip


def give_level(investor: Investor, level: int = 3, days: int = 200) -> None:
    investor.level, investor.level_valid_until = level, timezone.localdate() + timedelta(days=days)
    investor.save()


def make_goal(investor: Investor, **fields) -> Goal:
    account = Account.objects.filter(investor=investor).first() or Account.objects.create(investor=investor)
    said = {"name": "House", "kind": "home", "amount_minor": 10_000_000, "target_date": timezone.localdate() + timedelta(days=3650)}
    return Goal.objects.create(account=account, **(said | fields))


def make_proposal(goal: Goal, level: int = 3, weights: dict | None = None, **fields) -> Proposal:
    assessment = Assessment.objects.filter(investor=goal.account.investor).first() or make_assessment(goal.account.investor, level)
    said = {
        "status": "done", "state": Proposal.State.READY, "inputs": {}, "inputs_sha256": f"{Proposal.objects.count():064d}",
        "result": {"weights": weights or PROPOSED, "cvar": 0.05, "cvar_limit": 0.12},
    }  # fmt: skip
    return Proposal.objects.create(goal=goal, assessment=assessment, level=level, **(said | fields))


def shown_sha(goal: Goal, proposal: Proposal, weights: dict) -> str:
    return price_sha(weights, price_of(goal, proposal, weights, proposal.level))


def tomorrow(days: int = 1):
    return timezone.localdate() + timedelta(days=days)
