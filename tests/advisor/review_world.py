"""Clients with portfolios, for the tests of the nightly review: written directly, for no test here is about buying."""

from datetime import timedelta

from django.utils import timezone

from advisor.models import Account, Assessment, Goal, Household, Investor, Readvice
from advisor.services import request_readvice
from advisor.services.readvice import readvise_next_block
from identity.models import User
from portfolios.models import Fund, Holding, Portfolio
from tests.advisor.site_world import give_level, make_assessment, make_goal

LAST_YEAR = 400


def hold(goal: Goal, cash_minor: int = 0, days: int = LAST_YEAR, **minor: int) -> Goal:
    """Give a goal a portfolio that is worth so many minor units of each fund, opened so many days ago."""
    portfolio = Portfolio.objects.create(cash_minor=cash_minor, opened_at=timezone.now() - timedelta(days=days))
    funds = Fund.objects.in_bulk(list(minor), field_name="code")
    for code, value in minor.items():
        units = max(1, round(value * 1e6 / (funds[code].last_nav_micro or 1e6)))
        Holding.objects.create(portfolio=portfolio, fund=funds[code], units_centi=units, cost_minor=value)
    goal.portfolio = portfolio
    goal.save()
    return goal


def client_with(investor: Investor, level: int, *, stated_loss: float = 0.5, cash_minor: int = 0, **minor: int) -> Goal:
    """A client with a level and one goal that holds these funds."""
    give_level(investor, level)
    make_assessment(investor, level)
    Assessment.objects.filter(investor=investor).update(stated_loss=stated_loss)
    return hold(make_goal(investor), cash_minor, **minor)


def many_clients(household: Household, n: int, level: int = 3) -> list[Goal]:
    """Clients of one household, each with a goal that holds cash and one fund."""
    portfolios = Portfolio.objects.bulk_create(Portfolio(cash_minor=1_000_000 + 1_000 * i) for i in range(n))
    fund = Fund.objects.get(code="BO1")
    Holding.objects.bulk_create(
        Holding(portfolio=one, fund=fund, units_centi=100_000 + 50 * i, cost_minor=1) for i, one in enumerate(portfolios)
    )
    name = f"many{household.pk}-"
    users = User.objects.bulk_create(User(email=f"{name}{i}@example.com", name=f"Many {i}", password="!") for i in range(n))
    until = timezone.localdate() + timedelta(days=100)
    common = {"household": household, "level": level, "level_valid_until": until}
    investors = Investor.objects.bulk_create(Investor(user=user, pseudonym=f"{name}{i}", **common) for i, user in enumerate(users))
    accounts = Account.objects.bulk_create(Account(investor=one) for one in investors)
    by = timezone.localdate() + timedelta(days=3000)
    return Goal.objects.bulk_create(
        Goal(account=account, portfolio=portfolio, name="Pot", kind="wealth", amount_minor=1_000_000, target_date=by)
        for account, portfolio in zip(accounts, portfolios, strict=True)
    )


def review_everyone(**asked):
    """Ask for a review and work it off here; returns the run as it ended."""
    run = request_readvice(force=True, ring=False, **asked)
    while readvise_next_block(run.pk):
        pass
    run.refresh_from_db()
    return run


def review_of(goal: Goal) -> Readvice:
    """What a review of everyone says of a goal."""
    review_everyone()
    return Readvice.objects.get(goal=goal, run__is_current=True)
