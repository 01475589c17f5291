"""manage.py import_far_trans: read a bank's anonymised customers, assets, orders and prices, and say what became of each row."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import translation
from django.utils.translation import gettext as _

from advisor.kernels.instrument_lint import BANK_MIX
from advisor.models import Level
from advisor.selectors.far_trans_words import far_trans_reason, far_trans_sentence
from advisor.services.far_trans import LEVELS, FarTrans, read_far_trans, store_far_trans
from portfolios.kernels.errors import DataError
from portfolios.management.exits import BAD_INPUT
from portfolios.management.language import shell_language


class Command(BaseCommand):
    help = (
        "Check a folder of FAR-Trans, the customers and assets and, for those who have downloaded them, transactions and close "
        "prices. --store writes the rows that can be used as CSV; nothing enters the database (docs/far-trans.md). Exit 0: read, "
        "and each row that was left out is reported; 2: bad input, in one sentence."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="where customer_information.csv and the others are")
        parser.add_argument("--store", type=Path, metavar="FOLDER", help="write the rows that can be used into this folder")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override(shell_language()):
            try:
                found = read_far_trans(folder=options["folder"])
                stored = store_far_trans(found=found, folder=options["store"]) if options["store"] else []
            except DataError as error:
                raise CommandError(far_trans_sentence(error.code, error.params), returncode=BAD_INPUT) from error
            answer = _answer(found, stored)
            self.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2) if options["json"] else _said(found, answer))


def _answer(found: FarTrans, stored: list[str]) -> dict[str, Any]:
    people = found.people
    words = {level: word for word, level in LEVELS.items()}
    counts = people.groupby(["is_predicted", "level"]).size()

    def of(is_predicted: bool) -> dict[str, int]:
        return {words[level]: int(counts.get((is_predicted, level), 0)) for level in words}

    return {
        "files": [asdict(report) for report in found.reports],
        "absent": list(found.absent),
        "customers": len(people),
        "stated": of(False),
        "predicted": of(True),
        "without_level": int((people["level"] == 0).sum()),
        "stated_mix": [round(share, 4) for share in found.mix],
        "linter_mix": list(BANK_MIX),
        "levels": {word: Level(level).label for word, level in LEVELS.items()},
        "assets": {str(kind): int(n) for kind, n in found.described_assets.groupby("assetcategory").size().items()},
        "stored": stored,
    }


def _said(found: FarTrans, answer: dict[str, Any]) -> str:
    lines = []
    for report in found.reports:
        lines.append(
            _("%(file)s: %(n)s rows, %(kept)s can be used") % {"file": report.file, "n": f"{report.n_rows:,}", "kept": f"{report.n_kept:,}"}
        )
        lines += [
            _("  left out %(n)s: %(reason)s (first in line %(line)s)")
            % {"n": f"{n:,}", "reason": far_trans_reason(why), "line": report.first_lines[why]}
            for why, n in report.left_out.items()
        ]
    if found.absent:
        lines.append(_("Not there: %(files)s") % {"files": ", ".join(found.absent)})
    mix = " / ".join(f"{100 * share:.1f} %" for share in found.mix)
    said = {"n": f"{answer['customers']:,}", "levels": ", ".join(f"{word} {answer['levels'][word]}" for word in LEVELS), "mix": mix}
    lines.append(_("%(n)s customers; by questionnaire %(levels)s: %(mix)s") % said)
    predicted, without = sum(answer["predicted"].values()), answer["without_level"]
    lines.append(_("Kept apart: %(n)s whose level an algorithm predicted, %(none)s without a level") % {"n": predicted, "none": without})
    if answer["stored"]:
        lines.append(_("Written: %(files)s") % {"files": ", ".join(answer["stored"])})
    return "\n".join(lines)
