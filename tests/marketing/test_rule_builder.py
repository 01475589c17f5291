"""The builder without JavaScript: every kind of condition by plain controls, steps by buttons, and nothing typed is lost."""

import json

import pytest
from django.urls import reverse

from advisor.models import Investor
from marketing.models import Campaign, Profile, Purpose, Segment, SegmentVersion, Tag
from tests.marketing.builder import fields_of
from tests.marketing.crowd import crowd, everybody
from tests.marketing.segment_judge import random_rule

pytestmark = pytest.mark.django_db
NEW = "/marketing/segments/new/"
DORMANT = {"field": "dormancy", "is": ["dormant"]}
EVERY_KIND = [
    {"field": "assets_minor", "at_least": 100_050, "below": 90_000_000},
    {"field": "net_flow_90d_minor", "below": -100},
    {"field": "idle_share", "at_least": 0.05},
    {"field": "unrealised_return", "at_least": -0.125},
    {"field": "p_alive", "below": 0.333},
    {"field": "expected_decisions_90d", "at_least": 0.5},
    {"field": "level", "is": [3, 4, 5, None]},
    {"field": "dormancy", "is": ["calm", "lost"]},
    {"field": "goal_kind", "is": ["home", None]},
    {"field": "acquisition_source", "is": ["baidu", "其他𠮷"]},
    {"field": "elder_mode", "is": False},
    {"field": "last_decision_at", "days_ago_at_least": 90},
    {"field": "last_decision_at", "days_ago_at_least": 0, "days_ago_below": 30},
    {"field": "level_valid_until", "in_days_below": 30},
    {"field": "active_hour", "at_least": 18, "below": 24},
    {"field": "consent", "purpose": "profiling", "is": False},
    {"ratio": ["idle_cash_minor", "assets_minor"], "at_least": 0.2},
    {"tag": "t-a", "is": True},
    {"event": "fund", "did": False, "within_days": 30},
    {"event": "search", "did": True, "at_least": 3, "channel": "web", "where": {"theme": "gold", "n": 2, "ok": True}},
    {"event": "心跳💓", "last_before_days": 7},
    {"order": "any", "did": False, "within_days": 90},
    {"order": "buy", "did": True, "asset_class": "equity", "at_least": 2, "origin": ["plan", "investor"], "grade_at_least": 3},
    {"holding": {"asset_class": "equity"}, "is": True, "ever": True},
    {"holding": {"fund": "000001", "company": "甲"}, "is": False, "ever": False},
    {"message": "opened", "did": True, "within_days": 30},
    {"next_action": ["place", "silence"], "is_in": False},
    {"bucket": "盐", "from": 0, "below": 5_000},
]  # fmt: skip


@pytest.fixture
def mark(people, client):
    client.force_login(people.mark)
    return people.mark


def saved(client, rule: dict, **more: str) -> Segment:
    response = client.post(NEW, fields_of(rule, do="save", **more))
    assert response.status_code == 302, response.context["form"].errors
    return Segment.objects.get(name=more.get("name", "Sleepers"))


def test_every_kind_of_condition_comes_back_from_its_controls_as_it_was(mark, client):
    Tag.objects.create(code="t-a", name_zh="甲", name_en="A", group="test", rule={}, word=0, bit=0)
    inner = everybody()
    campaign = Campaign.objects.create(name="X", segment=inner)
    kinds = [
        *EVERY_KIND,
        {"campaign": campaign.pk, "is_in": False},
        {"segment": inner.pk, "is_in": True},
        {"message": "clicked", "did": False, "campaign": campaign.pk},
        {"any": [DORMANT, {"not": [DORMANT, {"all": [DORMANT]}]}]},
    ]
    rule = {"all": kinds}
    assert saved(client, rule).rule == {"version": 1, "rule": rule}
    page = client.get(f"/marketing/segments/{Segment.objects.get(name='Sleepers').pk}/edit/").content.decode()
    assert "no kind of condition" not in page and "As it was stored" not in page


@pytest.mark.parametrize("seed", range(12))
def test_random_rules_come_back_from_the_form_as_they_were(mark, client, seed):
    Campaign.objects.create(name="X", segment=everybody())
    for at, code in enumerate(("t-a", "t-b", "t-c", "t-d")):
        Tag.objects.create(code=code, name_zh=code, name_en=code, group="test", rule={}, word=0, bit=at)
    rule = random_rule(seed)
    first = saved(client, rule["rule"]).rule
    again = saved(client, first["rule"], name="Again").rule
    assert first == again
    words = client.get(NEW, {"rule": json.dumps(rule)})
    assert words.status_code == 200 and words.context["preview"]["n_open"] == 0


def test_conditions_are_added_moved_into_groups_and_out_and_removed_by_buttons(mark, client):
    posted = fields_of({"all": [DORMANT]}, **{"new-0": "any"})
    root = client.post(NEW, posted | {"do": "add:0"}).context["root"].draft
    assert [node.kind for node in root.nodes] == ["field:dormancy", "any"]

    def press(do: str, **more):
        nonlocal root
        sent = {"name": "typed name", "do": do} | more
        for node in root.all():
            sent[f"kind-{node.key}"] = node.kind
            sent |= {f"in-{inner.key}": node.key for inner in node.nodes} | {
                f"{name}-{node.key}": text for name, text in node.values.items()
            }
        response = client.post(NEW, sent)
        assert response.status_code == 200 and b"typed name" in response.content and not Segment.objects.exists()
        root = response.context["root"].draft
        return response

    page = press("add:2", **{"new-2": "order"})
    assert b"autofocus" in page.content, "the new condition is where one goes on"
    assert b"aria-invalid" not in page.content, "nobody is told off before anything was typed"
    press("down:1")
    assert [node.kind for node in root.nodes] == ["any"]
    assert [node.kind for node in root.nodes[0].nodes] == ["field:dormancy", "order"]
    assert root.nodes[0].nodes[0].values == {"is": ["dormant"]}, "what was chosen moves along"
    press("down:3")
    assert [node.kind for node in root.nodes] == ["any", "order"]
    press("up:3")
    assert [node.kind for node in root.nodes[0].nodes] == ["field:dormancy", "order"]
    press("remove:3")
    assert [node.kind for node in root.nodes[0].nodes] == ["field:dormancy"]
    for nonsense in ("remove:0", "up:99", "add:1", "add:x", "down:", "dance:1"):
        before = [node.key for node in root.all()]
        press(nonsense, **{"new-1": "order", "new-x": "order"})
        assert [node.key for node in root.all()] == before


@pytest.mark.parametrize(
    ("kind", "typed", "wrong"),
    [
        ("field:assets_minor", {"at_least": "lots"}, "at_least"),
        ("field:assets_minor", {"at_least": "-1"}, "at_least"),
        ("field:assets_minor", {"at_least": "9" * 400}, "at_least"),
        ("field:assets_minor", {"at_least": "NaN"}, "at_least"),
        ("field:assets_minor", {"at_least": "1e999999"}, "at_least"),
        ("field:assets_minor", {"at_least": "5", "below": "5"}, "below"),
        ("field:assets_minor", {}, "at_least"),
        ("field:n_holdings", {"at_least": "1.5"}, "at_least"),
        ("field:idle_share", {"below": "101"}, "below"),
        ("field:level", {}, "is"),
        ("field:level", {"is": ["9"]}, ""),
        ("field:dormancy", {"is": ["asleep"]}, ""),
        ("field:last_visit_at", {"days_ago_at_least": "٣"}, "days_ago_at_least"),
        ("field:last_visit_at", {"days_ago_at_least": "2026-01-01"}, "days_ago_at_least"),
        ("field:last_visit_at", {"days_ago_below": "3", "in_days_below": "3"}, "days_ago_at_least"),
        ("event", {}, "event"),
        ("event", {"other": "x", "within_days": "0"}, "within_days"),
        ("event", {"other": "x", "did": "before"}, "within_days"),
        ("event", {"other": "x", "property1": "a"}, "value1"),
        ("event", {"other": "x", "property1": "😀", "value1": "x"}, ""),
        ("event", {"other": "x", "property1": "n", "value1": "x", "type1": "number"}, "value1"),
        ("order", {}, "order"),
        ("holding", {}, "asset_class"),
        ("segment", {}, "segment"),
        ("campaign", {"campaign": "1 OR 1=1"}, "campaign"),
        ("bucket", {"bucket": "a", "from": "5", "below": "5"}, "below"),
        ("resembles", {"nearest": "5"}, "resembles"),
        ("resembles", {"resembles": "3"}, "nearest"),
        ("resembles", {"resembles": "3", "nearest": "5", "nearest_share": "5"}, "nearest"),
        ("resembles", {"resembles": "3", "nearest_share": "11"}, "nearest_share"),
        ("next_action", {}, "next_action"),
        ("next_action", {"next_action": ["buy"]}, ""),
        ("other", {"json": "{"}, "json"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_marked_where_it_was_typed_and_kept(mark, client, kind, typed, wrong):
    posted = {"name": "x", "kind-0": "all", "kind-1": kind, "in-1": "0", "do": "save"} | {f"{name}-1": text for name, text in typed.items()}
    response = client.post(NEW, posted)
    assert response.status_code == 422 and not Segment.objects.exists()
    card = response.context["root"].cards[0]
    assert list(card.draft.errors) == [wrong] and card.draft.errors[wrong]
    for name, text in typed.items():
        assert card.draft.values[name] == ([text] if isinstance(text, str) else text)
    assert response.context["form"].non_field_errors()


@pytest.mark.parametrize(
    "posted",
    [
        {},
        {"kind-0": "all"},
        {"kind-0": "x; DROP TABLE"},
        {"kind-0": "field:level"},
        {"kind-0": "all", "kind-1": "any", "in-1": "0"},
        {"kind-0": "all", "kind-1": "any", "in-1": "2", "kind-2": "any", "in-2": "1"},
        {"kind-0": "all", "kind-1": "any", "in-1": "1"},
        {"kind-0": "all"} | {f"kind-{k}": "any" for k in range(1, 40)} | {f"in-{k}": str(k - 1) for k in range(1, 40)},
        {"kind-0": "all", "kind-²": "order", "in-²": "0"},
        {"rule": "{"},
        {"rule": '{"version":1,"rule":{"field":"user__email","is":["a"]}}'},
        {"rule": '{"version":1,"rule":{"field":"level","is":[1]}}', "name": "x" * 81},
        {"rule": '{"version":1,"rule":{"field":"level","is":[1]}}', "name": ""},
    ],
)
@pytest.mark.parametrize("do", ["save", "preview", "add:0", "up:1"])
def test_whatever_is_sent_is_answered_with_a_sentence_or_the_page(mark, client, posted, do):
    response = client.post(NEW, {"name": "x", "do": do} | posted)
    assert response.status_code == (422 if do == "save" else 200)
    assert not Segment.objects.exists()
    if do == "save":
        assert [message for found in response.context["form"].errors.values() for message in found]


def test_forty_levels_of_groups_are_refused_with_a_sentence(mark, client):
    node = DORMANT
    for _ in range(40):
        node = {"all": [node]}
    for response in (
        client.get(NEW, {"rule": json.dumps({"version": 1, "rule": node})}),
        client.post(NEW, {"name": "x", "rule": json.dumps({"version": 1, "rule": node})}),
    ):
        assert "nested too deeply" in response.content.decode()
    assert not Segment.objects.exists()


def test_a_linked_rule_opens_in_the_builder_and_older_links_do(mark, client):
    page = client.get(NEW, {"rule": json.dumps({"version": 1, "rule": {"any": [DORMANT, {"field": "assets_minor", "below": 123_450}]}})})
    assert page.context["root"].draft.kind == "any" and 'value="1234.50"' in page.content.decode()
    assert client.get(NEW, {"dormancy": "dormant"}).context["root"].draft.nodes[0].values == {"is": ["dormant"]}


def test_a_tag_that_is_no_longer_offered_stays_chosen_where_it_was(mark, client):
    Tag.objects.create(code="t-a", name_zh="甲", name_en="A", group="assets", rule={}, word=0, bit=1)
    segment = saved(client, {"all": [{"tag": "t-a", "is": True}]})
    Tag.objects.update(state=Tag.State.RETIRED)
    page = client.get(reverse("segment_edit", args=[segment.pk])).content.decode()
    assert '<option value="t-a" selected>t-a (' in page


def test_a_preview_counts_what_is_complete_and_tells_no_small_number(mark, client):
    crowd(34, prefix="many", level=4)
    crowd(3, prefix="few", level=5)
    Profile.objects.filter(investor__pseudonym__startswith="few").update(assets_minor=77)
    posted = fields_of({"all": [DORMANT]}) | {"kind-2": "field:assets_minor", "in-2": "0"}
    url = reverse("segment_preview")
    page = client.post(url, posted).content.decode()
    assert "about 40" in page and "1 condition is not complete" in page and "Few" not in page
    few = client.post(url, posted | {"at_least-2": "0", "below-2": "1"}).content.decode()
    assert "fewer than 10" in few and "few-0" not in few
    for number in ("37", "34", ">3<"):
        assert number not in page.split("A sample")[0]


def test_two_rules_that_differ_by_one_person_are_told_alike(mark, client):
    crowd(31, prefix="many")
    lonely = Investor.objects.get(pseudonym="many-7")
    Profile.objects.filter(pk=lonely.pk).update(n_goals=9)
    url = reverse("segment_preview")
    with_them = client.post(url, fields_of({"all": [DORMANT]})).content.decode()
    without = client.post(url, fields_of({"all": [DORMANT, {"not": [{"field": "n_goals", "at_least": 9}]}]})).content.decode()
    assert with_them.split("<details")[0].count("about 30") == without.split("<details")[0].count("about 30") == 1


def test_saving_again_makes_the_next_version_and_keeps_the_one_before(mark, client):
    segment = saved(client, {"all": [DORMANT]})
    url = f"/marketing/segments/{segment.pk}/edit/"
    changed = fields_of({"all": [DORMANT, {"field": "elder_mode", "is": True}]}, do="save", version="1")
    assert client.post(url, changed).status_code == 302
    segment.refresh_from_db()
    assert segment.version == 2 and list(SegmentVersion.objects.order_by("number").values_list("number", flat=True)) == [1, 2]
    assert "Version 1" in client.get(f"/marketing/segments/{segment.pk}/").content.decode()
    stale = client.post(url, fields_of({"all": [{"field": "elder_mode", "is": False}]}, do="save", version="1"))
    assert stale.status_code == 422 and "Somebody saved" in stale.content.decode()
    assert client.post(url, changed).status_code == 302 and SegmentVersion.objects.count() == 2, "the same twice is one version"


def test_a_fact_of_the_advice_is_refused_for_sales_and_taken_for_service(mark, client):
    rule = {"all": [{"field": "age_band", "is": ["65-or-more"]}]}
    refused = client.post(NEW, fields_of(rule, do="save"))
    assert refused.status_code == 422 and "may not choose whom to sell to" in refused.content.decode() and not Segment.objects.exists()
    service = saved(client, rule, purpose="service")
    assert service.purpose == Purpose.SERVICE
    through = client.post(NEW, fields_of({"all": [{"segment": service.pk, "is_in": False}]}, do="save", name="through"))
    assert through.status_code == 422 and "may not choose whom to sell to" in through.content.decode(), "nor by way of another segment"


def test_the_builder_asks_few_questions_however_large_the_rule(mark, client, django_assert_max_num_queries):
    segment = saved(client, {"all": EVERY_KIND[:15] + EVERY_KIND[18:]})
    client.get(f"/marketing/segments/{segment.pk}/edit/")
    with django_assert_max_num_queries(12):
        client.get(f"/marketing/segments/{segment.pk}/edit/")
