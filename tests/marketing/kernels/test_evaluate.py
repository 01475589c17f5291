"""Figures of a ranking against hand-made numbers and a plain reading; and the guard that lets nothing through by chance."""

import math

import numpy as np
import pytest
import scipy.sparse as sp

from marketing.kernels.evaluate import average_precision, bootstrap_difference, evaluate, hits_of, ndcg, promotion
from marketing.kernels.recommenders.contract import Ranking
from marketing.kernels.recommenders.neighbours import ItemNeighbours
from marketing.kernels.recommenders.popularity import Popularity


class Fixed:
    """Ranks what it was told to."""

    name = "fixed"

    def __init__(self, lists):
        self.lists = np.array(lists, dtype=np.int64)

    def rank(self, rows, matrix, *, n, allowed):
        return Ranking(self.lists[rows][:, :n], np.zeros((len(rows), n), np.float32))


def pairs(shape, *entries):
    found = sp.lil_matrix(shape, dtype=np.float32)
    for row, column in entries:
        found[row, column] = 1
    return found.tocsr()


def two_tastes(n_people=300, n_items=40, seed=3):
    """Training and test of people who each have one of two tastes, and touch a fourth of its items in each."""
    random = np.random.default_rng(seed)
    train, test = np.zeros((2, n_people, n_items), np.float32)
    for person in range(n_people):
        own = random.permutation(np.arange(n_items // 2) + n_items // 2 * (person % 2))
        train[person, own[:5]] = test[person, own[5:10]] = 1
    return sp.csr_matrix(train), sp.csr_matrix(test)


def figures(make, train, test):
    model = make()
    model.fit(train)
    return evaluate(model, train, test).ndcg


def test_figures_of_one_list_by_hand():
    """Of three wanted items the first and third of a list of four are hits."""
    hits, wanted = np.array([[True, False, True, False]]), np.array([3])
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert ndcg(hits, wanted) == pytest.approx([(1 + 1 / 2) / ideal])
    assert average_precision(hits, wanted) == pytest.approx([(1 + 2 / 3) / 3])


def test_the_ideal_is_cut_at_the_length_of_the_list():
    assert ndcg(np.array([[True, True]]), np.array([50])) == pytest.approx([1])
    assert average_precision(np.array([[True, True]]), np.array([50])) == pytest.approx([1])


def test_a_mark_for_no_item_is_never_a_hit():
    """Not even for someone after a person who wants the last column."""
    wanted = pairs((2, 3), (0, 2), (1, 0))
    assert hits_of(np.array([[-1, 2], [-1, 0]]), wanted).tolist() == [[False, True], [False, True]]


def test_figures_of_a_model_by_hand():
    train = pairs((4, 5), (0, 0), (1, 0), (2, 1), (3, 2), (3, 4))
    test = pairs((4, 5), (0, 1), (1, 1), (1, 2))
    found = evaluate(Fixed([[1, 2], [3, 2], [0, 0], [0, 0]]), train, test, n=2)
    assert found.rows.tolist() == [0, 1]  # people without a test item are left out
    gain = 1 / math.log2(3)
    assert found.ndcg == pytest.approx([1, gain / (1 + gain)])
    assert found.recall == pytest.approx([1, 0.5])
    assert found.average_precision == pytest.approx([1, 0.25])


def test_coverage_novelty_and_diversity_by_hand():
    train = pairs((4, 5), (0, 0), (1, 0), (2, 1), (3, 2), (3, 1))
    test = pairs((4, 5), (0, 1), (1, 1))
    found = evaluate(Fixed([[1, 2], [1, -1], [0, 0], [0, 0]]), train, test, n=2)
    assert found.coverage == pytest.approx(2 / 3)  # items 1 and 2 of the three that somebody had touched
    assert found.novelty == pytest.approx((1 + 2 + 1) / 3)  # touched by 2, 1 and 2 of 4 people
    assert found.diversity == pytest.approx(1 - 1 / math.sqrt(2))  # one list has a pair: touched by {2, 3} and {3}
    vectors = np.array([[0, 0], [1, 0], [1, 1], [0, 0], [0, 0]], np.float32)
    assert evaluate(Fixed([[1, 2]] * 4), train, test, n=2, vectors=vectors).diversity == pytest.approx(1 - 1 / math.sqrt(2))


def test_roi_is_the_mean_return_of_a_list_as_far_as_it_is_known():
    train, test = pairs((4, 5), (0, 0), (1, 0), (2, 3)), pairs((4, 5), (0, 1), (1, 1), (2, 4))
    returns = np.array([0.9, 0.02, -0.01, np.nan, np.nan])
    found = evaluate(Fixed([[1, 2], [3, 2], [3, -1], [0, 0]]), train, test, n=2, returns=returns)
    assert found.roi == pytest.approx([0.005, -0.01])  # the third list holds nothing of which a return is known
    assert found.as_json()["roi@2"]["mean"] == pytest.approx(-0.0025)
    assert "roi@2" not in evaluate(Fixed([[1, 2]] * 4), train, test, n=2, returns=np.full(5, np.nan)).as_json()


def test_figures_are_those_of_a_plain_reading():
    random = np.random.default_rng(5)
    train = sp.random(80, 30, 0.1, format="csr", random_state=6, dtype=np.float32)
    drawn = sp.random(80, 30, 0.15, format="csr", random_state=7, dtype=np.float32).toarray()
    test = sp.csr_matrix(np.where(train.toarray() > 0, 0, drawn))
    lists = np.array([random.permutation(30)[:7] for _ in range(80)])
    lists[::9, 4:] = -1
    found = evaluate(Fixed(lists), train, test, n=7)
    for place, row in enumerate(found.rows):
        wanted, dcg, precision, n_hits = set(test[row].indices), 0.0, 0.0, 0
        for rank, item in enumerate(lists[row], start=1):
            if item in wanted:
                n_hits += 1
                dcg += 1 / math.log2(rank + 1)
                precision += n_hits / rank
        most = min(len(wanted), 7)
        assert found.ndcg[place] == pytest.approx(dcg / sum(1 / math.log2(rank + 1) for rank in range(1, most + 1)))
        assert found.average_precision[place] == pytest.approx(precision / most)
        assert found.recall[place] == pytest.approx(n_hits / len(wanted))
    columns = train.toarray() > 0
    unlikeness = []
    for row in found.rows:
        kept = [item for item in lists[row] if item >= 0]
        alike = [_cosine(columns[:, a], columns[:, b]) for a in kept for b in kept if a != b]
        unlikeness.append(1 - np.mean(alike))
    assert found.diversity == pytest.approx(np.mean(unlikeness))


def _cosine(a, b):
    return (a & b).sum() / math.sqrt(max(a.sum() * b.sum(), 1))


def test_the_report_has_means_with_their_intervals():
    train, test = two_tastes()
    model = Popularity()
    model.fit(train)
    found = evaluate(model, train, test, n=5)
    told = found.as_json()
    assert list(told) == ["ndcg@5", "recall@5", "map@5", "coverage", "novelty", "diversity"]
    assert told["ndcg@5"]["low"] < told["ndcg@5"]["mean"] == found.ndcg.mean() < told["ndcg@5"]["high"]
    assert told == evaluate(model, train, test, n=5).as_json()


def test_matrices_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="people x items"):
        evaluate(Fixed([[0]]), sp.csr_matrix((1, 2)), sp.csr_matrix((1, 3)))


def test_the_interval_of_a_difference_is_that_of_the_normal_law_for_many_people():
    random = np.random.default_rng(2)
    a, b = random.normal(0.31, 1, 4000), random.normal(0.3, 1, 4000)
    mean, low, high = bootstrap_difference(a, b, 9)
    wide = 1.96 * (a - b).std() / math.sqrt(4000)
    assert mean == pytest.approx((a - b).mean())
    assert (mean - low, high - mean) == (pytest.approx(wide, rel=0.1), pytest.approx(wide, rel=0.1))
    assert bootstrap_difference(a, b, 9) == (mean, low, high) != bootstrap_difference(a, b, 10)


def test_people_who_cannot_be_paired_are_refused():
    with pytest.raises(ValueError, match="paired"):
        bootstrap_difference(np.ones(3), np.ones(4), 1)
    with pytest.raises(ValueError, match="nobody"):
        bootstrap_difference(np.ones(0), np.ones(0), 1)


def test_what_beats_popularity_may_serve():
    train, test = two_tastes()
    found = promotion(figures(lambda: ItemNeighbours("cosine"), train, test), figures(Popularity, train, test), None)
    assert (found.promoted, found.code, found.vs_serving) == (True, "better", None)
    assert 0 < found.vs_popularity[1] < found.vs_popularity[0] < found.vs_popularity[2]


def test_a_model_that_learned_from_shuffled_interactions_may_not():
    train, test = two_tastes()
    for seed in range(5):
        shuffled = train.copy()
        shuffled.indices = np.random.default_rng(seed).permutation(train.indices)
        shuffled.sum_duplicates()
        model = ItemNeighbours("cosine")
        model.fit(shuffled)
        found = promotion(evaluate(model, shuffled, test).ndcg, figures(Popularity, train, test), None)
        assert not found.promoted and found.code != "better"


def test_a_model_equal_to_popularity_may_not():
    train, test = two_tastes()
    popularity = figures(Popularity, train, test)
    assert promotion(popularity, popularity, None).code == "ties_with_popularity"
    assert not promotion(popularity, popularity, None).promoted


@pytest.mark.parametrize("gain, code", [(0.0, "ties_with_serving"), (-0.1, "worse_than_serving"), (0.1, "better")])
def test_what_serves_stays_unless_it_is_beaten(gain, code):
    random = np.random.default_rng(1)
    popularity = random.random(500) * 0.2
    serving = popularity + 0.3 + random.normal(0, 0.05, 500)
    candidate = serving + gain + random.normal(0, 0.01, 500) * (gain != 0)
    found = promotion(candidate, popularity, serving)
    assert (found.promoted, found.code) == (gain > 0, code)
    assert found.vs_serving is not None


def test_the_best_of_many_is_judged_by_wider_intervals_than_the_only_one():
    random = np.random.default_rng(4)
    popularity, gain = random.random(900), random.normal(0, 1, 900)
    lucky = popularity + gain - gain.mean() + 2.3 * gain.std() / 30  # 2.3 standard errors above
    alone, best_of_seven = (promotion(lucky, popularity, None, n_candidates=n) for n in (1, 7))
    assert (alone.code, best_of_seven.code) == ("better", "ties_with_popularity")
    assert best_of_seven.vs_popularity[1] < 0 < alone.vs_popularity[1] < alone.vs_popularity[2] < best_of_seven.vs_popularity[2]


def test_what_is_worse_than_popularity_is_told_so():
    worse = promotion(np.full(50, 0.1), np.full(50, 0.2), np.full(50, 0.05))
    assert (worse.promoted, worse.code) == (False, "worse_than_popularity")
