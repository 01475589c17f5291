"""One contract, every model: two tastes, two halves of the items, and what each person has not touched yet of their own."""

import numpy as np
import pytest
import scipy.sparse as sp

from marketing.kernels.recommenders.als import Als, AlsSettings
from marketing.kernels.recommenders.blend import Blend
from marketing.kernels.recommenders.bpr import Bpr, BprSettings
from marketing.kernels.recommenders.contract import BASELINES
from marketing.kernels.recommenders.ease import Ease, EaseSettings
from marketing.kernels.recommenders.neighbours import ItemNeighbours, NeighbourSettings
from marketing.kernels.recommenders.popularity import LevelPopularity, Popularity, RecentPopularity
from marketing.kernels.recommenders.ranking import best_columns
from marketing.kernels.recommenders.registry import candidates

N_USERS, N_ITEMS, HALF = 60, 12, 6
EASE = EaseSettings(regularization=5.0)
PERSONAL = {
    "item_cosine": lambda: ItemNeighbours("cosine"),
    "item_tfidf": lambda: ItemNeighbours("tfidf"),
    "item_bm25": lambda: ItemNeighbours("bm25"),
    "ease": lambda: Ease(EASE),
    "als": lambda: Als(AlsSettings(factors=2), seed=7),
    "bpr": lambda: Bpr(BprSettings(factors=8, iterations=300, learning_rate=0.05), seed=7),
    "blend": lambda: Blend([(1.0, Ease(EASE)), (0.5, Als(AlsSettings(factors=2), seed=7))]),
}
UNKNOWING = {
    "popularity": Popularity,
    "level_popularity": lambda: LevelPopularity(np.ones(N_USERS, np.int64)),
    "recent_popularity": lambda: RecentPopularity(np.arange(N_ITEMS, dtype=np.float32)),
}
MODELS = UNKNOWING | PERSONAL


@pytest.fixture(scope="module")
def matrix():
    random = np.random.default_rng(1)
    dense = np.zeros((N_USERS, N_ITEMS), dtype=np.float32)
    for user in range(N_USERS):
        taste = np.arange(HALF) + (HALF if user % 2 else 0)
        dense[user, random.choice(taste, 4, replace=False)] = 1
    return sp.csr_matrix(dense)


@pytest.fixture(scope="module", params=list(MODELS))
def model(request, matrix):
    model = MODELS[request.param]()
    model.fit(matrix)
    return model


@pytest.fixture(params=list(MODELS))
def fresh(request):
    """A model that fits no particular number of items."""
    if request.param in ("recent_popularity", "level_popularity"):
        pytest.skip("what it goes by comes from outside, one an item or a person")
    return MODELS[request.param]()


def ranked(model, matrix, n, allowed=None):
    return model.rank(np.arange(matrix.shape[0]), matrix, n=n, allowed=np.arange(matrix.shape[1]) if allowed is None else allowed)


def finds_its_taste(model) -> bool:
    """Whether item 0 is more like one of its own half than like one of the other."""
    own, other = model.alike(np.array([0, 0]), np.array([3, 9]))
    return own > max(other, 0)


def test_every_name_of_the_registry_is_that_of_its_model():
    made = {name: make() for name, make in candidates(1, recent=np.ones(3, np.float32), levels=np.ones(3, np.int64)).items()}
    assert {name: model.name for name, model in made.items()} == {name: name for name in MODELS}
    assert set(BASELINES) - candidates(1).keys() == {"recent_popularity", "level_popularity"}


@pytest.mark.parametrize("name", list(PERSONAL))
def test_it_finds_what_is_missing_from_each_taste(matrix, name):
    model = PERSONAL[name]()
    model.fit(matrix)
    ranking = ranked(model, matrix, 2)
    right = [(ranking.items[user] >= HALF).all() == bool(user % 2) for user in range(N_USERS)]
    assert np.mean(right) > 0.95


def test_no_pairs_are_alike_in_no_way(model):
    nobody = np.zeros(0, np.int64)
    assert model.alike(nobody, nobody).shape == (0,)


def test_it_never_leaves_what_is_allowed(model, matrix):
    assert set(ranked(model, matrix, 10, np.array([8, 1])).items.ravel()) <= {-1, 1, 8}


def test_it_never_repeats_what_was_touched_nor_one_item_twice(model, matrix):
    ranking = ranked(model, matrix, N_ITEMS)
    for user in range(N_USERS):
        found = ranking.items[user][ranking.items[user] >= 0]
        assert sorted([*found, *matrix[user].indices]) == list(range(N_ITEMS))


def test_more_than_is_allowed_is_padded_at_the_end_with_marks_that_score_nothing(model, matrix):
    ranking = ranked(model, matrix, 40, np.array([0, 5, 7]))
    assert ranking.items.shape == ranking.scores.shape == (N_USERS, 40)
    assert (ranking.items.dtype, ranking.scores.dtype) == (np.int64, np.float32)
    assert (np.diff((ranking.items >= 0).astype(int), axis=1) <= 0).all()
    assert (ranking.scores[ranking.items == -1] == 0).all() and np.isfinite(ranking.scores).all()


def test_scores_fall_along_a_row_and_equal_ones_stand_by_column(model, matrix):
    ranking = ranked(model, matrix, 5)
    for items, scores in zip(ranking.items, ranking.scores, strict=True):
        real = items >= 0
        step, next_column = np.diff(scores[real]), np.diff(items[real])
        assert (step <= 0).all() and (next_column[step == 0] > 0).all()


def test_fewer_are_the_beginning_of_more(model, matrix):
    assert (ranked(model, matrix, 3).items == ranked(model, matrix, 7).items[:, :3]).all()


def test_people_are_ranked_alike_in_any_order_and_company(model, matrix):
    rows = np.array([41, 3, 3, 17])
    alone = model.rank(rows, matrix, n=4, allowed=np.arange(N_ITEMS))
    assert (alone.items == ranked(model, matrix, 4).items[rows]).all()


def test_blocks_do_not_show(model, matrix, monkeypatch):
    whole = ranked(model, matrix, 4)
    monkeypatch.setattr("marketing.kernels.recommenders.ranking.CELLS_A_BLOCK", 30)
    assert (ranked(model, matrix, 4).items == whole.items).all()


@pytest.mark.parametrize("n, allowed", [(5, []), (0, [1, 2])])
def test_nothing_asked_or_allowed_gives_nothing(model, matrix, n, allowed):
    ranking = ranked(model, matrix, n, np.array(allowed, dtype=np.int64))
    assert ranking.items.shape == (N_USERS, n) and (ranking.items == -1).all()


def test_nobody_to_rank_for_gives_no_rows(model, matrix):
    assert model.rank(np.array([], dtype=np.int64), matrix, n=3, allowed=np.arange(N_ITEMS)).items.shape == (0, 3)


@pytest.mark.parametrize("name", list(MODELS))
def test_the_same_seed_ranks_alike(matrix, name):
    first, second = (MODELS[name]() for _ in range(2))
    first.fit(matrix)
    second.fit(matrix)
    one, two = ranked(first, matrix, 6), ranked(second, matrix, 6)
    assert (one.items == two.items).all() and (one.scores == two.scores).all()


def test_als_ranks_alike_on_any_number_of_threads(matrix):
    one, two = (Als(AlsSettings(factors=3), seed=5, threads=n) for n in (1, 2))
    one.fit(matrix)
    two.fit(matrix)
    assert (one.item_factors == two.item_factors).all() and (one.user_factors == two.user_factors).all()


def test_fit_leaves_the_matrix_as_it_was(fresh, matrix):
    before = matrix.copy()
    fresh.fit(matrix)
    assert (before != matrix).nnz == 0 and before.nnz == matrix.nnz


def test_the_reason_is_something_of_the_same_taste(matrix):
    for make in PERSONAL.values():
        model = make()
        model.fit(matrix)
        assert finds_its_taste(model), model.name


@pytest.mark.parametrize("name", list(UNKNOWING))
def test_that_many_touched_it_is_never_a_reason(matrix, name):
    model = UNKNOWING[name]()
    model.fit(matrix)
    assert model.alike(np.array([0, 0]), np.array([3, 9])).tolist() == [0, 0]


def test_settings_are_plain_json(model):
    import json

    assert json.loads(json.dumps(model.as_json())) == model.as_json()


# Bad input


@pytest.mark.parametrize("bad, word", [(np.nan, "finite"), (np.inf, "finite"), (-0.5, "negative")])
def test_impossible_confidences_are_refused(fresh, matrix, bad, word):
    wrong = matrix.copy()
    wrong.data[3] = bad
    with pytest.raises(ValueError, match=word):
        fresh.fit(wrong)


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (5, 7)])
def test_nothing_known_proposes_nothing(fresh, shape):
    empty = sp.csr_matrix(shape, dtype=np.float32)
    fresh.fit(empty)
    ranking = ranked(fresh, empty, 3)
    assert ranking.items.shape == (shape[0], 3) and (ranking.items == -1).all()
    assert fresh.alike(np.array([0]), np.array([1])).tolist() == [0]


@pytest.mark.parametrize("dense", [[[1]], [[1, 1, 1]], [[1], [1]], [[1, 1], [1, 1], [1, 1]]])
def test_people_who_touched_everything_are_offered_nothing(fresh, dense):
    """One person and one item, one person, one item, and all alike."""
    full = sp.csr_matrix(np.array(dense, dtype=np.float32))
    fresh.fit(full)
    assert (ranked(fresh, full, 4).items == -1).all()


def test_items_nobody_touched_are_not_proposed_and_stored_zeros_are_no_touch(fresh, matrix):
    zeros = sp.csr_matrix((np.zeros(N_USERS, np.float32), (np.arange(N_USERS), np.zeros(N_USERS, int))), shape=(N_USERS, 2))
    wider = sp.csr_matrix(sp.hstack([matrix, zeros]), dtype=np.float32)
    fresh.fit(wider)
    assert ranked(fresh, wider, 20).items.max() < N_ITEMS


def test_a_person_without_a_history_gets_what_is_popular_or_nothing(fresh, matrix):
    longer = sp.csr_matrix(sp.vstack([matrix, sp.csr_matrix((1, N_ITEMS))]), dtype=np.float32)
    fresh.fit(longer)
    assert (ranked(fresh, longer, 3).items[-1] >= 0).all() == (not fresh.is_personal)


def test_another_matrix_than_that_of_fit_is_refused(model, matrix):
    with pytest.raises(ValueError, match="fitted on"):
        model.rank(np.array([0]), sp.csr_matrix((N_USERS, N_ITEMS + 1)), n=1, allowed=np.array([0]))


def test_a_person_who_touched_ten_thousand_items(fresh):
    """Everybody else touches a few of the same; one item is left for the busy one."""
    random = np.random.default_rng(4)
    n_items = 10_001
    busy = np.arange(n_items - 1)
    rows, columns = [np.zeros(len(busy), np.int64)], [busy]
    for user in range(1, 12):
        rows.append(np.full(4, user))
        columns.append(np.append(random.choice(50, 3, replace=False), n_items - 1))
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    wide = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(12, n_items))
    if fresh.name == "blend":
        fresh = Blend([(1.0, ItemNeighbours("cosine", NeighbourSettings(neighbours=20)))])
    elif fresh.name == "ease":
        fresh = Ease(EaseSettings(most_items=300))
    fresh.fit(wide)
    ranking = ranked(fresh, wide, 3)
    assert ranking.items[0].tolist() == [n_items - 1, -1, -1]
    assert (ranking.items[1:] >= 0).all()


# What each model is


def test_popularity_is_the_sum_of_confidences():
    model = Popularity()
    matrix = sp.csr_matrix(np.array([[5, 0, 0, 1], [0, 2, 2, 0], [0, 0, 0, 0]], np.float32))
    model.fit(matrix)
    assert ranked(model, matrix, 4).items[2].tolist() == [0, 1, 2, 3]
    assert ranked(model, matrix, 4).items[0].tolist() == [1, 2, -1, -1]


def test_popularity_by_level_counts_only_people_of_ones_own(matrix):
    levels = np.arange(N_USERS) % 2 * 3  # 0: none
    model = LevelPopularity(levels)
    model.fit(matrix)
    for user, items in enumerate(ranked(model, matrix, 3).items):
        counts = np.asarray(matrix[levels == levels[user]].sum(axis=0)).ravel()
        counts[matrix[user].indices] = -1
        assert items.tolist() == np.argsort(-counts, kind="stable")[:3].tolist()
    with pytest.raises(ValueError, match="levels"):
        LevelPopularity(np.ones(3, np.int64)).fit(matrix)


def test_factors_that_did_not_converge_are_refused(matrix, monkeypatch):
    model = Als(AlsSettings(factors=2), seed=7)
    plain = Als._learn
    monkeypatch.setattr(Als, "_learn", lambda self, values: (plain(self, values), self.item_factors.fill(np.nan)))
    with pytest.raises(ArithmeticError, match="als did not converge"):
        model.fit(matrix)


def test_recent_popularity_goes_by_its_own_weights(matrix):
    model = RecentPopularity(np.arange(N_ITEMS, dtype=np.float32))
    model.fit(matrix)
    for user, items in enumerate(ranked(model, matrix, 3).items):
        assert items.tolist() == np.setdiff1d(np.arange(N_ITEMS), matrix[user].indices)[::-1][:3].tolist()
    with pytest.raises(ValueError, match="weights"):
        RecentPopularity(np.ones(3, np.float32)).fit(matrix)
    with pytest.raises(ValueError, match="finite"):
        RecentPopularity(np.array([1, np.nan], np.float32))


def test_ease_is_its_closed_form(matrix):
    settings = EaseSettings(regularization=5.0, dropout=0.0)
    model = Ease(settings)
    model.fit(matrix)
    dense = matrix.toarray().astype(np.float64)
    inverse = np.linalg.inv(dense.T @ dense + 5 * np.eye(N_ITEMS))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    assert np.allclose(model.weights, weights, atol=1e-5)
    ranking, scores = ranked(model, matrix, 4), dense @ weights
    assert np.allclose(ranking.scores, np.take_along_axis(scores, ranking.items, axis=1), atol=1e-5)


def test_ease_does_not_mind_the_unit_of_the_confidences(matrix):
    one, other = Ease(EASE), Ease(EASE)
    one.fit(matrix)
    other.fit(matrix * 1000)
    assert np.allclose(one.weights, other.weights, atol=1e-5)


def test_cosine_neighbours_are_the_cosine_of_columns(matrix):
    model = ItemNeighbours("cosine")
    model.fit(matrix)
    dense = matrix.toarray()
    unit = dense / np.linalg.norm(dense, axis=0)
    left, right = np.array([0, 2, 7]), np.array([1, 5, 11])
    assert np.allclose(model.alike(left, right), (unit[:, left] * unit[:, right]).sum(axis=0), atol=1e-6)


@pytest.mark.parametrize("weighting", ["tfidf", "bm25"])
def test_who_touches_everything_says_little(weighting):
    """Items 0 and 1 share a choosy person, 0 and 2 one who touched nearly all."""
    dense = np.zeros((4, 8), np.float32)
    dense[0, [0, 1]] = 1
    dense[1, [0, 2, 3, 4, 5, 6, 7]] = 1
    dense[2, [1, 3]] = dense[3, [2, 4]] = 1
    model = ItemNeighbours(weighting)
    model.fit(sp.csr_matrix(dense))
    to_choosy, to_busy = model.alike(np.array([0, 0]), np.array([1, 2]))
    assert to_choosy > 2 * to_busy > 0


def test_a_blend_of_one_ranks_as_it_does(matrix):
    alone, blended = ItemNeighbours("cosine"), Blend([(0.3, ItemNeighbours("cosine"))])
    alone.fit(matrix)
    blended.fit(matrix)
    assert np.mean(ranked(alone, matrix, 3).items == ranked(blended, matrix, 3).items) > 0.99


@pytest.mark.parametrize("name", ["als", "bpr"])
def test_factors_that_were_kept_rank_as_the_model_that_learned_them(matrix, name):
    model, again = PERSONAL[name](), PERSONAL[name]()
    model.fit(matrix)
    again.restore(model.user_factors, model.item_factors, touched=model.known)
    assert (ranked(again, matrix, 5).items == ranked(model, matrix, 5).items).all()
    assert finds_its_taste(again)
    with pytest.raises(ValueError, match="factors"):
        again.restore(model.user_factors, model.item_factors[:, :1], touched=model.known)


def test_the_best_columns_are_those_of_a_plain_sort():
    random = np.random.default_rng(8)
    for width in (1, 2, 9, 40):
        scores = random.integers(0, 6, (200, width)).astype(np.float32)  # full of equals
        scores[random.random(scores.shape) < 0.3] = -np.inf
        for n in (1, 3, 9, 50):
            places, values = best_columns(scores, n)
            for row in range(len(scores)):
                order = np.argsort(-scores[row], kind="stable")[:n]
                wanted = np.where(np.isfinite(scores[row][order]), order, -1)
                assert places[row].tolist() == wanted.tolist()
                assert values[row].tolist() == np.where(wanted >= 0, scores[row][order], 0).tolist()
