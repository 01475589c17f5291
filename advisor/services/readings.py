"""What behaviour says of people, as the kernel takes it: nothing while no reading of a ledger is kept."""

from collections.abc import Iterable, Mapping

from advisor.kernels.risk_profile import Measure
from advisor.models import Investor


def measures_of(investor: Investor) -> Mapping[str, Measure] | None:
    """The measures of one person, None without a reading."""
    return measures_of_many([investor.pk]).get(investor.pk)


def measures_of_many(investor_ids: Iterable[int]) -> Mapping[int, Mapping[str, Measure]]:
    """The measures of those who have a reading."""
    return {}
