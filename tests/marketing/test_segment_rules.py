"""Rules that name what is gone, cannot be kept, or lead back to themselves; versions, snapshots, sizes, overlap."""

from datetime import timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone, translation

from advisor.models import Consent
from marketing.catalogue import profile_fields
from marketing.kernels.segments import TAG_KINDS, RuleError, bucket_of, parse_rule, rule_schema
from marketing.kernels.segments import read_rule as read_with
from marketing.models import Campaign, Event, Profile, Segment, SegmentSize, Tag, TagWords
from marketing.selectors.audience import overlap
from marketing.selectors.campaigns import launch_problems
from marketing.selectors.segment_words import sentence
from marketing.selectors.segments import frozen, people_in, read_rule
from marketing.services import change_segment, delete_segment, launch_campaign, note_sizes, take_snapshot, write_segment
from tests.marketing.crowd import agreed, crowd, draft

pytestmark = pytest.mark.django_db
DORMANT = {"field": "dormancy", "is": ["dormant"]}


def rule(node: dict) -> dict:
    return {"version": 1, "rule": node}


def refusal(node: dict) -> RuleError:
    with pytest.raises(RuleError) as refused:
        people_in(read_rule(rule(node)))
    return refused.value


@pytest.mark.parametrize(
    ("node", "code", "where"),
    [
        ({"all": [DORMANT, {"colour": "red"}]}, "unknown_condition", "rule.all.1"),
        ({"any": [{"not": [{"field": "gone", "at_least": 1}]}]}, "unknown_field", "rule.any.0.not.0"),
        ({"field": "user__password", "is": ["x"]}, "unknown_field", "rule"),
        ({"field": "dormancy", "at_least": 1}, "wrong_condition", "rule"),
        ({"field": "assets_minor", "at_least": 0.5}, "wrong_value", "rule"),
        ({"field": "assets_minor", "at_least": float("nan")}, "not_valid", "rule.at_least"),
        ({"field": "assets_minor", "at_least": float("inf")}, "not_valid", "rule.at_least"),
        ({"field": "assets_minor", "at_least": 10**30}, "not_valid", "rule.at_least"),
        ({"field": "assets_minor", "at_least": True}, "not_valid", "rule.at_least"),
        ({"field": "joined_date", "days_ago_below": "2026-01-01"}, "not_valid", "rule.days_ago_below"),
        ({"ratio": ["assets_minor", "dormancy"], "below": 1}, "wrong_condition", "rule"),
        ({"ratio": ["assets_minor"], "below": 1}, "not_valid", "rule.ratio"),
        ({"event": "a\0b"}, "not_valid", "rule.event"),
        ({"event": "\ud83d"}, "not_valid", "rule.event"),
        ({"event": "x", "where": {"a'); DROP TABLE marketing_event; --": 1}}, "not_valid", ""),
        ({"tag": "no-such-tag", "is": True}, "unknown_tag", "rule"),
        ({"segment": 99_999}, "unknown_segment", "rule"),
        ({"any": [DORMANT, {"campaign": 99_999}]}, "unknown_campaign", "rule.any.1"),
        ({"message": "opened", "campaign": 99_999}, "unknown_campaign", "rule"),
        ({"segment": 2**70}, "not_valid", "rule.segment"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_place_and_a_sentence(node, code, where):
    found = refusal(node)
    assert found.code == code and found.where.startswith(where)
    with pytest.raises(ValidationError, match="Nothing was saved"):
        write_segment(name="x", rule=rule(node), author=None)
    assert not Segment.objects.exists()


@pytest.mark.parametrize("text", ["'; DROP TABLE marketing_profile; --", "%s %(x)s %", "黄金𠮷😀", '"}', "\\", "a" * 200])
def test_text_of_every_kind_is_a_value_and_never_sql(text):
    people = crowd(2)
    agreed_to_profiling(people)
    Event.objects.create(message_id="00000000-0000-4000-8000-000000000001", investor=people[0], type="track", name=text[:80],
                         properties={"theme": text}, occurred_at=timezone.now())  # fmt: skip
    Profile.objects.filter(pk=people[1].pk).update(top_company=text[:40])
    assert list(people_in(read_rule(rule({"event": text[:80], "where": {"theme": text}})))) == [people[0]]
    assert list(people_in(read_rule(rule({"field": "top_company", "is": [text[:40]]})))) == [people[1]]
    assert people_in(read_rule(rule({"bucket": text[:80], "from": 0, "below": 10_000}))).count() == 2
    for other in ({"order": "buy", "company": text[:80]}, {"holding": {"fund": text[:20]}}):
        assert not people_in(read_rule(rule(other))).exists()


def agreed_to_profiling(people, is_given: bool = True, days_ago: int = 50) -> None:
    at = timezone.now() - timedelta(days=days_ago)
    Consent.objects.bulk_create(
        [Consent(investor=one, purpose="profiling", is_given=is_given, source="simulated", at=at) for one in people]
    )


def test_behaviour_is_read_only_of_people_whose_agreement_is_in_force():
    agrees, withdrew, never = crowd(3)
    agreed_to_profiling([agrees, withdrew])
    agreed_to_profiling([withdrew], is_given=False, days_ago=1)
    for at, who in enumerate((agrees, withdrew, never), 1):
        Event.objects.create(
            message_id=f"00000000-0000-4000-8000-00000000000{at}", investor=who, type="track", name="search", occurred_at=timezone.now()
        )
    searched = {"event": "search"}
    found = {
        name: set(people_in(read_rule(rule(node))))
        for name, node in {
            "did": searched, "did not": searched | {"did": False}, "not": {"not": [searched]}, "not not": {"not": [{"not": [searched]}]},
            "or dormant": {"any": [searched, DORMANT]}, "seen": {"field": "n_visits_30d", "below": 5},
        }.items()
    }  # fmt: skip
    assert found == {
        "did": {agrees},
        "did not": set(),
        "not": set(),
        "not not": {agrees},
        "or dormant": {agrees, withdrew, never},
        "seen": {agrees},
    }


def test_a_removed_field_is_seen_and_keeps_a_campaign_from_being_launched(people, client):
    crowd(12)
    segment = write_segment(name="Old", rule=rule({"all": [DORMANT]}), author=people.mark)
    Segment.objects.filter(pk=segment.pk).update(rule=rule({"all": [DORMANT, {"field": "shoe_size", "at_least": 40}]}))
    campaign = draft(segment=segment)
    client.force_login(people.mark)
    for address in ("/marketing/segments/", f"/marketing/segments/{segment.pk}/"):
        assert "Condition 2 asks for the field “shoe_size”, which no longer exists" in client.get(address).content.decode()
    edit = client.get(f"/marketing/segments/{segment.pk}/edit/").content.decode()
    assert "shoe_size" in edit and "Dormant" in edit.replace("dormant", "Dormant"), "what can still be read is there to go on from"
    with pytest.raises(ValidationError, match="no longer exists"):
        launch_campaign(campaign_id=campaign.pk, actor=people.mark)
    for address in (f"/marketing/campaigns/{campaign.pk}/", f"/marketing/campaigns/{campaign.pk}/launch/"):
        assert client.get(address).status_code == 200
    assert note_sizes() == 0, "what cannot be read is not counted, and the night goes on"


def test_a_deleted_tag_is_refused_from_then_on():
    people = crowd(2)
    tag = Tag.objects.create(code="t", name_zh="t", name_en="t", group="g", rule={}, word=19, bit=59)
    TagWords.objects.create(investor=people[0], w19=1 << 59)
    TagWords.objects.create(investor=people[1], w19=(1 << 59) - 1)
    has = {"tag": "t", "is": True}
    assert list(people_in(read_rule(rule(has)))) == [people[0]]
    tag.state = Tag.State.RETIRED
    tag.save()
    assert refusal(has).code == "unknown_tag"
    assert "no longer exists" in sentence(read_rule(rule(has)))


def test_segments_do_not_lead_back_to_themselves():
    first = write_segment(name="one", rule=rule(DORMANT), author=None)
    second = write_segment(name="two", rule=rule({"not": [{"segment": first.pk}]}), author=None)
    for inner in ({"segment": second.pk}, {"segment": first.pk}):
        with pytest.raises(ValidationError, match="leads back to itself"):
            change_segment(segment_id=first.pk, version=1, name="one", rule=rule({"any": [DORMANT, inner]}), author=None)
    Segment.objects.filter(pk=first.pk).update(rule=rule({"segment": second.pk}))  # as two people at once could
    assert refusal({"segment": first.pk}).code == "cycle"


def test_a_launch_and_a_snapshot_keep_who_was_meant_when_the_segments_change(people):
    crowd(12)
    crowd(3, prefix="calm", dormancy="calm")
    inner = write_segment(name="inner", rule=rule(DORMANT), author=None)
    outer = write_segment(name="outer", rule=rule({"all": [{"segment": inner.pk}]}), author=None)
    campaign = draft(segment=outer)
    assert launch_campaign(campaign_id=campaign.pk, actor=people.mark)
    snapshot = take_snapshot(segment=outer, actor=people.mark)
    change_segment(segment_id=inner.pk, version=1, name="inner", rule=rule({"field": "dormancy", "is": ["calm"]}), author=None)
    campaign.refresh_from_db()
    assert people_in(read_rule(campaign.rule_at_launch)).count() == 12
    assert (snapshot.n, snapshot.members.count(), people_in(read_rule(outer.rule)).count()) == (12, 12, 3)


def test_a_segment_in_use_is_not_deleted():
    used = write_segment(name="used", rule=rule(DORMANT), author=None)
    by = write_segment(name="by", rule=rule({"segment": used.pk, "is_in": False}), author=None)
    with pytest.raises(ValidationError, match="“by” rests on this one"):
        delete_segment(segment_id=used.pk)
    draft(segment=by)
    with pytest.raises(ValidationError, match="it is kept"):
        delete_segment(segment_id=by.pk)
    Campaign.objects.all().delete()
    delete_segment(segment_id=by.pk)
    delete_segment(segment_id=used.pk)
    assert not Segment.objects.exists() and not SegmentSize.objects.exists()


def test_a_sales_campaign_takes_no_segment_for_service():
    crowd(12)
    segment = write_segment(name="service", rule=rule(DORMANT), author=None, purpose="service")
    for is_letter, n in ((False, 1), (True, 0)):
        campaign = draft(segment=segment, is_service_letter=is_letter)
        assert len([one for one in launch_problems(campaign, campaign.steps.first()) if "service and protection" in one]) == n


def test_an_overlap_is_told_in_tens_and_not_below_ten():
    crowd(33)
    crowd(12, prefix="calm", dormancy="calm")
    Profile.objects.filter(pk__in=Profile.objects.filter(dormancy="dormant").values("pk")[:4]).update(n_goals=2)
    dormant, two_goals, some = (
        read_rule(rule(one)) for one in (DORMANT, {"field": "n_goals", "at_least": 2}, {"field": "n_goals", "at_least": 0})
    )
    met = overlap(dormant, some)
    assert (met.one, met.other, met.both, met.either) == (30, 50, 30, 50) and met.jaccard == 0.6 and met.share_of_one == 1
    assert overlap(dormant, two_goals).both is None and overlap(dormant, two_goals).jaccard is None


def test_sizes_are_kept_once_a_day():
    crowd(12)
    segment = write_segment(name="s", rule=rule(DORMANT), author=None)
    crowd(2, prefix="more")
    assert note_sizes() == 1 and note_sizes() == 1
    assert list(segment.sizes.values_list("n", flat=True)) == [14]


SAID = {
    "en": "Investors of whom this is true: Level is C3, C4 or C5, and has at some time held a fund of asset class “Chinese shares”, "
    "and did not place an order (outside plans) in the last 90 days, and opened a message, and none of (is on the list of the campaign "
    "“X”), and (Idle cash at least 1,234,500 yuan, or did “Looked at a fund” at least 3 times in the last 30 days).",
    "zh-hans": "符合以下条件的投资者：风险等级为C3、C4或C5，且曾经持有资产类别“A 股”的基金，且最近 90 天内没有定投以外的委托，"
    "且打开过消息，且都不是（在活动“X”的名单中），且（闲置资金不低于 123.45 万元，或最近 30 天内有过至少 3 次“查看基金”）。",
}


@pytest.mark.parametrize("language", SAID)
def test_a_rule_is_one_sentence_in_both_languages(language):
    campaign = Campaign.objects.create(name="X", segment=write_segment(name="s", rule=rule(DORMANT), author=None))
    node = {
        "all": [
            {"field": "level", "is": [3, 4, 5]},
            {"holding": {"asset_class": "equity"}, "ever": True},
            {"order": "any", "did": False, "within_days": 90},
            {"message": "opened"},
            {"not": [{"campaign": campaign.pk}]},
            {"any": [{"field": "idle_cash_minor", "at_least": 123_450_000}, {"event": "fund", "at_least": 3, "within_days": 30}]},
        ]
    }
    with translation.override(language):
        assert sentence(read_rule(rule(node))) == SAID[language]


def test_a_tag_rule_may_name_only_what_a_tag_can_be_worked_out_from():
    assert read_with(rule({"ratio": ["idle_cash_minor", "assets_minor"], "at_least": 0.5}), profile_fields(), kinds=TAG_KINDS)
    with pytest.raises(RuleError, match=r"not_allowed rule\.all\.1 event"):
        read_with(rule({"all": [DORMANT, {"event": "x"}]}), profile_fields(), kinds=TAG_KINDS)


def test_the_schema_names_the_fields_that_fit():
    parts = rule_schema(profile_fields())["$defs"]
    assert "assets_minor" in parts["FieldRange"]["properties"]["field"]["enum"]
    assert "dormancy" in parts["FieldIs"]["properties"]["field"]["enum"]
    assert "assets_minor" not in parts["FieldDays"]["properties"]["field"]["enum"]


def test_buckets_are_even_and_two_salts_deal_independently():
    seeds = [(k * 2_654_435_761) % (2**31 - 1) for k in range(20_000)]
    halves = [[bucket_of(seed, salt) < 5_000 for seed in seeds] for salt in ("a", "b")]
    both = sum(one and other for one, other in zip(*halves, strict=True))
    assert all(abs(sum(half) - 10_000) < 300 for half in halves) and abs(both - 5_000) < 250


def test_a_written_out_rule_is_short_enough_or_refused():
    inner = write_segment(name="s0", rule=rule({"any": [DORMANT] * 40}), author=None)
    outer = write_segment(name="s1", rule=rule({"any": [{"segment": inner.pk}] * 20}), author=None)
    assert len(list(parse_rule(outer.rule).rule.nodes)) == 20
    with pytest.raises(RuleError, match="too_long"):
        frozen(read_rule(rule({"any": [{"segment": outer.pk}] * 20})))


def test_segments_that_name_each_other_many_times_are_refused_before_they_are_written_out():
    chain = [write_segment(name=f"link {place}", rule=rule(DORMANT), author=None) for place in range(5)]
    for inner, outer in reversed(list(pairwise(chain))):  # the top first: each one saved is short as it stands
        change_segment(segment_id=outer.pk, version=1, name=outer.name, rule=rule({"any": [{"segment": inner.pk}] * 50}), author=None)
    with pytest.raises(RuleError, match="too_long"):
        frozen(read_rule(Segment.objects.get(pk=chain[-1].pk).rule))  # 50 ** 4 conditions: minutes, and all of the memory


PROPERTIES = [
    True,
    False,
    1,
    0,
    1.5,
    "1",
    "true",
    "",
    None,
    [1],
    {"a": 1},
    "[1]",
    "主题𠮷😀",
    "it's",
    'a"b',
    "50%",
    "%s",
    "back\\slash",
    "\\u4e2d",
]


@pytest.mark.parametrize("name", ["n", "主题", "a b", "a.b"])
def test_a_property_is_of_its_own_type_on_either_database(name):
    people, now = crowd(len(PROPERTIES)), timezone.now()
    agreed(people, purpose=Consent.Purpose.PROFILING)
    Event.objects.bulk_create(
        [
            Event(message_id=uuid4(), investor=one, type="page", name="e", properties={name: value}, occurred_at=now, received_at=now)
            for one, value in zip(people, PROPERTIES, strict=True)
        ]
    )
    for one, value in zip(people, PROPERTIES, strict=True):
        if value not in ("", None) and not isinstance(value, list | dict):  # these are no values of a rule
            found = people_in(read_rule(rule({"event": "e", "where": {name: value}})), now=now)
            assert list(found) == [one], value
