import pytest

from portfolios.models import Holding, LedgerEntry, Portfolio
from portfolios.selectors import portfolio_totals
from portfolios.services import InsufficientCash, InsufficientUnits, LedgerRefusal, deposit, open_portfolio, rebuild_holdings
from portfolios.services.ledger import Movement, post
from tests.portfolios.market import make_fund

pytestmark = pytest.mark.django_db


def test_a_deposit_under_the_same_key_counts_once():
    portfolio = open_portfolio()
    first = deposit(portfolio_id=portfolio.pk, amount_minor=10_000, key="salary")
    assert deposit(portfolio_id=portfolio.pk, amount_minor=10_000, key="salary").pk == first.pk
    portfolio.refresh_from_db()
    assert portfolio.cash_minor == 10_000


def test_a_key_cannot_serve_two_different_deposits():
    portfolio, other = open_portfolio(), open_portfolio()
    deposit(portfolio_id=portfolio.pk, amount_minor=10_000, key="salary")
    for again in ({"portfolio_id": portfolio.pk, "amount_minor": 10_001}, {"portfolio_id": other.pk, "amount_minor": 10_000}):
        with pytest.raises(LedgerRefusal) as refusal:
            deposit(key="salary", **again)
        assert refusal.value.code == "key_used_for_another"
    assert LedgerEntry.objects.count() == 1


@pytest.mark.parametrize("amount_minor", [0, -1])
def test_a_deposit_is_more_than_nothing(amount_minor):
    with pytest.raises(LedgerRefusal):
        deposit(portfolio_id=open_portfolio().pk, amount_minor=amount_minor, key="k")
    assert not LedgerEntry.objects.exists()


def test_cash_and_units_never_go_below_zero():
    portfolio, fund = open_portfolio(), make_fund()
    today = portfolio.opened_at.date()
    deposit(portfolio_id=portfolio.pk, amount_minor=100, key="k")
    with pytest.raises(InsufficientCash) as short:
        post(Movement(portfolio.pk, LedgerEntry.Kind.RESERVE, "a", today, cash_minor=-101))
    assert short.value.params == {"needed_minor": 101, "cash_minor": 100}
    post(Movement(portfolio.pk, LedgerEntry.Kind.BUY, "b", today, units_centi=50, cost_minor=10, fund_id=fund.pk))
    with pytest.raises(InsufficientUnits) as short:
        post(Movement(portfolio.pk, LedgerEntry.Kind.SELL, "c", today, units_centi=-51, cost_minor=-10, fund_id=fund.pk))
    assert short.value.params == {"fund_id": fund.pk, "needed_centi": 51, "units_centi": 50}
    assert LedgerEntry.objects.count() == 2


def test_holdings_and_cash_come_back_from_the_ledger_alone():
    portfolio = open_portfolio()
    held, sold, lost = make_fund("000001"), make_fund("000002"), make_fund("000003")
    today = portfolio.opened_at.date()
    deposit(portfolio_id=portfolio.pk, amount_minor=5_000, key="k")
    for fund, units, cost in [(held, 70, 900), (sold, 30, 100), (sold, -30, -100), (lost, 10, 20)]:
        kind = LedgerEntry.Kind.BUY if units > 0 else LedgerEntry.Kind.SELL
        post(Movement(portfolio.pk, kind, f"{fund.pk}:{units}", today, units_centi=units, cost_minor=cost, fund_id=fund.pk))
    true_rows = set(Holding.objects.values_list("fund", "units_centi", "cost_minor"))
    assert true_rows == {(held.pk, 70, 900), (lost.pk, 10, 20)}
    assert rebuild_holdings(portfolio.pk) == 0

    Holding.objects.filter(fund=held).update(units_centi=1)
    Holding.objects.filter(fund=lost).delete()
    Holding.objects.create(portfolio=portfolio, fund=sold, units_centi=5, cost_minor=5)
    Portfolio.objects.update(cash_minor=1)
    assert rebuild_holdings(portfolio.pk) == 4
    assert set(Holding.objects.values_list("fund", "units_centi", "cost_minor")) == true_rows
    assert portfolio_totals([portfolio.pk])[portfolio.pk].cash_minor == 5_000
