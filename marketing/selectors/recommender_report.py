"""A run's report as its pages show it: read with care, for older runs lack what newer ones tell; small groups are withheld.

The report is written by `services.recommender`; whatever is missing there is missing here, and no page breaks over it.
"""

import math
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.utils.dateparse import parse_datetime

from marketing.kernels.recommenders.contract import BASELINES
from marketing.selectors.audience import SMALLEST_GROUP, nearest_ten, told

SUITABLE, FITS, DIVERSE = "suitable", "fits", "diverse"
STEP_OF_FILTER = {
    "off": SUITABLE, "level": SUITABLE, "closed": SUITABLE, "pool": SUITABLE, "not_interested": SUITABLE, "cap": SUITABLE,
    "mandate": FITS, "alike": DIVERSE,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval; the ends are None where none was worked out."""

    mean: float
    low: float | None
    high: float | None

    @property
    def is_above_zero(self) -> bool:
        return self.low is not None and self.low > 0


@dataclass(frozen=True, slots=True)
class Group:
    """People tested of one kind: how many (None: withheld, and the figure with it), and the nDCG@10 of one candidate."""

    users: int | None
    ndcg: Interval | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model that competed."""

    name: str
    settings: dict[str, Any]
    ndcg: Interval | None
    recall: Interval | None
    map: Interval | None
    coverage: float | None
    novelty: float | None
    diversity: float | None
    roi: Interval | None  # of the lists' funds in the weeks tested, a month
    vs_popularity: Interval | None
    vs_serving: Interval | None
    groups: dict[str, Group]  # "1" … "5", "warm", "cold"
    seconds: float | None
    failed: str  # why it was not measured, "" where it was

    @property
    def is_baseline(self) -> bool:
        return self.name in BASELINES


@dataclass(frozen=True, slots=True)
class Filter:
    """What one filter took away of the pairs of person and fund that reached it; counts to the nearest ten."""

    code: str
    step: str
    removed: int
    left: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """From what the model proposed to what was kept, filter by filter."""

    proposed: int
    kept: int
    stored: int | None  # of what was kept, at most so many a person
    filters: list[Filter]
    utility_mean: float | None
    utility_n: int

    def left_after(self, step: str) -> int:
        return next((one.left for one in reversed(self.filters) if one.step == step), self.kept)


@dataclass(frozen=True, slots=True)
class Report:
    """A model card. Counts of people are as the report has them: `nearest_ten` stands between them and a page."""

    candidates: list[Candidate] = field(default_factory=list)
    promoted: bool | None = None
    chosen: str = ""
    code: str = ""
    challenger: str = ""  # who was tried against the chosen one and was not better
    baseline: str = BASELINES[0]
    had_opponent: bool = False
    n_users: int | None = None
    n_items: int | None = None
    n_pairs: int | None = None
    n_events: int | None = None
    since: date | None = None
    until: date | None = None
    split_at: date | None = None
    n_tested: int | None = None
    funnel: Funnel | None = None
    n_served: int | None = None
    n_unsuitable: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def candidate(self, name: str) -> Candidate | None:
        return next((one for one in self.candidates if one.name == name), None)

    @property
    def popularity(self) -> Candidate | None:
        """The best of the three popularities, which the guard judged by."""
        return self.candidate(self.baseline)

    @property
    def best(self) -> Candidate | None:
        """The candidate on which the guard decided; of a report without a name the best that is no baseline."""
        return self.candidate(self.chosen) or next((one for one in self.candidates if one.ndcg and not one.is_baseline), None)


def read_report(data: Any) -> Report:
    """Read whatever a run has in its report; the best candidate stands first."""
    report = _dict(data)
    seen, split, decision, served = (_dict(report.get(name)) for name in ("interactions", "split", "decision", "served"))
    found = [_candidate(one) for one in _list(report.get("candidates")) if isinstance(one, dict) and isinstance(one.get("name"), str)]
    promoted = decision.get("promoted")
    return Report(
        candidates=sorted(found, key=lambda one: -one.ndcg.mean if one.ndcg else math.inf),
        promoted=promoted if isinstance(promoted, bool) else None,
        chosen=str(decision.get("name") or ""),
        code=str(decision.get("code") or ""),
        challenger=str(_dict(decision.get("challenger")).get("name") or ""),
        baseline=str(decision.get("baseline") or BASELINES[0]),
        had_opponent=bool(_dict(report.get("serving"))),
        n_users=_whole(seen.get("users")),
        n_items=_whole(seen.get("items")),
        n_pairs=_whole(seen.get("pairs")),
        n_events=_whole(seen.get("events")),
        since=_day(seen.get("since")),
        until=_day(seen.get("until")),
        split_at=_day(split.get("at")),
        n_tested=_whole(split.get("test_users")),
        funnel=_funnel(_dict(report.get("filters")), _whole(served.get("rows"))),
        n_served=_whole(served.get("people")),
        n_unsuitable=_whole(served.get("unsuitable")),
        versions={str(name): str(value) for name, value in _dict(report.get("versions")).items()},
        seconds={str(name): value for name, at in _dict(report.get("seconds")).items() if (value := _number(at)) is not None},
    )


def _candidate(data: dict[str, Any]) -> Candidate:
    metrics = _dict(data.get("metrics"))
    return Candidate(
        name=data["name"],
        settings=_dict(data.get("settings")),
        ndcg=_interval(metrics.get("ndcg@10")),
        recall=_interval(metrics.get("recall@10")),
        map=_interval(metrics.get("map@10")),
        coverage=_number(metrics.get("coverage")),
        novelty=_number(metrics.get("novelty")),
        diversity=_number(metrics.get("diversity")),
        roi=_interval(metrics.get("roi@10")),
        vs_popularity=_interval(data.get("vs_popularity")),
        vs_serving=_interval(data.get("vs_serving")),
        groups=_groups(_dict(data.get("by_level"))) | _groups({name: data[name] for name in ("warm", "cold") if name in data}),
        seconds=_number(data.get("seconds")),
        failed=str(data.get("failed") or ""),
    )


def _groups(data: dict[str, Any]) -> dict[str, Group]:
    """Groups of a partition, of which the small are withheld, and one more where a single gap could be worked out."""
    shown = told({str(key): _whole(_dict(one).get("users")) or 0 for key, one in data.items()})
    return {
        key: Group(None, None) if n is None else Group(nearest_ten(n), _interval(_dict(data[key]).get("ndcg@10")))
        for key, n in shown.items()
    }


def _funnel(data: dict[str, Any], rows: int | None) -> Funnel | None:
    proposed, kept, removed = _whole(data.get("proposed")), _whole(data.get("kept")), _dict(data.get("removed"))
    if not proposed or kept is None:
        return None
    left, filters = proposed, []
    known = [code for code in STEP_OF_FILTER if code in removed] + [code for code in removed if code not in STEP_OF_FILTER]
    for code in known:
        taken = _whole(removed[code]) or 0
        left -= taken
        filters.append(Filter(code, STEP_OF_FILTER.get(code, DIVERSE), _near(taken), _near(left)))
    change = _dict(data.get("utility_change"))
    n = _whole(change.get("n")) or 0
    mean = _number(change.get("mean")) if n >= SMALLEST_GROUP else None
    return Funnel(_near(proposed), _near(kept), None if rows is None else _near(rows), filters, mean, _near(n))


def _near(n: int) -> int:
    """Pairs of person and fund to the nearest ten: one pair more or less would tell of one person."""
    return (max(n, 0) + 5) // 10 * 10


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else round(number)


def _interval(value: Any) -> Interval | None:
    """An interval, or a bare number as one without ends."""
    given = value if isinstance(value, dict) else {"mean": value}
    mean = _number(given.get("mean"))
    return None if mean is None else Interval(mean, _number(given.get("low")), _number(given.get("high")))


def _day(value: Any) -> date | None:
    """The day of a date or of a moment as ISO text."""
    if not isinstance(value, str):
        return None
    try:
        return date.fromisoformat(value[:10]) if (parse_datetime(value) or date.fromisoformat(value)) else None
    except ValueError:
        return None
