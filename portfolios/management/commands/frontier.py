"""manage.py frontier: every turning point of the efficient frontier on given moments, without the database."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from portfolios.kernels.errors import InfeasibleError
from portfolios.management.exits import BAD_INPUT, INFEASIBLE, spoken_errors
from portfolios.selectors import error_sentence
from portfolios.services.headless_frontier import frontier_of_files


class Command(BaseCommand):
    help = (
        "Print the exact efficient frontier from highest return to least risk: its turning points, and points of evenly spaced "
        "return between them (see docs/frontier.md). Exit 0: done; 2: bad input or a limit that is not linear, in one sentence; "
        "3: infeasible; 4: the solver failed."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--moments", type=Path, required=True, help='JSON: {"funds": [...], "mean": [...], "cov": [[...]]}')
        parser.add_argument("--mandate", type=Path, help="JSON: linear limits, funds by id; its objective is not read")
        parser.add_argument("--points", type=int, default=0, help="how many points of evenly spaced return to print besides")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with spoken_errors():
            if options["points"] < 0:
                raise CommandError(_("--points must not be negative."), returncode=BAD_INPUT)
            try:
                answer = frontier_of_files(moments=options["moments"], mandate=options["mandate"], n_points=options["points"])
            except InfeasibleError as error:
                if options["json"]:
                    self.stdout.write(json.dumps({"turning_points": [], "points": [], "notes": []}))
                self.stderr.write(error_sentence(error.code, error.params))
                sys.exit(INFEASIBLE)
            self.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2) if options["json"] else _table(answer))


def _table(answer: dict[str, Any]) -> str:
    lines = [_("Risk aversion  Return a year  Volatility  Weights")]
    for point in answer["points"] or answer["turning_points"]:
        held = sorted(((code, weight) for code, weight in point["weights"].items() if weight), key=lambda pair: (-pair[1], pair[0]))
        gamma = "-" if point["risk_aversion"] is None else f"{point['risk_aversion']:.5g}"
        figures = f"{gamma:>13}{point['expected_return']:>15.3%}{point['volatility']:>12.3%}  "
        lines.append(figures + " ".join(f"{code} {weight:.2%}" for code, weight in held))
    return "\n".join(lines + [_("Note: %(note)s") % {"note": note} for note in answer["notes"]])
