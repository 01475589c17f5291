"""The explanation that a proposal with funds of the highest grade waits for: shown, acknowledged, and then time to think."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import get_language

from advisor.errors import Refused
from advisor.jurisdictions.purchases import purchase_rules
from advisor.models import Investor, Proposal, ProposalWarning, RecordKind
from advisor.selectors.purchases import highest_funds, proposal_warning_words, sha256_of
from advisor.services.record import append_record, lock_chain
from portfolios.models import Fund


def is_explained(row: ProposalWarning, proposal: Proposal, funds: Mapping[str, Fund]) -> bool:
    """Whether an explanation names every fund of the highest grade: one that was graded so since was never explained."""
    said = row.warning_text.replace("\uff08", "(").replace("\uff09", ")")  # as either language writes it
    return all(f"({fund.code})" in said for fund in highest_funds(proposal, funds))


def show_proposal_warning(*, proposal: Proposal, funds: Mapping[str, Fund]) -> ProposalWarning:
    """Write the explanation as it is shown now, in the reader's language, with its hash and time; the same words again write nothing.

    One that was acknowledged stays, unless a fund has risen to the highest grade since: the time to think begins anew then.
    """
    words, language, now = proposal_warning_words(proposal, funds), get_language() or "", timezone.now()
    shown = {"warning_text": words, "warning_sha256": sha256_of(words), "warning_language": language, "warned_at": now}
    shown |= {"acknowledged_at": None, "may_order_at": None}
    with transaction.atomic():
        investor = Investor.objects.select_for_update(of=("self",)).get(accounts__goals__proposals=proposal.pk)
        row, is_new = ProposalWarning.objects.get_or_create(proposal=proposal, defaults=shown)
        is_kept = row.acknowledged_at is not None and is_explained(row, proposal, funds)
        if not is_new and (is_kept or row.warning_sha256 == shown["warning_sha256"]):
            return row
        for name, value in shown.items():
            setattr(row, name, value)
        row.save(update_fields=list(shown))
        told = {"proposal": proposal.pk, "text": words, "sha256": row.warning_sha256, "language": language}
        append_record(
            investor_id=investor.pk, kind=RecordKind.WARNING, payload=told | {"kind": "proposal", "rules": purchase_rules().version}, at=now
        )
    return row


def acknowledge_proposal_warning(*, proposal: Proposal, actor: Any, seen_sha256: str) -> ProposalWarning:
    """Write that the explanation was read; from now runs the time to think. Raises Refused for another one than was last shown.

    Safe to repeat: a second time moves nothing.
    """
    if actor.pk != proposal.goal.account.investor.user_id:
        raise Refused("not_yours")
    now = timezone.now()
    said = {"acknowledged_at": now, "may_order_at": now + timedelta(hours=purchase_rules().wait_hours)}
    with transaction.atomic():
        lock_chain(proposal.goal.account.investor_id)  # before the row, as whoever shows it in another tab locks them
        unread = ProposalWarning.objects.filter(proposal=proposal, acknowledged_at=None)
        if unread.filter(warning_sha256=seen_sha256).update(**said):
            told = {"proposal": proposal.pk, "kind": "proposal", "sha256": seen_sha256}
            times = {name: at.isoformat() for name, at in said.items()}
            investor_id = proposal.goal.account.investor_id
            append_record(investor_id=investor_id, kind=RecordKind.WARNING_ACKNOWLEDGED, payload=told | times, at=now)
        elif unread.exists():
            raise Refused("warning_changed")
    return ProposalWarning.objects.get(proposal=proposal)
