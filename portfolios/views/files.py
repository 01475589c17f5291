"""Tables as CSV files: streamed, opened by spreadsheets as UTF-8, and without cells that a spreadsheet would compute."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from django.http import StreamingHttpResponse

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # of full width too


class _Line:
    """What csv.writer writes to, handing each line on."""

    def write(self, line: str) -> str:
        return line


def safe_cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula, behind an apostrophe; all else as it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def csv_file(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """Stream rows under a header as a file of this name."""
    writer = csv.writer(_Line())

    def lines() -> Iterator[str]:
        yield "\ufeff"
        for cells in chain([header], rows):
            yield writer.writerow([safe_cell(cell) for cell in cells])

    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8", headers=headers)
