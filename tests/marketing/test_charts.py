"""Charts of the marketers' pages: no empty ones, no hours under days, and every number in the table below."""

from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from marketing.charts import day_axis, gained_and_lost, metric_line, size_card
from marketing.home_cards import home_cards
from marketing.models import DormancyChange, Segment, SegmentSize, Tag, TagSize
from marketing.selectors.home import home_of
from marketing.services.metrics import overview_day
from tests.marketing.crowd import crowd

DAY = date(2026, 11, 20)


def days(n: int, step: int = 1) -> list[date]:
    return [DAY + timedelta(days=step * k) for k in range(n)]


def test_a_single_day_stands_as_a_category_and_a_few_days_have_a_mark_each():
    assert day_axis(days(1)) == {"type": "category"}
    assert day_axis(days(3))["dtick"] == 24 * 3600 * 1000
    assert day_axis(days(90)) == day_axis(days(2, step=40)) == day_axis([]) == {"type": "date"}
    assert metric_line([(DAY, 40.0)], "count", "people")["layout"]["xaxis"] == {"type": "category"}


def test_sizes_leave_a_gap_where_fewer_than_ten_were_and_the_table_says_so():
    card = size_card([(DAY, 40), (DAY + timedelta(days=1), None)], "How many")
    assert card.figure["data"][0]["y"] == [40.0, None]
    assert [(row.name, row.cells) for row in card.rows] == [("2026-11-21", ["fewer than 10"]), ("2026-11-20", ["40"])]
    assert size_card([(DAY, None)], "How many").figure is None


def test_gained_and_lost_is_no_chart_where_everything_is_withheld():
    assert gained_and_lost([(DAY, None, 0)]) is None
    assert [trace["y"] for trace in gained_and_lost([(DAY, 20, None)])["data"]] == [[20], [None]]


@pytest.fixture
def mark(people, client):
    client.force_login(people.mark)
    return people.mark


def flows_card():
    return next(card for card in home_cards(home_of(overview_day(segment=None))) if card.key == "flows")


@pytest.mark.parametrize(
    ("n_changed", "title", "is_drawn"),
    [
        (0, "Nobody changed state in the last 30 days", False),
        (4, "Fewer than ten people changed from any one state to another in the last 30 days", False),
        (12, "Who changed state in the last 30 days", True),
    ],
)
def test_changes_of_activity_are_a_sentence_where_no_bar_could_be_drawn(db, n_changed, title, is_drawn):
    DormancyChange.objects.bulk_create(
        DormancyChange(investor=one, from_state="cooling", to_state="dormant", date=timezone.localdate()) for one in crowd(40)[:n_changed]
    )
    card = flows_card()
    assert (card.title, card.figure is not None) == (title, is_drawn)
    assert len(card.rows) == 6


def test_a_segments_page_draws_its_history_to_the_nearest_ten(mark, client):
    segment = Segment.objects.create(name="sleepers", rule={"version": 1, "rule": {"field": "dormancy", "is": ["dormant"]}})
    assert "How many they were" not in client.get(reverse("segment", args=[segment.pk])).content.decode()
    SegmentSize.objects.bulk_create(SegmentSize(segment=segment, date=day, n=33 if k else 4) for k, day in enumerate(days(3)))
    page = client.get(reverse("segment", args=[segment.pk]))
    assert page.context["size_card"].figure["data"][0]["y"] == [None, 30.0, 30.0]
    text = page.content.decode()
    assert 'id="figure-sizes"' in text and "2026-11-22" in text and ">33<" not in text
    refused = client.post(reverse("segment_export", args=[segment.pk]), {})
    assert refused.status_code == 422 and 'id="figure-sizes"' in refused.content.decode()


def test_a_tags_page_draws_its_only_day_as_a_category(mark, client):
    tag = Tag.objects.create(code="rich", name_zh="有钱", name_en="Rich", rule={"version": 1, "rule": {"all": []}})
    TagSize.objects.create(tag=tag, date=DAY, n=42)
    figure = client.get(reverse("tag", args=["rich"])).context["size_card"].figure
    assert figure["layout"]["xaxis"] == {"type": "category"} and figure["data"][0]["y"] == [40.0]
