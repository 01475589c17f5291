"""The product as `make run` starts it, on a folder and a port of its own, and a browser that tolerates no complaint."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
PASSWORD = "hengtou-demo"

pytestmark = pytest.mark.e2e


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.e2e)


@dataclass
class Product:
    base: str
    process: subprocess.Popen
    log: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_it_answers(base: str, process: subprocess.Popen, log: Path, seconds: int = 240) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"run_demo ended with {process.returncode}:\n{log.read_text()[-3000:]}")
        try:
            urllib.request.urlopen(f"{base}/healthz", timeout=2).close()
            return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(f"no answer within {seconds} s:\n{log.read_text()[-3000:]}")


def start(var_dir: Path, port: int) -> Product:
    base = f"http://127.0.0.1:{port}"
    dropped = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "TEST_REDIS_URL", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if name not in dropped and not name.startswith("PYTEST")}
    environment |= {"VAR_DIR": str(var_dir), "BASE_URL": base}
    log = var_dir.parent / "run.log"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run_demo", "--investors", "200"],
        cwd=ROOT, env=environment, stdout=log.open("ab"), stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    wait_until_it_answers(base, process, log)
    return Product(base, process, log)


@pytest.fixture(scope="session")
def product(tmp_path_factory) -> Iterator[Product]:
    product = start(tmp_path_factory.mktemp("product") / "var", free_port())
    yield product
    product.process.send_signal(signal.SIGINT)
    assert product.process.wait(timeout=30) == 0, product.log.read_text()[-3000:]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "Chromium is not installed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Visitor:
    """A browser window of somebody, which notes every console error, script error and policy violation."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.context, self.base = context, base
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: self.note(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.note(str(error)))

    def note(self, text: str) -> None:
        self.complaints.append(f"{self.page.url}: {text}")

    def go(self, path: str) -> None:
        self.page.goto(f"{self.base}{path}", wait_until="load")

    def press(self, name: str) -> None:
        """Press the button or follow the link that reads so."""
        pattern = re.compile(name, re.IGNORECASE)
        main = self.page.locator("main")
        target = main.get_by_role("button", name=pattern).or_(main.get_by_role("link", name=pattern)).first
        target.click()
        self.page.wait_for_load_state("load")

    def sign_in(self, email: str) -> None:
        self.go("/accounts/login/")
        self.page.fill("input[name=login]", email)
        self.page.fill("input[name=password]", PASSWORD)
        self.page.locator("main button[type=submit]").first.click()
        self.page.wait_for_load_state("load")

    def text(self) -> str:
        return self.page.locator("main").inner_text()

    def is_too_wide(self) -> bool:
        return self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth + 1")


@pytest.fixture
def visit(browser, product):
    """visit(width=…, language=…, javascript=…) opens a window; at the end of the test none may have complained."""
    opened: list[Visitor] = []

    def open_window(*, width: int = 390, language: str = "en", javascript: bool = True) -> Visitor:
        context = browser.new_context(viewport={"width": width, "height": 844}, java_script_enabled=javascript, reduced_motion="reduce")
        context.set_default_timeout(15_000)
        context.add_cookies([{"name": "django_language", "value": language, "url": product.base}])
        opened.append(Visitor(context, product.base))
        return opened[-1]

    yield open_window
    complaints = [complaint for visitor in opened for complaint in visitor.complaints]
    for visitor in opened:
        visitor.context.close()
    assert complaints == []
