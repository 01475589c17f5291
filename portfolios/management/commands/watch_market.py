"""manage.py watch_market: hold every fund of the pool against the limits of the daily watch, and say what was opened and closed."""

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import translation
from django.utils.translation import gettext as _

from portfolios.management.language import shell_language
from portfolios.services import watch_market


class Command(BaseCommand):
    help = "Watch the fund pool on a day, by default today: open alerts that are new, close those that are over. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--date", type=date.fromisoformat, help="the day of the watch, such as 2026-03-31")

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override(shell_language()):
            report = watch_market(day=options["date"])
            told = {"funds": report.n_funds, "opened": report.n_opened, "closed": report.n_closed, "open": report.n_open}
            self.stdout.write(_("Watched %(funds)s funds: %(opened)s alerts opened, %(closed)s closed, %(open)s are open.") % told)
