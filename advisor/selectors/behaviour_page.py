"""What a person did, as an advisor can check it: each measure in a sentence, with its dates and the orders it rests on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from advisor.jurisdictions import advice_rules
from advisor.kernels.behaviour import CHASING, CONCENTRATION, DISPOSITION, PANIC, TURNOVER
from advisor.kernels.risk_profile import Reading, weigh
from advisor.models import BehaviourReading, Consent, Investor
from advisor.selectors.behaviour import as_measures
from advisor.selectors.people import investors_with_consent
from portfolios import selectors as portfolio_selectors
from portfolios.models import Fund, Order
from portfolios.templatetags.money import percent, yuan_round

ORDERS_SHOWN = 12  # of a measure, the latest
Facts = Mapping[str, Any]

LABELS = {
    PANIC: gettext_lazy("Selling in a fall"),
    TURNOVER: gettext_lazy("Trading much"),
    DISPOSITION: gettext_lazy("Selling gains, keeping losses"),
    CONCENTRATION: gettext_lazy("Few kinds of risk"),
    CHASING: gettext_lazy("Buying what has risen"),
}


@dataclass(frozen=True)
class OrderRow:
    """An order that a measure rests on; `is_telling` marks those that made it high, where it tells them apart."""

    day: date
    fund: Fund
    side: str
    amount_minor: int
    is_telling: bool


@dataclass(frozen=True)
class MeasureRow:
    """One measure: `z` in [0, 1] is how far it went, `evidence` what it weighs, `points` what it takes off the tolerance."""

    name: str
    label: Any
    sentence: str
    z: float
    evidence: float
    points: float
    first: date | None
    last: date | None
    orders: list[OrderRow]
    n_orders: int

    @property
    def n_hidden(self) -> int:
        return self.n_orders - len(self.orders)


@dataclass(frozen=True)
class BehaviourPage:
    """`state` is no_consent, waiting (not read yet), problem (the ledger cannot be read) or read."""

    state: str
    reading: BehaviourReading | None = None
    measures: tuple[MeasureRow, ...] = ()
    is_too_little: bool = False  # risk assets: nothing is evidence
    floor_minor: int = 0


def behaviour_page(investor: Investor) -> BehaviourPage:
    """Gather what the page shows of one person's behaviour in two queries; the caller has found the person among those visible."""
    agreed = investors_with_consent(Consent.Purpose.PROFILING).filter(pk=investor.pk).select_related("behaviour").first()
    if agreed is None:
        return BehaviourPage("no_consent")
    reading: BehaviourReading | None = getattr(agreed, "behaviour", None)
    if reading is None or reading.as_of is None:
        return BehaviourPage("waiting", reading)
    if reading.problem:
        return BehaviourPage("problem", reading)
    floor_minor = advice_rules().ledger.min_risk_assets_minor
    weighed = weigh(as_measures(reading.measures), advice_rules().for_scoring)
    keys = {pk for one in reading.measures.values() for pk in one["rests_on"]["trades"][-ORDERS_SHOWN:]}
    orders = Order.objects.filter(pk__in=keys, portfolio__goal__account__investor=investor).select_related("fund").in_bulk()
    rows = tuple(_row(one, reading.measures[one.name]["rests_on"], orders) for one in weighed)
    return BehaviourPage("read", reading, rows, reading.risk_assets_minor < floor_minor, floor_minor)


def _row(weighed: Reading, facts: Facts, orders: Mapping[int, Order]) -> MeasureRow:
    telling = set(facts.get("top", ()))
    shown = [orders[pk] for pk in reversed(facts["trades"][-ORDERS_SHOWN:]) if pk in orders]
    return MeasureRow(
        name=weighed.name,
        label=LABELS[weighed.name],
        sentence=_SENTENCES[weighed.name](weighed.value, facts),
        z=weighed.z,
        evidence=weighed.evidence,
        points=weighed.damage,
        first=_day(facts["from"]),
        last=_day(facts["to"]),
        orders=[
            OrderRow(one.price_date, one.fund, one.get_side_display(), one.amount_minor or 0, one.pk in telling)
            for one in shown
            if one.price_date is not None
        ],
        n_orders=len(facts["trades"]),
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _panic(value: float, facts: Facts) -> str:
    n = facts["n"]
    if not n:
        return _("Nothing that was held fell by a tenth in two years.")
    if not value:
        words = ngettext("Nothing was sold in the one fall of two years.", "Nothing was sold in the %(n)s falls of two years.", n)
        return words % {"n": n}
    return _("Of %(held)s at risk as %(asset_class)s fell on %(day)s, %(sold)s was sold within sixty trading days: %(share)s.") % {
        "held": yuan_round(round(facts["held"])),
        "sold": yuan_round(round(facts["sold"])),
        "share": percent(value, 0),
        "asset_class": portfolio_selectors.class_name(facts["asset_class"]),
        "day": facts["from"],
    }


def _turnover(value: float, facts: Facts) -> str:
    if not facts["n"]:
        return _("No month began with enough to tell.")
    words = ngettext(
        "Half of what was bought and sold is %(value)s times the holdings a year, over %(n)s month.",
        "Half of what was bought and sold is %(value)s times the holdings a year, over %(n)s months.",
        facts["n"],
    )
    return words % {"value": number_format(value, 2), "n": facts["n"]}


def _disposition(value: float, facts: Facts) -> str:
    if not facts["n"]:
        return _("Nothing was sold on a day with two funds or more.")
    words = ngettext(
        "On %(n)s day of a sale %(rg)s of %(gains)s gains were taken and %(rl)s of %(losses)s losses.",
        "On %(n)s days of a sale %(rg)s of %(gains)s gains were taken and %(rl)s of %(losses)s losses.",
        facts["n"],
    )
    gains, losses = facts["rg"] + facts["pg"], facts["rl"] + facts["pl"]
    difference = _("With what is usual counted in, the difference is %(value)s.") % {"value": number_format(value, 2)}
    return f"{words % {'n': facts['n'], 'rg': facts['rg'], 'gains': gains, 'rl': facts['rl'], 'losses': losses}} {difference}"


def _concentration(value: float, facts: Facts) -> str:
    if not facts["n"]:
        return _("What is held at risk cannot be looked into: a class or region is not known.")
    words = ngettext(
        "At %(n)s month-end the sum of squared shares was %(value)s; last, %(largest)s was %(asset_class)s.",
        "At %(n)s month-ends the sum of squared shares was %(value)s on average; last, %(largest)s was %(asset_class)s.",
        facts["n"],
    )
    asset_class = portfolio_selectors.class_name(facts["cell"].partition("/")[0])
    told = {"n": facts["n"], "value": number_format(value, 2), "largest": percent(facts["largest"], 0), "asset_class": asset_class}
    return words % told


def _chasing(value: float, facts: Facts) -> str:
    if not facts["n"]:
        return _("Nothing was bought on the person's own idea.")
    words = ngettext(
        "%(n_top)s of %(n)s own purchase went into the kind of fund that had risen most in three months.",
        "%(n_top)s of %(n)s own purchases went into the kind of fund that had risen most in three months.",
        facts["n"],
    )
    return words % {"n_top": facts["n_top"], "n": facts["n"]}


_SENTENCES: dict[str, Callable[[float, Facts], str]] = {
    PANIC: _panic,
    TURNOVER: _turnover,
    DISPOSITION: _disposition,
    CONCENTRATION: _concentration,
    CHASING: _chasing,
}
