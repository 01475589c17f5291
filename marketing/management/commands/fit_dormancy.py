"""manage.py fit_dormancy: BG/NBD or MBG/NBD from a file of summaries or transactions; without the database."""

import json
import math
from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import translation
from django.utils.translation import gettext as _

from marketing.kernels.bgnbd import MODELS, NAMES
from marketing.selectors.dormancy_words import dormancy_sentence
from marketing.services.dormancy_files import DAYS_OF, FileFit, fit_summary_file, fit_transactions_file
from portfolios.kernels.errors import DataError, SolverError
from portfolios.management.exits import BAD_INPUT, SOLVER_FAILED
from portfolios.management.language import shell_language


class Command(BaseCommand):
    help = (
        "Fit who has stopped coming: --summary FILE.csv (ID, frequency, recency, T), or --transactions FILE (id, date; CSV, or apart "
        "by blanks as CDNOW_master.txt) with --calibration-end DATE. docs/method-dormancy.md has the formats and the method. "
        "Exit 0: fitted; 2: bad input, in one sentence; 4: no maximum was found."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--summary", type=Path, help="CSV: ID, frequency, recency, T; times in one unit")
        source.add_argument("--transactions", type=Path, help="one row a transaction: id, date")
        parser.add_argument("--calibration-end", metavar="DATE", help="the last day that the fit sees, as 1997-09-30")
        parser.add_argument("--unit", choices=list(DAYS_OF), default="week", help="of time, for transactions")
        parser.add_argument("--model", choices=MODELS, default="bgnbd")
        parser.add_argument("--horizon", type=float, default=39.0, help="units ahead for which transactions are expected")
        parser.add_argument("--report", action="store_true", help="hold the fit against the transactions after --calibration-end")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override(shell_language()):
            try:
                found = _fitted(options)
            except (DataError, SolverError) as error:
                code = BAD_INPUT if isinstance(error, DataError) else SOLVER_FAILED
                raise CommandError(dormancy_sentence(error.code, error.params), returncode=code) from error
            if found.fit.at_bound:
                names = ", ".join(found.fit.at_bound)
                self.stderr.write(
                    _("At the edge of what is searched: %(names)s. People hardly differ, or hardly anybody stops.") % {"names": names}
                )
            if options["json"]:
                told = found.as_json() | ({"report": found.report} if found.report else {})
                self.stdout.write(json.dumps(told, ensure_ascii=False))
            else:
                self.stdout.write("\n".join(_table(found, options["horizon"]) + (_report(found.report) if found.report else [])))


def _fitted(options: dict[str, Any]) -> FileFit:
    """CommandError where options do not go together."""
    asked = {"model": options["model"], "horizon": options["horizon"]}
    if not (math.isfinite(asked["horizon"]) and asked["horizon"] >= 0):
        raise DataError("horizon_not_a_length", horizon=asked["horizon"])
    if options["summary"]:
        if options["calibration_end"] or options["report"]:
            raise CommandError(_("--calibration-end and --report go with --transactions."), returncode=BAD_INPUT)
        return fit_summary_file(path=options["summary"], **asked)
    if not options["calibration_end"]:
        raise CommandError(_("--transactions needs --calibration-end."), returncode=BAD_INPUT)
    try:
        end = date.fromisoformat(options["calibration_end"])
    except ValueError:
        raise CommandError(
            _("“%(value)s” is no date: write it as 2026-01-31.") % {"value": options["calibration_end"]}, returncode=BAD_INPUT
        ) from None
    return fit_transactions_file(
        path=options["transactions"], calibration_end=end, unit=options["unit"], with_report=options["report"], **asked
    )


def _table(found: FileFit, horizon: float) -> list[str]:
    fit = found.fit
    lines = [_("%(n)s customers, %(groups)s different histories, %(model)s") % {
        "n": f"{fit.n_customers:,}", "groups": f"{fit.n_groups:,}", "model": fit.parameters.model}]  # fmt: skip
    lines += [f"{name:<8}{getattr(fit.parameters, name):>10.4f}  ± {fit.standard_errors[name]:.4f}" for name in NAMES]
    lines.append(_("log-likelihood %(value)s") % {"value": f"{fit.log_likelihood:.2f}"})
    told = {"horizon": f"{horizon:g}", "total": f"{found.expected.sum():,.0f}", "alive": f"{found.p_alive.mean():.1%}"}
    return [*lines, _("Expected within %(horizon)s: %(total)s transactions; alive on average: %(alive)s") % told]


def _report(report: dict[str, Any]) -> list[str]:
    lines = ["", _("Holdout of %(length)s: expected %(expected)s transactions, actual %(actual)s") % {
        "length": f"{report['held_out']:g}", "expected": f"{report['expected']:,.0f}", "actual": f"{report['actual']:,.0f}"}]  # fmt: skip
    lines.append(_("Repeats before  Customers  Expected  Actual"))
    for row in report["bins"]:
        label = f"{row['frequency']}{'+' if row['is_open'] else ''}"
        lines.append(f"{label:<14}{row['n']:>11,}{row['expected']:>10.3f}{row['actual']:>8.3f}")
    names = {
        "p_alive": _("P(alive)"), "p_any": _("P(comes again)"), "expected": _("expected transactions"),
        "silence": _("days of silence"), "naive": _("silent for less than %(length)s") % {"length": f"{report['naive']:.1f}"},
    }  # fmt: skip
    if report["areas"]:
        lines += ["", _("Who comes again: area under the ROC curve, interval (95%)")]
    for name, area in report["areas"].items():
        row = f"{names[name]:<28}{area['value']:.3f} [{area['low']:.3f}, {area['high']:.3f}]"
        if gap := report["differences"].get(name):
            row += "  " + _("against the naive rule") + f" {gap['value']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]"
        lines.append(row)
    return lines
