"""Where the operator has Spark, it trains ALS; elsewhere nothing changes."""

import os
import time

import pytest

from marketing.kernels.recommenders.spark import SparkAls, SparkUnavailableError
from marketing.services import spark


def test_without_a_command_the_models_are_those_of_the_registry(settings):
    settings.SPARK_COMMAND = ""
    made = spark.candidates(1)
    assert not isinstance(made["als"](), SparkAls) and "blend" in made


def test_with_a_command_spark_trains_als_in_the_folder_it_shares(settings, tmp_path):
    said = tmp_path / "said"
    command = tmp_path / "spark submit"
    command.write_text(f'#!/bin/sh\necho "$@" > {said}\necho "Exception: no cluster" >&2\nexit 1\n')
    command.chmod(0o755)
    shared = tmp_path / "shared"
    shared.mkdir()
    settings.SPARK_COMMAND, settings.SPARK_FOLDER, settings.SPARK_BLOCKS = f"'{command}' --master yarn", shared, 4
    made = spark.candidates(3)
    model = made["als"]()
    assert isinstance(model, SparkAls) and "blend" not in made
    with pytest.raises(SparkUnavailableError, match="no cluster"):
        model.train(shared, ["--seed", "3"])
    assert said.read_text().startswith("--master yarn ") and f"spark_job.py {shared} --seed 3" in said.read_text()
    assert model.folder == shared and model.as_json()["blocks"] == 4


def test_what_a_killed_training_left_is_forgotten_a_day_later(settings, tmp_path):
    settings.SPARK_COMMAND, settings.SPARK_FOLDER, settings.SPARK_BLOCKS = "local", tmp_path, 2
    left, running, others = (tmp_path / name for name in ("recommender-left", "recommender-running", "others"))
    for folder in (left, running, others):
        folder.mkdir()
    yesterday = time.time() - 25 * 3600
    os.utime(left, (yesterday, yesterday))
    os.utime(others, (yesterday, yesterday))
    spark.candidates(1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["others", "recommender-running"]
