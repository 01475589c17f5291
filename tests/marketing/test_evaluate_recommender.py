"""manage.py evaluate_recommender: what it prints, what it does not look at, and files that cannot be used."""

import json
import weakref

import numpy as np
import pytest
import scipy.sparse as sp
from django.core.management import call_command
from django.core.management.base import CommandError

from marketing.kernels.recommenders import tuning
from marketing.kernels.recommenders.popularity import Popularity
from marketing.services import interaction_files
from marketing.services.interaction_files import Histories, compare, read_histories

NAMES = ["popularity", "item_cosine", "item_tfidf", "item_bm25", "ease", "als", "bpr", "blend"]
N_PEOPLE, N_ITEMS = 80, 24


@pytest.fixture(autouse=True)
def few_variants(monkeypatch):
    every = tuning.variants
    monkeypatch.setattr(tuning, "variants", lambda seed, **kwargs: every(seed, is_quick=True))


@pytest.fixture
def rows():
    """(user, item, weight, timestamp) of two tastes; the later half of the file is later in time."""
    random = np.random.default_rng(3)
    found = []
    for person in range(N_PEOPLE):
        own = random.permutation(N_ITEMS // 2) + N_ITEMS // 2 * (person % 2)
        found += [(f"u{person}", f"i{item}", 1 + place % 3, 86_400 * place + person) for place, item in enumerate(own[:9])]
    return found


def write(path, rows, header="user,item,weight,timestamp"):
    path.write_text("\n".join([header, *(",".join(str(cell) for cell in row) for row in rows)]) + "\n", encoding="utf-8")
    return path


def compared(capsys, path, **options):
    call_command("evaluate_recommender", interactions=path, json=True, **options)
    return json.loads(capsys.readouterr().out)


def test_every_model_is_measured_and_the_best_is_named(rows, tmp_path, capsys):
    path = write(tmp_path / "seen.csv", rows)
    found = compared(capsys, path)
    assert list(found["models"]) == NAMES and (found["split"], found["seed"]) == ("per_user", 42)
    for figures in found["models"].values():
        assert all(0 <= figures[metric] <= 1 for metric in ("ndcg@10", "recall@10", "map@10", "coverage", "diversity"))
        assert figures["interval"]["low"] <= figures["ndcg@10"] <= figures["interval"]["high"]
    ndcg = {name: figures["ndcg@10"] for name, figures in found["models"].items()}
    assert ndcg[found["best"]] == max(ndcg.values()) > ndcg["popularity"] + 0.2  # two tastes: who finds them is far ahead
    assert compared(capsys, path)["models"]["blend"]["ndcg@10"] == ndcg["blend"]
    assert compared(capsys, path, seed=7)["models"]["popularity"]["ndcg@10"] != ndcg["popularity"]


def test_what_people_and_items_are_called_changes_nothing(rows, tmp_path, capsys):
    renamed = [(f"{90 - int(user[1:])}-x", item[::-1], weight, moment) for user, item, weight, moment in rows]
    one, other = (compared(capsys, write(tmp_path / "seen.csv", some)) for some in (rows, renamed))
    for found in (one, other):
        for figures in found["models"].values():
            del figures["seconds"]
    assert one == other


def test_by_time_what_came_last_is_held_back_and_recent_popularity_competes(rows, tmp_path, capsys):
    found = compared(capsys, write(tmp_path / "seen.csv", rows), split="time")
    assert set(found["models"]) == {*NAMES, "recent_popularity"} and found["split"] == "time"
    dated = [(user, item, np.datetime64(0, "s") + np.timedelta64(moment, "s")) for user, item, _, moment in rows]
    again = compared(capsys, write(tmp_path / "dated.csv", dated, "user,item,timestamp"), split="time")
    assert again["data"] == found["data"]


def test_weights_and_times_may_be_missing_and_the_table_can_be_read(rows, tmp_path, capsys):
    path = write(tmp_path / "pairs.csv", [row[:2] for row in rows], "user,item")
    call_command("evaluate_recommender", interactions=path)
    printed = capsys.readouterr().out
    assert "ndcg@10" in printed and "Best: " in printed and f"{N_PEOPLE} people" in printed


def test_of_the_models_tried_only_the_best_so_far_is_kept(monkeypatch):
    """Of each kind it and the one that learns; of another kind only what a blend is made of: ALS, EASE, one of neighbours."""
    alive, most, others = weakref.WeakSet(), [], []

    class Tried(Popularity):
        def __init__(self, name, place):
            self.name, self.place = name, place
            alive.add(self)

        def fit(self, matrix):
            super().fit(matrix)
            self.weights = np.roll(self.weights, -self.place)  # some are better than others
            self.by_weight = np.argsort(-self.weights, kind="stable")
            most.append(sum(one.name == self.name for one in alive))
            others.append(len(alive) - most[-1])

    names = ("item_cosine", "item_tfidf", "item_bm25", "ease", "als", "bpr")
    makers = {name: [lambda name=name, place=place: Tried(name, place) for place in (2, 3, 0, 1, 4, 0)] for name in names}
    monkeypatch.setattr(tuning, "variants", lambda seed, **kwargs: makers)
    seen, foretold = np.tri(N_ITEMS, dtype=np.float32), np.eye(N_ITEMS, k=1, dtype=np.float32)  # always the most popular of what is left
    found = tuning.choose(sp.csr_matrix(seen), sp.csr_matrix(foretold), 1)
    assert (max(most), max(others), len(alive)) == (2, 3, 0)
    assert [found[name].make for name in names] == [makers[name][2] for name in names], "of equals the first"
    assert found["ease"].n_tried == 6


def test_the_test_part_has_no_say_in_the_settings(rows, tmp_path, monkeypatch):
    """The settings stay what they are when every held-back row says something else."""
    seen = []
    choose = interaction_files.choose

    def watched(train, validation, *args, **kwargs):
        seen.append((train, validation))
        return choose(train, validation, *args, **kwargs)

    monkeypatch.setattr(interaction_files, "choose", watched)
    histories = read_histories(write(tmp_path / "seen.csv", rows), with_moments=False)
    _, train, test = interaction_files._cut(histories, np.ones(len(rows), bool), "per_user", 0.25, 42)
    compare(histories, split="per_user", seed=42)
    (fit, validation) = seen[0]
    assert fit.nnz + validation.nnz == train.nnz and fit.multiply(validation).nnz == 0
    assert (fit + validation).multiply(test).nnz == 0


def test_a_pair_of_several_rows_is_held_back_whole():
    user, item = np.repeat(np.arange(20), 12), np.tile(np.repeat(np.arange(4), 3), 20)
    histories = Histories(user, item, np.ones(240))
    _, train, test = interaction_files._cut(histories, np.ones(240, bool), "per_user", 0.25, 1)
    assert (train.nnz, test.nnz) == (60, 20)


def test_the_unit_of_the_weights_does_not_matter():
    user, item = np.repeat(np.arange(6), 3), np.tile(np.arange(3), 6)
    weight = np.arange(1.0, 19)
    every = np.ones(18, bool)
    one, other = (Histories(user, item, unit * weight).matrix(every).toarray() for unit in (1, 1_000))
    assert np.allclose(one, other)
    assert (Histories(user, item, np.full(18, 70.0)).matrix(every).data == 1).all()


@pytest.mark.parametrize(
    "text, split, said",
    [
        ("", "per_user", "has no rows"),
        ("user,item\n", "per_user", "has no rows"),
        ("user,thing\na,b\n", "per_user", "no column “item”"),
        ("user,item\na,x\n,y\n", "per_user", "Line 3: the column “user” is empty"),
        ("user,item\na,x\nb,\n", "per_user", "Line 3: the column “item” is empty"),
        ("user,item,weight\na,x,1\na,y,lots\n", "per_user", "Line 3: “lots” is no finite number"),
        ("user,item,weight\na,x,nan\n", "per_user", "Line 2: “nan” is no finite number"),
        ("user,item,weight\na,x,\n", "per_user", "Line 2: “” is no finite number"),
        ("user,item,weight\na,x,1e300\n", "per_user", "Line 2: “1e300” is no finite number"),
        ("user,item,weight\na,x,-1\n", "per_user", "Line 2: the weight -1 is not above 0"),
        ("user,item\na,x\nb,y\n", "time", "no column “timestamp”"),
        ("user,item,timestamp\na,x,soon\n", "time", "Line 2: “soon” is no moment"),
        ("user,item,timestamp\na,x,20260101\na,y,2026-01-02\n", "time", "Line 3: “2026-01-02” is written otherwise"),
        ("user,item,timestamp\na,x,2026-01-01T08:00\n\na,y,2026-01-02\na,z,20260103\n", "time", "Line 5: “20260103” is written otherwise"),
        ("user,item,timestamp\na,x,5\na,y,5\n", "time", "too few"),
        ("user,item\na,x\n", "per_user", "1 interactions are too few"),
        ("user,item\n" + "".join(f"a{i},x\n" for i in range(50)), "per_user", "too few"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_one_sentence(tmp_path, text, split, said):
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CommandError, match=said) as refused:
        call_command("evaluate_recommender", interactions=path, split=split)
    assert refused.value.returncode == 1


@pytest.mark.parametrize("split", ["per_user", "time"])
def test_weights_as_far_apart_as_numbers_go_are_compared(rows, tmp_path, capsys, split):
    far = [(user, item, ("1e-300", "1e38", "3e38")[place % 3], moment) for place, (user, item, _, moment) in enumerate(rows)]
    found = compared(capsys, write(tmp_path / "far.csv", far), split=split)
    assert found["data"]["users"] == N_PEOPLE
    confidences = read_histories(tmp_path / "far.csv", with_moments=False).matrix(np.ones(len(far), bool))
    assert np.isfinite(confidences.data).all() and confidences.data.min() > 0, "the least is still an interaction"


def test_what_a_model_refuses_is_told_in_one_sentence(rows, tmp_path, monkeypatch):
    def refuses(self, matrix):
        raise ValueError("confidences must be finite numbers")

    monkeypatch.setattr(Popularity, "fit", refuses)
    with pytest.raises(CommandError, match="No model can be trained on this file: confidences must be finite numbers") as refused:
        call_command("evaluate_recommender", interactions=write(tmp_path / "seen.csv", rows))
    assert refused.value.returncode == 1


def test_no_file_and_no_text_are_told(tmp_path):
    with pytest.raises(CommandError, match="There is no file"):
        call_command("evaluate_recommender", interactions=tmp_path / "nothing.csv")
    binary = tmp_path / "book.csv"
    binary.write_bytes(b"PK\x03\x04" + b"\x00" * 50)
    with pytest.raises(CommandError, match="zip archive"):
        call_command("evaluate_recommender", interactions=binary)


def test_one_person_and_people_all_alike_are_no_error(tmp_path, capsys):
    one = write(tmp_path / "one.csv", [("a", f"i{i}") for i in range(40)], "user,item")
    assert compared(capsys, one)["data"]["test_users"] == 1
    alike = write(tmp_path / "alike.csv", [(f"u{u}", f"i{i}") for u in range(12) for i in range(8)], "user,item")
    assert compared(capsys, alike)["data"]["test_users"] == 12
