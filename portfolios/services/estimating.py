"""Annual moments of the funds of a price file, by named estimators: for analysis, not for advice."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.black_litterman import (
    RISK_AVERSION,
    TAU,
    View,
    black_litterman,
    class_assumption_mean,
    equilibrium_mean,
    reference_weights,
)
from portfolios.kernels.covariances import CovarianceMethod
from portfolios.kernels.errors import DataError
from portfolios.kernels.means import PAST_MEANS, past_mean
from portfolios.kernels.moments import Usable, annual_covariance, refuse_gaps, usable_returns
from portfolios.kernels.types import FloatArray, Moments
from portfolios.services.pricefile import graded_funds, price_matrix
from portfolios.sources.text import whole_text

MEANS = ("class_assumptions", "equilibrium", "black_litterman", *PAST_MEANS)
# The market of `equilibrium` where no other is given: a share of wealth a class of the volatility bands. Ours, uncalibrated.
REFERENCE_MIX = {"grade_1": 0.25, "grade_2": 0.35, "grade_3": 0.20, "grade_4": 0.15, "grade_5": 0.05}
_SUM_SLACK = 1e-6

Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)]  # beyond, sums with fractions of 1 lose their digits
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _ViewRow(_Row):
    funds: dict[str, Finite] = Field(min_length=1)
    expected: Finite = Field(alias="return")
    confidence: float = Field(ge=0, le=1)


class ViewFile(_Row):
    """What V.json says; `market` makes the prior an equilibrium, else it is the class assumptions."""

    views: list[_ViewRow]
    prior: str | None = Field(default=None, pattern="^(class_assumptions|equilibrium)$")
    market: dict[str, Share] | None = None
    risk_aversion: Positive | None = None
    tau: Positive = TAU


class _ClassRow(_Row):
    mean: Finite


class _FundRow(_Row):
    asset_class: str = Field(alias="class")
    beta: Finite = 1.0


class AssumptionFile(_Row):
    """What A.yaml says; what it leaves out comes from the jurisdiction's settings and the funds' volatility."""

    classes: dict[str, _ClassRow] = {}
    funds: dict[str, _FundRow] = {}
    cash_rate: Finite | None = None
    reference_mix: dict[str, Share] | None = None
    risk_aversion: Positive = RISK_AVERSION


@dataclass(frozen=True)
class EstimateRequest:
    """What to estimate, from which files; `years` of history (the settings' if None), `may_have_gaps` carries missing prices over."""

    prices: Path
    mean: str
    today: date
    method: CovarianceMethod = field(default_factory=CovarianceMethod)
    views: Path | None = None
    assumptions: Path | None = None
    years: float | None = None
    may_have_gaps: bool = False

    def __post_init__(self) -> None:
        if self.years is not None and not (math.isfinite(self.years) and self.years > 0):
            raise DataError("years_not_positive", value=self.years)


def estimate_price_file(request: EstimateRequest) -> Moments:
    """Estimate annual means and covariance of the funds of a price file, sorted by id; writes nothing.

    Funds with too short a history or no recent price are left out with a note. Raises DataError for a name that is
    unknown, a file that cannot be used, and views or assumptions that do not fit the funds.
    """
    views, assumed = _read_small_files(request)
    matrix, notes = price_matrix(request.prices, request.today, years=request.years, may_have_gaps=request.may_have_gaps)
    if not request.may_have_gaps:
        refuse_gaps(matrix)
    volatility_classes = {code: name for code, (_, name) in graded_funds(matrix, None).items()}
    usable = usable_returns(matrix, request.method.weeks)
    cov, made = annual_covariance(usable, request.method)
    classes = _Classes.of(usable.codes, assumed, volatility_classes)
    versions = {
        "mean": request.mean,
        "cov": request.method.name,
        "weeks": request.method.weeks,
        "n_weeks": len(usable.returns),
        "periods_a_year": round(usable.periods, 6),
        "first_date": date.fromordinal(int(matrix.dates[0])).isoformat(),
        "last_date": date.fromordinal(int(matrix.dates[-1])).isoformat(),
    }
    if made.shrinkage is not None:
        versions["shrinkage"] = round(made.shrinkage, 6)
    if request.mean in PAST_MEANS:
        mean, said = _past(request, usable, versions)
    elif request.mean == "black_litterman":
        mean, said = _viewed(usable.codes, classes, cov, views, versions)
    elif request.mean == "equilibrium":
        mean, said = classes.equilibrium(cov, None, versions)
    else:
        mean, said = classes.assumption_mean(), classes.notes
    every_note = dict.fromkeys([*notes, *usable.notes, *made.notes, *said, *_not_used(request)])
    return Moments(usable.codes, mean, cov, versions, tuple(every_note))


def _read_small_files(request: EstimateRequest) -> tuple[ViewFile, AssumptionFile]:
    """The small files, before the prices: what is wrong with them is said at once."""
    if request.mean not in MEANS:
        raise DataError("unknown_mean", name=request.mean, known=", ".join(MEANS))
    views = _read(request.views, _json, ViewFile) if request.views else ViewFile(views=[])
    return views, _read(request.assumptions, _yaml, AssumptionFile) if request.assumptions else AssumptionFile()


def _not_used(request: EstimateRequest) -> list[str]:
    """What was given and does not enter the mean asked for is said, never dropped in silence."""
    notes = []
    if request.views is not None and request.mean != "black_litterman":
        notes.append("views_not_used")
    if request.assumptions is not None and request.mean in PAST_MEANS:
        notes.append("assumptions_not_used")
    return notes


def _past(request: EstimateRequest, usable: Usable, versions: dict[str, Any]) -> tuple[FloatArray, tuple[str, ...]]:
    found = past_mean(request.mean, usable.returns, request.method.unequal, request.method.half_life)
    if found.shrinkage is not None:
        versions["mean_shrinkage"] = round(found.shrinkage, 6)
    return found.mean * usable.periods, (*found.notes, "not_for_advice")


def _viewed(
    codes: tuple[str, ...], classes: "_Classes", cov: FloatArray, given: ViewFile, versions: dict[str, Any]
) -> tuple[FloatArray, tuple[str, ...]]:
    by_market = given.prior == "equilibrium" or (given.prior is None and given.market is not None)
    if by_market:
        prior, notes = classes.equilibrium(cov, given, versions)
    else:
        prior, notes = classes.assumption_mean(), classes.notes
    views = [View(row.funds, row.expected, row.confidence) for row in given.views]
    versions |= {"prior": "equilibrium" if by_market else "class_assumptions", "n_views": len(views)}
    return black_litterman(codes, prior, cov, views, given.tau), notes if views else (*notes, "no_views")


@dataclass(frozen=True)
class _Classes:
    """Class, its mean and the style beta of each fund, and what was assumed to get there."""

    codes: tuple[str, ...]
    names: tuple[str, ...]
    means: FloatArray
    betas: FloatArray
    cash_rate: float
    given: AssumptionFile
    notes: tuple[str, ...]

    @classmethod
    def of(cls, codes: tuple[str, ...], given: AssumptionFile, by_volatility: Mapping[str, str]) -> "_Classes":
        rules = jurisdiction()
        known = {name: row.mean for name, row in rules.classes.items()} | {name: row.mean for name, row in given.classes.items()}
        for fund, row in given.funds.items():
            if fund not in by_volatility:
                raise DataError("unknown_fund", fund=fund)
            if row.asset_class not in known:
                raise DataError("unknown_class", fund=fund, asset_class=row.asset_class, known=", ".join(sorted(known)))
        for name in given.reference_mix or {}:
            if name not in known:
                raise DataError("unknown_mix_class", asset_class=name, known=", ".join(sorted(known)))
        names = tuple(given.funds[code].asset_class if code in given.funds else by_volatility[code] for code in codes)
        return cls(
            codes,
            names,
            np.array([known[name] for name in names]),
            np.array([given.funds[code].beta if code in given.funds else 1.0 for code in codes]),
            rules.cash_rate if given.cash_rate is None else given.cash_rate,
            given,
            tuple(f"class_from_volatility:{code}" for code in codes if code not in given.funds),
        )

    def assumption_mean(self) -> FloatArray:
        return class_assumption_mean(self.means, self.cash_rate, self.betas)

    def equilibrium(self, cov: FloatArray, views: ViewFile | None, versions: dict[str, Any]) -> tuple[FloatArray, tuple[str, ...]]:
        """Reverse-optimised from the market given with the views, else from the reference mix of classes."""
        risk_aversion = (views.risk_aversion if views else None) or self.given.risk_aversion
        versions["risk_aversion"] = risk_aversion
        if views is not None and views.market is not None:
            for fund in views.market:
                if fund not in self.codes:
                    raise DataError("unknown_view_fund", fund=fund)
            market = np.array([views.market.get(code, 0.0) for code in self.codes])
            _require_sum_of_one("market", float(market.sum()))
            return equilibrium_mean(cov, market, self.cash_rate, risk_aversion), ()
        mix = REFERENCE_MIX if self.given.reference_mix is None else self.given.reference_mix
        _require_sum_of_one("reference_mix", sum(mix.values()))
        market, missing = reference_weights(self.names, mix)
        notes = (*self.notes, *(f"reference_class_without_fund:{name}" for name in missing))
        return equilibrium_mean(cov, market, self.cash_rate, risk_aversion), notes


def _require_sum_of_one(name: str, total: float) -> None:
    if abs(total - 1.0) > _SUM_SLACK:
        raise DataError("weights_do_not_sum_to_one", name=name, total=f"{total:.6g}")


_Model = TypeVar("_Model", bound=_Row)


def _problem(kind: str, context: Mapping[str, Any]) -> str:
    """What is wrong with a field as `kind` or `kind:bound`, for its sentence."""
    bounds = [context[key] for key in ("gt", "ge", "lt", "le") if key in context]
    return f"{kind}:{bounds[0]:g}" if bounds else kind


class _Twice(ValueError):
    """A key stands twice in one map, of which a plain reader keeps the last without a word."""


def _read(path: Path, parse: Callable[[str], Any], model: type[_Model]) -> _Model:
    wrong = "file_is_not_json" if parse is _json else "file_is_not_yaml"
    text = whole_text(path)
    try:
        return model.model_validate(parse(text))
    except _Twice as error:
        raise DataError("json_key_twice", file=path.name, key=str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "-"
        raise DataError("file_field_wrong", file=path.name, field=where, problem=_problem(first["type"], first.get("ctx", {}))) from error
    except json.JSONDecodeError as error:
        raise DataError(wrong, file=path.name, line=error.lineno) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DataError(wrong, file=path.name, line=mark.line + 1 if mark else 1) from error
    except RecursionError:
        raise DataError(wrong, file=path.name, line=1) from None


def _json(text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _refuse_twice([key for key, _ in pairs])
        return dict(pairs)

    return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=once)


class _TextLoader(yaml.BaseLoader):
    """Every scalar as text, for pydantic to read: YAML's own reading turns fund 000001 into the number 1."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        _refuse_twice([key.value for key, _ in node.value])
        return super().construct_mapping(node, deep)


def _yaml(text: str) -> Any:
    return yaml.load(text, Loader=_TextLoader)  # noqa: S506 - a BaseLoader builds text, lists and maps only


def _refuse_twice(keys: list[Any]) -> None:
    for key in keys:
        if keys.count(key) > 1:
            raise _Twice(key)
