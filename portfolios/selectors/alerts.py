"""Open alerts about funds of the pool, in words, with how many portfolios hold each fund: a number, never whose."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, QuerySet
from django.utils.translation import gettext_lazy as _

from portfolios.models import Fund, Holding, MarketAlert
from portfolios.templatetags.money import percent

_KINDS = MarketAlert.Kind
_SENTENCES = {
    _KINDS.VOLATILITY: _("It moved %(value)s times as much as usual in the last 20 days; the limit is %(limit)s times."),
    _KINDS.DRAWDOWN: _("It stood %(value)s below its highest value of a year; the limit for its grade is %(limit)s."),
    _KINDS.STALE_NAV: _("It had no new NAV for %(value)s working days; the limit is %(limit)s."),
    _KINDS.STYLE_DRIFT: _("%(value)s of what it follows had changed in a year; the limit is %(limit)s."),
    _KINDS.SIZE_COLLAPSE: _("It lost %(value)s of its net assets from one quarter to the next; the limit is %(limit)s."),
    _KINDS.SUSPENSION: _("It cannot be bought."),
}
_SHARES_MOVED = 2  # an L1 distance of weights counts what moved twice: where it left and where it went


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An open alert: what was found on its day, the figure now where it has changed since, and how many portfolios hold the fund."""

    fund: Fund
    kind: str
    label: Any
    sentence: str
    latest: str
    since: date
    n_portfolios: int


@dataclass(frozen=True, slots=True)
class KindCount:
    code: str
    label: Any
    n: int


def open_alerts(kind: str = "") -> QuerySet[MarketAlert]:
    """Open alerts, the latest first, of one kind or, for one that does not exist, of all."""
    alerts = MarketAlert.objects.filter(closed_at=None).select_related("fund").order_by("-day", "-pk")
    return alerts.filter(kind=kind) if kind in _KINDS.values else alerts


def kind_counts() -> list[KindCount]:
    """How many alerts of each kind are open, in the order of the kinds. One query."""
    counts = dict(MarketAlert.objects.filter(closed_at=None).order_by().values_list("kind").annotate(Count("pk")))
    return [KindCount(code, label, counts.get(code, 0)) for code, label in _KINDS.choices]


def alert_rows(alerts: Sequence[MarketAlert]) -> list[AlertRow]:
    """Put alerts in words. One query more."""
    held = holders([alert.fund_id for alert in alerts])
    return [
        AlertRow(
            alert.fund,
            alert.kind,
            alert.get_kind_display(),
            alert_sentence(alert),
            _latest(alert),
            alert.day,
            held.get(alert.fund_id, 0),
        )
        for alert in alerts
    ]


def holders(fund_ids: Sequence[int]) -> dict[int, int]:
    """How many portfolios hold each fund; a fund that none holds is left out. One query."""
    rows = Holding.objects.filter(fund_id__in=set(fund_ids), units_centi__gt=0).order_by().values_list("fund_id")
    return dict(rows.annotate(Count("portfolio", distinct=True)))


def alert_sentence(alert: MarketAlert) -> str:
    """The figure an alert was opened on against its limit, as a sentence in the reader's language."""
    shown = {name: _figure(alert.kind, alert.figures.get(name)) for name in ("value", "limit")}
    return str(_SENTENCES[_KINDS(alert.kind)]) % shown


def _latest(alert: MarketAlert) -> str:
    """The figure of the last watch where it reads differently from the first."""
    now = _figure(alert.kind, alert.figures.get("latest"))
    return "" if now == _figure(alert.kind, alert.figures.get("value")) else now


def _figure(kind: str, value: Any) -> str:
    if not isinstance(value, int | float):
        return "–"
    if kind == _KINDS.VOLATILITY:
        return f"{value:.1f}"
    if kind in (_KINDS.STALE_NAV, _KINDS.SUSPENSION):
        return f"{value:.0f}"
    return percent(value / _SHARES_MOVED if kind == _KINDS.STYLE_DRIFT else value)
