"""The night of the record of advice: every chain verified, the result kept, and the day's root made and logged."""

import logging
import uuid
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from advisor.kernels.record import Root
from advisor.models import RecordFinding, RecordHead, RecordRoot, RecordVerification
from advisor.selectors.record import Reading, blocks_of_investors, latest_heads, stored_roots, verify_record

log = logging.getLogger(__name__)

VERIFICATIONS_KEPT = timedelta(days=366)


def seal_day() -> RecordRoot:
    """Write today's root over the latest entries of all chains, in short transactions, and log it. Safe to repeat: a day has one."""
    day = timezone.localdate()
    # What is no day any more, or one that has not come, is a finding, and nothing follows it.
    before = next((root for root in reversed(stored_roots()) if root.day and not root.is_ahead_of(day)), None)
    if before and before.day and before.day >= day:  # later than today where the clock was set back
        return RecordRoot.objects.get(day=before.day)
    root = RecordRoot(id=uuid.uuid4(), day=day, previous=before.root if before else "", n_records=0, n=0)
    summed = Root(root.previous, day)
    for block in blocks_of_investors():
        heads, grown = latest_heads(block)
        for head in heads:
            summed.add(*head)
        # Written before their root: whoever is interrupted leaves heads that count for nothing.
        RecordHead.objects.bulk_create(
            RecordHead(root_id=root.pk, investor_id=investor_id, seq=seq, hash=hash_)
            for investor_id, seq, hash_ in heads
            if investor_id in grown
        )
    root.root, root.n, root.n_records = summed.hexdigest(), summed.n, summed.n_records
    try:
        with transaction.atomic():
            root.save()
    except IntegrityError:  # another process was quicker
        return RecordRoot.objects.get(day=day)
    log.info("record of advice: root of %s is %s over %d chains and %d entries", day, root.root, root.n, root.n_records)
    return root


def verify_and_keep() -> RecordVerification:
    """Verify the whole record and write what it found for the supervisors; every call is another verification."""
    row = RecordVerification.objects.create()
    reading = verify_record()
    _keep(row, reading)
    if reading.n_findings:
        log.error("record of advice: %d findings in %d entries", reading.n_findings, reading.n_records)
    else:
        log.info("record of advice: %d entries of %d people verified", reading.n_records, reading.n_investors)
    return row


@transaction.atomic
def _keep(row: RecordVerification, reading: Reading) -> None:
    RecordFinding.objects.bulk_create(
        RecordFinding(verification=row, investor_id=one.investor_id, seq=one.seq, code=one.code, detail=one.detail[:80])
        for one in reading.findings
    )
    for name in ("n_investors", "n_records", "n_roots", "n_findings"):
        setattr(row, name, getattr(reading, name))
    row.finished_at = timezone.now()
    row.save()
    RecordVerification.objects.filter(started_at__lt=row.started_at - VERIFICATIONS_KEPT).delete()


def close_record_day() -> RecordRoot:
    """Verify the record as it stands, then make the day's root: roots of earlier days go on saying what they found."""
    verify_and_keep()
    return seal_day()
