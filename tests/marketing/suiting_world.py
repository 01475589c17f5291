"""An approved set of plain models over the funds that there are, made without a solver, for tests whose subject is what is shown."""

from collections.abc import Iterable, Mapping

import numpy as np
from django.utils import timezone

from advisor.models import Consent, Goal, Investor
from advisor.selectors.suitability import suits
from advisor.services import give_consent
from marketing.models import RecommenderRun, Suggestion
from portfolios.jurisdictions import jurisdiction
from portfolios.models import Fund, Holding, ModelPortfolio, ModelSet, ModelWeight, Pool, Portfolio
from portfolios.selectors.model_sets import packed
from tests.advisor.site_world import give_level, make_goal

GAMMA, CVAR = 2.0, 0.3
_FACTS = ("code", "name_zh", "name_en", "category", "asset_class", "risk_grade", "is_open", "purchase_fee_bps", "annual_fee_bps")


def approve_plain_models(
    *, gamma: float = GAMMA, cvar: float = CVAR, alike: Iterable[tuple[str, str]] = (), weights: Mapping[str, float] | None = None
) -> ModelSet:
    """Every fund with its class's mean and two points of volatility a grade, correlated by a tenth (`alike`: almost wholly).

    The plan of each level and bin holds equal parts of the first three funds that the level may hold, or `weights`.
    """
    funds = list(Fund.objects.order_by("code"))
    place = {fund.code: at for at, fund in enumerate(funds)}
    correlation = np.full((len(funds), len(funds)), 0.1) + 0.9 * np.eye(len(funds))
    for one, other in alike:
        correlation[place[one], place[other]] = correlation[place[other], place[one]] = 0.99
    spread = np.array([0.02 * fund.risk_grade for fund in funds])
    made = ModelSet.objects.create(
        pool=Pool.objects.filter(is_current=True).first() or Pool.objects.create(name="pool", is_current=True),
        state=ModelSet.State.APPROVED, status="done", is_current=True, rules_version="test", data_date=timezone.localdate(),
        decided_at=timezone.now(), codes=[fund.code for fund in funds], cov=packed(correlation * np.outer(spread, spread)),
        mean=packed(np.array([jurisdiction().classes[fund.asset_class].mean for fund in funds])), weekly=b"",
        funds=[{name: getattr(fund, name) for name in _FACTS} for fund in funds],
    )  # fmt: skip
    for level in jurisdiction().levels:
        allowed = [fund for fund in funds if suits(level, fund.risk_grade, fund.asset_class)][:3]
        held = {fund.code: 1 / len(allowed) for fund in allowed} if weights is None else weights
        for place_of_bin in range(len(jurisdiction().horizon_bins)):
            model = ModelPortfolio.objects.create(
                model_set=made, level=level, horizon_bin=place_of_bin, horizon_years=5, cvar_limit=cvar, cvar=cvar, gamma=gamma
            )
            ModelWeight.objects.bulk_create(
                ModelWeight(portfolio=model, fund=funds[place[code]], weight=weight, low=weight, high=weight, held_share=1.0)
                for code, weight in held.items()
            )
    return made


def agree(investor: Investor, level: int | None = 3) -> Investor:
    """Somebody with a level in force who agrees to profiling."""
    give_consent(investor=investor, purpose=Consent.Purpose.PROFILING, is_given=True, source="test")
    if level is not None:
        give_level(investor, level)
    return investor


def hold(investor: Investor, *, cash_minor: int = 0, **minor: int) -> Goal:
    """A goal of the person whose portfolio holds cash and so many minor units of each fund."""
    portfolio = Portfolio.objects.create(cash_minor=cash_minor)
    for code, value in minor.items():
        Holding.objects.create(portfolio=portfolio, fund=Fund.objects.get(code=code), units_centi=1, cost_minor=value)
    return make_goal(investor, portfolio=portfolio)


def suggest(investor: Investor, *codes: str, **reason) -> RecommenderRun:
    """Let the serving run have stored these funds for a person, in this order, and nothing else."""
    run = RecommenderRun.objects.filter(is_serving=True).first() or RecommenderRun.objects.create(is_serving=True, algorithm="als")
    Suggestion.objects.filter(investor=investor).delete()
    for rank, code in enumerate(codes, start=1):
        Suggestion.objects.create(run=run, investor=investor, fund=Fund.objects.get(code=code), rank=rank, score=1.0, reason=reason)
    return run
