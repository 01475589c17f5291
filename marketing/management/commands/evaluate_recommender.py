"""manage.py evaluate_recommender: every model on a file of interactions; without the database."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import translation
from django.utils.translation import gettext as _

from marketing.kernels.splits import SPLITS
from marketing.selectors.interaction_words import interaction_sentence
from marketing.services.interaction_files import evaluate_file
from portfolios.kernels.errors import DataError
from portfolios.management.language import shell_language

BAD_FILE = 1


class Command(BaseCommand):
    help = (
        "Compare the recommenders on --interactions FILE.csv (user, item; weight and timestamp where there are some): a fourth is held "
        "back, settings are chosen on a part of the rest, and every item that a person has not touched is ranked. "
        "Exit 0: compared; 1: the file cannot be used, said in one sentence."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--interactions", type=Path, required=True, metavar="FILE", help="CSV: user, item[, weight][, timestamp]")
        parser.add_argument("--split", choices=SPLITS, default="per_user", help="a fourth of each person's items, or the last by time")
        parser.add_argument("--seed", type=int, default=42)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override(shell_language()):
            if options["seed"] < 0:
                raise CommandError(_("The seed must be 0 or more."), returncode=BAD_FILE)
            try:
                found = evaluate_file(path=options["interactions"], split=options["split"], seed=options["seed"])
            except DataError as error:
                raise CommandError(interaction_sentence(error.code, error.params), returncode=BAD_FILE) from error
            self.stdout.write(json.dumps(found, ensure_ascii=False) if options["json"] else "\n".join(_table(found)))


def _table(found: dict[str, Any]) -> list[str]:
    metrics = ("ndcg@10", "recall@10", "map@10", "coverage", "novelty", "diversity")
    ordered = sorted(found["models"].items(), key=lambda one: -one[1]["ndcg@10"])
    lines = [f"{'':<18}" + "".join(f"{metric:>11}" for metric in metrics)]
    lines += [f"{name:<18}" + "".join(f"{figures[metric]:>11.4f}" for metric in metrics) for name, figures in ordered]
    told = {"best": found["best"], "users": f"{found['data']['test_users']:,}"}
    return [*lines, _("Best: %(best)s. Measured on %(users)s people.") % told]
