"""The pages of imports and of what waits: what they show, what they refuse, who may decide, and that they ask few queries."""

import csv
import gzip
import io
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config.jobs import Job
from portfolios.forms import imports as forms
from portfolios.models import Fund, ImportIssue, ImportRun, QuarantinedHistory
from portfolios.selectors import load_history
from portfolios.services import execute_import, uploads_folder
from tests.portfolios.pages.import_world import CALM, FIRST, JUMPY, import_text, rows, waiting_history

PRICES = ("fund,date,nav\n" + rows("A00001", CALM)).encode()


def page(client, who, name, *args, **query) -> str:
    client.force_login(who)
    response = client.get(reverse(name, args=args), query, headers={"accept-language": "en"})
    assert response.status_code == 200
    return response.content.decode()


def upload(client, who, content: bytes, name: str = "prices.csv", kind: str = "prices"):
    client.force_login(who)
    return client.post(
        reverse("market_import_new"), {"file": SimpleUploadedFile(name, content), "kind": kind}, headers={"accept-language": "en"}
    )


def kept_uploads() -> list[Path]:
    return list(uploads_folder().iterdir())


def test_an_uploaded_file_waits_for_the_worker_is_stored_and_then_forgotten(people, client):
    before = kept_uploads()
    answer = upload(client, people.adam, PRICES)
    run = ImportRun.objects.get()
    assert answer.url == reverse("market_import", args=[run.pk])
    assert (run.status, run.file_name, run.requested_by) == (Job.Status.QUEUED, "prices.csv", people.adam)
    assert "It is waiting for its turn" in page(client, people.adam, "market_import", run.pk)
    assert len(kept_uploads()) == len(before) + 1
    execute_import(run.pk)
    assert kept_uploads() == before
    assert "Every row is stored." in page(client, people.ada, "market_import", run.pk)
    assert Fund.objects.get().last_nav_micro == round(CALM[-1] * 1e6)


def test_a_gzipped_file_is_taken(people, client):
    upload(client, people.adam, gzip.compress(PRICES), "prices.csv.gz")
    run = ImportRun.objects.get()
    execute_import(run.pk)
    run.refresh_from_db()
    assert (run.status, run.n_new) == (Job.Status.DONE, 12)


def test_a_table_of_funds_restates_known_ones_and_reports_the_others(people, client):
    upload(client, people.adam, PRICES)
    execute_import(ImportRun.objects.get().pk)
    table = "code,category,name_zh,manager,ended_on\nA00001,bond,甲债券,王,2026-06-30\nZ99999,bond,乙,,\n".encode("gb18030")
    upload(client, people.adam, table, "funds.csv", "funds")
    run = ImportRun.objects.latest("pk")
    execute_import(run.pk)
    run.refresh_from_db()
    fund = Fund.objects.get()
    assert (fund.category, fund.name_zh, fund.manager, fund.is_open, str(fund.ended_on)) == ("bond", "甲债券", "王", False, "2026-06-30")
    assert (run.status, run.n_rows, run.n_changed, run.n_reported) == (Job.Status.DONE, 2, 1, 1)
    assert list(run.issues.values_list("line", "fund_code", "code")) == [(3, "Z99999", "fund_without_prices")]
    assert "its prices come first" in page(client, people.adam, "market_import", run.pk)


BAD_UPLOADS = [
    (b"", "prices.csv", "prices", "The file is empty."),
    (b"PK\x03\x04xx", "prices.csv", "prices", "prices.csv is a zip archive"),
    (b"\xd0\xcf\x11\xe0" + b"x" * 50, "nav.xls", "prices", "nav.xls is an Excel workbook"),
    (b"<!DOCTYPE html><html></html>", "prices.csv", "prices", "is a web page"),
    (b"%PDF-1.7", "prices.csv", "prices", "is a PDF"),
    (b"a,b\n1,2\n", "prices.csv", "prices", "no column “date”"),
    (b"fund,date\nA,2020-01-02\n", "prices.csv", "prices", "no column “nav”"),
    (b"\xff\xff\x80\x81", "prices.csv", "prices", "not a text file"),
    (b"\x1f\x8bnot gzip", "prices.csv.gz", "prices", "cannot be read"),
    (b"code,category\nA,crypto\n", "funds.csv", "funds", "there is no category “crypto”"),
    (b"code,category\nA,bond\nA,bond\n", "funds.csv", "funds", "stands twice in funds.csv"),
    (b"code,category,is_open\nA,bond,perhaps\n", "funds.csv", "funds", "“perhaps” is not understood"),
    (b"code,category\n", "funds.csv", "funds", "funds.csv has no rows"),
]


@pytest.mark.parametrize(("content", "name", "kind", "sentence"), BAD_UPLOADS, ids=[row[3] for row in BAD_UPLOADS])
def test_a_bad_upload_gets_a_sentence_and_leaves_nothing_behind(people, client, content, name, kind, sentence):
    before = kept_uploads()
    answer = upload(client, people.adam, content, name, kind)
    assert answer.status_code == 200
    assert sentence in answer.content.decode().replace("&quot;", '"')
    assert not ImportRun.objects.exists()
    assert kept_uploads() == before


def test_a_file_beyond_the_size_is_refused(people, client, monkeypatch):
    monkeypatch.setattr(forms, "MOST_BYTES", 10)
    assert "200 MB is the most" in upload(client, people.adam, PRICES).content.decode()
    assert not ImportRun.objects.exists()


@pytest.mark.parametrize("data", [{}, {"kind": "prices"}, {"kind": "everything"}])
def test_a_post_without_a_file_or_of_another_kind_is_answered_on_the_form(people, client, data):
    client.force_login(people.adam)
    answer = client.post(reverse("market_import_new"), data, headers={"accept-language": "en"})
    assert answer.status_code == 200
    assert "Choose a file." in answer.content.decode()


def test_what_only_shows_further_down_the_file_is_told_on_the_page(people, client):
    upload(client, people.adam, b"fund,date,nav\nA,2020-01-02,1\nB,2020-01-02,1,7,8\n")
    run = ImportRun.objects.get()
    execute_import(run.pk)
    text = page(client, people.adam, "market_import", run.pk)
    assert "has more fields than the header" in text
    assert "Failed" in page(client, people.adam, "market_import_list")


@pytest.fixture
def mixed(people, tmp_path):
    """An import with a stored fund, one with a wrong row, one that jumps, and a code that looks like a formula."""
    text = rows("A00001", CALM) + rows("J00001", JUMPY) + rows("=1+1", [1.0]) + f"=1+1,{FIRST},1.0\n"
    return import_text(tmp_path, text)


def test_the_page_of_an_import_says_what_was_left_out_and_why(people, client, mixed):
    text = page(client, people.sue, "market_import", mixed.pk)
    assert "14 of 26 rows were not stored" in text
    assert "The date stands twice" in text and "wait for a decision" in text
    assert "1 fund with a jump that nothing explains" in text


def test_the_error_report_opens_in_a_spreadsheet_and_runs_nothing(people, client, mixed):
    client.force_login(people.ada)
    answer = client.get(reverse("market_import_issues", args=[mixed.pk]), headers={"accept-language": "en"})
    content = b"".join(answer.streaming_content)
    assert content.startswith(b"\xef\xbb\xbf")
    lines = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert len(lines) == ImportIssue.objects.count() == 3
    assert {line["fund"] for line in lines} == {"'=1+1", "J00001"}
    assert {line["code"]: line["line"] for line in lines}["duplicate_date"] == "27"


def test_a_long_list_of_wrong_rows_has_pages(people, client, mixed):
    ImportIssue.objects.bulk_create(ImportIssue(run=mixed, line=100 + i, fund_code="X", code="nav_missing") for i in range(60))
    assert "Page 1 of 3" in page(client, people.ada, "market_import", mixed.pk)
    assert "Page 3 of 3" in page(client, people.ada, "market_import", mixed.pk, page="99")


def test_a_run_at_work_shows_its_progress_and_the_polling_ends_with_it(people, client):
    run = ImportRun.objects.create(source="akshare", status=Job.Status.RUNNING, n_done=1200, n_total=10_000, n_rows=3_000_000)
    text = page(client, people.ada, "market_import", run.pk)
    assert "1,200 of 10,000 funds are done, 3,000,000 rows so far." in text
    assert '<meta http-equiv="refresh"' in text
    assert "1,200 of 10,000" in page(client, people.ada, "market_import_progress", run.pk)
    ImportRun.objects.update(status=Job.Status.DONE)
    answer = client.get(reverse("market_import_progress", args=[run.pk]))
    assert (answer.status_code, answer.headers["HX-Refresh"]) == (286, "true")


def test_the_jump_is_shown_with_the_days_beside_it(people, client):
    text = page(client, people.sue, "market_quarantine", waiting_history().pk)
    assert "One step is beyond the limit" in text
    assert "1.0050" in text and "1.5090" in text
    assert "+50.1" in text


def test_a_supervisor_accepts_and_the_fund_is_there(people, client):
    kept = waiting_history()
    client.force_login(people.sue)
    answer = client.post(
        reverse("market_quarantine_decide", args=[kept.pk]), {"decision": "accept", "why": "a split nobody told"}, follow=True
    )
    assert "12 new and 0 changed prices are stored" in answer.content.decode()
    fund = Fund.objects.get(code="J00001")
    assert load_history([fund.pk])[fund.pk].nav_micro[-1] == round(JUMPY[-1] * 1e6)
    kept.refresh_from_db()
    assert (kept.state, kept.decided_by, kept.why, kept.fund) == ("accepted", people.sue, "a split nobody told", fund)


def test_a_rejected_jump_stays_out_and_can_still_be_accepted(people, client):
    kept = waiting_history()
    client.force_login(people.adam)
    url = reverse("market_quarantine_decide", args=[kept.pk])
    client.post(url, {"decision": "reject", "why": "a typing error"})
    assert not Fund.objects.exists()
    client.post(url, {"decision": "reject", "why": "again"})
    kept.refresh_from_db()
    assert (kept.state, kept.why) == ("rejected", "a typing error")
    client.post(url, {"decision": "accept", "why": "the company confirmed it"})
    kept.refresh_from_db()
    assert (kept.state, kept.why) == ("accepted", "the company confirmed it")
    assert Fund.objects.exists()


@pytest.mark.parametrize(
    "data", [{}, {"decision": "accept"}, {"decision": "accept", "why": "  "}, {"decision": "burn", "why": "x"}, {"why": "x"}]
)
def test_a_bad_decision_decides_nothing(people, client, data):
    kept = waiting_history()
    client.force_login(people.sue)
    answer = client.post(reverse("market_quarantine_decide", args=[kept.pk]), data, follow=True)
    assert "Nothing was decided" in answer.content.decode()
    kept.refresh_from_db()
    assert kept.state == "waiting"


def test_an_advisor_reads_imports_and_decides_nothing(people, client):
    kept = waiting_history()
    assert "Import a file" not in page(client, people.ada, "market_import_list")
    client.force_login(people.ada)
    assert client.post(reverse("market_quarantine_decide", args=[kept.pk]), {"decision": "accept", "why": "x"}).status_code == 403
    assert QuarantinedHistory.objects.get().state == "waiting"


@pytest.mark.parametrize("state", ["waiting", "accepted", "", "nonsense"])
def test_the_list_of_jumps_is_filtered_by_state(people, client, state):
    waiting_history()
    assert ("J00001" in page(client, people.sue, "market_quarantine_list", state=state)) is (state != "accepted")


@pytest.mark.parametrize(
    "name", ["market_import_list", "market_import", "market_quarantine_list", "market_quarantine", "market_import_new"]
)
def test_the_pages_ask_few_queries(people, client, mixed, name):
    for i in range(30):
        ImportRun.objects.create(source="csv", file_name=f"{i}.csv", requested_by=people.adam)
        ImportIssue.objects.create(run=mixed, line=50 + i, fund_code=f"F{i}", code="nav_missing")
    args = {"market_import": [mixed.pk], "market_quarantine": [QuarantinedHistory.objects.get().pk]}.get(name, [])
    client.force_login(people.adam)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(reverse(name, args=args)).status_code == 200
    assert len(captured) <= 12
