"""Tags as definitions: what is shipped, what marketers make and retire, who may use which, and the pages."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.urls import reverse
from django.utils import translation

from advisor.models import Consent
from marketing.catalogue.tags import Family, catalogue, shipped_tags, tag_groups, tags_of_family
from marketing.models import Profile, Segment, Tag, TagChange, TagRefresh, TagSize
from marketing.selectors.tag_pages import day_changes, overlaps, spark_points
from marketing.selectors.tags import person_tags, plan_now, tags_for_use
from marketing.services import retire_tag, sync_tags, tags, write_tag
from marketing.services.tags import TagDraft
from portfolios.models import Fund
from tests.marketing.crowd import agreed
from tests.marketing.tag_world import DAY, persons, refreshed, rich, tag

pytestmark = pytest.mark.django_db


def as_rule(node):
    return {"version": 1, "rule": node}


def draft(**changed) -> TagDraft:
    return TagDraft(**{"name_zh": "有钱", "name_en": "Well off", "rule": as_rule(rich()), **changed})


# ── What is shipped ──────────────────────────────────────────────────────────────────────────────────────────────


def test_every_shipped_tag_can_be_worked_out_and_is_named_in_both_languages():
    shipped = shipped_tags()
    assert len(catalogue().tags) >= 150
    assert (
        len({one.code for one in shipped}) == len({one.name_zh for one in shipped}) == len({one.name_en for one in shipped}) == len(shipped)
    )
    assert {one.group for one in shipped} <= set(tag_groups())
    assert all(bool(one.meaning_zh) == bool(one.meaning_en) for one in shipped)
    sync_tags()
    assert dict(Tag.objects.exclude(problem="").values_list("code", "problem")) == {}
    assert Tag.objects.filter(word__isnull=True).count() == 0
    # What evidence of advice it rests on is kept from sales, what behaviour from those who did not agree.
    known = {one.code: one for one in Tag.objects.all()}
    assert [known[code].sensitivity for code in ("panic_seller", "age_65_up", "likes_bond", "assets_none")] == [
        "restricted", "restricted", "profiling", "plain",
    ]  # fmt: skip
    assert [known[code].needs_consent for code in ("panic_seller", "age_65_up", "likes_bond", "assets_none")] == [True, False, True, False]


def test_syncing_again_changes_nothing(capsys):
    call_command("sync_tags")
    before = list(Tag.objects.order_by("pk").values())
    call_command("sync_tags")
    assert capsys.readouterr().out.splitlines()[1] == "tags made: 0, changed: 0, retired: 0"
    assert list(Tag.objects.order_by("pk").values()) == before


def test_a_shipped_rule_that_changed_is_taken_over_and_counted_anew_and_one_no_longer_shipped_is_retired(people):
    sync_tags()
    own = write_tag(draft=draft(), author=people.mark)
    Tag.objects.filter(code="assets_none").update(rule=as_rule(rich()), counted_from=DAY, name_en="Poor")
    Tag.objects.filter(code="one_fund").update(counted_from=DAY)
    tag("last_years", rich(), is_shipped=True)
    done = sync_tags()
    assert (done.made, done.changed, done.retired) == (0, 1, 1)
    found = Tag.objects.get(code="assets_none")
    assert (found.name_en, found.rule["rule"], found.counted_from) == ("No assets", {"field": "assets_minor", "below": 1}, None)
    assert Tag.objects.get(code="one_fund").counted_from == DAY
    assert Tag.objects.get(code="last_years").state == "retired"
    own.refresh_from_db()
    assert own.state == "active"


def test_another_process_that_syncs_at_the_same_time_does_no_harm(monkeypatch):
    read = tags._plan_with

    def read_while_the_other_writes(wanted):
        monkeypatch.setattr(tags, "_plan_with", read)
        assert sync_tags().made
        return read(wanted)

    monkeypatch.setattr(tags, "_plan_with", read_while_the_other_writes)
    sync_tags()
    assert Tag.objects.filter(is_shipped=True, word__isnull=False).count() == Tag.objects.count()


def test_each_company_whose_funds_are_sold_has_a_tag():
    for code, company in [("A1", "雾桥基金"), ("A2", "雾桥基金"), ("A3", "Moss")]:
        Fund.objects.create(code=code, company=company, category="mixed", asset_class="mixed", risk_grade=3, source="test")
    sync_tags()
    made = Tag.objects.filter(code__startswith="likes_company")
    assert {(one.name_zh, one.rule["rule"]["is"][0]) for one in made} == {("偏好雾桥基金", "雾桥基金"), ("偏好Moss", "Moss")}
    assert {one.sensitivity for one in made} == {"profiling"}


def test_values_that_no_code_can_spell_get_different_codes():
    family = Family(code="fam", values="companies", field="top_company", group="preference_company", name_zh="{zh}", name_en="{en}")
    values = ["雾桥", "盐灯", "A b", "A-b", "a b", "x" * 80]
    codes = [one.code for one in tags_of_family(family, {value: (value, value) for value in values})]
    assert len(set(codes)) == len(values) and max(map(len, codes)) <= 60


# ── Marketers' tags ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_marketer_makes_a_tag_once(people):
    made = write_tag(draft=draft(), author=people.mark)
    assert write_tag(draft=draft(), author=people.mark).pk == made.pk
    assert (made.group, made.word is not None, made.owner) == ("own", True, str(people.mark))
    with pytest.raises(ValidationError, match="another tag of this name"):
        write_tag(draft=draft(rule=as_rule(rich(5))), author=people.mark)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{", "not JSON"),
        (as_rule({"event": "page"}), "cannot rest on"),
        (as_rule({"order": "buy"}), "cannot rest on"),
        (as_rule({"field": "shoe_size", "below": 1}), "shoe_size"),
        (as_rule({"tag": "gone", "is": True}), "no longer used or never was"),
        (as_rule({"tag": "broken", "is": True}), "has a problem itself"),
        (as_rule({"field": "assets_minor", "is": True}), "cannot be compared"),
        ("[" * 400 + "]" * 400, "nested too deeply"),
    ],
)
def test_a_rule_that_a_tag_cannot_rest_on_is_refused_in_a_sentence(people, rule, said):
    tag("broken", {"field": "shoe_size", "below": 1})
    with pytest.raises(ValidationError, match=said):
        write_tag(draft=draft(rule=rule), author=people.mark)
    assert Tag.objects.filter(group="own").count() == 0


def test_a_tag_is_never_less_sensitive_than_what_it_rests_on(people):
    made = write_tag(draft=draft(rule=as_rule({"field": "panic", "at_least": 0.5})), author=people.mark)
    over = write_tag(draft=draft(name_zh="再", name_en="Over", rule=as_rule({"tag": made.code, "is": False})), author=people.mark)
    assert (over.sensitivity, over.needs_consent) == ("restricted", True)


def test_a_tag_that_is_named_cannot_be_retired_and_says_by_whom(people):
    made = write_tag(draft=draft(), author=people.mark)
    user = write_tag(draft=draft(name_zh="用", name_en="User", rule=as_rule({"not": [{"tag": made.code, "is": True}]})), author=people.mark)
    Segment.objects.create(name="Of them", rule=as_rule({"all": [{"tag": made.code, "is": True}]}))
    with pytest.raises(ValidationError, match=r"User, Of them|User、Of them"):
        retire_tag(tag=made, by=people.mark)
    retire_tag(tag=user, by=people.mark)
    user.refresh_from_db()
    assert (user.state, user.retired_by) == ("retired", people.mark)
    sync_tags()
    with pytest.raises(ValidationError, match="comes with the product"):
        retire_tag(tag=Tag.objects.get(code="assets_none"), by=people.mark)


# ── Use ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_kept_for_protection_is_never_offered_for_sales():
    sync_tags()
    tag("broken", {"field": "shoe_size", "below": 1}, word=19, bit=59, problem="unknown_field|shoe_size|rule")
    sales, service = set(tags_for_use("sales").values_list("code", flat=True)), set(tags_for_use("service").values_list("code", flat=True))
    assert service - sales == set(Tag.objects.filter(sensitivity="restricted").values_list("code", flat=True))
    assert "broken" not in service
    assert {"holds_above_level", "panic_seller", "age_65_up", "elder_high_risk"} <= service - sales
    plan = plan_now()
    assert not any(plan.traits[code].sensitivity == "restricted" for code in sales)
    with pytest.raises(ValueError, match="purpose"):
        tags_for_use("sale")


def test_a_persons_first_twelve_come_by_priority_and_the_rest_by_search():
    one = persons(1, assets_minor=9_999)[0]
    for at in range(15):
        tag(f"t{at}", rich(at), priority=100 - at, name_en=f"Tag {at}", meaning_en="found by this" if at == 0 else "")
    refreshed()
    with translation.override("en"):
        shown = person_tags(one)
        assert [each.code for each in shown.first] == [f"t{at}" for at in range(14, 2, -1)]
        assert [(name, [each.code for each in rest]) for name, rest in shown.rest] == [("Assets", ["t2", "t1", "t0"])]
        assert [each.code for each in person_tags(one, search="FOUND by").first] == ["t0"]
        assert person_tags(one, search="nothing like it").first == []


# ── Pages ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def forty(people):
    tag("rich", rich(), meaning_en="Has something", meaning_zh="有钱")
    tag("half", rich(5_000))
    tag("rare", rich(9_900))
    crowd = persons(40, assets_minor=[at * 250 for at in range(40)])
    refreshed(DAY)
    Profile.objects.filter(pk__in=[one.pk for one in crowd[:4]]).update(version=7, assets_minor=1_000)
    refreshed(DAY + timedelta(days=1))
    return crowd


def test_the_list_shows_sizes_trends_and_who_may_use_what(client, people, forty, django_assert_max_num_queries):
    client.force_login(people.mark)
    with django_assert_max_num_queries(16):
        page = client.get(reverse("tag_list")).content.decode()
    assert "Has something" in page and "<polyline" in page and "For every use" in page
    assert ">40<" in page and "100.0" in page
    assert "Rare" not in client.get(reverse("tag_list"), {"q": "something"}).content.decode()
    assert "No tag matches" in client.get(reverse("tag_list"), {"q": "something", "group": "risk"}).content.decode()


def test_a_tags_page_says_the_rule_and_withholds_small_numbers(client, people, forty, django_assert_max_num_queries):
    client.force_login(people.mark)
    with django_assert_max_num_queries(20):
        page = client.get(reverse("tag", args=["rich"])).content.decode()
    assert "Who gets it" in page and "Assets" in page
    assert "withheld" in page  # four gained it: fewer than ten
    assert ">40<" in page and ">36<" not in page  # to the nearest ten
    assert "On no day did ten people or more gain or lose it." in page and "tag-changes" not in page


def test_overlaps_are_counted_by_hand_and_small_ones_are_not_shown(client, people, forty):
    found = overlaps(Tag.objects.get(code="half"))
    assert [(one.tag.code, one.n_both, one.share, one.jaccard, one.lift) for one in found] == [("rich", 20, 1.0, 0.5, 1.0)]
    client.force_login(people.mark)
    assert "Jaccard" in client.get(reverse("tag_overlap", args=["half"])).content.decode()
    assert "Jaccard" in client.get(reverse("tag", args=["half"]), {"overlap": 1}).content.decode()
    assert overlaps(Tag.objects.get(code="rare")) == []


def test_two_tags_that_differ_by_a_person_do_not_say_so(people):
    for code, edge in (("rich", 1_000), ("richer", 1_001)):
        tag(code, rich(edge))
    crowd = persons(33, assets_minor=[0] * 12 + [1_000] + [5_000] * 20)
    refreshed(DAY)
    (found,) = overlaps(Tag.objects.get(code="rich"))
    assert (found.n_both, found.share, found.share_of_other, found.jaccard) == (20, 1.0, 1.0, 1.0)  # 20 of 21
    Profile.objects.filter(pk__in=[one.pk for one in crowd[:12]]).update(version=7, assets_minor=5_000)
    refreshed(DAY + timedelta(days=1))
    assert [one.gained for one in day_changes(Tag.objects.get(code="rich"), DAY + timedelta(days=1))] == [10]  # twelve


def test_a_tag_without_a_refresh_or_with_a_problem_has_a_page(client, people):
    client.force_login(people.mark)
    tag("young", rich())
    tag("broken", {"field": "shoe_size", "below": 1}, problem="unknown_field|shoe_size|rule")
    tag("unreadable", {"any": "?"}, problem="not_valid||rule.any")
    assert client.get(reverse("tag", args=["young"])).status_code == 200
    assert "shoe_size" in client.get(reverse("tag", args=["broken"])).content.decode()
    assert "cannot be read" in client.get(reverse("tag", args=["unreadable"])).content.decode()
    assert "has a problem" in client.get(reverse("tag_list")).content.decode()


def test_a_marketer_makes_a_tag_of_a_segment_by_hand_and_retires_it(client, people):
    client.force_login(people.mark)
    good = Segment.objects.create(name="Rich ones", rule=as_rule({"all": [rich()]}))
    bad = Segment.objects.create(name="Buyers", rule=as_rule({"all": [{"order": "buy"}]}))
    names = {"name_zh": "有钱", "name_en": "Well off"}
    refused = client.post(reverse("tag_new"), names | {"segment": bad.pk})
    assert refused.status_code == 422 and "cannot rest on" in refused.content.decode()
    assert client.post(reverse("tag_new"), names).status_code == 422
    made = client.post(reverse("tag_new"), names | {"segment": good.pk})
    own = Tag.objects.get(name_en="Well off")
    assert made.headers["Location"] == reverse("tag", args=[own.code])
    assert TagRefresh.objects.get().status == "queued"
    assert "Retire the tag" in client.get(reverse("tag", args=[own.code])).content.decode()
    client.post(reverse("tag_retire", args=[own.code]))
    own.refresh_from_db()
    assert own.state == "retired"
    assert "no longer used" in client.get(reverse("tag", args=[own.code])).content.decode()


def test_an_advisor_sees_a_clients_tags_and_searches_them(client, people, django_assert_max_num_queries):
    Profile.objects.create(investor=people.anna_investor, assets_minor=5_000, consent_profiling=True, evening_share=0.9)
    agreed([people.anna_investor], purpose=Consent.Purpose.PROFILING)
    tag("rich", rich())
    tag("evening", {"field": "evening_share", "at_least": 0.5})
    refreshed()
    client.force_login(people.ada)
    slot = reverse("client_tags_slot", args=[people.anna_investor.pk])
    assert f'hx-get="{slot}"' in client.get(reverse("advisors:client", args=[people.anna_investor.pk])).content.decode()
    with django_assert_max_num_queries(14):
        page = client.get(slot, headers={"HX-Request": "true"}).content.decode()
    assert "Rich" in page and "Evening" in page and "<html" not in page
    assert "<html" in client.get(slot).content.decode()
    assert "Evening" not in client.get(slot, {"q": "rich"}).content.decode()
    agreed([people.anna_investor], is_given=False, days_ago=0, purpose=Consent.Purpose.PROFILING)
    assert "Evening" not in client.get(slot).content.decode()


def test_a_trend_is_drawn_within_its_frame():
    assert spark_points([5]) == ""
    assert spark_points([1, 1]) == "0.0,12.0 96.0,12.0"
    assert spark_points([0, 10, 5]) == "0.0,22.0 48.0,2.0 96.0,12.0"


def test_history_of_a_tag_goes_with_it():
    one = tag("rich", rich())
    TagSize.objects.create(tag=one, date=DAY, n=1)
    one.delete()
    assert not TagSize.objects.exists() and not TagChange.objects.exists()
