"""Who has which tag: worked out by night, written where it differs, dated once a change, and safe to interrupt and repeat."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from django.utils import timezone

from advisor.models import Investor
from benchmarks.naive_tags import NaiveTags
from marketing.catalogue import profile_fields
from marketing.catalogue.tags import needing_consent, shipped_tags
from marketing.kernels.segments import read_rule
from marketing.models import Profile, ProfileBuild, Tag, TagRefresh, TagSize, TagWords
from marketing.selectors.segments import people_in
from marketing.selectors.tags import has_tag, tags_of
from marketing.services import refresh_tags, request_tag_refresh, retire_tag, sync_tags, tag_refresh
from marketing.services.tags import clear_bits, give_places
from tests.marketing.crowd import agreed
from tests.marketing.tag_world import DAY, bits_of, change, changes, codes, persons, refreshed, rich, tag

pytestmark = pytest.mark.django_db
NEXT = DAY + timedelta(days=1)


@pytest.fixture
def three():
    tag("rich", rich())
    tag("poor", {"not": [rich()]})
    tag("idle", {"ratio": ["idle_cash_minor", "assets_minor"], "at_least": 0.5})
    return persons(assets_minor=[0, 1_000, 5_000], idle_cash_minor=[0, 900, 0])


def test_everybody_has_the_tags_that_their_rules_give(three):
    refreshed()
    assert [codes(one) for one in three] == [{"poor"}, {"rich", "idle"}, {"rich"}]
    assert dict(TagSize.objects.values_list("tag__code", "n")) == {"rich": 2, "poor": 1, "idle": 1}


def test_the_first_refresh_of_a_tag_counts_no_gain(three):
    assert refreshed().n_flips == 0
    assert changes() == []
    assert set(Tag.objects.values_list("counted_from", flat=True)) == {DAY}


def test_gained_and_lost_are_one_dated_row_a_change(three):
    refreshed()
    change(three[0], assets_minor=2_000)
    run = refreshed(NEXT)
    assert changes() == [("poor", three[0].pk, False, NEXT), ("rich", three[0].pk, True, NEXT)]
    assert (run.n_changed, run.n_flips) == (1, 2)
    assert dict(TagSize.objects.filter(date=NEXT).values_list("tag__code", "n")) == {"rich": 3, "poor": 0, "idle": 1}


def test_a_second_run_of_the_day_changes_nothing(three):
    refreshed()
    change(three[0], assets_minor=2_000)
    refreshed(NEXT)
    before = changes()
    run = refreshed(NEXT)
    assert (run.n_changed, changes()) == (0, before)
    assert TagSize.objects.filter(date=NEXT).count() == 3


def test_what_turns_back_on_the_same_day_leaves_no_row(three):
    refreshed()
    change(three[0], assets_minor=2_000)
    refreshed(NEXT)
    change(three[0], assets_minor=0)
    refreshed(NEXT)
    assert changes() == []
    assert codes(three[0]) == {"poor"}


def test_history_is_only_written_forwards(three):
    refreshed(NEXT)
    with pytest.raises(ValueError, match="before"):
        refresh_tags(on=DAY)


def test_an_unchanged_profile_is_worked_out_again_only_for_what_moves_by_itself(three):
    tag("fresh", {"field": "joined_date", "days_ago_below": 10})
    Profile.objects.update(joined_date=DAY - timedelta(days=8))
    refreshed()
    Profile.objects.update(assets_minor=0)  # by no build: what an incremental night must not notice
    refreshed(DAY + timedelta(days=2))
    assert changes() == [("fresh", one.pk, False, DAY + timedelta(days=2)) for one in three]
    assert codes(three[2]) == {"rich"}
    refreshed(DAY + timedelta(days=2), is_full=True)
    assert codes(three[2]) == {"poor"}


def test_activity_is_read_after_the_profile_and_noticed_all_the_same(three):
    tag("asleep", {"field": "dormancy", "is": ["lost"]})
    refreshed()
    Profile.objects.filter(pk=three[1].pk).update(dormancy="lost")
    refreshed(NEXT)
    assert changes() == [("asleep", three[1].pk, True, NEXT)]


def test_a_profile_that_was_being_written_as_a_refresh_began_is_read_again(three):
    build = ProfileBuild.objects.create(as_of=DAY, status="running")
    Profile.objects.update(version=build.pk - 1)
    refreshed()
    Profile.objects.filter(pk=three[0].pk).update(version=build.pk, assets_minor=9_000)  # committed after it was read
    ProfileBuild.objects.update(status="done")
    refreshed(NEXT)
    assert codes(three[0]) == {"rich"}


def test_a_new_tag_and_those_that_name_it_are_worked_out_for_everybody_and_counted_from_then(three):
    refreshed()
    tag("very_rich", rich(5_000))
    tag("other", {"tag": "very_rich", "is": False})
    refreshed(NEXT)
    assert [codes(one) & {"very_rich", "other"} for one in three] == [{"other"}, {"other"}, {"very_rich"}]
    assert changes() == []


def test_a_rule_that_changed_is_counted_anew(three):
    refreshed()
    Tag.objects.filter(code="rich").update(rule={"version": 1, "rule": rich(5_000)}, counted_from=None)
    refreshed(NEXT)
    assert codes(three[1]) == {"idle"}
    assert changes(tag__code="rich") == []


def test_a_run_that_was_interrupted_goes_on_behind_the_last_whole_block(three, monkeypatch):
    monkeypatch.setattr(tag_refresh, "block_size", lambda: 1)
    whole, calls = tag_refresh._write, []

    def dies(work, ids, *rest):
        calls.append(ids[0])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(work, ids, *rest)

    monkeypatch.setattr(tag_refresh, "_write", dies)
    with pytest.raises(KeyboardInterrupt):
        refresh_tags(on=DAY)
    TagRefresh.objects.update(lease_until=timezone.now() - timedelta(seconds=1))  # its worker is gone
    refreshed()
    assert calls == [three[0].pk, three[1].pk, three[1].pk, three[2].pk]
    assert [codes(one) for one in three] == [{"poor"}, {"rich", "idle"}, {"rich"}]
    assert dict(TagSize.objects.values_list("tag__code", "n")) == {"rich": 2, "poor": 1, "idle": 1}
    assert TagRefresh.objects.count() == 1


def test_two_runs_at_once_are_one_and_a_lost_lease_stops_the_writer(three, monkeypatch):
    run = request_tag_refresh(on=DAY)
    assert request_tag_refresh(on=DAY).pk == run.pk
    whole = tag_refresh.read_columns

    def loses(*given):
        TagRefresh.objects.update(claim=None, lease_until=timezone.now())
        return whole(*given)

    monkeypatch.setattr(tag_refresh, "read_columns", loses)
    assert refresh_tags(on=DAY).status == "running"
    assert not TagSize.objects.exists()


def test_what_was_left_of_an_earlier_day_is_given_up(three):
    old = request_tag_refresh(on=DAY)
    refreshed(NEXT)
    old.refresh_from_db()
    assert (old.status, old.error, old.slot) == ("failed", {"code": "overtaken"}, None)


# ── Consent ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_absence_gives_nobody_a_tag_that_needs_consent(three):
    tag("not_evening", {"not": [{"field": "evening_share", "at_least": 0.5}]})
    Profile.objects.filter(pk=three[0].pk).update(consent_profiling=False)
    refreshed()
    assert ["not_evening" in codes(one) for one in three] == [False, True, True]


def test_who_withdraws_loses_what_needed_the_consent_at_once_on_pages_and_by_night_in_the_bits(three):
    tag("evening", {"field": "evening_share", "at_least": 0.5})
    Profile.objects.update(evening_share=0.9)
    refreshed()
    assert "evening" in codes(three[0])
    agreed(three[:1], is_given=False, days_ago=0, purpose="profiling")
    assert "evening" not in codes(three[0])
    Profile.objects.filter(pk=three[0].pk).update(consent_profiling=False)  # the row's version need not have changed
    refreshed(NEXT)
    assert changes() == [("evening", three[0].pk, False, NEXT)]


# ── Problems ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "node", [{"field": "shoe_size", "at_least": 1}, {"tag": "gone", "is": True}, {"tag": "rich", "is": True}, {"all": "?"}]
)
def test_a_rule_that_breaks_keeps_its_bits_says_why_and_stops_no_other(three, node):
    tag("user", {"tag": "rich", "is": True})
    refreshed()
    Tag.objects.filter(code="rich").update(rule={"version": 1, "rule": node})
    for one in three:
        change(one, assets_minor=10_000)
    refreshed(NEXT)
    assert [codes(one) for one in three] == [set(), {"rich", "user"}, {"rich", "user"}]  # "poor" and "idle" are worked out
    assert {code: bool(problem) for code, problem in Tag.objects.values_list("code", "problem")} == {
        "rich": True, "user": True, "poor": False, "idle": False,
    }  # fmt: skip


def test_a_tag_that_was_mended_is_worked_out_for_everybody_again(three):
    Tag.objects.filter(code="rich").update(rule={"version": 1, "rule": {"tag": "gone", "is": True}})
    refreshed()
    assert codes(three[2]) == set()
    tag("gone", rich())
    refreshed(NEXT)
    assert codes(three[2]) == {"rich", "gone"}
    assert Tag.objects.get(code="rich").problem == ""
    assert changes() == []


def test_a_division_by_zero_is_nobodys_tag(three):
    tag("no_divisor", {"ratio": ["assets_minor", "goal_amount_minor"], "below": 10**6})
    Profile.objects.update(goal_amount_minor=0)
    refreshed()
    assert not any("no_divisor" in codes(one) for one in three)


# ── Bits ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_bit_is_cleared_everywhere_before_it_is_given_away(three, people):
    refreshed()
    old = Tag.objects.get(code="rich")
    place = (old.word, old.bit)
    retire_tag(tag=old, by=people.mark)
    refreshed(NEXT)
    assert not any(place in bits_of(row) for row in TagWords.objects.all())
    new = tag("never", {"field": "assets_minor", "at_least": 10**12})
    refreshed(NEXT)
    new.refresh_from_db()
    assert (new.word, new.bit) == place
    assert not any("never" in codes(one) for one in three)


def test_a_tag_retired_and_a_new_one_of_the_same_day_do_not_mix(three, people):
    refreshed()
    retire_tag(tag=Tag.objects.get(code="rich"), by=people.mark)
    new = tag("never", {"field": "assets_minor", "at_least": 10**12})
    give_places()
    refreshed(NEXT)
    new.refresh_from_db()
    assert not any("never" in codes(one) for one in three)
    assert TagSize.objects.get(tag=new, date=NEXT).n == 0


def test_the_bit_of_a_tag_that_was_deleted_outright_is_cleared_too(three):
    refreshed()
    Tag.objects.filter(code="rich").delete()
    new = tag("never", {"field": "assets_minor", "at_least": 10**12})
    give_places()
    new.refresh_from_db()
    assert not TagWords.objects.filter(has_tag(new)).exists()


def test_the_last_bit_of_the_last_word_is_cleared_and_nothing_beside_it(three):
    for one in three:
        TagWords.objects.create(investor=one, w19=2**60 - 1, w0=5)
    mask = np.zeros(20, np.int64)
    mask[19] = 2**59
    assert clear_bits(mask) == 3
    assert set(TagWords.objects.values_list("w0", "w19")) == {(5, 2**59 - 1)}
    assert clear_bits(mask) == 0


def test_there_is_room_for_1200_tags_and_the_next_one_is_told(db):
    rows = [Tag(code=f"t{at}", name_zh="x", name_en="x", group="assets", rule={}, word=at // 60, bit=at % 60) for at in range(1200)]
    Tag.objects.bulk_create(rows)
    late = tag("late", rich())
    assert give_places() == 0
    late.refresh_from_db()
    assert (late.word, late.problem) == (None, "no_place")


def test_sql_finds_who_has_the_bit_in_every_word(three):
    one = tag("marked", rich(10**12))
    for word, bit in [(0, 0), (7, 31), (12, 32), (19, 59)]:
        TagWords.objects.all().delete()
        Tag.objects.filter(pk=one.pk).update(word=word, bit=bit)
        one.refresh_from_db()
        TagWords.objects.create(investor=three[1], **{f"w{word}": 1 << bit})
        TagWords.objects.create(investor=three[2], **{f"w{word}": (2**60 - 1) ^ (1 << bit)})
        assert [row.pk for row in TagWords.objects.filter(has_tag(one))] == [three[1].pk]
        assert [row.pk for row in Investor.objects.filter(has_tag(one, prefix="tag_words__"))] == [three[1].pk]
    assert not TagWords.objects.filter(has_tag(Tag())).exists()


def test_a_segment_over_tags_finds_whom_the_bits_name(three):
    refreshed()
    for code, is_on in [("rich", True), ("rich", False), ("idle", True)]:
        rule = read_rule({"version": 1, "rule": {"tag": code, "is": is_on}}, profile_fields())
        assert set(people_in(rule).values_list("pk", flat=True)) == {one.pk for one in three if (code in codes(one)) is is_on}


# ── All of them ──────────────────────────────────────────────────────────────────────────────────────────────────


SIX = {
    "assets_minor": [0, 50_000, 5_000_000, 45_000_000, 700_000_000, 1], "idle_cash_minor": [0, 0, 4_000_000, 100, 0, 1],
    "idle_share": [None, 0, 0.8, 0.0, 0, 1], "level": [None, 0, 3, 4, 5, 2], "highest_grade": [None, 2, 4, 2, 5, 1],
    "level_valid_until": [None, *[DAY + timedelta(days=n) for n in (0, -1, 29, 30)], None],
    "last_visit_at": [None, *[timezone.make_aware(datetime(2026, 11, 22 - n, 0, 30)) for n in (0, 6, 7, 20, 21)]],
    "joined_date": [DAY - timedelta(days=n) for n in (0, 6, 7, 400, 1095, 30)],
    "dormancy": ["new", "active", "calm", "cooling", "dormant", "lost"], "p_alive": [None, 0.95, 0.5, 0.25, 0.1, 0.2],
    "active_hour": [None, 5, 9, 15, 22, 0], "bucket_seed": [1, 2, 3, 4, 5, 2**31 - 2],
    "top_theme": ["", "health", "dividend", "", "health", "?"],
    "panic": [None, 0.6, 0.05, 0.1, 0.5, 0], "drawdown_felt": [None, 0.2, 0.1, 0.3, 0, 0],
    "plan_status": ["", "none", "running", "stopped", "running", ""],
}  # fmt: skip


def test_the_shipped_tags_of_profiles_read_from_the_database_are_what_their_rules_say():
    people = persons(6, **SIX)
    Profile.objects.filter(pk__in=[people[1].pk, people[4].pk]).update(consent_profiling=False)
    sync_tags()
    refreshed()
    shipped = {one.code: one.rule for one in shipped_tags()}
    judge = NaiveTags(shipped, needing_consent())
    for one in people:
        row = Profile.objects.get(pk=one.pk)
        known = {name: _local(getattr(row, name)) for name in profile_fields()}
        bits = bits_of(TagWords.objects.get(pk=one.pk))
        found = {each.code for each in Tag.objects.all() if (each.word, each.bit) in bits}
        assert found == {code for code in shipped if judge.holds(code, known, DAY)}


def _local(value):
    return timezone.localdate(value) if isinstance(value, datetime) else value


def test_a_refresh_costs_the_same_queries_however_many_tags_and_people(three, django_assert_max_num_queries):
    refreshed()
    for at in range(30):
        tag(f"more{at}", rich(at + 1))
    persons(20, assets_minor=100)
    with django_assert_max_num_queries(45):
        refreshed(NEXT)


def test_a_person_without_words_has_no_tags(three, django_assert_max_num_queries):
    assert tags_of(three[0]) == []
    refreshed()
    with django_assert_max_num_queries(3):
        tags_of(three[1])


def test_a_segment_over_a_restricted_tag_that_needs_consent_leaves_out_who_withdrew_today(three):
    tag("panics", {"field": "panic", "at_least": 0.5}, sensitivity="restricted")
    Profile.objects.update(panic=0.9)
    refreshed()
    agreed(three[:1], is_given=False, days_ago=0, purpose="profiling")
    for is_on, expected in [(True, set(three[1:])), (False, set())]:
        rule = read_rule({"version": 1, "rule": {"tag": "panics", "is": is_on}}, profile_fields())
        assert set(people_in(rule)) == expected
