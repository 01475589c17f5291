"""Questionnaires kept as rows, without waiting for the linter."""

import json
from functools import cache
from typing import Any

from advisor.instruments import load_instrument, report_path
from advisor.models import InstrumentVersion


@cache
def shipped_report(key: str) -> str:
    return json.dumps(json.loads(report_path(key).read_text(encoding="utf-8"))["report"])


def kept_version(key: str = "standard@2", **fields: Any) -> InstrumentVersion:
    """A row that holds a shipped questionnaire, a draft unless said otherwise."""
    instrument = load_instrument(key)
    said = {"content": instrument.model_dump(mode="json"), "sha256": instrument.sha256, "report": json.loads(shipped_report(key))}
    return InstrumentVersion.objects.create(**{"name": instrument.name, "version": instrument.version, "is_shipped": True} | said | fields)
