"""What makes answers worth something: steps of a gamble, answers that do not go together, places on the screen, new attempts."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from advisor.instruments import load_instrument
from advisor.models import Assessment, BehaviourReading, Goal, Investor, Level, LevelHold, ReviewTrigger
from advisor.selectors.onboarding import question_page, shown_choices
from advisor.selectors.results import goal_level_of
from advisor.services import give_consent, start_assessment
from tests.advisor.test_onboarding import ANSWERS, agreed, answered, goal_data, person, pool, ready  # noqa: F401

INSTRUMENT = load_instrument("standard@2")
CONTRADICTING = ANSWERS | {"horizon": "below-1", "mix": "e"}
UNLIKELY = ANSWERS | {"reaction": "hold", "past": "sold-all"}


def question(item):
    return reverse("onboarding_question", args=[item])


def fill(answers):
    """A draft with these answers, as if each had been given on its page."""
    investor = Investor.objects.get()
    draft = start_assessment(investor=investor, amount_minor=10_000_000)
    Assessment.objects.filter(pk=draft.pk).update(answers=answers)
    return draft


def text_of(response):
    return re.sub(r"\s+", " ", response.content.decode())


# ── The gamble in steps ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_gamble_goes_step_by_step_and_stays_one_question(ready, client):  # noqa: F811
    page = client.get(question("coin"))
    assert "13 of 16" in text_of(page) and "2,000 yuan" in text_of(page)
    first = client.post(question("coin"), {"answer": "yes", "shown_at": "1"})
    assert first.url.startswith(f"{question('coin')}?way=y&began=1")
    page = client.get(first.url)
    assert "13 of 16" in text_of(page) and "1,500 yuan" in text_of(page) and 'name="shown_at" value="1"' in text_of(page)
    assert Assessment.objects.get().answers == {}, "no option is reached yet"
    second = client.post(first.url, {"answer": "no"})
    assert "Is that right?" in text_of(client.get(second.url))
    end = client.post(second.url, {"answer": "yes"})
    assert end.url == question("spread")
    assert Assessment.objects.get().answers == {"coin": "2"}
    again = text_of(client.get(question("coin")))
    assert "Your answer so far: I take part if heads pay at least 2,000 yuan" in again and " checked" not in again


def test_one_step_back_shows_what_was_answered_and_a_bent_way_begins_anew(ready, client):  # noqa: F811
    page = text_of(client.get(f"{question('coin')}?way=yn"))
    assert 'href="?way=y&amp;was=n"' in page
    back = text_of(client.get(f"{question('coin')}?way=y&was=n"))
    assert re.search(r'value="no" required checked', back)
    for way in ("x", "yy", "ynynynyn", "ynyy", "\x00"):
        found = client.get(question("coin"), {"way": way})
        assert found.status_code == 200 or found.url == question("coin"), way
    assert client.get(question("income"), {"way": "y"}).url == question("income")
    assert "Please choose one" in text_of(client.post(f"{question('coin')}?way=y", {}))
    assert "not one of the answers" in text_of(client.post(question("coin"), {"answer": "2"}))
    assert Assessment.objects.get().answers == {}


def test_a_gamble_that_never_settles_ends_as_such(ready, client):  # noqa: F811
    way = ""
    for answer in ("yes", "no", "no", "no", "yes"):
        response = client.post(f"{question('coin')}?way={way}", {"answer": answer})
        way += answer[0]
    assert response.url == question("spread") and Assessment.objects.get().answers == {"coin": "unsettled"}


# ── Places on the screen ─────────────────────────────────────────────────────────────────────────────────────────


def test_answers_stand_at_places_of_their_own_for_each_questionnaire_and_stay_there(ready, client):  # noqa: F811
    client.get(question("income"))
    draft = Assessment.objects.get()
    orders = {}
    for pk in range(1, 41):
        other = Assessment(pk=pk, instrument=draft.instrument, amount_minor=10_000_000)
        orders[pk] = {item.code: [code for code, _ in shown_choices(other, item)] for item in INSTRUMENT.items if not item.steps}
        assert orders[pk] == {item.code: [code for code, _ in shown_choices(other, item)] for item in INSTRUMENT.items if not item.steps}
    for item in INSTRUMENT.items:
        if item.steps:
            continue
        codes = [option.code for option in item.options]
        seen = {tuple(orders[pk][item.code]) for pk in orders}
        assert all(sorted(order) == sorted(codes) for order in seen) and len(seen) > 1, item.code
        if any("knows" in option.facts for option in item.options):
            assert all(order[-1] == "unsure" for order in seen)
        else:
            assert seen == {tuple(codes), tuple(codes[::-1])}, "an order of its own is kept or turned round"
    shown = [code for code, _ in question_page(draft, "debt").choices]
    for _ in range(2):
        assert re.findall(r'name="answer" id="\w+" value="([\w-]+)"', client.get(question("debt")).content.decode()) == shown
    client.post(question("debt"), {"answer": "consumer"})
    assert Assessment.objects.get().positions == {"debt": shown.index("consumer")}


# ── Contradictions ───────────────────────────────────────────────────────────────────────────────────────────────


def test_what_cannot_both_be_true_is_changed_before_there_is_a_level(ready, client):  # noqa: F811
    fill(CONTRADICTING)
    assert client.post(reverse("onboarding_check")).url == reverse("onboarding_contradictions")
    page = client.get(reverse("onboarding_contradictions"))
    assert "Which of the two is right?" in text_of(page) and page.content.decode().count("<h1") == 1
    for item in ("horizon", "mix"):
        assert f"{question(item)}?to=contradictions" in page.content.decode()
        assert INSTRUMENT.item(item).option(CONTRADICTING[item]).text(10_000_000) in text_of(page)
    assert "btn-primary" not in page.content.decode(), "there is no going on"
    assert client.post(reverse("onboarding_contradictions"), {"confirmed": "near-date-all-shares"}).status_code == 200
    assert Investor.objects.get().level is None
    changed = client.post(f"{question('mix')}?to=contradictions", {"answer": "c"})
    assert changed.url == reverse("onboarding_contradictions")
    assert client.get(changed.url).url == reverse("onboarding_check")
    assert client.post(reverse("onboarding_check")).url == reverse("onboarding_result")


def test_what_rarely_goes_together_is_confirmed_each_by_itself(ready, client):  # noqa: F811
    fill(UNLIKELY)
    address = reverse("onboarding_contradictions")
    assert client.post(reverse("onboarding_check")).url == address
    page = text_of(client.get(address))
    assert "Is this how you mean it?" in page and " checked" not in page
    refused = text_of(client.post(address, {}))
    assert "Say that both answers are right" in refused and 'href="#id_confirmed_0"' in refused and 'id="id_confirmed_0"' in refused
    assert client.post(address, {"confirmed": "attitude-mix"}).status_code == 200
    assert client.post(address, {"confirmed": "hold-but-sold"}).url == reverse("onboarding_result")
    assert Assessment.objects.get().soft_confirmed == ["hold-but-sold"]


# ── Answering again ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def levelled(ready, client):  # noqa: F811
    fill(ANSWERS)
    client.post(reverse("onboarding_check"))
    return ready


def test_somebody_with_a_level_answers_again_only_on_purpose(levelled, client):
    for address in (question("income"), reverse("onboarding_check"), reverse("onboarding_contradictions")):
        assert client.get(address).url == reverse("onboarding_result")
    assert Assessment.objects.count() == 1
    for name in ("home", "preferences", "onboarding_result"):
        page = text_of(client.get(reverse(name)))
        assert reverse("onboarding_again") in page and "7 more times" in page, name
    assert client.post(reverse("onboarding_again")).url == question("income")
    assert "Continue the questionnaire" in text_of(client.get(reverse("home")))
    assert client.get(question("income")).status_code == 200
    fill(ANSWERS | {"loss": "up-to-10"})
    assert client.post(reverse("onboarding_check")).url == reverse("onboarding_result")
    assert Investor.objects.get().level == 2


def test_when_the_attempts_are_used_up_a_sentence_says_until_when(levelled, client):
    client.post(reverse("onboarding_again"))
    fill(ANSWERS)
    client.post(reverse("onboarding_check"))
    response = client.post(reverse("onboarding_again"), follow=True)
    assert "at most twice a day" in text_of(response) and Assessment.objects.filter(state="draft").count() == 0
    assert "onboarding_again" not in text_of(response) and reverse("onboarding_again") not in text_of(response)
    Investor.objects.update(level_valid_until=timezone.localdate() - timedelta(days=1))
    home = text_of(client.get(reverse("home")))
    assert "at most twice a day" in home and "Answer the questionnaire again</a>" not in home
    assert client.get(reverse("onboarding")).url == reverse("home")


def test_a_questionnaire_replaced_in_between_is_said_and_its_old_page_keeps_nothing(ready, client):  # noqa: F811
    draft = fill({"income": "growing", "reserve": "6-to-12"})
    Assessment.objects.update(instrument="standard@1", instrument_sha256=load_instrument("standard@1").sha256)
    page = client.post(question("debt"), {"answer": "none", "sheet": str(draft.pk)})
    assert "earlier questionnaire" in text_of(page) and "1 of your answers no longer fits" in text_of(page)
    now = Assessment.objects.get(state="draft")
    assert (now.instrument, now.answers) == ("standard@2", {"reserve": "6-to-12"})


# ── The result, and what is told beside it ───────────────────────────────────────────────────────────────────────


def test_the_result_keeps_answers_and_deeds_apart_and_names_each_pot(levelled, client):
    page = text_of(client.get(reverse("onboarding_result")))
    for words in ("What you answered", "of 100", "What you did", "you have not agreed to it", "How sure we are", "What would change it"):
        assert words in page, words
    assert page.count("<h1") == 1
    near = (timezone.localdate() + timedelta(days=200)).isoformat()
    client.post(reverse("onboarding_goal"), goal_data(name="A flat", kind="home", amount="50000", target_date=near))
    page = text_of(client.get(reverse("onboarding_result")))
    assert "“A flat”: the loss could be about <strong>¥2,500</strong> of your ¥50,000, or more." in page
    assert "“A flat” is close, so its portfolio follows C2" in page
    assert "“A quiet old age”: the loss could be about <strong>¥12,000</strong>" in page
    old_age, flat = Goal.objects.order_by("pk")
    last_year = goal_level_of(old_age, Level.C3, None).steps[-1]
    shown = text_of(client.get(reverse("goal", args=[old_age.pk])))
    assert "Its portfolio follows your own level, C3." in shown and f"{last_year.date}</span> it follows C2." in shown
    assert "Its portfolio follows C2, less than your own level" in text_of(client.get(reverse("goal", args=[flat.pk])))


@pytest.mark.parametrize(("z", "words"), [(1.0, "took 12 points off"), (0.0, "changes nothing")])
def test_what_was_done_is_told_apart_with_what_it_took(ready, client, z, words):  # noqa: F811
    investor, today = Investor.objects.get(), timezone.localdate()
    give_consent(investor=investor, purpose="profiling", is_given=True, source="preferences")
    raw = {"panic": z, "turnover": 0.75 + 1.75 * z, "disposition": 0.0, "concentration": 0.0, "chasing": 0.0}
    measures = {
        name: {"value": value, "evidence": float(name in {"panic", "turnover"}), "months_since_sale": None} for name, value in raw.items()
    }
    BehaviourReading.objects.create(investor=investor, as_of=today, due_on=today, measures=measures, panic_on=today if z else None)
    fill(ANSWERS)
    client.post(reverse("onboarding_check"))
    page = text_of(client.get(reverse("onboarding_result")))
    assert words in page and "Selling while markets fall: " in page
    assert ("your level is one lower" in page) is bool(z)


def test_a_rise_that_waits_and_a_hold_are_said_in_a_sentence(levelled, client):
    investor = Investor.objects.get()
    Investor.objects.update(level=2)
    client.post(reverse("onboarding_again"))
    fill(ANSWERS)
    client.post(reverse("onboarding_check"))
    page = text_of(client.get(reverse("onboarding_result")))
    assert "Your level is C2" in page and "Your answers give C3." in page and "takes effect after 24 hours" in page
    assert "takes effect after 24 hours" in text_of(client.get(reverse("home")))
    Assessment.objects.update(completed_at=timezone.now() - timedelta(days=2), pending_level=None)
    LevelHold.objects.create(
        investor=investor, until_date=timezone.localdate() + timedelta(days=9), advisor=levelled, reason="Too soon after the crash"
    )
    client.post(reverse("onboarding_again"))
    fill(ANSWERS)
    client.post(reverse("onboarding_check"))
    assert "Your advisor holds your level until" in text_of(client.get(reverse("onboarding_result")))


def test_the_answers_are_ones_own_to_keep(levelled, client):
    done = Assessment.objects.get()
    told = client.get(reverse("assessment_json", args=[done.pk]))
    data = json.loads(told.content)
    assert len(data["answers"]) == 16 and data["level"] == "C3" and data["questionnaire"] == "standard@2"
    assert {row["item"]: row["answer_code"] for row in data["answers"]} == ANSWERS
    assert "attachment" in told.headers["Content-Disposition"] and ".json" in told.headers["Content-Disposition"]
    client.cookies["django_language"] = "zh-hans"
    Assessment.objects.update(completed_at=datetime(2026, 3, 1, 16, 30, tzinfo=UTC))
    table = client.get(reverse("assessment_csv", args=[done.pk]))
    assert "2026-03-02" in table.headers["Content-Disposition"], "the day in Shanghai"
    lines = table.content.decode("utf-8-sig").splitlines()
    assert len([line for line in lines if re.match(r"\d+,", line)]) == 16 and "最多20,000元" in table.content.decode()
    assert table.content.startswith(b"\xef\xbb\xbf") and "C3" in table.content.decode()


def test_a_change_in_life_is_told_once_and_changes_no_level(levelled, client):
    assert "Please choose what has changed" in text_of(client.post(reverse("life_event"), {}))
    assert "Please choose what has changed" in text_of(client.post(reverse("life_event"), {"what": "weather"}))
    for _ in range(2):
        assert client.post(reverse("life_event"), {"what": "family"}).url == reverse("onboarding_result")
    assert ReviewTrigger.objects.filter(kind="life_event").count() == 1
    assert Investor.objects.get().level == 3


def test_the_pages_cost_few_queries(levelled, client, django_assert_max_num_queries):
    with django_assert_max_num_queries(18):
        client.get(reverse("home"))
    with django_assert_max_num_queries(24):
        client.get(reverse("onboarding_result"))
    with django_assert_max_num_queries(14):
        client.get(reverse("assessment_json", args=[Assessment.objects.get().pk]))
    client.post(reverse("onboarding_again"))
    fill(UNLIKELY)
    for name in ("onboarding_contradictions", "onboarding_check"):
        with django_assert_max_num_queries(14):
            client.get(reverse(name))
    for name in ("life_event", "preferences"):
        with django_assert_max_num_queries(18):
            client.get(reverse(name))
    assert Goal.objects.count() == 1
