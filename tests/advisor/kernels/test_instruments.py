"""The questionnaire standard@2: what its file may hold, its staircase, and answers that do not go together."""

import copy
import itertools

import pytest
import yaml

from advisor.instruments import Option, Step, file_path, load_instrument
from advisor.instruments.schema import MOST_STEPS, paths_of
from advisor.instruments.staircase import next_step, walked
from advisor.kernels import contradictions, risk_profile
from advisor.kernels.risk_profile import AnswerError
from advisor.selectors.instrument_words import OTHER_PROBLEM, PROBLEMS, problem_sentence
from advisor.services.instruments import BadInstrument, check_content, parse_instrument

INSTRUMENT = load_instrument("standard@2")
TEXT = file_path("standard@2").read_text(encoding="utf-8")
DATA = yaml.safe_load(TEXT)
COIN = INSTRUMENT.item("coin")
# Nothing in these contradicts anything.
CALM = {
    "income": "steady", "reserve": "6-to-12", "debt": "light-mortgage", "share": "25-to-50", "dependants": "1", "age": "40-to-54",
    "horizon": "5-to-10", "loss": "up-to-20", "reaction": "hold", "mix": "c", "attitude": "balance", "past": "held", "coin": "2",
    "spread": "less-swing", "rates": "down", "experience": "6-months-to-3-years",
}  # fmt: skip


# ── The staircase ────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_way_through_the_staircase_ends_within_five_steps():
    ways = list(itertools.chain.from_iterable(itertools.product(["yes", "no"], repeat=n) for n in range(MOST_STEPS + 1)))
    ends = {}
    for answers in ways:
        try:
            place = next_step(COIN, answers)
        except AnswerError:
            assert any(answers[:n] in ends for n in range(len(answers))), answers
            continue
        if isinstance(place, Option):
            ends[answers] = place.code
            assert [answer for _, answer in walked(COIN, answers)] == list(answers)
        else:
            assert len(answers) < MOST_STEPS, "a question after the fifth"
    assert len(ends) == len(paths_of(COIN)) == 13
    assert set(ends.values()) == {option.code for option in COIN.options}


@pytest.mark.parametrize(
    ("answers", "end"),
    [
        ("yes yes yes", "1.2"), ("yes yes no yes", "1.5"), ("yes no yes", "2"), ("no yes yes", "3"), ("no no", "never"),
        # said the smallest, then that it is not the smallest, and so on: what never settles has an outcome of its own
        ("yes no no no yes", "unsettled"), ("yes yes no no no", "unsettled"), ("no yes no no yes", "unsettled"),
        # thought better of it once, and stayed with that
        ("yes no no yes", "1.5"), ("yes no no no no", "3"), ("no yes no no no", "never"),
    ],
)  # fmt: skip
def test_where_answers_to_the_staircase_lead(answers, end):
    assert next_step(COIN, answers.split()).code == end


def test_a_step_asks_about_own_money():
    from django.utils import translation

    with translation.override("en"):
        first = next_step(COIN, [])
        assert isinstance(first, Step) and "pay 1,000 yuan, on heads you get 2,000 yuan" in COIN.asked_at(first, 10_000_000)
        assert COIN.choices_at(first) == [("yes", "I take part"), ("no", "I do not")]
        check = next_step(COIN, ["yes", "no"])
        assert COIN.asked_at(check, 10_000_000).startswith("So heads must pay at least 2,000 yuan")
        assert COIN.choices_at(check)[0] == ("yes", "That is right")
        assert COIN.asked(10_000_000) and COIN.option("never").text(10_000_000) == "I would not take part even for 3,000 yuan"


@pytest.mark.parametrize("answers", [["maybe"], ["yes", ""], ["no", "no", "no"]])
def test_words_that_a_staircase_does_not_know_are_refused(answers):
    with pytest.raises(AnswerError) as refused:
        next_step(COIN, answers)
    assert (refused.value.code, refused.value.params) == ("unknown_option", {"items": ["coin"]})
    with pytest.raises(AnswerError):
        next_step(INSTRUMENT.item("mix"), [])


# ── Contradictions ───────────────────────────────────────────────────────────────────────────────────────────────

MET = [
    ("no-loss-growth", {"loss": "nothing", "attitude": "growth", "mix": "d"}, None),
    ("near-date-all-shares", {"horizon": "below-1", "mix": "e", "attitude": "mostly-growth"}, None),
    ("short-reserve-large-share", {"reserve": "below-3", "share": "50-to-75"}, None),
    ("salary-no-income", {"income": "steady", "dependants": "supported"}, None),
    ("large-debt-no-term", {"debt": "heavy-mortgage", "horizon": "no-term"}, None),
    ("student-wealth", {"income": "student", "share": "25-to-50"}, 25_000_100),
    ("dividends-little-wealth", {"income": "investments", "share": "25-to-50"}, 12_499_900),
    ("attitude-mix", {"attitude": "mostly-calm", "mix": "d"}, None),
    ("hold-but-sold", {"reaction": "buy", "past": "sold-some"}, None),
]
NEARLY = [
    ("no-loss-growth", {"loss": "up-to-5", "attitude": "growth", "mix": "d"}, None),
    ("near-date-all-shares", {"horizon": "1-to-3", "mix": "e", "attitude": "mostly-growth"}, None),
    ("short-reserve-large-share", {"reserve": "below-3", "share": "25-to-50"}, None),
    ("salary-no-income", {"income": "varying", "dependants": "supported"}, None),
    ("large-debt-no-term", {"debt": "consumer", "horizon": "no-term"}, None),
    ("student-wealth", {"income": "student", "share": "25-to-50"}, 25_000_000),  # 500,000 or more, so not certainly above
    ("student-wealth", {"income": "student", "share": "25-to-50"}, None),
    ("dividends-little-wealth", {"income": "investments", "share": "25-to-50"}, 12_500_000),
    ("dividends-little-wealth", {"income": "investments", "share": "below-25"}, 1_000_000),  # it may be any fortune
    ("attitude-mix", {"attitude": "mostly-calm", "mix": "c"}, None),
    ("hold-but-sold", {"reaction": "sell-some", "past": "sold-some"}, None),
]


@pytest.mark.parametrize(("code", "changed", "amount_minor"), MET)
def test_each_contradiction_is_found_with_its_two_questions(code, changed, amount_minor):
    (found,) = INSTRUMENT.contradictions_in(CALM | changed, amount_minor)
    rule = INSTRUMENT.rule(code)
    assert (found.code, found.is_hard, found.items) == (code, rule.is_hard, rule.items)
    assert set(found.items) <= set(changed) and rule.zh and rule.en


@pytest.mark.parametrize(("code", "changed", "amount_minor"), NEARLY)
def test_what_only_comes_near_contradicts_nothing(code, changed, amount_minor):
    assert INSTRUMENT.contradictions_in(CALM | changed, amount_minor) == ()


def test_all_rules_of_the_spec_are_there_and_tried():
    assert {code for code, _, _ in MET} == {code for code, _, _ in NEARLY} == {rule.code for rule in INSTRUMENT.contradictions}
    assert [sum(rule.kind == kind for rule in INSTRUMENT.contradictions) for kind in ("hard", "soft")] == [5, 4]
    assert INSTRUMENT.contradictions_in(CALM, 10_000_000) == INSTRUMENT.contradictions_in({}, 10_000_000) == ()


def test_hard_ones_come_first_and_attitude_and_mix_are_two_steps_apart():
    both = INSTRUMENT.contradictions_in(
        CALM | {"reaction": "hold", "past": "sold-all", "loss": "nothing", "attitude": "growth", "mix": "d"}
    )
    assert [one.code for one in both] == ["no-loss-growth", "hold-but-sold"]
    ranks = {code: rank for item in ("attitude", "mix") for rank, code in enumerate(_by_score(item))}
    for attitude, mix in itertools.product(_by_score("attitude"), _by_score("mix")):
        found = contradictions.find({"attitude": attitude, "mix": mix}, INSTRUMENT.contradictions)
        assert bool(found) == (abs(ranks[attitude] - ranks[mix]) >= 2), (attitude, mix)


def _by_score(item):
    return [option.code for option in sorted(INSTRUMENT.item(item).options, key=lambda option: option.score)]


# ── The file ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_kernel_finds_every_fact_in_the_answers():
    said = risk_profile.sheet(
        CALM | {"reserve": "below-3", "debt": "consumer", "age": "65-or-more", "experience": "never"}, INSTRUMENT.for_scoring
    )
    assert (said.facts.max_loss, said.facts.has_consumer_debt, said.facts.age, said.facts.reserve_months) == (0.2, True, 65, 0)
    assert (said.n_correct, said.is_experienced, said.has_civil_capacity, said.accepts_loss) == (2, False, True, True)
    gated = risk_profile.sheet(CALM | {"age": "no-capacity", "loss": "nothing", "rates": "up"}, INSTRUMENT.for_scoring)
    assert (gated.n_correct, gated.has_civil_capacity, gated.accepts_loss) == (1, False, False)


SPOILT = [
    (lambda d: d["items"].pop(), "block_sizes"),
    (lambda d: d["items"].__setitem__(1, copy.deepcopy(d["items"][0])), "item_twice"),
    (lambda d: d["items"][0]["options"][1].__setitem__("score", 1.0), "not_ordered"),
    (lambda d: d["items"][0]["options"][1].__setitem__("code", "steady"), "option_twice"),
    (lambda d: d["items"][0]["options"][0].__setitem__("en", ""), "string_too_short"),
    (lambda d: d["items"][0].pop("why"), "missing"),
    (lambda d: d["items"][0].__setitem__("default", "steady"), "extra_forbidden"),
    (lambda d: d["items"][0]["options"][0].__setitem__("share", 0.9), "shares"),
    (lambda d: d["items"][0]["options"][0].__setitem__("facts", ["rich"]), "unknown_fact"),
    (lambda d: d["items"][3]["options"][0].__setitem__("wealth_share", [0.9, 0.1]), "wealth_share"),
    (lambda d: d["items"][7]["question"].__setitem__("en", "How much?"), "amounts_differ"),
    (lambda d: d["items"][8].__setitem__("yuan", {}), "amount_undefined"),
    (lambda d: d["items"][8]["yuan"].__setitem__("left", float("inf")), "finite_number"),
    (lambda d: d["items"][8]["yuan"].__setitem__("left", -0.8), "greater_than_equal"),
    (lambda d: d["items"][0]["options"][0].__setitem__("zh", "{"), "amount_undefined"),  # no page could write it out
    (lambda d: d["items"][0]["why"].update(zh="{amount}", en="{amount}"), "amount_undefined"),
    (lambda d: d["items"][0]["options"][0].__setitem__("en", " "), "string_pattern_mismatch"),
    (lambda d: [option.pop("facts", None) for option in d["items"][5]["options"]], "facts_missing"),  # nobody too young or too old
    (lambda d: d.__setitem__("version", 1_000_000), "less_than_equal"),  # its key could not be read again
    (lambda d: d.__setitem__("name", "a" * 31), "string_too_long"),
    (lambda d: d["items"][13]["options"][0].__setitem__("score", 1.0), "knowledge_scored"),
    (lambda d: d["items"][0].__setitem__("kind", "staircase"), "no_steps"),
    (lambda d: d["items"][12].__setitem__("kind", "choice"), "steps_of_a_choice"),
    (lambda d: d["items"][12]["steps"][0].__setitem__("code", "less"), "step_twice"),
    (lambda d: d["items"][12]["steps"][0].__setitem__("after_no", "nowhere"), "step_leads_nowhere"),
    (lambda d: d["items"][12]["steps"][-1].__setitem__("after_no", "first"), "too_many_steps"),  # round and round
    (lambda d: d["items"][12]["steps"][0].__setitem__("after_no", "never"), "unreachable"),
    (lambda d: d["items"][12]["steps"][0].__setitem__("yuan", {}), "amount_undefined"),
    (lambda d: d["contradictions"][1].__setitem__("code", "no-loss-growth"), "contradiction_twice"),
    (lambda d: d["contradictions"][0]["when"][0].__setitem__("loss", ["everything"]), "contradiction_unknown"),
    (lambda d: d.__setitem__("version", "two"), "int_parsing"),
    (lambda d: d.__setitem__("items", "none"), "tuple_type"),
]


@pytest.mark.parametrize(("spoil", "code"), SPOILT)
def test_a_spoilt_file_is_refused_with_a_sentence(spoil, code):
    data = copy.deepcopy(DATA)
    spoil(data)
    with pytest.raises(BadInstrument) as refused:
        check_content(data)
    assert code in {problem.code for problem in refused.value.problems}
    for problem in refused.value.problems:
        said = problem_sentence(problem.code, problem.where, problem.params)
        assert said and "%(" not in said and (problem.code in PROBLEMS or problem.where)


def test_a_problem_is_told_by_the_codes_of_question_and_answer():
    data = copy.deepcopy(DATA)
    data["items"][1]["options"][3]["score"] = 7
    with pytest.raises(BadInstrument) as refused:
        check_content(data)
    assert [problem.where for problem in refused.value.problems] == ["items.reserve.options.above-12.score"]


@pytest.mark.parametrize(
    "text", ["", "[", "a: &x [1]\nb: *x", "- 1", "name: !!python/object:os.system x", "x" * 300_000, "{" * 2000, "a: 2026-02-31"]
)
def test_what_is_no_questionnaire_is_refused(text):
    with pytest.raises(BadInstrument) as refused:
        parse_instrument(text)
    assert all(problem_sentence(one.code, one.where, one.params) for one in refused.value.problems) and OTHER_PROBLEM


def test_version_two_is_what_it_was_when_it_was_published():
    """An assessment stores this checksum: a change of the file is a new version."""
    assert INSTRUMENT.sha256 == "2e8337b89ca953a6d380a8dede0b4d328e38785af3b254c2413a266f8f171e65"
    assert type(INSTRUMENT).model_validate(INSTRUMENT.model_dump(mode="json")).sha256 == INSTRUMENT.sha256
