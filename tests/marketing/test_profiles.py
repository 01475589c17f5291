"""Profiles: what the build says of each person is what their rows say, on any day, by any way it was built."""

import math
from datetime import date

import pytest
import time_machine
from django.utils import translation

from config.jobs import claim_job
from marketing.catalogue import profile_fields, profile_words
from marketing.catalogue.dictionary import dictionary_path, profile_dictionary
from marketing.models import Profile, ProfileBuild
from marketing.selectors import profile_columns, profile_holdings, profile_messages, profile_orders, profile_visits
from marketing.selectors.profile_of import profile_of
from marketing.services import build_profiles, execute_profile_build, request_profile_build
from marketing.services import profiles as service
from tests.marketing.crowd import crowd
from tests.marketing.profile_judge import judge
from tests.marketing.profile_world import Town, at

pytestmark = pytest.mark.django_db
FIRST_DAY = date(2026, 11, 18)
NOT_OURS = {"dormancy", "dormancy_since", "p_alive", "expected_decisions_90d", "rhythm_days", "value_365d_minor"}
STAMPS = {"investor_id", "version", "as_of", "refreshed_at"}
COLUMNS = sorted(set(profile_fields()) - NOT_OURS)


def night(day: date):
    """The small hours of the day after: what happened on the day is known."""
    return time_machine.travel(at(day, 86_399), tick=False)


def rows() -> dict[int, dict]:
    return {row.pop("investor_id"): row for row in Profile.objects.values("investor_id", *COLUMNS)}


def same(one, other) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return one == other


def differences(found: dict[int, dict], told: dict[int, dict]) -> list[tuple]:
    return [
        (pk, name, row[name], told[pk][name]) for pk, row in found.items() for name in row if not same(row[name], told[pk][name])
    ] + sorted(found.keys() ^ told.keys())


def test_every_field_is_a_column_and_every_column_a_field():
    columns = {field.attname for field in Profile._meta.concrete_fields}
    assert columns == set(profile_fields()) | STAMPS


def test_a_build_says_what_plain_counting_says():
    with night(FIRST_DAY):
        town = Town(30, FIRST_DAY, seed=1)
        build_profiles()
        found = rows()
        assert differences(found, {one.pk: judge(one, FIRST_DAY) for one in town.people}) == []
    known = {name for row in found.values() for name, value in row.items() if value not in (None, "", 0, False)}
    assert set(COLUMNS) <= known  # of every column somebody has something to say


def test_nights_say_what_a_full_build_says(monkeypatch):
    n_read, real = [], profile_columns.order_columns
    monkeypatch.setattr(profile_columns, "order_columns", lambda block: n_read.append(block.n) or real(block))
    with night(FIRST_DAY):
        town = Town(20, FIRST_DAY, seed=3)
        build_profiles()
    for days in (1, 1, 3):
        with night(town.today):
            town.pass_days(days)
        with night(town.today):
            n_read.clear()
            build = build_profiles()
            assert build.kind == "incremental"
            assert 0 < sum(n_read) < len(town.people)  # nobody's orders are read in vain, or not everybody's
            found = rows()
            build_profiles(kind="full")
            assert differences(found, rows()) == []
    with night(town.today):
        assert differences(rows(), {one.pk: judge(one, town.today) for one in town.people}) == []


def test_a_second_build_of_a_day_writes_nothing():
    with night(FIRST_DAY):
        Town(6, FIRST_DAY, seed=4)
        first = build_profiles()
        before = list(Profile.objects.order_by("pk").values())
        assert first.n_rows == first.n_done == len(before)
        for kind in ("full", "incremental"):
            assert build_profiles(kind=kind).n_rows == 0
        assert list(Profile.objects.order_by("pk").values()) == before


def test_the_order_in_which_a_database_hands_out_rows_changes_nothing(monkeypatch):
    with night(FIRST_DAY):
        Town(20, FIRST_DAY, seed=8)
        build_profiles()
        for module in (profile_holdings, profile_messages, profile_orders, profile_visits):
            monkeypatch.setattr(module, "read", lambda *given, real=module.read: [column[::-1] for column in real(*given)])
        assert build_profiles(kind="full").n_rows == 0


def test_without_consent_to_profiling_nothing_is_read_of_what_somebody_looked_at():
    with night(FIRST_DAY):
        town = Town(3, FIRST_DAY, seed=5)
        one = town.people[0]
        one.consents.all().delete()
        for _ in range(5):
            town.look(one, FIRST_DAY)
        Profile.objects.all().delete()
        build_profiles()
        row = Profile.objects.filter(pk=one.pk).values().get()
        looked = [name for name, field in profile_fields().items() if field.sensitivity == "profiling"]
        assert len(looked) > 20
        assert {row[name] for name in looked} <= {None, 0, ""}
        one.consents.create(purpose="profiling", is_given=True, source="test", at=at(FIRST_DAY, 0))
        build_profiles()  # a night: the consent alone is enough
        assert Profile.objects.get(pk=one.pk).n_visits_7d == 1
        one.consents.create(purpose="profiling", is_given=False, source="test", at=at(FIRST_DAY, 9))
        build_profiles()
        row = Profile.objects.filter(pk=one.pk).values().get()
        assert {row[name] for name in looked} <= {None, 0, ""}


def test_a_killed_build_goes_on_behind_its_last_block(monkeypatch):
    people = crowd(9)
    monkeypatch.setattr(service, "BLOCK", 4)
    build = ProfileBuild.objects.create(kind="full", as_of=FIRST_DAY)
    blocks, real = [], service._build_block

    def third_time_lucky(build, token, block, market, moved):
        blocks.append(block.ids.tolist())
        if len(blocks) == 2:
            raise KeyboardInterrupt
        real(build, token, block, market, moved)

    monkeypatch.setattr(service, "_build_block", third_time_lucky)
    with pytest.raises(KeyboardInterrupt):
        execute_profile_build(build.pk)
    assert not execute_profile_build(build.pk)  # the lease of the dead worker still runs
    ProfileBuild.objects.filter(pk=build.pk).update(lease_until=at(FIRST_DAY, 0))
    assert execute_profile_build(build.pk)
    build.refresh_from_db()
    keys = sorted(one.pk for one in people)
    assert blocks == [keys[:4], keys[4:8], keys[4:8], keys[8:]]
    assert (build.status, build.n_done, build.n_rows, build.attempts) == ("done", 9, 9, 2)


def test_a_worker_that_lost_its_claim_writes_no_block(monkeypatch):
    crowd(3)
    Profile.objects.all().delete()
    build = ProfileBuild.objects.create(kind="full", as_of=FIRST_DAY)
    real = service.all_columns

    def slow(block, market):
        ProfileBuild.objects.filter(pk=build.pk).update(lease_until=at(FIRST_DAY, 0))
        assert claim_job(ProfileBuild, build.pk)
        return real(block, market)

    monkeypatch.setattr(service, "all_columns", slow)
    assert not execute_profile_build(build.pk)
    assert not Profile.objects.exists()


def test_one_build_is_open_at_a_time_and_a_week_brings_a_full_one():
    crowd(2)
    with night(FIRST_DAY):
        first = request_profile_build()
        assert request_profile_build() == first
        assert execute_profile_build(first.pk)
    kinds = []
    for day in (19, 20, 24, 25):
        with night(date(2026, 11, day)):
            kinds.append(build_profiles().kind)
    assert [first.kind, *kinds] == ["full", "incremental", "incremental", "incremental", "full"]
    assert build_profiles(as_of=FIRST_DAY).kind == "full"  # a day before the last one told of


def test_queries_do_not_grow_with_the_people(django_assert_max_num_queries):
    crowd(300)
    with django_assert_max_num_queries(50):
        build_profiles()
    with django_assert_max_num_queries(60):
        build_profiles()


def test_the_dictionary_in_docs_is_current():
    assert dictionary_path().read_text(encoding="utf-8") == profile_dictionary()  # else: manage.py write_profile_dictionary
    assert {field.source for field in profile_words().fields} == set(profile_words().sources)


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_a_person_reads_what_is_known_in_words(language, django_assert_num_queries):
    with night(FIRST_DAY):
        town = Town(2, FIRST_DAY, seed=6)
        build_profiles()
    one = town.people[0]
    told = {"invested_minor": 1_234_500, "idle_share": 0.256, "plan_status": "running", "level": 3, "active_hour": 20, "elder_mode": True}
    Profile.objects.filter(pk=one.pk).update(last_decision_at=at(FIRST_DAY, 60), drawdown_felt=None, **told)
    with translation.override(language), django_assert_num_queries(1):
        known = {row.name: row for row in profile_of(one)}
    assert "drawdown_felt" not in known and len(known) > 60
    assert known["idle_share"].value == "25.6%" and known["level"].value == "C3" and known["active_hour"].value == "20:00–21:00"
    words = {"zh-hans": ("定投中", "1.2345 万元", "已投资金额"), "en": ("running", "12,345 yuan", "Invested")}[language]
    assert (known["plan_status"].value, known["invested_minor"].value.replace("\u00a0", " "), known["invested_minor"].label) == words
    assert {row.as_of for row in known.values()} == {FIRST_DAY}
    assert all(row.label and row.value and row.source for row in known.values())
