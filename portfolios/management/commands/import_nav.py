"""manage.py import_nav: bring a price file in and say what became of each row."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from portfolios.kernels.errors import KernelError
from portfolios.management.language import shell_language
from portfolios.management.reporting import say_counts, say_left_out
from portfolios.selectors import error_sentence, note_sentence
from portfolios.services import ImportReport, ImportRequest, import_nav


class Command(BaseCommand):
    help = (
        "Import daily NAVs from a CSV file, long or wide, gzipped or not. Importing again changes nothing; a fund with a wrong row "
        "is left out whole, and one with a jump that nothing explains waits for a person. Exit 0: all stored; 1: some funds left out; "
        "2: nothing could be used."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--prices", type=Path, required=True, help="unit NAVs or prices")
        parser.add_argument("--total-return", type=Path, help="total-return indices of the same funds and days")
        parser.add_argument("--descriptions", type=Path, help="what the funds are, in words: ticker, name, and more")
        parser.add_argument("--funds", type=Path, help="code,category and any of the columns that docs/price-files.md lists")
        parser.add_argument("--source", default="csv", help="the adapter that reads the files")
        parser.add_argument("--accept-jumps", default="", metavar="WHY", help="accept jumps that nothing explains unseen, for this reason")

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override(shell_language()):
            request = ImportRequest(
                prices=options["prices"],
                today=timezone.localdate(),
                total_return=options["total_return"],
                descriptions=options["descriptions"],
                funds=options["funds"],
                source=options["source"],
                accept_jumps=options["accept_jumps"],
            )
            try:
                report = import_nav(request=request)
            except KernelError as error:
                raise CommandError(error_sentence(error.code, error.params), returncode=2) from error
            self._say(report)

    def _say(self, report: ImportReport) -> None:
        for fund, note in report.notes:
            self.stdout.write(note_sentence(fund, note))
        say_left_out(self, report)
        say_counts(self, report)
        if report.refused or report.quarantined:
            raise CommandError(_("Some funds were not imported."), returncode=1 if report.n_funds else 2)
