"""Whoever no longer agrees to profiling: what the nights stored of them is deleted, whatever becomes of a night."""

import pytest

from advisor.models import Consent
from marketing.kernels.recommenders.registry import candidates
from marketing.models import InvestorFactors, Suggestion
from marketing.services import execute_training, recommender, recommender_parts, recommender_serving, request_training
from tests.marketing.night_world import Dies, compete, lose_the_history, train

pytestmark = pytest.mark.django_db


def withdraw(investor: int) -> None:
    Consent.objects.create(investor_id=investor, purpose=Consent.Purpose.PROFILING, is_given=False, source="test")


def lying() -> set[tuple[str, int, int]]:
    """What is stored of whom, by which run."""
    return {(rows.__name__, *pair) for rows in (Suggestion, InvestorFactors) for pair in rows.objects.values_list("investor", "run")}


@pytest.mark.parametrize("outcome", ["serves", "refused", "failed", "died"])
def test_who_no_longer_agrees_is_forgotten_by_every_run_whatever_becomes_of_the_night(market, monkeypatch, outcome):
    monkeypatch.setattr(recommender_parts, "ROWS_A_DELETE", 3)
    monkeypatch.setattr(recommender, "PEOPLE_AT_ONCE", 2)
    runs, als = [train(), train()], candidates(42)["als"]().__class__
    gone = sorted({investor for kind, investor, _ in lying() if kind == "Suggestion"})[:5]
    for one in gone[:4]:
        withdraw(one)
    Consent.objects.filter(investor=gone[4]).delete()
    left = {one for one in lying() if one[1] not in gone}
    if outcome == "refused":
        compete(monkeypatch, "popularity")
    elif outcome == "failed":
        lose_the_history()
    elif outcome == "died":
        monkeypatch.setattr(als, "fit", Dies(0))
    run = request_training()
    if outcome == "died":
        with pytest.raises(KeyboardInterrupt):
            execute_training(run.pk)
    else:
        assert execute_training(run.pk)
    run.refresh_from_db()
    assert (run.is_serving, run.status) == (
        outcome == "serves", {"serves": "done", "refused": "done", "failed": "failed", "died": "running"}[outcome]
    )  # fmt: skip
    assert {one for one in lying() if one[2] in {yesterday.pk for yesterday in runs}} == left
    assert not {one[1] for one in lying()} & set(gone)


def test_who_withdraws_while_the_night_is_at_work_is_forgotten_at_its_end(market, monkeypatch):
    suit, asked = recommender_serving.suit_block, []

    def suited(investors, funds):
        asked.extend(investors[:4])
        for one in investors[:4]:
            withdraw(one)
        return suit(investors, funds)

    monkeypatch.setattr(recommender_serving, "suit_block", suited)
    run = train()
    assert run.is_serving and asked and lying()
    assert not {one[1] for one in lying()} & set(asked)
