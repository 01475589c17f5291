"""From a sheet of answers to the columns of its row: the one place where services score, for one sheet and for many."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from advisor.instruments import Instrument, load_instrument
from advisor.jurisdictions import advice_rules
from advisor.kernels import risk_profile
from advisor.kernels.rises import is_careless
from advisor.kernels.risk_profile import Measure, Profile, Rules
from advisor.models import Assessment


@dataclass(frozen=True, slots=True)
class Known:
    """What an assessment rests on beside the answers. Without consent to profiling there are no measures."""

    has_consent: bool = True
    measures: Mapping[str, Measure] | None = None
    age_reviewed: bool = False


def profile_of(row: Assessment, known: Known, instrument: Instrument | None = None, rules: Rules | None = None) -> Profile:
    """Score a row's answers with what is known now. Raises AnswerError for a sheet that is not complete, LookupError for a
    questionnaire that is no longer carried."""
    used = instrument or load_instrument(row.instrument)
    sheet = risk_profile.sheet(
        row.answers,
        used.for_scoring,
        n_soft_confirmed=len(row.soft_confirmed),
        age_reviewed=known.age_reviewed,
        is_low_quality=is_low_quality(row),
        has_profiling_consent=known.has_consent,
        behaviour=known.measures if known.has_consent else None,
    )
    return risk_profile.assess(sheet, rules or advice_rules().for_scoring, used.sem)


def is_low_quality(row: Assessment) -> bool:
    """Whether a browser saw the sheet clicked through."""
    rules = advice_rules().reassessment
    return is_careless(row.seconds, row.positions, fewest=rules.fewest_timed, fastest=rules.fastest_seconds, same_place=rules.same_place)


def write_profile(row: Assessment, profile: Profile, known: Known, completed_at: datetime) -> None:
    """Put every number of a profile into its row, which is completed then; nothing is saved."""
    blend = profile.blend
    row.tolerance, row.capacity, row.score = blend.tolerance, blend.capacity, blend.score
    row.raw_level, row.level, row.stated_loss = blend.raw_level, profile.level, profile.stated_loss
    row.confidence = profile.confidence
    row.working = profile.as_json() | _inputs_of(row, known)
    row.state, row.completed_at = Assessment.State.COMPLETED, completed_at


def _inputs_of(row: Assessment, known: Known) -> dict[str, Any]:
    """What the kernel was given beside the answers, under the names of the method note."""
    said: dict[str, Any] = {"rules": advice_rules().version, "profiling_consent": known.has_consent}
    said |= {"age_reviewed": True} if known.age_reviewed else {}
    said |= {"low_quality": True} if is_low_quality(row) else {}
    said |= {"soft_confirmed": list(row.soft_confirmed)} if row.soft_confirmed else {}
    said |= {"behaviour": {name: vars(measure) for name, measure in known.measures.items()}} if known.measures else {}
    return said | ({"moved": row.working["moved"]} if row.working.get("moved") else {})
