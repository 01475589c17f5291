"""manage.py estimate: annual moments of the funds of a price file, without the database."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from portfolios.kernels.covariances import COVARIANCES, HALF_LIFE_WEEKS, UNEQUAL, CovarianceMethod
from portfolios.kernels.errors import DataError
from portfolios.kernels.types import Moments
from portfolios.management.language import shell_language
from portfolios.selectors import error_sentence, row_reason
from portfolios.services.estimating import MEANS, EstimateRequest, estimate_price_file


class Command(BaseCommand):
    help = (
        "Print annual means and covariance of the funds of a price file, as `optimise --moments` reads them. Prices count as "
        "total return. For analysis: advice uses class assumptions only. Exit 2: bad input, in one sentence. See docs/estimate.md."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--prices", type=Path, required=True, help="daily prices or total-return indices, long or wide")
        parser.add_argument("--mean", default="class_assumptions", help=", ".join(MEANS))
        parser.add_argument("--cov", default="ledoit_wolf", help=", ".join(COVARIANCES))
        parser.add_argument("--views", type=Path, help="JSON: views for black_litterman")
        parser.add_argument("--assumptions", type=Path, help="YAML: classes, funds, cash rate, reference mix")
        parser.add_argument("--weeks", type=int, default=1, help="weeks a return spans: 1, or 2 overlapping by one")
        parser.add_argument("--unequal", default="pairwise", help="how histories of different length are used: " + ", ".join(UNEQUAL))
        parser.add_argument("--half-life", type=float, default=HALF_LIFE_WEEKS, help="in weeks, of ewma; default %(default)s")
        parser.add_argument("--years", type=float, help="years of history up to the last date; default: those of the advice")
        parser.add_argument("--carry-gaps", action="store_true", help="carry a missing price over (14 days at most), not refuse it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override(shell_language()):
            try:
                moments = estimate_price_file(
                    EstimateRequest(
                        prices=options["prices"],
                        mean=options["mean"],
                        today=timezone.localdate(),
                        method=CovarianceMethod(options["cov"], options["unequal"], options["half_life"], options["weeks"]),
                        views=options["views"],
                        assumptions=options["assumptions"],
                        years=options["years"],
                        may_have_gaps=options["carry_gaps"],
                    )
                )
            except DataError as error:
                params = error.params
                if error.code == "bad_row":
                    params = {**params, "reason": row_reason(str(params["reason"]))}
                raise CommandError(error_sentence(error.code, params), returncode=2) from error
            self.stdout.write(json.dumps(_as_json(moments), ensure_ascii=False) if options["json"] else _table(moments))


def _as_json(moments: Moments) -> dict[str, Any]:
    return {
        "funds": list(moments.codes),
        "mean": moments.mean.tolist(),
        "cov": moments.cov.tolist(),
        "versions": moments.versions,
        "notes": list(moments.notes),
    }


def _table(moments: Moments) -> str:
    lines = [_("Fund          Return a year  Volatility")]
    for code, mean, volatility in zip(moments.codes, moments.mean, np.sqrt(np.diag(moments.cov)), strict=True):
        lines.append(f"{code:<14}{mean:>13.2%}{volatility:>12.2%}")
    lines += [_("Note: %(note)s") % {"note": note} for note in moments.notes]
    return "\n".join(lines)
