"""What a segment's rule means: one query over investors, and words in the reader's language."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from advisor.models import Consent, Investor, Level
from advisor.selectors import investors_with_consent
from marketing.kernels.segments import All, AnyOf, ConsentIs, DormancyIs, Holdings, LastVisit, LevelIs, Money, Node, NoneOf, Rule
from marketing.models import Dormancy
from portfolios.models import Holding
from portfolios.money import from_minor


def people_in(rule: Rule, *, now: datetime | None = None) -> QuerySet[Investor]:
    """The investors whom the rule describes now, unevaluated; only those whose profile has been worked out."""
    return Investor.objects.filter(_compile(rule.rule, now or timezone.now()), profile__isnull=False)


def _compile(node: Node, now: datetime) -> Q:
    if isinstance(node, All | AnyOf | NoneOf):
        joined = Q()
        for child in node.nodes:
            joined = joined & _compile(child, now) if isinstance(node, All) else joined | _compile(child, now)
        return ~joined if isinstance(node, NoneOf) else joined
    if isinstance(node, DormancyIs):
        return Q(profile__dormancy__in=node.values)
    if isinstance(node, LevelIs):
        return _is_one_of("level", node.values)
    if isinstance(node, Money):
        return _between(f"profile__{node.field}", node.at_least, node.below)
    if isinstance(node, LastVisit):
        return _visited(node, now)
    if isinstance(node, Holdings):
        return _holds(node)
    given = Q(Exists(investors_with_consent(Consent.Purpose(node.purpose)).filter(pk=OuterRef("pk"))))
    return given if node.value else ~given


def _is_one_of(name: str, values: list[int | None]) -> Q:
    known = Q(**{f"{name}__in": [value for value in values if value is not None]})
    return known | Q(**{f"{name}__isnull": True}) if None in values else known


def _between(name: str, at_least: int | None, below: int | None) -> Q:
    bounds = Q()
    if at_least is not None:
        bounds &= Q(**{f"{name}__gte": at_least})
    if below is not None:
        bounds &= Q(**{f"{name}__lt": below})
    return bounds


def _visited(node: LastVisit, now: datetime) -> Q:
    visited = Q()
    if node.at_least is not None:
        visited &= Q(profile__last_visit_at__lte=now - timedelta(days=node.at_least)) | Q(profile__last_visit_at__isnull=True)
    if node.below is not None:
        visited &= Q(profile__last_visit_at__gt=now - timedelta(days=node.below))
    return visited


def _holds(node: Holdings) -> Q:
    who = "portfolio__goal__account__investor"
    counted = (
        Holding.objects.filter(units_centi__gt=0, **{f"{who}__isnull": False})
        .order_by()
        .values(who)
        .annotate(n=Count("fund", distinct=True))
    )
    bounds = Q(pk__isnull=False)  # everybody: an empty condition would vanish from "any" and turn "not" around
    if node.at_least is not None and node.at_least > 0:
        bounds &= Q(pk__in=counted.filter(n__gte=node.at_least).values(who))
    if node.below is not None:  # somebody who holds nothing has no row to be counted
        bounds &= ~Q(pk__in=counted.filter(n__gte=node.below).values(who))
    return bounds


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence, and the indented ones that belong under it."""

    text: str
    parts: list["Words"] = field(default_factory=list)


def explain(rule: Rule) -> Words:
    """Say the rule in the reader's language."""
    return _words(rule.rule)


def _words(node: Node) -> Words:
    if isinstance(node, All | AnyOf | NoneOf):
        titles: dict[type, str] = {
            All: _("All of these hold:"),
            AnyOf: _("At least one of these holds:"),
            NoneOf: _("None of these holds:"),
        }
        return Words(titles[type(node)], [_words(child) for child in node.nodes])
    return Words(_condition_words(node))


def _condition_words(node: Any) -> str:
    if isinstance(node, DormancyIs):
        return _("Activity is %(states)s") % {"states": _either([str(Dormancy(value).label) for value in node.values])}
    if isinstance(node, LevelIs):
        names = [_("not assessed yet") if value is None else Level(value).label for value in node.values]
        return _("Level is %(levels)s") % {"levels": _either(names)}
    if isinstance(node, ConsentIs):
        purpose = Consent.Purpose(node.purpose).label
        return (_("Agreed to %(purpose)s") if node.value else _("Did not agree to %(purpose)s")) % {"purpose": purpose}
    if isinstance(node, LastVisit):
        return _visit_words(node)
    if isinstance(node, Holdings):
        return _range_words(_("Number of funds held"), node.at_least, node.below, str)
    name = _("Assets") if node.field == "assets_minor" else _("Cash that lies idle")
    return _range_words(name, node.at_least, node.below, lambda minor: _("%(amount)s yuan") % {"amount": f"{from_minor(minor):,.0f}"})


def _visit_words(node: LastVisit) -> str:
    said = []
    if node.at_least is not None:
        said.append(ngettext("No visit for at least %(n)s day", "No visit for at least %(n)s days", node.at_least) % {"n": node.at_least})
    if node.below is not None:
        said.append(ngettext("A visit in the last %(n)s day", "A visit in the last %(n)s days", node.below) % {"n": node.below})
    return _(" and ").join(said)


def _range_words(name: str, at_least: int | None, below: int | None, show: Any) -> str:
    if at_least is not None and below is not None:
        return _("%(name)s at least %(low)s and below %(high)s") % {"name": name, "low": show(at_least), "high": show(below)}
    if at_least is not None:
        return _("%(name)s at least %(low)s") % {"name": name, "low": show(at_least)}
    return _("%(name)s below %(high)s") % {"name": name, "high": show(below)}


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else _("%(list)s or %(last)s") % {"list": _(", ").join(names[:-1]), "last": names[-1]}
