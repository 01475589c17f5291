"""A copy of everything that is known about a person, for the person: one ZIP with JSON, CSV and a word of explanation."""

import csv
import io
import json
import tempfile
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.template.loader import render_to_string
from django.utils import timezone, translation

from advisor.models import Investor
from marketing.catalogue import profile_fields
from marketing.catalogue.personal_data import PersonalTable, personal_data
from marketing.selectors.personal_data import PersonReader

IN_MEMORY_BYTES = 4 * 1024 * 1024
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export_person(*, investor: Investor) -> IO[bytes]:
    """Write the ZIP of one person into a file that vanishes when it is closed. Writes no row.

    One query a table and a few more; rows pass through in blocks, so that its memory does not grow with a person's history.
    """
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115  the caller reads and closes it
    reader, made_at = PersonReader(investor), timezone.localtime()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive, tempfile.TemporaryFile("w+", encoding="utf-8") as whole:
        whole.write(f'{{"person": {json.dumps(investor.pseudonym)}, "made_at": "{made_at.isoformat()}", "tables": {{')
        counts = [_add(archive, whole, reader, table, is_first=not at) for at, table in enumerate(personal_data().tables)]
        whole.write("}}\n")
        whole.seek(0)
        with archive.open("data.json", "w") as out:
            for text in iter(lambda: whole.read(1 << 16), ""):
                out.write(text.encode())
        _explain(archive, counts, {"investor": investor, "made_at": made_at})
    file.seek(0)
    return file


def _add(archive: ZipFile, whole: IO[str], reader: PersonReader, table: PersonalTable, *, is_first: bool) -> tuple[PersonalTable, int]:
    """Write a table's CSV into the archive and its JSON behind what is there; says how many rows it has."""
    names, rows = reader.read(table)
    whole.write(f"{'' if is_first else ', '}{json.dumps(table.file)}: [")
    n = 0
    with archive.open(f"csv/{table.file}.csv", "w") as out, io.TextIOWrapper(out, encoding="utf-8-sig", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(names)
        for row in rows:
            writer.writerow([_cell(value) for value in row])
            told = json.dumps(dict(zip(names, row, strict=True)), cls=DjangoJSONEncoder, ensure_ascii=False)
            whole.write(f"{', ' if n else ''}{told}")
            n += 1
    whole.write("]")
    return table, n


def _cell(value: Any) -> Any:
    """A value as a spreadsheet may hold it: structures as JSON, and no text that it would take for a formula."""
    if isinstance(value, dict | list):
        value = json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _explain(archive: ZipFile, counts: list[tuple[PersonalTable, int]], told: dict[str, Any]) -> None:
    """What each file is, in every language of the product."""
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            tables = [(table.file, table.label, n) for table, n in counts]
            fields = [(field.name, field.label) for field in profile_fields().values()]
            text = render_to_string("marketing/export_readme.txt", {"tables": tables, "fields": fields, **told})
        archive.writestr(f"README.{language}.txt", text)
