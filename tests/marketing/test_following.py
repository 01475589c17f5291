"""Following a fund: by oneself alone, kept with its dates, never read as a recommendation, and read by the recommender while it holds."""

from datetime import timedelta

import numpy as np
import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from advisor.errors import Refused
from advisor.models import Consent, Investor
from advisor.services import give_consent
from identity import elder
from marketing.kernels.interactions import KINDS
from marketing.models import FollowedFund
from marketing.selectors.following import followed_codes
from marketing.selectors.interactions import WINDOW, load_interactions
from marketing.selectors.suggestions import suggestions_to_show
from marketing.services import following
from marketing.services.api_keys import make_api_key
from marketing.services.following import follow, unfollow
from portfolios.kernels.types import FundHistory
from portfolios.models import Fund, Pool, PoolFund
from portfolios.services import store_histories
from tests.marketing.suiting_world import agree, approve_plain_models, hold, suggest
from tests.portfolios.market import make_fund

ENGLISH = {"Accept-Language": "en"}
CLASSES = {"MM": ("money", "money_market", 1), "BO": ("bond", "bond", 2), "MX": ("mixed", "mixed", 3), "EQ": ("equity", "equity", 4)}


@pytest.fixture
def funds(db):
    pool = Pool.objects.create(name="pool", is_current=True)
    made = {}
    for kind, (category, asset_class, grade) in CLASSES.items():
        for code in (f"{kind}1", f"{kind}2"):
            made[code] = make_fund(code, category=category, asset_class=asset_class, grade=grade, name_en=f"Fund {code}")
            PoolFund.objects.create(pool=pool, fund=made[code])
    return made


@pytest.fixture
def anna(people, client) -> Investor:
    """Level C3, signed in."""
    client.force_login(people.anna)
    return agree(people.anna_investor)


def page(client, name, *args, **said) -> str:
    return client.get(reverse(name, args=args), said, headers=ENGLISH).content.decode()


def test_the_button_of_a_funds_page_works_without_javascript_and_can_be_taken_back(client, funds, anna):
    begin, stop = reverse("fund_follow", args=["MX1"]), reverse("fund_unfollow", args=["MX1"])
    assert f'action="{begin}"' in (before := page(client, "fund", "MX1")) and stop not in before
    told = client.post(begin, follow=True, headers=ENGLISH)
    assert told.redirect_chain == [(reverse("fund", args=["MX1"]), 302)] and "You follow Fund MX1." in told.content.decode()
    assert f'action="{stop}"' in (after := page(client, "fund", "MX1")) and begin not in after and "Following" in after
    client.post(begin)
    kept = FollowedFund.objects.get()
    assert (kept.investor, kept.fund, kept.until) == (anna, funds["MX1"], None)
    assert "do not follow Fund MX1 any more" in client.post(stop, follow=True, headers=ENGLISH).content.decode()
    client.post(stop)
    kept.refresh_from_db()
    assert kept.since < kept.until, "the row stays, dated"
    client.post(begin)
    assert FollowedFund.objects.count() == 2 and followed_codes(anna) == {"MX1"}


def test_one_row_of_a_person_and_a_fund_is_open_at_most(funds, anna):
    one = follow(investor=anna, fund=funds["MX1"])
    assert follow(investor=anna, fund=funds["MX1"]) == one
    with pytest.raises(IntegrityError), transaction.atomic():
        FollowedFund.objects.create(investor=anna, fund=funds["MX1"])
    assert unfollow(investor=anna, fund=funds["MX1"]) is True
    assert unfollow(investor=anna, fund=funds["MX1"]) is False


@pytest.mark.parametrize("door", ["fund_follow", "fund_unfollow"])
def test_what_is_asked_wrongly_is_refused_and_changes_nothing(client, funds, anna, people, door):
    address = reverse(door, args=["MX1"])
    assert client.get(address).status_code == 405
    for code in ("none", "MX1\x00x", "基金"):
        assert client.post(reverse(door, args=[code])).status_code == 404
    client.logout()
    assert reverse("account_login") in client.post(address).headers["Location"]
    for staff in (people.ada, people.sue, people.mark, people.adam):
        client.force_login(staff)
        assert client.post(address).status_code == 403
    assert not FollowedFund.objects.exists()


def test_staff_see_neither_button_nor_list(client, funds, people, anna):
    follow(investor=anna, fund=funds["MX1"])
    for staff in (people.ada, people.mark):
        client.force_login(staff)
        assert "/following/" not in page(client, "fund", "MX1") and "/following/" not in page(client, "fund_list")
        assert client.get(reverse("followed_fund_list")).status_code == 403


def test_what_one_follows_no_other_investor_sees(client, funds, people, anna):
    follow(investor=anna, fund=funds["MX1"])
    client.force_login(people.ben)
    agree(people.ben_investor)
    assert "Fund MX1" not in page(client, "followed_fund_list")
    assert reverse("fund_follow", args=["MX1"]) in page(client, "fund", "MX1")
    client.post(reverse("fund_unfollow", args=["MX1"]))
    assert followed_codes(anna) == {"MX1"} and followed_codes(people.ben_investor) == frozenset()
    assert not FollowedFund.objects.visible_to(people.ben).exists()
    assert FollowedFund.objects.visible_to(people.anna).exists() and FollowedFund.objects.visible_to(people.ada).exists()
    assert not FollowedFund.objects.visible_to(people.mark).exists()


def test_the_list_marks_what_is_above_the_level_and_is_no_recommendation(client, funds, anna):
    Fund.objects.filter(code="EQ1").update(is_simulated=True)
    assert "follow no fund yet" in page(client, "followed_fund_list")
    assert "Funds you follow</a>" in page(client, "fund_list")
    for code in ("EQ1", "BO1"):
        follow(investor=anna, fund=funds[code])
    listed = page(client, "followed_fund_list")
    assert listed.index("Fund BO1") < listed.index("Fund EQ1"), "the latest first"
    assert "R4" in listed and "Above your level C3" in listed and listed.count(">Simulated<") == 1 and "do not recommend" in listed
    funds_page = page(client, "fund_list")
    assert "Funds you follow (2)" in funds_page and "Fund EQ1" not in funds_page, "the list of what suits stays as it is"
    response = client.post(reverse("fund_unfollow", args=["EQ1"]), {"from_list": "1"})
    assert response.headers["Location"] == reverse("followed_fund_list")
    assert reverse("fund", args=["EQ1"]) not in page(client, "followed_fund_list")


def test_a_followed_fund_above_the_level_is_suggested_nowhere(client, funds, anna):
    approve_plain_models()
    hold(anna, cash_minor=10_000_000)
    follow(investor=anna, fund=funds["EQ1"])
    suggest(anna, "EQ1", "BO1", code="like_followed", fund_id=funds["EQ1"].pk)
    assert "EQ1" not in [one.fund.code for one in suggestions_to_show(anna, n=10)]
    assert "suggestion-EQ1" not in page(client, "suggestions_slot")


def test_who_has_no_level_follows_too_and_reads_no_prices(client, funds, people):
    client.force_login(people.ben)
    client.post(reverse("fund_follow", args=["EQ1"]))
    listed = page(client, "followed_fund_list")
    assert "Fund EQ1" in listed and "R4" in listed and "once you have a level in force" in listed
    assert "Funds you follow (1)" in page(client, "fund_list")


@pytest.mark.parametrize("level, reads", [(5, True), (None, False)])
def test_past_results_of_what_is_followed_are_shown_to_who_has_a_level_only(client, funds, people, level, reads):
    days = timezone.localdate().toordinal() - np.arange(400, -1, -1)
    nav = np.round(1e6 * 1.0005 ** np.arange(401)).astype(np.int64)
    store_histories([FundHistory("EQ1", days, nav, nav / 1e6, None)])
    Fund.objects.filter(code="EQ1").update(last_nav_date=timezone.localdate())
    investor = agree(people.anna_investor, level or 5)
    Investor.objects.filter(pk=investor.pk).update(level=level)
    client.force_login(people.anna)
    client.post(reverse("fund_follow", args=["EQ1"]))
    [(_, row)] = client.get(reverse("followed_fund_list")).context["rows"]
    assert (row.year is not None) is reads


def test_elder_mode_has_the_button_and_the_list(client, funds, anna):
    client.cookies[elder.COOKIE] = "1"
    client.post(reverse("fund_follow", args=["MX1"]))
    assert reverse("fund_unfollow", args=["MX1"]) in page(client, "fund", "MX1")
    assert "Fund MX1" in page(client, "followed_fund_list") and "Funds you follow (1)" in page(client, "fund_list")


def test_a_fund_that_was_wound_up_is_not_followed_anew_and_stays_on_the_list_of_who_did(client, funds, anna):
    follow(investor=anna, fund=funds["MX1"])
    Fund.objects.filter(code__in=["MX1", "MX2"]).update(ended_on=timezone.localdate())
    told = client.post(reverse("fund_follow", args=["MX2"]), follow=True, headers=ENGLISH).content.decode()
    assert "nothing left to follow" in told and reverse("fund_follow", args=["MX2"]) not in told
    assert followed_codes(anna) == {"MX1"}
    assert "Wound up" in page(client, "followed_fund_list")
    assert reverse("fund_unfollow", args=["MX1"]) in page(client, "fund", "MX1")


def test_beyond_the_most_a_sentence_says_what_to_do(client, funds, anna, monkeypatch):
    monkeypatch.setattr(following, "MOST_FOLLOWED", 2)
    for code in ("MM1", "MM2"):
        follow(investor=anna, fund=funds[code])
    told = client.post(reverse("fund_follow", args=["BO1"]), follow=True, headers=ENGLISH).content.decode()
    assert "You follow 2 funds already, which is the most." in told and followed_codes(anna) == {"MM1", "MM2"}
    follow(investor=anna, fund=funds["MM1"])  # is followed: safe to repeat
    with pytest.raises(Refused):
        follow(investor=anna, fund=funds["BO1"])
    unfollow(investor=anna, fund=funds["MM1"])
    follow(investor=anna, fund=funds["BO1"])


def test_the_list_costs_few_queries_whatever_its_length(client, funds, anna, django_assert_max_num_queries):
    more = [Fund(code=f"1{n:05}", category="bond", asset_class="bond", risk_grade=2, source="test") for n in range(60)]
    FollowedFund.objects.bulk_create(FollowedFund(investor=anna, fund=fund) for fund in Fund.objects.bulk_create(more))
    with django_assert_max_num_queries(13):
        assert len(client.get(reverse("followed_fund_list")).context["rows"]) == 25
    with django_assert_max_num_queries(13):
        client.get(reverse("followed_fund_list"), {"page": "3"})


def test_the_button_costs_the_funds_page_one_query(client, funds, anna, people):
    def queries(name, *args):
        with CaptureQueriesContext(connection) as asked:
            page(client, name, *args)
        return sum("followedfund" in one["sql"] for one in asked)

    assert (queries("fund", "MX1"), queries("fund_list"), queries("home")) == (1, 1, 0)
    client.force_login(people.ada)
    assert (queries("fund", "MX1"), queries("fund_list")) == (0, 0)


def test_what_is_followed_counts_between_a_look_and_a_plan_while_it_is_followed(funds, anna):
    now = timezone.now()
    FollowedFund.objects.create(investor=anna, fund=funds["MX1"], since=now - timedelta(days=30))
    FollowedFund.objects.create(investor=anna, fund=funds["BO1"], since=now - WINDOW - timedelta(days=1))
    FollowedFund.objects.create(investor=anna, fund=funds["MM1"], since=now + timedelta(hours=1))
    FollowedFund.objects.create(investor=anna, fund=funds["EQ1"], since=now - timedelta(days=2), until=now)
    seen = load_interactions(now)
    assert [(KINDS[kind], user, item) for kind, user, item in zip(seen.kind, seen.user, seen.item, strict=True)] == [
        ("follow", anna.pk, funds["MX1"].pk)
    ]
    assert seen.age_days[0] == pytest.approx(30)
    Fund.objects.filter(code="MX1").update(ended_on=timezone.localdate())
    assert not len(load_interactions(now).user)


def test_what_is_followed_by_who_does_not_agree_to_profiling_is_not_read(funds, anna):
    follow(investor=anna, fund=funds["MX1"])
    later = timezone.now() + timedelta(minutes=1)
    assert len(load_interactions(later).user) == 1
    give_consent(investor=anna, purpose=Consent.Purpose.PROFILING, is_given=False, source="test")
    assert not len(load_interactions(later).user) and followed_codes(anna) == {"MX1"}


def test_nobody_is_told_that_they_follow_what_they_do_not_follow_any_more(funds, anna, client):
    approve_plain_models(alike=[("BO1", "MX1")], weights={"MX2": 1.0})
    hold(anna, cash_minor=10_000_000)
    follow(investor=anna, fund=funds["MX1"])
    suggest(anna, "BO1", code="like_followed", fund_id=funds["MX1"].pk)
    key, sentence = make_api_key(name="app", scopes=["suggestions:read"])[1], "similar to Fund MX1, which you follow"

    def said():
        """On the page, to the operator's own app, and in data."""
        headers = ENGLISH | {"Authorization": f"Bearer {key}"}
        answer = client.get(f"/marketing/api/v1/suggestions/{anna.pseudonym}", headers=headers).json()
        words = answer["suggestions"][0]["reason"]["words"]
        return sentence in page(client, "suggestions_slot"), sentence in words, suggestions_to_show(anna)[0].reason_data["code"]

    assert said() == (True, True, "like_followed")
    unfollow(investor=anna, fund=funds["MX1"])
    assert said() == (False, False, "within_level")


def test_asking_whether_it_is_followed_still_takes_one_query_at_most(funds, anna, django_assert_num_queries):
    approve_plain_models(alike=[("BO1", "MX1")], weights={"MX2": 1.0})
    hold(anna, cash_minor=10_000_000)
    suggest(anna, "BO1", "BO2", "MM1", code="like_viewed", fund_id=funds["MX1"].pk)
    suggestions_to_show(anna)  # the models are read once a process
    with django_assert_num_queries(7):
        suggestions_to_show(anna, n=3)
    suggest(anna, "BO1", "BO2", "MM1", code="like_followed", fund_id=funds["MX1"].pk)
    with django_assert_num_queries(8):
        suggestions_to_show(anna, n=3)
