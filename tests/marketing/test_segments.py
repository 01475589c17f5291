"""Segments: what a rule means, in SQL and in words, and how little a marketer learns of the people in it."""

import json
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone, translation

from marketing.kernels.segments import RuleError
from marketing.models import Dormancy, Profile, Segment
from marketing.selectors.audience import audience, told
from marketing.selectors.segment_words import explain
from marketing.selectors.segments import people_in, read_rule
from marketing.services import ensure_builtin_segments, write_segment
from tests.marketing.crowd import agreed, crowd

pytestmark = pytest.mark.django_db


def rule(*conditions, joint: str = "all"):
    return read_rule({"version": 1, "rule": {joint: list(conditions)}})


def names(one) -> set[str]:
    return {pseudonym.rsplit("-", 1)[0] for pseudonym in people_in(one).values_list("pseudonym", flat=True)}


@pytest.fixture
def groups():
    crowd(2, prefix="rich", idle_minor=9_000_000, level=4)
    crowd(2, prefix="poor", idle_minor=0, dormancy=Dormancy.ACTIVE, level=0)
    crowd(2, prefix="fresh", dormancy=Dormancy.NEW, consent=False)
    agreed(crowd(2, prefix="left", consent=True), is_given=False, days_ago=1)
    Profile.objects.filter(investor__pseudonym__startswith="rich").update(last_visit_at=timezone.now() - timedelta(days=90))
    Profile.objects.filter(investor__pseudonym__startswith="poor").update(last_visit_at=timezone.now() - timedelta(days=3))


@pytest.mark.parametrize(
    ("conditions", "who"),
    [
        ([{"field": "dormancy", "is": ["dormant"]}], {"rich", "left"}),
        ([{"field": "level", "is": [0, 4]}], {"rich", "poor"}),
        ([{"field": "level", "is": [None]}], {"fresh", "left"}),
        ([{"field": "level", "is": [4, None]}], {"rich", "fresh", "left"}),
        ([{"field": "idle_cash_minor", "at_least": 1}, {"field": "idle_cash_minor", "below": 9_000_000}], {"fresh", "left"}),
        ([{"field": "assets_minor", "at_least": 18_000_000}], {"rich"}),
        ([{"field": "last_visit_days", "at_least": 60}], {"rich", "fresh", "left"}),
        ([{"field": "last_visit_days", "below": 60}], {"poor"}),
        ([{"field": "consent", "purpose": "marketing", "is": True}], {"rich", "poor"}),
        ([{"field": "consent", "purpose": "marketing", "is": False}], {"fresh", "left"}),
        ([{"not": [{"field": "last_visit_days", "at_least": 60}]}], {"poor"}),
        ([{"any": [{"field": "level", "is": [0]}, {"field": "dormancy", "is": ["new"]}]}], {"poor", "fresh"}),
        ([{"not": [{"field": "level", "is": [0]}, {"field": "dormancy", "is": ["new"]}]}], {"rich", "left"}),
    ],
)
def test_a_rule_finds_exactly_the_people_it_describes(groups, conditions, who):
    assert names(rule(*conditions)) == who


def test_holdings_are_counted_in_the_profile(groups):
    one = people_in(rule({"field": "level", "is": [4]})).first()
    Profile.objects.filter(pk=one.pk).update(n_holdings=2)
    holds = {"field": "n_holdings"}
    assert list(people_in(rule(holds | {"at_least": 2}))) == [one]
    assert not people_in(rule(holds | {"at_least": 3})).exists()
    assert people_in(rule(holds | {"below": 2})).count() == 7
    assert people_in(rule(holds | {"at_least": 0})).count() == 8
    assert people_in(rule(holds | {"at_least": 0}, joint="not")).count() == 0
    assert people_in(rule(holds | {"at_least": 0}, {"field": "level", "is": [4]}, joint="any")).count() == 8


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("{", "not_json"),
        ("[" * 50_000, "not_json"),
        ('{"version": 1, "rule": {"field": "assets_minor", "at_least": ' + "9" * 5_000 + "}}", "not_json"),
        ("[]", "not_valid"),
        ('{"version": 1, "rule": {"all": []}}', "not_valid"),
        ('{"version": 2, "rule": {"all": [{"field": "level", "is": [1]}]}}', "not_valid"),
        ('{"version": 1, "rule": {"field": "user__password", "is": ["x"]}}', "unknown_field"),
        ('{"version": 1, "rule": {"field": "level", "is": [6]}}', "wrong_value"),
        ('{"version": 1, "rule": {"field": "assets_minor"}}', "not_valid"),
        ('{"version": 1, "rule": {"field": "assets_minor", "at_least": 5, "below": 5}}', "not_valid"),
        ('{"version": 1, "rule": {"field": "assets_minor", "at_least": 1.5}}', "wrong_value"),
        ('{"version": 1, "rule": {"field": "assets_minor", "at_least": -1}}', "wrong_value"),
        ('{"version": 1, "rule": {"field": "last_visit_days", "at_least": 99999999999}}', "not_valid"),
        (json.dumps({"version": 1, "rule": {"all": [{"field": "level", "is": [1]}] * 51}}), "too_long"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused_and_nothing_is_stored(bad, code):
    with pytest.raises(RuleError) as refused:
        read_rule(bad)
    assert refused.value.code == code
    with pytest.raises(ValidationError):
        write_segment(name="bad", rule=bad, author=None)
    assert not Segment.objects.exists()


def test_too_much_nesting_is_refused():
    node = {"field": "level", "is": [1]}
    for _ in range(6):
        node = {"all": [node]}
    with pytest.raises(RuleError, match="too_deep"):
        read_rule({"version": 1, "rule": node})


def test_a_rule_is_said_in_words():
    one = rule(
        {"field": "dormancy", "is": ["dormant", "lost"]},
        {"field": "idle_cash_minor", "at_least": 100_000},
        {"not": [{"field": "consent", "purpose": "marketing", "is": True}]},
        {"field": "last_visit_days", "at_least": 1},
    )
    with translation.override("en"):
        words = explain(one)
    assert words.text == "All of these hold:"
    assert [part.text for part in words.parts] == [
        "Activity is dormant or lost", "Idle cash at least 1,000 yuan", "None of these holds:", "Last visit before today, or never",
    ]  # fmt: skip
    assert words.parts[2].parts[0].text == "Agreed to marketing messages"


def test_small_groups_are_withheld_and_a_single_gap_is_hidden_with_another():
    assert told({"a": 50, "b": 20, "c": 3}) == {"a": 50, "b": None, "c": None}
    assert told({"a": 50, "b": 4, "c": 3}) == {"a": 50, "b": None, "c": None}
    assert told({"a": 50, "b": 20}) == {"a": 50, "b": 20}
    assert told({"a": 0, "b": 3}) == {"b": None}


def test_an_audience_shows_numbers_and_pseudonyms_and_no_small_group():
    crowd(30, prefix="many", level=2)
    crowd(3, prefix="few", level=5)
    seen = audience(rule({"field": "dormancy", "is": ["dormant"]}))
    assert seen.count == 30
    levels = {bar.key: bar.count for bar in seen.breakdowns[1][1]}
    assert levels == {"2": None, "5": None}
    assert len(seen.sample) == 10 and "example.com" not in repr(seen) and "Many" not in repr(seen)


def test_of_an_audience_below_ten_not_even_the_number_is_told():
    crowd(9)
    seen = audience(rule({"field": "dormancy", "is": ["dormant"]}))
    assert (seen.count, seen.breakdowns, seen.sample) == (None, [], [])


def test_the_built_in_segment_finds_sleepers_with_idle_cash_and_is_written_once():
    crowd(4, prefix="sleep", idle_minor=100_000)
    crowd(4, prefix="poor", idle_minor=99_999)
    crowd(4, prefix="calm", dormancy=Dormancy.CALM)
    (segment,) = ensure_builtin_segments()
    assert ensure_builtin_segments() == [segment] and Segment.objects.count() == 1
    assert names(read_rule(segment.rule)) == {"sleep"}
    with translation.override("en"):
        assert str(segment) == "Dormant with idle cash"


def test_the_page_names_nobody_and_asks_few_questions(people, client, django_assert_max_num_queries):
    crowd(40, prefix="secret")
    segment = ensure_builtin_segments()[0]
    client.force_login(people.mark)
    with django_assert_max_num_queries(12):
        page = client.get(reverse("segment", args=[segment.pk])).content.decode()
    assert "secre-1" in page and "Secret" not in page and "example.com" not in page.replace(people.mark.email, "")


def test_the_list_asks_few_questions_however_long(people, client, django_assert_max_num_queries):
    for i in range(30):
        Segment.objects.create(name=f"s{i}", rule={"version": 1, "rule": {"field": "level", "is": [1]}}, author=people.mark)
    client.force_login(people.mark)
    with django_assert_max_num_queries(12):
        assert b"s29" in client.get(reverse("segment_list")).content
