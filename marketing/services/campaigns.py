"""The life of a campaign: draft, launched, paused, resumed, cancelled, finished. Each step is a guarded UPDATE and a row."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from config.jobs import claim_job, finish_job, write_if_claimed
from marketing.models import Campaign, CampaignEvent, CampaignStep, Delivery, Segment
from marketing.selectors.campaigns import launch_problems
from marketing.selectors.segments import frozen, people_in, read_frozen, read_rule

LAUNCH_BLOCK = 500
CANCEL_BLOCK = 5_000
State = Campaign.State


@dataclass(frozen=True, slots=True)
class Draft:
    """What a marketer writes: to whom, by which channels, and the words in both languages."""

    name: str
    segment: Segment
    channels: list[str]
    subject_zh: str
    subject_en: str
    body_zh: str
    body_en: str
    is_service_letter: bool = False

    @property
    def words(self) -> dict[str, Any]:
        names = ("channels", "subject_zh", "subject_en", "body_zh", "body_en")
        return {name: getattr(self, name) for name in names}


@transaction.atomic
def write_draft(*, draft: Draft, author: Any, form_key: UUID) -> Campaign:
    """Write a new draft with its step and event. Safe to repeat: one form key makes one campaign."""
    campaign, is_new = Campaign.objects.get_or_create(
        form_key=form_key,
        defaults={"name": draft.name, "segment": draft.segment, "is_service_letter": draft.is_service_letter, "author": author},
    )
    if is_new:
        CampaignStep.objects.create(campaign=campaign, **draft.words)
        CampaignEvent.objects.create(campaign=campaign, to_state=State.DRAFT, actor=author)
    return campaign


@transaction.atomic
def change_draft(*, campaign_id: int, draft: Draft) -> Campaign:
    """Replace the words of a draft; refused with a sentence once it is launched. Safe to repeat."""
    campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
    if campaign.state != State.DRAFT:
        raise ValidationError(_("This campaign has been launched; its message can no longer change."))
    campaign.name, campaign.segment, campaign.is_service_letter = draft.name, draft.segment, draft.is_service_letter
    campaign.save(update_fields=["name", "segment", "is_service_letter"])
    CampaignStep.objects.update_or_create(campaign=campaign, position=1, defaults=draft.words)
    return campaign


@transaction.atomic
def launch_campaign(*, campaign_id: int, actor: Any) -> bool:
    """Freeze the rule and queue the launch of a draft; False when it is launched or cancelled already.

    Refused with a sentence, and nothing changed, when a claim is banned, a text is missing or nobody is in the segment.
    """
    campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
    if campaign.state != State.DRAFT:
        return False
    if problems := launch_problems(campaign, campaign.steps.first()):
        raise ValidationError(problems[0])
    now = timezone.now()
    return _move(
        campaign_id,
        [State.DRAFT],
        State.RUNNING,
        actor,
        status=Campaign.Launch.QUEUED,
        queued_at=now,
        launched_at=now,
        rule_at_launch=frozen(read_rule(campaign.segment.rule)).as_json(),
    )


def pause_campaign(*, campaign_id: int, actor: Any = None, why: str = "") -> bool:
    """Stop sending before the next message; False when it was not running. Safe to repeat."""
    return _move(campaign_id, [State.RUNNING], State.PAUSED, actor, why)


@transaction.atomic
def resume_campaign(*, campaign_id: int, actor: Any) -> bool:
    """Let a paused campaign go on, and a launch that had failed try again; False when it was not paused."""
    if not _move(campaign_id, [State.PAUSED], State.RUNNING, actor):
        return False
    failed = Campaign.objects.filter(pk=campaign_id, status=Campaign.Launch.FAILED)
    failed.update(status=Campaign.Launch.QUEUED, attempts=0, error=None, queued_at=timezone.now(), finished_at=None)
    return True


def cancel_campaign(*, campaign_id: int, actor: Any, why: str = "") -> bool:
    """End a campaign for good: what waits is cancelled, what is on its way ends by itself. Safe to repeat."""
    moved = _move(campaign_id, [State.DRAFT, State.RUNNING, State.PAUSED], State.CANCELLED, actor, why, ended_at=timezone.now())
    close_waiting(campaign_id=campaign_id)
    return moved


def close_waiting(*, campaign_id: int) -> int:
    """Turn one block of a cancelled campaign's waiting rows into cancelled; the sweeper calls again while some are left."""
    with transaction.atomic():
        waiting = Delivery.objects.filter(campaign_id=campaign_id, campaign__state=State.CANCELLED, status=Delivery.Status.QUEUED)
        pks = list(waiting.order_by("pk").values_list("pk", flat=True)[:CANCEL_BLOCK])
        still = Delivery.objects.filter(pk__in=pks, status=Delivery.Status.QUEUED)
        return still.update(status=Delivery.Status.CANCELLED, ended_at=timezone.now(), claim=None, lease_until=None)


def finish_if_done(*, campaign_id: int) -> bool:
    """Finish a running campaign whose list is written and whose every row has ended. Safe to repeat."""
    open_rows = Delivery.objects.filter(campaign=OuterRef("pk"), status__in=Delivery.OPEN)
    done = Campaign.objects.filter(pk=campaign_id, status=Campaign.Launch.DONE).exclude(Exists(open_rows))
    return done.exists() and _move(campaign_id, [State.RUNNING], State.FINISHED, None, "all_done", ended_at=timezone.now())


@transaction.atomic
def _move(campaign_id: int, from_states: list[State], to_state: State, actor: Any, why: str = "", **fields: Any) -> bool:
    """The one place where a campaign changes state: a guarded UPDATE, and who, when and why beside it."""
    moved = Campaign.objects.filter(pk=campaign_id, state__in=from_states).update(state=to_state, **fields)
    if moved:
        CampaignEvent.objects.create(campaign_id=campaign_id, to_state=to_state, actor=actor, why=why)
    return bool(moved)


def execute_launch(pk: int) -> bool:
    """Write the ledger rows of a launched campaign in blocks; True when all of them stand.

    Safe to repeat and to interrupt: a block is one transaction, the last investor written is where the next attempt
    begins, and a row that exists is left alone. Every block written clears the count of attempts.
    """
    lease = settings.DELIVERY_LEASE_SECONDS
    token = claim_job(Campaign, pk, lease_seconds=lease)
    if token is None:
        return False
    campaign = Campaign.objects.get(pk=pk)
    people = people_in(read_frozen(campaign.rule_at_launch), now=campaign.launched_at)
    if not write_if_claimed(Campaign, pk, token, lease_seconds=lease, n_total=people.count()):
        return False
    last = campaign.deliveries.aggregate(last=Max("investor_id"))["last"] or 0
    ways = [(step.pk, channel) for step in campaign.steps.all() for channel in step.channels]
    while block := list(people.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:LAUNCH_BLOCK]):
        if Campaign.objects.filter(pk=pk, state=State.CANCELLED).exists():
            break
        rows = [Delivery(campaign_id=pk, step_id=step, channel=channel, investor_id=who) for who in block for step, channel in ways]
        with transaction.atomic():
            if not write_if_claimed(Campaign, pk, token, lease_seconds=lease, attempts=1, n_done=F("n_done") + len(block)):
                return False
            Delivery.objects.bulk_create(rows, ignore_conflicts=True)
        last = block[-1]
    return finish_job(Campaign, pk, token)
