"""Onboarding in Chromium: both widths and languages with axe on every page, by keyboard, without JavaScript, in large print.

The times printed are the script's, which reads nothing: they are not how long a person takes.
"""

import re
import statistics
import time

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.e2e.test_journeys import AGREEING, NUMBER, agree_and_say_what_for, sign_up

SERIOUS = {"serious", "critical"}
IDEOGRAPH = re.compile(r"[\u3400-\u9fff]")
MOST_CHARACTERS = 1600
# Two answers that cannot both be true, and two that rarely go together.
ANSWERS = {"horizon": "below-1", "mix": "e", "reaction": "hold", "past": "sold-some"}
SMALL_TEXT = """() => { const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (texts.nextNode()) { const e = texts.currentNode.parentElement;
    if (texts.currentNode.textContent.trim() && e.checkVisibility() && !e.closest("script, style, noscript")
        && parseFloat(getComputedStyle(e).fontSize) < 20) found.push(e.outerHTML.slice(0, 80)); }
  return found; }"""
SMALL_TARGETS = """() => [...document.querySelectorAll(
    "main button, main .btn, main label:has(> input), main summary, header button, header nav a")]
  .filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 43.5).map((e) => e.outerHTML.slice(0, 80))"""
OUTLINE = "() => getComputedStyle(document.activeElement.closest('label') || document.activeElement).outlineStyle"
path_seconds: list[float] = []


def look(visitor, *, elder: bool = False) -> None:
    """What must hold on every page: one heading, nothing serious for axe, nothing too wide or too small."""
    page = visitor.page
    assert page.locator("h1").count() == 1, page.url
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in SERIOUS] == [], page.url
    assert not visitor.is_too_wide(), page.url
    assert page.evaluate(SMALL_TARGETS) == [], page.url
    if elder:
        assert page.evaluate(SMALL_TEXT) == [], page.url


def item_of(visitor) -> str:
    return re.search(r"/questions/([\w-]+)/", visitor.page.url)[1]


def go_on(visitor) -> None:
    visitor.page.locator("main form button.btn-primary").first.click()
    visitor.page.wait_for_load_state("load")


def choose(visitor) -> None:
    choices = visitor.page.locator("input[name=answer]")
    assert visitor.page.locator("input[name=answer]:checked").count() == 0, "no answer is chosen beforehand"
    wanted = visitor.page.locator(f"input[name=answer][value='{ANSWERS.get(item_of(visitor), '')}']")
    (wanted if wanted.count() else choices.nth(choices.count() // 2)).check()


def answer_all(visitor, *, each=lambda: None) -> list[str]:
    """Answer until the check page; returns the items in the order in which they were asked, a step each."""
    asked = []
    while "/questions/" in visitor.page.url:
        asked.append(item_of(visitor))
        assert len(asked) <= 20, asked
        each()
        choose(visitor)
        go_on(visitor)
    assert visitor.page.url.endswith("/start/check/") and len(set(asked)) == 16
    return asked


def resolve(visitor, *, each=lambda: None) -> None:
    """From the check page to the result: change what cannot be true, confirm what is unlikely."""
    each()
    go_on(visitor)
    assert visitor.page.url.endswith("/start/contradictions/")
    each()
    assert visitor.page.locator("main form button.btn-primary").count() == 0, "there is no going on"
    visitor.page.locator("main a[href*='/questions/mix/']").first.click()
    visitor.page.wait_for_load_state("load")
    visitor.page.locator("input[name=answer][value=c]").check()
    go_on(visitor)
    assert visitor.page.url.endswith("/start/contradictions/")
    each()
    for _ in range(4):  # all on one page, or one a screen in elder mode; how many depends on the order of the middle answers
        for box in visitor.page.locator("input[name=confirmed]").all():
            box.check()
        go_on(visitor)
        if visitor.page.url.endswith("/start/result/"):
            break
        each()
    assert visitor.page.url.endswith("/start/result/")
    each()


def see_the_proposal(visitor, *, each) -> None:
    """From the result to the page that places the orders."""
    visitor.page.locator("main .button-row a.btn-primary").first.click()
    visitor.page.wait_for_selector("a[href$='/accept/']", timeout=60_000)
    visitor.page.wait_for_load_state("load")
    each()
    visitor.page.locator("main a[href$='/accept/']").first.click()
    visitor.page.wait_for_load_state("load")
    each()


@pytest.mark.parametrize(("width", "language"), [(390, "zh-hans"), (390, "en"), (1280, "zh-hans"), (1280, "en")])
def test_the_whole_way_with_axe_on_every_page(visit, width, language):
    visitor = visit(width=width, language=language)
    read: dict[str, None] = {}

    def each() -> None:
        look(visitor)
        read.update(dict.fromkeys(visitor.text().splitlines()))

    for path in ("/", "/accounts/signup/", "/accounts/login/"):
        visitor.go(path)
        look(visitor)
    sign_up(visitor, f"axe{next(NUMBER)}-{width}@example.com")
    visitor.go("/start/")
    look(visitor)
    agree_and_say_what_for(visitor)
    asked = answer_all(visitor, each=each)
    assert len(asked) > 16, "the gamble took steps"
    n_characters = sum(len(IDEOGRAPH.findall(line)) for line in read)
    if language == "zh-hans":
        print(f"\n{n_characters} Chinese characters on the {len(asked)} screens of the questions, each line once")
        assert 400 < n_characters <= MOST_CHARACTERS
    resolve(visitor, each=each)
    see_the_proposal(visitor, each=each)
    for path in ("/", "/preferences/", "/start/goal/", "/level/changed/", "/start/agreements/"):
        visitor.go(path)
        look(visitor)


@pytest.mark.parametrize("attempt", range(3))
def test_the_click_path_is_short(visit, attempt):
    visitor = visit()
    sign_up(visitor, f"quick{next(NUMBER)}@example.com")
    agree_and_say_what_for(visitor)
    began = time.monotonic()
    asked = answer_all(visitor)
    resolve(visitor)
    path_seconds.append(time.monotonic() - began)
    median = statistics.median(path_seconds)
    print(f"\nscript time from question 1 to the result: {path_seconds[-1]:.1f} s for {len(asked)} answers; median {median:.1f} s")
    assert len(asked) <= 20


def test_by_keyboard_alone(visit):
    """Tab, space, arrows and enter, from the first question to the result; the focus is always to be seen."""
    visitor = visit(width=1280)
    sign_up(visitor, f"keys{next(NUMBER)}@example.com")
    agree_and_say_what_for(visitor)
    page = visitor.page

    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("(s) => document.activeElement.matches(s)", selector):
                assert page.evaluate(OUTLINE) != "none", selector
                return
        raise AssertionError(f"{selector} is not reached by Tab on {page.url}")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.classList.contains('skip-link')"), "the first stop is the way past the header"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"

    def arrow_to(value: str) -> None:
        """From wherever the focus enters the answers to the one wanted; any will do where none is named."""
        tab_to("input[name=answer]")
        page.keyboard.press("Space")
        for _ in range(8):
            if not value or page.locator(f"input[name=answer][value='{value}']:checked").count():
                break
            page.keyboard.press("ArrowDown")
        assert page.locator("input[name=answer]:checked").count() == 1

    def enter(selector: str) -> None:
        tab_to(selector)
        with page.expect_navigation(wait_until="load"):
            page.keyboard.press("Enter")

    while "/questions/" in page.url:
        arrow_to((AGREEING | {"horizon": "below-1", "mix": "e"}).get(item_of(visitor), ""))
        enter("main button.btn-primary")
    enter("main button.btn-primary")
    assert "/start/contradictions/" in page.url
    enter("main a[href*='/questions/mix/']")
    arrow_to("c")
    enter("main button.btn-primary")
    assert "/start/check/" in page.url, "nothing contradicts any more, and the answers are checked once again"
    enter("main button.btn-primary")
    assert "/start/result/" in page.url


def test_without_javascript_and_resumed_elsewhere(visit):
    visitor = visit(javascript=False)
    email = f"plain{next(NUMBER)}@example.com"
    sign_up(visitor, email)
    agree_and_say_what_for(visitor)
    for _ in range(5):
        choose(visitor)
        go_on(visitor)
    here = visitor.page.url
    visitor.page.go_back()
    assert visitor.page.locator("input[name=answer]:checked").count() == 1, "back loses nothing"
    order = [box.get_attribute("value") for box in visitor.page.locator("input[name=answer]").all()]
    visitor.page.reload()
    assert [box.get_attribute("value") for box in visitor.page.locator("input[name=answer]").all()] == order
    other = visit(width=1280, javascript=False)
    other.go("/accounts/login/")
    other.page.fill("input[name=login]", email)
    other.page.fill("input[name=password]", "a long enough phrase")
    other.page.locator("main button[type=submit]").first.click()
    other.page.wait_for_load_state("load")
    other.go("/start/")
    assert other.page.url == here, "the questionnaire goes on where it was left, on another device"
    while "/questions/" in other.page.url:
        choose(other)
        go_on(other)
    resolve(other)


@pytest.mark.parametrize(("width", "language"), [(390, "zh-hans"), (1280, "en")])
def test_the_elder_mode_is_large_calm_and_stays(visit, width, language):
    visitor = visit(width=width, language=language)
    visitor.go("/")
    visitor.page.locator("header form.elder-switch button").click()
    visitor.page.wait_for_load_state("load")
    look(visitor, elder=True)
    assert visitor.page.locator("main .human").bounding_box()["y"] < 844, "a human stands on the first screen"
    sign_up(visitor, f"elder{next(NUMBER)}@example.com")
    visitor.go("/start/")
    look(visitor, elder=True)
    agree_and_say_what_for(visitor)

    def each() -> None:
        look(visitor, elder=True)
        assert visitor.page.locator("main .btn-primary").count() <= 1, "one action a screen"

    answer_all(visitor, each=each)
    resolve(visitor, each=each)
    see_the_proposal(visitor, each=each)
    visitor.go("/")
    each()
    assert visitor.page.locator("main .human").bounding_box()["y"] < 844
    visitor.page.locator("header form.language-switch button").click()
    visitor.page.wait_for_load_state("load")
    assert visitor.page.locator("html[data-elder]").count() == 1, "another language, the same size"
    visitor.page.locator("header form.elder-switch button").click()
    visitor.page.wait_for_load_state("load")
    assert visitor.page.locator("html[data-elder]").count() == 0
