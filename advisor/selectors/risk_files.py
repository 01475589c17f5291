"""What is wrong with a file of an assessment, as one sentence in the reader's language."""

from collections.abc import Mapping
from typing import cast

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from advisor.selectors.instrument_words import problem_sentence
from portfolios.selectors import error_sentence

_PROBLEMS = {
    "missing": _("it is missing"),
    "extra_forbidden": _("it is not known here"),
    "greater_than_equal": _("it must be at least %(bound)s"),
    "less_than_equal": _("it must be at most %(bound)s"),
    "greater_than": _("it must be above %(bound)s"),
    "less_than": _("it must be below %(bound)s"),
    "wrong_length": _("it must have exactly %(bound)s entries"),
    "float_type": _("it must be a number"),
    "finite_number": _("it must be a finite number"),
    "int_type": _("it must be a whole number"),
    "bool_type": _("it must be true or false"),
    "list_type": _("it must be a list"),
    "model_type": _("it must be an object, something in braces"),
}


def file_sentence(code: str, params: Mapping[str, object]) -> str:
    """One sentence for the code and parameters of a file's error."""
    if code == "bad_instrument":
        said = problem_sentence(str(params["kind"]), str(params["where"]), dict(cast(Mapping[str, object], params["problem"])))
        return f"{params['file']}: {' '.join(said.split())}"
    if code != "field_wrong":
        return error_sentence(code, params)
    kind, _colon, bound = str(params["problem"]).partition(":")
    problem = str(_PROBLEMS.get(kind, _("its value is of the wrong kind"))) % {"bound": bound}
    return gettext("%(file)s: %(field)s is wrong (%(problem)s).") % {**params, "problem": problem}
