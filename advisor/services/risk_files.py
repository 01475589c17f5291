"""An assessment from files: a sheet and measures of behaviour as JSON in, every number on the way to the level out."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from advisor.instruments import Instrument, load_instrument
from advisor.jurisdictions import advice_rules
from advisor.kernels import risk_profile
from advisor.kernels.goals import goal_level
from advisor.kernels.retest import Forecast, Norms
from advisor.models import Level
from advisor.services.instruments import BadInstrument, lint_instrument, parse_instrument
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import DataError

LARGEST_FILE = 1_000_000  # bytes
OLDEST, LONGEST_YEARS, LONGEST_MONTHS = 120, 100, 1200
N_TOLERANCE, N_CAPACITY, N_KNOWLEDGE, N_ITEMS = 6, 7, 2, 16
_BOUNDS = ("ge", "le", "gt", "lt", "actual_length")

Unit = Annotated[float, Field(ge=0, le=1)]
Months = Annotated[float, Field(ge=0, le=LONGEST_MONTHS)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _Knowledge(_Row):
    correct: int = Field(ge=0, le=N_KNOWLEDGE)
    experienced: bool


class _Gates(_Row):
    civil_capacity: bool
    accepts_loss: bool


class _Facts(_Row):
    max_loss: Unit | None = None
    horizon_years: Annotated[float, Field(ge=0, le=LONGEST_YEARS)] | None = None
    reserve_months: Months | None = None
    consumer_debt: bool | None = None
    age: Annotated[float, Field(ge=0, le=OLDEST)] | None = None


class _Answers(_Row):
    tolerance: list[Unit] = Field(min_length=N_TOLERANCE, max_length=N_TOLERANCE)
    capacity: list[Unit] = Field(min_length=N_CAPACITY, max_length=N_CAPACITY)
    knowledge: _Knowledge
    gates: _Gates
    facts: _Facts = _Facts()
    soft_confirmed: int = Field(default=0, ge=0, le=N_ITEMS)
    review_lifts_age: bool = False
    low_quality: bool = False
    profiling_consent: bool = True


class _Measure(_Row):
    value: float = Field(ge=0)
    evidence: Unit
    rests_on: dict[str, Any] | None = None  # what `manage.py behaviour` says beside these; not looked at


class _Panic(_Measure):
    months_since_sale: Months | None = None


class _Share(_Measure):
    value: float = Field(ge=0, le=1)


class _Difference(_Measure):
    value: float = Field(ge=-1, le=1)


class _Behaviour(_Row):
    panic: _Panic | None = None
    turnover: _Measure | None = None
    disposition: _Difference | None = None
    concentration: _Share | None = None
    chasing: _Share | None = None


_Model = TypeVar("_Model", bound=BaseModel)


def assess_risk_files(*, answers: Path, behaviour: Path | None = None, instrument: Path | None = None) -> dict[str, Any]:
    """Assess a sheet, both files JSON, and return the answer as it is printed; nothing is read from the database.

    `instrument` is a questionnaire's YAML whose errors of measurement count instead of the shipped one's. Raises DataError
    for files that cannot be used.
    """
    given = _read(answers, _Answers)
    measured = _read(behaviour, _Behaviour) if behaviour else None
    questions = _measured(instrument) if instrument else load_instrument(advice_rules().assessment.instrument)
    sem = questions.sem
    profile = risk_profile.assess(_sheet_of(given, measured), advice_rules().for_scoring, sem)
    years = given.facts.horizon_years
    ceilings = jurisdiction().horizon_ceilings if years is not None else []
    return printed(profile, sem) | {
        "goal_level": Level(goal_level(profile.level, years or 0.0, ceilings)).label,
        "instrument": questions.key,
        "instrument_sha256": questions.sha256,
        "rules": advice_rules().version,
    }


def printed(profile: risk_profile.Profile, sem: risk_profile.Sem) -> dict[str, Any]:
    """Every number under its name in the method note; levels as C1-min, C1 .. C5."""
    mixed = profile.blend
    return {
        "T": mixed.tolerance,
        "K": mixed.capacity,
        "s": mixed.spread,
        "T1": mixed.tolerance_after_spread,
        "behaviour": {
            one.name: {"value": one.value, "evidence": one.evidence, "z": one.z, "omega": one.weight, "damage": one.damage}
            for one in profile.readings
        },
        "D": mixed.damage,
        "T2": mixed.tolerance_after_behaviour,
        "lo": mixed.low,
        "hi": mixed.high,
        "R": mixed.score,
        "raw_level": Level(mixed.raw_level).label,
        "SEM_T": sem.tolerance,
        "SEM_K": sem.capacity,
        "sigma_R": profile.error,
        "p0": profile.raw_certainty,
        "queued": profile.is_queued,
        "lowered_by": list(profile.lowered_by),
        "lowered_level": Level(profile.lowered_level).label,
        "ceilings": [{"name": cap.name, "level": Level(cap.level).label, "binds": cap.binds} for cap in profile.caps],
        "gate": profile.gate,
        "p": profile.certainty,
        "confidence": profile.confidence_by_p,
        "retest": _retest(profile.forecast, sem.norms),
        "p_retest": profile.retest,
        "confidence_shown": profile.confidence,
        "level": Level(profile.level).label,
    }


def _retest(another: Forecast | None, norms: Norms | None) -> dict[str, float] | None:
    """What another sheet may hold, angles in radians, and the instrument's norms that say so; None without norms."""
    if another is None or norms is None:
        return None
    t, k = norms.tolerance, norms.capacity
    return {
        "mean_T": t.mean, "sd_T": t.sd, "rel_T": t.reliability, "mean_K": k.mean, "sd_K": k.sd, "rel_K": k.reliability,
        "r": norms.correlation, "m_T": another.tolerance, "e_T": another.tolerance_error, "m_K": another.capacity,
        "e_K": another.capacity_error,
    }  # fmt: skip


def _sheet_of(given: _Answers, measured: _Behaviour | None) -> risk_profile.Sheet:
    facts = given.facts
    return risk_profile.Sheet(
        tolerance=given.tolerance,
        capacity=given.capacity,
        n_correct=given.knowledge.correct,
        is_experienced=given.knowledge.experienced,
        facts=risk_profile.Facts(facts.max_loss, facts.horizon_years, facts.reserve_months, facts.consumer_debt, facts.age),
        has_civil_capacity=given.gates.civil_capacity,
        accepts_loss=given.gates.accepts_loss,
        n_soft_confirmed=given.soft_confirmed,
        age_reviewed=given.review_lifts_age,
        is_low_quality=given.low_quality,
        has_profiling_consent=given.profiling_consent,
        behaviour=_measures_of(measured) if measured else None,
    )


def _measures_of(measured: _Behaviour) -> dict[str, risk_profile.Measure]:
    known = {name: getattr(measured, name) for name in _Behaviour.model_fields}
    return {
        name: risk_profile.Measure(one.value, one.evidence, getattr(one, "months_since_sale", None)) for name, one in known.items() if one
    }


def _measured(path: Path) -> Instrument:
    """A questionnaire's file with the errors of measurement that the linter finds now."""
    try:
        instrument = parse_instrument(_text(path))
    except BadInstrument as error:
        first = error.problems[0]
        raise DataError("bad_instrument", file=path.name, kind=first.code, where=first.where, problem=first.params) from None
    except (RecursionError, ValueError):  # as in _read
        raise DataError("file_is_not_yaml", file=path.name, line=1) from None
    return instrument.measured(risk_profile.Sem.from_json(lint_instrument(instrument)["sem"]))


class _Twice(ValueError):
    """A key stands twice in one object, of which a plain reader keeps the last without a word."""


def _json(text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise _Twice(next(key for place, (key, _) in enumerate(pairs) if key in dict(pairs[:place])))
        return found

    return json.loads(text, object_pairs_hook=once)


def _read(path: Path, model: type[_Model]) -> _Model:
    try:
        data = _json(_text(path))
    except _Twice as error:
        raise DataError("json_key_twice", file=path.name, key=str(error)) from None
    except json.JSONDecodeError as error:
        raise DataError("file_is_not_json", file=path.name, line=error.lineno) from None
    except (RecursionError, ValueError):  # nested too deeply, a whole number of thousands of digits, or no UTF-8
        raise DataError("file_is_not_json", file=path.name, line=1) from None
    if not isinstance(data, dict):
        raise DataError("json_not_an_object", file=path.name)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise DataError("field_wrong", file=path.name, field=_place(first["loc"]), problem=_problem(first)) from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise DataError("file_not_found", file=path.name) from None
    except (OSError, ValueError):  # no permission, a folder, a name with a NUL
        raise DataError("file_not_readable", file=path.name) from None
    if len(data) > LARGEST_FILE:
        raise DataError("file_too_large", file=path.name)
    return data.decode("utf-8-sig")


def _place(loc: tuple[int | str, ...]) -> str:
    """tolerance.3 for the third: people count from one."""
    return ".".join(str(part + 1 if isinstance(part, int) else part)[:40] for part in loc)


def _problem(error: Mapping[str, Any]) -> str:
    """What is wrong with a field as `kind` or `kind:bound`, for its sentence."""
    context: Mapping[str, Any] = error.get("ctx", {})
    kind = error["type"]
    if kind in ("too_short", "too_long"):
        return f"wrong_length:{context.get('min_length', context.get('max_length'))}"
    bound = next((context[name] for name in _BOUNDS if name in context), None)
    return kind if bound is None else f"{kind}:{bound:g}"
