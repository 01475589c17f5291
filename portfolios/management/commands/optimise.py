"""manage.py optimise: a portfolio for a level from a price file, without the database."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from portfolios.kernels.errors import DataError, SolverError
from portfolios.management.language import shell_language
from portfolios.selectors import error_sentence, row_reason
from portfolios.services import solve_price_file


class Command(BaseCommand):
    help = (
        "Print the portfolio of a level over the funds of a price file. Prices count as total return. Exit 0: solved; "
        "2: bad input, in one sentence; 3: infeasible, naming the limit; 4: the solver failed."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--prices", type=Path, required=True, help="daily prices or total-return indices, long or wide")
        parser.add_argument("--grades", type=Path, help="fund,grade[,class]; without it grades come from volatility bands")
        parser.add_argument("--level", required=True, help="C1-min, C1, C2, C3, C4 or C5")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override(shell_language()):
            try:
                solved = solve_price_file(
                    prices=options["prices"], grades=options["grades"], level=options["level"], today=timezone.localdate()
                )
            except DataError as error:
                params = error.params
                if error.code == "bad_row":
                    params = {**params, "reason": row_reason(str(params["reason"]))}
                raise CommandError(error_sentence(error.code, params), returncode=2) from error
            except SolverError as error:
                raise CommandError(error_sentence(error.code, error.params), returncode=4) from error
            answer = solved.answer
            if "reason" in answer:
                reason = answer.pop("reason")
                answer["sentence"] = error_sentence(reason["code"], reason["params"])
            self.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2) if options["json"] else _table(answer))
            if solved.exit_code:
                self.stderr.write(answer["sentence"])
                sys.exit(solved.exit_code)


def _table(answer: dict[str, Any]) -> str:
    grades, classes = answer["grades"], answer["fund_classes"]
    lines = [_("Fund          Grade  Class             Return a year  Weight")]
    for code in sorted(grades, key=lambda code: (-answer["weights"].get(code, 0.0), code)):
        weight = answer["weights"].get(code, 0.0)
        mean = answer["classes"][classes[code]]
        lines.append(f"{code:<14}R{grades[code]:<6}{classes[code]:<18}{mean:>13.1%}{weight:>8.2%}")
    lines.append(_("Cash rate: %(rate)s a year") % {"rate": f"{answer['cash_rate']:.2%}"})
    if answer["status"] == "solved":
        lines.append(
            _(
                "Level %(level)s: expected return %(mean)s, volatility %(vol)s, a bad year loses %(cvar)s (at most %(limit)s),"
                " risk aversion %(gamma)s"
            )
            % {
                "level": answer["level"],
                "mean": f"{answer['expected_return']:.2%}",
                "vol": f"{answer['volatility']:.2%}",
                "cvar": f"{answer['cvar']:.2%}",
                "limit": f"{answer['cvar_limit']:.2%}",
                "gamma": f"{answer['gamma']:.4g}",
            }
        )
    lines += [_("Note: %(note)s") % {"note": note} for note in answer["notes"]]
    return "\n".join(lines)
