"""Metrics and alerts as people read them."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from marketing.catalogue.metrics import Metric, metrics
from marketing.models import MetricAlert
from marketing.selectors.ask_rules import all_of, segment_url
from marketing.selectors.metrics import Reading, Value, in_tens, rule_of
from marketing.selectors.segment_words import amount_words, clause
from portfolios.templatetags.money import percent, percent_change

POINTS = {"share", "level"}  # their changes are differences, not ratios


@dataclass(frozen=True, slots=True)
class Tile:
    """A metric in words: value, change over 28 days and which way is good, and the segment of those it counts."""

    reading: Reading
    value: str
    change: str
    url: str

    @property
    def tone(self) -> str:
        good = self.reading.is_good
        return "" if good is None else "good" if good else "warning"


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert in words."""

    alert: MetricAlert
    name: str
    whom: str
    limit: str
    value: str


def value_words(metric: Metric, value: Value) -> str:
    """A value with its unit."""
    if value is None:
        return "–"
    if metric.unit == "share":
        return percent(value, 1)
    if metric.unit == "level":
        return f"{value:.2f}"
    if metric.unit == "money":
        return _short_amount(float(f"{value:.4g}"))
    return f"{value:,.0f}"


def _short_amount(minor: float) -> str:
    """An amount that fits a tile: Chinese has its own 万 and 亿, elsewhere millions and billions are said as such."""
    yuan = minor / 100
    if abs(yuan) < 1e6 or (get_language() or "zh").startswith("zh"):
        return amount_words(round(yuan) * 100)
    size, unit = (1e9, "bn") if abs(yuan) >= 1e9 else (1e6, "m")
    return clause("yuan", amount=f"{yuan / size:,.4g} {unit}")


def change_words(reading: Reading) -> str:
    """The change over 28 days with its sign: percent, percentage points of shares, tenths of levels."""
    change = reading.change
    if change is None:
        return ""
    if reading.metric.unit == "share":
        return _("%(points)s points") % {"points": f"{change * 100:+.1f}"}
    return f"{change:+.2f}" if reading.metric.unit == "level" else percent_change(change, 1)


def tile_of(reading: Reading, segment_id: int | None) -> Tile:
    """A metric's tile."""
    condition = rule_of(reading.metric.code)
    url = segment_url(all_of([condition], segment_id)) if condition else ""
    value = _("withheld") if reading.is_withheld else value_words(reading.metric, reading.value)
    return Tile(reading, value, change_words(reading), url)


def limit_of(metric: Metric, kind: str, limit: float) -> str:
    """A limit with the metric's unit; of a change in percent."""
    return percent(limit, 0) if kind == MetricAlert.Kind.CHANGE else value_words(metric, limit)


def alert_row(alert: MetricAlert) -> AlertRow:
    """An alert as a row; of a metric that is gone its code."""
    metric: Any = metrics().get(alert.metric)
    whom = alert.segment.title if alert.segment else _("everybody")
    if metric is None:
        return AlertRow(alert, alert.metric, whom, f"{alert.limit:g}", "–")
    value = alert.last_value if alert.last_value is None else in_tens(metric, alert.last_value, alert.segment_id)
    return AlertRow(alert, metric.label, whom, limit_of(metric, alert.kind, alert.limit), value_words(metric, value))
