"""The fund list and the fund page as one person sees them: nothing above a level is ever listed as if it suited.

What is the house's own judgement - rank, sub-scores, why a fund is in the pool - is seen in a demo and by advisors and
supervisors; an investor of a licensed deployment sees risk, costs and published history only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from advisor.kernels.suitability import Verdict
from advisor.models import Investor
from advisor.selectors.people import investor_of
from advisor.selectors.suitability import decide_for, recommendable_funds
from identity.roles import STAFF_ROLES, Role
from portfolios import charts, selectors
from portfolios.jurisdictions import jurisdiction
from portfolios.models import Fund
from portfolios.money import BPS_PER_UNIT
from portfolios.selectors import FundQuery
from portfolios.templatetags.money import percent

ADVISING_ROLES = frozenset({Role.ADVISOR, Role.SUPERVISOR})
_YEAR_AND_SOME_DAYS = timedelta(days=400)
_LEAST_NAMED_SHARE = 0.05  # of a style; less is noise and stands in the table


@dataclass(frozen=True, slots=True)
class FundView:
    """Who looks at funds: staff see them all alike, an investor with a level in force sees what suits it, others no list."""

    is_staff: bool
    investor: Investor | None
    advises: bool = False

    @property
    def is_known(self) -> bool:
        return self.is_staff or (self.investor is not None and self.investor.has_valid_level())

    @property
    def sees_ranking(self) -> bool:
        """Whether our own ranking may be shown: to advisors and supervisors, and in a demo to whoever is known."""
        return self.advises or (settings.IS_DEMO and self.is_known)

    @property
    def hides_ranking_from_investors(self) -> bool:
        """Whether what this person sees of our ranking must not be passed on to an investor."""
        return self.advises and not settings.IS_DEMO

    @property
    def sees_pool(self) -> bool:
        """Whether a fund is marked as one of our pool: for staff, and in a demo."""
        return self.is_staff or (settings.IS_DEMO and self.is_known)

    @property
    def sees_suggestions(self) -> bool:
        return self.is_known and self.investor is not None and self.investor.recommendations_off_at is None

    @property
    def level_code(self) -> str:
        return "" if self.investor is None or self.investor.level is None else jurisdiction().levels[self.investor.level].code

    def mark(self, fund: Fund) -> str:
        """'' when the fund may be recommended to the person or staff is looking; else 'above' or 'forbidden'."""
        if self.is_staff or self.investor is None or not self.is_known:
            return ""
        reasons = set(decide_for(self.investor, fund).reasons)
        if "only_class" in reasons:
            return "forbidden"
        return "above" if "above_level" in reasons else ""

    def can_buy(self, fund: Fund) -> bool:
        """Whether the investor may start a purchase of it: on their own wish, also of one above their level."""
        return self.investor is not None and decide_for(self.investor, fund).verdict != Verdict.FORBID


@dataclass(frozen=True, slots=True)
class FundRow:
    """One line of the list. `year` is the last year's return and risk, `rank` a percentile among peers; None where not shown."""

    fund: Fund
    class_name: str
    mark: str
    has_ended: bool
    is_in_pool: bool
    size: str
    year: selectors.PeriodFigures | None
    rank: float | None


@dataclass(frozen=True, slots=True)
class FundPage:
    """Everything a fund's page shows; what the person may not see, or is not known, is None, empty or False."""

    fund: Fund
    share_classes: list[Fund]
    record: selectors.FundRecord
    mark: str
    is_in_pool: bool
    costs: list[selectors.HoldingCost]
    yearly_fee_minor: int  # running fees on the amount of the costs
    history: selectors.PublishedHistory | None = None
    rolling: selectors.RollingYear | None = None
    payments: Sequence[selectors.Payment] = ()
    style: selectors.Style | None = None
    verdict: selectors.FundVerdict | None = None
    enter: float = 1.0  # the percentile from which a fund enters the pool
    can_buy: bool = False  # by the person who looks, whatever the warning it would take

    @property
    def style_words(self) -> str:
        """The classes a fund moves like, the largest first: 78 % Chinese shares, 22 % Bonds."""
        shares = sorted(self.style.shares if self.style else [], key=lambda share: -share.weight)
        named = [f"{percent(share.weight, 0)} {share.name}" for share in shares if share.weight >= _LEAST_NAMED_SHARE]
        return gettext(", ").join(named)


def fund_view(user: Any) -> FundView:
    """What kind of reader of fund pages a signed-in person is."""
    roles = user.role_names
    is_staff = bool(roles & STAFF_ROLES)
    return FundView(is_staff, None if is_staff else investor_of(user), bool(roles & ADVISING_ROLES))


def listed_funds(view: FundView, query: FundQuery) -> QuerySet[Fund]:
    """Funds that suit the person's level; on an explicit search all funds, the ended ones too, to be shown with their mark."""
    if not view.is_known:
        return Fund.objects.none()
    run = selectors.latest_screen() if view.sees_ranking and query.sort == selectors.RANK else None
    if query.text.strip():
        return selectors.find_funds(Fund.objects.all(), query, run)
    living = Fund.objects.exclude(ended_on__lte=timezone.localdate())
    if not view.is_staff:
        level = view.investor.level if view.investor is not None else None
        living = living.none() if level is None else recommendable_funds(level) & living
    return selectors.find_funds(living, query, run)


def fund_rows(view: FundView, funds: Sequence[Fund]) -> list[FundRow]:
    """A page of a list with what the person may see beside each fund; nobody's past results before they are known. At most five queries."""
    marks = {fund.pk: view.mark(fund) for fund in funds}
    shown = [fund for fund in funds if view.is_known and not marks[fund.pk] and not selectors.has_ended(fund) and fund.last_nav_date]
    since = max((fund.last_nav_date for fund in shown if fund.last_nav_date), default=timezone.localdate()) - _YEAR_AND_SOME_DAYS
    years = selectors.year_figures([fund.pk for fund in shown], since) if shown else {}
    ids = [fund.pk for fund in funds]
    pool = selectors.pool_fund_ids(ids) if view.sees_pool else set()
    ranks = selectors.ranks_of(ids) if view.sees_ranking else {}
    return [
        FundRow(
            fund=fund,
            class_name=selectors.class_name(fund.asset_class),
            mark=marks[fund.pk],
            has_ended=selectors.has_ended(fund),
            is_in_pool=fund.pk in pool,
            size=selectors.size_words(fund.size_minor) if fund.size_minor is not None else "",
            year=years.get(fund.pk),
            rank=ranks.get(fund.pk),
        )
        for fund in funds
    ]


def fund_page(view: FundView, code: str) -> FundPage | None:
    """Gather a fund's page, None for an unknown code. Prices wait until the person is known; the rank is for those who may see it.

    At most seven queries.
    """
    fund, share_classes = selectors.fund_with_family(code)
    if fund is None:
        return None
    facts: dict[str, Any] = {
        "fund": fund,
        "share_classes": share_classes,
        "record": selectors.fund_record(fund),
        "mark": view.mark(fund),
        "is_in_pool": view.sees_pool and fund.is_in_pool,
        "costs": selectors.holding_costs(fund),
        "yearly_fee_minor": selectors.EXAMPLE_MINOR * fund.annual_fee_bps // BPS_PER_UNIT,
        "can_buy": view.can_buy(fund),
    }
    prices = selectors.prices_of(fund) if view.is_known else None
    if prices is not None:
        history = selectors.published_history(prices.own)
        facts |= {"history": history, "payments": selectors.payments_of(prices.own), "style": selectors.style_of(prices)}
        facts["rolling"] = selectors.rolling_years(history.growth) if history else None
    if view.sees_ranking and (row := selectors.current_row(fund)) is not None:
        rules = selectors.screen_rules(row.run)
        facts |= {"verdict": selectors.fund_verdict(row, rules), "enter": rules["enter"]}
    return FundPage(**facts)


def fund_figures(page: FundPage) -> dict[str, dict[str, Any]]:
    """The figures of a fund's page by name; one that has nothing to show is left out."""
    figures, fund = {}, page.fund
    if page.history is not None:
        figures["growth"] = charts.growth_figure(page.history.growth, name=fund.name, asset_class=fund.asset_class)
    if page.rolling is not None:
        figures["rolling"] = charts.rolling_figure(page.rolling, fund.asset_class)
    if page.style is not None:
        figures["style"] = charts.style_figure(page.style)
    if page.verdict is not None and page.verdict.row.percentile is not None:
        figures["scores"] = charts.score_figure(page.verdict, page.enter)
    return figures
