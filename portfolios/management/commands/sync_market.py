"""manage.py sync_market: read new prices from a source, as a job of the worker or here."""

from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import translation
from django.utils.translation import gettext as _

from config.jobs import Job
from portfolios.kernels.errors import KernelError
from portfolios.management.language import shell_language
from portfolios.management.reporting import say_counts, say_left_out
from portfolios.models import ImportRun
from portfolios.selectors import error_sentence, import_problem
from portfolios.services import SyncRequest, execute_import, report_of, request_sync
from portfolios.sources.registry import SIMULATED, SOURCES


class Command(BaseCommand):
    help = (
        "Read prices from a source, each fund from some days before its last one on, so that a restated NAV is seen. Safe to repeat. "
        "Exit 0: all read, or queued; 1: some funds were not read or wait for a person; 2: nothing could be read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--source", required=True, choices=sorted(SOURCES))
        parser.add_argument("--codes", nargs="+", default=[], metavar="CODE", help="these funds only; needed the first time")
        parser.add_argument("--since", type=date.fromisoformat, metavar="YYYY-MM-DD", help="read every fund from this day on")
        parser.add_argument("--file", type=Path, help="the price file of the source csv; default: MARKET_FILE")
        parser.add_argument("--seed", type=int, default=1, help="of the source simulated")
        parser.add_argument("--funds", type=int, default=600, help="how many funds the source simulated invents")
        parser.add_argument("--here", action="store_true", help="work it off in this process and wait for it")

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override(shell_language()):
            simulation = {"seed": options["seed"], "n_funds": options["funds"]} if options["source"] == SIMULATED else {}
            request = SyncRequest(options["source"], tuple(sorted(set(options["codes"]))), options["since"], options["file"], simulation)
            try:
                run = request_sync(request=request)
            except KernelError as error:
                raise CommandError(error_sentence(error.code, error.params), returncode=2) from error
            if not options["here"]:
                self.stdout.write(_("Import %(run)s is queued.") % {"run": run.pk})
                return
            while execute_import(run.pk) and ImportRun.objects.filter(pk=run.pk, status=Job.Status.QUEUED).exists():
                pass  # a long reading comes in slices, so that other work of a queue gets its turn
            self._say(run)

    def _say(self, run: ImportRun) -> None:
        report = report_of(run)
        say_left_out(self, report)
        say_counts(self, report)
        if run.status != Job.Status.DONE:
            raise CommandError(import_problem(run.error), returncode=1 if report.n_funds else 2)
        if report.n_reported:
            raise CommandError(_("Some funds were not imported."), returncode=1)
