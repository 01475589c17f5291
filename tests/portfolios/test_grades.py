from datetime import date, timedelta

import numpy as np
import pytest
from django.core.management import call_command

from portfolios.kernels.types import FundHistory
from portfolios.models import Fund, GradeChange
from portfolios.services import execute_import, grade_funds, request_import, store_histories, taking_in
from portfolios.services import grades as service
from tests.portfolios.market import make_fund

pytestmark = pytest.mark.django_db
LAST = date(2026, 3, 2)


def tell(fund: Fund, annual_vol: float, days: int = 800, seed: int = 1, until: date = LAST) -> None:
    """Daily prices of a random walk of this volatility, ending on a day."""
    random = np.random.default_rng(seed)
    steps = random.standard_normal(days)
    steps = (steps - steps.mean()) / steps.std() * annual_vol / np.sqrt(365.25)
    index = np.exp(np.cumsum(steps))
    ordinals = np.arange(until.toordinal() - days + 1, until.toordinal() + 1)
    store_histories([FundHistory(fund.code, ordinals, np.rint(index * 1e6).astype(np.int64), index)])


def grades(fund: Fund) -> tuple[int | None, int | None, int]:
    fund.refresh_from_db()
    return fund.issuer_grade, fund.own_grade, fund.risk_grade


def test_the_stricter_of_the_issuers_grade_and_ours_is_in_force():
    calm, wild = (make_fund(code, category="mixed", grade=3, issuer_grade=issuer) for code, issuer in [("900001", 5), ("900002", 3)])
    tell(calm, 0.05)
    tell(wild, 0.22)
    report = grade_funds()
    assert (grades(calm), grades(wild)) == ((5, 3, 5), (3, 4, 4))
    assert (report.n_funds, report.n_up, report.n_down) == (2, 2, 0)
    change = GradeChange.objects.get(fund=wild)
    assert (change.from_grade, change.to_grade, change.own_grade, change.data_date) == (3, 4, 4, LAST)
    assert "volatility" in {reason["code"] for reason in change.reasons}


def test_grading_again_on_the_same_prices_writes_nothing():
    fund = make_fund(category="equity", grade=4, issuer_grade=4)
    tell(fund, 0.2)
    grade_funds()
    assert GradeChange.objects.get().from_grade is None  # its first: told, and not a change
    grade_funds()
    assert GradeChange.objects.count() == 1


def test_a_column_that_differs_from_what_was_told_last_is_set_right_and_nothing_told():
    fund = make_fund(category="mixed", grade=3, issuer_grade=3)
    tell(fund, 0.22)
    grade_funds()
    assert grades(fund) == (3, 4, 4)
    Fund.objects.update(risk_grade=3)
    grade_funds()
    assert grades(fund) == (3, 4, 4)
    assert GradeChange.objects.count() == 1


def test_what_an_import_restated_of_the_issuers_grade_is_told_as_a_change():
    fund = make_fund(category="equity", grade=4, issuer_grade=4)
    tell(fund, 0.2)
    grade_funds()
    Fund.objects.update(issuer_grade=5, risk_grade=5)
    assert grade_funds().n_up == 1
    assert list(GradeChange.objects.order_by("pk").values_list("from_grade", "to_grade")) == [(None, 4), (4, 5)]


def meanwhile(monkeypatch, happens) -> None:
    """Something happens while the grades are worked out."""

    def own_grades(*args):
        monkeypatch.setattr(service, "own_grades", kernel)
        happens()
        return kernel(*args)

    kernel = service.own_grades
    monkeypatch.setattr(service, "own_grades", own_grades)


def test_an_issuers_grade_that_an_import_raises_while_grades_are_worked_out_is_not_written_back(monkeypatch):
    fund = make_fund(category="mixed", grade=3, issuer_grade=3)
    tell(fund, 0.1)
    grade_funds()
    tell(fund, 0.22)
    meanwhile(monkeypatch, lambda: Fund.objects.update(issuer_grade=5, risk_grade=5))
    grade_funds()
    assert grades(fund) == (5, 4, 5)
    assert list(GradeChange.objects.order_by("pk").values_list("from_grade", "to_grade")) == [(None, 3), (3, 5)]


def test_two_gradings_at_once_tell_a_change_once(monkeypatch):
    fund = make_fund(category="mixed", grade=3, issuer_grade=3)
    tell(fund, 0.22)
    meanwhile(monkeypatch, grade_funds)
    grade_funds()
    assert grades(fund) == (3, 4, 4)
    assert GradeChange.objects.count() == 1


@pytest.mark.parametrize("with_prices", [False, True])
def test_an_import_that_raises_the_issuers_grade_tells_the_change_at_its_end(tmp_path, with_prices):
    raised, same = (make_fund(code, category="equity", grade=4, issuer_grade=4) for code in ("900001", "900002"))
    tell(raised, 0.2), tell(same, 0.2)
    grade_funds()
    new = make_fund("900003", category="mixed", grade=3)
    files = {"funds": tmp_path / "funds.csv"}
    files["funds"].write_text("code,category,grade\n900001,equity,R5\n900002,equity,R4\n900003,mixed,R3\n", encoding="utf-8")
    if with_prices:
        files["prices"] = tmp_path / "prices.csv"
        files["prices"].write_text("date,code,nav\n2026-03-03,900001,1.0\n", encoding="utf-8")
        Fund.objects.filter(pk=raised.pk).update(last_nav_micro=1_000_000)
    run = request_import(source="csv", files=files)
    execute_import(run.pk)
    assert grades(raised) == (5, 4, 5)
    assert list(GradeChange.objects.filter(from_grade__isnull=False).values_list("fund", "from_grade", "to_grade")) == [(raised.pk, 4, 5)]
    assert not GradeChange.objects.filter(fund=new).exists(), "a fund that was never graded waits for the night"


def test_a_grading_in_the_middle_of_an_import_is_not_written_back(tmp_path, monkeypatch):
    fund = make_fund("900001", category="mixed", grade=3, issuer_grade=3, own_grade=3)

    def prepared(*args):
        batch = kernel(*args)
        Fund.objects.update(own_grade=4, risk_grade=4)
        return batch

    kernel = taking_in._prepared
    monkeypatch.setattr(taking_in, "_prepared", prepared)
    files = {"funds": tmp_path / "funds.csv", "prices": tmp_path / "prices.csv"}
    files["funds"].write_text("code,category,company,grade\n900001,mixed,Big,R3\n", encoding="utf-8")
    files["prices"].write_text("date,code,nav\n2026-03-03,900001,1.0\n", encoding="utf-8")
    assert execute_import(request_import(source="csv", files=files).pk)
    assert grades(fund) == (3, 4, 4)
    assert fund.company == "Big"


def test_prices_after_the_date_change_nothing():
    fund, twin = make_fund("900001", category="bond", grade=2), make_fund("900002", category="bond", grade=2)
    tell(fund, 0.03, until=LAST - timedelta(days=200), seed=7)
    tell(twin, 0.03, until=LAST - timedelta(days=200), seed=7)
    index = np.exp(np.linspace(0, -2, 200))
    days = np.arange(LAST.toordinal() - 199, LAST.toordinal() + 1)
    store_histories([FundHistory(twin.code, days, np.rint(index * 1e6).astype(np.int64), index)])
    grade_funds(data_date=LAST - timedelta(days=200))
    assert grades(fund) == grades(twin)
    grade_funds()
    assert grades(twin)[1] == 5


def test_a_fund_without_a_history_has_its_category_s_grade():
    fund = make_fund(category="sector", grade=5)
    make_fund("900003", category="mixed", grade=3)
    make_fund("900004", category="money", grade=1)
    grade_funds(data_date=LAST)
    assert grades(fund)[1:] == (5, 5)
    assert {"code": "short_history"} in GradeChange.objects.get(fund=fund).reasons


def test_a_fund_that_was_wound_up_is_left_as_it_was():
    make_fund(category="mixed", grade=3, ended_on=LAST)
    assert grade_funds(data_date=LAST).n_funds == 0


def test_a_market_without_prices_is_not_graded():
    make_fund()
    assert grade_funds().n_funds == 0


def test_the_command_says_how_many_moved(capsys):
    tell(make_fund(category="mixed", grade=3, issuer_grade=3), 0.2)
    call_command("grade_funds")
    assert "1" in capsys.readouterr().out
