"""From a bar of an answer to the rule of a segment: as near as rules come, and in words where they fall short."""

import json
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from marketing.kernels.ask import Step

Condition = dict[str, Any]
ORDERS: dict[str, Condition] = {
    "order": {"order": "any", "origin": ["investor", "proposal", "override", "plan"]},
    "decision": {"order": "any"},
    "purchase": {"order": "buy"},
    "redemption": {"order": "sell"},
    "plan": {"order": "any", "origin": ["plan"]},
    "accepted": {"order": "any", "origin": ["proposal"]},  # an accepted proposal is known by the orders it places
}
DATES = {"joined": "joined_date", "assessed": "assessed_date"}


def did(step: Step, within_days: int, *, is_done: bool = True) -> Condition:
    """The condition that a step was, or was not, taken in the last days. Goals are asked for without their time."""
    if step.event is not None:
        more: Condition = {"where": dict(step.where)} if step.where else {}
        more |= {"channel": step.channel} if step.channel else {}
        return {"event": step.event, "did": is_done, "within_days": within_days} | more
    fact = str(step.fact)
    if fact in ORDERS:
        return ORDERS[fact] | {"did": is_done, "within_days": within_days}
    if fact in {"sent", "opened", "clicked"}:
        return {"message": fact, "did": is_done, "within_days": within_days}
    plain: Condition = {"field": DATES[fact], "days_ago_below": within_days} if fact in DATES else {"field": "n_goals", "at_least": 1}
    return plain if is_done else {"not": [plain]}


def all_of(conditions: list[Condition], segment: int | None) -> dict[str, Any]:
    """A rule of these conditions together, inside a segment where there is one."""
    inside = [{"segment": segment, "is_in": True}] if segment is not None else []
    return {"version": 1, "rule": {"all": [*inside, *conditions]}}


def segment_url(rule: dict[str, Any]) -> str:
    """The address at which the rule is opened as a new segment."""
    return reverse("segment_new") + "?" + urlencode({"rule": json.dumps(rule, separators=(",", ":"), ensure_ascii=False)})
