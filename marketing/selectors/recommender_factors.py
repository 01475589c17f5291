"""Where the serving model placed people and funds: what a run goes on from, and what look-alikes are found by."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from marketing.kernels.packed import check_format, unpack, vectors_of
from marketing.models import InvestorFactors, RecommenderPart, RecommenderRun
from marketing.selectors.profile_rows import read_in_chunks
from portfolios.kernels.errors import DataError


@dataclass(frozen=True)
class Factors:
    """Vectors (n, k) float32 beside the ascending keys (n,) of investors and of funds; `name` is the model that learned them."""

    name: str
    investors: npt.NDArray[np.int64]
    investor_vectors: npt.NDArray[np.float32]
    funds: npt.NDArray[np.int64]
    fund_vectors: npt.NDArray[np.float32]


def serving_factors() -> tuple[RecommenderRun, Factors]:
    """The run that serves and its factors. Raises DataError as `factors_of`, and "no_run_serves"."""
    run = RecommenderRun.objects.filter(is_serving=True).first()
    if run is None:
        raise DataError("no_run_serves")
    return run, factors_of(run)


def factors_of(run: RecommenderRun) -> Factors:
    """What a run stored. Raises DataError("no_factors"), or "packed_by_another_version" where another version of this code wrote it."""
    part = RecommenderPart.objects.filter(run=run, kind=RecommenderPart.Kind.FUND_FACTORS).first()
    if part is None or not run.factors_format:
        raise DataError("no_factors")
    check_format(run.factors_format)
    of_funds = unpack(bytes(part.data), part.format)
    keys, packed = [np.zeros(0, np.int64)], [np.zeros((0, of_funds["vectors"].shape[1]), np.float32)]
    rows = InvestorFactors.objects.filter(run=run).values_list("investor_id", "vector")
    for who, vector in read_in_chunks(rows, np.int64, object):
        keys.append(who)
        packed.append(vectors_of([bytes(one) for one in vector]))
    investors, vectors = np.concatenate(keys), np.concatenate(packed)
    order = np.argsort(investors)
    return Factors(part.name, investors[order], vectors[order], of_funds["ids"], of_funds["vectors"])
