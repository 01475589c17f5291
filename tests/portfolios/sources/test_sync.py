"""Reading a source night after night: what is new, what was restated, what the source did not give, and what a kill leaves."""

import threading
from datetime import timedelta

import pandas as pd
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from config.jobs import Job
from portfolios.kernels.errors import DataError
from portfolios.models import Fund, FundFact, FundSize, ImportIssue, ImportRun, NavYear
from portfolios.selectors import import_problem, load_history
from portfolios.services import SyncRequest, execute_import, request_sync, sync_configured_source
from portfolios.services import imports as import_services
from portfolios.sources import registry
from portfolios.sources.akshare import AkshareSource
from portfolios.sources.calls import Patience, as_data_error, within
from tests.portfolios.sources.shapes import AKSHARE_CODES, Akshare

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(monkeypatch):
    """akshare answering from hand-written shapes."""
    fake = Akshare()
    kind = registry.Kind(lambda request, today: AkshareSource(fake, Patience(seconds=0.2, pause=0)), needs_codes=True)
    monkeypatch.setitem(registry.SOURCES, "akshare", kind)
    return fake


def sync(codes=AKSHARE_CODES):
    run = request_sync(request=SyncRequest("akshare", tuple(codes)))
    execute_import(run.pk)
    run.refresh_from_db()
    assert run.n_rows == run.n_new + run.n_changed + run.n_unchanged + run.n_reported
    return run


def stored():
    return list(NavYear.objects.order_by("pk").values()), list(Fund.objects.order_by("pk").values("code", "last_nav_micro", "is_open"))


def counts(run):
    return run.n_rows, run.n_new, run.n_changed, run.n_unchanged, run.n_reported


def test_a_first_reading_brings_funds_prices_and_what_they_are(api):
    run = sync()
    assert (run.status, counts(run), run.n_funds) == (Job.Status.DONE, (24, 24, 0, 0, 0), 3)
    first, money, closed = Fund.objects.order_by("code")
    assert (first.name_zh, first.category, first.daily_limit_minor, first.is_open) == ("示意成长混合A", "mixed", 50_000_00, True)
    assert (money.category, money.asset_class) == ("money", "money_market")
    assert closed.is_open is False


def test_a_second_reading_changes_nothing_and_needs_no_codes(api):
    sync()
    before = stored()
    run = sync(())
    assert counts(run) == (24, 0, 0, 24, 0)
    assert stored() == before


def test_a_night_brings_the_new_day_and_sees_that_yesterdays_nav_was_restated(api, monkeypatch):
    whole = api.fund_open_fund_info_em

    def until_yesterday(symbol, indicator):
        table = whole(symbol, indicator)
        if indicator not in ("单位净值走势", "累计净值走势"):
            return table
        table = table.iloc[:-1].copy()
        table.iloc[-1, 1] += 0.004
        return table

    monkeypatch.setattr(api, "fund_open_fund_info_em", until_yesterday)
    assert counts(sync(["900001"])) == (7, 7, 0, 0, 0)
    monkeypatch.setattr(api, "fund_open_fund_info_em", whole)
    assert counts(sync(["900001"])) == (8, 1, 1, 6, 0)
    fund = Fund.objects.get(code="900001")
    history = load_history([fund.pk])[fund.pk]
    assert history.nav_micro[-2:].tolist() == [1_010_000, 1_020_000]
    assert history.total_return[-1] / history.total_return[-3] == pytest.approx(1.02)


def hang(symbol):
    threading.Event().wait(30)


def error_page(symbol):
    raise ValueError("Expecting value: line 1 column 1 (char 0): <html>502 Bad Gateway</html>")


@pytest.mark.parametrize(
    ("answer", "reason"), [(hang, "source_timeout"), (error_page, "source_not_data"), (lambda symbol: pd.DataFrame(), "source_empty")]
)
def test_a_source_that_fails_half_way_leaves_what_was_read_and_says_what_was_not(api, monkeypatch, answer, reason):
    whole = api.fund_money_fund_info_em
    monkeypatch.setattr(api, "fund_money_fund_info_em", lambda symbol: answer(symbol))
    run = sync()
    assert set(Fund.objects.values_list("code", flat=True)) == {"900001", "900003"}
    assert run.status == Job.Status.FAILED
    assert run.error["params"]["n_failed"] == 1
    assert list(run.issues.values_list("fund_code", "code")) == [("900002", reason)]
    assert import_problem(run.error).startswith("The source did not give 1 of 3 funds; the others are stored.")
    monkeypatch.setattr(api, "fund_money_fund_info_em", whole)
    again = sync()
    assert (again.status, counts(again)) == (Job.Status.DONE, (24, 8, 0, 16, 0))


def test_a_source_without_its_table_of_names_brings_nothing(api, monkeypatch):
    monkeypatch.setattr(api, "fund_name_em", lambda: pd.DataFrame({"<html>": ["502"]}))
    run = sync()
    assert (run.status, run.error["code"], Fund.objects.count()) == (Job.Status.FAILED, "source_column_missing", 0)


def test_a_source_that_is_down_is_not_asked_for_every_fund(api, monkeypatch):
    monkeypatch.setattr(api, "fund_open_fund_info_em", lambda symbol, indicator: error_page(symbol))
    run = sync([f"{number:06d}" for number in range(100, 120)])
    reasons = list(run.issues.order_by("pk").values_list("code", flat=True))
    assert reasons == ["source_not_data"] * 5 + ["source_given_up"] * 15
    assert import_problem(run.error) == "The source answered with something that is no data, perhaps an error page."


class Killed(BaseException):
    """A worker's death: nothing catches it."""


def test_a_run_that_was_killed_goes_on_after_the_last_funds_done(api, monkeypatch):
    whole = api.fund_money_fund_info_em

    def die(symbol):
        raise Killed

    monkeypatch.setattr("portfolios.sources.calls.within", lambda seconds, call: call())
    monkeypatch.setattr("portfolios.sources.akshare.within", lambda seconds, call: call())
    monkeypatch.setattr(api, "fund_money_fund_info_em", die)
    run = request_sync(request=SyncRequest("akshare", AKSHARE_CODES))
    with pytest.raises(Killed):
        execute_import(run.pk)
    run.refresh_from_db()
    assert (run.status, run.n_done, run.n_new) == (Job.Status.RUNNING, 1, 8)
    # What a fund wrote ahead before its batch was confirmed is written again, not twice.
    ImportIssue.objects.create(run=run, line=3, fund_code="900002", code="nav_missing")
    monkeypatch.setattr(api, "fund_money_fund_info_em", whole)
    assert execute_import(run.pk) is False, "the lease has not run out"
    ImportRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    api.calls.clear()
    assert execute_import(run.pk)
    run.refresh_from_db()
    assert (run.status, counts(run), run.n_funds, run.n_done) == (Job.Status.DONE, (24, 24, 0, 0, 0), 3, 3)
    assert not run.issues.exists()
    assert "900001" not in {symbol for symbol, _ in api.calls}


def test_a_long_reading_comes_in_slices_that_leave_others_their_turn(api, monkeypatch):
    monkeypatch.setattr(import_services, "SLICE_SECONDS", -1)
    run = request_sync(request=SyncRequest("akshare", AKSHARE_CODES))
    seen = []
    while execute_import(run.pk):
        run.refresh_from_db()
        seen.append((run.status, run.n_done))
    assert seen == [("queued", 1), ("queued", 2), ("done", 3)]
    assert (counts(run), run.n_funds, run.attempts) == ((24, 24, 0, 0, 0), 3, 1)


def test_a_worker_that_lost_its_claim_writes_nothing_more(api, monkeypatch):
    whole = api.fund_money_fund_info_em

    def steal(symbol):
        ImportRun.objects.update(claim="12345678123456781234567812345678")
        return whole(symbol)

    monkeypatch.setattr(api, "fund_money_fund_info_em", steal)
    monkeypatch.setattr("portfolios.sources.calls.within", lambda seconds, call: call())
    run = request_sync(request=SyncRequest("akshare", AKSHARE_CODES))
    assert execute_import(run.pk) is False
    assert list(Fund.objects.values_list("code", flat=True)) == ["900001"]
    run.refresh_from_db()
    assert (run.status, run.n_done) == (Job.Status.RUNNING, 1)


def test_asking_twice_is_one_import_and_a_finished_one_is_asked_anew(api):
    first = request_sync(request=SyncRequest("akshare", AKSHARE_CODES))
    assert request_sync(request=SyncRequest("akshare", AKSHARE_CODES)).pk == first.pk
    execute_import(first.pk)
    assert request_sync(request=SyncRequest("akshare", AKSHARE_CODES)).pk != first.pk


def test_a_source_that_knows_no_fund_yet_must_be_told(api):
    with pytest.raises(DataError, match="no_codes"):
        request_sync(request=SyncRequest("akshare"))


@pytest.mark.parametrize("name", ["akshare", "yfinance"])
def test_a_library_that_is_not_installed_is_named(name, monkeypatch):
    monkeypatch.setattr("portfolios.sources.calls.import_module", lambda library: (_ for _ in ()).throw(ImportError(library)))
    run = request_sync(request=SyncRequest(name, ("X",)))
    execute_import(run.pk)
    run.refresh_from_db()
    assert import_problem(run.error) == f"The library {name} is not installed: pip install -r requirements-sources.txt."


class ReadTimeout(OSError):
    pass


class JSONDecodeError(OSError, ValueError):
    pass


class YFRateLimitError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimeoutError(), "source_timeout"),
        (ReadTimeout(), "source_timeout"),
        (ConnectionResetError(), "source_unreachable"),
        (JSONDecodeError(), "source_not_data"),
        (YFRateLimitError(), "source_refused"),
        (KeyError("Data"), "source_not_data"),
        (DataError("source_empty"), "source_empty"),
    ],
)
def test_what_a_library_raises_is_told_apart(error, code):
    assert as_data_error(error, 30).code == code


def test_a_call_that_answers_in_time_gives_its_answer():
    assert within(5, lambda: 42) == 42


def test_every_night_the_configured_source_is_read_and_none_without_one(api, settings):
    sync()
    settings.MARKET_SOURCE = ""
    assert sync_configured_source() is None
    settings.MARKET_SOURCE = "akshare"
    assert sync_configured_source().request["codes"] == list(AKSHARE_CODES)


def test_a_nightly_file_that_is_not_there_stands_in_the_list_as_failed(tmp_path, settings):
    settings.MARKET_SOURCE, settings.MARKET_FILE = "csv", str(tmp_path / "gone.csv")
    run = sync_configured_source()
    assert (run.status, import_problem(run.error)) == (Job.Status.FAILED, "There is no file gone.csv.")


def test_what_may_be_bought_a_day_is_read_anew_and_nobody_renamed(api, monkeypatch):
    sync()
    Fund.objects.filter(code="900001").update(name_zh="投资者认得的名字")
    purchases = api.fund_purchase_em()
    monkeypatch.setattr(api, "fund_purchase_em", lambda: purchases.assign(日累计限定金额=[1e11, 100.0, 1e11], 申购状态="开放申购"))
    sync()
    first, money, third = Fund.objects.order_by("code")
    assert (first.name_zh, first.daily_limit_minor, money.daily_limit_minor, third.is_open) == ("投资者认得的名字", None, 100_00, True)


def test_a_limit_that_is_no_number_and_a_fund_listed_twice_stop_nothing(api, monkeypatch):
    twice = pd.concat([api.fund_purchase_em(), api.fund_purchase_em()]).assign(日累计限定金额="---")
    names = pd.concat([api.fund_name_em(), api.fund_name_em()])
    monkeypatch.setattr(api, "fund_purchase_em", lambda: twice)
    monkeypatch.setattr(api, "fund_name_em", lambda: names)
    assert sync().status == Job.Status.DONE
    assert list(Fund.objects.order_by("code").values_list("daily_limit_minor", "is_open")) == [(None, True), (None, True), (None, False)]


def test_the_file_of_the_source_csv_is_read_again_when_it_has_grown(tmp_path, settings):
    path = tmp_path / "prices.csv"
    settings.MARKET_SOURCE, settings.MARKET_FILE = "csv", str(path)
    path.write_text("fund,date,nav\nA,2026-03-02,1.00\n", encoding="utf-8")
    execute_import(sync_configured_source().pk)
    path.write_text("fund,date,nav\nA,2026-03-02,1.00\nA,2026-03-03,1.01\n", encoding="utf-8")
    run = sync_configured_source()
    execute_import(run.pk)
    run.refresh_from_db()
    assert counts(run) == (2, 1, 0, 1, 0)
    assert path.exists(), "the operator's own file stays"


def test_a_file_that_changed_before_the_worker_came_is_refused(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text("fund,date,nav\nA,2026-03-02,1.00\n", encoding="utf-8")
    run = request_sync(request=SyncRequest("csv", file=path))
    path.write_text("fund,date,nav\nA,2026-03-02,9.00\n", encoding="utf-8")
    execute_import(run.pk)
    run.refresh_from_db()
    assert (run.error["code"], Fund.objects.count()) == ("file_changed", 0)


def test_the_command_reads_a_simulated_market_with_its_facts_and_goes_on_with_it(capsys, monkeypatch):
    monkeypatch.setattr(import_services.timezone, "localdate", lambda: timezone.datetime(2018, 6, 29).date())
    call_command("sync_market", source="simulated", funds=80, here=True)
    assert "new" in capsys.readouterr().out
    first = ImportRun.objects.get()
    assert (first.status, first.n_reported, first.n_done) == (Job.Status.DONE, 0, first.n_total)
    assert first.n_new == first.n_rows > 10_000
    assert FundSize.objects.count() > 100 and FundFact.objects.exists()
    assert Fund.objects.filter(is_simulated=True, category="money").exists()
    monkeypatch.setattr(import_services.timezone, "localdate", lambda: timezone.datetime(2018, 7, 4).date())
    call_command("sync_market", source="simulated", funds=80, here=True)
    second = ImportRun.objects.latest("pk")
    assert (second.n_changed, second.n_reported) == (0, 0)
    assert 0 < second.n_new <= 3 * second.n_funds


def test_a_simulated_market_of_another_seed_is_refused(monkeypatch):
    Fund.objects.create(code="S01001", source="simulated", category="money", asset_class="money_market", risk_grade=1)
    with pytest.raises(CommandError, match="another seed") as raised:
        call_command("sync_market", source="simulated", here=True)
    assert raised.value.returncode == 2
