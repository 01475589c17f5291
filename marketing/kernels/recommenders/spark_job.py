"""The program that Spark runs: Parquet of interactions in, Parquet of factors out. It imports nothing of this project, so that
`spark-submit` can send this one file to a cluster.

    spark-submit spark_job.py FOLDER --factors 64 --iterations 15 --regularization 0.01 --alpha 10 --seed 42 --blocks 10

reads FOLDER/interactions (user, item: int32; confidence: float32) and writes FOLDER/users and FOLDER/items (id: int32; features:
list of float32). FOLDER, which also takes checkpoints, is one that the driver and all executors see.

`regularization` is Spark's: times the number of interactions of a person or item. `alpha` is that of Hu, Koren & Volinsky in the
form of the library `implicit`: a touched item has confidence alpha x value, an untouched one 1. Spark adds its alpha x value to
1, so it is given alpha x value - 1; a confidence below that of an untouched item cannot be said to Spark and is raised to it.
"""

import argparse
from typing import Any

# Each iteration hangs on all before it, and Java's stack overflows on a chain of some dozens: so often it is cut by a checkpoint.
CHECKPOINT_EACH = 3
LEAST = 1e-6  # at exactly 0 Spark would take the item for one that is not liked


def train(session: Any, folder: str, asked: argparse.Namespace) -> None:
    """Fit Spark's implicit ALS on FOLDER/interactions and write FOLDER/users and FOLDER/items."""
    from pyspark.ml.recommendation import ALS
    from pyspark.sql.functions import col, greatest, lit

    session.sparkContext.setCheckpointDir(f"{folder}/checkpoints")
    seen = session.read.parquet(f"{folder}/interactions")
    above_untouched = greatest(lit(asked.alpha) * col("confidence") - lit(1.0), lit(LEAST)).cast("float")
    model = ALS(
        rank=asked.factors,
        maxIter=asked.iterations,
        regParam=asked.regularization,
        alpha=1.0,
        implicitPrefs=True,
        seed=asked.seed,
        numUserBlocks=asked.blocks,
        numItemBlocks=asked.blocks,
        checkpointInterval=CHECKPOINT_EACH,
        userCol="user",
        itemCol="item",
        ratingCol="above_untouched",
    ).fit(seen.select("user", "item", above_untouched.alias("above_untouched")))
    model.userFactors.write.mode("overwrite").parquet(f"{folder}/users")
    model.itemFactors.write.mode("overwrite").parquet(f"{folder}/items")


def read_arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="spark_job.py")
    parser.add_argument("folder")
    parser.add_argument("--factors", type=int, required=True)
    parser.add_argument("--iterations", type=int, required=True)
    parser.add_argument("--regularization", type=float, required=True)
    parser.add_argument("--alpha", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--blocks", type=int, required=True)
    return parser.parse_args(words)


def main() -> None:
    from pyspark.sql import SparkSession

    asked = read_arguments()
    session = SparkSession.builder.appName("hengtou-recommender").getOrCreate()
    try:
        train(session, asked.folder, asked)
    finally:
        session.stop()


if __name__ == "__main__":
    main()
