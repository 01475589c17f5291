"""What a run of the recommender is called and why it ended so, in words."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from marketing.models import RecommenderRun
from portfolios.selectors import error_sentence

MODELS = {
    "popularity": (gettext_lazy("Popularity"), gettext_lazy("what most people chose, the same for everybody; a baseline, never shown")),
    "level_popularity": (
        gettext_lazy("Popularity by level"),
        gettext_lazy("what most people of one's level chose; a baseline, never shown"),
    ),
    "recent_popularity": (gettext_lazy("Recent popularity"), gettext_lazy("what most people chose lately; a baseline, never shown")),
    "item_cosine": (gettext_lazy("Item cosine"), gettext_lazy("funds that the same people chose, by the angle between them")),
    "item_tfidf": (gettext_lazy("Item TF-IDF"), gettext_lazy("the same, with what everybody chooses counting less")),
    "item_bm25": (gettext_lazy("Item BM25"), gettext_lazy("the same, with a limit to what many choices of one person count")),
    "ease": (gettext_lazy("EASE"), gettext_lazy("a linear model of each fund by all others, solved exactly")),
    "als": (gettext_lazy("ALS"), gettext_lazy("matrix factorisation: people and funds as points, by alternating least squares")),
    "bpr": (gettext_lazy("BPR"), gettext_lazy("matrix factorisation that learns to order pairs of funds")),
    "blend": (gettext_lazy("Blend"), gettext_lazy("the mean rank of several of these models")),
}
FILTERS = {
    "off": gettext_lazy("Suggestions switched off, or no consent"),
    "level": gettext_lazy("Above the person's level"),
    "closed": gettext_lazy("Closed to purchases"),
    "pool": gettext_lazy("Not in the fund pool"),
    "not_interested": gettext_lazy("“Not interested”"),
    "cap": gettext_lazy("Held up to the limit for one fund"),
    "mandate": gettext_lazy("Would worsen the mandate's utility, concentration or bad year"),
    "alike": gettext_lazy("Too much like another suggestion"),
}
REFUSALS = {
    "ties_with_popularity": gettext_lazy(
        "the best candidate, %(name)s, could not be told from popularity: the interval of the difference holds zero."
    ),
    "worse_than_popularity": gettext_lazy("the best candidate, %(name)s, was worse than popularity."),
    "ties_with_serving": gettext_lazy(
        "the best candidate, %(name)s, could not be told from the model that serves, and that one, trained anew, did not beat popularity."
    ),
    "worse_than_serving": gettext_lazy(
        "the best candidate, %(name)s, was worse than the model that serves, and that one, trained anew, did not beat popularity."
    ),
    "serving_not_measured": gettext_lazy(
        "the model that serves could not be trained that night, so that %(name)s, the best candidate, had nothing to be held against."
    ),
    "nothing_to_compare": gettext_lazy("no candidate could be trained and measured."),
    "too_little_history": gettext_lazy("too little is known of what people did to learn from it."),
}
FAILURES = {
    "too_little_history": gettext_lazy("Too few people with consent have looked at or bought too few funds for a model to learn from."),
    "nothing_to_show": gettext_lazy(
        "Nothing that it proposed may be shown to anybody. Perhaps no model portfolios are approved, or no fund pool is current."
    ),
    "model_failed": gettext_lazy("%(name)s was chosen, and could not be trained on everything (%(said)s)."),
    "model_gone": gettext_lazy("%(name)s was chosen, and no longer competes: the settings changed while the training was at work."),
    "packed_by_another_version": gettext_lazy("Another version of this program had begun it. The next training begins anew."),
}
TAGS = {
    "queued": (gettext_lazy("waiting"), "wait"),
    "running": (gettext_lazy("at work"), "wait"),
    "failed": (gettext_lazy("failed"), "danger"),
    "serving": (gettext_lazy("serves"), "good"),
    "refused": (gettext_lazy("refused by the guard"), "warning"),
    "done": (gettext_lazy("served before"), ""),
}


def model_name(code: str) -> str:
    """A model's name; one that is not known here by its code."""
    return str(MODELS[code][0]) if code in MODELS else code


def model_meaning(code: str) -> str:
    return str(MODELS[code][1]) if code in MODELS else ""


def filter_name(code: str) -> str:
    return str(FILTERS.get(code, code))


def why_refused(code: str, name: str) -> str:
    """The end of "… keeps serving because"; a code that is not known here is named, never hidden."""
    words = REFUSALS.get(code) or gettext_lazy("the guard said “%(code)s”.")
    return str(words) % {"name": model_name(name) or "–", "code": code or "–"}


def why_failed(error: Mapping[str, Any] | None) -> str:
    """Why a run failed, as a sentence."""
    params = dict(error or {})
    code = str(params.pop("code", "?"))
    if code in FAILURES:
        return str(FAILURES[code]) % (params | {"name": model_name(str(params.get("name", "")))})
    return error_sentence(code, params)


def outcome_of(run: RecommenderRun) -> str:
    """A key of `TAGS`: how a run stands or how it ended."""
    if run.is_serving:
        return "serving"
    if run.status != RecommenderRun.Status.DONE:
        return str(run.status)
    decision = run.report.get("decision") if isinstance(run.report, dict) else None
    return "refused" if isinstance(decision, dict) and decision.get("promoted") is False else "done"


def conclusion(decision: Mapping[str, str], promoted: bool | None, had_opponent: bool) -> str:
    """What the guard decided, as a sentence of a model card; `decision` holds the code, the name and the challenger's name."""
    if promoted is None:
        return ""
    if not promoted:
        return _("Not promoted: %(why)s") % {"why": why_refused(decision["code"], decision["name"])}
    names = {"name": model_name(decision["name"]), "other": model_name(decision["challenger"])}
    if decision["code"] == "refreshed" and decision["challenger"]:
        return _("%(name)s served already and learned what is new: %(other)s was tried against it and was not better for certain.") % names
    if decision["code"] == "refreshed":
        return _("%(name)s served already and learned what is new: it still beats popularity, and every other candidate.") % names
    if decision["code"] == "unopposed":
        return (
            _("Promoted: %(name)s was better than popularity; what served before competes no longer, or failed night after night.") % names
        )
    if had_opponent:
        return _("Promoted: %(name)s was better than popularity, and than what served before.") % names
    return _("Promoted: %(name)s was better than popularity; nothing served before.") % names


def why_not_measured(failed: str) -> str:
    """Why a candidate has no figures."""
    return _("It took its worker down with it.") if failed == "died" else _("It could not be trained (%(error)s).") % {"error": failed}
