"""manage.py optimise: the optimum of a mandate on given moments, or of a level on a price file; without the database."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from portfolios.management.exits import BAD_INPUT, INFEASIBLE, spoken_errors
from portfolios.selectors import error_sentence
from portfolios.services import solve_mandate_file, solve_price_file


class Command(BaseCommand):
    help = (
        "Print the optimal portfolio: of a mandate (--moments M.json --mandate D.json, see docs/mandates.md), or of a level over "
        "the funds of a price file (--prices P.csv --level C3, see docs/price-files.md). Exit 0: solved; 2: bad input, in one "
        "sentence; 3: infeasible, naming what would have to give way; 4: the solver failed."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--moments", type=Path, help='JSON: {"funds": [...], "mean": [...], "cov": [[...]]}, annual simple returns')
        parser.add_argument("--mandate", type=Path, help="JSON: objective and limits, funds by id")
        parser.add_argument("--prices", type=Path, help="daily prices or total-return indices, long or wide; they count as total return")
        parser.add_argument("--grades", type=Path, help="fund,grade[,class]; without it grades come from volatility bands")
        parser.add_argument("--level", help="C1-min, C1, C2, C3, C4 or C5")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with spoken_errors():
            if _is_mandate(options):
                answer = solve_mandate_file(moments=options["moments"], mandate=options["mandate"])
                table = _mandate_table
            else:
                answer = solve_price_file(
                    prices=options["prices"], grades=options["grades"], level=options["level"], today=timezone.localdate()
                ).answer
                table = _level_table
            if "reason" in answer:
                reason = answer.pop("reason")
                answer["sentence"] = error_sentence(reason["code"], reason["params"])
            printed = json.dumps(answer, ensure_ascii=False, indent=2) if options["json"] else table(answer)
            if printed:
                self.stdout.write(printed)
            if answer["status"] == "infeasible":
                self.stderr.write(answer["sentence"])
                sys.exit(INFEASIBLE)


def _is_mandate(options: dict[str, Any]) -> bool:
    """Whether a mandate is to be solved, or else a level; CommandError where neither or both are asked for."""
    by_mandate, by_level = [options["moments"], options["mandate"]], [options["prices"], options["level"]]
    if all(by_mandate) and not any([*by_level, options["grades"]]):
        return True
    if all(by_level) and not any(by_mandate):
        return False
    raise CommandError(_("Give either --moments and --mandate, or --prices and --level."), returncode=BAD_INPUT)


def _mandate_table(answer: dict[str, Any]) -> str:
    if answer["status"] != "solved":
        return "\n".join(row["sentence"] for row in answer["relax"])
    lines = [_("Fund          Weight")]
    weights = answer["weights"]
    lines += [f"{code:<14}{weights[code]:>8.2%}" for code in sorted(weights, key=lambda code: (-weights[code], code)) if weights[code]]
    figures = {"mean": f"{answer['expected_return']:.2%}", "vol": f"{answer['volatility']:.2%}", "cvar": f"{answer['cvar']:.2%}"}
    lines.append(_("Expected return %(mean)s, volatility %(vol)s, a bad year loses %(cvar)s") % figures)
    lines += [_binding_line(row["limit"], row["shadow_price"]) for row in answer["binding"]]
    return "\n".join(lines + [_("Note: %(note)s") % {"note": note} for note in answer["notes"]])


def _binding_line(limit: str, price: float | None) -> str:
    if price is None:
        return _("Binds: %(limit)s, at no price that could be told") % {"limit": limit}
    return _("Binds: %(limit)s, %(price)s for each 1.00 it gives way") % {"limit": limit, "price": f"{price:.6g}"}


def _level_table(answer: dict[str, Any]) -> str:
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
