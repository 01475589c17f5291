import csv
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from marketing.services.event_files import BadHeader, Summary, import_events


class Command(BaseCommand):
    help = "Take in events from a CSV file (UTF-8, with a header; see docs/events.md). Refused lines go into FILE.refused.csv."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        refused_path = path.with_suffix(path.suffix + ".refused.csv")
        summary, n_refused = Summary(), 0
        try:
            # What is no UTF-8 is refused by its line, not with the whole file.
            with (
                path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as lines,
                refused_path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as out,
            ):
                writer = csv.writer(out)
                writer.writerow(["line", "code", "why", "cells"])
                for one in import_events(lines=lines, summary=summary):
                    writer.writerow([one.line, one.code, one.why, *one.cells])
                    n_refused += 1
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from None
        except BadHeader as error:
            refused_path.unlink(missing_ok=True)
            raise CommandError(f"{path}: {error}. Nothing was stored.") from None
        if not n_refused:
            refused_path.unlink()
        for word in ("accepted", "repeated", "refused"):
            self.stdout.write(f"{word:<10}{summary.counts[word]:>12,}")
        for code, n in summary.codes.most_common():
            self.stdout.write(f"  {code:<20}{n:>10,}")
        if n_refused:
            self.stdout.write(f"refused lines: {refused_path}")
