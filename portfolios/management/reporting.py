"""What a command says of an import: the rows it left out, and where each row went."""

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from portfolios.selectors import row_reason, row_sentence
from portfolios.services import ImportReport

_SHOWN = 50


def say_left_out(command: BaseCommand, report: ImportReport) -> None:
    """Print to stderr the first wrong rows, the funds that were refused, those that wait, and those the source did not give."""
    for line, fund, code in report.issues[:_SHOWN]:
        if line:
            command.stderr.write(row_sentence(code, line=line, fund=fund))
    if report.n_issues > _SHOWN:
        command.stderr.write(
            _("… and %(n)s more rows; all are kept with import %(run)s.") % {"n": report.n_issues - _SHOWN, "run": report.run_id}
        )
    for fund, code in list(report.failed.items())[:_SHOWN]:
        command.stderr.write(_("Fund %(fund)s: %(reason)s.") % {"fund": fund, "reason": row_reason(code)})
    for fund, n_rows in sorted(report.refused.items()):
        command.stderr.write(_("Fund %(fund)s was not imported; %(n)s good rows of it were left out too.") % {"fund": fund, "n": n_rows})
    for fund, n_rows in sorted(report.quarantined.items()):
        text = _("Fund %(fund)s has a jump that nothing explains: its %(n)s rows wait for a decision on the quarantine page.")
        command.stderr.write(text % {"fund": fund, "n": n_rows})


def say_counts(command: BaseCommand, report: ImportReport) -> None:
    """Print where each row went."""
    text = _("Rows read: %(rows)s = new %(new)s + changed %(changed)s + unchanged %(unchanged)s + reported %(reported)s; funds: %(funds)s.")
    counts = report.counted
    command.stdout.write(
        text
        % {
            "rows": report.n_rows,
            "new": counts.n_new,
            "changed": counts.n_changed,
            "unchanged": counts.n_unchanged,
            "reported": report.n_reported,
            "funds": report.n_funds,
        }
    )
