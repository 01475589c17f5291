"""The sender: leases a batch of waiting rows, asks once more whether each may be written to, and writes.

A killed sender loses nothing and repeats nothing. Rows that it only leased wait again when the lease has run out; a
row whose message had been handed to the provider is `sending`, and becomes `unknown` because nobody can tell.
"""

import logging
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.conf import settings
from django.core.mail import get_connection
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from advisor.models import Investor
from marketing.channels import EMAIL, INBOX, email, inbox
from marketing.models import Campaign, Delivery, InboxMessage
from marketing.selectors.sending import Way, email_waits_until, refusals
from marketing.services.campaigns import close_waiting, finish_if_done, pause_campaign

log = logging.getLogger(__name__)

BATCH = 100
BATCHES_AT_ONCE = 4
UNCLEAR_BEFORE_PAUSE = 3
Status = Delivery.Status
STILL_RUNNING = Exists(Campaign.objects.filter(pk=OuterRef("campaign_id"), state=Campaign.State.RUNNING))


@dataclass(slots=True)
class Batch:
    """A lease on some rows of one campaign, and how it went."""

    campaign: Campaign
    token: uuid.UUID
    rows: list[Delivery] = field(default_factory=list)
    n_unclear: int = 0

    @property
    def mine(self) -> Any:
        """The rows that this lease still holds and that have not been touched."""
        return Delivery.objects.filter(claim=self.token, status=Status.QUEUED)


def send_batch(*, campaign_id: int) -> bool:
    """Send one batch of a running campaign; True when there may be more to send at once.

    Writes ledger rows and inbox messages. Safe to repeat and to run twice at the same time: a row belongs to one lease.
    """
    campaign = Campaign.objects.filter(pk=campaign_id, state=Campaign.State.RUNNING).first()
    if campaign is None:
        return False
    batch = _lease(campaign)
    if not batch.rows:
        finish_if_done(campaign_id=campaign_id)
        return False
    try:
        goes_on = all(_send_group(batch, list(rows)) for _, rows in groupby(batch.rows, key=lambda row: row.step_id))
    finally:
        batch.mine.update(claim=None, lease_until=None)
    finish_if_done(campaign_id=campaign_id)
    return goes_on and Campaign.objects.filter(pk=campaign_id, state=Campaign.State.RUNNING).exists()


def _lease(campaign: Campaign) -> Batch:
    """Take hold of the first free rows of one channel, in one short transaction; none when enough senders are at it.

    The inbox goes first: it needs nobody else, so a mail provider that is down never holds it up.
    """
    now = timezone.now()
    batch = Batch(campaign, uuid.uuid4())
    channels = [INBOX] if email_waits_until(campaign, now) else [INBOX, EMAIL]
    rows = Delivery.objects.filter(Q(claim__isnull=True) | Q(lease_until__lt=now), campaign=campaign, status=Status.QUEUED).order_by("pk")
    with transaction.atomic():
        held = Delivery.objects.filter(campaign=campaign, claim__isnull=False, lease_until__gt=now).order_by().values("claim").distinct()
        if held.count() >= BATCHES_AT_ONCE:
            return batch
        for channel in channels:
            free = rows.filter(channel=channel).select_for_update(skip_locked=True)
            if pks := list(free.values_list("pk", flat=True)[:BATCH]):
                Delivery.objects.filter(pk__in=pks).update(claim=batch.token, lease_until=_lease_end(now))
                break
    batch.rows = list(batch.mine.select_related("investor__user", "step").order_by("step_id", "pk"))
    return batch


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.DELIVERY_LEASE_SECONDS)


def _send_group(batch: Batch, rows: Sequence[Delivery]) -> bool:
    """Send rows of one step and channel; False when there is a reason not to go on at once."""
    if rows[0].channel == EMAIL:
        return _send_emails(batch, rows)
    _put_in_inboxes(batch, rows)
    return True


@transaction.atomic
def _put_in_inboxes(batch: Batch, rows: Sequence[Delivery]) -> None:
    """Decide on and deliver a batch of inbox messages, with their ledger rows, in one transaction."""
    now = timezone.now()
    mine = batch.mine.filter(STILL_RUNNING, pk__in=[row.pk for row in rows]).order_by("pk")
    held = set(mine.select_for_update().values_list("pk", flat=True))
    rows = [row for row in rows if row.pk in held]
    if not rows:
        return
    refused = _refusals(batch, rows, now)
    _hold_back(batch, rows, refused, now)
    passed = [row for row in rows if not refused[row.investor.pk]]
    InboxMessage.objects.bulk_create([inbox.compose(row, row.step, now) for row in passed])
    batch.mine.filter(pk__in=[row.pk for row in passed]).update(
        status=Status.SENT, ended_at=now, delivered_at=now, claim=None, lease_until=None
    )


def _refusals(batch: Batch, rows: Sequence[Delivery], now: datetime) -> dict[int, str]:
    """Why each may not be written to. Holds the people until the transaction ends: a consent being withdrawn, and another
    campaign's sender counting what the person had lately, come before this answer or after what is written on it."""
    people = Investor.objects.filter(pk__in=[row.investor_id for row in rows])
    list(people.order_by("pk").select_for_update().values_list("pk"))
    return refusals(people, Way(batch.campaign, rows[0].step, rows[0].channel, now))


def _hold_back(batch: Batch, rows: Sequence[Delivery], refused: dict[int, str], now: datetime) -> None:
    for reason in {reason for reason in refused.values() if reason}:
        pks = [row.pk for row in rows if refused[row.investor.pk] == reason]
        batch.mine.filter(pk__in=pks).update(status=Status.SUPPRESSED, reason=reason, ended_at=now, claim=None, lease_until=None)


def _send_emails(batch: Batch, rows: Sequence[Delivery]) -> bool:
    """Send e-mails one by one over one connection; False when the provider, the hour or a marketer stops it."""
    connection = get_connection()
    try:
        connection.open()
    except Exception as error:  # each backend raises its own kind; nothing has been handed over, so nothing is lost
        log.warning("the mail provider cannot be reached: %s", error)
        return False
    renew_at = timezone.now() + timedelta(seconds=settings.DELIVERY_LEASE_SECONDS / 3)
    try:
        for row in rows:
            now = timezone.now()
            if now > renew_at:
                batch.mine.update(lease_until=_lease_end(now))
                renew_at = now + timedelta(seconds=settings.DELIVERY_LEASE_SECONDS / 3)
            if email_waits_until(batch.campaign, now) or not _send_one(batch, row, connection):
                return False
    finally:
        connection.close()
    return True


def _send_one(batch: Batch, row: Delivery, connection: Any) -> bool:
    """Decide on one row, commit `sending`, call the provider, commit what came of it; False to stop the batch."""
    now = timezone.now()
    with transaction.atomic():
        refused = _refusals(batch, [row], now)
        if refused[row.investor.pk]:
            _hold_back(batch, [row], refused, now)
            return True
        message = email.compose(row, row.step, is_service_letter=batch.campaign.is_service_letter)
        started = batch.mine.filter(STILL_RUNNING, pk=row.pk).update(status=Status.SENDING, lease_until=_lease_end(now))
    if not started:  # paused, cancelled, or the lease went to somebody else
        return batch.mine.filter(STILL_RUNNING).exists()
    outcome: dict[str, Any] = {"status": Status.SENT}
    is_connected = True
    try:
        connection.send_messages([message])
    except Exception as error:  # each provider raises its own kind
        # Its kind and code only: what a provider says back often repeats the address.
        log.warning("delivery %d: %s %s", row.pk, type(error).__name__, getattr(error, "smtp_code", ""))
        if email.turned_us_away(error):  # nothing was handed over, and nothing is wrong with this person: the row waits again
            outcome = {"status": Status.QUEUED}
        elif email.was_refused(error):
            outcome |= {"status": Status.FAILED, "reason": "refused"}
        else:
            outcome |= {"status": Status.UNKNOWN, "reason": "unclear"}
        if outcome["status"] != Status.FAILED:
            batch.n_unclear += 1
            is_connected = _connect_again(connection)
    ended = Delivery.objects.filter(pk=row.pk, claim=batch.token, status=Status.SENDING)
    if outcome["status"] != Status.QUEUED:
        outcome["ended_at"] = timezone.now()
    ended.update(claim=None, lease_until=None, **outcome)
    if batch.n_unclear >= UNCLEAR_BEFORE_PAUSE:
        pause_campaign(campaign_id=batch.campaign.pk, why="provider_unclear")
        return False
    return is_connected


def _connect_again(connection: Any) -> bool:
    """Hang up and call again: a connection that broke would cost every message after it."""
    with suppress(Exception):
        connection.close()
    try:
        connection.open()
    except Exception as error:  # each backend raises its own kind
        log.warning("the mail provider cannot be reached: %s", error)
        return False
    return True


def close_lost() -> int:
    """Turn rows whose sender vanished in the middle of a provider call into `unknown`; they are never sent again."""
    lost = Delivery.objects.filter(claim__isnull=False, status=Status.SENDING, lease_until__lt=timezone.now())
    return lost.update(status=Status.UNKNOWN, reason="interrupted", ended_at=timezone.now(), claim=None, lease_until=None)


def tidy_campaigns() -> list[int]:
    """Close what was lost or cancelled, finish what is done; returns the campaigns that a sender should be rung for.

    Safe to repeat. A launch that was given up pauses its campaign, so that a marketer sees it and may resume.
    """
    close_lost()
    waiting = Delivery.objects.filter(campaign=OuterRef("pk"), status=Status.QUEUED)
    for pk in Campaign.objects.filter(Exists(waiting), state=Campaign.State.CANCELLED).values_list("pk", flat=True):
        close_waiting(campaign_id=pk)
    running = Campaign.objects.filter(state=Campaign.State.RUNNING)
    for pk in running.filter(status=Campaign.Launch.FAILED).values_list("pk", flat=True):
        pause_campaign(campaign_id=pk, why="launch_failed")
    for pk in running.filter(status=Campaign.Launch.DONE).exclude(Exists(waiting)).values_list("pk", flat=True):
        finish_if_done(campaign_id=pk)
    at_work = Delivery.objects.filter(campaign=OuterRef("pk"), claim__isnull=False, lease_until__gt=timezone.now())
    idle = running.filter(Exists(waiting), status=Campaign.Launch.DONE).exclude(Exists(at_work))
    return list(idle.order_by("pk").values_list("pk", flat=True))
