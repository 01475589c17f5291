"""The weekly fit of who still decides, with its calibration and its holdout, kept as a dated row."""

import math
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import numpy as np
import scipy
from django.db import transaction

from marketing.jurisdictions import market_rules
from marketing.kernels.bgnbd import MODELS, Fit, Floats, Ints, Model, Parameters, fit, group
from marketing.kernels.dormancy import FitRules
from marketing.kernels.dormancy_holdout import Histories, summarise, track
from marketing.models import DormancyFit
from marketing.selectors.dormancy import DAYS_A_WEEK, decision_days
from marketing.services.dormancy_files import holdout_report
from portfolios.kernels.errors import DataError, SolverError

POINTS_A_TRACK = 40


def current_fit(*, on: date, rules: FitRules | None = None) -> DormancyFit:
    """Return the fit that states of a day rest on; where the last one is a week old or older, fit anew and write it.

    One row a day, written once it is computed; safe to repeat. With too few people, or where the fit fails, the row says why
    and is not used: the states then rest on lengths of silence.
    """
    rules = rules or market_rules().dormancy_fit
    recent = DormancyFit.objects.filter(as_of__lte=on, as_of__gt=on - timedelta(days=rules.every_days)).first()
    return recent or fit_decisions(on=on, rules=rules)


def fit_decisions(*, on: date, rules: FitRules | None = None) -> DormancyFit:
    """Fit everybody's decisions up to a day and write the row of that day, with the fit of half a year before held against what came."""
    rules = rules or market_rules().dormancy_fit
    person, day = decision_days(on)
    row = _row(person, day, on, rules)
    with transaction.atomic():
        made, _ = DormancyFit.objects.update_or_create(as_of=on, defaults=row)
    return made


def parameters_of(row: DormancyFit) -> Parameters | None:
    """The parameters of a fit that is used, in weeks."""
    if not row.is_used or row.r is None or row.alpha is None or row.a is None or row.b is None:
        return None
    model: Model = "mbgnbd" if row.model == "mbgnbd" else "bgnbd"
    return Parameters(row.r, row.alpha, row.a, row.b, model)


def _row(person: Ints, day: Ints, on: date, rules: FitRules) -> dict[str, Any]:
    versions = {"numpy": np.__version__, "scipy": scipy.__version__}
    row: dict[str, Any] = {"model": rules.model, "versions": versions, "is_used": False, "why": "", "first_date": None, "report": {}}
    row |= dict.fromkeys(("r", "alpha", "a", "b", "log_likelihood")) | {"standard_errors": {}, "n_people": 0, "n_groups": 0}
    if not len(day):
        return row | {"why": "no_orders"}
    origin = int(day.min())
    week = (day - origin) / DAYS_A_WEEK
    _, seen = summarise(person, week, (on.toordinal() - origin) / DAYS_A_WEEK)
    row |= {"first_date": date.fromordinal(origin), "n_people": len(seen.frequency)}
    if why := _too_thin(seen, rules):
        return row | {"why": why}
    found, why = _fitted(seen, rules.model)
    if found is None:
        return row | {"why": why}
    parameters = found.parameters
    row |= {"r": parameters.r, "alpha": parameters.alpha, "a": parameters.a, "b": parameters.b, "log_likelihood": found.log_likelihood}
    row |= {"standard_errors": _plain(found.standard_errors), "n_groups": found.n_groups}
    row |= {"is_used": not found.at_bound, "why": "at_bound" if found.at_bound else ""}
    others = [one for name in MODELS if name != rules.model and (one := _fitted(seen, name)[0])]
    report = _held_out(person, week, (on.toordinal() - origin) / DAYS_A_WEEK, rules)
    return row | {"report": report | {"others": [_told(one) for one in others]}}


def _too_thin(seen: Histories, rules: FitRules) -> str:
    if len(seen.frequency) < rules.least_people:
        return "histories_too_few"
    return "repeats_too_few" if (seen.frequency > 0).sum() < rules.least_repeaters else ""


def _fitted(seen: Histories, model: Model) -> tuple[Fit | None, str]:
    try:
        return fit(group(seen.frequency, seen.recency, seen.observed)[0], model), ""
    except (DataError, SolverError) as error:
        return None, error.code


def _held_out(person: Ints, week: Floats, end: float, rules: FitRules) -> dict[str, Any]:
    """What a fit half a year ago would have foretold, against what came; empty where there was too little then."""
    calibrated = end - rules.holdout_weeks
    if calibrated <= 0 or not (week <= calibrated).any():
        return {}
    ids, seen = summarise(person, week, calibrated, end)
    found, _ = (None, "") if _too_thin(seen, rules) else _fitted(seen, rules.model)
    if found is None:
        return {}
    firsts = calibrated - seen.observed
    held = np.isin(person, ids)
    order = np.lexsort((week[held], person[held]))
    whose, when = person[held][order], week[held][order]
    repeats = when[np.append(False, whose[1:] == whose[:-1])]
    tracked = track(found.parameters, firsts, repeats, np.linspace(end / POINTS_A_TRACK, end, POINTS_A_TRACK))
    report = holdout_report(found, seen, float(rules.holdout_weeks), rules.naive_days / DAYS_A_WEEK)
    return report | {"calibration_week": calibrated, "tracking": [asdict(one) for one in tracked], "fit": _told(found)}


def _told(found: Fit) -> dict[str, Any]:
    told: dict[str, Any] = asdict(found.parameters)
    return told | {
        "log_likelihood": found.log_likelihood,
        "standard_errors": _plain(found.standard_errors),
        "at_bound": list(found.at_bound),
    }


def _plain(values: dict[str, float]) -> dict[str, float | None]:
    """NaN is no JSON."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
