"""Who somebody is to us, and what they have agreed to."""

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from advisor.models import Consent, Cover, Goal, Household, Investor


def investor_of(user: Any) -> Investor | None:
    """The signed-in person's own investor row, with `agrees_to_profiling`: whoever records their visit need not ask."""
    own = Investor.objects.visible_to(user).filter(user_id=user.pk)
    investor = own.annotate(agrees_to_profiling=_latest_answer(Consent.Purpose.PROFILING)).first()
    if investor is not None:
        investor.user = user  # and user.investor: nobody asks for either again
    return investor


def consents_of(investor: Investor) -> dict[str, Consent]:
    """The consent row in force for each purpose that was ever answered."""
    rows = Consent.objects.filter(investor=investor).order_by("at", "id")
    return {row.purpose: row for row in rows}


def has_consent(investor: Investor, purpose: str) -> bool:
    """True when the latest answer to the purpose is a yes; nobody who was never asked has agreed."""
    latest = Consent.objects.filter(investor=investor, purpose=purpose).order_by("-at", "-id").first()
    return latest is not None and latest.is_given


def investors_with_consent(purpose: str) -> QuerySet[Investor]:
    """Everybody whose latest answer to the purpose is a yes."""
    return Investor.objects.annotate(latest_consent=_latest_answer(purpose)).filter(latest_consent=True)


def consents_in_force(purpose: str) -> QuerySet[Consent]:
    """Everybody's yes to the purpose after which they have not answered again: one row a person, for joins over everybody."""
    same = Consent.objects.filter(investor=OuterRef("investor"), purpose=purpose)
    later = same.filter(Q(at__gt=OuterRef("at")) | Q(at=OuterRef("at"), pk__gt=OuterRef("pk")))
    return Consent.objects.filter(~Exists(later), purpose=purpose, is_given=True)


def _latest_answer(purpose: str) -> Subquery:
    return Subquery(Consent.objects.filter(investor=OuterRef("pk"), purpose=purpose).order_by("-at", "-id").values("is_given")[:1])


def human_of(investor: Investor) -> Any:
    """The advisor to talk to today: the household's own or who covers for them, None where there is none yet."""
    household = Household.objects.select_related("primary_advisor", "secondary_advisor").get(pk=investor.household_id)
    advisor, today = household.primary_advisor or household.secondary_advisor, timezone.localdate()
    covers = Cover.objects.filter(advisor=advisor, start_date__lte=today, end_date__gte=today) if advisor else Cover.objects.none()
    cover = covers.select_related("deputy").first()
    return cover.deputy if cover else advisor


def goals_of(investor: Investor) -> QuerySet[Goal]:
    """The person's goals, the newest first."""
    return Goal.objects.filter(account__investor=investor).select_related("account").order_by("-pk")
