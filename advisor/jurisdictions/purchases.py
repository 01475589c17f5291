"""The warnings before a purchase that an investor starts, and its times: `purchase_rules()` is the deployment's own table."""

from functools import cache
from pathlib import Path

import yaml
from django.conf import settings

from advisor.jurisdictions import Named, Row


class PurchaseRules(Row):
    version: str
    wait_hours: int
    lapse_days: int
    warnings: dict[str, Named]
    deepest_fall: Named


@cache
def purchase_rules() -> PurchaseRules:
    path = Path(__file__).with_name(f"{settings.JURISDICTION}_purchases.yaml")
    return PurchaseRules.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
