"""The advisors' queue, reviews to sign, and the steps around a level on the client's page: who may, what follows, how it is shown."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from advisor.models import Assessment, LevelHold, LevelReview, ReviewTrigger, Task
from advisor.selectors.level_cases import KINDS, SAY, queue
from advisor.selectors.level_words import TASKS
from advisor.services import open_task
from tests.advisor.level_world import assess
from tests.advisor.site_world import REASON, give_level, make_assessment, tomorrow

ENGLISH = {"accept-language": "en"}


@pytest.fixture
def anna(people):
    give_level(people.anna_investor, 3)
    return people.anna_investor


def read(client, name, *args, **query):
    response = client.get(reverse(f"advisors:{name}", args=args), query, headers=ENGLISH)
    assert response.status_code == 200
    return response.content.decode()


def send(client, name, *args, **data):
    response = client.post(reverse(f"advisors:{name}", args=args), data, headers=ENGLISH)
    assert response.status_code in (302, 403, 404), response.status_code
    return response.status_code


def wait_since(days: int, investor, kind: str) -> Task:
    task = open_task(investor_id=investor.pk, kind=kind)
    Task.objects.filter(pk=task.pk).update(opened_at=timezone.now() - timedelta(days=days))
    return task


# ── The queue ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_oldest_case_comes_first_with_why_and_what_to_say(client, people, anna):
    make_assessment(anna)
    Assessment.objects.update(confidence="low")
    wait_since(1, anna, "panic_sale")
    oldest = wait_since(9, anna, "low_confidence")
    wait_since(30, people.ben_investor, "life_event")
    client.force_login(people.ada)
    shown = read(client, "queue")
    assert "2 cases wait" in shown and "Ben" not in shown, "another advisor's client is not in it"
    assert shown.index("look at them together") < shown.index("does the level still fit")
    assert "Do not suggest an answer" in shown and "confidence low" in shown
    assert queue(people.ada).cases[0].pk == oldest.pk
    only = read(client, "queue", kind="panic_sale")
    assert "look at them together" not in only and "1 case" not in only
    assert read(client, "queue", kind="no_such_kind").count("row-link") == 2, "an unknown kind is no filter"


def test_done_takes_the_case_away_and_shows_the_next(client, people, anna):
    first, second = wait_since(2, anna, "life_event"), wait_since(1, anna, "panic_sale")
    client.force_login(people.ada)
    response = client.post(reverse("advisors:task_done", args=[first.pk]), {"to": "queue", "kind": ""})
    assert response.headers["Location"] == reverse("advisors:queue")
    assert [case.pk for case in queue(people.ada).cases] == [second.pk]


@pytest.mark.parametrize(("who", "sees", "acts"), [("ada", 1, True), ("cora", 1, True), ("sue", 1, False), ("bob", 0, None)])
def test_who_sees_a_case_and_who_may_act(people, anna, who, sees, acts):
    wait_since(1, anna, "revealed_risk")
    cases = queue(getattr(people, who)).cases
    assert [case.may_act for case in cases] == [acts] * sees


def test_every_kind_has_its_words_in_the_filter_and_something_to_say():
    assert set(TASKS) <= set(KINDS) and set(KINDS) == set(SAY)


def test_the_queues_queries_do_not_grow(client, people, anna):
    client.force_login(people.sue)
    counted = []
    for n in (2, 12):
        for i in range(n):
            open_task(investor_id=anna.pk, kind=f"kind_{n}_{i}")
        with CaptureQueriesContext(connection) as queries:
            read(client, "queue")
        counted.append(len(queries))
    assert counted[0] == counted[1] <= 14


# ── The client's page ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_level_stands_on_one_line_with_its_confidence_and_what_is_open(client, people, anna):
    make_assessment(anna)
    Assessment.objects.update(confidence="medium")
    client.force_login(people.ada)
    send(client, "client_reassess", anna.pk, reason=REASON)
    send(client, "client_hold", anna.pk, reason=REASON, until_date=tomorrow(30).isoformat())
    send(client, "client_review", anna.pk, reason=REASON, kind="age")
    shown = read(client, "client", anna.pk)
    line = shown[shown.index('id="level"') :]
    line = line[: line.index("</p>")]
    for said in ("C3", "Confidence medium", f"Held until {tomorrow(30).isoformat()}", "Asked for by the advisor", "A review waits"):
        assert said in line, said
    assert LevelHold.objects.get().until_date == tomorrow(30)
    assert ReviewTrigger.objects.get().kind == "reassessment_asked"
    assert (LevelReview.objects.get().kind, LevelReview.objects.get().asked_by) == ("age", people.ada)
    anna.refresh_from_db()
    assert anna.level == 3, "nothing here moves a level"


@pytest.mark.parametrize(
    ("step", "data", "said"),
    [
        ("client_hold", {"reason": REASON}, "This field is required"),
        ("client_hold", {"reason": REASON, "until_date": "2020-01-01"}, "A hold must end between"),
        ("client_hold", {"reason": "short", "until_date": tomorrow(9).isoformat()}, "Give the reason in at least 10 characters"),
        ("client_reassess", {"reason": ""}, "Give the reason in at least 10 characters"),
        ("client_review", {"reason": REASON, "kind": "raise"}, "Select a valid choice"),
        ("client_review", {"reason": REASON, "kind": "restore"}, "The level is still valid"),
        ("client_rise", {"reason": REASON, "step": "confirm", "assessment": "1"}, ""),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence_and_nothing_is_written(client, people, anna, step, data, said):
    client.force_login(people.ada)
    assert send(client, step, anna.pk, **data) == (302 if said else 404)
    assert said in read(client, "client", anna.pk).replace("&#x27;", "'")
    assert not LevelHold.objects.exists() and not LevelReview.objects.exists() and not ReviewTrigger.objects.exists()


@pytest.mark.parametrize("who", ["sue", "bob", "anna", "mark"])
def test_others_take_no_step_around_a_level(client, people, anna, who):
    client.force_login(getattr(people, who))
    hold = {"reason": REASON, "until_date": tomorrow(9).isoformat()}
    for step, data in [("hold", hold), ("reassess", hold), ("review", hold | {"kind": "age"}), ("rise", hold | {"step": "confirm"})]:
        assert send(client, f"client_{step}", anna.pk, **data) in (403, 404)
    assert not LevelHold.objects.exists() and not LevelReview.objects.exists() and not ReviewTrigger.objects.exists()


def test_a_rise_by_two_levels_is_confirmed_from_the_page_and_only_by_the_advisor(client, people):
    anna = people.anna_investor
    assess(anna, 1)
    rising = assess(anna, 4)
    assert rising.needs_confirmation and anna.level == 1
    client.force_login(people.sue)
    assert "Confirm this assessment" not in read(client, "client", anna.pk)
    client.force_login(people.ada)
    assert [case.kind for case in queue(people.ada).cases] == ["confirm_rise"]
    shown = read(client, "client", anna.pk)
    assert "A rise to C4 waits" in shown and "Confirm this assessment" in shown
    send(client, "client_rise", anna.pk, assessment=rising.pk, step="confirm", reason=REASON)
    rising.refresh_from_db()
    anna.refresh_from_db()
    assert (rising.confirmed_by, anna.level) == (people.ada, 1), "confirmed; the cooling off still runs"
    assert queue(people.ada).n_all == 0


def test_an_advisor_who_confirms_too_late_is_not_told_that_the_level_will_rise(client, people):
    anna = people.anna_investor
    assess(anna, 1)
    rising = assess(anna, 4)
    Assessment.objects.filter(pk=rising.pk).update(takes_effect_at=timezone.now())
    ReviewTrigger.objects.create(
        investor=anna,
        kind="portfolio_down",
        about="1:start",
        since=timezone.localdate(),
        opened_at=timezone.now(),
        closed_at=timezone.now(),
    )
    client.force_login(people.ada)
    send(client, "client_rise", anna.pk, assessment=rising.pk, step="confirm", reason=REASON)
    shown = read(client, "client", anna.pk)
    assert "the old level stays" in shown and "takes effect once" not in shown
    anna.refresh_from_db()
    assert anna.level == 1


# ── Reviews to sign ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_supervisor_of_the_branch_signs_or_returns_a_review(client, people, anna):
    for kind, step, state in [("age", "sign", "signed"), ("age", "return", "returned")]:
        review = LevelReview.objects.create(investor=anna, kind=kind, reason=REASON, asked_by=people.ada)
        client.force_login(people.ada)
        assert "waits for a supervisor" in read(client, "level_reviews"), "an advisor sees it wait"
        assert send(client, "level_review_decide", review.pk, step=step, answer=REASON) == 403
        client.force_login(people.sue)
        assert REASON in read(client, "level_reviews")
        send(client, "level_review_decide", review.pk, step="return", answer="")
        review.refresh_from_db()
        assert review.state == "waiting", "a return wants words"
        send(client, "level_review_decide", review.pk, step=step, answer=REASON)
        review.refresh_from_db()
        assert (review.state, review.signed_by) == (state, people.sue)
        assert send(client, "level_review_decide", review.pk, step="sign") == 404, "decided once"
    assert "No review waits" in read(client, "level_reviews")


def test_the_reviews_queries_do_not_grow(client, people, anna):
    client.force_login(people.sue)
    counted = []
    for investor in (anna, people.ben_investor):
        investor.household.branch = anna.household.branch
        investor.household.save()
        for kind in ("age", "restore"):
            LevelReview.objects.create(investor=investor, kind=kind, reason=REASON, asked_by=people.ada)
        with CaptureQueriesContext(connection) as queries:
            read(client, "level_reviews")
        counted.append(len(queries))
    assert counted[0] == counted[1] <= 10
