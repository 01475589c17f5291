"""The pool that simulated people traded in, by the product's own screen, and the model portfolios on it."""

from collections.abc import Sequence
from datetime import date

from django.db import transaction

from demo.logins import DOMAIN
from demo.market import PoolChoice, choose_pool
from identity.models import User
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.simulate import Market
from portfolios.kernels.simulate_funds import FundSpec
from portfolios.models import Fund, ModelSet, Pool, PoolFund, ScreenRun
from portfolios.selectors import current_models
from portfolios.services import approve_models as approve
from portfolios.services import execute_models, execute_screen, request_models, request_screen

POOL_NAME = "模拟优选池 Simulated pool"
ANSWER = "模拟数据，由演示主管批准 / simulated, approved by the demo's supervisor"
YEARS_OF_TRADE = 2
# Below the size of a whole market the ranges of its models' weights are of few draws: such worlds are for tests.
WHOLE_MARKET, FEW_DRAWS = 400, 10


def publish_pool(specs: list[FundSpec], market: Market) -> Pool:
    """Screen the market as it was known two years before its last day, and make what is in the current pool; safe to repeat.

    The two years are those in which simulated people trade: no fund was chosen with hindsight. A market that is too
    small for the screen, or whose stored history is too short, gets a pool by a plain rule instead.
    """
    last = date.fromordinal(int(market.days[-1]))
    known = market.days[market.days <= last.replace(year=last.year - YEARS_OF_TRADE, day=min(last.day, 28)).toordinal()]
    day = date.fromordinal(int(known[-1]))
    if found := Pool.objects.filter(is_current=True, screen_run__data_date__gte=day).first():
        return found
    run = request_screen(data_date=day)
    execute_screen(run.pk)
    run.refresh_from_db()
    if run.outcome == ScreenRun.Outcome.PUBLISHED:
        return Pool.objects.get(screen_run=run, decision=None)
    return _write_pool(choose_pool(specs, market))


def approve_models() -> ModelSet:
    """Have the demo's supervisor approve model portfolios on the current pool, unless there are; safe to repeat."""
    models = current_models()
    if models is not None and models.pool.is_current:
        return models
    n_draws = FEW_DRAWS if Fund.objects.count() < WHOLE_MARKET else None
    models = request_models(n_draws=n_draws)
    execute_models(models.pk)
    models.refresh_from_db()
    return approve(model_set=models, actor=User.objects.get(email=f"supervisor@{DOMAIN}"), answer=ANSWER)


def _write_pool(choices: Sequence[PoolChoice]) -> Pool:
    """Write a new pool and make it the current one, unless the current one is the same."""
    funds = dict(Fund.objects.filter(code__in=[choice.code for choice in choices]).values_list("code", "pk"))
    with transaction.atomic():
        current = Pool.objects.select_for_update().filter(is_current=True).first()
        if current and set(current.members.values_list("fund_id", flat=True)) == set(funds.values()):
            return current
        pool = Pool.objects.create(name=POOL_NAME)
        PoolFund.objects.bulk_create(PoolFund(pool=pool, fund_id=funds[choice.code], reason=_reason(choice)) for choice in choices)
        Pool.objects.filter(is_current=True).update(is_current=False)
        Pool.objects.filter(pk=pool.pk).update(is_current=True)
    return pool


def _reason(choice: PoolChoice) -> str:
    category = jurisdiction().categories[choice.category]
    zh = f"{category.zh}，{choice.n_ranked} 只中第 {choice.rank}：截至两年前的三年风险收益比与费率"
    return f"{zh} / No. {choice.rank} of {choice.n_ranked}, {category.en}: return per risk over three years until two years ago, and fees"
