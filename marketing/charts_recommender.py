"""Cards of the recommender's report: each candidate beside popularity, what the filters removed, and the last nights."""

from collections.abc import Callable, Sequence
from typing import Any

from django.utils.translation import gettext as _

from advisor.models import Level
from marketing.charts import Card, Figure, Row, bars, day_axis
from marketing.selectors.recommender_page import Told, compared
from marketing.selectors.recommender_report import DIVERSE, FITS, SUITABLE, Candidate, Funnel, Interval, Report
from marketing.selectors.recommender_words import filter_name, model_name, why_not_measured
from portfolios.templatetags.money import count, percent


def figure_words(value: float | None, places: int = 3) -> str:
    return "–" if value is None else f"{value:.{places}f}"


def interval_words(interval: Interval | None) -> tuple[str, str]:
    """0.312, (0.301–0.323)."""
    if interval is None or interval.low is None or interval.high is None:
        return figure_words(interval.mean if interval else None), ""
    return f"{interval.mean:.3f}", f"({interval.low:.3f}–{interval.high:.3f})"


def difference_words(interval: Interval | None) -> tuple[str, str]:
    """+0.021, (+0.010 … +0.032)."""
    if interval is None:
        return "–", ""
    mean, low, high = ("" if end is None else _signed(end) for end in (interval.mean, interval.low, interval.high))
    return mean, f"({low} … {high})" if low and high else ""


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _whiskers(intervals: Sequence[Interval]) -> dict[str, Any]:
    above = [round((one.mean if one.high is None else one.high) - one.mean, 4) for one in intervals]
    below = [round(one.mean - (one.mean if one.low is None else one.low), 4) for one in intervals]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "width": 4}


def _measured(
    candidates: Sequence[Candidate],
    measure: Callable[[Candidate], Interval | None],
    words: Callable[[Interval], tuple[str, str]],
    role: str,
    name: str,
) -> dict[str, Any]:
    found = [(one, value) for one in candidates if (value := measure(one)) is not None]
    trace = bars([model_name(one.name) for one, _value in found], [value.mean for _one, value in found], [], role=role, name=name)
    return trace | {
        "text": [],
        "hovertext": [" ".join(words(value)).strip() for _one, value in found],
        "hovertemplate": "%{y}: %{hovertext}<extra></extra>",
        "error_x": _whiskers([value for _one, value in found]),
    }


def quality_card(report: Report) -> Card | None:
    """nDCG@10 of each candidate with its interval, best first, the baselines in their own colour."""
    if not any(one.ndcg for one in report.candidates):
        return None
    own = [one for one in report.candidates if not one.is_baseline]
    baselines = [one for one in report.candidates if one.is_baseline]
    sides = [(own, "main", _("candidates")), (baselines, "other", _("baselines"))]
    order = [model_name(one.name) for one in report.candidates if one.ndcg]
    traces = [_measured(side, lambda one: one.ndcg, interval_words, role, name) for side, role, name in sides if side]
    figure: Figure = {
        "data": [trace | {"showlegend": True} for trace in traces],
        "layout": {
            "barmode": "overlay",
            "height": 40 * len(order) + 88,
            "showlegend": True,
            "xaxis": {"rangemode": "tozero", "title": {"text": _("nDCG@10, 0 to 1")}},
            "yaxis": {"categoryorder": "array", "categoryarray": order},
        },
    }  # fmt: skip
    return Card("quality", _quality_title(report), figure, [], [], [_("Whiskers: intervals (95%), by drawing the tested people anew.")])


def _quality_title(report: Report) -> str:
    best, popularity = compared(report)
    if best is None or best.ndcg is None or popularity is None or popularity.ndcg is None:
        return _("How well each candidate ranks what people did next")
    words = {"name": model_name(best.name), "own": figure_words(best.ndcg.mean), "baseline": figure_words(popularity.ndcg.mean)}
    words["other"] = model_name(popularity.name)
    return _("%(name)s ranks what people did next at %(own)s, %(other)s at %(baseline)s") % words


def difference_card(report: Report) -> Card | None:
    """nDCG@10 of each candidate less that of popularity on the same people, about a line at zero."""
    found = [one for one in report.candidates if one.vs_popularity and not one.is_baseline]
    if not found:
        return None
    better = [one for one in found if one.vs_popularity and one.vs_popularity.is_above_zero]
    title = _("%(n)s of %(total)s are better than popularity for certain") % {"n": len(better), "total": len(found)}
    figure: Figure = {
        "data": [_measured(found, lambda one: one.vs_popularity, difference_words, "main", _("Difference"))],
        "layout": {
            "height": 40 * len(found) + 88,
            "showlegend": False,
            "xaxis": {"zeroline": True, "tickformat": "+.2f", "title": {"text": _("nDCG@10 less that of the best popularity")}},
        },
    }
    note = _(
        "For certain: the whole interval lies right of zero. These intervals are so wide that all of them hold at once (95%), for "
        "one of many may look best by luck. The guard asks this of what is to serve."
    )
    return Card("difference", title, figure, [], [], [note])


def funnel_card(funnel: Funnel | None) -> Card | None:
    """From what the model proposed to what is kept: three steps drawn, each filter in the table."""
    if funnel is None:
        return None
    steps = [
        (_("Proposed"), funnel.proposed),
        (_("Suitable"), funnel.left_after(SUITABLE)),
        (_("Fits what is held"), funnel.left_after(FITS)),
        (_("Not alike"), funnel.left_after(DIVERSE)),
    ]
    steps += [(_("Stored, ten at most a person"), funnel.stored)] if funnel.stored is not None else []
    texts = [f"{count(n)} · {percent(n / funnel.proposed, 1)}" for _name, n in steps]
    figure: Figure = {
        "data": [bars([name for name, _n in steps], [n for _name, n in steps], texts)],
        "layout": {"xaxis": {"rangemode": "tozero", "tickformat": ",d", "title": {"text": _("pairs of person and fund")}}},
    }
    rows = [
        Row(filter_name(one.code), [count(one.removed), count(one.left), percent(one.left / funnel.proposed, 1)]) for one in funnel.filters
    ]
    rows.append(Row(_("Kept"), ["", count(funnel.kept), percent(funnel.kept / funnel.proposed, 1)]))
    title = _("Of what the model proposed, %(share)s passed the filters") % {"share": percent(funnel.kept / funnel.proposed, 0)}
    notes = [_("Each pair is counted at the first filter that speaks against it. Counts are to the nearest ten.")]
    return Card("funnel", title, figure, [_("Filter"), _("Removed"), _("Left"), _("Of what was proposed")], rows, notes)


def drift_card(nights: Sequence[Told], days: int) -> Card | None:
    """nDCG@10 of the candidate on which the guard decided and of popularity, night by night."""
    if not nights:
        return None
    drawn = [(night.day, _mean(best), _mean(popularity)) for night in nights for best, popularity in [compared(night.report)]]
    told = [(best, popularity) for _day, best, popularity in drawn if best is not None and popularity is not None]
    rows = [_night_row(night) for night in reversed(nights)]
    head = [_("Night"), _("Outcome"), _("Model"), _("nDCG@10"), _("Popularity"), _("People served"), _("Of those it knows")]
    n_above = sum(best > popularity for best, popularity in told)
    title = _("In %(n)s of %(total)s nights the best candidate stood above popularity") % {"n": n_above, "total": len(told)}
    note = _("Each night holds back other weeks and other people: where both lines move, it may be the market; where one does, the model.")
    if not told:
        return Card("drift", _("The last %(days)s days") % {"days": days}, None, head, rows)
    return Card("drift", title, _drift_figure(drawn) if len(told) > 1 else None, head, rows, [note] if len(told) > 1 else [])


def _mean(one: Candidate | None) -> float | None:
    return one.ndcg.mean if one and one.ndcg else None


def _drift_figure(drawn: Sequence[tuple[Any, ...]]) -> Figure:
    lines = [(_("best candidate"), "main", 1), (_("popularity"), "other", 2)]
    return {
        "data": [
            {
                "type": "scatter", "mode": "lines+markers", "name": name, "x": [row[0].isoformat() for row in drawn],
                "y": [row[at] for row in drawn], "hovertemplate": "%{y:.3f}", "meta": {"role": role},
            }
            for name, role, at in lines
        ],
        "layout": {
            "height": 320, "showlegend": True, "xaxis": day_axis([row[0] for row in drawn]),
            "yaxis": {"rangemode": "tozero", "title": {"text": _("nDCG@10")}},
        },
    }  # fmt: skip


def _night_row(night: Told) -> Row:
    best, popularity = compared(night.report)
    quality = [figure_words(_mean(one)) for one in (best, popularity)]
    served = "–" if night.n_served is None else count(night.n_served)
    share = "–" if night.share_served is None else percent(night.share_served, 0)
    return Row(f"{night.day:%Y-%m-%d}", [night.label.capitalize(), night.model or "–", *quality, served, share])


def measure_rows(report: Report) -> list[tuple[Candidate, str, str, list[tuple[str, str, str]]]]:
    """Each candidate with its name, why it was not measured, and its figures under their heads: (head, figure, interval)."""
    has_opponent = any(one.vs_serving for one in report.candidates)
    return [
        (one, model_name(one.name), why_not_measured(one.failed) if one.failed else "", _figures(report, one, has_opponent))
        for one in report.candidates
    ]


def _figures(report: Report, one: Candidate, has_opponent: bool) -> list[tuple[str, str, str]]:
    against = [(_("Against popularity"), *difference_words(None if one is report.popularity else one.vs_popularity))]
    against += [(_("Against what served"), *difference_words(one.vs_serving))] if has_opponent else []
    return [
        (_("nDCG@10"), *interval_words(one.ndcg)),
        *against,
        (_("Recall@10"), figure_words(one.recall.mean if one.recall else None), ""),
        (_("MAP@10"), figure_words(one.map.mean if one.map else None), ""),
        (_("Coverage"), percent(one.coverage, 1), ""),
        (_("Novelty"), figure_words(one.novelty, 2), ""),
        (_("Diversity"), figure_words(one.diversity), ""),
        (_("Monthly ROI@10"), percent(one.roi.mean, 2) if one.roi else "–", ""),
    ]


def group_table(report: Report) -> dict[str, Any] | None:
    """nDCG@10 by level, and of people little and well known: heads, how many were tested, and a row a candidate."""
    labels = {str(value): str(label) for value, label in Level.choices} | {"cold": _("Little known"), "warm": _("Well known")}
    keys = [key for key in labels if any(key in one.groups for one in report.candidates)]
    if not keys:
        return None
    tested = [next((one.groups[key].users for one in report.candidates if key in one.groups), None) for key in keys]
    rows = [
        (model_name(one.name), [figure_words(group.ndcg.mean) if (group := one.groups.get(key)) and group.ndcg else "–" for key in keys])
        for one in report.candidates
    ]
    return {"heads": [labels[key] for key in keys], "tested": tested, "rows": rows}
