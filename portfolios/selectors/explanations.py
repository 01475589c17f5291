"""Why a mandate is impossible, in sentences an advisor understands: what to relax, or what contradicts and what the pool lacks."""

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext, ngettext, pgettext
from django.utils.translation import gettext_lazy as _

from portfolios.kernels.mandate import Mandate
from portfolios.kernels.types import Relaxation
from portfolios.templatetags.money import percent

_RELAXED = {
    "fund:min": _("Allow fund %(fund)s down to %(new)s instead of %(old)s."),
    "fund:max": _("Allow fund %(fund)s up to %(new)s instead of %(old)s."),
    "group:min": _("Allow the group “%(group)s” to go %(points)s points lower: %(new)s instead of %(old)s."),
    "group:max": _("Allow the group “%(group)s” to go %(points)s points higher: %(new)s instead of %(old)s."),
    "turnover": _("Allow %(points)s points more turnover: %(new)s instead of %(old)s."),
    "cvar": _("Raise the limit on the loss in a bad year to %(new)s instead of %(old)s."),
    "target_volatility": _("Allow a volatility of up to %(new)s instead of %(old)s."),
    "target_return": _("Aim for a return of at least %(new)s instead of %(old)s."),
    "locked": _("Allow fund %(fund)s to move up to %(points)s points away from the %(old)s it is locked at."),
    "excluded": _("Allow fund %(fund)s, which is excluded, up to %(points)s points."),
    "cash": _("Keep at least %(new)s instead of %(old)s in cash, fund %(fund)s."),
    "min_weight_if_held": _("Allow holdings as small as %(new)s instead of %(old)s."),
}

_LIMITS = {
    "sum": _("the weights add up to 100 %%"),
    "long_only": _("no fund is sold short"),
    "max_grade": _("no fund is above grade R%(old)s"),
    "fund:min": _("at least %(old)s of fund %(fund)s"),
    "fund:max": _("at most %(old)s of fund %(fund)s"),
    "group:min": _("at least %(old)s in the group “%(group)s”"),
    "group:max": _("at most %(old)s in the group “%(group)s”"),
    "turnover": _("a turnover of at most %(old)s"),
    "cvar": _("a loss of at most %(old)s in a bad year"),
    "target_volatility": _("a volatility of at most %(old)s"),
    "target_return": _("a return of at least %(old)s"),
    "locked": _("fund %(fund)s locked at %(old)s"),
    "excluded": _("fund %(fund)s excluded"),
    "cash": _("at least %(old)s in cash, fund %(fund)s"),
    "min_weight_if_held": _("no holding below %(old)s"),
}

# What is missing where one figure of the whole portfolio cannot be reached.
_UNREACHED = {
    "target_return": _("No portfolio within these limits returns %(old)s: the pool lacks funds of a higher return."),
    "target_volatility": _("No portfolio within these limits has a volatility as low as %(old)s: the pool lacks calmer funds."),
    "cvar": _("No portfolio within these limits keeps the loss in a bad year to %(old)s: the pool lacks calmer funds."),
}


def relaxation_sentence(mandate: Mandate, relaxation: Relaxation, names: Mapping[str, str] | None = None) -> str:
    """One sentence that says what to allow; `names` are those to show for fund codes, where there are any."""
    kind, said = _told(mandate, relaxation.limit, names or {})
    old = _value(mandate, relaxation.limit)
    if kind == "max_funds":
        more = round(relaxation.by)
        text = ngettext(
            "Allow %(count)s more fund: %(new)s instead of %(old)s.", "Allow %(count)s more funds: %(new)s instead of %(old)s.", more
        )
        return text % {"count": more, "new": round(old) + more, "old": round(old)}
    is_lowered = kind in ("fund:min", "group:min", "cash", "target_return", "min_weight_if_held")
    new = old - relaxation.by if is_lowered else old + relaxation.by
    if kind == "min_weight_if_held" and new <= 0:
        return gettext("Allow holdings of any size instead of at least %(old)s.") % said
    return str(_RELAXED[kind]) % {**said, "new": _share(new), "points": _points(relaxation.by)}


def conflict_sentence(mandate: Mandate, conflict: Sequence[str], names: Mapping[str, str] | None = None) -> str:
    """What the pool lacks, where that can be told from the legal limits that contradict each other, and then these limits.

    Without any limit: that a solver found no portfolio and nothing contradicts, which happens where a last digit decides.
    """
    if not conflict:
        return gettext("No portfolio was found, though no limits contradict each other by more than rounding.")
    listed = [limit_words(mandate, name, names) for name in conflict]
    whole = gettext("These limits contradict each other, and none of them may be relaxed: %(limits)s.") % {
        "limits": pgettext("between clauses", "; ").join(listed)
    }
    lacking = _lacking(mandate, set(conflict))
    return in_a_row([lacking, whole]) if lacking else whole


def in_a_row(sentences: Sequence[str]) -> str:
    """Sentences after each other, with a space between them where the language has one."""
    text, *rest = sentences
    for sentence in rest:
        text = gettext("%(before)s %(sentence)s") % {"before": text, "sentence": sentence}
    return text


def limit_words(mandate: Mandate, name: str, names: Mapping[str, str] | None = None) -> str:
    """A limit by its name, as part of a sentence: at most 20 % of fund 000001."""
    kind, said = _told(mandate, name, names or {})
    if kind == "max_funds":
        return ngettext("at most %(old)s fund", "at most %(old)s funds", round(_value(mandate, name))) % said
    return str(_LIMITS[kind]) % said


def _lacking(mandate: Mandate, conflict: set[str]) -> str | None:
    """A sentence on what would have to be in the pool; None where the limits are at odds whatever is in it."""
    unreached = [name for name in conflict if name in _UNREACHED]
    if len(unreached) == 1 and "turnover" not in conflict:
        return str(_UNREACHED[unreached[0]]) % {"old": _share(_value(mandate, unreached[0]))}
    if not {"sum"} < conflict:
        return None
    if conflict == {"sum", "max_grade"}:
        return gettext("The pool has no fund of grade R%(grade)s or lower.") % {"grade": mandate.max_grade}
    caps = {name for name in conflict if name.startswith("fund:") and name.endswith(":max")}
    if not caps or conflict - caps - {"sum", "max_grade"}:
        return None
    total = sum(_value(mandate, name) for name in caps)
    said = {"grade": mandate.max_grade, "total": _share(total), "missing": _share(1 - total)}
    if "max_grade" in conflict:
        text = gettext(
            "The funds of grade R%(grade)s or lower may fill %(total)s of the portfolio: the pool lacks them for the other %(missing)s."
        )
        return text % said
    return gettext("The funds may fill %(total)s of the portfolio: the pool lacks funds for the other %(missing)s.") % said


def _told(mandate: Mandate, name: str, names: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The kind of a limit and the words that go into its sentences."""
    kind, of = _parsed(name)
    fund = mandate.cash[0] if kind == "cash" and mandate.cash is not None else of
    said = {"fund": names.get(fund, fund), "group": of}
    if kind in ("sum", "long_only"):
        return kind, said
    value = _value(mandate, name)
    return kind, {**said, "old": str(round(value)) if kind in ("max_grade", "max_funds") else _share(value)}


def _parsed(name: str) -> tuple[str, str]:
    """fund:ID:max is ("fund:max", ID), locked:ID is ("locked", ID), turnover is ("turnover", "")."""
    kind, _colon, rest = name.partition(":")
    if kind in ("fund", "group"):
        of, _colon, side = rest.rpartition(":")
        return f"{kind}:{side}", of
    return kind, rest


def _value(mandate: Mandate, name: str) -> float:
    """Where a limit stands; an exclusion stands at zero."""
    kind, of = _parsed(name)
    if kind in ("fund:min", "fund:max"):
        return mandate.bound(of)[kind == "fund:max"]
    if kind in ("group:min", "group:max"):
        group = next(group for group in mandate.groups if group.name == of)
        return float(getattr(group, kind.removeprefix("group:")))
    if kind == "locked":
        return mandate.locked[of]
    if kind == "excluded":
        return 0.0
    if kind == "cash" and mandate.cash is not None:
        return mandate.cash[1]
    attribute = {"turnover": "max_turnover", "cvar": "cvar_limit"}.get(kind, kind)
    return float(getattr(mandate, attribute))


def _points(fraction: float) -> str:
    """A difference in percentage points, to the digit it is exact to: 3.2."""
    return f"{fraction * 100:.4f}".rstrip("0").rstrip(".")


def _share(fraction: float) -> str:
    """A fraction of 1 with as many digits as it has, up to a millionth: 25 %, 20.3334 %."""
    text = _points(fraction)
    return percent(fraction, len(text.partition(".")[2]))
