"""Why a fund is in the pool or out of it, in the reader's language, from the codes and figures of its row.

The rules are those that the run froze, so that an old row keeps its own words when settings change.
"""

import math
from collections.abc import Mapping
from typing import Any

from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.pool_rule import (
    COMPANY_FULL,
    ENTERS,
    GATED,
    INCLUDE_REFUSED,
    LEAVES,
    MANUAL_IN,
    MANUAL_OUT,
    POOL_FULL,
    RANKED_OUT,
    STAYS,
    STAYS_BELOW,
)
from portfolios.models import ScreenRow, ScreenRun
from portfolios.templatetags.money import percent

VERDICTS = {
    ENTERS: _("in: enters"),
    STAYS: _("in: stays"),
    STAYS_BELOW: _("in: on notice"),
    MANUAL_IN: _("in by hand"),
    GATED: _("out: fails a gate"),
    RANKED_OUT: _("out: ranks too low"),
    LEAVES: _("out: leaves"),
    COMPANY_FULL: _("out: its company is full"),
    POOL_FULL: _("out: its category is full"),
    MANUAL_OUT: _("out by hand"),
    INCLUDE_REFUSED: _("out: include refused"),
}
_WHY = {
    ENTERS: _("In: it ranks above %(share)s of its %(peers)s peers; %(enter)s are needed to enter."),
    STAYS: _("Stays in: it ranks above %(share)s of its %(peers)s peers; it leaves below %(leave)s."),
    STAYS_BELOW: _(
        "Stays in for now: it ranks above only %(share)s of its %(peers)s peers, less than %(leave)s. "
        "It leaves once that has been so for %(quarters)s quarters running; so far it was %(below)s."
    ),
    RANKED_OUT: _("Out: it ranks above %(share)s of its %(peers)s peers; %(enter)s are needed to enter."),
    LEAVES: _("Out: for %(below)s quarters running it ranked above less than %(leave)s of its peers, now %(share)s of %(peers)s."),
    COMPANY_FULL: _(
        "Out: it ranks above %(share)s of its %(peers)s peers, but %(most)s funds of its company in the category rank higher, "
        "and no more may be in."
    ),
    POOL_FULL: _(
        "Out: it was in and ranks above %(share)s of its %(peers)s peers, but %(most_share)s of the category are in that rank higher, "
        "and no more may be."
    ),
    MANUAL_IN: _("In by hand until %(until)s; the rule says “%(rule)s”."),
    MANUAL_OUT: _("Out by hand until %(until)s; the rule says “%(rule)s”."),
    INCLUDE_REFUSED: _("Out: it was to be included by hand, but a fund that cannot be bought is not included."),
}
_GATES = {
    "not_priced": _("it had no price in the last two weeks"),
    "closed": _("it is closed for purchase"),
    "liquidation_warning": _("its liquidation was announced or warned of"),
    "too_young": _("it has %(months)s whole months of history; %(needs)s are needed"),
    "record_broken": _("months are missing from its history"),
    "size_unknown": _("its size in the last four quarters is not known"),
    "too_small": _("its size fell to %(size)s; at least %(needs)s are needed in each of four quarters"),
    "too_large": _("its size rose to %(size)s; at most %(limit)s are allowed in each of four quarters"),
    "manager_unknown": _("since when its manager is in office is not known"),
    "manager_new": _("its manager has been in office for %(months)s months; %(needs)s are needed"),
    "limited": _("at most %(limit)s a day can be bought; at least %(needs)s are needed"),
    "style_break": _("its style broke: %(moved)s of what it follows has changed in the last four quarters"),
    "cheaper_class": _("the share class %(fund)s of the same fund is cheaper"),
}
SUB_SCORES = {
    "mrar": _("risk-adjusted return"),
    "drawdown": _("falls, and return for them"),
    "information_ratio": _("steadiness of what it earned above its category"),
    "win_rate": _("rolling years above the median"),
    "cost": _("cost"),
    "style_stability": _("steadiness of style"),
    "tenure": _("time of the manager, moderate size"),
    "tracking": _("closeness to the index"),
    "size": _("size and how much can be bought"),
    "seven_day": _("seven-day yield after fees"),
}
_MONEY_SIZE = _("size and holders")
_SHORTAGES = {
    "funds": _("grade R%(grade)s has %(has)s funds and needs %(needs)s"),
    "money_funds": _("grade R%(grade)s has %(has)s money-market funds and needs %(needs)s"),
    "companies": _("grade R%(grade)s comes from %(has)s companies and needs %(needs)s"),
}


def screen_rules(run: ScreenRun) -> dict[str, Any]:
    """The screen's settings as the run froze them."""
    return run.versions.get("rules", {}).get("screen") or jurisdiction().screen.model_dump(mode="json")


def why(row: ScreenRow, rules: Mapping[str, Any]) -> str:
    """Say in a sentence or two why a fund is in or out; `rules` are the run's own."""
    if row.verdict == GATED:
        return gated_sentence(row)
    figures = {
        "share": "-" if row.percentile is None else percent(math.floor(1000 * row.percentile) / 1000, 1),  # never up to a line it missed
        "peers": f"{row.n_peers:,}",
        "enter": _share(rules["enter"]),
        "leave": _share(rules["leave"]),
        "quarters": rules["quarters_to_leave"],
        "below": row.quarters_below,
        "most": rules["max_a_company"],
        "most_share": _share(rules.get("max_share")),
        "until": "-",
        "rule": "-",
    }
    for note in row.notes:
        if note["code"] in ("by_hand", "include_refused"):
            figures |= {"until": note["until"], "rule": verdict_name(note["by_rule"])}
    sentence = str(_WHY.get(row.verdict, row.verdict)) % figures
    if not row.gates:
        return sentence
    return sentence + gettext(" Gates that it fails: %(gates)s.") % {"gates": _gates(row)}


def gated_sentence(row: ScreenRow) -> str:
    """Say in one sentence why a fund that failed gates, or had nothing to be ranked by, is out."""
    return gettext("Out: %(gates)s.") % {"gates": _gates(row)} if row.gates else gettext("Out: it could not be ranked.")


def _gates(row: ScreenRow) -> str:
    return gettext("; ").join(gate_words(gate) for gate in row.gates)


def gate_words(gate: Mapping[str, Any]) -> str:
    """Say how a fund fails a gate, as the end of a sentence."""
    shown: dict[str, Any] = {name: _figure(name, gate["code"], value) for name, value in gate.items()}
    if gate["code"] == "style_break":
        shown["moved"] = _share(gate["distance"] / 2)
    return str(_GATES.get(gate["code"], gate["code"])) % shown


def _figure(name: str, code: str, value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or "-"
    if code in ("too_small", "too_large"):
        return large_amount(value)
    return f"{value:,.0f}"


def large_amount(value: float) -> str:
    """A size in whole units of the currency, in the large unit that the language counts by."""
    counts_by_hundred_millions = (get_language() or "zh").startswith("zh")
    shown = f"{value / 1e8:,.2f}" if counts_by_hundred_millions else f"{value / 1e6:,.0f}"
    # Translators: in Chinese the number is in hundreds of millions.
    return gettext("%(n)s million yuan") % {"n": shown}


def note_words(note: Mapping[str, Any], kind: str) -> str:
    """Say a note of a row, such as a sub-score that was left out, as a sentence. `kind` is active, index or money."""
    if note["code"] == "left_out":
        names = gettext(", ").join(sub_score_name(name, kind) for name in note["names"])
        return gettext("Its history is too short for, or lacks: %(names)s. Their weight is spread over the rest.") % {"names": names}
    if note["code"] == "three_years_only":
        return gettext("Its history is shorter than five years: risk-adjusted return is that of three.")
    if note["code"] == "ranked_in_class":
        text = gettext("Fewer than %(needs)s peers in its category: ranked among the %(n_peers)s funds of the class “%(name)s”.")
        return text % {**note, "name": group_name(note["group"], is_class=True)}
    if note["code"] == "by_hand":
        return gettext("A decision of two people, until %(until)s.") % note
    if note["code"] == "include_refused":
        return gettext("A decision to include it, until %(until)s, was not carried out.") % note
    return str(note["code"])


def sub_score_name(name: str, kind: str) -> str:
    return str(_MONEY_SIZE if name == "size" and kind == "money" else SUB_SCORES.get(name, name))


def verdict_name(verdict: str) -> str:
    return str(VERDICTS.get(verdict, verdict))


def gate_name(code: str) -> str:
    """A gate's name for a table of how many fail it."""
    return str(_GATE_NAMES.get(code, code))


_GATE_NAMES = {
    "not_priced": _("no recent price"),
    "closed": _("closed for purchase"),
    "liquidation_warning": _("warning of liquidation"),
    "too_young": _("too young"),
    "record_broken": _("months missing"),
    "size_unknown": _("size not known"),
    "too_small": _("too small"),
    "too_large": _("too large"),
    "manager_unknown": _("manager not known"),
    "manager_new": _("manager too new"),
    "limited": _("purchases limited"),
    "style_break": _("break of style"),
    "cheaper_class": _("a cheaper share class"),
}


def group_name(group: str, *, is_class: bool = False) -> str:
    """The name of a peer group: a category's, or a class's."""
    table = jurisdiction()
    if is_class and group in table.classes:
        return table.classes[group].name
    named = table.categories.get(group) or table.classes.get(group)
    return named.name if named else group


def shortage_sentence(shortage: list[dict[str, Any]]) -> str:
    """Say what a refused pool lacks, in one sentence."""
    parts = gettext("; ").join(str(_SHORTAGES[lack["what"]]) % lack for lack in shortage)
    return gettext("The pool would be short: %(parts)s.") % {"parts": parts}


def _share(value: float | None) -> str:
    return "-" if value is None else percent(value, 0)
