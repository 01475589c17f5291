"""Campaigns as a marketer meets them: written, checked, launched, watched, stopped; and closed to everybody else."""

from uuid import uuid4

import pytest
from django.urls import reverse

from identity.services import declared_permissions
from marketing.models import Campaign, CampaignEvent, Delivery, Segment
from marketing.services import ensure_builtin_segments, execute_launch, launch_campaign, pause_campaign, send_batch
from tests.marketing.crowd import WORDS, crowd, draft, everybody

pytestmark = pytest.mark.django_db


@pytest.fixture
def mark(people, client):
    client.force_login(people.mark)
    return people.mark


def form(**changes):
    return {"name": "Idle cash", "segment": everybody().pk, "channels": ["inbox", "email"], "form_key": str(uuid4())} | WORDS | changes


def went(response) -> str:
    """The sentence that the next page shows."""
    return " ".join(str(message) for message in response.context["messages"])


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_form_sent_twice_makes_one_draft(mark, client):
    post = form()
    first, second = client.post(reverse("campaign_new"), post), client.post(reverse("campaign_new"), post)
    campaign = Campaign.objects.get()
    assert first["Location"] == second["Location"] == reverse("campaign", args=[campaign.pk])
    assert campaign.state == "draft" and campaign.author == mark and campaign.steps.count() == 1
    assert CampaignEvent.objects.get().to_state == "draft"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"segment": "999999"},
        {"segment": "x"},
        {"channels": []},
        {"channels": ["pigeon"]},
        {"subject_en": ""},
        {"body_zh": "   "},
        {"body_en": "Dear {phone}"},
        {"subject_zh": "x" * 121},
        {"form_key": "not a key"},
    ],
)
def test_bad_input_is_refused_with_a_sentence_and_writes_nothing(mark, client, changes):
    response = client.post(reverse("campaign_new"), form(**changes))
    assert response.status_code == 422
    assert all(response.context["form"].errors.values())
    assert not Campaign.objects.exists()


def test_a_draft_can_be_changed_and_a_launched_campaign_cannot(mark, client):
    crowd(3)
    campaign = draft(mark)
    edit = reverse("campaign_edit", args=[campaign.pk])
    client.post(edit, form(subject_en="Better words"))
    assert campaign.steps.get().subject_en == "Better words"
    launch_campaign(campaign_id=campaign.pk, actor=mark)
    response = client.post(edit, form(subject_en="Too late"), follow=True)
    assert campaign.steps.get().subject_en == "Better words"
    assert went(response)


# ── launching ────────────────────────────────────────────────────────────────────────────────────────────────────
def launch(client, campaign):
    return client.post(reverse("campaign_launch", args=[campaign.pk]), follow=True)


def test_a_banned_claim_stops_the_launch_and_is_named(mark, client):
    crowd(3)
    campaign = draft(mark, body_zh="保 本理财，{name}")
    response = launch(client, campaign)
    campaign.refresh_from_db()
    assert "保本" in went(response)
    assert (campaign.state, campaign.status) == ("draft", "idle")
    assert "保本" in client.get(reverse("campaign", args=[campaign.pk])).content.decode()


def test_a_promise_of_return_stops_the_launch(mark, client):
    crowd(3)
    assert "6%" in went(launch(client, draft(mark, body_en="Earn returns of 6% a year")))
    assert Campaign.objects.get().state == "draft"


def test_an_empty_segment_is_refused_and_nothing_changes(mark, client):
    segment = ensure_builtin_segments()[0]
    campaign = draft(mark, segment=segment)
    before = Campaign.objects.values().get()
    response = launch(client, campaign)
    assert went(response)
    assert Campaign.objects.values().get() == before
    assert not Delivery.objects.exists() and CampaignEvent.objects.count() == 1


def test_the_dry_run_says_who_would_and_who_would_not(mark, client):
    crowd(20, prefix="yes")
    crowd(12, prefix="no", consent=False)
    page = client.get(reverse("campaign_launch", args=[draft(mark).pk]))
    by_inbox, by_email = page.context["dry_runs"]
    assert (by_inbox.n_people, by_inbox.n_written_to, [count for _, count in by_inbox.held_back]) == (30, 20, [10])  # of 32, 12
    assert (by_email.n_people, by_email.n_written_to) == (30, 20)


def test_the_dry_run_of_a_draft_counts_nobody_out_of_a_small_segment(mark, client):
    crowd(3)
    page = client.get(reverse("campaign_launch", args=[draft(mark).pk]))
    assert {(one.n_people, one.n_written_to, len(one.held_back)) for one in page.context["dry_runs"]} == {(None, None, 0)}
    crowd(40, prefix="more", consent=False)
    words = client.get(reverse("campaign_launch", args=[draft(mark, name="Second").pk])).content.decode()
    assert "Fewer than ten of 40 people would get it." in words  # three of 43
    assert "yes" not in page.content.decode().lower().replace("yesterday", "")


def test_a_launch_pressed_twice_is_one_launch(mark, client):
    crowd(3)
    campaign = draft(mark)
    assert not went(launch(client, campaign))
    assert went(launch(client, campaign))
    campaign.refresh_from_db()
    assert (campaign.state, campaign.status) == ("running", "queued")
    assert campaign.rule_at_launch == campaign.segment.rule
    assert list(CampaignEvent.objects.order_by("pk").values_list("to_state", "actor")) == [("draft", mark.pk), ("running", mark.pk)]


def test_a_draft_is_no_job_yet(mark):
    from config.jobs import claim_job

    campaign = draft(mark)
    assert claim_job(Campaign, campaign.pk) is None
    assert not execute_launch(campaign.pk)


def test_a_cancelled_draft_cannot_be_launched(mark, client):
    crowd(3)
    campaign = draft(mark)
    client.post(reverse("campaign_cancel", args=[campaign.pk]))
    assert went(launch(client, campaign))
    assert Campaign.objects.get().state == "cancelled"


def test_the_list_is_that_of_the_launch_even_if_the_segment_changes(mark):
    crowd(4)
    campaign = draft(mark)
    launch_campaign(campaign_id=campaign.pk, actor=mark)
    Segment.objects.update(rule={"version": 1, "rule": {"field": "dormancy", "is": ["lost"]}})
    execute_launch(campaign.pk)
    assert Delivery.objects.count() == 8


# ── watching and stopping ────────────────────────────────────────────────────────────────────────────────────────
def test_pause_resume_and_cancel_leave_who_when_and_why(mark, client):
    crowd(3)
    campaign = draft(mark)
    launch(client, campaign)
    execute_launch(campaign.pk)
    for name, why in [("pause", "wrong picture"), ("pause", "again"), ("resume", ""), ("resume", ""), ("cancel", "no longer true")]:
        client.post(reverse(f"campaign_{name}", args=[campaign.pk]), {"why": why})
    events = CampaignEvent.objects.order_by("pk").values_list("to_state", "actor", "why")
    assert list(events)[2:] == [("paused", mark.pk, "wrong picture"), ("running", mark.pk, ""), ("cancelled", mark.pk, "no longer true")]
    assert set(Delivery.objects.values_list("status", flat=True)) == {"cancelled"}
    assert "wrong picture" in client.get(reverse("campaign", args=[campaign.pk])).content.decode()


def test_a_reason_with_a_null_character_or_too_long_is_kept_as_far_as_it_goes(mark, client):
    crowd(3)
    campaign = draft(mark)
    launch(client, campaign)
    client.post(reverse("campaign_pause", args=[campaign.pk]), {"why": "typo\0" + "x" * 400})
    assert CampaignEvent.objects.latest("pk").why == "typo" + "x" * 296


@pytest.mark.parametrize("name", ["pause", "resume", "cancel"])
def test_moves_are_posts(mark, client, name):
    assert client.get(reverse(f"campaign_{name}", args=[draft(mark).pk])).status_code == 405


def test_progress_polls_while_it_runs_and_ends_with_286(mark, client):
    crowd(12)
    campaign = draft(mark)
    launch(client, campaign)
    execute_launch(campaign.pk)
    url = reverse("campaign_progress", args=[campaign.pk]) + "?state=running"
    page = client.get(reverse("campaign", args=[campaign.pk])).content.decode()
    assert url in page and '<noscript><meta http-equiv="refresh"' in page
    running = client.get(url)
    assert running.status_code == 200 and "HX-Refresh" not in running.headers
    while send_batch(campaign_id=campaign.pk):
        pass
    ended = client.get(url)
    assert ended.status_code == 286 and ended["HX-Refresh"] == "true"
    page = client.get(reverse("campaign", args=[campaign.pk])).content.decode()
    assert "hx-get" not in page and "<noscript>" not in page


def test_a_launch_that_was_given_up_pauses_and_can_be_resumed(mark, client):
    from marketing.services import tidy_campaigns

    crowd(3)
    campaign = draft(mark)
    launch(client, campaign)
    Campaign.objects.update(status="failed", attempts=5, error={"code": "too_many_attempts"})
    tidy_campaigns()
    assert Campaign.objects.get().state == "paused"
    client.post(reverse("campaign_resume", args=[campaign.pk]))
    assert execute_launch(campaign.pk) and Delivery.objects.count() == 6


@pytest.mark.parametrize("page", ["campaign_list", "campaign", "campaign_launch", "campaign_progress"])
def test_pages_ask_few_questions_however_many_rows(mark, client, page, django_assert_max_num_queries):
    crowd(40)
    for _ in range(25):
        campaign = draft(mark)
    if page == "campaign_progress" or page == "campaign":
        launch_campaign(campaign_id=campaign.pk, actor=mark)
        execute_launch(campaign.pk)
    args = [campaign.pk] if page != "campaign_list" else []
    with django_assert_max_num_queries(12):
        assert client.get(reverse(page, args=args)).status_code == 200


def test_no_page_of_a_marketer_names_a_person(mark, client):
    crowd(30, prefix="secret")
    campaign = draft(mark)
    launch(client, campaign)
    execute_launch(campaign.pk)
    while send_batch(campaign_id=campaign.pk):
        pass
    pages = [reverse("marketing_home"), reverse("campaign_list"), reverse("campaign", args=[campaign.pk])]
    pages += [reverse("campaign_progress", args=[campaign.pk]), reverse("segment", args=[campaign.segment_id])]
    for url in pages:
        assert "secret" not in client.get(url).content.decode().lower(), url


# ── the door ─────────────────────────────────────────────────────────────────────────────────────────────────────
URLS = ["marketing_home", "segment_list", "segment_new", "segment", "campaign_list", "campaign_new"]
URLS += [f"campaign{what}" for what in ("", "_edit", "_launch", "_pause", "_resume", "_cancel", "_progress")]


def door(name: str) -> str:
    takes_a_key = name == "segment" or (name.startswith("campaign") and name not in {"campaign_list", "campaign_new"})
    return reverse(name, args=[1] if takes_a_key else [])


@pytest.mark.parametrize("who", ["anna", "ben", "ada", "cora", "sue", "adam"])
@pytest.mark.parametrize("name", URLS)
def test_nobody_but_a_marketer_passes(people, client, name, who):
    client.force_login(getattr(people, who))
    assert client.get(door(name)).status_code == 403
    assert client.post(door(name)).status_code == 403


@pytest.mark.parametrize("name", URLS)
def test_a_stranger_is_sent_to_sign_in(client, name):
    for response in (client.get(door(name)), client.post(door(name))):
        assert response.status_code == 302 and reverse("account_login") in response["Location"]


@pytest.mark.parametrize("name", ["segment", "campaign", "campaign_edit", "campaign_launch", "campaign_progress"])
def test_an_unknown_number_is_not_found(mark, client, name):
    assert client.get(reverse(name, args=[987_654])).status_code == 404


def test_a_marketer_holds_no_permission_over_persons():
    from identity.roles import Role

    assert all(not name.startswith(("advisor.", "identity.")) for name in declared_permissions()[Role.MARKETER])


def test_a_marketer_sees_no_person(people):
    from advisor.models import Investor

    assert not Investor.objects.visible_to(people.mark).exists()
    assert not Delivery.objects.visible_to(people.mark).exists()


def test_a_pause_from_another_window_is_said(mark, client):
    crowd(3)
    campaign = draft(mark)
    launch_campaign(campaign_id=campaign.pk, actor=mark)
    pause_campaign(campaign_id=campaign.pk, actor=mark)
    response = client.post(reverse("campaign_pause", args=[campaign.pk]), follow=True)
    assert went(response)
