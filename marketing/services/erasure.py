"""Erasure on request: what is known beside the legal record goes for good, and the record stays apart from all marketing.

The account is closed in one transaction, which decides; the rest goes table by table in short ones. A worker that is killed
loses nothing: the next one goes on with what is still there.
"""

import logging
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from advisor.errors import Refused
from advisor.models import Investor
from advisor.selectors.privacy import in_the_way_of_closing
from advisor.services.privacy import close_account, record_erasure
from config.jobs import claim_job, finish_job, ring_by_name, write_if_claimed
from marketing.catalogue.personal_data import PersonalTable, personal_data
from marketing.models import AnonymousIdentity, Delivery, ErasureRequest, Event, InboxMessage
from marketing.selectors.my_data import in_the_way_words
from marketing.selectors.personal_data import rows_about

log = logging.getLogger(__name__)

TASK = "marketing.execute_erasure"
LEASE_SECONDS = 120
ROWS_AT_ONCE = 5_000
LOOK_AGAIN_DAYS = 7  # for what a job wrote that had read the person before the account was closed
State = ErasureRequest.State


def request_erasure(*, investor: Investor) -> ErasureRequest:
    """Write that a person wants their data erased, and when that begins; one that is under way is returned. Safe to repeat.

    Raises Refused("in_the_way") while the account cannot be closed.
    """
    if left := in_the_way_of_closing(investor):
        raise Refused("in_the_way", left=left)
    now = timezone.now()
    due_at = now + timedelta(days=settings.ERASURE_WAIT_DAYS)
    try:
        with transaction.atomic():
            made = ErasureRequest.objects.create(investor=investor, asked_at=now, due_at=due_at)
    except IntegrityError:  # asked for already
        return ErasureRequest.objects.get(investor=investor, status__in=ErasureRequest.LIVE)
    start_due_erasures()
    return made


def withdraw_erasure(*, investor: Investor) -> bool:
    """Write that the person takes the request back; False where it has begun or there is none. Safe to repeat."""
    waiting = ErasureRequest.objects.filter(investor=investor, status=State.WAITING)
    return bool(waiting.update(status=State.WITHDRAWN, withdrawn_at=timezone.now()))


def start_due_erasures() -> int:
    """Queue the requests whose time to think is over, and ring for each; returns how many. Safe to repeat."""
    n_started = 0
    for pk in ErasureRequest.objects.filter(status=State.WAITING, due_at__lte=timezone.now()).values_list("pk", flat=True):
        with transaction.atomic():
            if ErasureRequest.objects.filter(pk=pk, status=State.WAITING).update(status=State.QUEUED):
                ring_by_name(TASK, pk, queue="bulk")
                n_started += 1
    return n_started


def execute_erasure(pk: int) -> bool:
    """Close the account and erase in blocks; False when it is another worker's, was lost to one, or the account cannot be closed."""
    token = claim_job(ErasureRequest, pk, lease_seconds=LEASE_SECONDS)
    if token is None:
        return False
    request = ErasureRequest.objects.select_related("investor__user").get(pk=pk)
    if not _close(request, token):
        return False
    erased: dict[str, int] = request.erased
    for table in tables_to_forget():
        while n := _forget_claimed(request, token, table, erased):
            if n < 0:
                return False
    with transaction.atomic():
        record_erasure(investor_id=request.investor_id, erased=erased)
        if not finish_job(ErasureRequest, pk, token):
            transaction.set_rollback(True)
            return False
    return True


def look_again() -> int:
    """Erase what was written about people after their erasure, and ring again for erasures that failed; returns the rows erased.

    A job that had read a person before the account was closed may have written a row of theirs since. Safe to repeat.
    """
    for pk in ErasureRequest.objects.filter(status=State.FAILED).values_list("pk", flat=True):
        if ErasureRequest.objects.filter(pk=pk, status=State.FAILED).update(status=State.QUEUED, attempts=0, error=None):
            ring_by_name(TASK, pk, queue="bulk")
    since, n_found = timezone.now() - timedelta(days=LOOK_AGAIN_DAYS), 0
    for request in ErasureRequest.objects.filter(status=State.DONE, finished_at__gte=since).select_related("investor"):
        late: dict[str, int] = {}
        for table in tables_to_forget():
            while n := _forget(table, request.investor):
                late[table.model] = late.get(table.model, 0) + n
        if late:
            with transaction.atomic():
                total = {model: request.erased.get(model, 0) + late.get(model, 0) for model in request.erased | late}
                ErasureRequest.objects.filter(pk=request.pk).update(erased=total)
                record_erasure(investor_id=request.investor_id, erased=late)
            n_found += sum(late.values())
    return n_found


def tables_to_forget() -> list[PersonalTable]:
    """What goes table by table; the rest of what goes is closed with the account."""
    return [table for table in personal_data().tables if table.fate in {"erase", "detach"} and table.model.startswith("marketing.")]


def _close(request: ErasureRequest, token: uuid.UUID) -> bool:
    """Close the account and say so to the person's address, which is gone then; or refuse, and say why in the inbox."""
    person = request.investor
    address, language = person.user.email if person.erased_at is None else None, person.user.language
    try:
        close_account(investor=person, why="erasure")
    except Refused as refusal:
        with translation.override(language), transaction.atomic():
            left: Any = refusal.params["left"]
            words = " ".join(in_the_way_words(left))
            body = _("Nothing was erased, because the account cannot be closed yet. %(why)s") % {"why": words}
            if write_if_claimed(ErasureRequest, request.pk, token, status=State.REFUSED, claim=None, lease_until=None):
                InboxMessage.objects.create(investor=person, subject=_("Your data could not be erased"), body=body)
        return False
    if address:
        _say_goodbye(address, language, request)
    return True


def _say_goodbye(address: str, language: str, request: ErasureRequest) -> None:
    with translation.override(language):
        basis = [words.label for words in personal_data().basis.values()]
        told = {"request": request, "pseudonym": request.investor.pseudonym, "basis": basis}
        try:
            send_mail(_("Your data is being erased"), render_to_string("emails/erased.txt", told), None, [address])
        except Exception as error:  # each backend raises its own kind; nobody is kept for want of a letter
            log.warning("request %s: the last letter could not be sent: %s", request.number, type(error).__name__)


def _forget_claimed(request: ErasureRequest, token: uuid.UUID, table: PersonalTable, erased: dict[str, int]) -> int:
    """Forget a block and count it in one transaction; 0 when nothing was left, -1 when another worker has the request."""
    with transaction.atomic():
        n = _forget(table, request.investor)
        if not n:
            return 0
        erased[table.model] = erased.get(table.model, 0) + n
        told: dict[str, Any] = {"erased": erased, "n_done": F("n_done") + n}
        if write_if_claimed(ErasureRequest, request.pk, token, lease_seconds=LEASE_SECONDS, **told):
            return n
        transaction.set_rollback(True)
        return -1


def _forget(table: PersonalTable, investor: Investor) -> int:
    """Delete or detach at most 5,000 rows of a table that are about a person, in one short transaction; returns how many."""
    rows: QuerySet[Any] = rows_about(table, investor)
    if table.table is Event:  # also those of the person's browsers that were never joined
        visitors = AnonymousIdentity.objects.filter(investor=investor).values("pk")
        # What says of somebody else that they did it is theirs, whatever visitor's id a sender wrote beside it.
        rows = Event.objects.filter(Q(investor=investor) | Q(investor=None, anonymous_id__in=visitors)).order_by("pk")
    with transaction.atomic():
        keys = list(rows.values_list("pk", flat=True)[:ROWS_AT_ONCE])
        block = rows.filter(pk__in=keys).order_by()
        if table.fate == "erase":
            return block.delete()[0]
        # Also what a sender holds: it writes only rows that still wait. What is with the provider right now ends as it ends.
        waiting = block.filter(status=Delivery.Status.QUEUED)
        waiting.update(status=Delivery.Status.CANCELLED, reason="inactive", ended_at=timezone.now(), claim=None, lease_until=None)
        return block.update(investor=None)
