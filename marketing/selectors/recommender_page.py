"""What marketers are shown of the recommender: which model serves, how the last night went, how good its candidates were. No people."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from advisor.selectors import suits_own_level
from marketing.models import RecommenderRun, Suggestion
from marketing.selectors.audience import nearest_ten
from marketing.selectors.recommender_report import Candidate, Report, read_report
from marketing.selectors.recommender_words import TAGS, conclusion, model_name, outcome_of, why_failed, why_refused

NIGHTS = 30
MOST_RUNS = 100  # of these nights, where somebody trains by hand many times a day
Status = RecommenderRun.Status


@dataclass(frozen=True, slots=True)
class Told:
    """A run as a page tells of it."""

    run: RecommenderRun
    report: Report
    outcome: str

    @property
    def label(self) -> str:
        return str(TAGS[self.outcome][0])

    @property
    def tone(self) -> str:
        return TAGS[self.outcome][1]

    @property
    def model(self) -> str:
        return model_name(self.report.chosen or self.run.algorithm)

    @property
    def day(self) -> date:
        return timezone.localdate(self.run.finished_at or self.run.queued_at)

    @property
    def n_served(self) -> int | None:
        return nearest_ten(self.report.n_served)

    @property
    def n_unsuitable(self) -> int | None:
        return nearest_ten(self.report.n_unsuitable)

    @property
    def n_pairs(self) -> int | None:
        return nearest_ten(self.report.n_pairs)

    @property
    def share_served(self) -> float | None:
        """Of the people whom the model knows, those who have suggestions; None where either count is small."""
        served, known = self.n_served, nearest_ten(self.report.n_users)
        return min(1.0, served / known) if served is not None and known else None

    @property
    def why(self) -> str:
        if self.outcome == "failed":
            return why_failed(self.run.error)
        return why_refused(self.report.code, self.report.chosen) if self.outcome == "refused" else ""

    @property
    def conclusion(self) -> str:
        """What the guard decided; nothing of one whose promotion came to nothing, for that would read as if it served."""
        report = self.report
        if self.outcome == "failed" and report.promoted:
            return ""
        decision = {"code": report.code, "name": report.chosen, "challenger": report.challenger}
        return conclusion(decision, report.promoted, report.had_opponent)


@dataclass(frozen=True, slots=True)
class Checked:
    """The stored suggestions of the serving run held against today's levels, grades and pool; counts to the nearest ten."""

    rows: int | None
    unsuitable: int | None


def told_run(run: RecommenderRun) -> Told:
    return Told(run, read_report(run.report), outcome_of(run))


def recommender_page(user: Any) -> dict[str, Any]:
    """Everything that the page shows but the live check, in two queries of runs."""
    runs = RecommenderRun.objects.visible_to(user)
    since = timezone.now() - timedelta(days=NIGHTS)
    told = [told_run(run) for run in runs.filter(Q(finished_at=None) | Q(finished_at__gte=since)).order_by("-pk")[:MOST_RUNS]]
    ended = [one for one in told if one.run.finished_at]
    now = runs.filter(is_serving=True).first()
    serving = told_run(now) if now else None
    at_work = next((one for one in told if one.run.status in (Status.QUEUED, Status.RUNNING)), None)
    return {
        "serving": serving,
        "at_work": at_work,
        "progress": progress_of(at_work.run) if at_work else None,
        "last": ended[0] if ended else serving,
        "shown": next((one for one in ended if one.report.candidates), serving),
        "nights": nights(ended),
        "days": NIGHTS,
    }


def nights(ended: list[Told]) -> list[Told]:
    """The last run of each day that was evaluated or failed, the earliest first."""
    since, by_day = timezone.localdate() - timedelta(days=NIGHTS), {}
    for one in reversed(ended):
        if one.day > since:
            by_day[one.day] = one
    return list(by_day.values())


def compared(report: Report) -> tuple[Candidate | None, Candidate | None]:
    """The candidate on which the guard decided, and popularity."""
    return report.best, report.popularity


def progress_of(run: RecommenderRun) -> dict[str, Any]:
    """The stages of a run that waits or is at work: which are done, and how far the present one has come."""
    stages = list(RecommenderRun.Stage.choices)
    at = RecommenderRun.Stage.values.index(run.stage)
    is_counted = run.status == Status.RUNNING and bool(run.n_total)
    return {
        "run": run,
        "stages": [(str(label), "done" if place < at else "current" if place == at else "") for place, (_key, label) in enumerate(stages)],
        "n_stage": at + 1,
        "n_stages": len(stages),
        "name": str(stages[at][1]),
        "done": run.n_done if is_counted else None,
        "total": run.n_total if is_counted else None,
        "is_waiting": run.status == Status.QUEUED,
        "was_interrupted": run.attempts > 1,
    }


def model_card(run: RecommenderRun) -> dict[str, Any]:
    """What a run's own page shows."""
    told = told_run(run)
    report = told.report
    is_open = run.status in (Status.QUEUED, Status.RUNNING)
    stages = dict(RecommenderRun.Stage.choices)
    return {
        "one": told,
        "shown": told,
        "progress": progress_of(run) if is_open else None,
        "counts": [
            (_("People"), nearest_ten(report.n_users)),
            (_("Funds"), report.n_items),
            (_("Pairs of person and fund"), nearest_ten(report.n_pairs)),
            (_("Views, purchases and plans"), nearest_ten(report.n_events)),
            (_("People tested"), nearest_ten(report.n_tested)),
        ],
        "seconds": [(str(stages.get(name, name)), value) for name, value in report.seconds.items()],
        "settings": [(model_name(one.name), _settings(one.settings)) for one in report.candidates if one.settings],
    }


def _settings(settings: dict[str, Any]) -> str:
    """factors 32 · alpha 10.0; of a blend its parts: 1.0 x ALS (factors 32 · …) + 1.0 x EASE (…)."""
    parts = settings.get("parts")
    if isinstance(parts, list):
        return " + ".join(f"{one['weight']} × {model_name(one['name'])} ({_settings(one['settings'])})" for one in parts)
    return " · ".join(f"{name} {value}" for name, value in settings.items())


def check_now() -> Checked | None:
    """Count the stored suggestions that may not be recommended at their person's level of this moment; None where nothing serves.

    One statement over all of them: a page asks for it by itself, after it stands.
    """
    run = RecommenderRun.objects.filter(is_serving=True).only("pk").first()
    if run is None:
        return None
    suitable = suits_own_level() & Q(investor__level_valid_until__gte=timezone.localdate())
    counts = Suggestion.objects.filter(run=run).order_by().aggregate(rows=Count("pk"), suitable=Count("pk", filter=suitable))
    return Checked(nearest_ten(counts["rows"]), nearest_ten(counts["rows"] - counts["suitable"]))
