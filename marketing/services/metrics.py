"""The nightly working out of metrics and of the home, for everybody and each segment, and the alerts that look at them."""

import logging
from datetime import date, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from marketing.catalogue.metrics import metrics
from marketing.kernels.alerts import Standing, next_standing
from marketing.kernels.segments import RuleError
from marketing.models import MetricAlert, MetricAlertEvent, MetricDay, OverviewDay, Segment
from marketing.selectors.metrics import USUAL_DAYS, is_told, told_value, work_out
from marketing.selectors.overview import work_out_overview

log = logging.getLogger(__name__)
MOST_SEGMENTS = 200
MOST_ALERTS = 100


def refresh_metrics(*, on: date | None = None) -> int:
    """Work out today's metrics and home for everybody and for the newest 200 segments, then look at every alert; returns how
    many audiences were worked out. Safe to repeat: the day is written anew. A segment whose rule cannot be read is left out."""
    n_done = 0
    for segment in [None, *Segment.objects.order_by("-pk")[:MOST_SEGMENTS]]:
        n_done += work_out_day(segment=segment, on=on)
    check_alerts(on=on)
    return n_done


def work_out_day(*, segment: Segment | None, on: date | None = None) -> bool:
    """Write a day's metrics and home of everybody or of a segment, in place of what stood there; False where its rule is broken."""
    day, now = on or timezone.localdate(), timezone.now()
    try:
        values, data = work_out(segment, now=now), work_out_overview(segment, now=now)
    except RuleError as error:
        log.warning("metrics of segment %s not worked out: %s", segment and segment.pk, error)
        return False
    n_people = int(values["people"] or 0)
    rows = [
        MetricDay(metric=code, segment=segment, date=day, value=value, n_people=n_people, worked_at=now) for code, value in values.items()
    ]
    with transaction.atomic():
        MetricDay.objects.filter(segment=segment, date=day).delete()
        OverviewDay.objects.filter(segment=segment, date=day).delete()
        MetricDay.objects.bulk_create(rows, ignore_conflicts=True)  # two at once: either's figures are the day's
        OverviewDay.objects.bulk_create([OverviewDay(segment=segment, date=day, data=data, worked_at=now)], ignore_conflicts=True)
    return True


def overview_day(*, segment: Segment | None) -> OverviewDay | None:
    """The latest day of the home, worked out now where there is none yet; None where the segment's rule cannot be read."""
    found = OverviewDay.objects.filter(segment=segment).order_by("-date").first()
    if found is None and work_out_day(segment=segment):
        found = OverviewDay.objects.filter(segment=segment).order_by("-date").first()
    return found


def write_alert(*, metric: str, segment: Segment | None, kind: str, limit: float, author: Any) -> MetricAlert:
    """Watch a metric from tonight on. Safe to repeat: the same alert is kept once. Refused with a sentence when there are too many."""
    if metric not in metrics() or kind not in MetricAlert.Kind.values:
        raise ValidationError(_("There is no such metric. Nothing was saved."))
    same = {"metric": metric, "segment": segment, "kind": kind, "limit": limit}
    if not MetricAlert.objects.filter(**same).exists() and MetricAlert.objects.count() >= MOST_ALERTS:
        raise ValidationError(_("There are as many alerts as anybody can read. Stop one first."))
    return MetricAlert.objects.get_or_create(**same, defaults={"author": author})[0]


def stop_alert(*, alert_id: int) -> bool:
    """Stop watching; what it found is forgotten with it."""
    return bool(MetricAlert.objects.filter(pk=alert_id).delete()[0])


def acknowledge_alert(*, alert_id: int, actor: Any) -> bool:
    """Note that somebody has seen an open alert: it leaves the home until it closes and opens again. Safe to repeat."""
    with transaction.atomic():
        rows = MetricAlert.objects.filter(pk=alert_id, state=MetricAlert.State.OPEN, acknowledged_at__isnull=True)
        seen = bool(rows.update(acknowledged_at=timezone.now(), acknowledged_by=actor))
        if seen:
            value = MetricAlert.objects.values_list("last_value", flat=True).get(pk=alert_id)
            MetricAlertEvent.objects.create(
                alert_id=alert_id, kind=MetricAlertEvent.Kind.ACKNOWLEDGED, date=timezone.localdate(), value=value, actor=actor
            )
    return seen


def check_alerts(*, on: date | None = None) -> int:
    """Hold every alert against the day's value as pages show it, once a day each; returns how many opened or closed. Safe to repeat.

    Against the exact value ten alerts at neighbouring limits would tell what the rounding withholds.
    """
    day = on or timezone.localdate()
    n_changed = 0
    for alert in MetricAlert.objects.exclude(checked_date__gte=day).select_related("segment").order_by("pk"):
        n_changed += _check(alert, day)
    return n_changed


def _check(alert: MetricAlert, day: date) -> bool:
    metric = metrics().get(alert.metric)
    rows = MetricDay.objects.filter(
        metric=alert.metric, segment=alert.segment, date__gt=day - timedelta(days=USUAL_DAYS + 1), date__lte=day
    )
    told = {
        row.date: told_value(metric, row.value, row.n_people, alert.segment_id)
        for row in rows
        if metric and is_told(metric, row.value, row.n_people, alert.segment_id)
    }
    if day not in told:
        return False
    was_open = alert.state == MetricAlert.State.OPEN
    before = [value for at, value in told.items() if at < day]
    standing = next_standing(alert.kind, alert.limit, told[day], before, Standing(was_open, alert.n_days_back, None))
    fields: dict[str, Any] = {"checked_date": day, "n_days_back": standing.n_days_back, "last_value": told[day]}
    if standing.is_open != was_open:
        state = MetricAlert.State.OPEN if standing.is_open else MetricAlert.State.QUIET
        fields |= {"state": state, "state_since": day, "acknowledged_at": None, "acknowledged_by": None}
    with transaction.atomic():
        mine = MetricAlert.objects.filter(pk=alert.pk).exclude(checked_date__gte=day).update(**fields)
        if mine and standing.is_open != was_open:
            kind = MetricAlertEvent.Kind.OPENED if standing.is_open else MetricAlertEvent.Kind.CLOSED
            MetricAlertEvent.objects.create(alert=alert, kind=kind, date=day, value=told[day], usual=standing.usual)
    return bool(mine) and standing.is_open != was_open
