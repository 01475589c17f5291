"""A marketer builds an audience of five conditions, sees the count change, saves it and reads it back in both languages."""

import os
import time
from pathlib import Path

import pytest

MARKETER = "marketer@demo.hengtou.invalid"
MESSAGE = {"subject_zh": "闲置资金", "subject_en": "Idle cash", "body_zh": "您好，{name}。", "body_en": "Dear {name}."}


def make_campaign(visitor) -> None:
    visitor.go("/marketing/campaigns/new/")
    visitor.page.fill("input[name=name]", "Campaign X")
    visitor.page.select_option("select[name=segment]", index=1)
    for name, text in MESSAGE.items():
        visitor.page.fill(f"[name={name}]", text)
    visitor.page.locator("main form button[type=submit]").first.click()
    visitor.page.wait_for_load_state("load")


def add(visitor, kind: str, number: int) -> None:
    visitor.page.select_option("select[name=new-0]", kind)
    visitor.page.locator("button[value='add:0']").click()
    visitor.page.wait_for_selector(f"#n{number} legend")


def count(visitor, *, javascript: bool, before: str = "") -> str:
    if not javascript:
        visitor.page.locator("button.btn-quiet[value=preview]").click()
        visitor.page.wait_for_load_state("load")
    said = visitor.page.locator("[data-count]")
    said.wait_for()
    for _ in range(40):
        if said.inner_text() != before:
            break
        visitor.page.wait_for_timeout(100)
    return said.inner_text()


def keep_shot(visitor, name: str) -> None:
    """With SHOTS set, a picture of the page in that folder."""
    if os.environ.get("SHOTS"):
        visitor.page.screenshot(path=str(Path(os.environ["SHOTS"]) / f"{name}.png"), full_page=True)


@pytest.mark.parametrize(("javascript", "width"), [(True, 1280), (False, 390)])
def test_a_marketer_builds_five_conditions_in_two_minutes_and_reads_them_back(visit, javascript, width):
    visitor = visit(width=width, javascript=javascript)
    visitor.sign_in(MARKETER)
    make_campaign(visitor)
    began = time.monotonic()
    name = f"Win back {width} {began:.0f}"
    visitor.go("/marketing/segments/new/")
    counts = []
    add(visitor, "field:level", 1)
    for level in ("3", "4", "5"):
        visitor.page.check(f"input[name=is-1][value='{level}']")
    counts.append(count(visitor, javascript=javascript))
    add(visitor, "holding", 2)
    visitor.page.select_option("[name=ever-2]", "yes")
    visitor.page.select_option("[name=asset_class-2]", "equity")
    counts.append(count(visitor, javascript=javascript, before=counts[-1]))
    add(visitor, "order", 3)
    visitor.page.select_option("[name=did-3]", "no")
    visitor.page.fill("[name=within_days-3]", "90")
    add(visitor, "message", 4)
    add(visitor, "campaign", 5)
    visitor.page.select_option("[name=is_in-5]", "no")
    visitor.page.select_option("[name=campaign-5]", label="Campaign X")
    counts.append(count(visitor, javascript=javascript, before=counts[-1]))
    assert len(set(counts)) > 1, f"the count changes: {counts}"
    assert visitor.page.locator("[name=is-1]:checked").count() == 3, "what was chosen first is still there"
    keep_shot(visitor, f"builder-{width}")
    assert not visitor.is_too_wide()
    visitor.page.fill("input[name=name]", name)
    visitor.page.locator("button[value=save]").click()
    visitor.page.wait_for_load_state("load")
    said = visitor.page.locator("[data-sentence]").inner_text()
    assert time.monotonic() - began < 120
    for words in (
        "Level is C3, C4 or C5",
        "has at some time held a fund of asset class",
        "in the last 90 days",
        "opened a message",
        "not on the list",
    ):
        assert words in said
    keep_shot(visitor, f"segment-{width}")
    assert not visitor.is_too_wide()
    visitor.context.add_cookies([{"name": "django_language", "value": "zh-hans", "url": visitor.base}])
    visitor.page.reload()
    said = visitor.page.locator("[data-sentence]").inner_text()
    for words in ("风险等级为C3、C4或C5", "曾经持有", "最近 90 天内没有", "打开过消息", "不在活动“Campaign X”的名单中"):
        assert words in said
    keep_shot(visitor, f"segment-zh-{width}")


def test_the_builder_works_by_keyboard_alone(visit):
    visitor = visit(width=1280)
    visitor.sign_in(MARKETER)
    visitor.go("/marketing/segments/new/")
    visitor.page.focus("select[name=new-0]")
    visitor.page.keyboard.type("Orders")
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_selector("#n1 legend")
    visitor.page.wait_for_function("document.activeElement && document.activeElement.name === 'did-1'")
    visitor.page.keyboard.press("ArrowDown")
    for _ in range(3):
        visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.type("90")
    assert visitor.page.input_value("[name=within_days-1]") == "90" and visitor.page.input_value("[name=did-1]") == "no"
    visitor.page.focus("input[name=name]")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_selector("[data-count]")
    assert visitor.page.url.endswith("/marketing/segments/new/"), "Enter counts; it saves nothing and removes nothing"
    assert visitor.page.input_value("[name=within_days-1]") == "90"
