"""The statement of advice in both languages and modes, as a page and as PDF, and the record's pages on the advisors' site."""

import re
import zlib
from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone, translation

from advisor import pdf
from advisor.models import Investor, Proposal
from advisor.selectors.statement import statement_of
from advisor.services import accept_proposal
from advisor.services.assessments import BulkAssessment, assess_in_bulk
from advisor.services.record import append_record, erase_payload
from advisor.services.record_days import close_record_day
from tests.advisor.advice_world import ready_proposal, ready_to_ask
from tests.advisor.record_world import RECORD, tamper
from tests.advisor.site_world import give_level, make_goal, make_market
from tests.advisor.test_onboarding import ANSWERS

FORECASTS = ("expected return", "we expect", "forecast", "probability", "backtest", "预期", "预计", "概率", "回测")


@pytest.fixture
def advised(people, monkeypatch, django_capture_on_commit_callbacks):
    """Anna with her answers, an accepted proposal, and the entries both left."""
    make_market()
    assess_in_bulk(sheets=[BulkAssessment(people.anna_investor.pk, ANSWERS, 10_000_000, timezone.now())])
    people.anna_investor.refresh_from_db()
    give_level(people.anna_investor, 3)
    proposal = ready_proposal(monkeypatch, make_goal(people.anna_investor))
    accept_proposal(proposal=proposal, actor=people.anna)
    return people


def words(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_a_statement_says_who_what_why_and_what_it_costs(advised, client, settings, django_assert_max_num_queries):
    client.force_login(advised.anna)
    with django_assert_max_num_queries(30):
        english = words(client.get(reverse("statement")))
    proposal = Proposal.objects.get()
    for said in (
        "Anna", "Ada", "C3", "What was asked and answered", "needed by", "Proposed at level C3 and accepted on", "MM1", "¥40,000.00",
        "a bad year could be about ¥9,200 of ¥100,000, or more", "Costs in yuan", "¥500.00",
        "The advice itself costs nothing besides", "What would change it", "Nothing else raises a level",
        "The record of advice stood at entry 3",
    ):  # fmt: skip
        assert said in english, said
    assert f"¥{proposal.result['purchase_cost_minor'] / 100:,.2f}" in english
    chinese = words(client.get(reverse("statement"), {"language": "zh-hans"}))
    assert "¥100,000" in chinese and "Ada" in chinese and 'lang="zh-hans"' in client.get("/statement/?language=zh-hans").content.decode()
    assert client.get(reverse("statement"), {"language": "xx"}).status_code == 200
    client.force_login(advised.ada)
    of_client = reverse("advisors:client_statement", args=[advised.anna_investor.pk])
    assert "¥40,000.00" in words(client.get(of_client))
    settings.IS_DEMO = False
    settings.LICENCE_TEXT = "Licensed by nobody, 0000"
    for language in ("en", "zh-hans"):
        for who, address in (
            (advised.anna, "/statement/"),
            (advised.ada, reverse("advisors:client_statement", args=[advised.anna_investor.pk])),
        ):
            client.force_login(who)
            licensed = words(client.get(address, {"language": language}))
            assert "¥40,000.00" in licensed and not [word for word in FORECASTS if word in licensed.lower()]


def test_it_is_read_from_what_was_stored(advised, monkeypatch):
    """Fees and grades that changed since are not those that the advice rested on; an engine is not asked again."""
    from portfolios import services as portfolio_services
    from portfolios.models import Fund

    before = statement_of(advised.anna_investor).goals
    Fund.objects.update(annual_fee_bps=999, purchase_fee_bps=999, risk_grade=5, name_en="renamed")
    monkeypatch.setattr(portfolio_services, "solve_advice", lambda **asked: pytest.fail("worked out anew"))
    after = statement_of(advised.anna_investor).goals
    assert [view.funds for view in after] == [view.funds for view in before] and after[0].funds[0].amount_minor == 4_000_000
    assert sum(fund.annual_cost_minor for fund in after[0].funds) == after[0].annual_cost_minor


def test_what_can_no_longer_be_accepted_is_not_proposed(people, monkeypatch):
    goal = ready_to_ask(people.anna_investor, 3)
    ready_proposal(monkeypatch, goal)
    anna, later = people.anna_investor, goal.target_date - timedelta(days=200)
    assert statement_of(anna).goals[0].proposal is not None
    Investor.objects.filter(pk=anna.pk).update(level_valid_until=later + timedelta(days=1))
    with time_machine.travel(datetime.combine(later, time(12), tzinfo=UTC)):
        assert statement_of(Investor.objects.get(pk=anna.pk)).goals[0].proposal is None, "within a year of its date C3 is too high"
    Investor.objects.filter(pk=anna.pk).update(level_valid_until=timezone.localdate() - timedelta(days=1))
    assert statement_of(Investor.objects.get(pk=anna.pk)).goals[0].proposal is None


def test_somebody_without_anything_has_a_statement_that_says_so(people, client):
    client.force_login(people.ben)
    shown = words(client.get(reverse("statement")))
    assert (
        "There is no risk level yet" in shown
        and "No goal has been named yet" in shown
        and "Nothing is proposed, so nothing is charged" in shown
    )


def pages_and_fonts(data: bytes) -> tuple[int, set[str]]:
    """Counted in the file itself: its page objects, and the fonts whose outlines lie in it."""
    text = data + b"".join(_inflated(data))
    return len(re.findall(rb"/Type\s*/Page\b", text)), {name.decode() for name in re.findall(rb"/FontName\s*/([\w+-]+)", text)}


def _inflated(data: bytes):
    for match in re.finditer(rb"stream\r?\n(.*?)endstream", data, re.DOTALL):
        try:
            yield zlib.decompress(match.group(1))
        except zlib.error:
            continue


def test_the_pdf_has_pages_and_holds_its_chinese_font(advised, client, settings, monkeypatch):
    try:
        pdf.render_pdf("<p>x</p>")
    except pdf.PdfUnavailable as missing:
        print(f"no PDF on this machine: {missing}")
        pytest.skip(f"no PDF on this machine: {missing}")
    settings.IS_DEMO, settings.LICENCE_TEXT = False, "持牌机构甲"
    client.force_login(advised.anna)
    response = client.get(reverse("statement_pdf"), {"language": "zh-hans"})
    assert response["Content-Type"] == "application/pdf" and response.content[:5] == b"%PDF-"
    n_pages, fonts = pages_and_fonts(response.content)
    assert n_pages >= 2
    assert fonts and all("CJK" in font or "NotoSansSC" in font or "SourceHan" in font for font in fonts), fonts
    assert b"/FontFile" in response.content + b"".join(_inflated(response.content))
    with pytest.raises(ValueError, match="nothing outside"):
        pdf._refuse("file:///etc/passwd")
    drawn = []
    monkeypatch.setattr("advisor.views.statements.render_pdf", lambda html: drawn.append(html) or b"%PDF-")
    client.force_login(advised.ada)
    client.get(reverse("advisors:client_statement_pdf", args=[advised.anna_investor.pk]), {"language": "zh-hans"})
    [html] = drawn
    assert 'lang="zh-hans"' in html and "持牌机构甲" in html and "http" not in html
    with translation.override("zh-hans"):
        assert translation.gettext("Statement of advice") in html


def test_where_no_pdf_can_be_made_the_page_says_so(people, client, monkeypatch):
    def fail(html: str) -> bytes:
        raise pdf.PdfUnavailable("no pango")

    monkeypatch.setattr("advisor.views.statements.render_pdf", fail)
    client.force_login(people.anna)
    shown = words(client.get(reverse("statement_pdf"), {"language": "en"}, follow=True))
    assert "This server cannot make a PDF at the moment. You can print this page instead" in shown


def test_a_supervisor_reads_and_verifies_a_client_s_record(advised, client, django_assert_max_num_queries):
    anna = advised.anna_investor
    append_record(investor_id=anna.pk, kind="warning", payload={"shown": "这只基金高于您的等级"})
    erase_payload(investor_id=anna.pk, seqs=[1], why="asked for by the person")
    client.force_login(advised.sue)
    with django_assert_max_num_queries(20):
        response = client.get(reverse("advisors:client_record", args=[anna.pk]))
    shown = words(response)
    assert "5 entries, verified just now" in shown and "这只基金高于您的等级" in shown and "Contents erased" in shown
    assert "Proposal accepted" in shown and "tampered" not in shown
    tamper(f"UPDATE {RECORD} SET kind = 'consent' WHERE investor_id = {anna.pk} AND seq = 3")
    shown = words(client.get(reverse("advisors:client_record", args=[anna.pk])))
    assert "The record was tampered with" in shown and "Entry 3 was changed after it was written." in shown


def test_a_supervisor_sees_what_the_night_found_in_the_branch(advised, client):
    client.force_login(advised.sue)
    address = reverse("advisors:record")
    assert "No verification has been finished yet" in words(client.get(address))
    root = close_record_day()
    shown = words(client.get(address))
    assert "found nothing wrong in your branch" in shown and root.root in shown and "3 entries of 1 people" in shown
    tamper(f"UPDATE {RECORD} SET kind = 'consent' WHERE investor_id = {advised.anna_investor.pk} AND seq = 3")
    close_record_day()
    shown = words(client.get(address))
    assert "found 1 thing wrong that concerns your branch" in shown and "Anna Entry 3 was changed after it was written." in shown
