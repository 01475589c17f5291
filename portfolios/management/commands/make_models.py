"""manage.py make_models: ask for a set of model portfolios and, with --here, wait for it and print its figures."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from config.jobs import Job
from portfolios.forms.models import refusal
from portfolios.jurisdictions import jurisdiction
from portfolios.management.exits import BAD_INPUT, SOLVER_FAILED, spoken_errors
from portfolios.models import ModelPortfolio, ModelSet
from portfolios.selectors.model_pages import problem_of
from portfolios.services import ModelsRefused, approve_models, execute_models, request_models
from portfolios.templatetags.money import percent


class Command(BaseCommand):
    help = (
        "Make model portfolios from the current pool. They wait for the approval of a supervisor, on the page or by --approve. "
        "Exit 0: made, or queued; 2: no pool, no prices, or not approved; 4: they could not be worked out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--here", action="store_true", help="work them out in this process instead of ringing a worker")
        parser.add_argument("--draws", type=int, help="draws of the moments behind the ranges; else as the settings say")
        parser.add_argument("--approve", metavar="EMAIL", help="with --here: approve them as this supervisor")

    def handle(self, *args: Any, **options: Any) -> None:
        with spoken_errors():
            try:
                made = request_models(n_draws=options["draws"])
                if not options["here"]:
                    self.stdout.write(_("Set no. %(pk)s is queued.") % {"pk": made.pk})
                    return
                execute_models(made.pk)
                made.refresh_from_db()
                self._say(made)
                if options["approve"] and not made.is_current:
                    approve_models(model_set=made, actor=_supervisor(options["approve"]))
                    self.stdout.write(_("Approved and in use."))
            except ModelsRefused as error:
                raise CommandError(refusal(error), returncode=BAD_INPUT) from error

    def _say(self, made: ModelSet) -> None:
        if made.status != Job.Status.DONE:
            raise CommandError(problem_of(made.error) or _("The set is not done."), returncode=SOLVER_FAILED)
        bins, levels = len(jurisdiction().horizon_bins), jurisdiction().levels
        self.stdout.write(
            _("Set no. %(pk)s, data until %(day)s, %(bins)s lengths of goals:") % {"pk": made.pk, "day": made.data_date, "bins": bins}
        )
        for row in ModelPortfolio.objects.filter(model_set=made).order_by("level", "horizon_bin"):
            self.stdout.write(f"  {levels[row.level].code} {row.horizon_bin}: {_figures(row)}")


def _figures(row: ModelPortfolio) -> str:
    if row.gamma is None:
        return problem_of(row.error)
    said = {
        "volatility": percent(row.volatility),
        "bad_year": percent(row.cvar),
        "limit": percent(row.cvar_limit),
        "gamma": round(row.gamma, 2),
    }
    return _("volatility %(volatility)s, bad year %(bad_year)s of at most %(limit)s, risk aversion %(gamma)s") % said


def _supervisor(email: str) -> Any:
    person = get_user_model().objects.filter(email__iexact=email, is_active=True).first()
    if person is None or not person.has_perm("portfolios.change_modelset"):
        raise CommandError(_("%(email)s may not approve model portfolios.") % {"email": email}, returncode=BAD_INPUT)
    return person
