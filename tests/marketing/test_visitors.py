"""Unknown visitors: a random id of ours, joined to a person only with their consent; and where people came from."""

import json
from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from advisor.models import Consent
from marketing.middleware import CAME_BY, PAGES_A_MINUTE, VISITOR
from marketing.models import Acquisition, AnonymousIdentity, Event
from marketing.selectors.events import STRANGERS_KEPT
from marketing.services.visitors import ROWS_AT_ONCE, FirstVisit, join_visitor
from portfolios.models import Fund

BEACON = "/marketing/beacon/"


def agree(investor, given=True):
    Consent.objects.create(investor=investor, purpose=Consent.Purpose.PROFILING, is_given=given, source="test")


def joined(investor, seconds):
    type(investor).objects.filter(pk=investor.pk).update(joined_at=timezone.now() + timedelta(seconds=seconds))


def test_a_visitor_gets_a_random_id_of_this_site_alone(client, db):
    response = client.get("/?utm_source=wechat")
    cookie = response.cookies[VISITOR]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 30 * 86400)
    event = Event.objects.get()
    assert (event.investor, event.anonymous_id, event.name, event.properties) == (None, cookie.value, "home", {})
    assert VISITOR not in client.get("/accounts/login/").cookies
    assert set(Event.objects.values_list("anonymous_id", flat=True)) == {cookie.value} and Event.objects.count() == 2


@pytest.mark.parametrize("header", ["Sec-GPC", "DNT"])
def test_who_does_not_want_to_be_followed_is_not(client, db, header):
    assert VISITOR not in client.get("/", headers={header: "1"}).cookies
    assert not Event.objects.exists()


def test_where_it_is_switched_off_nobody_gets_an_id(client, db, settings):
    settings.RECORD_VISITORS = False
    assert VISITOR not in client.get("/").cookies
    client.cookies[VISITOR] = "7b0e3c1e-0000-4000-8000-000000000001"
    assert tell(client).status_code == 204
    assert not Event.objects.exists()


def test_robots_and_pages_that_are_not_public_are_not_recorded(client, db):
    client.get("/", headers={"User-Agent": "Mozilla/5.0 (compatible; Baiduspider/2.0)"})
    client.get("/marketing/api/v1/docs")
    client.get("/healthz")
    assert not Event.objects.exists()


def test_one_address_writes_so_much_a_minute(client, db):
    for _ in range(PAGES_A_MINUTE + 5):
        client.get("/accounts/login/")
    assert Event.objects.count() == PAGES_A_MINUTE


def test_an_invented_id_is_replaced(client, db):
    client.cookies[VISITOR] = "'; DROP TABLE marketing_event"
    assert len(client.get("/").cookies[VISITOR].value) == 36


def test_history_is_joined_at_the_first_signed_in_page_of_who_agrees(client, people):
    agree(people.anna_investor)
    client.get("/")
    client.get("/accounts/login/")
    visitor = client.cookies[VISITOR].value
    client.force_login(people.anna)
    client.get("/preferences/")
    assert set(Event.objects.values_list("investor", flat=True)) == {people.anna_investor.pk}
    identity = AnonymousIdentity.objects.get()
    assert (identity.anonymous_id, identity.investor, identity.n_events) == (visitor, people.anna_investor, 2)
    assert not client.cookies[VISITOR].value


def test_without_consent_nothing_is_joined_and_a_later_consent_joins_it(client, people):
    client.get("/")
    client.force_login(people.anna)
    client.get("/preferences/")
    assert Event.objects.get().investor is None and not AnonymousIdentity.objects.exists()
    agree(people.anna_investor)
    client.get("/preferences/")
    assert Event.objects.filter(investor=people.anna_investor).count() == 2


def test_a_second_person_in_the_same_browser_does_not_get_the_first_one_s_history(client, people):
    agree(people.anna_investor)
    agree(people.ben_investor)
    client.get("/")
    stolen = client.cookies[VISITOR].value
    client.force_login(people.anna)
    client.get("/preferences/")
    client.force_login(people.ben)
    client.cookies[VISITOR] = stolen
    client.get("/preferences/")
    assert Event.objects.filter(investor=people.ben_investor).count() == 1
    assert AnonymousIdentity.objects.get().investor == people.anna_investor


def test_what_is_older_than_strangers_are_kept_is_not_joined_and_a_join_is_bounded(people):
    agree(people.anna_investor)
    now = timezone.now()
    rows = [Event(message_id="7b0e3c1e-0000-4000-8000-000000000001", anonymous_id="v", type="page", name="home", occurred_at=now)] * 3
    rows[0] = Event(message_id=rows[1].message_id, anonymous_id="v", type="page", name="home", occurred_at=now)
    rows[0].received_at = now - STRANGERS_KEPT - timedelta(days=1)
    for row in rows:
        row.pk = None
        row.save(force_insert=True)
    assert join_visitor(investor_id=people.anna_investor.pk, anonymous_id="v") == 2
    assert ROWS_AT_ONCE <= 5_000
    assert join_visitor(investor_id=people.ben_investor.pk, anonymous_id="w") is None


@pytest.mark.parametrize(
    ("query", "referrer", "source", "medium", "campaign"),
    [
        ({}, "", "direct", "direct", ""),
        ({}, "https://testserver/funds/", "direct", "direct", ""),
        ({}, "https://www.baidu.com/s?wd=secret", "baidu", "organic", ""),
        ({}, "https://mp.weixin.qq.com/s/abc", "wechat", "social", ""),
        ({}, "https://example.com/a", "example.com", "referral", ""),
        ({"utm_source": "WeChat", "utm_medium": "social", "utm_campaign": "spring plan|2027"}, "", "wechat", "social", "spring-plan-2027"),
        ({"utm_source": "x" * 500}, "https://www.baidu.com/", "x" * 40, "campaign", ""),
        ({}, "http://[broken", "direct", "direct", ""),
        ({"utm_source": "\x00😀"}, "", "-", "campaign", ""),
        ({"utm_source": "İ" * 40}, "", "i\u0307" * 20, "campaign", ""),
    ],
)
def test_a_first_visit_says_where_it_came_from(query, referrer, source, medium, campaign):
    visit = FirstVisit.read(query, referrer, "testserver")
    assert (visit.source, visit.medium, visit.campaign) == (source, medium, campaign)
    assert "secret" not in repr(visit)


def test_the_source_of_the_first_visit_is_kept_at_signing_up_without_any_consent_to_profiling(client, people, settings):
    settings.RECORD_VISITORS = False
    joined(people.anna_investor, 5)
    client.get("/?utm_source=douyin&utm_campaign=autumn")
    client.get("/?utm_source=later")
    client.force_login(people.anna)
    client.get("/preferences/")
    kept = Acquisition.objects.get()
    assert (kept.investor, kept.source, kept.campaign) == (people.anna_investor, "douyin", "autumn")
    assert not client.cookies[CAME_BY].value and not Event.objects.exists()


def test_a_source_with_a_chinese_name_fits_into_a_header_and_is_kept(client, people):
    joined(people.anna_investor, 5)
    response = client.get("/?utm_source=微信&utm_campaign=秋季")
    response.cookies[CAME_BY].OutputString().encode("latin-1")  # what a server sends
    client.force_login(people.anna)
    client.get("/preferences/")
    kept = Acquisition.objects.get()
    assert (kept.source, kept.campaign) == ("微信", "秋季")


def test_who_was_a_client_before_was_not_won_by_that_visit(client, people):
    joined(people.anna_investor, -60)
    client.get("/?utm_source=douyin")
    client.force_login(people.anna)
    client.get("/preferences/")
    assert not Acquisition.objects.exists()


def test_a_source_that_was_tampered_with_is_thrown_away(client, people):
    joined(people.anna_investor, 5)
    client.get("/?utm_source=douyin")
    client.cookies[CAME_BY] = client.cookies[CAME_BY].value.replace("douyin", "weixin")
    client.force_login(people.anna)
    assert client.get("/preferences/").status_code == 200
    assert not Acquisition.objects.exists()


def test_the_view_of_a_fund_says_its_category_company_and_theme(client, people):
    agree(people.anna_investor)
    Fund.objects.create(
        code="A00001", name_zh="青木医药主题", name_en="Health", company="青木基金", category="sector", asset_class="sector_equity",
        risk_grade=5, source="test",
    )  # fmt: skip
    client.force_login(people.anna)
    client.get("/funds/A00001/", headers={"User-Agent": "MicroMessenger/8.0"})
    event = Event.objects.get()
    assert event.properties == {"code": "A00001", "category": "sector", "company": "青木基金", "theme": "health"}
    assert event.channel == "wechat"


# the beacon


def tell(client, told=None, **headers):
    body = {"page": "fund", "events": [{"name": "page_left", "ago": 3, "seconds": 40, "scroll": 80}]} if told is None else told
    text = body if isinstance(body, str) else json.dumps(body)
    return client.post(BEACON, text, content_type="text/plain", headers=headers or {"Sec-Fetch-Site": "same-origin"})


def test_a_page_that_is_left_is_told_of_who_is_signed_in_and_agrees(client, people):
    client.force_login(people.anna)
    assert tell(client).status_code == 204 and not Event.objects.exists()
    agree(people.anna_investor)
    left = {"name": "page_left", "ago": 0, "seconds": 1, "scroll": 5}
    events = [{"name": "click", "ago": 9, "label": "buy"}, {"name": "fees_seen", "ago": 4, "code": "A00001"}, left]
    assert tell(client, {"page": "fund", "events": events}).status_code == 204
    assert list(Event.objects.order_by("pk").values_list("name", "investor", "properties", "type")) == [
        ("click", people.anna_investor.pk, {"page": "fund", "label": "buy"}, "track"),
        ("fees_seen", people.anna_investor.pk, {"page": "fund", "code": "A00001"}, "track"),
        ("page_left", people.anna_investor.pk, {"page": "fund", "seconds": 1, "scroll": 5}, "track"),
    ]
    agree(people.anna_investor, given=False)
    tell(client)
    assert Event.objects.count() == 3


def test_an_unknown_visitor_s_beacon_counts_under_the_random_id_and_without_one_not_at_all(client, db):
    tell(client)
    assert not Event.objects.exists()
    client.get("/")
    tell(client)
    assert set(Event.objects.values_list("anonymous_id", flat=True)) == {client.cookies[VISITOR].value}


@pytest.mark.parametrize("header", ["Sec-GPC", "DNT"])
def test_who_no_longer_wants_to_be_followed_is_not_told_of_by_beacons_either(client, db, header):
    client.get("/")
    tell(client, None, **{"Sec-Fetch-Site": "same-origin", header: "1"})
    assert list(Event.objects.values_list("type", flat=True)) == ["page"]


@pytest.mark.parametrize("who", ["ada", "mark", "sue", "adam"])
def test_nothing_is_told_of_staff(client, people, who):
    client.force_login(getattr(people, who))
    assert tell(client).status_code == 204
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}, {"A": "b"}]
)
def test_only_our_own_pages_may_tell(client, people, headers):
    agree(people.anna_investor)
    client.force_login(people.anna)
    assert tell(client, **headers).status_code == 403
    assert tell(client, Origin="http://testserver").status_code == 204
    assert Event.objects.count() == 1


LEFT = {"name": "page_left", "ago": 0}


@pytest.mark.parametrize(
    "told",
    [
        "no json", "[]", "{}", {"page": "fund", "events": []}, {"page": "fund", "events": [LEFT] * 21},
        {"page": "fund", "events": [LEFT | {"name": "bought"}]}, {"page": "fund", "events": [LEFT | {"ago": -5}]},
        {"page": "fund", "events": [LEFT | {"ago": 10**9}]}, {"page": "fund", "events": [LEFT | {"investor": 1}]},
        {"page": "<b>", "events": [LEFT]}, {"page": "fund", "events": [LEFT | {"label": "x" * 41}]},
        {"page": "fund", "events": [LEFT], "more": "x" * 20_000}, {"page": "fund", "events": [LEFT | {"scroll": "5"}]},
        "x" * 3_000_000,
    ],
)  # fmt: skip
def test_what_our_pages_do_not_send_is_refused(client, people, told):
    agree(people.anna_investor)
    client.force_login(people.anna)
    assert tell(client, told).status_code == 400
    assert not Event.objects.exists()


def test_a_database_that_cannot_write_breaks_no_visitor_s_page(client, db, monkeypatch):
    def refuse(**kwargs):
        raise DatabaseError("database is locked")

    monkeypatch.setattr("marketing.middleware.record_visitor_page", refuse)
    assert client.get("/").status_code == 200
