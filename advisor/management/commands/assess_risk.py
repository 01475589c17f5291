"""manage.py assess_risk: the level of a sheet of scores, with every number on the way; without the database."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import translation
from django.utils.translation import gettext as _

from advisor.jurisdictions import advice_rules
from advisor.selectors.risk_files import file_sentence
from advisor.services.risk_files import assess_risk_files
from portfolios.kernels.errors import DataError
from portfolios.management.exits import BAD_INPUT
from portfolios.management.language import shell_language

NUMBERS = ("T", "K", "s", "T1", "D", "T2", "lo", "hi", "R")


class Command(BaseCommand):
    help = (
        "Print the risk level of a sheet of scores with every number on the way to it (docs/method-risk.md has the formats and "
        "the method). Exit 0: assessed; 2: bad input, in one sentence."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--answers", type=Path, required=True, help="JSON: scores, knowledge, gates and facts")
        parser.add_argument("--behaviour", type=Path, help='JSON: {measure: {"value": raw, "evidence": 0..1}}')
        parser.add_argument("--instrument", type=Path, help="a questionnaire's YAML, for its errors of measurement; else the shipped one's")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override(shell_language()):
            try:
                answer = assess_risk_files(answers=options["answers"], behaviour=options["behaviour"], instrument=options["instrument"])
            except DataError as error:
                raise CommandError(file_sentence(error.code, error.params), returncode=BAD_INPUT) from error
            self.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2) if options["json"] else _told(answer))


def _told(answer: dict[str, Any]) -> str:
    numbers = [f"  {name:<9}{answer[name]:>10.4f}" for name in NUMBERS]
    done = answer["behaviour"].items()
    readings = [f"    {name:<14}z {one['z']:.3f}, e {one['evidence']:.3f}: {one['damage']:.3f}" for name, one in done]
    place = NUMBERS.index("D")
    rules = advice_rules()
    limits = [_ceiling_line(one, rules.ceiling(one["name"])) for one in answer["ceilings"]]
    if answer["gate"]:
        gate = rules.gate(answer["gate"])
        limits.append(_("  C1-min by law: %(why)s") % {"why": gate.said if gate else answer["gate"]})
    why = {"low_confidence": _("the score is not sure enough"), "panic_sale": _("a panic sale within a year")}
    reasons = ", ".join(why[one] for one in answer["lowered_by"])
    return "\n".join(
        [
            *numbers[:place],
            *readings,
            *numbers[place:],
            _("Raw level %(level)s, p0 %(p0)s (sigma_R %(error)s, SEM_T %(t)s, SEM_K %(k)s)")
            % {
                "level": answer["raw_level"],
                "p0": f"{answer['p0']:.4f}",
                "error": f"{answer['sigma_R']:.4f}",
                "t": f"{answer['SEM_T']:.4f}",
                "k": f"{answer['SEM_K']:.4f}",
            },
            *([_("  one level down: %(why)s") % {"why": reasons}] if reasons else []),
            *limits,
            _("Level %(level)s, p %(p)s, confidence %(confidence)s; for this goal %(goal)s")
            % {"level": answer["level"], "p": f"{answer['p']:.4f}", "confidence": answer["confidence"], "goal": answer["goal_level"]},
            *([_retest_line(answer)] if answer["retest"] else []),
            *([_("An advisor should look at it.")] if answer["queued"] else []),
        ]
    )


def _retest_line(answer: dict[str, Any]) -> str:
    words = {name: f"{answer['retest'][name]:.4f}" for name in ("m_T", "e_T", "m_K", "e_K")}
    words |= {"p": f"{answer['p_retest']:.4f}", "confidence": answer["confidence_shown"]}
    return _("Asked again: p_retest %(p)s (m_T %(m_T)s, e_T %(e_T)s, m_K %(m_K)s, e_K %(e_K)s); confidence shown: %(confidence)s") % words


def _ceiling_line(ceiling: dict[str, Any], rule: Any) -> str:
    words = {"level": ceiling["level"], "name": rule.said if rule else ceiling["name"]}
    return (_("  at most %(level)s, which decides: %(name)s") if ceiling["binds"] else _("  at most %(level)s: %(name)s")) % words
