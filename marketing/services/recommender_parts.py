"""What a stage of a recommender's run leaves in the database for the next, and how it is read again."""

from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import transaction
from django.db.models import Model

from marketing.kernels.interactions import Matrix
from marketing.kernels.packed import FORMAT, VECTOR, pack, unpack
from marketing.kernels.recommenders.factors import FactorModel
from marketing.models import InvestorFactors, RecommenderPart, RecommenderRun
from marketing.selectors.recommender_factors import factors_of
from marketing.services.recommender_night import Night
from portfolios.kernels.errors import DataError

PEOPLE_A_WRITE = 5_000
ROWS_A_DELETE = 2_000  # short writes: nobody waits behind the forgetting of a whole run
Arrays = dict[str, npt.NDArray[Any]]


def keep_evaluation(run: RecommenderRun, name: str, arrays: Arrays) -> None:
    """Keep a candidate's figures by person until the guard has decided."""
    found = {"format": FORMAT, "data": pack(**arrays)}
    RecommenderPart.objects.update_or_create(run=run, kind=RecommenderPart.Kind.EVALUATION, name=name, defaults=found)


def evaluations_of(run: RecommenderRun) -> dict[str, Arrays]:
    """The figures by person of each candidate. Raises DataError("packed_by_another_version")."""
    parts = RecommenderPart.objects.filter(run=run, kind=RecommenderPart.Kind.EVALUATION)
    return {part.name: unpack(bytes(part.data), part.format) for part in parts}


def fund_factors_part(run: RecommenderRun, name: str, matrix: Matrix, vectors: npt.NDArray[Any]) -> None:
    """Keep a model's factors of funds."""
    data = pack(ids=matrix.items, vectors=vectors.astype(VECTOR))
    kind = RecommenderPart.Kind.FUND_FACTORS
    RecommenderPart.objects.update_or_create(run=run, kind=kind, name=name, defaults={"format": FORMAT, "data": data})


def investor_factor_rows(run: RecommenderRun, matrix: Matrix, vectors: npt.NDArray[Any], start: int) -> list[InvestorFactors]:
    """Rows of the next `PEOPLE_A_WRITE` people of a matrix."""
    block = slice(start, start + PEOPLE_A_WRITE)
    packed = vectors[block].astype(VECTOR)
    return [
        InvestorFactors(run=run, investor_id=who, vector=vector.tobytes())
        for who, vector in zip(matrix.users[block].tolist(), packed, strict=True)
    ]


def restore(run: RecommenderRun, model: FactorModel, matrix: Matrix) -> FactorModel:
    """Give a model that was not fitted the factors that the run stored, for the people and funds of a matrix.

    Raises DataError: there are none, another version or another model wrote them, or they are not of everybody here.
    """
    found = factors_of(run)
    if found.name != model.name:
        raise DataError("factors_of_another_model", found=found.name)
    if not (np.isin(matrix.users, found.investors).all() and np.array_equal(matrix.items, found.funds)):
        raise DataError("factors_of_others")
    places = np.searchsorted(found.investors, matrix.users)
    model.restore(found.investor_vectors[places], found.fund_vectors, touched=np.unique(matrix.values.indices))
    return model


def forget(rows: Any, night: Night | None = None) -> None:
    """Delete rows in short writes, of a night that is at work only while its claim holds. Raises ClaimLost."""
    model: type[Model] = rows.model
    while pks := list(rows.order_by("pk").values_list("pk", flat=True)[:ROWS_A_DELETE]):
        with transaction.atomic():
            if night:
                night.write()
            model._default_manager.filter(pk__in=pks).delete()
