"""manage.py behaviour: the five measures of what somebody did, from a ledger, prices and funds; without the database."""

import json
from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from advisor.selectors.behaviour_words import behaviour_file_sentence
from advisor.services.behaviour_files import read_behaviour_files
from portfolios.kernels.errors import DataError
from portfolios.management.exits import BAD_INPUT
from portfolios.management.language import shell_language

FIRST_YEAR, LAST_YEAR = 1900, 2199


class Command(BaseCommand):
    help = (
        "Print panic, turnover, disposition, concentration and chasing of one ledger, each with what it rests on; assess_risk "
        "takes it as --behaviour (docs/method-behaviour.md has the formats). Exit 0: measured; 2: bad input, in one sentence."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--ledger", type=Path, required=True, help="CSV: date, fund, side, units, amount, origin")
        parser.add_argument("--prices", type=Path, required=True, help="daily prices, long or wide (docs/price-files.md)")
        parser.add_argument("--funds", type=Path, required=True, help="CSV: fund, class, region, category, grade")
        parser.add_argument("--as-of", required=True, metavar="DATE", help="the last day that is looked at, as 2026-01-31")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override(shell_language()):
            try:
                files = {name: options[name] for name in ("ledger", "prices", "funds")}
                found = read_behaviour_files(**files, as_of=_day(options["as_of"]), today=timezone.localdate())
            except DataError as error:
                raise CommandError(behaviour_file_sentence(error.code, error.params), returncode=BAD_INPUT) from error
            if found.unknown_origins:
                self.stderr.write(
                    _("Left out, for their origin is not known: %(origins)s.") % {"origins": ", ".join(found.unknown_origins)}
                )
            self.stdout.write(
                json.dumps(found.measures, ensure_ascii=False, indent=2) if options["json"] else _table(found.measures, found.risk_assets)
            )


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise DataError("as_of_unclear", value=text) from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:  # no window of two years could be laid around it
        raise DataError("as_of_unclear", value=text)
    return day


def _table(measures: dict[str, Any], risk_assets: float) -> str:
    lines = [_("Measure             Value  Evidence     n  From        To          Lines of the ledger")]
    for name, one in measures.items():
        rests_on = one["rests_on"]
        trades = " ".join(map(str, rests_on["trades"]))
        dates = f"{rests_on['from'] or '-':<12}{rests_on['to'] or '-':<12}"
        lines.append(f"{name:<16}{one['value']:>9.4f}{one['evidence']:>10.3f}{rests_on['n']:>6}  {dates}{trades}".rstrip())
    return "\n".join([*lines, _("Risk assets on average of the last days: %(amount)s yuan") % {"amount": f"{risk_assets:,.2f}"}])
