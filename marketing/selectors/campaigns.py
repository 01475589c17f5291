"""What the pages of campaigns show: numbers, never persons."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from marketing.channels import CHANNELS
from marketing.jurisdictions import market_rules
from marketing.kernels.policy import banned_claims, unknown_placeholders
from marketing.models import Campaign, CampaignEvent, CampaignStep, Delivery, Purpose
from marketing.selectors.audience import nearest_ten, told, told_tens
from marketing.selectors.segment_problems import problems_of
from marketing.selectors.segment_words import explain
from marketing.selectors.segments import people_in, read_frozen, read_rule
from marketing.selectors.sending import REASONS, Way, email_waits_until, refusal_counts

SYSTEM_WHYS = {
    "all_done": gettext_lazy("every message has ended"),
    "provider_unclear": gettext_lazy("the mail provider stopped answering"),
    "launch_failed": gettext_lazy("the list of recipients could not be written"),
}


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a launch now would do by one channel: those written to, and those held back, by reason (None: too few to tell).

    To the nearest ten, as a segment's preview: a draft of any segment has this page, and nobody need be written to for it.
    """

    channel: str
    n_people: int | None
    n_written_to: int | None
    held_back: list[tuple[str, int | None]]


@dataclass(frozen=True, slots=True)
class Progress:
    """A campaign's ledger in numbers."""

    by_channel: list[tuple[str, list[int]]]
    statuses: list[str]
    n_total: int
    n_ended: int
    reasons: list[tuple[str, int | None]]
    waits_until: datetime | None
    is_ended: bool


def launch_problems(campaign: Campaign, step: CampaignStep | None) -> list[str]:
    """Sentences that say what keeps a draft from being launched; none of them when it may go."""
    if step is None:
        return [_("Write the message first.")]
    texts = [step.subject_zh, step.subject_en, step.body_zh, step.body_en]
    found = [
        _("The message says “%(words)s”. Such a claim may not be made; write what the product does instead.") % {"words": words}
        for words in dict.fromkeys(claim for text in texts for claim in banned_claims(text, market_rules().claims))
    ]
    for name in sorted({name for text in texts for name in unknown_placeholders(text)}):
        found.append(_("Nothing would fill the placeholder {%(name)s}. Use {name} or none.") % {"name": name})
    if not all(text.strip() for text in texts):
        found.append(_("Write subject and text in both languages."))
    if campaign.segment.purpose == Purpose.SERVICE and not campaign.is_service_letter:
        words = _("The segment “%(name)s” is for service and protection only: nothing may be sold to it.")
        found.append(words % {"name": campaign.segment.title})
    if unusable := problems_of(campaign.segment):
        found += unusable
    elif not people_in(read_rule(campaign.segment.rule)).exists():
        found.append(_("The segment “%(name)s” is empty: nobody would get the message.") % {"name": campaign.segment.title})
    return found


def dry_run(campaign: Campaign, step: CampaignStep) -> list[DryRun]:
    """What a launch now would do; two queries a channel, and by the very expression that decides when sending."""
    if problems_of(campaign.segment):
        return []
    people, now = people_in(read_rule(campaign.segment.rule)), timezone.now()
    runs = []
    for channel in step.channels:
        counts = refusal_counts(people, Way(campaign, step, channel, now))
        written = counts.pop("", 0)
        total = nearest_ten(written + sum(counts.values()))
        held = [(str(REASONS[reason]), count) for reason, count in told_tens(counts).items()] if total else []
        runs.append(DryRun(str(CHANNELS[channel]), total, nearest_ten(written) if total else total, held))
    return runs


def progress(campaign: Campaign) -> Progress:
    """The ledger of a campaign in two queries."""
    rows = campaign.deliveries.order_by().values_list("channel", "status").annotate(Count("pk"))
    table: dict[str, dict[str, int]] = {}
    for channel, status, count in rows:
        table.setdefault(channel, {})[status] = count
    reasons = dict(campaign.deliveries.exclude(reason="").order_by().values_list("reason").annotate(Count("pk")))
    total = sum(count for counts in table.values() for count in counts.values())
    n_open = sum(counts.get(status, 0) for counts in table.values() for status in Delivery.OPEN)
    is_over = campaign.state in {Campaign.State.FINISHED, Campaign.State.CANCELLED}
    waiting = table.get("email", {}).get(Delivery.Status.QUEUED, 0) and campaign.state == Campaign.State.RUNNING
    return Progress(
        by_channel=[
            (str(CHANNELS[channel]), [counts.get(s, 0) for s in Delivery.Status.values]) for channel, counts in sorted(table.items())
        ],
        statuses=[str(label) for label in Delivery.Status.labels],
        n_total=total,
        n_ended=total - n_open,
        reasons=[(str(REASONS.get(reason, reason)), count) for reason, count in told(reasons).items()],
        waits_until=email_waits_until(campaign) if waiting else None,
        is_ended=is_over and n_open == 0,
    )


def campaign_events(campaign: Campaign) -> list[dict[str, Any]]:
    """Who moved the campaign when and why, the newest first."""
    labels = dict(Campaign.State.choices)
    return [
        {"at": event.at, "actor": event.actor, "state": labels.get(event.to_state, event.to_state), "why": _why(event.why)}
        for event in CampaignEvent.objects.filter(campaign=campaign).select_related("actor").order_by("-at", "-pk")
    ]


def _why(why: str) -> str:
    return str(SYSTEM_WHYS.get(why, why))


def ledger_counts(campaigns: Iterable[Campaign]) -> dict[int, dict[str, int]]:
    """Ledger rows by status of each campaign, in one query."""
    counts: dict[int, dict[str, int]] = {}
    rows = Delivery.objects.filter(campaign__in=[campaign.pk for campaign in campaigns]).order_by()
    for campaign_id, status, count in rows.values_list("campaign_id", "status").annotate(Count("pk")):
        counts.setdefault(campaign_id, {})[status] = count
    return counts


def campaigns_of(user: Any) -> QuerySet[Campaign]:
    """Every campaign a marketer may see, the newest first."""
    return Campaign.objects.visible_to(user).select_related("segment", "author")


def awaiting_decision(user: Any) -> list[tuple[Campaign, str]]:
    """Campaigns that stand still until a marketer decides, and what there is to decide."""
    waiting = campaigns_of(user).filter(state__in=[Campaign.State.DRAFT, Campaign.State.PAUSED])[:20]
    words = {Campaign.State.DRAFT: _("Launch it or cancel it"), Campaign.State.PAUSED: _("Resume it or cancel it")}
    return [(campaign, words[Campaign.State(campaign.state)]) for campaign in waiting]


def campaign_page(campaign: Campaign) -> dict[str, Any]:
    """Everything that the page of one campaign shows."""
    step = campaign.steps.first()
    is_draft = campaign.state == Campaign.State.DRAFT
    rule = read_frozen(campaign.rule_at_launch or campaign.segment.rule)
    return {
        "campaign": campaign,
        "step": step,
        "channels": [str(CHANNELS[channel]) for channel in step.channels] if step else [],
        "words": explain(rule),
        "problems": launch_problems(campaign, step) if is_draft else [],
        "progress": None if is_draft else progress(campaign),
        "events": campaign_events(campaign),
    }


def launch_page(campaign: Campaign) -> dict[str, Any]:
    """What is said to a marketer who is about to launch: what would happen, and what is in the way."""
    step = campaign.steps.first()
    return campaign_page(campaign) | {"dry_runs": dry_run(campaign, step) if step else [], "waits_until": email_waits_until(campaign)}


def draft_values(campaign: Campaign) -> dict[str, Any]:
    """The words of a draft, as the form shows them."""
    step = campaign.steps.first()
    words = {name: getattr(step, name) for name in ("channels", "subject_zh", "subject_en", "body_zh", "body_en")} if step else {}
    return words | {"name": campaign.name, "segment": campaign.segment_id, "is_service_letter": campaign.is_service_letter}
