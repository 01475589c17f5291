"""The marketer's home and the pages of Ask: what they say, what they withhold, where every bar leads, and what strangers type."""

import json
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone

from marketing.models import DormancyChange, OverviewDay, Profile, Reactivation, SavedQuestion, Segment
from marketing.selectors.audience import to_ten
from marketing.selectors.home import home_of
from marketing.selectors.segments import people_in, read_rule
from marketing.services.metrics import overview_day, refresh_metrics, work_out_day
from tests.marketing.crowd import crowd, draft
from tests.marketing.test_ask import agreed_to_profiling, events

pytestmark = pytest.mark.django_db
ACTIVE = {"version": 1, "rule": {"field": "dormancy", "is": ["active"]}}


@pytest.fixture
def mark(people, client):
    client.force_login(people.mark)
    return people.mark


@pytest.fixture
def world(db):
    """Sixty sleepers, forty active who have decided, twelve of these woken, from two sources."""
    now, today = timezone.now(), timezone.localdate()
    asleep, awake = crowd(60), crowd(40, prefix="awake", dormancy="active")
    Profile.objects.filter(investor__in=awake).update(
        assessed_date=today, n_goals=1, n_decisions=1, n_decisions_365d=1, last_decision_at=now - timedelta(days=3), last_order_at=now,
        acquisition_source="wechat", dormancy_since=today - timedelta(days=400), assets_minor=5_000_000,
    )  # fmt: skip
    Profile.objects.filter(investor__in=awake[:12]).update(n_decisions_365d=8, dormancy_since=today)
    Profile.objects.filter(investor__in=asleep[:30]).update(assessed_date=today, last_decision_at=now - timedelta(days=200))
    DormancyChange.objects.bulk_create(
        [DormancyChange(investor=one, from_state="dormant", to_state="active", date=today) for one in awake[:12]]
    )
    Reactivation.objects.bulk_create([Reactivation(investor=one, kind="plan_restored", date=today) for one in awake[:12]])
    return asleep, awake


def rule_behind(url: str) -> dict:
    return json.loads(parse_qs(urlsplit(url).query)["rule"][0])


def n_behind(url: str) -> int:
    return people_in(read_rule(rule_behind(url))).count()


# ── home ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_home_says_who_sleeps_who_woke_and_what_needs_a_decision(mark, client, world):
    campaign = draft(mark)
    page = client.get(reverse("marketing_home"))
    home = page.context["home"]
    assert (home.n_people, home.n_asleep, home.n_woken) == (100, 60, 10)  # twelve
    assert [one for one, _words in page.context["decisions"]] == [campaign]
    words = page.content.decode()
    assert "60 people are asleep" in words and "10 who slept have come back" in words


def test_every_bar_of_the_home_leads_to_a_segment_of_those_it_counts(mark, world):
    home = home_of(overview_day(segment=None))
    for group in [*home.states, *home.entered, *home.sources, *(cell for _name, row in home.rfm for cell in row)]:
        if group.count:
            assert to_ten(n_behind(group.url)) == group.count, group
    stages = {group.key: group for group in home.lifecycle}
    assert [group.count for group in home.lifecycle] == [100, 70, 40, 0, 0, 0]
    assert n_behind(stages["registered"].url) == 100 and n_behind(stages["goal"].url) == 40 and n_behind(stages["goal"].other_url) == 30
    assert [[cell.count for cell in row] for _name, row in home.rfm] == [
        [0, 30, 0, 0, 10],  # 28 and 12
        [0] * 5,
        [0] * 5,
        [30, 0, 0, 0, 0],
        [30, 0, 0, 0, 0],
    ]


def test_movements_say_from_where_and_who_stayed(world):
    flows = dict(home_of(overview_day(segment=None)).flows)
    assert flows["dormant"] == [0, 10, 0, 0, 60, 0] and flows["active"] == [0, 30, 0, 0, 0, 0]  # 12 and 28


def test_the_home_of_a_segment_counts_its_people_alone(mark, client, world):
    segment = Segment.objects.create(name="awake", rule=ACTIVE)
    page = client.get(reverse("marketing_home"), {"segment": segment.pk})
    home = page.context["home"]
    assert (home.n_people, home.n_asleep, home.n_woken) == (40, 0, 10)  # twelve
    assert {"segment": segment.pk, "is_in": True} in rule_behind(home.states[1].url)["rule"]["all"]
    assert n_behind(home.sources[0].url) == 40


def test_of_a_small_segment_nothing_is_told(mark, client, world):
    Profile.objects.filter(investor__in=world[1][:4]).update(elder_mode=True)
    segment = Segment.objects.create(name="four", rule={"version": 1, "rule": {"field": "elder_mode", "is": True}})
    page = client.get(reverse("marketing_home"), {"segment": segment.pk})
    words = page.content.decode()
    assert "Fewer than ten people" in words and not page.context["cards"] and "All figures" not in words
    metric = client.get(reverse("metric", args=["assets"]), {"segment": segment.pk})
    assert "withheld" in metric.content.decode()


def test_small_groups_are_withheld_in_every_card(mark, client):
    crowd(30)
    crowd(15, prefix="calm", dormancy="calm")
    crowd(2, prefix="lost", dormancy="lost")
    home = client.get(reverse("marketing_home")).context["home"]
    assert {one.key: one.count for one in home.states} == {"new": 0, "active": 0, "calm": None, "cooling": 0, "dormant": 30, "lost": None}
    assert all(cell.count is None or cell.count >= 10 or cell.count == 0 for _name, row in home.rfm for cell in row)


def test_no_total_of_the_home_gives_away_what_is_withheld(mark, client):
    crowd(41)
    crowd(15, prefix="calm", dormancy="calm")
    crowd(2, prefix="lost", dormancy="lost")
    page = client.get(reverse("marketing_home"))
    home, tiles = page.context["home"], {tile.reading.metric.code: tile for _name, row in page.context["groups"] for tile in row}
    assert (home.n_people, home.n_asleep) == (60, 40)  # 58 and 43: 43 less 41 would be the lost ones
    assert tiles["calm"].value == "20" and "43" not in tiles["asleep"].value  # and 58 less 41 less 15 as well


def test_few_sleepers_are_not_counted_in_the_headline(mark, client):
    crowd(30, dormancy="active")
    few = crowd(3, prefix="few")
    Reactivation.objects.create(investor=few[0], kind="plan_restored", date=timezone.localdate())
    words = client.get(reverse("marketing_home")).content.decode()
    assert "Fewer than ten people are asleep" in words and "Fewer than ten who slept have come back" in words


@pytest.mark.parametrize("wanted", ["999999", "x", "-1", "1e9", "9" * 40, "'; DROP TABLE marketing_segment; --", "１"])
def test_a_segment_that_is_not_there_shows_everybody_and_says_so(mark, client, world, wanted):
    page = client.get(reverse("marketing_home"), {"segment": wanted})
    assert page.status_code == 200 and page.context["home"].n_people == 100
    assert "no longer exists" in page.content.decode()


def test_a_segment_whose_rule_is_broken_shows_everybody_and_says_so(mark, client, world):
    broken = Segment.objects.create(name="broken", rule={"version": 1, "rule": {"field": "gone", "is": True}})
    page = client.get(reverse("marketing_home"), {"segment": broken.pk})
    assert page.context["home"].n_people == 100 and "can no longer be read" in page.content.decode()
    assert client.post(reverse("overview_refresh"), {"segment": broken.pk}).status_code == 302


def test_the_home_shows_the_stored_day_until_it_is_worked_out_again(mark, client, world):
    assert client.get(reverse("marketing_home")).context["home"].n_people == 100
    crowd(10, prefix="later")
    assert client.get(reverse("marketing_home")).context["home"].n_people == 100
    client.post(reverse("overview_refresh"))
    assert client.get(reverse("marketing_home")).context["home"].n_people == 110
    assert OverviewDay.objects.count() == 1


def test_an_empty_house_has_a_home(mark, client):
    assert client.get(reverse("marketing_home")).status_code == 200
    assert refresh_metrics() >= 1


def test_the_home_asks_the_database_little(mark, client, world, django_assert_max_num_queries):
    segment = Segment.objects.create(name="awake", rule=ACTIVE)
    for audience in (None, segment):
        work_out_day(segment=audience)
    for _ in range(4):
        draft(mark)
    for query in ({}, {"segment": segment.pk}):
        with django_assert_max_num_queries(18):
            client.get(reverse("marketing_home"), query)
    with django_assert_max_num_queries(12):
        client.get(reverse("metric", args=["people"]))


# ── ask ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def visits(world):
    asleep, _awake = world
    agreed_to_profiling(asleep)
    now = timezone.now()
    events(asleep, "home", now - timedelta(days=3))
    events(asleep[:25], "fund", now - timedelta(days=3, minutes=-2), properties={"code": "A1"})


FUNNEL = {"step_1": "event:home", "step_2": "event:fund", "step_2_where": "code=A1", "within_days": "7", "days": "30"}
RETENTION = {"start": "fact:joined", "again": "event:home", "unit": "week", "n_periods": "4"}
PATH = {"around": "event:home", "direction": "after", "depth": "3", "within_hours": "24", "days": "30", "top": "5"}
SPREAD = {"field": "assets_minor", "by": "dormancy"}
QUESTIONS = {"funnel": FUNNEL, "retention": RETENTION, "path": PATH, "distribution": SPREAD}


@pytest.mark.parametrize("kind", QUESTIONS)
def test_a_question_is_asked_by_its_address_and_kept_under_a_name(mark, client, visits, kind):
    url = reverse("ask_kind", args=[kind])
    assert client.get(url).status_code == 200
    page = client.get(url, QUESTIONS[kind])
    assert page.status_code == 200, page.context["form"].errors
    card = page.context["card"]
    assert card.title and card.rows and (kind == "retention" or card.has_links)
    kept = client.post(reverse("ask_save"), {"name": "Mine", "question": page.context["form"].question_text})
    saved = SavedQuestion.objects.get()
    assert saved.author == mark and kept["Location"] == reverse("ask_saved", args=[saved.pk])
    again = client.get(kept["Location"], follow=True)
    assert again.context["form"].question == page.context["form"].question
    assert "Mine" in client.get(reverse("ask")).content.decode()
    client.post(reverse("ask_forget", args=[saved.pk]))
    assert not SavedQuestion.objects.exists()


def test_every_link_of_a_funnel_opens_a_rule_that_can_be_read(mark, client, visits):
    page = client.get(reverse("ask_kind", args=["funnel"]), FUNNEL)
    links = [url for row in page.context["card"].rows for url, _words in row.links]
    assert [n_behind(url) for url in links] == [60, 25, 35]
    assert client.get(links[1]).status_code == 200


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("funnel", {"step_2": ""}),
        ("funnel", {"step_1": "event:no such"}),
        ("funnel", {"step_1": "sql:1"}),
        ("funnel", {"within_days": "-3"}),
        ("funnel", {"within_days": "9" * 30}),
        ("funnel", {"days": "0"}),
        ("funnel", {"segment": "999999"}),
        ("funnel", {"segment": "' OR 1=1"}),
        ("funnel", {"step_2_where": "=;"}),
        ("funnel", {"step_2_where": "code=" + "x" * 300}),
        ("retention", {"n_periods": "0"}),
        ("retention", {"unit": "century"}),
        ("path", {"depth": "50"}),
        ("path", {"days": "4000"}),
        ("distribution", {"field": "investor__user__phone"}),
        ("distribution", {"field": "panic"}),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(mark, client, visits, kind, changes):
    page = client.get(reverse("ask_kind", args=[kind]), QUESTIONS[kind] | changes)
    assert page.status_code == 422 and page.context["card"] is None
    assert all(errors for errors in page.context["form"].errors.values())


def test_sql_in_a_value_finds_nobody(mark, client, visits):
    page = client.get(reverse("ask_kind", args=["funnel"]), FUNNEL | {"step_2_where": "code=' OR '1'='1, x') = 1 --=y"})
    assert page.status_code == 200 and [row.cells[0] for row in page.context["card"].rows] == ["60", "0"]


@pytest.mark.parametrize("question", ["{", "{}", json.dumps({"kind": "funnel", "steps": []}), "[" * 3_000, "x" * 5_000])
def test_a_question_that_cannot_be_read_is_not_kept(mark, client, question):
    assert client.post(reverse("ask_save"), {"name": "Mine", "question": question}).status_code == 302
    assert not SavedQuestion.objects.exists()


def test_a_name_is_one_question(mark, client):
    for field in ("assets_minor", "assets_minor", "idle_cash_minor"):
        client.post(reverse("ask_save"), {"name": "Mine", "question": json.dumps({"kind": "distribution", "field": field})})
    assert SavedQuestion.objects.get().question["field"] == "assets_minor"


def test_a_question_whose_name_is_taken_or_missing_is_shown_again(mark, client, visits):
    SavedQuestion.objects.create(name="Mine", kind="path", question={})
    asked = client.get(reverse("ask_kind", args=["funnel"]), FUNNEL).context["form"]
    for name in ("Mine", ""):
        page = client.post(reverse("ask_save"), {"name": name, "question": asked.question_text}, follow=True)
        assert page.context["form"].question == asked.question and page.context["card"]


def test_a_kept_question_of_a_segment_that_is_gone_says_so(mark, client, visits):
    segment = Segment.objects.create(name="awake", rule=ACTIVE)
    client.post(
        reverse("ask_save"),
        {"name": "Mine", "question": json.dumps({"kind": "distribution", "field": "assets_minor", "segment": segment.pk})},
    )
    segment.delete()
    page = client.get(reverse("ask_saved", args=[SavedQuestion.objects.get().pk]), follow=True)
    assert page.status_code == 422 and page.context["form"].errors


def test_no_page_names_a_person(mark, client, visits):
    for url in [
        reverse("marketing_home"),
        *(reverse("ask_kind", args=[kind]) + "?" + "&".join(f"{k}={v}" for k, v in query.items()) for kind, query in QUESTIONS.items()),
    ]:
        words = client.get(url).content.decode()
        assert not re.search(r"crowd-?\d|Crowd \d|awake-?\d|@example", words), url


def test_a_question_costs_few_queries(mark, client, visits, django_assert_max_num_queries):
    for kind, query in QUESTIONS.items():
        with django_assert_max_num_queries(14):
            assert client.get(reverse("ask_kind", args=[kind]), query).status_code == 200
