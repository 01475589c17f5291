"""What is wrong with the files of a reading of behaviour, as one sentence in the reader's language."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from portfolios.selectors import error_sentence

_SENTENCES = {
    "fund_without_grade": _("Fund %(fund)s has no risk grade: write R1 to R5."),
    "ledger_row_twice": _("Line %(line)s of the ledger repeats line %(first)s: one order is one row."),
    "ledger_cell_unclear": _("Line %(line)s of the ledger: “%(value)s” cannot be used in the column “%(column)s”."),
    "ledger_fund_unknown": _("Line %(line)s of the ledger: fund %(fund)s is not in the table of funds."),
    "ledger_fund_without_prices": _("Line %(line)s of the ledger: fund %(fund)s is not in the price file."),
    "ledger_day_without_price": _("Line %(line)s of the ledger: fund %(fund)s has no price of %(date)s."),
    "ledger_before_prices": _("%(file)s begins before the first trading day of the price file."),
    "sold_more_than_held": _("Line %(line)s of the ledger sells more of fund %(fund)s than was bought before."),
    "as_of_unclear": _("“%(value)s” is no date: write it as 2026-01-31."),
}


def behaviour_file_sentence(code: str, params: Mapping[str, object]) -> str:
    """One sentence for the code and parameters of a file's error."""
    return str(_SENTENCES[code]) % params if code in _SENTENCES else error_sentence(code, params)
