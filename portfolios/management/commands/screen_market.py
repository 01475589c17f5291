"""manage.py screen_market: ask for a screen of the market and, with --here, wait for it and say what came out."""

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from config.jobs import Job
from portfolios.management.exits import BAD_INPUT, INFEASIBLE, SOLVER_FAILED, spoken_errors
from portfolios.models import ScreenRun
from portfolios.selectors.screen_inputs import latest_data_date
from portfolios.selectors.screens import screen_summary
from portfolios.selectors.sentences import error_sentence
from portfolios.services import execute_screen, request_screen
from portfolios.templatetags.money import percent


class Command(BaseCommand):
    help = (
        "Screen the market as it was public on a day and publish the pool. Without --here a worker does it. "
        "Exit 0: published, or queued; 2: no such day or no prices; 3: refused, the pool would be short; 4: the run failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--date", type=date.fromisoformat, help="the data date, as 2026-11-20; else the day of the last prices")
        parser.add_argument("--here", action="store_true", help="screen in this process instead of ringing a worker")

    def handle(self, *args: Any, **options: Any) -> None:
        with spoken_errors():
            day = options["date"] or latest_data_date()
            if day is None:
                raise CommandError(error_sentence("no_history", {}), returncode=BAD_INPUT)
            run = request_screen(data_date=day)
            if not options["here"]:
                self.stdout.write(_("Screen %(pk)s of %(day)s is queued.") % {"pk": run.pk, "day": day.isoformat()})
                return
            execute_screen(run.pk)
            run.refresh_from_db()
            self._say(run)

    def _say(self, run: ScreenRun) -> None:
        if run.status != Job.Status.DONE:
            error = run.error or {"code": "screen_not_done", "params": {}}
            code = BAD_INPUT if error["code"] == "no_history" else SOLVER_FAILED
            raise CommandError(error_sentence(error["code"], error["params"]), returncode=code)
        summary = screen_summary(run)
        counts = {"pk": run.pk, "day": run.data_date.isoformat(), "funds": run.n_funds, "passed": run.n_gated, "n_in": run.n_in}
        counts["share"] = percent(summary.share_in)
        self.stdout.write(
            _("Screen %(pk)s of %(day)s: %(funds)s funds, %(passed)s pass the gates, %(n_in)s are in (%(share)s of these).") % counts
        )
        for group in [*summary.categories, *summary.grades]:
            self.stdout.write(f"  {group.name}: {group.n_funds} / {group.n_passed} / {group.n_in}")
        for _code, name, n_funds in summary.gates:
            self.stdout.write(f"  {name}: {n_funds}")
        if summary.shortage:
            raise CommandError(summary.shortage, returncode=INFEASIBLE)
