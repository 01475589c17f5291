"""People like those of a segment: worked out from the serving factors, swapped whole, and only of who agrees to profiling."""

import json
import random
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from advisor.models import Consent
from config.jobs import claim_job
from identity.models import User
from marketing.kernels.packed import FORMAT
from marketing.kernels.segments import RuleError
from marketing.models import LookAlike, LookAlikeSet, Profile, Purpose, Segment
from marketing.rule_forms.drafts import draft_of_rule, rule_of_draft
from marketing.selectors.look_alikes import look_alike_notes
from marketing.selectors.segment_problems import problems_of
from marketing.selectors.segment_words import sentence
from marketing.selectors.segments import people_in, read_rule
from marketing.services import look_alikes as services
from marketing.services.look_alikes import execute_look_alikes, follow_factors, refresh_look_alikes, request_look_alikes
from marketing.services.segments import change_segment, delete_segment, write_segment
from tests.marketing.builder import fields_of
from tests.marketing.crowd import agreed, crowd
from tests.marketing.factors_world import serve_factors

pytestmark = pytest.mark.django_db
N_SEED, N_KIN, N_OTHERS = 30, 25, 40
EN = {"headers": {"accept-language": "en"}}


@pytest.fixture
def world():
    """A seed of elder people, kin of the same taste, and others of another; all agree to profiling."""
    deal = random.Random(3)
    seed = crowd(N_SEED, prefix="seed", consent=False)
    Profile.objects.filter(pk__in=[one.pk for one in seed]).update(elder_mode=True)
    kin, others = crowd(N_KIN, prefix="kin", consent=False), crowd(N_OTHERS, prefix="other", consent=False)
    agreed([*seed, *kin, *others], purpose=Consent.Purpose.PROFILING)
    near, far = [1.0, 0.0, 0.2, 0.0], [0.0, 1.0, 0.0, -0.5]
    vectors = {one.pk: [x + deal.gauss(0, 0.05) for x in near] for one in [*seed, *kin]}
    serve_factors(vectors | {one.pk: [x + deal.gauss(0, 0.05) for x in far] for one in others})
    return {"seed": seed, "kin": kin, "others": others, "segment": segment("Seed", {"field": "elder_mode", "is": True})}


def segment(name: str, node: dict, **fields) -> Segment:
    return Segment.objects.create(name=name, rule={"version": 1, "rule": node}, **fields)


def like(one: Segment, **how) -> dict:
    return {"resembles": one.pk} | (how or {"nearest": N_KIN})


def found(node: dict) -> set[int]:
    return set(people_in(read_rule({"version": 1, "rule": node})).values_list("pk", flat=True))


def keys(people) -> set[int]:
    return {one.pk for one in people}


def worked_out(one: Segment) -> LookAlikeSet:
    made = request_look_alikes(one.pk)
    execute_look_alikes(made.pk)
    made.refresh_from_db()
    return made


def test_the_kin_are_found_and_the_seed_itself_is_left_out(world):
    made = worked_out(world["segment"])
    assert (made.status, made.is_current, made.n_seed, made.n_compared) == ("done", True, N_SEED, N_KIN + N_OTHERS)
    assert found(like(world["segment"])) == keys(world["kin"])
    assert len(found(like(world["segment"], nearest=5))) == 5
    assert len(found(like(world["segment"], nearest_share=0.1))) == (N_KIN + N_OTHERS) // 10
    assert found({"all": [like(world["segment"]) | {"is_in": False}]}) == keys([*world["seed"], *world["others"]])


def test_before_it_was_worked_out_nobody_matches_and_the_page_says_so(world, client, people):
    assert found(like(world["segment"])) == set()
    one = segment("Kin", like(world["segment"]))
    client.force_login(people.mark)
    assert "is being worked out" in client.get(reverse("segment", args=[one.pk]), **EN).content.decode()


def test_who_withdraws_their_consent_is_gone_at_once_and_from_its_opposite_too(world):
    worked_out(world["segment"])
    gone = world["kin"][0]
    agreed([gone], False, days_ago=0, purpose=Consent.Purpose.PROFILING)
    assert gone.pk not in found(like(world["segment"]))
    assert gone.pk not in found({"not": [like(world["segment"])]})
    worked_out(world["segment"])
    assert not LookAlike.objects.filter(investor=gone).exists()


def test_who_never_agreed_is_neither_seed_nor_kin(world):
    Consent.objects.filter(investor__in=[*world["seed"][:5], *world["kin"][:5]]).delete()
    made = worked_out(world["segment"])
    assert made.n_seed == N_SEED - 5
    assert keys(world["kin"][:5]).isdisjoint(LookAlike.objects.values_list("investor", flat=True))


def test_whose_account_is_shut_is_neither_seed_nor_kin(world):
    shut = [*world["seed"][:5], *world["kin"][:5]]
    User.objects.filter(pk__in=[one.user_id for one in shut]).update(is_active=False)
    made = worked_out(world["segment"])
    assert (made.n_seed, made.n_compared) == (N_SEED - 5, N_KIN - 5 + N_OTHERS)
    assert keys(shut).isdisjoint(LookAlike.objects.values_list("investor", flat=True))


def test_a_small_seed_is_refused_with_a_sentence_and_loses_what_it_had(world):
    worked_out(world["segment"])
    Consent.objects.filter(investor__in=world["seed"][:15]).delete()
    with pytest.raises(ValidationError, match="fewer than 20"):
        write_segment(name="Kin", rule={"version": 1, "rule": like(world["segment"])}, author=None)
    one = segment("Kin", like(world["segment"]))
    assert "fewer than 20" in problems_of(one)[0]
    made = worked_out(world["segment"])
    assert (made.status, made.error) == ("failed", {"code": "small_seed"})
    assert found(like(world["segment"])) == set()
    assert "too few" in look_alike_notes(read_rule(one.rule))[0]


def test_without_factors_yesterday_s_kin_stay(world):
    worked_out(world["segment"])
    serve_factors({}, format_=0)
    assert worked_out(world["segment"]).error == {"code": "no_factors"}
    assert found(like(world["segment"])) == keys(world["kin"])


def test_factors_of_another_version_are_not_read(world):
    serve_factors({world["seed"][0].pk: [1.0]}, format_=FORMAT + 1)
    assert worked_out(world["segment"]).error == {"code": "packed_by_another_version"}
    assert "another version" in look_alike_notes(read_rule({"version": 1, "rule": like(world["segment"])}))[0]


def test_saving_a_segment_asks_for_its_seed_once(world):
    write_segment(name="Kin", rule={"version": 1, "rule": like(world["segment"])}, author=None)
    write_segment(name="More kin", rule={"version": 1, "rule": like(world["segment"], nearest=3)}, author=None)
    assert list(LookAlikeSet.objects.values_list("segment", "status")) == [(world["segment"].pk, "queued")]


def test_after_new_factors_the_seed_is_worked_out_anew_and_only_once(world):
    worked_out(world["segment"])
    assert follow_factors() == 0
    serve_factors({one.pk: [0.0, 1.0] for one in [*world["seed"], *world["others"]]} | {one.pk: [1.0, 0.0] for one in world["kin"]})
    assert (follow_factors(), follow_factors()) == (1, 0)
    execute_look_alikes(LookAlikeSet.objects.get(status="queued").pk)
    assert follow_factors() == 0
    assert found(like(world["segment"], nearest=N_OTHERS)) == keys(world["others"])
    assert LookAlikeSet.objects.count() == 1


def test_the_night_asks_for_seeds_in_use_and_forgets_the_others(world):
    segment("Kin", like(world["segment"]))
    other = segment("Unused", {"field": "elder_mode", "is": True})
    worked_out(other)
    assert refresh_look_alikes() == 1
    assert set(LookAlikeSet.objects.values_list("segment", flat=True)) == {world["segment"].pk}


def test_twice_is_the_same_and_a_finished_set_is_not_begun_again(world):
    made = worked_out(world["segment"])
    first = list(LookAlike.objects.values_list("investor", "rank"))
    assert not execute_look_alikes(made.pk)
    worked_out(world["segment"])
    assert list(LookAlike.objects.values_list("investor", "rank")) == first


@pytest.mark.parametrize("n_blocks", [0, 1, 2])
def test_a_worker_killed_between_blocks_leaves_the_old_set_and_the_next_one_begins_again(world, monkeypatch, n_blocks):
    worked_out(world["segment"])
    before = found(like(world["segment"]))
    monkeypatch.setattr(services, "ROWS", 20)
    plain, calls = LookAlike.objects.bulk_create, []

    def killed(rows):
        if len(calls) == n_blocks:
            raise KeyboardInterrupt
        calls.append(1)
        return plain(rows)

    made = request_look_alikes(world["segment"].pk)
    with monkeypatch.context() as patch:
        patch.setattr(services.LookAlike.objects, "bulk_create", killed)
        with pytest.raises(KeyboardInterrupt):
            execute_look_alikes(made.pk)
    assert found(like(world["segment"])) == before, "half a set was read"
    LookAlikeSet.objects.filter(pk=made.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert execute_look_alikes(made.pk)
    assert found(like(world["segment"])) == before
    assert list(LookAlike.objects.values_list("rank", flat=True)) == list(range(1, N_KIN + N_OTHERS + 1))


def test_who_lost_the_claim_swaps_nothing_in(world, monkeypatch):
    made = request_look_alikes(world["segment"].pk)
    plain = services.nearest

    def stolen(*given):
        LookAlikeSet.objects.filter(pk=made.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        assert claim_job(LookAlikeSet, made.pk)
        return plain(*given)

    monkeypatch.setattr(services, "nearest", stolen)
    assert not execute_look_alikes(made.pk)
    assert not LookAlike.objects.exists()
    assert not LookAlikeSet.objects.filter(is_current=True).exists()


def test_a_segment_that_depends_on_itself_through_its_kin_is_refused(world):
    one = write_segment(name="Kin", rule={"version": 1, "rule": like(world["segment"])}, author=None)
    rule = {"version": 1, "rule": {"any": [{"field": "elder_mode", "is": True}, {"segment": one.pk}]}}
    with pytest.raises(ValidationError, match="leads back to itself"):
        change_segment(segment_id=world["segment"].pk, version=1, name="Seed", rule=rule, author=None)
    own = {"version": 1, "rule": like(world["segment"])}
    with pytest.raises(ValidationError, match="leads back to itself"):
        change_segment(segment_id=world["segment"].pk, version=1, name="Seed", rule=own, author=None)


def test_a_ring_made_behind_the_services_back_is_a_problem_and_no_endless_loop(world):
    one = segment("Kin", like(world["segment"]))
    Segment.objects.filter(pk=world["segment"].pk).update(rule={"version": 1, "rule": like(one)})
    assert "leads back to itself" in problems_of(one)[0]
    assert worked_out(world["segment"]).error == {"code": "cycle"}


def test_a_seed_in_use_is_not_deleted(world):
    segment("Kin", like(world["segment"]))
    with pytest.raises(ValidationError, match="rests on this one"):
        delete_segment(segment_id=world["segment"].pk)


def test_kin_of_people_chosen_by_facts_of_the_advice_are_not_for_sales(world):
    seed = segment("Older", {"any": [{"field": "age_band", "is": ["65-or-more", ""]}]}, purpose=Purpose.SERVICE)
    rule = {"version": 1, "rule": like(seed)}
    with pytest.raises(ValidationError, match="may not choose whom to sell to"):
        write_segment(name="Kin", rule=rule, author=None)
    assert write_segment(name="Kin", rule=rule, author=None, purpose=Purpose.SERVICE)


def test_a_changed_seed_is_worked_out_anew(world):
    worked_out(world["segment"])
    rule = {"version": 1, "rule": {"all": [{"field": "elder_mode", "is": True}, {"field": "assets_minor", "at_least": 0}]}}
    change_segment(segment_id=world["segment"].pk, version=1, name="Seed", rule=rule, author=None)
    assert LookAlikeSet.objects.filter(segment=world["segment"], status="queued").exists()


def test_it_is_said_in_words(world):
    rule = read_rule({"version": 1, "rule": like(world["segment"], nearest=500)})
    assert "resembles the people of the segment “Seed” (the nearest 500)" in sentence(rule)
    share = read_rule({"version": 1, "rule": like(world["segment"], nearest_share=0.05) | {"is_in": False}})
    assert "is not among those who resemble the segment “Seed” (the nearest 5% of all compared)" in sentence(share)


@pytest.mark.parametrize("how", [{"nearest": 500}, {"nearest_share": 0.05}, {"nearest_share": 0.0333, "is_in": False}])
def test_it_comes_back_from_the_builders_controls_as_it_was(world, how):
    rule = {"version": 1, "rule": {"all": [{"is_in": True} | like(world["segment"], **how)]}}
    assert json.loads(rule_of_draft(draft_of_rule(rule)) or "") == rule


def test_the_preview_asks_for_a_seed_and_says_that_it_is_on_its_way(world, client, people):
    client.force_login(people.mark)
    page = client.post(reverse("segment_preview"), fields_of({"all": [like(world["segment"])]}), **EN).content.decode()
    assert "is being worked out" in page
    execute_look_alikes(LookAlikeSet.objects.get(status="queued").pk)
    page = client.post(reverse("segment_preview"), fields_of({"all": [like(world["segment"])]}), **EN).content.decode()
    assert "was worked out on" in page and f"about {(N_KIN + 5) // 10 * 10}" in page


@pytest.mark.parametrize("how", [{}, {"nearest": 0}, {"nearest": 10_001}, {"nearest_share": 0.11}, {"nearest": 5, "nearest_share": 0.1}])
def test_how_far_must_be_said_once_and_within_bounds(world, how):
    with pytest.raises(RuleError):
        read_rule({"version": 1, "rule": {"resembles": world["segment"].pk} | how})


def test_a_marketer_sees_no_rows_of_it(world, people):
    worked_out(world["segment"])
    assert not LookAlike.objects.visible_to(people.mark).exists()
    assert LookAlikeSet.objects.visible_to(people.mark).exists()
