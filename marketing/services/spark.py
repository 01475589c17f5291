"""Spark as the operator set it up: what starts it, and the folder in which interactions and factors pass between it and the worker."""

import shlex
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from django.conf import settings

from marketing.kernels.recommenders import registry
from marketing.kernels.recommenders.contract import Floats, Recommender
from marketing.kernels.recommenders.spark import FOLDER_PREFIX, SparkAls, SparkAlsSettings, local_command, submit

LEFT_BEHIND_SECONDS = 24 * 3600


def candidates(seed: int, *, recent: Floats | None = None) -> dict[str, Callable[[], Recommender]]:
    """The models that compete, as in the registry; where SPARK_COMMAND says so, ALS is trained by Spark, and no blend trains it here."""
    found = registry.candidates(seed, recent=recent)
    if not (settings.SPARK_COMMAND and settings.SPARK_FOLDER):
        return found
    forget_left_behind(settings.SPARK_FOLDER)
    return {name: make for name, make in found.items() if name != "blend"} | {"als": lambda: spark_als(seed)}


def spark_als(seed: int) -> SparkAls:
    """The model that trains as the settings say."""
    words = None if settings.SPARK_COMMAND == "local" else shlex.split(settings.SPARK_COMMAND)

    def train(folder: Path, asked: Sequence[str]) -> None:
        submit(words or local_command(), folder, asked)

    return SparkAls(SparkAlsSettings(blocks=settings.SPARK_BLOCKS), seed=seed, train=train, folder=settings.SPARK_FOLDER)


def forget_left_behind(folder: Path) -> None:
    """Delete what trainings that were killed left in the folder: their files say who looked at what, if only by number."""
    for left in folder.glob(f"{FOLDER_PREFIX}*"):
        if left.stat().st_mtime < time.time() - LEFT_BEHIND_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
