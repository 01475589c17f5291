"""Versions of the questionnaire: linted, kept as drafts, published by a second person, replaced and never changed."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import yaml
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone
from pydantic import ValidationError

from advisor.errors import Refused
from advisor.instruments import Instrument, InstrumentChanged, file_path, load_instrument, read_yaml, report_path, shipped_keys
from advisor.jurisdictions import advice_rules
from advisor.models import InstrumentVersion
from advisor.rules import may_make_instruments, may_publish_instruments

SHORTEST_REASON, LONGEST_REASON = 10, 300
MOST_PROBLEMS = 20
_STATE = InstrumentVersion.State


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file: a code of the schema's or the reader's, where, and what it says."""

    code: str
    where: str
    params: dict[str, Any]


class BadInstrument(ValueError):
    """A questionnaire's file that cannot be read. Nothing was written. `problems` says what is wrong and where."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems


def parse_instrument(text: str) -> Instrument:
    """Read a questionnaire's file and write nothing; raises BadInstrument with every problem of it."""
    try:
        return check_content(read_yaml(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or str(error)
        raise BadInstrument(
            (Problem("not_yaml" if mark else "unreadable", str(mark.line + 1) if mark else "", {"message": said}),)
        ) from error


def check_content(data: Any) -> Instrument:
    """Make a questionnaire of plain data; raises BadInstrument with every problem of it."""
    try:
        return Instrument.model_validate(data)
    except ValidationError as error:
        said = error.errors(include_url=False, include_input=False)[:MOST_PROBLEMS]
        problems = [Problem(one["type"], _where(data, one["loc"]), {"message": one["msg"], **_plain(one)}) for one in said]
        raise BadInstrument(tuple(problems)) from error


def _plain(error: Any) -> dict[str, Any]:
    return {key: value for key, value in error.get("ctx", {}).items() if isinstance(value, str | int | float)}


def _where(data: Any, place: tuple[int | str, ...]) -> str:
    """A place in the file by the codes of its items and options, where they have some: items.reserve.options.above-12.score."""
    named = []
    for part in place:
        try:
            data = data[part]
        except (LookupError, TypeError):
            data = None
        code = data.get("code") if isinstance(data, dict) else None
        named.append(str(code if isinstance(part, int) and code else part))
    return ".".join(named)


def lint_instrument(instrument: Instrument) -> dict[str, Any]:
    """Write nothing; return the linter's report as it is kept, with the rules it was made under."""
    from advisor.kernels.instrument_lint import Questions, lint  # numpy only where it is needed

    staircases = frozenset(item.code for item in instrument.items if item.kind == "staircase")
    rules = advice_rules()
    report = lint(Questions(instrument.for_scoring, instrument.shares, staircases, instrument.n_characters), rules.for_scoring)
    return {"rules": rules.version, **json.loads(json.dumps(asdict(report)))}


def write_report(*, key: str) -> dict[str, Any]:
    """Lint a shipped questionnaire and write the report beside its file; returns it. Safe to repeat."""
    instrument = parse_instrument(file_path(key).read_text(encoding="utf-8"))
    report = lint_instrument(instrument)
    kept = {"instrument": instrument.key, "sha256": instrument.sha256, "report": report}
    report_path(key).write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return report


def make_draft(*, text: str, actor: Any) -> InstrumentVersion:
    """Keep a questionnaire's file as a draft with its linter's report, over an earlier draft of one's own with its number.

    A draft that the linter refuses is kept as well, so that its figures can be seen. Safe to repeat. Raises BadInstrument,
    PermissionDenied, Refused("name_shipped" | "version_taken").
    """
    if not may_make_instruments(actor):
        raise PermissionDenied
    instrument = parse_instrument(text)
    if instrument.name in {key.partition("@")[0] for key in shipped_keys()}:
        raise Refused("name_shipped", name=instrument.name)
    report = lint_instrument(instrument)
    said = {"content": instrument.model_dump(mode="json"), "sha256": instrument.sha256, "report": report}
    try:
        with transaction.atomic():
            row = InstrumentVersion.objects.select_for_update().filter(name=instrument.name, version=instrument.version).first()
            if row is None:
                return InstrumentVersion.objects.create(name=instrument.name, version=instrument.version, made_by=actor, **said)
            if row.sha256 == instrument.sha256:
                return row
            if row.state != _STATE.DRAFT or row.made_by_id != actor.pk:
                raise Refused("version_taken", key=instrument.key)
            for name, value in {**said, "made_at": timezone.now()}.items():
                setattr(row, name, value)
            row.save()
            return row
    except IntegrityError as error:  # somebody else's came first
        raise Refused("version_taken", key=instrument.key) from error


def publish_instrument(*, version: InstrumentVersion, reason: str, is_corrective: bool, actor: Any) -> InstrumentVersion:
    """Put a draft in place of the published questionnaire, after the linter has seen it once more.

    New assessments ask it from now on; those begun on another version are finished on that. `is_corrective` says that
    people answer it before their level expires. Raises PermissionDenied unless a supervisor asks, Refused("four_eyes") for
    whoever made it, ("reason_too_short" | "reason_too_long"), ("refused_by_linter") with its findings, ("not_draft").
    """
    if not may_publish_instruments(actor):
        raise PermissionDenied
    if version.made_by_id == actor.pk:
        raise Refused("four_eyes")
    reason = " ".join(reason.split())
    if len(reason) < SHORTEST_REASON:
        raise Refused("reason_too_short", least=SHORTEST_REASON)
    if len(reason) > LONGEST_REASON:
        raise Refused("reason_too_long", most=LONGEST_REASON)
    instrument = content_of(version)
    report = lint_instrument(instrument)
    if report["findings"]:
        raise Refused("refused_by_linter", findings=report["findings"])
    try:
        with transaction.atomic():
            InstrumentVersion.objects.filter(state=_STATE.PUBLISHED).update(state=_STATE.REPLACED)
            published = InstrumentVersion.objects.filter(pk=version.pk, state=_STATE.DRAFT, made_at=version.made_at).update(
                state=_STATE.PUBLISHED,
                published_by=actor,
                published_at=timezone.now(),
                reason=reason,
                is_corrective=is_corrective,
                report=report,
            )
            if not published:
                raise Refused("not_draft", key=version.key)
    except IntegrityError as error:  # another one was published at the same moment
        raise Refused("not_draft", key=version.key) from error
    version.refresh_from_db()
    return version


def content_of(version: InstrumentVersion) -> Instrument:
    """Return what a version asks, checked against its checksum; drafts too. Raises InstrumentChanged."""
    instrument = Instrument.model_validate(version.content)
    if instrument.sha256 != version.sha256:
        raise InstrumentChanged(f"{version.key} is not what it was when it was kept.")
    return instrument


def sync_instruments() -> list[str]:
    """Write the shipped questionnaires that have no row yet; returns their keys. Safe to repeat.

    While none was ever published, the one that the jurisdiction names is published, and older ones count as replaced by
    it; after that a new shipped one waits as a draft for a supervisor. Raises InstrumentChanged where a file is no longer
    what was published under its number.
    """
    first, known = advice_rules().assessment.instrument, {row.key: row for row in InstrumentVersion.objects.all()}
    has_published = any(row.state != _STATE.DRAFT for row in known.values())
    written = []
    for key in shipped_keys():
        instrument, row = load_instrument(key), known.get(key)
        if row is not None and row.sha256 == instrument.sha256:
            continue
        if row is not None and (row.state != _STATE.DRAFT or not row.is_shipped):
            raise InstrumentChanged(f"{key} is not the questionnaire that was kept under this name.")
        row = row or InstrumentVersion(name=instrument.name, version=instrument.version, is_shipped=True)
        row.content, row.sha256 = instrument.model_dump(mode="json"), instrument.sha256
        row.report = json.loads(report_path(key).read_text(encoding="utf-8"))["report"]
        if not has_published:
            row.state = _first_state(instrument, load_instrument(first))
            row.published_at = None if row.state == _STATE.DRAFT else timezone.now()
        row.save()
        written.append(key)
    return written


def _first_state(instrument: Instrument, first: Instrument) -> InstrumentVersion.State:
    if instrument.key == first.key:
        return _STATE.PUBLISHED
    is_older = instrument.name == first.name and instrument.version < first.version
    return _STATE.REPLACED if is_older else _STATE.DRAFT
