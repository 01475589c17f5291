"""What people did, as it was last read: measures for the kernel, and the page that lets an advisor check them."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.utils import timezone

from advisor.kernels.behaviour import PANIC, months_since
from advisor.kernels.risk_profile import Measure
from advisor.models import BehaviourReading, Consent, Investor
from advisor.selectors.people import investors_with_consent


def measures_of(investor: Investor, on: date | None = None) -> Mapping[str, Measure] | None:
    """The measures of one person as they were last read; None without consent to profiling, or before the first reading."""
    return measures_of_many([investor.pk], on).get(investor.pk)


def measures_of_many(investor_ids: Iterable[int], on: date | None = None) -> dict[int, dict[str, Measure]]:
    """The measures of those who agreed to profiling and whose ledger was read. One query."""
    allowed = investors_with_consent(Consent.Purpose.PROFILING).filter(pk__in=list(investor_ids))
    read = BehaviourReading.objects.filter(investor__in=allowed.values("pk"), as_of__isnull=False, problem="")
    on = on or timezone.localdate()
    return {
        pk: as_measures(measures, months_since(panic_on, on) if panic_on else None)
        for pk, measures, panic_on in read.values_list("investor_id", "measures", "panic_on")
    }


def as_measures(sheet: Mapping[str, Mapping[str, Any]], months_since_sale: float | None = None) -> dict[str, Measure]:
    """Measures of a stored sheet as the kernel takes them; without `months_since_sale` what the sheet itself says of it."""
    said = sheet[PANIC].get("months_since_sale") if months_since_sale is None else months_since_sale
    return {name: Measure(one["value"], one["evidence"], said if name == PANIC else None) for name, one in sheet.items()}
