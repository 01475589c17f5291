"""Each role's journey in Chromium: no console error, no policy violation, nothing wider than the phone."""

import itertools
import re
from datetime import date, timedelta

import pytest

DOMAIN = "demo.hengtou.invalid"
NUMBER = itertools.count(1)
AGREEING = {
    "income": "steady", "reserve": "above-12", "debt": "none", "share": "below-25", "dependants": "0", "horizon": "5-to-10",
    "loss": "up-to-20", "reaction": "hold", "mix": "c", "attitude": "balance", "past": "held",
}  # fmt: skip


def sign_up(visitor, email: str) -> None:
    visitor.go("/accounts/signup/")
    visitor.page.fill("input[name=email]", email)
    visitor.page.fill("input[name=password1]", "a long enough phrase")
    visitor.page.locator("main button[type=submit]").first.click()
    visitor.page.wait_for_load_state("load")
    if "/accounts/" in visitor.page.url:
        confirm_by_code(visitor)


def confirm_by_code(visitor) -> None:
    """Read the code in the simulated outbox, as a person trying the demo does."""
    outbox = visitor.context.new_page()
    outbox.goto(f"{visitor.base}/demo/outbox/")
    code = re.search(r"\b\d{6}\b", outbox.locator("main").inner_text())
    outbox.close()
    assert code, "no code in the outbox"
    visitor.page.fill("input[name=code]", code.group())
    visitor.page.locator("main button[type=submit]").first.click()
    visitor.page.wait_for_load_state("load")


def agree_and_say_what_for(visitor) -> None:
    visitor.go("/start/")
    assert visitor.page.locator("input[type=checkbox]:checked").count() == 0, "nothing is ticked beforehand"
    for purpose in ("terms", "profiling"):
        visitor.page.check(f"input[name={purpose}]")
    visitor.press("Continue|继续")
    assert visitor.page.locator("input[name=kind]:checked").count() == 0
    assert [visitor.page.input_value(f"input[name={name}]") for name in ("name", "amount", "target_date")] == ["", "", ""]
    visitor.page.fill("input[name=name]", "A home")
    if visitor.page.locator("select[name=kind]").count():
        visitor.page.select_option("select[name=kind]", "home")
    else:
        visitor.page.check("input[name=kind][value=home]")
    visitor.page.fill("input[name=amount]", "100000")
    visitor.page.fill("input[name=target_date]", f"{date.today().year + 8}-06-01")
    visitor.press("Continue|继续")


def answer_everything(visitor) -> None:
    """Answers that go together, each found by what it is and not by its place, which differs from person to person."""
    for _ in range(20):
        if "/questions/" not in visitor.page.url:
            break
        choices = visitor.page.locator("input[type=radio][name=answer]")
        assert choices.count() >= 2, visitor.page.url
        assert visitor.page.locator("input[type=radio]:checked").count() == 0, "no answer is chosen beforehand"
        wanted = AGREEING.get(visitor.page.url.split("/questions/")[1].split("/")[0])
        (visitor.page.locator(f"input[name=answer][value='{wanted}']") if wanted else choices.nth(choices.count() // 2)).check()
        visitor.press("Continue|继续")
    assert visitor.page.url.endswith("/start/check/")
    visitor.press("These answers are right|正确|属实|无误")
    assert visitor.page.url.endswith("/start/result/")


def accept(visitor) -> None:
    visitor.press("See your proposal|查看.*(方案|建议)")
    visitor.page.wait_for_selector("a[href$='/accept/'], form[action$='/accept/']", timeout=60_000)
    visitor.page.locator("main a[href$='/accept/'], main form[action$='/accept/'] button").first.click()
    visitor.page.wait_for_load_state("load")
    if visitor.page.url.endswith("/accept/"):
        visitor.page.locator("main form[action$='/accept/'] button, main form[method=post] button").first.click()
        visitor.page.wait_for_load_state("load")


@pytest.mark.parametrize(("width", "language"), [(390, "zh-hans"), (1280, "en")])
def test_a_new_investor_goes_from_sign_up_to_holdings(visit, width, language):
    visitor = visit(width=width, language=language)
    sign_up(visitor, f"new{next(NUMBER)}-{width}@example.com")
    agree_and_say_what_for(visitor)
    answer_everything(visitor)
    assert re.search(r"C[1-5]", visitor.text())
    accept(visitor)
    for _ in range(30):
        visitor.go("/")
        if visitor.page.locator("main a[href^='/goals/']").count():
            visitor.page.locator("main a[href^='/goals/']").first.click()
            visitor.page.wait_for_load_state("load")
            if visitor.page.locator("main a[href^='/funds/S']").count():
                break
        visitor.page.wait_for_timeout(1000)
    assert visitor.page.locator("main a[href^='/funds/S']").count() >= 2, "the holdings are there"
    visitor.go("/orders/")
    assert not visitor.is_too_wide()


def test_without_javascript_to_an_accepted_proposal(visit):
    visitor = visit(javascript=False)
    sign_up(visitor, f"plain{next(NUMBER)}@example.com")
    agree_and_say_what_for(visitor)
    answer_everything(visitor)
    accept(visitor)
    visitor.go("/orders/")
    assert visitor.page.locator("main a[href^='/funds/S']").count() >= 2


def test_a_phone_number_and_its_code_are_enough(visit):
    visitor = visit()
    visitor.go("/accounts/signup/")
    visitor.page.fill("input[name=phone]", "138 0013 8000")
    if visitor.page.locator("input[name=password1]").count():
        visitor.page.fill("input[name=password1]", "a long enough phrase")
    visitor.page.locator("main button[type=submit]").first.click()
    visitor.page.wait_for_load_state("load")
    confirm_by_code(visitor)
    visitor.go("/start/")
    assert visitor.page.url.endswith("/start/agreements/")


def test_back_keeps_the_answer(visit):
    visitor = visit()
    sign_up(visitor, f"back{next(NUMBER)}@example.com")
    agree_and_say_what_for(visitor)
    first = visitor.page.url
    visitor.page.locator("input[name=answer]").nth(1).check()
    visitor.press("Continue")
    visitor.page.goto(first)
    assert visitor.page.locator("input[name=answer]").nth(1).is_checked()


@pytest.mark.parametrize(
    ("who", "paths"),
    [
        ("investor", ["/", "/funds/", "/orders/", "/marketing/inbox/", "/preferences/"]),
        ("advisor", ["/advisors/"]),
        (
            "supervisor",
            ["/advisors/", "/market/", "/market/screens/", "/market/screens/1/", "/market/pool/", "/market/models/1/", "/market/alerts/"],
        ),
        ("marketer", ["/marketing/", "/marketing/segments/", "/marketing/campaigns/", "/marketing/campaigns/new/"]),
        ("admin", ["/admin/", "/admin/portfolios/fund/", "/market/imports/", "/market/imports/new/", "/market/quarantine/"]),
    ],
)
@pytest.mark.parametrize(("width", "language"), [(390, "en"), (390, "zh-hans"), (1280, "zh-hans")])
def test_the_pages_of_each_role_hold_their_width_and_their_policy(visit, who, paths, width, language):
    visitor = visit(width=width, language=language)
    visitor.sign_in(f"{who}@{DOMAIN}")
    for path in paths:
        visitor.go(path)
        assert path.startswith("/admin/") or not visitor.is_too_wide(), path
        if not path.startswith("/admin/"):
            assert visitor.page.locator("h1").count() == 1, path


def test_charts_are_drawn(visit):
    visitor = visit(width=1280)
    visitor.sign_in(f"investor@{DOMAIN}")
    visitor.go("/funds/")
    visitor.page.locator("main a[href^='/funds/S']").first.click()
    visitor.page.wait_for_selector(".plot svg.main-svg")


def test_an_investor_follows_a_fund_finds_it_again_and_stops(visit):
    visitor = visit(width=390)
    visitor.sign_in(f"investor@{DOMAIN}")
    visitor.go("/funds/")
    fund = visitor.page.locator("main tbody a[href^='/funds/S']").first.get_attribute("href")
    visitor.go(fund)
    if visitor.page.locator("form[action$='/stop/']").count():  # they may follow it since one of the last days
        visitor.page.click("form[action$='/stop/'] button")
    visitor.page.click("form[action$='/follow/'] button")
    visitor.page.wait_for_selector("form[action$='/stop/'] button")
    visitor.go("/funds/")
    visitor.page.click("main a[href='/marketing/following/']")
    assert not visitor.is_too_wide()
    visitor.page.locator("tr", has=visitor.page.locator(f"a[href='{fund}']")).locator("button").click()
    visitor.page.wait_for_load_state("load")
    assert not visitor.page.locator(f"main a[href='{fund}']").count()


def test_an_advisor_prices_and_saves_an_override(visit):
    visitor = visit(width=1280)
    visitor.sign_in(f"advisor@{DOMAIN}")
    visitor.page.locator("main a[href^='/advisors/clients/']").first.wait_for()
    clients = [a.get_attribute("href") for a in visitor.page.locator("main a[href^='/advisors/clients/']").all()]
    for client in dict.fromkeys(clients):
        visitor.go(client)
        goal = visitor.page.locator("main a[href$='/override/']").first
        if goal.count() and not visitor.page.locator("main .notice-warning").count():
            goal.click()
            visitor.page.wait_for_load_state("load")
            if visitor.page.locator("button.btn[value=preview]").count() and not visitor.page.locator("main .notice-warning").count():
                break
    visitor.page.click("button.btn[value=preview]")
    visitor.page.wait_for_load_state("load")
    visitor.page.fill("textarea[name=reason]", "The client wants to keep it as it is for a year.")
    visitor.page.fill("[name=expires_on]", (date.today() + timedelta(days=90)).isoformat())
    visitor.page.click("button[value=save]")
    visitor.page.wait_for_load_state("load")
    assert "/advisors/clients/" in visitor.page.url
    assert "keep it as it is for a year" in visitor.text()


def test_two_people_take_a_fund_out_of_the_pool(visit):
    advisor = visit(width=1280)
    advisor.sign_in(f"advisor@{DOMAIN}")
    advisor.go("/market/pool/")
    code = re.search(r"/market/screens/1/funds/(\w+)/", advisor.page.content())[1]
    advisor.go(f"/market/pool/decisions/new/?fund={code}")
    advisor.page.check("input[name=kind][value=exclude]")
    advisor.page.fill("[name=reason]", "Its manager has resigned; we wait for the successor.")
    advisor.page.locator("main form button.btn-primary").last.click()
    advisor.page.wait_for_load_state("load")
    asked = advisor.page.url
    assert "/market/pool/decisions/" in asked and "another person must approve" in advisor.text()
    supervisor = visit(width=390)
    supervisor.sign_in(f"supervisor@{DOMAIN}")
    supervisor.page.goto(asked)
    supervisor.page.fill("form.confirm [name=answer]", "Agreed until the successor is known.")
    supervisor.press("Approve")
    supervisor.go("/market/pool/")
    assert f"/funds/{code}/" not in supervisor.page.locator("main table").first.inner_html()


def test_an_upload_says_what_became_of_each_row(visit, tmp_path):
    admin = visit(width=1280)
    admin.sign_in(f"admin@{DOMAIN}")
    path = tmp_path / "nav.csv"
    path.write_text("fund,date,nav\n900777,2026-03-02,1.01\n900777,2026-03-03,1.02\n900778,2026-03-02,-1\n", encoding="utf-8")
    admin.go("/market/imports/new/")
    admin.page.set_input_files("input[name=file]", str(path))
    admin.page.locator("main form button.btn-primary").first.click()
    admin.page.wait_for_load_state("load")
    admin.page.get_by_text("900778").first.wait_for(timeout=30_000)
    assert "/market/imports/" in admin.page.url


def test_a_marketer_launches_pauses_and_resumes(visit):
    visitor = visit(width=1280)
    visitor.sign_in(f"marketer@{DOMAIN}")
    visitor.go("/marketing/campaigns/new/")
    page = visitor.page
    page.fill("[name=name]", "A word to the sleepers")
    sleepers = page.locator("[name=segment] option").filter(has_text="Dormant with idle cash").first
    page.select_option("[name=segment]", sleepers.get_attribute("value"))
    for box in page.locator("[name=channels]").all():
        box.check()
    words = {
        "subject_zh": "您的闲置资金",
        "subject_en": "Your idle cash",
        "body_zh": "{name}，您的账户中有闲置资金。",
        "body_en": "{name}, there is idle cash in your account.",
    }
    for field, text in words.items():
        page.fill(f"[name={field}]", text)
    visitor.press("Save|Continue|Create")
    assert re.search(r"/marketing/campaigns/\d+/", page.url), visitor.text()
    campaign = re.search(r"/marketing/campaigns/\d+/", page.url).group()
    visitor.go(f"{campaign}launch/")
    page.locator("main form[method=post] button[type=submit], main form[method=post] button").first.click()
    page.wait_for_load_state("load")
    for _ in range(60):
        visitor.go(campaign)
        if re.search(r"finished", visitor.text(), re.IGNORECASE):
            break
        page.wait_for_timeout(1000)
    assert re.search(r"finished", visitor.text(), re.IGNORECASE)


def test_one_tap_changes_the_language_and_stays(visit):
    visitor = visit(language="en")
    visitor.go("/")
    visitor.page.locator("form[action='/language'] button, form[action='/language'] input[type=submit]").first.click()
    visitor.page.wait_for_load_state("load")
    assert visitor.page.locator("html").get_attribute("lang").lower().startswith("zh")
    visitor.go("/accounts/login/")
    assert visitor.page.locator("html").get_attribute("lang").lower().startswith("zh")


def test_the_page_of_suggestions_says_why_each_or_why_there_is_none(visit):
    """Who is on their plan may rightly be shown nothing; the home shows at most one, and no small button."""
    visitor = visit()
    visitor.sign_in(f"investor@{DOMAIN}")
    visitor.go("/")
    assert visitor.page.locator("main section[aria-labelledby^='suggestion-']").count() <= 1
    visitor.go("/marketing/suggestions/")
    told = visitor.page.locator("main").inner_text()
    reasons = r"which you (bought|looked at|follow|hold)|your (own )?plan|costs less|within your level"
    shown = visitor.page.locator("main li.card").all()
    assert all(re.search(reasons, one.inner_text()) for one in shown)
    assert shown or "Nothing at present" in told, told
