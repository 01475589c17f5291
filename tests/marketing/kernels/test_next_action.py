"""The next best action: the order of the rules by hand, and what holds of everybody whatever is known of them."""

from dataclasses import fields
from datetime import time

import numpy as np
import pytest

from marketing.kernels.next_action import CODES, MARKETING, RULES, Facts, Limits, decide, nearest_hours, open_hours
from marketing.kernels.policy import QuietHours

LIMITS = Limits(100_000, 0.2, QuietHours(time(21), time(8), "Asia/Shanghai"))
NAN = float("nan")
CONTENT = {
    "level_days": 200.0, "has_proposal": False, "plan_stopped": False, "reached": NAN, "gone": NAN, "dormancy": "active",
    "assets_minor": 10_000_000.0, "idle_minor": 0.0, "has_fund": False, "wants_marketing": True, "has_advisor": False,
    "has_email": True, "complained": False, "opens": "", "seen_days": 3.0, "hour": 14.0,
}  # fmt: skip
IDLE = {"idle_minor": 5_000_000.0, "has_fund": True}


def one(**known) -> Facts:
    return Facts(**{name: np.array([value]) for name, value in (CONTENT | known).items()})


def said(**known) -> tuple[str, str, int]:
    found = decide(one(**known), LIMITS)
    return found.codes[0], str(found.channel[0]), int(found.hour[0])


def code(**known) -> str:
    return said(**known)[0]


@pytest.mark.parametrize(
    "wanted, known",
    [
        ("not_assessed", {"level_days": NAN}),
        ("level_expired", {"level_days": -1.0}),
        ("proposal_waits", {"has_proposal": True}),
        ("level_ending", {"level_days": 0.0}),
        ("level_ending", {"level_days": 30.0}),
        ("nothing_due", {"level_days": 31.0}),
        ("plan_stopped", {"plan_stopped": True}),
        ("nothing_due", {"plan_stopped": True, "assets_minor": 0.0}),
        ("goal_behind", {"gone": 0.8, "reached": 0.5}),
        ("nothing_due", {"gone": 0.8, "reached": 0.56}),
        ("nothing_due", {"gone": 0.49, "reached": 0.0}),
        ("asleep", {"dormancy": "dormant"}),
        ("asleep", {"dormancy": "cooling"}),
        ("idle_cash", IDLE),
        ("nothing_due", IDLE | {"has_fund": False}),
        ("nothing_due", IDLE | {"idle_minor": 1_900_000.0}),
        ("nothing_due", {"idle_minor": 90_000.0, "has_fund": True, "assets_minor": 90_000.0}),
        ("calm", {"dormancy": "calm"}),
        ("gone", {"dormancy": "lost", "assets_minor": 0.0}),
        ("nothing_due", {}),
    ],
)
def test_each_rule_by_hand(wanted, known):
    assert code(**known) == wanted


def test_the_rules_come_in_their_order():
    """Everything at once, then the first cause taken away, and so on."""
    known = {"level_days": -1.0, "has_proposal": True, "plan_stopped": True, "gone": 0.9, "reached": 0.1, "dormancy": "dormant"} | IDLE
    steps = [
        ("level_expired", {"level_days": 10.0}), ("proposal_waits", {"has_proposal": False}), ("level_ending", {"level_days": 99.0}),
        ("plan_stopped", {"plan_stopped": False}), ("goal_behind", {"gone": NAN}), ("asleep", {"dormancy": "active"}), ("idle_cash", {}),
    ]  # fmt: skip
    for wanted, mended in steps:
        assert code(**known) == wanted
        known |= mended


def test_who_sleeps_is_never_sold_to():
    assert code(dormancy="dormant", **IDLE) == "asleep"
    assert code(dormancy="dormant", wants_marketing=False, **IDLE) == "no_permission"


def test_a_calm_holder_with_idle_cash_is_left_alone():
    assert code(dormancy="calm", **IDLE) == "calm"


def test_what_is_marketing_needs_permission_and_service_does_not():
    assert code(wants_marketing=False, **IDLE) == "no_permission"
    assert code(wants_marketing=False, level_days=-5.0) == "level_expired"


@pytest.mark.parametrize(
    "wanted, known",
    [
        ("inbox", {}),
        ("email", {"opens": "email"}),
        ("email", {"seen_days": 60.0}),
        ("email", {"seen_days": NAN}),
        ("inbox", {"seen_days": 60.0, "opens": "inbox"}),
        ("inbox", {"opens": "email", "has_email": False}),
        ("inbox", {"opens": "email", "complained": True}),
        ("inbox", {"has_advisor": True}),
    ],
)
def test_the_channel_is_the_person_s_own(wanted, known):
    assert said(level_days=-1.0, **known)[1] == wanted


def test_an_advisor_talks_over_goals_and_idle_cash():
    assert said(has_advisor=True, **IDLE)[1] == "advisor"
    assert said(has_advisor=True, gone=0.9, reached=0.1)[1] == "advisor"


def test_silence_has_neither_channel_nor_hour():
    assert said() == ("nothing_due", "", -1)


@pytest.mark.parametrize("habit, wanted", [(14.0, 14), (22.0, 20), (2.0, 8), (7.0, 8), (0.0, 20), (NAN, -1)])
def test_no_mail_in_quiet_hours(habit, wanted):
    assert said(level_days=-1.0, opens="email", hour=habit)[2] == wanted


def test_the_inbox_keeps_the_hour_and_an_advisor_calls_in_office_hours():
    assert said(level_days=-1.0, hour=22.0)[2] == 22
    assert said(has_advisor=True, hour=20.0, **IDLE)[2] == 17
    assert said(has_advisor=True, hour=7.0, **IDLE)[2] == 9


def test_hours_that_are_partly_quiet_are_closed_and_a_day_without_open_ones_has_none():
    assert open_hours(QuietHours(time(21, 30), time(7, 30), "x")).tolist() == [8 <= hour <= 20 for hour in range(24)]
    assert open_hours(QuietHours(time(1), time(3), "x")).tolist() == [hour not in (1, 2) for hour in range(24)]
    assert set(nearest_hours(np.zeros(24, bool)).tolist()) == {-1}


def crowd(n: int, seed: int) -> Facts:
    random = np.random.default_rng(seed)

    def some(values, share=0.2):
        return np.where(random.random(n) < share, NAN, values)

    def yes(share=0.5):
        return random.random(n) < share

    return Facts(
        some(random.integers(-400, 400, n).astype(float)), yes(0.1), yes(0.2), some(random.random(n)), some(random.random(n)),
        random.choice(["new", "active", "calm", "cooling", "dormant", "lost"], n), random.integers(0, 10**8, n).astype(float),
        random.integers(0, 10**7, n).astype(float), yes(), yes(), yes(), yes(0.8), yes(0.1), random.choice(["", "inbox", "email"], n),
        some(random.integers(0, 400, n).astype(float)), some(random.integers(0, 24, n).astype(float)),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_of_everybody_whatever_is_known(seed):
    facts = crowd(3_000, seed)
    found = decide(facts, LIMITS)
    kinds, channel = np.array(found.kinds), found.channel
    marketing = np.isin(kinds, MARKETING)
    assert set(found.codes) == set(CODES), "every rule decides somebody"
    assert not (marketing & ~facts.wants_marketing).any()
    assert not ((kinds == "place") & ~(facts.has_fund & (facts.level_days >= 0) & np.isin(facts.dormancy, ["new", "active"]))).any()
    assert ((channel == "") == (kinds == "silence")).all()
    assert not ((channel == "email") & (~facts.has_email | facts.complained)).any()
    assert not ((channel == "advisor") & ~facts.has_advisor).any()
    by_mail, hours = channel == "email", found.hour
    assert set(hours[by_mail].tolist()) <= {-1, *range(8, 21)}
    assert ((hours == -1) == (np.isnan(facts.hour) | (kinds == "silence"))).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_score_orders_by_rule_first_and_one_person_s_by_nobody_else(seed):
    facts = crowd(400, seed)
    found = decide(facts, LIMITS)
    place = len(RULES) - 1 - found.rule
    assert ((found.score >= place) & (found.score < place + 1)).all()
    for at in range(0, 400, 7):
        alone = decide(Facts(*(getattr(facts, field.name)[at : at + 1] for field in fields(Facts))), LIMITS)
        assert (alone.rule[0], alone.channel[0], alone.hour[0], alone.score[0]) == (
            found.rule[at], found.channel[at], found.hour[at], found.score[at],
        )  # fmt: skip


def test_more_idle_cash_is_sooner():
    few, many = one(**IDLE), one(**IDLE | {"idle_minor": 9_000_000.0})
    assert decide(many, LIMITS).score[0] > decide(few, LIMITS).score[0]


def test_nobody_is_decided_for_in_an_empty_block():
    nobody = Facts(*(getattr(one(), field.name)[:0] for field in fields(Facts)))
    assert decide(nobody, LIMITS).kinds == []
