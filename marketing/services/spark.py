"""Spark as the operator set it up: what starts it, and the folder in which interactions and factors pass between it and the worker."""

import shlex
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings

from marketing.kernels.recommenders import registry
from marketing.kernels.recommenders.contract import Recommender
from marketing.kernels.recommenders.spark import FOLDER_PREFIX, SparkAls, SparkAlsSettings, SparkUnavailableError, local_command, submit

LEFT_BEHIND_SECONDS = 24 * 3600


def candidates(seed: int, **known: Any) -> dict[str, Callable[[], Recommender]]:
    """The models that compete, as in the registry; where SPARK_COMMAND says so, ALS is trained by Spark, and no blend trains it here."""
    found = registry.candidates(seed, **known)
    if not (settings.SPARK_COMMAND and settings.SPARK_FOLDER):
        return found
    forget_left_behind(settings.SPARK_FOLDER)
    return {name: make for name, make in found.items() if name != "blend"} | {"als": lambda: spark_als(seed)}


def spark_als(seed: int) -> SparkAls:
    """The model that trains as the settings say. Raises SparkUnavailableError where the command cannot be read."""
    words = None if settings.SPARK_COMMAND == "local" else _words(settings.SPARK_COMMAND)

    def train(folder: Path, asked: Sequence[str]) -> None:
        submit(words or local_command(), folder, asked)

    return SparkAls(SparkAlsSettings(blocks=settings.SPARK_BLOCKS), seed=seed, train=train, folder=settings.SPARK_FOLDER)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise SparkUnavailableError(f"SPARK_COMMAND cannot be read as a command: {error}.") from error


def forget_left_behind(folder: Path) -> None:
    """Delete what trainings that were killed left in the folder: their files say who looked at what, if only by number."""
    with suppress(OSError):  # a folder that cannot be read says so where it is written to
        for left in folder.glob(f"{FOLDER_PREFIX}*"):
            if left.exists() and left.stat().st_mtime < time.time() - LEFT_BEHIND_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
