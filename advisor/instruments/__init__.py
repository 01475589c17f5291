"""Questionnaires as versioned data. A version never changes once it is published: shipped ones are files, others are rows."""

import json
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

from advisor.instruments.schema import Contradiction, Instrument, Item, Option, Step, Text
from advisor.jurisdictions import advice_rules
from advisor.kernels.risk_profile import Sem
from advisor.models import InstrumentVersion

__all__ = [
    "Contradiction",
    "Instrument",
    "InstrumentChanged",
    "Item",
    "Option",
    "Step",
    "Text",
    "current_instrument",
    "file_path",
    "load_instrument",
    "read_yaml",
    "report_path",
    "shipped_keys",
]

FOLDER = Path(__file__).parent
KEY = re.compile(r"[a-z][a-z-]*@[0-9]{1,6}")
LONGEST_FILE = 200_000  # characters; the shipped ones have about 20,000


class InstrumentChanged(LookupError):
    """A version that people may have answered is not what it was when it was checked."""


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases: a short file cannot stand for an endless one."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not read", self.peek_event().start_mark)
        return super().compose_node(parent, index)


def read_yaml(text: str) -> Any:
    """Read a questionnaire's file as plain data. Raises yaml.YAMLError, which says what is wrong and where."""
    if len(text) > LONGEST_FILE:
        raise yaml.YAMLError(f"the file is longer than {LONGEST_FILE} characters")
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506, a SafeLoader
    except (RecursionError, ValueError, OverflowError) as error:  # brackets without end, a 31st of February
        raise yaml.YAMLError(f"it holds a value that cannot be read ({type(error).__name__})") from error


def load_instrument(key: str) -> Instrument:
    """Return the questionnaire `name@version`, shipped or published; raises LookupError for one that is not kept, or that
    is no longer what it was when it was checked."""
    return _shipped(key) if KEY.fullmatch(key) and file_path(key).is_file() else _stored(key)


def current_instrument() -> Instrument:
    """Return the published questionnaire; before the first one is, the shipped one that the jurisdiction names."""
    row = InstrumentVersion.objects.filter(state=InstrumentVersion.State.PUBLISHED).only("name", "version", "sha256").first()
    if row is None:
        return load_instrument(advice_rules().assessment.instrument)
    return _unchanged(load_instrument(row.key), row.sha256)


def file_path(key: str) -> Path:
    """Where a shipped questionnaire lies."""
    return FOLDER / f"{key.replace('@', '-')}.yaml"


def report_path(key: str) -> Path:
    """Where the linter's report on a shipped questionnaire is kept."""
    return file_path(key).with_suffix(".lint.json")


def shipped_keys() -> list[str]:
    """The questionnaires that came as files."""
    return sorted(f"{name}@{version}" for name, _, version in (path.stem.rpartition("-") for path in FOLDER.glob("*-*.yaml")))


@cache
def _shipped(key: str) -> Instrument:
    path = file_path(key)
    instrument = Instrument.model_validate(read_yaml(path.read_text(encoding="utf-8")))
    if instrument.key != key:
        raise LookupError(f"{path.name} holds {instrument.key}, not {key}.")
    if not report_path(key).is_file():  # one that is being written
        return instrument
    kept = json.loads(report_path(key).read_text(encoding="utf-8"))
    return _unchanged(instrument, kept["sha256"]).measured(Sem.from_json(kept["report"]["sem"]))


@lru_cache(maxsize=64)
def _stored(key: str) -> Instrument:
    name, _, version = key.partition("@")
    rows = InstrumentVersion.objects.exclude(state=InstrumentVersion.State.DRAFT)
    row = rows.filter(name=name, version=int(version)).first() if KEY.fullmatch(key) else None
    if row is None:
        raise LookupError(f"There is no questionnaire {key}.")
    return _unchanged(Instrument.model_validate(row.content), row.sha256).measured(Sem.from_json(row.report["sem"]))


def _unchanged(instrument: Instrument, sha256: str) -> Instrument:
    if instrument.sha256 != sha256:
        raise InstrumentChanged(f"{instrument.key} has the checksum {instrument.sha256}, and was checked with {sha256}.")
    return instrument
