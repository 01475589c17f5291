"""manage.py grade_funds: grade every fund by what it did and what it is, and say how many moved."""

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import translation
from django.utils.translation import gettext as _

from portfolios.management.language import shell_language
from portfolios.services import grade_funds


class Command(BaseCommand):
    help = "Grade all funds R1 to R5 on prices until a date, by default all there are. Grading again on the same prices changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--date", type=date.fromisoformat, help="prices until this day, such as 2026-03-31")

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override(shell_language()):
            report = grade_funds(data_date=options["date"])
            told = {"funds": report.n_funds, "up": report.n_up, "down": report.n_down}
            self.stdout.write(_("Graded %(funds)s funds: %(up)s moved up, %(down)s moved down.") % told)
