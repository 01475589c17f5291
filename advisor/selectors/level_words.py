"""The rules around a level in words: why a questionnaire is not taken now, what a rise waits for, what the person is told."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy, ngettext

# Why something was refused; `advisor.selectors.refusals.sentence` finds them here.
REFUSALS = {
    "day_limit": gettext_lazy(
        "The questionnaire can be completed at most twice a day. Your answers are kept; you can go on from %(free_on)s."
    ),
    "year_limit": gettext_lazy(
        "The questionnaire can be completed at most 8 times in twelve months. Your answers are kept for 30 days; "
        "the next time is possible from %(free_on)s. An advisor can help before then."
    ),
    "draft_expired": gettext_lazy("These answers were given more than 30 days ago and no longer count. Please answer the questions again."),
    "other_version": gettext_lazy(
        "The questionnaire has been replaced by a newer version since you answered. What still fits is kept; please look at it again."
    ),
    "amount_not_positive": gettext_lazy("The questions are about an amount of money, and it must be above zero."),
    "closed": gettext_lazy("These answers are complete and cannot be changed. You can start the questionnaire again."),
    "contradiction": gettext_lazy("Some of your answers do not go together. Please say which of them is right before you go on."),
    "confirm": gettext_lazy("Some of your answers rarely go together. Please confirm that they are right, or change them."),
    "no_level_to_hold": gettext_lazy("There is no level yet, so there is nothing to hold."),
    "hold_out_of_range": gettext_lazy("A hold must end between %(first)s and %(last)s."),
    "no_rise_waits": gettext_lazy("No rise of this assessment is waiting any more."),
    "already_confirmed": gettext_lazy("This assessment has been confirmed already."),
    "not_to_confirm": gettext_lazy("This assessment takes effect without a confirmation."),
    "newer_assessment": gettext_lazy("A newer assessment has replaced this one."),
    "review_waits": gettext_lazy("A review of this kind is waiting for a signature already."),
    "review_decided": gettext_lazy("This review has been decided already."),
    "own_request": gettext_lazy("A review is signed by somebody other than the person who asked for it."),
    "level_still_valid": gettext_lazy("The level is still valid, so there is nothing to restore."),
    "attempt_left": gettext_lazy("The questionnaire can be answered again, so the level is not restored."),
    "nothing_to_restore": gettext_lazy("There was no level before, so there is nothing to restore."),
    "unknown_event": gettext_lazy("Please choose what has changed."),
}

# What decided about a rise, as the investor reads it. %(level)s is the level that was kept, %(day)s a day.
RULES = {
    "cooling_off": gettext_lazy("A higher level takes effect after 24 hours, on %(day)s. Until then %(level)s stays in force."),
    "two_levels": gettext_lazy(
        "Your answers point two levels or more above %(level)s. An advisor looks at them first; "
        "until they confirm, %(level)s stays in force."
    ),
    "held": gettext_lazy("Your advisor holds your level until %(day)s, so %(level)s stays in force. After that you can answer again."),
    "blocked_purchase": gettext_lazy(
        "A purchase above your level was stopped a few days ago. For five trading days after that no level rises, "
        "so %(level)s stays in force. You can answer again after %(day)s."
    ),
    "recent_rise": gettext_lazy(
        "Your level rose less than 30 days ago, and it rises at most once in that time, so %(level)s stays in force. "
        "You can answer again after %(day)s."
    ),
    "portfolio_down": gettext_lazy(
        "Your portfolio has had a deep fall. For 90 days new answers can lower your level, not raise it, so %(level)s stays in force. "
        "You can answer again after %(day)s."
    ),
    "newer_assessment": gettext_lazy("You have answered again since, so these answers raise nothing any more."),
    "lowered": gettext_lazy("Your level was lowered since, so these answers raise nothing any more."),
    "declined": gettext_lazy("Your advisor did not confirm these answers, so %(level)s stays in force."),
    "expired": gettext_lazy("These answers are more than a year old, so they raise nothing any more."),
    "behaviour": gettext_lazy("What you bought and sold since speaks for a lower level, so these answers raise nothing any more."),
}

# What else is worth saying about how an assessment came about.
REMARKS = {
    "low_quality": gettext_lazy("The questions were answered very quickly or always at the same place, so we are less sure of the result."),
    "clock_set_back": gettext_lazy("The clock of the system was wrong at that moment; the time shown follows your earlier assessment."),
    "age_reviewed": gettext_lazy("A supervisor has reviewed your case, so your age does not limit your level this time."),
}

LIFE_EVENTS = {
    "income": gettext_lazy("My income has changed"),
    "family": gettext_lazy("My family has changed"),
    "health": gettext_lazy("My health has changed"),
    "savings": gettext_lazy("My savings or debts have changed"),
    "plans": gettext_lazy("I need the money earlier or later"),
    "other": gettext_lazy("Something else has changed"),
}

TRIGGERS = {
    "life_event": gettext_lazy("You told us that something in your life has changed."),
    "reassessment_asked": gettext_lazy("Your advisor asks you to answer the questionnaire again."),
    "panic_sale": gettext_lazy("You sold a large part of your riskier funds while markets were falling."),
    "revealed_risk": gettext_lazy("For two months you have held another risk than you told us."),
    "portfolio_down": gettext_lazy("Your portfolio is a fifth or more below its highest value."),
    "questionnaire_corrected": gettext_lazy("The questionnaire that you answered has been corrected."),
    "calm_in_falls": gettext_lazy("You kept calm through two falls of the market."),
    "low_confidence": gettext_lazy("Your answers leave open which level suits you."),
}

# What an advisor is asked to do, by the kind of task.
TASKS = {
    "life_event": gettext_lazy("Tells of a change in life: talk it over, and ask for a new assessment."),
    "panic_sale": gettext_lazy("Sold a large part of the riskier holdings in a fall: does the level still fit?"),
    "revealed_risk": gettext_lazy("Has held another risk than stated for two months: does the level still fit?"),
    "portfolio_down": gettext_lazy("The portfolio is a fifth or more below its highest value: explain it first."),
    "questionnaire_corrected": gettext_lazy("The questionnaire behind the level was corrected: a new assessment is due."),
    "calm_in_falls": gettext_lazy("Kept calm through two falls: a new assessment may be offered."),
    "low_confidence": gettext_lazy("The answers leave the level open, or were clicked through: look at them together."),
    "confirm_rise": gettext_lazy("A rise by two levels or more waits: confirm that assessment, or decline it."),
}

NOTICES = {
    "expires_in_30": gettext_lazy("Your risk level is valid until %(day)s. Answering the questionnaire takes about four minutes."),
    "expires_in_7": gettext_lazy("Your risk level is valid until %(day)s. After that we recommend nothing new until you answer again."),
    "expires_today": gettext_lazy("Today is the last day of your risk level. After that we recommend nothing new until you answer again."),
    "expired": gettext_lazy(
        "Your risk level ended on %(day)s. What you hold stays as it is and can be sold at any time; "
        "we recommend nothing new until you answer the questionnaire again."
    ),
    "reassess": gettext_lazy("There is a reason to answer the questionnaire again. Your level stays in force until you do."),
    "fall": gettext_lazy(
        "Your portfolio is a fifth or more below its highest value. Falls like this belong to investing, and nothing has to be done now. "
        "If you see risk differently today, you can answer the questionnaire again: for 90 days it can lower your level, not raise it."
    ),
    "calm": gettext_lazy("You kept calm through two falls of the market. If you like, you can answer the questionnaire again."),
    "lowered": gettext_lazy("Your risk level was lowered on %(day)s because of how you bought and sold. Nothing you hold is sold for it."),
    "raised": gettext_lazy("Your higher risk level has been in force since %(day)s."),
}


# The measures of behaviour as a level's history names them.
MEASURES = {
    "panic": gettext_lazy("sales in a fall"),
    "turnover": gettext_lazy("much buying and selling"),
    "disposition": gettext_lazy("selling what rose, keeping what fell"),
    "concentration": gettext_lazy("few markets"),
    "chasing": gettext_lazy("buying what has just risen"),
}


def change_words(why: str) -> str:
    """Why a level changed: an advisor's own words as they are, a rule of the product in words."""
    rule, _colon, named = why.partition(": ")
    if rule != "behaviour":
        return why
    measures = gettext(", ").join(str(MEASURES.get(name, name)) for name in named.split(", ") if name)
    return gettext("Behaviour: %(measures)s") % {"measures": measures} if measures else gettext("Behaviour")


def day_words(day: date) -> str:
    return date_format(day, "DATE_FORMAT")


def rule_sentence(rule: str, *, level: str, day: date | None = None) -> str:
    """Say what a rise waits for, or what kept the old level; "" where nothing did."""
    return str(RULES[rule]) % {"level": level, "day": day_words(day) if day else ""} if rule in RULES else ""


def notice_sentence(kind: str, day: date) -> str:
    return str(NOTICES[kind]) % {"day": day_words(day)}


def moved_sentence(moved: Mapping[str, Any]) -> str:
    """Say what became of a draft whose questionnaire was replaced; "" for one that never was."""
    if not moved:
        return ""
    n_lost = len(moved.get("lost", ()))
    if not n_lost:
        return gettext("The questionnaire has a new version. All your answers are kept.")
    said = ngettext(
        "The questionnaire has a new version. %(n)s of your answers no longer fits and is asked again; the others are kept.",
        "The questionnaire has a new version. %(n)s of your answers no longer fit and are asked again; the others are kept.",
        n_lost,
    )
    return said % {"n": n_lost}


def remarks_of(working: Mapping[str, Any]) -> list[str]:
    """What else is worth saying about how an assessment came about."""
    return [str(said) for code, said in REMARKS.items() if working.get(code)]
