"""Sets of models as pages show them: levels with their figures, the funds of one model with their range, and two sets beside each other."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from config.jobs import Job
from portfolios.jurisdictions import HorizonBin, jurisdiction
from portfolios.kernels.resample import turnover
from portfolios.models import Fund, ModelPortfolio, ModelSet, ModelWeight
from portfolios.selectors.funds import class_name
from portfolios.selectors.sentences import error_sentence

HEAVY = ("mean", "cov", "weekly", "funds", "codes")  # what pages of a set do not read


@dataclass(frozen=True, slots=True)
class BinChoice:
    """A horizon bin to choose, in whole years; `below_years` is None where it has no end."""

    place: int
    from_years: int
    below_years: int | None


@dataclass(frozen=True, slots=True)
class LevelRow:
    """One level's model in a horizon bin; `problem` says why there is none, `ceiling` the highest level that such a goal may have."""

    level: int
    code: str
    budget: float
    model: ModelPortfolio | None
    problem: str
    n_funds: int
    ceiling: str


@dataclass(frozen=True, slots=True)
class WeightRow:
    """A fund of a model with the range of its weights over the draws."""

    fund: Fund
    class_name: str
    weight: float
    low: float
    high: float
    held_share: float


@dataclass(frozen=True, slots=True)
class SetPage:
    """A set at one horizon bin and level."""

    model_set: ModelSet
    bins: list[BinChoice]
    place: int
    levels: list[LevelRow]
    chosen: LevelRow
    weights: list[WeightRow]

    @property
    def held(self) -> list[WeightRow]:
        return [row for row in self.weights if row.weight > 0]

    @property
    def n_steady(self) -> int:
        """How many of the funds that the model holds at least half of the draws hold too."""
        return sum(row.held_share >= 0.5 for row in self.held)


@dataclass(frozen=True, slots=True)
class LevelChange:
    """A level's model in two sets, and the share of the money that would move from one to the other; None without both."""

    level: int
    code: str
    before: ModelPortfolio | None
    after: ModelPortfolio | None
    turnover: float | None


@dataclass(frozen=True, slots=True)
class FundChange:
    fund: Fund
    before: float
    after: float

    @property
    def difference(self) -> float:
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sets beside each other at one horizon bin, with the funds of one level."""

    before: ModelSet
    after: ModelSet
    bins: list[BinChoice]
    place: int
    levels: list[LevelChange]
    chosen: LevelChange
    funds: list[FundChange]


def model_sets_shown() -> QuerySet[ModelSet]:
    """All sets, the newest first, without their arrays."""
    return ModelSet.objects.defer(*HEAVY).select_related("pool", "requested_by", "decided_by").order_by("-pk")


def is_at_work(model_set: ModelSet) -> bool:
    return model_set.status in (Job.Status.QUEUED, Job.Status.RUNNING)


def problem_of(error: dict[str, Any] | None) -> str:
    """Why there is no model or no set, as a sentence; empty without a reason."""
    return error_sentence(error.get("code", ""), error.get("params", error)) if error else ""


def bin_choices() -> list[BinChoice]:
    bins: list[HorizonBin] = jurisdiction().horizon_bins
    edges = [round(one.below_years) for one in bins[:-1]]
    starts, ends = [0, *edges], [*edges, None]
    return [BinChoice(place, start, end) for place, (start, end) in enumerate(zip(starts, ends, strict=True))]


def ceiling_of(place: int) -> int | None:
    """The highest level that any goal of a horizon bin may have, None where the years do not lower it."""
    below = jurisdiction().horizon_bins[place].below_years
    return min((one.level for one in jurisdiction().horizon_ceilings if below <= one.below_years), default=None)


def set_page(model_set: ModelSet, *, place: int, level: int) -> SetPage:
    """A set at one horizon bin and level, in two queries."""
    models = {row.level: row for row in ModelPortfolio.objects.filter(model_set=model_set, horizon_bin=place)}
    weights = list(ModelWeight.objects.filter(portfolio__in=models.values()).select_related("fund", "portfolio"))
    rows = [_level_row(one, models.get(one), weights, ceiling_of(place)) for one in sorted(jurisdiction().levels)]
    chosen = next((row for row in rows if row.level == level), rows[-1])
    shown = [row for row in weights if row.portfolio.level == chosen.level]
    shown.sort(key=lambda row: (-row.weight, -row.held_share, row.fund.code))
    told = [WeightRow(row.fund, class_name(row.fund.asset_class), row.weight, row.low, row.high, row.held_share) for row in shown]
    return SetPage(model_set, bin_choices(), place, rows, chosen, told)


def _level_row(level: int, model: ModelPortfolio | None, weights: list[ModelWeight], ceiling: int | None) -> LevelRow:
    levels = jurisdiction().levels
    n_funds = sum(row.weight > 0 for row in weights if row.portfolio.level == level)
    beyond = levels[ceiling].code if ceiling is not None and level > ceiling else ""
    return LevelRow(
        level, levels[level].code, levels[level].cvar_budget, model, problem_of(model.error if model else None), n_funds, beyond
    )


def comparison(before: ModelSet, after: ModelSet, *, place: int, level: int) -> Comparison:
    """Two sets at one horizon bin, with the funds of one level side by side, in two queries."""
    models = list(ModelPortfolio.objects.filter(model_set__in=[before, after], horizon_bin=place))
    found = {(row.model_set_id, row.level): row for row in models}
    held: dict[tuple[int, int], dict[str, float]] = {}
    funds: dict[str, Fund] = {}
    for row in ModelWeight.objects.filter(portfolio__in=models, weight__gt=0).select_related("fund", "portfolio"):
        held.setdefault((row.portfolio.model_set_id, row.portfolio.level), {})[row.fund.code] = row.weight
        funds[row.fund.code] = row.fund
    changes = [_level_change(one, before.pk, after.pk, found, held) for one in sorted(jurisdiction().levels)]
    chosen = next((row for row in changes if row.level == level), changes[-1])
    old, new = (held.get((one.pk, chosen.level), {}) for one in (before, after))
    rows = [FundChange(funds[code], old.get(code, 0.0), new.get(code, 0.0)) for code in old.keys() | new.keys()]
    rows.sort(key=lambda row: (-max(row.before, row.after), row.fund.code))
    return Comparison(before, after, bin_choices(), place, changes, chosen, rows)


def _level_change(
    level: int,
    before: int,
    after: int,
    found: dict[tuple[int, int], ModelPortfolio],
    held: dict[tuple[int, int], dict[str, float]],
) -> LevelChange:
    both = [(one, level) in held for one in (before, after)]
    moved = turnover(held[before, level], held[after, level]) if all(both) else None
    return LevelChange(level, jurisdiction().levels[level].code, found.get((before, level)), found.get((after, level)), moved)


def set_to_compare(after: ModelSet, asked: str) -> ModelSet | None:
    """The set asked for by its number, else the current one, else the newest one before that was worked out."""
    others = model_sets_shown().filter(status=Job.Status.DONE).exclude(pk=after.pk)
    if asked.isdecimal():
        return others.filter(pk=int(asked)).first()
    return others.filter(is_current=True).first() or others.filter(pk__lt=after.pk).first()
