"""In Chromium: units are redeemed, and the money buys a fund above the level, by warning, time to think and second confirmation."""

import re
import sqlite3
from contextlib import closing

DOMAIN = "demo.hengtou.invalid"


def redeem_something(visitor) -> None:
    """Turn a holding into cash: in a demo the money is there within a minute."""
    visitor.go("/")
    for address in [a.get_attribute("href") for a in visitor.page.locator("main a[href^='/goals/']").all()]:
        visitor.go(address)
        if visitor.page.locator("main a[href*='/redeem/']").count():
            break
    visitor.page.locator("main a[href*='/redeem/']").first.click()
    visitor.page.wait_for_load_state("load")
    visitor.press("What would it bring")
    assert "The price is not known when you order" in visitor.text()
    visitor.press("Redeem")
    assert "/orders/" in visitor.page.url


def time_passes(product) -> None:
    """The demo's clock cannot be moved, so its row is: as if the time to think were over."""
    with closing(sqlite3.connect(product.log.parent / "var" / "hengtou.sqlite3", timeout=20)) as database, database:
        changed = database.execute("UPDATE advisor_ownpurchase SET may_order_at = acknowledged_at WHERE state = 'waiting'")
        assert changed.rowcount == 1


def test_a_fund_above_the_level_is_bought_only_after_warning_and_time(visit, product):
    visitor = visit(width=390)
    page = visitor.page
    visitor.sign_in(f"investor@{DOMAIN}")
    redeem_something(visitor)
    visitor.go("/funds/?q=S&sort=-grade")
    above = page.locator("main tr", has_text=re.compile("Above your level")).first.locator("a[href^='/funds/']")
    assert above.count(), "a search finds funds above the level and marks them"
    code = re.search(r"/funds/([^/]+)/", above.get_attribute("href"))[1]
    for _ in range(60):
        visitor.go(f"/funds/{code}/buy/")
        if page.locator("input[name=amount]").count():
            break
        page.wait_for_timeout(1000)
    assert "We do not recommend it to you" in visitor.text() and not visitor.is_too_wide()
    page.fill("input[name=amount]", "100")
    page.locator("input[name=goal]").first.check()
    visitor.press("Continue")
    assert "Warning: this fund is above your level" in visitor.text() and not visitor.is_too_wide()
    assert page.locator("input[type=checkbox]:checked").count() == 0, "nothing is ticked beforehand"
    page.check("input[name=has_read]")
    page.check("input[name=is_own_wish]")
    visitor.press("Begin the time to think")
    assert "You can confirm from" in visitor.text()
    waiting = page.url
    visitor.go("/orders/")
    assert "Not ordered yet" in visitor.text()
    time_passes(product)
    visitor.go("/")
    assert "Nothing is ordered unless you confirm" in visitor.text()
    page.goto(waiting)
    assert "you need not buy it" in visitor.text().lower() and not visitor.is_too_wide()
    visitor.press("Place the order")
    assert "/orders/" in page.url and page.locator(f"main a[href='/funds/{code}/']").count()
