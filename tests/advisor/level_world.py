"""Sheets of answers that give a level, answered in one step, for the tests of what becomes of a level."""

from functools import cache

from advisor.instruments import Instrument, load_instrument
from advisor.jurisdictions import advice_rules
from advisor.kernels import risk_profile
from advisor.models import Assessment, Investor
from advisor.services import complete_assessment, start_assessment

MONEY = 10_000_000


@cache
def answers_for(level: int, key: str = "standard@1") -> dict[str, str]:
    """A sheet without contradictions that gives a level (0 to 5) by its scores, well inside the level's band."""
    instrument = load_instrument(key)
    if level == 0:
        return answers_for(1, key) | {"loss": "nothing"}
    for step in sorted(range(101), key=lambda step: abs(step - 20 * level + 10)):
        answers = _nearest(instrument, step / 100)
        sheet = risk_profile.sheet(answers, instrument.for_scoring)
        profile = risk_profile.assess(sheet, advice_rules().for_scoring, instrument.sem)
        if profile.level == level and not profile.is_queued and not instrument.contradictions_in(answers, MONEY):
            return answers
    raise LookupError(f"no plain sheet gives level {level}")


def _nearest(instrument: Instrument, share: float) -> dict[str, str]:
    """The answer next to a share of the scale for each item; the largest loss, and right answers, so that no ceiling decides."""
    plain = {"short_reserve", "consumer_debt", "age_65", "no_experience", "no_civil_capacity", "no_loss"}
    chosen = {}
    for item in instrument.items:
        allowed = [option for option in item.options if not plain & set(option.facts)] or list(item.options)
        if item.block == "knowledge":
            chosen[item.code] = next((option.code for option in allowed if "knows" in option.facts), allowed[0].code)
        else:
            aim = 1.0 if item.code == "loss" else share
            chosen[item.code] = min(allowed, key=lambda option: abs((option.score or 0) - aim)).code
    return chosen


def fill(draft: Assessment, answers: dict[str, str], **columns) -> Assessment:
    Assessment.objects.filter(pk=draft.pk).update(answers=answers, **columns)
    draft.refresh_from_db()
    return draft


def assess(investor: Investor, level: int, **columns) -> Assessment:
    """Answer the questionnaire so that it gives a level; the investor is read anew afterwards."""
    draft = start_assessment(investor=investor, amount_minor=MONEY)
    draft = fill(draft, answers_for(level, draft.instrument), **columns)
    done = complete_assessment(assessment=draft, actor=investor.user)
    investor.refresh_from_db()
    return done
