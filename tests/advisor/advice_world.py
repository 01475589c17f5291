"""An investor with a level and a goal, and an engine that answers at once, for the tests of proposals."""

from advisor import services
from advisor.models import Goal, Investor, Proposal
from portfolios import services as portfolio_services
from portfolios.kernels.types import AdviceSolution
from portfolios.models import Fund, Pool
from tests.advisor.site_world import give_level, make_assessment, make_goal, make_market

WEIGHTS = {"MM1": 0.4, "BO1": 0.18, "BO2": 0.18, "BO3": 0.14, "IX1": 0.1}


def ready_to_ask(investor: Investor, level: int = 3, **goal_fields) -> Goal:
    make_market()
    give_level(investor, level)
    make_assessment(investor, level)
    return Goal.objects.select_related("account__investor").get(pk=make_goal(investor, **goal_fields).pk)


def solution(weights: dict[str, float] = WEIGHTS, **fields) -> AdviceSolution:
    funds = Fund.objects.in_bulk(list(weights), field_name="code")
    rows = [
        {
            "code": code, "name_zh": "", "name_en": "", "asset_class": funds[code].asset_class, "category": funds[code].category,
            "risk_grade": funds[code].risk_grade, "weight": weight, "expected_return": 0.03, "volatility": 0.05,
            "annual_fee_bps": funds[code].annual_fee_bps, "purchase_fee_bps": funds[code].purchase_fee_bps,
            "why": {"code": "steadies", "risk_share": 0.2, "at_cap": code == "BO1", "cap": 0.18},
        }
        for code, weight in weights.items()
    ]  # fmt: skip
    said = {
        "level": 3, "weights": weights, "expected_return": 0.0312, "volatility": 0.06, "cvar": 0.0923, "cvar_limit": 0.12, "gamma": 4.0,
        "budget_binds": True, "data_date": Fund.objects.get(code="MM1").last_nav_date.isoformat(), "pool_id": Pool.objects.get().pk,
        "moments": {}, "funds": rows, "frontier": [[0.002, 0.016], [0.06, 0.0312], [0.2, 0.06]],
    }  # fmt: skip
    return AdviceSolution(**(said | fields))


def answer_with(monkeypatch, answer) -> list[dict]:
    """Let the engine return a solution or raise; returns the list of the calls it gets."""
    calls: list[dict] = []

    def solve(**asked):
        calls.append(asked)
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer

    monkeypatch.setattr(portfolio_services, "solve_advice", solve)
    return calls


def ready_proposal(monkeypatch, goal: Goal, weights: dict[str, float] = WEIGHTS, **fields) -> Proposal:
    answer_with(monkeypatch, solution(weights, **fields))
    proposal = services.request_proposal(goal=goal)
    assert services.execute_proposal(proposal.pk)
    proposal.refresh_from_db()
    return proposal
