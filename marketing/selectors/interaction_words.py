"""What is wrong with a file of interactions, as one sentence in the reader's language."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from portfolios.selectors import error_sentence

_SENTENCES = {
    "interaction_without": _("Line %(line)s: the column “%(column)s” is empty."),
    "interaction_weight_unclear": _("Line %(line)s: “%(value)s” is no finite number in the column “weight”."),
    "interaction_weight_not_positive": _("Line %(line)s: the weight %(value)s is not above 0."),
    "interaction_moment_unclear": _(
        "Line %(line)s: “%(value)s” is no moment in the column “timestamp”; write seconds, or a date as 2026-01-31."
    ),
    "interaction_moments_mixed": _(
        "Line %(line)s: “%(value)s” is written otherwise than the timestamps above; write all as seconds, or all as 2026-01-31."
    ),
    "interactions_without_moments": _("A split by time needs the column “timestamp”."),
    "interactions_too_few": _("%(n)s interactions are too few to hold some back: nobody is left to be tested."),
    "interactions_refused": _("No model can be trained on this file: %(why)s"),
    "interactions_too_many": _("%(users)s people and %(items)s items are more than can be compared in one sitting."),
}


def interaction_sentence(code: str, params: Mapping[str, object]) -> str:
    """One sentence for the code and parameters of an error."""
    return str(_SENTENCES[code]) % params if code in _SENTENCES else error_sentence(code, dict(params))
