"""What was found in a folder of FAR-Trans, as sentences in the reader's language."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from portfolios.selectors import error_sentence

_SENTENCES = {
    "far_trans_no_folder": _("There is no folder %(folder)s."),
    "far_trans_nothing_usable": _("%(file)s: none of its %(n)s rows can be used."),
    "far_trans_would_overwrite": _("The files of the data set are in %(folder)s: choose another folder to store in."),
    "far_trans_not_stored": _("Nothing can be written to %(folder)s."),
}
_REASONS = {
    "customer_missing": _("without a customer"),
    "asset_missing": _("without an asset"),
    "market_missing": _("without a market"),
    "transaction_missing": _("without an identifier"),
    "level_unknown": _("an unknown risk level"),
    "category_unknown": _("an unknown kind of asset"),
    "customer_unknown": _("a customer who is not in the customers' file"),
    "asset_unknown": _("an asset that is not in the assets' file"),
    "side_unknown": _("neither Buy nor Sell"),
    "row_repeated": _("repeats an earlier row"),
}
_UNCLEAR = _("no date in %(column)s")
_NOT_POSITIVE = _("no number above 0 in %(column)s")


def far_trans_sentence(code: str, params: Mapping[str, object]) -> str:
    """One sentence for the code and parameters of an error."""
    return str(_SENTENCES[code]) % params if code in _SENTENCES else error_sentence(code, params)


def far_trans_reason(code: str) -> str:
    """Why rows were left out, as the end of a sentence."""
    for ending, text in (("_unclear", _UNCLEAR), ("_not_positive", _NOT_POSITIVE)):
        if code.endswith(ending):
            return str(text) % {"column": code.removesuffix(ending)}
    return str(_REASONS[code])
