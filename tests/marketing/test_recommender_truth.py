"""Planted tastes are found in clicks alone, persona by persona; popularity finds none."""

import pytest

from benchmarks.recommender_truth import MODEL, found_by_persona

LEAST_PEOPLE = 30


@pytest.fixture(scope="module")
def found():
    return found_by_persona(800, 7)


def test_most_of_what_is_suggested_is_of_the_kind_each_persona_was_made_to_like(found):
    told = {persona: one for persona, one in found.items() if one["people"] >= LEAST_PEOPLE}
    assert len(told) >= 4
    for persona, one in told.items():
        assert one[MODEL] > 0.5 > 4 * one["chance"], persona


def test_popularity_knows_nobody_s_taste(found):
    people = sum(one["people"] for one in found.values())
    mean = {name: sum(one[name] * one["people"] for one in found.values()) / people for name in ("popularity", "chance", MODEL)}
    assert mean["popularity"] < 2 * mean["chance"] < mean[MODEL]
