"""What is wrong with data that were to be fitted, as one sentence in the reader's language."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from portfolios.selectors import error_sentence

_SENTENCES = {
    "history_not_finite": _("Line %(line)s (%(id)s): a number is not finite."),
    "history_negative": _("Line %(line)s (%(id)s): a number is negative."),
    "history_frequency_not_whole": _("Line %(line)s (%(id)s): frequency %(frequency)s is not a whole number."),
    "history_repeat_without_recency": _(
        "Line %(line)s (%(id)s): frequency is %(frequency)s but recency is 0: who came again did so some time after the first time."
    ),
    "history_recency_without_repeat": _(
        "Line %(line)s (%(id)s): frequency is 0 but recency is %(recency)s: who did not come again has a recency of 0."
    ),
    "history_recency_beyond_end": _("Line %(line)s (%(id)s): recency %(recency)s is more than T, %(observed)s."),
    "history_too_varied": _("There are too many different histories (%(n)s customers): round the times to days."),
    "histories_too_few": _("%(n)s customers are too few to tell how customers differ; at least %(least)s are needed."),
    "histories_without_repeat": _("Nobody came more than once (%(n)s customers): when they stop cannot be told from this."),
    "histories_not_watched": _("T is 0 for all %(n)s customers: nobody was watched for any time."),
    "histories_fit_failed": _("The likelihood of %(n)s customers has no maximum that could be found."),
    "horizon_not_a_length": _("The horizon must be a length of time, 0 or more."),
    "summary_without_id": _("Line %(line)s has no ID."),
    "summary_id_twice": _("Line %(line)s: the ID %(id)s stands twice; one customer is one row."),
    "summary_cell_unclear": _("Line %(line)s: “%(value)s” is no number in the column “%(column)s”."),
    "transaction_without_id": _("Line %(line)s has no id."),
    "transaction_line_short": _("Line %(line)s has too few columns."),
    "transaction_date_unclear": _("Line %(line)s: “%(value)s” is no date; write it as 2026-01-31 or 20260131."),
    "transactions_all_later": _("The first transaction, of %(first)s, is later than the end of calibration, %(end)s."),
    "transactions_without_holdout": _("There is no transaction after %(end)s: without a holdout there is nothing to report."),
    "no_orders": _("Nobody has decided anything yet."),
}


def dormancy_sentence(code: str, params: Mapping[str, object]) -> str:
    """One sentence for the code and parameters of an error."""
    if code not in _SENTENCES:
        return error_sentence(code, dict(params))
    return str(_SENTENCES[code]) % ({"line": params.get("row", "?"), "id": "?"} | dict(params))
