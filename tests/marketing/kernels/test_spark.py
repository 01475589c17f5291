"""ALS by Spark keeps the contract of every recommender, or says in a sentence why it cannot."""

import inspect
import os
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp

from marketing.kernels.recommenders import spark, spark_job
from marketing.kernels.recommenders.spark import SparkAls, SparkAlsSettings, SparkUnavailableError
from tests.marketing.kernels import test_recommenders as contract


@cache
def why_not() -> str:
    try:
        spark.library("pyarrow")
        spark.local_command()
    except SparkUnavailableError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def session():
    """One Spark for all tests of this file; absent, they are skipped, and with REQUIRE_SPARK set they fail."""
    if why_not():
        assert "REQUIRE_SPARK" not in os.environ, why_not()
        pytest.skip(why_not())
    from pyspark.sql import SparkSession

    here = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false"}
    session = SparkSession.builder.master("local[2]").config(map=here | {"spark.sql.shuffle.partitions": "2"}).getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


def spark_als(session, **given):
    """The model, trained here in the session that stands."""

    def train(folder, words):
        spark_job.train(session, str(folder), spark_job.read_arguments([str(folder), *words]))

    return SparkAls(SparkAlsSettings(**{"factors": 2, "iterations": 6} | given), seed=7, train=train)


matrix = contract.matrix


@pytest.fixture(scope="module")
def model(session, matrix):
    model = spark_als(session)
    model.fit(matrix)
    return model


@pytest.fixture
def fresh(session):
    return spark_als(session)


# Every test of the contract that asks for a model is a test of this one too.
globals().update(
    {
        name: test
        for name, test in vars(contract).items()
        if name.startswith("test_") and {"model", "fresh"} & set(inspect.signature(test).parameters)
    }
)


def test_it_finds_what_is_missing_from_each_taste(model, matrix):
    ranking = contract.ranked(model, matrix, 2)
    right = [(ranking.items[user] >= contract.HALF).all() == bool(user % 2) for user in range(contract.N_USERS)]
    assert np.mean(right) > 0.95


def test_the_reason_is_something_of_the_same_taste(model):
    assert contract.finds_its_taste(model)


def test_the_same_seed_ranks_alike(model, matrix, session):
    again = spark_als(session)
    again.fit(matrix)
    assert (contract.ranked(again, matrix, 6).items == contract.ranked(model, matrix, 6).items).all()


def test_factors_that_were_kept_rank_as_the_model_that_learned_them(model, matrix, session):
    again = spark_als(session)
    again.restore(model.user_factors, model.item_factors, touched=model.known)
    assert (contract.ranked(again, matrix, 5).items == contract.ranked(model, matrix, 5).items).all()


def test_many_iterations_do_not_overflow_the_stack(session, matrix):
    """Without checkpoints each iteration hangs on all before it."""
    patient = spark_als(session, iterations=60)
    patient.fit(matrix)
    assert np.isfinite(patient.item_factors).all()


def test_the_program_runs_by_itself_as_a_cluster_is_handed_it(model, matrix, session, tmp_path):
    """In a process of its own it leaves the same rankings, and nothing behind in the folder."""
    alone = SparkAls(model.settings, seed=7, folder=tmp_path)
    alone.fit(matrix)
    assert (contract.ranked(alone, matrix, 3).items == contract.ranked(model, matrix, 3).items).mean() > 0.99
    assert not list(tmp_path.iterdir())


def test_without_its_libraries_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(spark, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))
    with pytest.raises(SparkUnavailableError, match=r"needs pyspark, which is not installed: pip install .*requirements-spark\.txt"):
        spark.local_command()
    with pytest.raises(SparkUnavailableError, match="needs pyarrow"):
        SparkAls(SparkAlsSettings(), seed=1).fit(sp.csr_matrix(np.ones((2, 2), np.float32)))


def test_without_java_it_says_so(monkeypatch):
    monkeypatch.setattr(spark, "library", lambda name: SimpleNamespace(__file__="/nowhere/pyspark/__init__.py"))
    monkeypatch.setattr(spark.shutil, "which", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(SparkUnavailableError, match="needs Java 17 or later"):
        spark.local_command()


def test_a_command_that_is_not_there_or_fails_is_reported_in_its_own_words(tmp_path):
    with pytest.raises(SparkUnavailableError, match="could not be started by /nowhere/spark-submit: No such file"):
        spark.submit(["/nowhere/spark-submit"], tmp_path, [])
    failing = tmp_path / "failing"
    failing.write_text("#!/bin/sh\necho 'java.net.ConnectException: refused' >&2\necho '\tat nobody' >&2\nexit 3\n")
    failing.chmod(0o755)
    with pytest.raises(SparkUnavailableError, match=r"Spark ended with 3: java\.net\.ConnectException: refused"):
        spark.submit([str(failing)], tmp_path, [])


def test_the_files_hold_rows_and_columns_and_nothing_is_lost_between_parts(tmp_path, monkeypatch, session, matrix):
    from pyarrow import parquet

    monkeypatch.setattr(spark, "PAIRS_A_FILE", 100)
    spark.write_interactions(matrix, tmp_path / "interactions")
    assert len(list((tmp_path / "interactions").glob("*.parquet"))) == -(-matrix.nnz // 100)
    table = parquet.read_table(tmp_path / "interactions")
    assert table.column_names == ["user", "item", "confidence"]
    read = sp.csr_matrix((table["confidence"].to_numpy(), (table["user"].to_numpy(), table["item"].to_numpy())), shape=matrix.shape)
    assert (read != matrix).nnz == 0
