"""Nights of the recommender for its tests: a small market, few candidates, and some that know nothing."""

from datetime import timedelta

import numpy as np
import pytest
import scipy.sparse as sp
from django.utils import timezone

from benchmarks.recommender_world import write_night
from marketing.kernels.recommenders.registry import candidates
from marketing.kernels.recommenders.spark import SparkUnavailableError
from marketing.models import Event, FollowedFund, RecommenderRun, Suggestion
from marketing.services import execute_training, recommender_serving, recommender_training, request_training
from portfolios.models import Order

N_INVESTORS, N_FUNDS, N_EVENTS, N_DAYS = 200, 100, 3_000, 100
N_KNOWN = N_INVESTORS - 1  # one of them, by the seed, never looked at anything
FEW = ("popularity", "item_cosine", "als")


@pytest.fixture
def market(db, monkeypatch):
    """People with tastes, some looks and purchases, approved plans; and few candidates, so that a night is short."""
    write_night(N_INVESTORS, N_FUNDS, N_EVENTS, seed=3, kinds=10, days=N_DAYS)
    compete(monkeypatch, *FEW)


def compete(monkeypatch, *names: str, **others) -> None:
    """Let only these models compete tonight, and some of the test's own."""

    def some(seed, **extra):
        every = candidates(seed, **extra)
        return {name: every[name] for name in names} | others

    for module in (recommender_training, recommender_serving):
        monkeypatch.setattr(module, "candidates", some)


def train() -> RecommenderRun:
    run = request_training()
    assert execute_training(run.pk)
    run.refresh_from_db()
    return run


def lapse(run: RecommenderRun) -> None:
    """The worker is gone, and so is its lease."""
    RecommenderRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def served() -> list[tuple]:
    rows = Suggestion.objects.filter(run__is_serving=True).order_by("investor", "rank")
    return list(rows.values_list("run", "investor", "fund", "rank"))


def lose_the_history() -> None:
    """Nobody did anything that a night reads."""
    Event.objects.all().delete()
    FollowedFund.objects.all().delete()
    Order.objects.update(placed_at=timezone.now() - timedelta(days=5_000))


class Dies:
    """A worker that goes away in the middle: what has been written stays, and its lease runs out."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, *args, **kwargs):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


class Shuffled:
    """A model that learned from pairs of which nobody knows whose they were."""

    name = "shuffled"

    def __init__(self, make):
        self._model = make()

    def fit(self, matrix):
        pairs = matrix.tocoo()
        column = np.random.default_rng(1).permutation(pairs.col)
        self._model.fit(sp.csr_matrix((pairs.data, (pairs.row, column)), shape=matrix.shape))

    def __getattr__(self, name):
        return getattr(self._model, name)


class Twin:
    """Popularity under another name."""

    name = "twin"

    def __init__(self, make):
        self._model = make()

    def __getattr__(self, name):
        return getattr(self._model, name)


class Unavailable(Twin):
    """A model that cannot be trained, as ALS while Spark is away."""

    def fit(self, matrix):
        raise SparkUnavailableError("there is no cluster")
