"""What entries of the record tell, as plain data: the same for what a person did by hand and what was written in bulk."""

import hashlib
from collections.abc import Mapping
from typing import Any

from advisor.models import Override, Proposal
from advisor.services.record import canonical

# What a proposal shows of its result; the rest, such as charts, is bound by a checksum.
SHOWN = (
    "amount_minor", "amounts", "fees", "weights", "bad_year_minor", "annual_cost_minor", "purchase_cost_minor",
    "cvar", "cvar_limit", "budget_binds", "volatility", "data_date",
)  # fmt: skip


def consent_told(purpose: str, is_given: bool, source: str) -> dict[str, Any]:
    return {"purpose": str(purpose), "is_given": is_given, "source": source}


def asked_told(proposal: Proposal) -> dict[str, Any]:
    """A proposal as it was asked for: the frozen inputs say everything that it was to rest on."""
    return {"proposal": proposal.pk, "inputs": proposal.inputs, "inputs_sha256": proposal.inputs_sha256}


def proposed_told(
    proposal_pk: int, state: str, *, result: Mapping[str, Any] | None, error: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What was proposed and why each fund, or why nothing could be."""
    told: dict[str, Any] = {"proposal": proposal_pk, "state": str(state)}
    if result is not None:
        told |= {name: result[name] for name in SHOWN if name in result}
        told["why"] = {row["code"]: row["why"] for row in result.get("funds", ()) if "why" in row}
        told["result_sha256"] = hashlib.sha256(canonical(result).encode()).hexdigest()
    if error is not None:
        told["error"] = error
    return told


def accepted_told(proposal_pk: int, inputs_sha256: str, amounts: Mapping[str, int]) -> dict[str, Any]:
    return {"proposal": proposal_pk, "inputs_sha256": inputs_sha256, "amounts": dict(amounts)}


def override_told(override: Override) -> dict[str, Any]:
    return {
        "override": override.pk,
        "goal": override.goal_id,
        "advisor": override.advisor_id,
        "weights": override.weights,
        "price": override.price,
        "reason": override.reason,
        "expires_on": override.expires_on,
    }
