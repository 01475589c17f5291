"""Events out of a CSV file: read line by line, taken in by batches like those of the API."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from uuid import NAMESPACE_URL, uuid5

from pydantic_core import from_json

from marketing.kernels.events import EventForm, Refusal
from marketing.services.event_intake import MOST_EVENTS, take_in_events

COLUMNS = tuple(EventForm.model_fields)
NEEDED = {"type", "name", "occurred_at"}
JSON_COLUMNS = ("properties", "context")


class BadHeader(ValueError):
    """The first line does not name the columns of events."""


@dataclass(frozen=True)
class Refused:
    """A line that was not stored, as it was written."""

    line: int
    code: str
    why: str
    cells: tuple[str, ...]


@dataclass
class Summary:
    counts: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Line:
    number: int
    cells: tuple[str, ...]
    raw: object


def import_events(*, lines: Iterable[str], summary: Summary) -> Iterator[Refused]:
    """Take in a CSV file with a header, and yield each line that is refused; `summary` counts all as it goes.

    A line without a message_id gets one from its content, so that a file may be read again. Raises BadHeader before anything
    is stored. Each batch of 500 is a transaction of its own: what an interruption leaves is found again as repeats.
    """
    reader = csv.reader(lines, strict=True)
    header = _header(reader)
    read = _read(reader, header)
    while batch := list(islice(read, MOST_EVENTS)):
        taken = take_in_events(raw=[line.raw for line in batch])
        for line, verdict in zip(batch, taken.verdicts, strict=True):
            summary.counts[verdict.verdict] += 1
            if verdict.verdict == "refused":
                summary.codes[verdict.code] += 1
                yield Refused(line.number, verdict.code, verdict.why, line.cells)


def _header(reader: Iterator[list[str]]) -> list[str]:
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise BadHeader(str(error)) from None
    unknown, missing = set(header) - set(COLUMNS), NEEDED - set(header)
    if unknown or missing or len(set(header)) < len(header):
        raise BadHeader(f"columns may be {', '.join(COLUMNS)}, each once, with {', '.join(sorted(NEEDED))} among them")
    return header


def _read(reader: "csv._reader", header: list[str]) -> Iterator[_Line]:  # type: ignore[name-defined]
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _Line(reader.line_num, (), Refusal("invalid_line", {"error": str(error)}))
            continue
        if cells:
            yield _Line(reader.line_num, tuple(cells), _event(dict(zip(header, cells, strict=False)), len(cells) - len(header)))


def _event(said: dict[str, str], n_more: int) -> object:
    """The event of a line, as the API would have parsed it; an empty cell says nothing."""
    if n_more:
        return Refusal("invalid_line", {"error": f"{abs(n_more)} cells too {'many' if n_more > 0 else 'few'}"})
    event: dict[str, object] = {name: cell for name, cell in said.items() if cell != ""}
    for name in JSON_COLUMNS:
        try:
            if name in event:
                event[name] = from_json(said[name])  # as the API reads: of no other depth
        except ValueError:
            return Refusal("bad_value", {"field": name})
    try:
        event.setdefault("message_id", str(uuid5(NAMESPACE_URL, json.dumps(said, sort_keys=True, ensure_ascii=False))))
    except UnicodeEncodeError:
        return Refusal("invalid_line", {"error": "not UTF-8"})
    return event
