"""Sets of model portfolios written directly, for pages that only show them."""

from config.jobs import Job
from portfolios.models import Fund, ModelPortfolio, ModelSet, ModelWeight, Pool, PoolFund
from tests.portfolios.market import make_fund

LEVELS = {0: ["000001"], 2: ["000001", "000002"], 3: ["000001", "000002", "000003"]}


def make_set(waits: bool = False, **fields) -> ModelSet:
    """A set as its job leaves it: C1-min, C2 and C3 in every bin; C4 has no portfolio."""
    pool = Pool.objects.filter(is_current=True).first() or Pool.objects.create(name="Pool", is_current=True)
    for code, category, grade in [("000001", "money", 1), ("000002", "bond", 2), ("000003", "mixed", 3)]:
        if not Fund.objects.filter(code=code).exists():
            fund = make_fund(code, category=category, grade=grade, asset_class={"money": "money_market"}.get(category, category))
            PoolFund.objects.create(pool=pool, fund=fund)
    state = {"state": "waiting"} if waits else {"state": "approved", "is_current": True, "decided_at": "2026-11-01T00:00Z"}
    made = ModelSet.objects.create(pool=pool, data_date="2026-11-20", rules_version="test", status=Job.Status.DONE, **(state | fields))
    for level in (0, 1, 2, 3, 4):
        for place in range(4):
            codes = LEVELS.get(level, [])
            figures = {"gamma": 3.5 + made.pk, "volatility": 0.05, "expected_return": 0.04, "cvar": 0.06, "cvar_of_record": 0.055}
            none = {"error": {"code": "cvar_budget", "params": {"limit": 0.22, "reached": 0.31}}}
            common = {"model_set": made, "level": level, "horizon_bin": place, "horizon_years": 2, "cvar_limit": 0.12}
            row = ModelPortfolio.objects.create(**common, **(figures if codes else none))
            for code in codes:
                fund = Fund.objects.get(code=code)
                ModelWeight.objects.create(portfolio=row, fund=fund, weight=1 / len(codes), low=0.1, high=0.4, held_share=0.9)
    return made
