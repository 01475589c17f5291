"""What marketers are shown about who sleeps: counts of ten and more, the fit in words, and how well it foretold."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from marketing.jurisdictions import market_rules
from marketing.kernels.dormancy import Thresholds
from marketing.kernels.dormancy_holdout import Bin, merged
from marketing.models import Dormancy, DormancyChange, DormancyFit, Profile, Reactivation
from marketing.selectors.audience import SMALLEST_GROUP, nearest_ten, told
from marketing.selectors.dormancy import reactivations
from portfolios.money import MINOR_PER_UNIT

DAYS = 30
DAYS_A_WEEK = 7
WHYS = {
    "no_orders": gettext_lazy("Nobody has decided anything yet."),
    "histories_too_few": gettext_lazy("Too few people have decided anything yet to tell how people differ."),
    "repeats_too_few": gettext_lazy("Too few people have decided more than once."),
    "histories_without_repeat": gettext_lazy("Nobody has decided more than once."),
    "histories_not_watched": gettext_lazy("Everybody decided for the first time today."),
    "histories_fit_failed": gettext_lazy("The likelihood has no maximum that could be found."),
    "at_bound": gettext_lazy("People hardly differ, or hardly anybody stops: the parameters ran to the edge of what is searched."),
}


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well one figure tells who decides again: area under the ROC curve with its 95 % interval, and the gap to the naive rule."""

    code: str
    name: str
    value: float
    low: float
    high: float
    gap: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class Shown:
    """The fit as the page shows it."""

    fit: DormancyFit
    why: str
    parameters: list[tuple[str, float, float | None, str]]
    bins: list[Bin]
    tracking: list[dict[str, float]]
    rankings: list[Ranking]
    calibration_end: date | None


def dormancy_page() -> dict[str, Any]:
    """Everything that the page shows, in seven queries."""
    since = timezone.localdate() - timedelta(days=DAYS)
    counts = dict(Profile.objects.order_by().values_list("dormancy").annotate(Count("pk")))
    shown = told(counts)
    fit = DormancyFit.objects.first()
    return {
        "states": [(value, str(label), nearest_ten(shown.get(value, 0)), MEANINGS[value]) for value, label in Dormancy.choices],
        "n_people": sum(counts.values()),
        "rules": rules_in_words(market_rules().dormancy),
        "flows": _flows(since),
        "woke": _woke(since),
        "days": DAYS,
        "shown": None if fit is None else shown_fit(fit),
    }


MEANINGS = {
    "new": gettext_lazy("joined lately and has not decided anything yet"),
    "active": gettext_lazy("decided or visited as recently as is usual for them"),
    "calm": gettext_lazy("silent because nothing needs doing: a plan runs, or money is invested within its limits"),
    "cooling": gettext_lazy("silent for longer than usual, not yet long"),
    "dormant": gettext_lazy("silent, with money idle or none invested, and unlikely to come back unasked"),
    "lost": gettext_lazy("silent for a year, with nothing left here"),
}


def rules_in_words(limits: Thresholds) -> list[tuple[str, str]]:
    """How a state is decided, in the order in which it is: the first sentence that holds gives the state."""
    figures = {
        "rhythms": f"{limits.active_rhythms:g}", "least": limits.active_least_days, "most": limits.active_most_days,
        "plain": limits.active_decision_days, "new": limits.new_days, "visit": limits.active_visit_days,
        "floor": f"{limits.idle_cash_floor_minor // MINOR_PER_UNIT:,}", "share": f"{limits.calm_idle_share:.0%}",
        "lost": limits.lost_days, "p": f"{limits.unlikely_p_alive:.0%}", "p_days": limits.unlikely_least_days,
        "long": f"{limits.dormant_rhythms:g}", "long_least": limits.dormant_days, "long_most": limits.dormant_most_days,
    }  # fmt: skip
    sentences = [
        ("active", _(
            "The last decision is no longer ago than %(rhythms)s times the person's own rhythm (at least %(least)s and at most "
            "%(most)s days; %(plain)s where no rhythm is known)."
        )),
        ("new", _("Joined within %(new)s days and has not decided anything yet.")),
        ("active", _("Visited within %(visit)s days.")),
        ("calm", _("A plan runs: it bought within 90 days.")),
        ("cooling", _("Money is invested, but the nightly review finds its risk above the limit: a service letter, not sales.")),
        ("calm", _("Money is invested, and idle cash is below %(floor)s yuan or %(share)s of assets, whichever is more.")),
        ("lost", _("Nothing is left here and nothing was heard for %(lost)s days.")),
        ("dormant", _("The probability of ever deciding again is below %(p)s, after %(p_days)s days of silence.")),
        ("dormant", _("Silent for %(long)s times the own rhythm (at least %(long_least)s and at most %(long_most)s days).")),
        ("cooling", _("All others.")),
    ]  # fmt: skip
    names = {value: str(label) for value, label in Dormancy.choices}
    return [(names[state], sentence % figures) for state, sentence in sentences]


def _flows(since: date) -> list[tuple[str, str, int]]:
    """Changes between states in the last days, most first; of fewer than ten people nothing is told."""
    names = {value: str(label) for value, label in Dormancy.choices}
    rows = DormancyChange.objects.filter(date__gt=since).exclude(from_state="").order_by().values_list("from_state", "to_state")
    counted = rows.annotate(n=Count("investor", distinct=True))
    found = [(names.get(old, old), names.get(new, new), nearest_ten(n)) for old, new, n in counted]
    return sorted(((old, new, n) for old, new, n in found if n is not None), key=lambda row: -row[2])


def _woke(since: date) -> list[tuple[str, int | None]]:
    counts = dict(reactivations(since).order_by().values_list("kind").annotate(Count("investor", distinct=True)))
    return [(str(label), nearest_ten(counts.get(kind, 0))) for kind, label in Reactivation.Kind.choices]


def shown_fit(fit: DormancyFit) -> Shown:
    """The parameters with what they mean, and the holdout with small groups put together."""
    report = fit.report or {}
    bins = merged([Bin(**row) for row in report.get("bins", [])], SMALLEST_GROUP)
    weeks = int(report.get("held_out", 0))
    return Shown(
        fit=fit,
        why=str(WHYS.get(fit.why, fit.why)),
        parameters=_parameters(fit),
        bins=bins,
        tracking=report.get("tracking", []) if report.get("n", 0) >= SMALLEST_GROUP else [],
        rankings=_rankings(report),
        calibration_end=fit.as_of - timedelta(weeks=weeks) if weeks else None,
    )


def _parameters(fit: DormancyFit) -> list[tuple[str, float, float | None, str]]:
    if fit.r is None or fit.alpha is None or fit.a is None or fit.b is None:
        return []
    pace = {"days": f"{fit.alpha / fit.r * DAYS_A_WEEK:.0f}"}
    stop = {"share": f"{fit.a / (fit.a + fit.b):.0%}"}
    alike = _("People are alike in how often they decide.") if fit.r > 1 else _("A few decide often, most seldom.")
    split = _("Some stop at once, others hardly ever.") if fit.a + fit.b < 2 else _("People are alike in how readily they stop.")
    error = fit.standard_errors
    return [
        ("r", fit.r, error.get("r"), alike),
        ("alpha", fit.alpha, error.get("alpha"), _(
            "Together with r: at the mean rate, somebody who has not stopped decides every %(days)s days."
        ) % pace),
        ("a", fit.a, error.get("a"), _("Together with b: after a decision %(share)s stop for good.") % stop),
        ("b", fit.b, error.get("b"), split),
    ]  # fmt: skip


def _rankings(report: dict[str, Any]) -> list[Ranking]:
    days = round(report.get("naive", 0) * DAYS_A_WEEK)
    names = {
        "p_any": _("Probability of deciding again in the half-year"),
        "p_alive": _("P(alive)"),
        "expected": _("Decisions expected"),
        "silence": _("Days of silence, no model"),
        "naive": _("Naive rule: no decision in %(days)s days") % {"days": days},
    }
    gaps, found = report.get("differences", {}), report.get("areas", {})
    ranked = []
    for code, name in names.items():
        if area := found.get(code):
            gap = gaps.get(code)
            apart = None if gap is None else (gap["value"], gap["low"], gap["high"])
            ranked.append(Ranking(code, name, area["value"], area["low"], area["high"], apart))
    return ranked
