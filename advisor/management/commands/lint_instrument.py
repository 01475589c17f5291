"""manage.py lint_instrument: is a questionnaire's grid sane? Figures, and why it would be refused."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import translation
from django.utils.translation import gettext as _

from advisor.instruments import KEY, Instrument, current_instrument, file_path, load_instrument, shipped_keys
from advisor.selectors.instrument_words import ReportView, level_line, problem_sentence, report_view
from advisor.services.instruments import BadInstrument, lint_instrument, parse_instrument, write_report
from portfolios.management.exits import BAD_INPUT
from portfolios.management.language import shell_language
from portfolios.templatetags.money import percent

REFUSED = 1
NORMS = ("mean", "sd", "reliability")


class Command(BaseCommand):
    help = (
        "Measure a questionnaire on answers without sense and on invented people (seeded; docs/instruments.md), and print the figures. "
        "Exit 0: it may be published; 1: refused, with the reasons; 2: the file cannot be read."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("instrument", nargs="?", help="a YAML file or name@version; without it, the one in use")
        parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
        parser.add_argument("--write", action="store_true", help="keep the report of a shipped questionnaire beside its file")

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override(shell_language()):
            try:
                instrument = _read(options["instrument"])
            except BadInstrument as error:
                said = "\n".join(problem_sentence(one.code, one.where, one.params) for one in error.problems)
                raise CommandError(said, returncode=BAD_INPUT) from error
            except (LookupError, OSError, UnicodeDecodeError) as error:
                raise CommandError(
                    _("There is no such questionnaire: %(name)s") % {"name": options["instrument"]}, returncode=BAD_INPUT
                ) from error
            if options["write"] and instrument.key not in shipped_keys():
                raise CommandError(_("Only the report of a shipped questionnaire is kept beside its file."), returncode=BAD_INPUT)
            report = write_report(key=instrument.key) if options["write"] else lint_instrument(instrument)
            known = {"instrument": instrument.key, "sha256": instrument.sha256}
            self.stdout.write(json.dumps(known | report, ensure_ascii=False, indent=2) if options["json"] else _told(instrument, report))
            if report["findings"]:
                raise CommandError("\n".join(report_view(report).findings), returncode=REFUSED)


def _read(said: str | None) -> Instrument:
    if said is None:
        return current_instrument()
    if said in shipped_keys():  # not by `load_instrument`: the report kept with it may be of an earlier file
        return parse_instrument(file_path(said).read_text(encoding="utf-8"))
    if KEY.fullmatch(said):
        return load_instrument(said)
    return parse_instrument(Path(said).read_text(encoding="utf-8"))


def _norms(norms: dict[str, Any] | None) -> str:
    if norms is None:
        return _("Norms: none, the report is from before they were kept")
    blocks = {
        f"{name}_{letter}": norms[block][name] for letter, block in zip("TK", ("tolerance", "capacity"), strict=True) for name in NORMS
    }
    said = _(
        "Norms, angles: T1 mean %(mean_T)s, SD %(sd_T)s, reliability %(reliability_T)s; "
        "K mean %(mean_K)s, SD %(sd_K)s, reliability %(reliability_K)s; correlation %(r)s"
    )
    return said % {**blocks, "r": norms["correlation"]}


def _told(instrument: Instrument, report: dict[str, Any]) -> str:
    view: ReportView = report_view(report, instrument)
    return "\n".join(
        [
            f"{instrument.key}  {instrument.sha256[:12]}",
            _("Answers drawn without any sense: %(levels)s") % {"levels": level_line(report["uniform"], "C1")},
            _("%(n)s invented people, before ceilings: %(levels)s")
            % {"n": f"{report['n_people']:,}", "levels": level_line(report["raw"], "C1")},
            _("in the end: %(levels)s") % {"levels": level_line(report["final"], "C1-min")},
            _("A bank's four levels, ours before and after:"),
            *(f"  {one.name:<14}{percent(one.bank):>9}{percent(one.raw):>9}{percent(one.final):>9}  {one.levels}" for one in view.bank),
            *(f"  {sentence}" for sentence in view.differences),
            _("Cronbach's alpha: tolerance %(t)s, capacity %(k)s") % {"t": report["alpha"]["tolerance"], "k": report["alpha"]["capacity"]},
            _("Standard errors: SEM_T %(t)s, SEM_K %(k)s") % {"t": report["sem"]["tolerance"], "k": report["sem"]["capacity"]},
            _norms(report["sem"].get("norms")),
            _("How far one question moves the score, in points:"),
            *(f"  {points:>6.2f}  {name}" for name, points in view.weights),
            _("Share of people whom one limit alone decides:"),
            *(f"  {percent(share, 2):>8}  {name}" for name, share in view.decides),
            _("The highest score stands first in %(share)s of the questions; always the same place gives: %(levels)s")
            % {"share": percent(report["best_first"], 0), "levels": ", ".join(f"C{level}" for level in report["straight"])},
            _("Chinese characters to read: %(n)s") % {"n": report["n_characters"]},
            _("Refused.") if report["findings"] else _("It may be published."),
        ]
    )
