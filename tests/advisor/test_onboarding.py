"""The way from sign-up to a level, as a browser without JavaScript walks it."""

import re
import time
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from advisor.instruments import load_instrument
from advisor.models import Assessment, Consent, Goal, Investor, LevelChange, Proposal
from identity.models import User
from identity.roles import Role
from portfolios.models import Fund, Pool, PoolFund
from tests.conftest import make_user
from tests.portfolios.market import make_fund
from tests.portfolios.models_world import approve_models_without_weights

INSTRUMENT = load_instrument("standard@2")
# What the gamble is answered, step by step, to end at an option.
WAYS = {"2": ("yes", "no", "yes"), "1.2": ("yes", "yes", "yes")}
# A person a little above the middle, held at C3 by the loss they can bear.
ANSWERS = {
    "income": "steady", "reserve": "6-to-12", "debt": "light-mortgage", "share": "25-to-50", "dependants": "1", "age": "40-to-54",
    "horizon": "5-to-10", "loss": "up-to-20", "reaction": "hold", "mix": "c", "attitude": "balance", "past": "held", "coin": "2",
    "spread": "less-swing", "rates": "down", "experience": "6-months-to-3-years",
}  # fmt: skip


@pytest.fixture
def pool(db):
    """Something to propose from: a proposal is only asked for here, never worked out."""
    pool = Pool.objects.create(name="Pool", is_current=True)
    PoolFund.objects.create(pool=pool, fund=make_fund("000001", category="money", grade=1))
    Fund.objects.update(last_nav_date=timezone.localdate())
    approve_models_without_weights()


@pytest.fixture
def person(roles, pool, client):
    user = User.objects.create_user(email="new@example.com", password="correct horse", name="New", language="en")
    client.force_login(user)
    client.cookies["django_language"] = "en"
    return user


@pytest.fixture
def agreed(person, client):
    client.post(reverse("onboarding_consents"), {"terms": "on"})
    return person


@pytest.fixture
def ready(agreed, client):
    client.post(reverse("onboarding_goal"), goal_data())
    return agreed


@pytest.fixture
def answered(ready, client):
    for code, option in ANSWERS.items():
        assert answer(client, code, option).status_code == 302
    return ready


def answer(client, code, option):
    """Answer one question as a browser does, the gamble in its steps."""
    there = reverse("onboarding_question", args=[code])
    for said in WAYS[option] if code == "coin" else [option]:
        response = client.post(there, {"answer": said})
        there = response.url
    return response


def goal_data(**changed):
    ten_years = timezone.localdate() + timedelta(days=3653)
    return {"kind": "retirement", "name": "A quiet old age", "amount": "100000", "target_date": ten_years.isoformat()} | changed


def follow(client):
    return client.get(reverse("onboarding")).url


def test_the_whole_way_leads_from_one_step_to_the_next(person, client):
    assert follow(client) == reverse("onboarding_consents")
    response = client.post(reverse("onboarding_consents"), {"terms": "on", "marketing": "on"}, follow=True)
    assert response.redirect_chain[-1][0] == reverse("onboarding_goal")
    response = client.post(reverse("onboarding_goal"), goal_data(), follow=True)
    assert response.redirect_chain[-1][0] == reverse("onboarding_question", args=["income"])
    for number, item in enumerate(INSTRUMENT.items, 1):
        page = response.content.decode()
        assert f"{number} of 16" in page
        assert page.count("<h1") == 1
        assert item.why.en in page
        assert page.count('type="radio"') == (2 if item.steps else len(item.options))
        assert " checked" not in page
        there = answer(client, item.code, ANSWERS[item.code]).url
        response = client.get(there)
    assert there == reverse("onboarding_check")
    assert "Up to 20,000 yuan" in response.content.decode()
    response = client.post(reverse("onboarding_check"), follow=True)
    assert response.redirect_chain[-1][0] == reverse("onboarding_result")
    page = response.content.decode()
    assert "Your level is C3: balanced" in page
    assert "¥12,000" in page and "¥100,000" in page and "or more" in page
    investor = Investor.objects.get(user=person)
    assert (investor.level, investor.has_valid_level()) == (3, True)
    assert Proposal.objects.get().goal.name == "A quiet old age"
    assert reverse("proposal", args=[Proposal.objects.get().pk]) in page


def test_no_page_shows_a_score(answered, client):
    for code in ANSWERS:
        page = client.get(reverse("onboarding_question", args=[code])).content.decode()
        item = INSTRUMENT.item(code)
        for option in ("yes", "no") if item.steps else [option.code for option in item.options]:
            assert f'value="{option}"' in page
        assert "score" not in page.lower().replace("underscore", "")


def test_nothing_is_agreed_to_beforehand(person, client):
    page = client.get(reverse("onboarding_consents")).content.decode()
    assert page.count('type="checkbox"') == 3
    assert " checked" not in page


def test_a_goal_is_asked_without_any_answer_suggested(agreed, client):
    page = client.get(reverse("onboarding_goal")).content.decode()
    shown = re.findall(r"<input[^>]*name=.(?:kind|name|amount|target_date).[^>]*>", page)
    assert len(shown) == 8 and not [one for one in shown if " checked" in one or ('type="radio"' not in one and " value=" in one)]


def test_without_the_terms_nothing_is_written(person, client):
    response = client.post(reverse("onboarding_consents"), {"marketing": "on"})
    assert response.status_code == 200
    assert "only advise you if you agree" in response.content.decode()
    assert not Investor.objects.exists() and not Consent.objects.exists()


def test_agreeing_writes_each_purpose_apart_and_only_once(person, client):
    for _ in range(2):
        client.post(reverse("onboarding_consents"), {"terms": "on", "profiling": "on"})
    assert dict(Consent.objects.values_list("purpose", "is_given")) == {"terms": True, "profiling": True, "marketing": False}
    assert Consent.objects.count() == 3
    investor = Investor.objects.get()
    assert investor.household.branch.name == "Online"
    assert person.groups.filter(name=Role.INVESTOR).exists()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"amount": "99.99"}, "The smallest amount is 100 yuan."),
        ({"amount": "100000000.01"}, "The largest amount is 100,000,000 yuan."),
        ({"amount": "much"}, "Enter a number."),
        ({"amount": "NaN"}, "Enter a number."),
        ({"amount": "-5"}, "The smallest amount is 100 yuan."),
        ({"target_date": "2020-01-01"}, "Choose a day after today."),
        ({"target_date": timezone.localdate().isoformat()}, "Choose a day after today."),
        ({"target_date": "2999-01-01"}, "Choose a day within the next 60 years."),
        ({"target_date": "31 February"}, "Enter a valid date."),
        ({"target_date": ""}, "Say when you will need the money."),
        ({"kind": "yacht"}, "Select a valid choice"),
        ({"kind": ""}, "Choose what the money is for."),
        ({"name": "x" * 61}, "at most 60 characters"),
    ],
)
def test_a_goal_that_cannot_be_is_refused_with_a_sentence(agreed, client, wrong, sentence):
    response = client.post(reverse("onboarding_goal"), goal_data(**wrong))
    assert response.status_code == 200
    assert sentence in response.content.decode()
    assert not Goal.objects.exists()


def test_the_bounds_of_a_goal_are_allowed(agreed, client):
    tomorrow = (timezone.localdate() + timedelta(days=1)).isoformat()
    client.post(reverse("onboarding_goal"), goal_data(amount="100", target_date=tomorrow, name=""))
    goal = Goal.objects.get()
    assert (goal.amount_minor, goal.name) == (10_000, "retirement")
    client.post(reverse("onboarding_goal"), goal_data(amount="100000000"))
    assert Goal.objects.get().amount_minor == 10_000_000_000


def test_another_amount_asks_the_questions_about_money_again(answered, client):
    client.post(reverse("onboarding_goal"), goal_data(amount="50000"))
    goal, draft = Goal.objects.get(), Assessment.objects.get()
    assert (goal.amount_minor, draft.amount_minor) == (5_000_000, 5_000_000)
    assert ANSWERS.keys() - draft.answers.keys() == {"share", "loss", "reaction", "mix", "coin"}
    assert "Up to 10,000 yuan" in client.get(reverse("onboarding_question", args=["loss"])).content.decode()


def test_answers_survive_leaving_and_going_back(ready, client):
    client.post(reverse("onboarding_question", args=["income"]), {"answer": "steady"})
    client.logout()
    client.force_login(ready)
    assert follow(client) == reverse("onboarding_question", args=["reserve"])
    back = client.get(reverse("onboarding_question", args=["income"])).content.decode()
    assert 'value="steady" required checked' in back


def test_changing_an_answer_from_the_check_page_returns_to_it(answered, client):
    response = client.post(reverse("onboarding_question", args=["debt"]), {"answer": "none"})
    assert response.url == reverse("onboarding_check")
    assert Assessment.objects.get().answers["debt"] == "none"


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({}, "Please choose one of the answers."),
        ({"answer": ""}, "Please choose one of the answers."),
        ({"answer": "huge"}, "not one of the answers to this question"),
        ({"answer": ["none", "consumer"]}, "more was sent"),
        ({"answer": "none", "reserve": "above-12"}, "more was sent"),
        ({"answer": "none", "score": "1"}, "more was sent"),
        ({"answer": "none", "shown_at": "yesterday"}, "takes one answer to one question"),
        ({"answer": "none", "shown_at": "9" * 5000}, "takes one answer to one question"),
        ({"answer": "none", "amount_minor": "\x00"}, "takes one answer to one question"),
    ],
)
def test_a_wrong_answer_changes_nothing(answered, client, sent, sentence):
    before = Assessment.objects.values().get()
    response = client.post(reverse("onboarding_question", args=["debt"]), sent)
    assert response.status_code == 200
    assert sentence in response.content.decode()
    assert Assessment.objects.values().get() == before


def test_a_clock_that_was_set_back_is_not_read_as_a_hasty_answer(answered, client):
    Assessment.objects.update(seconds={})
    client.post(reverse("onboarding_question", args=["debt"]), {"answer": "none", "shown_at": str(int(time.time()) + 3600)})
    assert Assessment.objects.get().seconds == {} and Assessment.objects.get().answers["debt"] == "none"


@pytest.mark.parametrize("item", ["colour", "income-2", "x" * 300])
def test_an_unknown_question_does_not_exist(ready, client, item):
    address = reverse("onboarding_question", args=[item])
    assert client.get(address).status_code == client.post(address, {"answer": "steady"}).status_code == 404
    assert Assessment.objects.get().answers == {}


def test_nobody_gets_a_level_with_an_answer_missing(answered, client):
    draft = Assessment.objects.get()
    del draft.answers["coin"]
    draft.save()
    response = client.post(reverse("onboarding_check"))
    assert response.status_code == 200
    assert "One question is still without an answer" in response.content.decode()
    assert reverse("onboarding_question", args=["coin"]) in response.content.decode()
    assert Assessment.objects.get().state == "draft" and Investor.objects.get().level is None


def test_sending_the_answers_twice_makes_one_level_and_one_proposal(answered, client):
    for _ in range(3):
        assert client.post(reverse("onboarding_check")).url == reverse("onboarding_result")
    assert LevelChange.objects.count() == Proposal.objects.count() == Assessment.objects.count() == 1


def test_the_slower_of_two_clicks_is_led_to_the_result_too(answered, client, monkeypatch):
    """It has read that there is no level yet; then the other one completes, and it finds no draft."""
    from advisor.views import onboarding

    before = onboarding.selectors.standing_of(answered)
    client.post(reverse("onboarding_check"))
    standings = iter([before])
    now = onboarding.selectors.standing_of
    monkeypatch.setattr(onboarding.selectors, "standing_of", lambda user: next(standings, None) or now(user))
    assert client.post(reverse("onboarding_check")).url == reverse("onboarding_result")
    assert LevelChange.objects.count() == 1


def test_a_replayed_answer_after_the_end_changes_nothing(answered, client):
    client.post(reverse("onboarding_check"))
    before = Assessment.objects.values().get()
    response = client.post(reverse("onboarding_question", args=["loss"]), {"answer": "more"})
    assert response.url == reverse("onboarding_result")
    assert Assessment.objects.values().get() == before


def test_steps_cannot_be_skipped(agreed, client):
    for name, args in [("onboarding_question", ["income"]), ("onboarding_check", []), ("onboarding_result", [])]:
        assert client.get(reverse(name, args=args)).url == reverse("onboarding")
        client.post(reverse(name, args=args), {"answer": "steady"})
    assert not Assessment.objects.exists()


def test_another_goal_uses_the_level_and_is_made_once(answered, client):
    client.post(reverse("onboarding_check"))
    page = client.get(reverse("onboarding_goal"))
    key = page.context["form"]["key"].value()
    sent = goal_data(name="A flat", kind="home", key=str(key))
    first, second = client.post(reverse("onboarding_goal"), sent), client.post(reverse("onboarding_goal"), sent)
    assert Goal.objects.count() == 2
    assert first.url == second.url == reverse("proposal", args=[Proposal.objects.order_by("-pk").first().pk])
    assert Assessment.objects.count() == 1


def test_an_old_page_of_agreements_does_not_give_a_withdrawn_consent_again(agreed, client):
    client.post(reverse("preferences"), {"switch": "marketing", "is_on": "0"})
    client.post(reverse("onboarding_consents"), {"terms": "on", "marketing": "on"})
    assert not Consent.objects.filter(purpose="marketing").latest("pk").is_given


def test_an_answer_about_another_amount_is_asked_again(ready, client):
    address = reverse("onboarding_question", args=["loss"])
    shown = str(client.get(address).context["page"].amount_minor)
    client.post(reverse("onboarding_goal"), goal_data(amount="1000000"))
    response = client.post(address, {"answer": "up-to-20", "amount_minor": shown})
    assert response.status_code == 200 and "The amount of your goal has changed" in response.content.decode()
    assert Assessment.objects.get().answers == {}
    assert 'name="amount_minor" value="100000000"' in response.content.decode()
    assert client.post(address, {"answer": "up-to-20", "amount_minor": "100000000"}).status_code == 302


def test_an_old_page_that_changes_a_goal_makes_no_second_one(answered, client):
    shown = client.get(reverse("onboarding_goal")).context["form"]["changes"].value()
    client.post(reverse("onboarding_check"))
    response = client.post(reverse("onboarding_goal"), goal_data(name="Another", changes=shown), follow=True)
    assert "nothing was changed" in response.content.decode()
    assert [goal.name for goal in Goal.objects.all()] == ["A quiet old age"]


def test_a_form_key_of_somebody_elses_goal_is_just_another_key(answered, client):
    client.post(reverse("onboarding_check"))
    key = str(client.get(reverse("onboarding_goal")).context["form"]["key"].value())
    client.post(reverse("onboarding_goal"), goal_data(key=key))
    client.force_login(User.objects.create_user(email="other@example.com", password="correct horse", language="en"))
    client.post(reverse("onboarding_consents"), {"terms": "on"})
    assert client.post(reverse("onboarding_goal"), goal_data(key=key)).url == reverse("onboarding")
    assert Goal.objects.filter(account__investor__user__email="other@example.com").count() == 1


def test_after_a_year_the_questions_come_again_and_the_old_answers_stay(answered, client):
    client.post(reverse("onboarding_check"))
    Investor.objects.update(level_valid_until=timezone.localdate() - timedelta(days=1))
    assert follow(client) == reverse("onboarding_question", args=["income"])
    for code, option in (ANSWERS | {"loss": "up-to-10"}).items():
        answer(client, code, option)
    client.post(reverse("onboarding_check"))
    investor = Investor.objects.get()
    assert (investor.level, investor.has_valid_level()) == (2, True)
    assert list(LevelChange.objects.order_by("pk").values_list("from_level", "to_level")) == [(None, 3), (3, 2)]
    assert Assessment.objects.filter(state="completed").count() == 2


def test_a_question_costs_few_queries(answered, client, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        client.get(reverse("onboarding_question", args=["loss"]))


def test_a_near_goal_says_that_its_portfolio_is_calmer(answered, client):
    client.post(reverse("onboarding_check"))
    Goal.objects.update(target_date=timezone.localdate() + timedelta(days=200))
    page = client.get(reverse("onboarding_result")).content.decode()
    assert "follows C2" in page and "¥5,000" in page


def test_the_result_names_the_limit_and_what_would_lift_it(ready, client):
    for code, option in (
        ANSWERS | {"reserve": "below-3", "loss": "more", "mix": "e", "attitude": "growth", "coin": "1.2", "reaction": "buy"}
    ).items():
        answer(client, code, option)
    page = client.post(reverse("onboarding_check"), follow=True).content.decode()
    assert "limited because your reserve lasts less than three months" in page
    assert "A reserve of three months or more" in page


def test_no_loss_at_all_gives_the_lowest_class_in_words(ready, client):
    for code, option in (ANSWERS | {"loss": "nothing"}).items():
        answer(client, code, option)
    page = client.post(reverse("onboarding_check"), follow=True).content.decode()
    assert "C1-min" in page and "you cannot bear any loss" in page
    assert Investor.objects.get().level == 0


def test_strangers_sign_in_first_and_staff_do_not_answer(client, people):
    for name, args in [
        ("onboarding", []), ("onboarding_consents", []), ("onboarding_goal", []), ("onboarding_question", ["income"]),
        ("onboarding_check", []), ("onboarding_result", []), ("preferences", []),
    ]:  # fmt: skip
        address = reverse(name, args=args)
        client.logout()
        assert client.get(address).url.startswith(reverse("account_login"))
        client.force_login(people.ada)
        assert client.get(address).status_code == 403
        assert client.post(address).status_code in {403, 405}


def test_one_person_never_meets_another_ones_draft(answered, client, django_user_model):
    other = make_user("other")
    client.force_login(other)
    client.post(reverse("onboarding_consents"), {"terms": "on"})
    client.post(reverse("onboarding_goal"), goal_data())
    assert client.get(reverse("onboarding_check")).context["missing"]
    client.post(reverse("onboarding_question", args=["income"]), {"answer": "none"})
    assert Assessment.objects.get(investor__user=answered).answers["income"] == "steady"


def test_the_pages_speak_chinese_too(ready, client):
    client.cookies["django_language"] = "zh-hans"
    page = client.get(reverse("onboarding_question", args=["loss"])).content.decode()
    assert "您投入100,000元，一年里最多能接受亏多少？" in page and "最多20,000元" in page


# ── Preferences ──────────────────────────────────────────────────────────────────────────────────────────────────


def switch(client, name, is_on):
    return client.post(reverse("preferences"), {"switch": name, "is_on": is_on}, follow=True)


def test_consent_is_withdrawn_and_given_with_one_click_each(agreed, client):
    for is_on in ("1", "1", "0", "0", "1"):
        assert switch(client, "marketing", is_on).status_code == 200
    answers = Consent.objects.filter(purpose="marketing").order_by("id").values_list("is_given", "source")
    assert list(answers) == [(False, "onboarding"), (True, "preferences"), (False, "preferences"), (True, "preferences")]


def test_recommendations_switch_off_and_stay_off(agreed, client):
    switch(client, "recommendations", "0")
    since = Investor.objects.get().recommendations_off_at
    assert since is not None
    switch(client, "recommendations", "0")
    assert Investor.objects.get().recommendations_off_at == since
    switch(client, "recommendations", "1")
    assert Investor.objects.get().recommendations_off_at is None


def test_the_elder_mode_shows_one_switch_a_screen(agreed, client):
    there = reverse("preferences")
    client.post(reverse("set_elder_mode"), {"on": "1", "next": there})
    page = client.get(there).content.decode().split("<main")[1]
    assert page.count("<button") == 0 and page.count("?about=") == 3, "without a level nothing is there about it"
    Investor.objects.update(level=3, level_valid_until=timezone.localdate() + timedelta(days=100))
    assert client.get(there).content.decode().count("?about=") == 4
    for about in ("profiling", "marketing", "recommendations", "level"):
        page = client.get(f"{there}?about={about}").content.decode().split("<main")[1]
        assert page.count("<button") == 1 and page.count("<h1") == 1, about
    assert client.get(f"{there}?about=terms").content.decode().split("<main")[1].count("?about=") == 4
    assert switch(client, "marketing", "1").status_code == 200
    assert Consent.objects.filter(purpose="marketing").latest("pk").is_given


@pytest.mark.parametrize(
    "sent", [{}, {"switch": "terms", "is_on": "0"}, {"switch": "marketing"}, {"switch": "marketing", "is_on": "maybe"}]
)
def test_an_unknown_switch_changes_nothing(agreed, client, sent):
    before = list(Consent.objects.values())
    response = client.post(reverse("preferences"), sent)
    assert response.status_code == 200
    assert "Nothing has been changed" in response.content.decode()
    assert list(Consent.objects.values()) == before


def test_the_elder_mode_confirms_one_unlikely_pair_a_screen(answered, client):
    """Lives on interest with little saved, and wants calm but shares: each is confirmed by itself, and only then is decided."""
    for code, option in {"income": "investments", "attitude": "calm", "mix": "c"}.items():
        answer(client, code, option)
    there = reverse("onboarding_contradictions")
    both = client.get(there).content.decode()
    codes = re.findall(r'name="confirmed" id="\w+" value="([\w-]+)"', both)
    assert len(codes) == 2
    client.post(reverse("set_elder_mode"), {"on": "1", "next": there})

    def shown(response):
        return re.findall(r'name="confirmed" id="\w+" value="([\w-]+)"', response.content.decode())

    assert shown(client.get(there)) == codes[:1]
    assert shown(client.post(there)) == codes[:1], "nothing was confirmed"
    second = client.post(there, {"confirmed": codes[0]})
    assert shown(second) == codes[1:] and f'name="said" value="{codes[0]}"' in second.content.decode()
    assert shown(client.post(there, {"said": codes[0]})) == codes[1:], "the second is still to be confirmed"
    assert not LevelChange.objects.exists()
    done = client.post(there, {"said": codes[0], "confirmed": codes[1]})
    assert done.url == reverse("onboarding_result")
    assert sorted(Assessment.objects.get().soft_confirmed) == sorted(codes)
