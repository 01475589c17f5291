"""Screenshots of pages as given people, on a phone and on a desk, in both languages: python -m tests.e2e.shots URL OUTDIR.

Each further argument is `who:path`; `who` is an e-mail address, or `-` for somebody not signed in. The password is read
from SHOTS_PASSWORD. Prints what a page said on the console and every element wider than the page.
"""

import os
import re
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

WIDTHS = (390, 1280)
LANGUAGES = ("zh-hans", "en")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
OVERFLOW = """() => { const wide = document.documentElement.clientWidth + 1;
  return document.documentElement.scrollWidth <= wide ? [] : [...document.querySelectorAll("body *")]
    .filter((e) => e.getBoundingClientRect().right > wide).slice(0, 5).map((e) => e.tagName + "." + e.className); }"""


def sign_in(page: Page, base: str, who: str) -> None:
    page.goto(f"{base}/accounts/login/")
    page.fill("input[name=login]", who)
    page.fill("input[name=password]", os.environ["SHOTS_PASSWORD"])
    page.click("main button[type=submit]")
    page.wait_for_load_state("networkidle")


def take(browser: Browser, base: str, out: Path, who: str, paths: list[str], width: int, language: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844 if width < 600 else 900}, device_scale_factor=1)
    context.add_cookies([{"name": "django_language", "value": language, "url": base}])
    page = context.new_page()
    page.on("console", lambda message: message.type in {"error", "warning"} and print(f"  {page.url} {message.type}: {message.text}"))
    page.on("pageerror", lambda error: print(f"  {page.url} error: {error}"))
    if who != "-":
        sign_in(page, base, who)
    for path in paths:
        answer = page.goto(f"{base}{path}", wait_until="networkidle")
        name = re.sub(r"\W+", "_", path).strip("_") or "home"
        page.screenshot(path=out / f"{who.split('@')[0].strip('-') or 'nobody'}-{name}-{width}-{language[:2]}.png", full_page=True)
        if wide := page.evaluate(OVERFLOW):
            print(f"  {path} at {width} is too wide: {wide}")
        if answer is None or answer.status >= 400:
            print(f"  {path} answered {answer.status if answer else 'nothing'}")
    context.close()


def main(base: str, folder: str, wanted: list[str]) -> None:
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    people: dict[str, list[str]] = {}
    for item in wanted or ["-:/", "-:/accounts/login/", "-:/accounts/signup/"]:
        who, _, path = item.partition(":")
        people.setdefault(who, []).append(path)
    widths = [int(value) for value in os.environ.get("SHOTS_WIDTHS", "").split()] or list(WIDTHS)
    languages = os.environ.get("SHOTS_LANGUAGES", "").split() or list(LANGUAGES)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        for who, paths in people.items():
            for width in widths:
                for language in languages:
                    take(browser, base.rstrip("/"), out, who, paths, width, language)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
