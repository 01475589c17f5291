"""A recommender's run that serves, with factors of chosen people: what look-alikes are worked out from."""

import numpy as np
from django.utils import timezone

from marketing.kernels.packed import FORMAT, pack
from marketing.models import InvestorFactors, RecommenderPart, RecommenderRun


def serve_factors(vectors: dict[int, list[float]], format_: int = FORMAT) -> RecommenderRun:
    """Let a new run serve that placed these investors so."""
    RecommenderRun.objects.filter(is_serving=True).update(is_serving=False)
    run = RecommenderRun.objects.create(status="done", algorithm="als", is_serving=True, factors_format=format_, finished_at=timezone.now())
    k = len(next(iter(vectors.values()), [0.0]))
    data = pack(ids=np.array([1], np.int64), vectors=np.zeros((1, k), np.float32))
    RecommenderPart.objects.create(run=run, kind="fund_factors", name="als", format=FORMAT, data=data)
    InvestorFactors.objects.bulk_create(
        InvestorFactors(run=run, investor_id=pk, vector=np.array(vector, "<f4").tobytes()) for pk, vector in vectors.items()
    )
    return run
