"""Answers over moments against plain Python that tries everything, and questions that cannot be read."""

import itertools
import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketing.kernels.ask import MAX_STEPS, Funnel, QuestionError, as_json, read_question, reads_events
from marketing.kernels.ask_answers import Moments, first_day, funnel, histogram, nice_edges, paths, periods, retention

ROWS = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 12)), max_size=9)


def moments(rows) -> Moments:
    return Moments(np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], np.int64))


# ── funnel ───────────────────────────────────────────────────────────────────────────────────────────────────────
def ways_through(steps, person, within, later):
    """Every chain of one person through the first k steps, for every k."""
    times = [[at for who, at in rows if who == person] for rows in steps]
    for k in range(1, len(steps) + 1):
        chains = [
            chain
            for chain in itertools.product(*times[:k])
            if all(b > a if later[i + 1] else b >= a for i, (a, b) in enumerate(itertools.pairwise(chain)))
            and chain[-1] - chain[0] <= within
        ]
        yield k, chains


@settings(max_examples=150)
@given(steps=st.lists(ROWS, min_size=2, max_size=4), within=st.integers(0, 12), later=st.lists(st.booleans(), min_size=4, max_size=4))
def test_a_funnel_is_what_trying_every_chain_gives(steps, within, later):
    counts, quickest = [0] * len(steps), [[] for _ in steps]
    n_open = 0
    for person in range(1, 5):
        through = False
        for k, chains in ways_through(steps, person, within, later):
            if chains:
                counts[k - 1] += 1
                quickest[k - 1].append(min(chain[-1] - chain[0] for chain in chains))
                through = k == len(steps)
        starts = [at for who, at in steps[0] if who == person]
        n_open += bool(starts) and not through and max(starts) > 12 - within
    answer = funnel([moments(rows) for rows in steps], within, later, 12)
    assert answer.counts == counts and answer.n_open == n_open
    for ours, all_of_them in zip(answer.median_ms, quickest, strict=True):
        assert ours == np.median(all_of_them) if all_of_them else np.isnan(ours)


def test_a_later_start_may_finish_what_an_earlier_one_cannot():
    steps = [moments([(1, 0), (1, 100)]), moments([(1, 50), (1, 105)]), moments([(1, 108)])]
    assert funnel(steps, 10, [True] * 3, 200).counts == [1, 1, 1]


def test_times_too_far_apart_for_the_key_are_refused():
    people = np.arange(2**20, dtype=np.int64)
    start = Moments(people, np.zeros(2**20, np.int64))
    with pytest.raises(ValueError, match="too far apart"):
        funnel([start, Moments(people[:1], np.array([2**45]))], 10, [True, True], 0)


# ── retention ────────────────────────────────────────────────────────────────────────────────────────────────────
DAYS = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 130)), max_size=14)


@pytest.mark.parametrize("unit", ["week", "month"])
@settings(max_examples=80)
@given(first=DAYS, again=DAYS)
def test_retention_is_what_counting_people_one_by_one_gives(unit, first, again):
    epoch, n = date(2026, 1, 1), 4

    def ms(day):
        return int((datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)).timestamp() * 1000)

    def period(day):
        on = epoch + timedelta(days=day)
        return on.year * 12 + on.month if unit == "month" else (on - timedelta(days=on.weekday())).toordinal() // 7

    now = period(130)
    sizes, back = [0] * n, [[0] * n for _ in range(n)]
    for person in range(1, 5):
        starts = [day for who, day in first if who == person]
        if not starts or not now - n <= (began := period(min(starts))) < now:
            continue
        sizes[began - now + n] += 1
        for after in {period(day) - began for who, day in again if who == person and period(day) < now}:
            if 1 <= after <= n:
                back[began - now + n][after - 1] += 1
    expected = [[back[c][k] if c + k + 1 < n else -1 for k in range(n)] for c in range(n)]
    shift = [(who, ms(day)) for who, day in first], [(who, ms(day)) for who, day in again]
    answer = retention(moments(shift[0]), moments(shift[1]), unit, n, ms(130), 8 * 3_600_000)
    assert answer.sizes.tolist() == sizes and answer.back.tolist() == expected


def test_weeks_begin_on_monday_and_months_on_their_first_in_local_time():
    late_sunday = int(datetime(2026, 11, 22, 15, 59, tzinfo=UTC).timestamp() * 1000)  # 23:59 in Shanghai
    for unit, day in (("week", "2026-11-16"), ("month", "2026-11-01")):
        place = periods(np.array([late_sunday, late_sunday + 60_000]), unit, 8 * 3_600_000)
        assert str(first_day(int(place[0]), unit)) == day
        assert place[1] - place[0] == (unit == "week")


# ── paths ────────────────────────────────────────────────────────────────────────────────────────────────────────
SEEN = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 12), st.integers(0, 2)), max_size=12)


@settings(max_examples=150)
@given(around=ROWS, seen=SEEN, within=st.integers(1, 12), depth=st.integers(1, 3), is_before=st.booleans(), own=st.integers(-1, 2))
def test_paths_are_what_walking_each_persons_rows_gives(around, seen, within, depth, is_before, own):
    counts = {}
    for person in {who for who, _ in around}:
        start = min(at for who, at in around if who == person)
        sign = -1 if is_before else 1
        near = sorted((sign * (at - start), code) for who, at, code in seen if who == person and 0 < sign * (at - start) <= within)
        way, last = [], own
        for _, code in near:
            if code != last and len(way) < depth:
                way.append(code)
            last = code
        counts[tuple(way)] = counts.get(tuple(way), 0) + 1
    rows = Moments(np.array([row[0] for row in seen], np.int64), np.array([row[1] for row in seen], np.int64))
    answer = paths(moments(around), rows, np.array([row[2] for row in seen], np.int64), own, within, depth, is_before)
    assert dict(answer.ways) == counts
    assert answer.n_people == sum(counts.values())


# ── distribution ─────────────────────────────────────────────────────────────────────────────────────────────────
@settings(max_examples=80)
@given(values=st.lists(st.floats(-1e9, 1e12), max_size=60), is_whole=st.booleans())
def test_a_histogram_counts_everybody_once_between_rising_edges(values, is_whole):
    edges = nice_edges(np.array(values), is_whole=is_whole)
    assert edges == sorted(set(edges)) and len(edges) <= 25
    counts = histogram(np.array(values), edges)
    bounds = [-np.inf, *edges, np.inf]
    assert counts.tolist() == [sum(low <= value < high for value in values) for low, high in itertools.pairwise(bounds)]


def test_amounts_with_a_long_tail_get_edges_at_one_two_and_five():
    values = np.random.default_rng(1).lognormal(10, 2, 5_000)
    edges = nice_edges(values)
    assert len(edges) >= 4 and all(round(edge / 10.0 ** np.floor(np.log10(edge) + 1e-9), 6) in {1, 2, 5} for edge in edges)
    assert nice_edges(np.full(20, 3.0)) == [] and nice_edges(np.zeros(0)) == []


# ── questions ────────────────────────────────────────────────────────────────────────────────────────────────────
TWO = [{"event": "home"}, {"fact": "order"}]
FUNNEL = {"kind": "funnel", "steps": TWO, "within_days": 7, "days": 30}


@pytest.mark.parametrize(
    "question",
    [
        FUNNEL,
        {"kind": "retention", "start": {"fact": "joined"}, "again": {"event": "home"}, "unit": "week", "n_periods": 8},
        {"kind": "path", "around": {"fact": "order"}, "direction": "before"},
        {"kind": "distribution", "field": "assets_minor", "by": "dormancy", "segment": 4},
    ],
)
def test_a_question_is_stored_as_json_and_reads_back_the_same(question):
    read = read_question(json.dumps(question))
    assert read_question(as_json(read)) == read == read_question(json.loads(json.dumps(as_json(read))))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("{", "not_json"),
        ("[" * 100_000, "too_long"),
        ("[" * 3_000, "not_json"),
        ("null", "not_valid"),
        ({}, "not_valid"),
        ({"kind": "pie"}, "not_valid"),
        (FUNNEL | {"steps": []}, "not_valid"),
        (FUNNEL | {"steps": TWO[:1]}, "not_valid"),
        (FUNNEL | {"steps": TWO * 25}, "not_valid"),
        (FUNNEL | {"within_days": -1}, "not_valid"),
        (FUNNEL | {"within_days": "7"}, "not_valid"),
        (FUNNEL | {"days": 10**9}, "not_valid"),
        (FUNNEL | {"segment": 0}, "not_valid"),
        (FUNNEL | {"steps": [{"event": "a", "fact": "order"}, *TWO]}, "not_valid"),
        (FUNNEL | {"steps": [{"fact": "order", "where": {"a": "b"}}, *TWO]}, "not_valid"),
        (FUNNEL | {"steps": [{"fact": "bribe"}, *TWO]}, "not_valid"),
        (FUNNEL | {"steps": [{"event": "a\0b"}, *TWO]}, "not_valid"),
        (FUNNEL | {"sql": "DROP TABLE"}, "not_valid"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_code(data, code):
    with pytest.raises(QuestionError) as refused:
        read_question(data)
    assert refused.value.code == code


def test_questions_over_facts_alone_need_no_consent_to_profiling():
    assert not reads_events(Funnel(steps=[{"fact": "joined"}, {"fact": "order"}], within_days=1, days=1))
    assert reads_events(read_question(FUNNEL)) and reads_events(read_question({"kind": "path", "around": {"fact": "order"}}))
    assert MAX_STEPS >= 5
