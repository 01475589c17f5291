"""Who may be written to, as one SQL expression: the dry run counts with it and the sender decides by it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Case, CharField, Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models import Consent, Investor
from advisor.selectors import investors_with_consent
from marketing.jurisdictions import market_rules
from marketing.kernels.policy import quiet_until
from marketing.models import Campaign, CampaignStep, Delivery, Dormancy
from marketing.selectors.named_funds import above_level

REASONS = {
    "inactive": _("The account is closed or switched off"),
    "no_consent": _("No agreement to marketing messages"),
    "off": _("Recommendations are switched off"),
    "calm_holder": _("Calm holder: nothing needs to be sold"),
    "above_level": _("The message names a fund that does not suit their level"),
    "no_email": _("No e-mail address"),
    "capped": _("Had enough messages lately"),
    "refused": _("The mail provider refused it"),
    "unclear": _("The mail provider did not answer"),
    "interrupted": _("The sender was interrupted; it is not sent again"),
}


@dataclass(frozen=True, slots=True)
class Way:
    """One step of a campaign by one channel, at one moment."""

    campaign: Campaign
    step: CampaignStep
    channel: str
    now: datetime


def with_refusal(people: QuerySet[Any], way: Way) -> QuerySet[Any]:
    """Investors with `refusal`: the first reason why this way is closed to them, or an empty string."""
    reasons = [When(Q(user__is_active=False) | Q(erased_at__isnull=False), then=Value("inactive"))]
    if not way.campaign.is_service_letter:
        consenting = investors_with_consent(Consent.Purpose.MARKETING).filter(pk=OuterRef("pk"))
        reasons += [
            When(~Exists(consenting), then=Value("no_consent")),
            When(recommendations_off_at__isnull=False, then=Value("off")),
            When(profile__dormancy=Dormancy.CALM, then=Value("calm_holder")),
        ]
    above = above_level(way.step, is_service_letter=way.campaign.is_service_letter)
    if above is not None:
        reasons.append(When(above, then=Value("above_level")))
    if way.channel == "email":
        reasons.append(When(user__email__isnull=True, then=Value("no_email")))
    if not way.campaign.is_service_letter:
        people = people.annotate(n_lately=_messages_lately(way))
        reasons.append(When(n_lately__gte=market_rules().frequency_cap.messages, then=Value("capped")))
    return people.annotate(refusal=Case(*reasons, default=Value(""), output_field=CharField()))


def _messages_lately(way: Way) -> Coalesce:
    """How many other sales messages may have reached the person within the cap's days; two channels of a step are one."""
    since = way.now - timedelta(days=market_rules().frequency_cap.days)
    gone = Q(status__in=[Delivery.Status.SENT, Delivery.Status.UNKNOWN], ended_at__gte=since) | Q(status=Delivery.Status.SENDING)
    sent = Delivery.objects.filter(gone, investor=OuterRef("pk"), campaign__is_service_letter=False).exclude(step=way.step)
    counted = sent.order_by().values("investor").annotate(n=Count("step", distinct=True)).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def refusals(people: QuerySet[Investor], way: Way) -> dict[int, str]:
    """The refusal of each of these people, by key; one query."""
    return dict(with_refusal(people, way).values_list("pk", "refusal"))


def refusal_counts(people: QuerySet[Investor], way: Way) -> dict[str, int]:
    """How many people each reason holds back; an empty string counts those who would be written to."""
    return dict(with_refusal(people, way).order_by().values_list("refusal").annotate(Count("pk")))


def email_waits_until(campaign: Campaign, now: datetime | None = None) -> datetime | None:
    """When the quiet hours end that hold this campaign's e-mail back now; None when it may leave."""
    if campaign.is_service_letter or not settings.QUIET_HOURS_APPLY:
        return None
    return quiet_until(now or timezone.now(), market_rules().quiet)
