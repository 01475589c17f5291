"""ALS trained by Apache Spark, for histories that one machine does not train in a night; behind the same contract as the others.

The matrix is written as Parquet, `spark_job.py` fits on it in a process of its own (or on a cluster, see docs/scale.md) and leaves
the factors as Parquet; ranking is done from these as for any model of factors. The files hold rows and columns of the matrix, never
the ids of people. Needs requirements-spark.txt and Java; without them only this module refuses, in one sentence.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from marketing.kernels.recommenders import spark_job
from marketing.kernels.recommenders.contract import Floats
from marketing.kernels.recommenders.factors import FactorModel

PAIRS_A_FILE = 5_000_000  # about 40 MB of Parquet, which one executor reads at once
MOST_SECONDS = 12 * 3600.0
FOLDER_PREFIX = "recommender-"

Train = Callable[[Path, Sequence[str]], None]


class SparkUnavailableError(RuntimeError):
    """Spark cannot be used here; the text says in one sentence what is missing or what it said last."""


@dataclass(frozen=True)
class SparkAlsSettings:
    """As `AlsSettings`, but `regularization` is multiplied by the interactions of each person and item, so that it is about a
    hundredth of that of `implicit`. `blocks` is into how many parts people and items are cut, at least one an executor's core.
    """

    factors: int = 32
    iterations: int = 15
    regularization: float = 0.1
    alpha: float = 10.0
    blocks: int = 2

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def library(name: str) -> Any:
    """A library of the optional extra; raises SparkUnavailableError."""
    try:
        return import_module(name)
    except ImportError as error:
        missing = f"Spark ALS needs {name}, which is not installed: pip install -r requirements.txt -r requirements-spark.txt."
        raise SparkUnavailableError(missing) from error


def local_command() -> tuple[str, ...]:
    """Spark on this machine, all cores. Raises SparkUnavailableError where pyspark or Java is missing."""
    package = Path(library("pyspark").__file__).parent
    home = os.environ.get("JAVA_HOME")
    if not (shutil.which("java") or (home and (Path(home) / "bin/java").exists())):
        raise SparkUnavailableError("Spark ALS needs Java 17 or later, and there is no java on the PATH and no JAVA_HOME.")
    here = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
    quiet = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
    words = [word for name, value in (here | quiet).items() for word in ("--conf", f"{name}={value}")]
    return (str(package / "bin/spark-submit"), "--master", "local[*]", *words)


def submit(command: Sequence[str], folder: Path, words: Sequence[str]) -> None:
    """Run spark_job.py on a folder by a command such as `spark-submit --master yarn`; raises SparkUnavailableError where it fails."""
    # The program lies beside modules of this project, which Python would else find before those of the same name elsewhere.
    environment = dict(os.environ, PYSPARK_DRIVER_PYTHON=sys.executable, PYTHONSAFEPATH="1")
    whole = [*command, spark_job.__file__, str(folder), *words]
    try:
        ended = subprocess.run(whole, env=environment, capture_output=True, text=True, check=False, timeout=MOST_SECONDS)  # noqa: S603  the operator's
    except OSError as error:
        raise SparkUnavailableError(f"Spark could not be started by {command[0]}: {error.strerror}.") from error
    except subprocess.TimeoutExpired as error:
        raise SparkUnavailableError(f"Spark had not ended after {MOST_SECONDS / 3600:.0f} hours and was ended.") from error
    if ended.returncode:
        lines = ended.stderr.splitlines() or ["it said nothing"]
        telling = [line for line in lines if "Error" in line or "Exception" in line] or lines
        raise SparkUnavailableError(f"Spark ended with {ended.returncode}: {telling[-1].strip()[:300]}")


def write_interactions(matrix: sp.csr_matrix, folder: Path) -> None:
    """The entries of a matrix as FOLDER/part-*.parquet: user and item (int32: its rows and columns) and confidence (float32)."""
    arrow, parquet = library("pyarrow"), library("pyarrow.parquet")
    folder.mkdir(parents=True)
    row = np.repeat(np.arange(matrix.shape[0], dtype=np.int32), np.diff(matrix.indptr))
    for part, start in enumerate(range(0, matrix.nnz, PAIRS_A_FILE)):
        some = slice(start, start + PAIRS_A_FILE)
        columns = {"user": row[some], "item": matrix.indices[some].astype(np.int32), "confidence": matrix.data[some].astype(np.float32)}
        parquet.write_table(arrow.table(columns), folder / f"part-{part:05d}.parquet")


def read_factors(folder: Path, n: int, factors: int) -> Floats:
    """The factors (n, factors) that Spark wrote to a folder; zeros for those it had never seen."""
    found = np.zeros((n, factors), dtype=np.float32)
    for file in sorted(folder.glob("*.parquet")):
        table = library("pyarrow.parquet").read_table(file, columns=["id", "features"])
        for batch in table.to_batches():
            values = batch.column("features").flatten().to_numpy(zero_copy_only=False)
            found[batch.column("id").to_numpy()] = values.reshape(batch.num_rows, factors)
    return found


class SparkAls(FactorModel):
    """ALS by Spark.

    `train(folder, words)` runs spark_job.py; by default Spark on this machine. `folder` is where the Parquet is kept while it runs, one
    that all machines of a cluster see; by default a temporary one here.
    """

    name = "als"  # what it is to whoever reads a run; its settings say who trained it

    def __init__(
        self,
        settings: SparkAlsSettings,
        *,
        seed: int,
        train: Train | None = None,
        folder: Path | None = None,
    ) -> None:
        self.settings, self.seed, self.folder = settings, seed, folder
        self.train = train or (lambda folder, words: submit(local_command(), folder, words))

    def _learn(self, values: sp.csr_matrix) -> None:
        with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX, dir=self.folder) as kept:
            folder = Path(kept)
            write_interactions(values, folder / "interactions")
            self.train(folder, self._words())
            self.user_factors = read_factors(folder / "users", values.shape[0], self.settings.factors)
            self.item_factors = read_factors(folder / "items", values.shape[1], self.settings.factors)

    def _words(self) -> list[str]:
        said = self.settings.as_json() | {"seed": self.seed}
        return [word for name, value in said.items() for word in (f"--{name}", str(value))]

    def as_json(self) -> dict[str, Any]:
        return {"trained_by": "spark"} | self.settings.as_json()
