"""Proposals as pages show them: frozen read models, so that a page decides nothing."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from advisor import charts
from advisor.models import Proposal
from advisor.selectors.refusals import sentence
from config.jobs import Job
from identity.roles import Role
from portfolios import calendar
from portfolios.jurisdictions import jurisdiction
from portfolios.models import Fund
from portfolios.templatetags.money import percent


@dataclass(frozen=True, slots=True)
class ProposedFund:
    """One fund of a proposal with its money, its costs and why it is there. `expected_return` is None where it is not shown."""

    fund: Fund
    class_name: str
    amount_minor: int
    weight: float
    fee_minor: int
    volatility: float
    expected_return: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Method:
    """How the proposal was chosen: shown in a demo and to advisors, never to an investor of a licensed deployment."""

    expected_return: float
    volatility: float
    frontier: charts.Figure
    curve: list[list[float]]
    growth: charts.Figure | None
    years: list[tuple[str, int, float]]  # last day of each year, value in minor units, drawdown that day
    worst_fall: float | None  # as a positive fraction
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class ProposalPage:
    proposal: Proposal
    level_code: str
    person_level_code: str
    horizon_lowers: bool
    horizon_years: float
    amount_minor: int
    bad_year_minor: int
    bad_year_share: float
    annual_cost_minor: int
    purchase_cost_minor: int
    limit: float
    budget_binds: bool
    stated_loss_binds: bool
    data_date: date
    shares: list[charts.ClassShare]
    bars: charts.Figure
    funds: list[ProposedFund]
    method: Method | None


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """An order that an acceptance would place now: money, fee, and the days."""

    fund: Fund
    amount_minor: int
    fee_minor: int
    price_date: date
    confirm_date: date


def may_see_method(user: Any, proposal: Proposal) -> bool:
    """In a demo everybody; in a licensed deployment advisors and supervisors, and not about their own money."""
    if settings.IS_DEMO:
        return True
    is_staff = user.has_role(Role.ADVISOR) or user.has_role(Role.SUPERVISOR)
    return is_staff and proposal.goal.account.investor.user_id != user.pk


def is_working(proposal: Proposal) -> bool:
    return proposal.status in (Job.Status.QUEUED, Job.Status.RUNNING)


def problem_of(proposal: Proposal) -> str:
    """Why a proposal failed or is not possible, as a sentence; empty for any other."""
    error = proposal.error or {}
    return sentence(error.get("code", "unknown"), error.get("params", error)) if error else ""


def proposal_page(proposal: Proposal, *, with_method: bool) -> ProposalPage:
    """Everything the page of a worked-out proposal shows; one query. Without the method no return and no past is in it."""
    result, inputs = proposal.result or {}, proposal.inputs
    funds = _proposed_funds(result, with_method=with_method)
    shares = class_shares([(row.fund.asset_class, row.amount_minor) for row in funds])
    levels = jurisdiction().levels
    return ProposalPage(
        proposal=proposal,
        level_code=levels[proposal.level].code,
        person_level_code=levels[inputs["person_level"]].code,
        horizon_lowers=proposal.level < inputs["person_level"],
        horizon_years=inputs["horizon_years"],
        amount_minor=result["amount_minor"],
        bad_year_minor=rounded_about(result["bad_year_minor"]),
        bad_year_share=result["bad_year_minor"] / result["amount_minor"],
        annual_cost_minor=result["annual_cost_minor"],
        purchase_cost_minor=result["purchase_cost_minor"],
        limit=result["cvar_limit"],
        budget_binds=result["budget_binds"],
        stated_loss_binds=result["cvar_limit"] < levels[proposal.level].cvar_budget,
        data_date=date.fromisoformat(result["data_date"]),
        shares=shares,
        bars=charts.allocation_bars(shares),
        funds=funds,
        method=_method(result, funds) if with_method else None,
    )


def rounded_about(amount_minor: int) -> int:
    """Two figures of an estimate that has no more of them: 2,312,345 becomes 2,300,000."""
    if amount_minor < 1:
        return 0
    unit = 10 ** max(2, len(str(amount_minor)) - 2)
    return (amount_minor + unit // 2) // unit * unit


def class_shares(rows: list[tuple[str, int]], targets: dict[str, float] | None = None) -> list[charts.ClassShare]:
    """Money by asset class, in the fixed order of the jurisdiction's table, with the share each should have where known."""
    by_class: dict[str, int] = {}
    for code, amount_minor in rows:
        by_class[code] = by_class.get(code, 0) + amount_minor
    total = sum(by_class.values())
    classes = jurisdiction().classes
    targets = targets or {}
    codes = [code for code in classes if code in by_class or targets.get(code)] + sorted(set(by_class) - set(classes))
    return [
        charts.ClassShare(
            code,
            classes[code].name if code in classes else code,
            by_class.get(code, 0),
            by_class.get(code, 0) / total if total else 0.0,
            targets.get(code, 0.0) if targets else None,
        )
        for code in codes
    ]


def _proposed_funds(result: dict[str, Any], *, with_method: bool) -> list[ProposedFund]:
    rows = {row["code"]: row for row in result["funds"]}
    known = Fund.objects.in_bulk(sorted(result["amounts"]), field_name="code")
    classes, total = jurisdiction().classes, result["amount_minor"]
    funds = [
        ProposedFund(
            fund=known[code],
            class_name=classes[known[code].asset_class].name,
            amount_minor=amount_minor,
            weight=amount_minor / total,
            fee_minor=result["fees"][code],
            volatility=rows[code]["volatility"],
            expected_return=rows[code]["expected_return"] if with_method else None,
            why=why_held(rows[code]["why"], amount_minor / total, with_method=with_method),
        )
        for code, amount_minor in result["amounts"].items()
    ]
    return sorted(funds, key=lambda row: (-row.amount_minor, row.fund.code))


def why_held(why: dict[str, Any], weight: float, *, with_method: bool) -> str:
    """Why a fund is held. What it is expected to earn is a forecast, and is said only where forecasts may be shown."""
    share = max(why.get("risk_share", 0.0), 0.0)
    said = {"weight": percent(weight, 0), "share": percent(share, 0)}
    if round(share, 2) > 0:
        risk = _("%(weight)s of your money goes here, and %(share)s of the risk comes from here.") % said
    else:
        risk = _("%(weight)s of your money goes here, and it adds next to nothing to the risk.") % said
    if not with_method:
        return risk
    reasons = {
        "grows": _("Here to grow: we expect it to earn more than the mix as a whole, and it brings a larger part of the risk in return."),
        "grows_calmly": _(
            "Here to grow: we expect it to earn more than the mix as a whole, and it still brings less risk than its size suggests."
        ),
        "steadies": _("Here to keep the mix calm: it brings less risk than its size suggests."),
        "spreads": _("Here so that not everything hangs on the same markets: its risk is of another kind."),
    }
    cap = _("No single fund may take more than %(cap)s.") % {"cap": percent(why["cap"], 0)} if why.get("at_cap") else ""
    return " ".join(part for part in (reasons.get(why.get("code", ""), ""), risk, cap) if part)


def _method(result: dict[str, Any], funds: list[ProposedFund]) -> Method:
    growth = result.get("growth")
    amount_minor = result["amount_minor"]
    recommended = charts.RiskPoint(_("recommended"), result["volatility"], result["expected_return"])
    singles = [charts.RiskPoint(row.fund.name, row.volatility, row.expected_return or 0.0, row.fund.asset_class) for row in funds]
    return Method(
        expected_return=result["expected_return"],
        volatility=result["volatility"],
        frontier=charts.frontier(result["frontier"], recommended, singles),
        curve=_thinned(result["frontier"]),
        growth=charts.growth_with_drawdown(growth["dates"], growth["growth"], growth["drawdown"], amount_minor) if growth else None,
        years=_year_ends(growth, amount_minor) if growth else [],
        worst_fall=-min(growth["drawdown"]) if growth else None,
        since=growth["dates"][0] if growth else "",
        until=growth["dates"][-1] if growth else "",
    )


def _thinned(curve: list[list[float]], n_rows: int = 8) -> list[list[float]]:
    """A table's worth of points, both ends among them."""
    if len(curve) <= n_rows:
        return curve
    return [curve[round(i * (len(curve) - 1) / (n_rows - 1))] for i in range(n_rows)]


def _year_ends(growth: dict[str, Any], amount_minor: int) -> list[tuple[str, int, float]]:
    """The last point of each year: what the chart's table shows."""
    last = {day[:4]: i for i, day in enumerate(growth["dates"])}
    return [(growth["dates"][i], round(amount_minor * growth["growth"][i]), growth["drawdown"][i]) for i in last.values()]


def planned_orders(proposal: Proposal, funds: dict[str, Fund], at: datetime) -> list[PlannedOrder]:
    """What an acceptance at this moment would order, the largest first; no query."""
    result = proposal.result or {}
    priced_on = calendar.price_date(at)
    orders = [
        PlannedOrder(funds[code], amount_minor, result["fees"][code], priced_on, calendar.confirm_date(priced_on, funds[code].category))
        for code, amount_minor in result["amounts"].items()
    ]
    return sorted(orders, key=lambda order: (-order.amount_minor, order.fund.code))
