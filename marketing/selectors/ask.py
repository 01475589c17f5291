"""Answers to the questions of marketing.kernels.ask: numbers of ten people or more, and the segment behind each bar."""

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from marketing.catalogue.events import event_label
from marketing.kernels.ask import Distribution, Funnel, Path, Question, Retention, Step, reads_events
from marketing.kernels.ask_answers import DAY_MS, Ints, first_day, funnel, paths, retention
from marketing.kernels.segments import RuleError
from marketing.models import Segment
from marketing.selectors.ask_parts import Answer, CannotAnswer, Line, step_words, told_steps
from marketing.selectors.ask_rules import all_of, did
from marketing.selectors.ask_spread import distribution_answer
from marketing.selectors.audience import SMALLEST_GROUP, to_ten, told_tens
from marketing.selectors.moments import events_between, first_moments_of, keys_of, known_events, moments_of
from marketing.selectors.segment_facts import since

MOST_EVENTS = 60  # names that a way may be made of: the commonest are among the known ones


def answer(question: Question, *, now: datetime | None = None) -> Answer:
    """Answer a question as of now. Raises CannotAnswer with a sentence where it names what is gone or may not be asked."""
    now = now or timezone.now()
    segment = _segment(question)
    try:
        if isinstance(question, Distribution):
            return distribution_answer(question, segment)
        among = keys_of(segment, needs_consent=reads_events(question))
        if isinstance(question, Funnel):
            return _funnel(question, among, now)
        if isinstance(question, Retention):
            return _retention(question, among, now)
        return _path(question, among, now)
    except RuleError as error:
        raise CannotAnswer(_("The segment's rule can no longer be read. Look at the segment first.")) from error


def _segment(question: Question) -> Segment | None:
    if question.segment is None:
        return None
    found = Segment.objects.filter(pk=question.segment).first()
    if found is None:
        raise CannotAnswer(_("The segment of this question no longer exists. Choose another, or everybody."))
    return found


def _funnel(question: Funnel, among: Ints | None, now: datetime) -> Answer:
    start, steps = since(question.days, now), question.steps
    read = moments_of(steps, start=start, end=now, among=among)
    later = [True, *(one.group == two.group for one, two in pairwise(steps))]
    found = funnel(read, question.within_days * DAY_MS, later, int(now.timestamp() * 1000))
    counts = [n and to_ten(n) for n in told_steps(found.counts)]
    n_first = to_ten(found.counts[0])
    lines = [
        Line(
            label=step_words(step),
            count=count,
            share=count / n_first if count is not None and n_first else None,
            note=_took(found.median_ms[at]) if at and count else "",
            rule=all_of([did(one, question.days) for one in steps[: at + 1]], question.segment),
            other_rule=all_of([*(did(one, question.days) for one in steps[:at]), did(step, question.days, is_done=False)], question.segment)
            if at
            else None,
        )
        for at, (step, count) in enumerate(zip(steps, counts, strict=True))
    ]
    notes = [_("A segment asks for the same things within the same days, in any order: their order in time is no condition of segments.")]
    if found.n_open >= SMALLEST_GROUP:
        notes.append(_("%(n)s of them still have time to go on.") % {"n": f"{to_ten(found.n_open):,}"})
    return Answer("funnel", _funnel_sentence(question, lines), n_first, lines, notes=[*notes, *_consent_note(question, among)])


def _took(milliseconds: float) -> str:
    hours = milliseconds / 3_600_000
    if hours < 1:
        return _("half of them within an hour")
    if hours < 48:
        return ngettext("half of them within %(n)s hour", "half of them within %(n)s hours", round(hours)) % {"n": round(hours)}
    return _("half of them within %(n)s days") % {"n": round(hours / 24)}


def _funnel_sentence(question: Funnel, lines: list[Line]) -> str:
    first, last = lines[0], lines[-1]
    if first.count == 0:
        return _("Nobody took the first step in the last %(days)s days.") % {"days": question.days}
    if first.count is None:
        return _("Fewer than ten people took the first step in the last %(days)s days.") % {"days": question.days}
    if last.count is None or last.share is None:
        return _("%(n)s people took the first step; how many got through is withheld, for the groups are too small.") % {
            "n": f"{first.count:,}"
        }
    words = {"n": f"{first.count:,}", "k": f"{last.count:,}", "share": f"{last.share:.1%}", "days": question.within_days}
    return _("Of %(n)s people who took the first step, %(k)s (%(share)s) got to the last within %(days)s days.") % words


def _consent_note(question: Question, among: Ints | None) -> list[str]:
    if not reads_events(question) or among is None or len(among) < SMALLEST_GROUP:
        return []
    return [_("Only people who agreed to profiling are counted: %(n)s.") % {"n": f"{to_ten(len(among)):,}"}]


def _retention(question: Retention, among: Ints | None, now: datetime) -> Answer:
    offset = int((timezone.localtime(now).utcoffset() or timedelta()).total_seconds() * 1000)
    first = first_moments_of(question.start, end=now, among=among)
    back_to = now - timedelta(days=(31 if question.unit == "month" else 7) * (question.n_periods + 1))
    again = moments_of([question.again], start=back_to, end=now, among=among)[0]
    found = retention(first, again, question.unit, question.n_periods, int(now.timestamp() * 1000), offset)
    lines, cells = [], []
    for at, (period, size) in enumerate(zip(found.periods.tolist(), found.sizes.tolist(), strict=True)):
        begin, end = _day(period, question.unit), _day(period + 1, question.unit)
        label = f"{begin:%Y-%m}" if question.unit == "month" else f"{begin:%Y-%m-%d}"
        rule = _cohort_rule(question, (timezone.localdate(now) - begin).days, (timezone.localdate(now) - end).days)
        lines.append(Line(label, to_ten(size) if size == 0 or size >= SMALLEST_GROUP else None, rule=rule))
        cells.append([_told_share(n, size) for n in found.back[at].tolist()])
    columns = [str(k) for k in range(1, question.n_periods)]
    cells = [row[: len(columns)] for row in cells]
    notes = [_("The period that is not over yet is left out, and groups of fewer than ten people are withheld.")]
    if question.start.fact != "joined":
        notes.append(_("No segment can be made of a cohort here: segments do not know when somebody did something for the first time."))
    n_people = to_ten(int(found.sizes.sum()))
    sentence = _retention_sentence(question, found.sizes, found.back)
    return Answer("retention", sentence, n_people, lines, columns, cells, [*notes, *_consent_note(question, among)])


def _day(period: int, unit: str) -> date:
    found: date = first_day(period, unit).item()  # type: ignore[assignment]
    return found


def _told_share(n: int, size: int) -> float | None:
    is_small = 0 < n < SMALLEST_GROUP or 0 < size - n < SMALLEST_GROUP
    return None if n < 0 or size < SMALLEST_GROUP or is_small else min(1.0, to_ten(n) / to_ten(size))


def _cohort_rule(question: Retention, oldest: int, newest: int) -> dict[str, Any] | None:
    if question.start.fact != "joined":
        return None
    joined: dict[str, Any] = {"field": "joined_date", "days_ago_at_least": newest + 1, "days_ago_below": oldest + 1}
    return all_of([joined], question.segment)


def mean_back(sizes: Ints, back: Ints) -> list[float | None]:
    """Of everybody whose k-th period is over, the share that came back in it; None where fewer than ten people make it up."""
    shares: list[float | None] = []
    for k in range(back.shape[1] - 1):
        known = back[:, k] >= 0
        shares.append(_told_share(int(back[known, k].sum()), int(sizes[known].sum())))
    return shares


def _retention_sentence(question: Retention, sizes: Ints, back: Ints) -> str:
    shares = mean_back(sizes, back)
    first = shares[0] if shares else None
    if not int(sizes.sum()):
        return _("Nobody began in these periods.")
    if first is None:
        return _("Too few people began in these periods for a share to be told.")
    words = {"share": f"{first:.1%}", "what": step_words(question.again)}
    if question.unit == "week":
        return _("%(share)s came back in the week after their first: %(what)s.") % words
    return _("%(share)s came back in the month after their first: %(what)s.") % words


def _path(question: Path, among: Ints | None, now: datetime) -> Answer:
    start, is_before = since(question.days, now), question.direction == "before"
    reach = timedelta(hours=question.within_hours)
    around = moments_of([question.around], start=start, end=now, among=among)[0]
    names = known_events()[:MOST_EVENTS]
    who = np.unique(around.person)
    seen, code = events_between(names, start=start - reach if is_before else start, end=now, among=who)
    own = names.index(question.around.event) if question.around.event in names else -1
    found = paths(around, seen, code, own, int(reach.total_seconds() * 1000), question.depth, is_before)
    ways = {way: n for way, n in found.ways if way}
    top = dict(list(ways.items())[: question.top])
    counts = {_way_words(way, names, is_before): n for way, n in top.items()}
    rest, nothing = sum(ways.values()) - sum(top.values()), found.n_people - sum(ways.values())
    shown, n_people = told_tens(counts | {_("another way"): rest, _("nothing more"): nothing}), to_ten(found.n_people)
    rules = {_way_words(way, names, is_before): _way_rule(question, [names[place] for place in way]) for way in top}
    lines = [
        Line(label, n, min(1.0, n / n_people) if n is not None and n_people else None, rule=rules.get(label)) for label, n in shown.items()
    ]
    notes = [_("The same page twice in a row counts once. A segment asks for the same things, in any order.")]
    return Answer("path", _path_sentence(question, n_people, lines), n_people, lines, notes=[*notes, *_consent_note(question, among)])


def _way_words(way: tuple[int, ...], names: list[str], is_before: bool) -> str:
    words = [event_label(names[place]) for place in way]
    return " → ".join(reversed(words) if is_before else words)


def _way_rule(question: Path, names: list[str]) -> dict[str, Any]:
    steps = [question.around, *(Step(event=name) for name in dict.fromkeys(names))]
    return all_of([did(step, question.days) for step in steps], question.segment)


def _path_sentence(question: Path, n_people: int, lines: list[Line]) -> str:
    words = {"n": f"{n_people:,}", "what": step_words(question.around), "days": question.days}
    if n_people < SMALLEST_GROUP:
        return _("Fewer than ten people did this in the last %(days)s days: %(what)s.") % words
    best = next((line for line in lines if line.rule and line.count is not None), None)
    if best is None:
        return _("%(n)s people did this, and no way that they took was taken by ten of them.") % words
    words |= {"way": best.label, "k": f"{best.count:,}"}
    if question.direction == "before":
        return _("Before “%(what)s”, most of all came: %(way)s (%(k)s of %(n)s people).") % words
    return _("After “%(what)s”, most of all came: %(way)s (%(k)s of %(n)s people).") % words
