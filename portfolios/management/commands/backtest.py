"""manage.py backtest: walk the levels forward through the stored prices and print what became of them."""

import json
from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from config.jobs import Job
from portfolios.management.exits import BAD_INPUT, spoken_errors
from portfolios.models import Backtest, Fund
from portfolios.selectors import error_sentence
from portfolios.selectors.backtests import strategy_name
from portfolios.services import BacktestInputs, execute_backtest, request_backtest
from portfolios.services.backtests import COSTS, EVERY_MONTHS, FOLLOWS, INDEX_FUNDS
from portfolios.templatetags.money import percent


class Command(BaseCommand):
    help = (
        "Walk the levels and their benchmarks forward through the stored prices of a list of funds, in this process, and print a "
        "table, or everything as JSON. The same inputs again print the result there is. Exit 0: done; 2: bad input."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", default="backtest")
        parser.add_argument("--start", type=date.fromisoformat, required=True, help="first decision, YYYY-MM-DD")
        parser.add_argument("--end", type=date.fromisoformat, required=True, help="last day")
        parser.add_argument(
            "--funds",
            default="all",
            help="codes with commas between them; all: every stored fund; screened: the pool screened anew each time",
        )
        parser.add_argument("--levels", default="1,2,3,4,5")
        parser.add_argument("--every", type=int, choices=EVERY_MONTHS, default=3, help="months between two decisions")
        parser.add_argument("--no-bands", action="store_true", help="trade to the target at each decision, however near")
        parser.add_argument(
            "--costs", choices=COSTS, default="rules", help="the funds' own purchase fees, the highest allowed, or no costs"
        )
        parser.add_argument("--index-funds", choices=INDEX_FUNDS, default="marked", help="which funds the single-fund cap excepts")
        parser.add_argument("--follows", choices=FOLLOWS, default="advice", help="to the model, or from what is held with costs weighed")
        for side in ("cash", "equity", "bond"):
            parser.add_argument(f"--{side}", default="", help=f"codes of the funds that stand for {side} in the benchmarks")
        parser.add_argument("--json", action="store_true", help="print inputs and result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        with spoken_errors():
            backtest = request_backtest(name=options["name"], inputs=_inputs(options))
            if backtest.status != Job.Status.DONE:
                execute_backtest(backtest.pk)
                backtest.refresh_from_db()
            if backtest.status == Job.Status.FAILED:
                error = backtest.error or {}
                raise CommandError(error_sentence(error.get("code", ""), error.get("params", {})), returncode=BAD_INPUT)
            if backtest.result is None:
                raise CommandError(_("A worker is at this backtest already."), returncode=1)
            if options["json"]:
                self.stdout.write(json.dumps({"id": backtest.pk, "inputs": backtest.inputs, "result": backtest.result}, ensure_ascii=False))
            else:
                self._table(backtest)

    def _table(self, backtest: Backtest) -> None:
        heads = (_("a year"), _("volatility"), _("deepest fall"), _("worst year"), _("CVaR"), _("fees a year"), _("turnover a year"))
        self.stdout.write(f"{'':<26}" + "".join(f"{head:>16}" for head in heads))
        for row in (backtest.result or {})["strategies"]:
            figures, costs = row["figures"], row["costs"] or {}
            shown = [figures[key] for key in ("annual_return", "volatility", "deepest_fall", "worst_year", "realised_cvar")]
            shown += [costs.get("fees_a_year"), costs.get("turnover_a_year")]
            self.stdout.write(f"{strategy_name(row['name']):<26}" + "".join(f"{percent(value, 2):>16}" for value in shown))


def _inputs(options: dict[str, Any]) -> BacktestInputs:
    named = {side: _codes(options[side]) for side in ("cash", "equity", "bond")}
    every = tuple(Fund.objects.order_by("code").values_list("code", flat=True)) if options["funds"] == "all" else ()
    return BacktestInputs(
        start=options["start"],
        end=options["end"],
        funds=() if options["funds"] == "screened" else every or _codes(options["funds"]),
        levels=tuple(int(level) for level in options["levels"].split(",")),
        every_months=options["every"],
        bands=not options["no_bands"],
        costs=options["costs"],
        index_funds=options["index_funds"],
        follows=options["follows"],
        **named,
    )


def _codes(text: str) -> tuple[str, ...]:
    return tuple(code.strip() for code in text.split(",") if code.strip())
