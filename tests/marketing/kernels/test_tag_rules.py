"""Tags over columns: the same as one person at a time, and nothing that a rule says can stop the others."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.naive_tags import NaiveTags
from marketing.kernels.tag_words import flips, mask_of, merge, pack, sizes
from marketing.kernels.tags import Columns, TagSource, evaluate, plan_tags, program_for

TODAY = date(2026, 11, 22)


@dataclass(frozen=True)
class Field:
    kind: str
    sensitivity: str = "plain"
    values: list[str] | str | None = None


FIELDS = {
    "assets": Field("money"), "goal": Field("money"), "flow": Field("signed_money"), "share": Field("fraction"),
    "liking": Field("fraction", "profiling"),
    "panic": Field("fraction", "restricted"), "level": Field("level"), "kind": Field("category", values="open"), "elder": Field("bool"),
    "seen": Field("date"), "until": Field("date"), "bucket_seed": Field("count"), "consent_profiling": Field("bool"),
}  # fmt: skip
SENSITIVE = frozenset({"liking", "panic"})
KINDS = ["home", "pension", "", None]


def plan(rules, **kept):
    sources = {code: TagSource({"version": 1, "rule": node}, kept.get(code, "plain")) for code, node in rules.items()}
    return plan_tags(sources, FIELDS, needing_consent=SENSITIVE)


def columns(people) -> Columns:
    arrays = {}
    for name, field in FIELDS.items():
        values = [person[name] for person in people]
        if field.kind == "date":
            values = [None if value is None else value.toordinal() for value in values]
        dtype = {"bool": bool, "category": object}.get(field.kind, float)
        arrays[name] = np.array(values, dtype)
    return Columns(arrays, len(people))


def worked_out(rules, people, **kept):
    one = plan(rules, **kept)
    return evaluate(program_for(one, rules), columns(people), TODAY.toordinal())


EMPTY = dict.fromkeys(FIELDS) | {"kind": "", "elder": False, "consent_profiling": True, "bucket_seed": 1}


def true_of(node, **known) -> bool:
    return bool(worked_out({"t": node}, [EMPTY | known])["t"][0])


amounts = st.one_of(st.none(), st.sampled_from([0, 1, 10, 100, 10_000]))
flows = st.one_of(st.none(), st.sampled_from([-100, -1, 0, 1, 100]))
shares = st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
days = st.one_of(st.none(), st.integers(-40, 40).map(lambda n: TODAY + timedelta(days=n)))
PERSON = {
    **dict.fromkeys(["assets", "goal"], amounts),
    **dict.fromkeys(["share", "liking", "panic"], shares), **dict.fromkeys(["seen", "until"], days),
    **dict.fromkeys(["elder", "consent_profiling"], st.booleans()), "flow": flows, "level": st.one_of(st.none(), st.integers(0, 5)),
    "kind": st.sampled_from(KINDS), "bucket_seed": st.integers(0, 2**31 - 1),
}  # fmt: skip
persons = st.fixed_dictionaries(PERSON)


def bounds(values):
    pair = st.tuples(st.sampled_from(values), st.sampled_from(values)).filter(lambda both: both[0] < both[1])
    both = pair.map(lambda two: {"at_least": two[0], "below": two[1]})
    return st.one_of(st.sampled_from(values).map(lambda v: {"at_least": v}), st.sampled_from(values).map(lambda v: {"below": v}), both)


def over(names, limits):
    return st.tuples(st.sampled_from(names), limits).map(lambda two: {"field": two[0], **two[1]})


some_days = st.one_of(
    st.tuples(st.sampled_from(["days_ago_at_least", "days_ago_below", "in_days_below"]), st.integers(0, 40)).map(lambda two: dict([two])),
    st.tuples(st.integers(0, 20), st.integers(21, 40)).map(lambda two: {"days_ago_at_least": two[0], "days_ago_below": two[1]}),
)
leaves = st.one_of(
    over(["assets", "goal"], bounds([0, 1, 10, 100, 10_000])),
    over(["flow"], bounds([-100, -1, 0, 1])),
    over(["share", "liking", "panic"], bounds([0, 0.1, 0.5, 1])),
    over(["seen", "until"], some_days),
    st.lists(st.sampled_from([0, 3, 5, None]), min_size=1, unique=True).map(lambda values: {"field": "level", "is": values}),
    st.lists(st.sampled_from(KINDS), min_size=1).map(lambda values: {"field": "kind", "is": values}),
    st.booleans().map(lambda value: {"field": "elder", "is": value}),
    st.tuples(st.sampled_from(["assets", "flow"]), st.sampled_from(["goal", "flow"]), bounds([-1, 0, 0.5, 10])).map(
        lambda three: {"ratio": list(three[:2]), **three[2]}
    ),
    st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 10_000)).map(lambda two: {"bucket": two[0], "below": two[1]}),
)


def group_of(nodes):
    return st.tuples(st.sampled_from(["all", "any", "not"]), st.lists(nodes, min_size=1, max_size=3)).map(lambda two: {two[0]: two[1]})


def trees(leaf):
    return st.recursive(leaf, group_of, max_leaves=6)


@st.composite
def tag_sets(draw):
    """Up to six tags, each of which may name those before it; in any order."""
    rules = {}
    for at in range(draw(st.integers(1, 6))):
        named = st.tuples(st.sampled_from([*rules] or ["-"]), st.booleans()).map(lambda two: {"tag": two[0], "is": two[1]})
        rules[f"t{at}"] = draw(trees(st.one_of(leaves, named) if rules else leaves).filter(lambda node: depth(node) <= 4))
    return dict(draw(st.permutations(list(rules.items()))))


def depth(node) -> int:
    inner = next((node[joint] for joint in ("all", "any", "not") if joint in node), None)
    return 1 + max(map(depth, inner)) if inner else 0


@settings(max_examples=35, deadline=None)
@given(tag_sets(), st.lists(persons, min_size=1, max_size=6), st.booleans())
def test_the_fast_way_says_what_one_person_at_a_time_says(rules, people, is_declared):
    declared = {"t0": "profiling"} if is_declared else {}
    judge = NaiveTags(rules, SENSITIVE, frozenset(declared))
    found = worked_out(rules, people, **declared)
    assert set(found) == set(rules)
    for code in rules:
        assert found[code].tolist() == [judge.holds(code, person, TODAY) for person in people], (code, rules[code])


@pytest.mark.parametrize(
    ("node", "is_true"),
    [
        ({"field": "share", "at_least": 0}, False),
        ({"field": "share", "below": 1}, False),
        ({"not": [{"field": "share", "below": 1}]}, True),
        ({"field": "level", "is": [3]}, False),
        ({"field": "level", "is": [3, None]}, True),
        ({"field": "kind", "is": [""]}, True),
        ({"field": "seen", "days_ago_at_least": 365}, True),
        ({"field": "seen", "days_ago_below": 36_500}, False),
        ({"field": "until", "in_days_below": 36_500}, False),
        ({"ratio": ["assets", "goal"], "at_least": 0}, False),
        ({"not": [{"ratio": ["assets", "goal"], "at_least": 0}]}, True),
    ],
)
def test_what_is_unknown_is_false_under_a_comparison_and_true_under_its_opposite(node, is_true):
    assert true_of(node) is is_true


def test_a_division_by_zero_is_false_whatever_is_divided():
    for above in (0, 5):
        assert not true_of({"ratio": ["assets", "goal"], "below": 10**6}, assets=above, goal=0)
    assert true_of({"ratio": ["assets", "goal"], "below": 1}, assets=5, goal=10)


def test_what_expires_lies_from_today_on():
    node = {"field": "until", "in_days_below": 30}
    said = [true_of(node, until=TODAY + timedelta(days=n)) for n in (-1, 0, 29, 30)]
    assert said == [False, True, True, False]


def test_without_consent_absence_makes_nothing_true():
    rules = {
        "likes": {"field": "liking", "at_least": 0.5},
        "does_not": {"not": [{"tag": "likes", "is": True}]},
        "old": {"tag": "does_not", "is": False},
    }
    agreed, not_agreed = EMPTY | {"liking": 0.1}, EMPTY | {"liking": None, "consent_profiling": False}
    found = worked_out(rules, [agreed, not_agreed])
    assert {code: held.tolist() for code, held in found.items()} == {
        "likes": [False, False],
        "does_not": [True, False],
        "old": [False, False],
    }


def test_a_tag_is_as_sensitive_as_what_it_rests_on():
    one = plan(
        {
            "a": {"field": "panic", "at_least": 0.5},
            "b": {"all": [{"tag": "a", "is": True}, {"field": "liking", "below": 1}]},
            "c": {"field": "assets", "below": 1},
        }
    )
    assert {code: (traits.sensitivity, traits.needs_consent) for code, traits in one.traits.items()} == {
        "a": ("restricted", True), "b": ("restricted", True), "c": ("plain", False),
    }  # fmt: skip


GOOD = {"field": "assets", "at_least": 1}


@pytest.mark.parametrize(
    ("node", "code", "name"),
    [
        ({"field": "shoe_size", "at_least": 1}, "unknown_field", "shoe_size"),
        ({"ratio": ["assets", "shoe_size"], "at_least": 1}, "unknown_field", "shoe_size"),
        ({"tag": "deleted", "is": True}, "unknown_tag", "deleted"),
        ({"event": "page", "did": True}, "not_allowed", "event"),
        ({"field": "assets", "is": True}, "wrong_condition", "assets"),
        ({"tag": "bad", "is": False}, "cycle", "bad"),
        ({"all": []}, "not_valid", ""),
        ("nonsense", "unknown_condition", ""),
        (None, "unknown_condition", ""),
    ],
)
def test_a_bad_rule_is_a_problem_of_its_own_tag_and_of_those_that_name_it(node, code, name):
    one = plan({"bad": node, "user": {"all": [GOOD, {"tag": "bad", "is": False}]}, "good": GOOD})
    assert (one.problems["bad"].code, one.problems["bad"].name) == (code, name)
    assert (one.problems["user"].code, one.problems["user"].name) == ("broken_tag", "bad")
    assert set(one.slots) == {"good"}


def test_a_cycle_by_any_detour_is_found_and_who_stands_outside_is_told_apart():
    def named(code):
        return {"all": [GOOD, {"tag": code, "is": True}]}

    one = plan({"a": named("b"), "b": named("c"), "c": named("a"), "outside": named("a"), "good": GOOD, "user": named("good")})
    assert {code: error.code for code, error in one.problems.items()} == {"a": "cycle", "b": "cycle", "c": "cycle", "outside": "broken_tag"}
    assert set(one.slots) == {"good", "user"}


def test_a_chain_of_a_thousand_tags_is_no_trouble():
    rules = {"t0": GOOD} | {f"t{at}": {"tag": f"t{at - 1}", "is": False} for at in range(1, 1000)}
    found = worked_out(dict(reversed(rules.items())), [EMPTY | {"assets": 5}])
    assert [bool(found[f"t{at}"][0]) for at in (0, 1, 999)] == [True, False, False]


def test_equal_parts_of_rules_are_worked_out_once():
    one = plan(
        {"a": {"all": [GOOD, {"field": "elder", "is": True}]}, "b": {"all": [{"field": "elder", "is": True}, GOOD]}, "c": {"not": [GOOD]}}
    )
    assert one.slots["a"] == one.slots["b"]
    assert len(one.steps) == 4  # two conditions, one all, one not


def test_some_tags_need_only_their_own_fields():
    one = plan(
        {"a": GOOD, "b": {"all": [{"tag": "a", "is": True}, {"field": "elder", "is": True}]}, "c": {"field": "seen", "days_ago_below": 3}}
    )
    assert program_for(one, ["c"]).fields == {"seen"}
    assert program_for(one, ["b", "gone"]).fields == {"assets", "elder"}


# ── Bits ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_bits_survive_packing_up_to_the_last_of_a_word():
    held = np.array([True, False, True])
    words = pack({(0, 0): held, (0, 59): held, (19, 59): ~held}, 20, 3)
    assert words.min() >= 0
    assert words[0].tolist() == [2**59 + 1, 0, 2**59 + 1]
    assert sizes(words)[[0, 0, 19, 5], [0, 59, 59, 5]].tolist() == [2, 2, 1, 0]


@given(st.lists(st.tuples(st.integers(0, 2**60 - 1), st.integers(0, 2**60 - 1)), min_size=1, max_size=5), st.integers(0, 2**60 - 1))
def test_only_what_the_mask_has_is_taken_over_and_every_difference_is_told(pairs, mask):
    stored, new = (np.array([[pair[at] for pair in pairs]]) for at in (0, 1))
    merged = merge(stored, new, np.array([mask]))
    told = {((0, bit), int(person)) for (word, bit), people in flips(stored, merged) for person in people}
    assert told == {
        ((0, bit), person) for person, (old, fresh) in enumerate(pairs) for bit in range(60) if mask >> bit & 1 and (old ^ fresh) >> bit & 1
    }


def test_a_mask_has_exactly_its_places():
    assert mask_of([(0, 3), (0, 59), (2, 0)], 3).tolist() == [2**59 + 8, 0, 1]
