"""What a block of people is decided by, as arrays: profiles of last night, levels and answers of now, and what was found for them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from django.utils import timezone

from advisor.models import Goal
from advisor.selectors import consents_in_force
from marketing.kernels.next_action import Facts, Limits, has_idle_cash
from marketing.models import Profile, Suggestion
from marketing.selectors.suggestions import first_to_show

COLUMNS = (
    "pk", "investor__level", "investor__level_valid_until", "has_waiting_proposal", "plan_status", "goal_progress", "dormancy",
    "assets_minor", "idle_cash_minor", "has_advisor", "investor__user__email", "has_complained", "best_channel", "last_visit_at",
    "active_hour", "dormancy_since",
)  # fmt: skip
UNKNOWN = float("nan")


@dataclass(frozen=True, slots=True)
class Block:
    """People by key, what they are decided by, and what their reasons' sentences say."""

    ids: list[int]
    facts: Facts
    funds: list[int | None]
    valid_until: list[date | None]
    since: list[date | None]


def read_block(after: int, upto: int, day: date, limits: Limits) -> Block:
    """The people of a block of keys who agree to profiling, with an open account and recommendations on; in eleven queries."""
    keys = {"investor_id__gt": after, "investor_id__lte": upto}
    agreed = consents_in_force("profiling").filter(**keys).values("investor_id")
    rows = list(
        Profile.objects.filter(
            pk__in=agreed, investor__erased_at=None, investor__recommendations_off_at=None, investor__user__is_active=True
        )
        .order_by("pk")
        .values_list(*COLUMNS)
    )
    column = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True)) if rows else {name: [] for name in COLUMNS}
    ids = column["pk"]
    wants = set(consents_in_force("marketing").filter(**keys).values_list("investor_id", flat=True))
    dormancy, assets, idle = np.array(column["dormancy"], np.str_), _numbers(column["assets_minor"]), _numbers(column["idle_cash_minor"])
    funds = _funds([ids[at] for at in np.flatnonzero(has_idle_cash(dormancy, assets, idle, limits))])
    gone = _time_gone(keys, day)
    facts = Facts(
        level_days=_numbers((until - day).days if level is not None and until else None
                            for level, until in zip(column["investor__level"], column["investor__level_valid_until"], strict=True)),
        has_proposal=_flags(column["has_waiting_proposal"]),
        plan_stopped=_flags(status == "stopped" for status in column["plan_status"]),
        reached=np.clip(_numbers(column["goal_progress"]), 0.0, 1.0),
        gone=_numbers(gone.get(pk) for pk in ids),
        dormancy=dormancy,
        assets_minor=assets,
        idle_minor=idle,
        has_fund=_flags(pk in funds for pk in ids),
        wants_marketing=_flags(pk in wants for pk in ids),
        has_advisor=_flags(column["has_advisor"]),
        has_email=_flags(map(bool, column["investor__user__email"])),
        complained=_flags(column["has_complained"]),
        opens=np.array(column["best_channel"], np.str_),
        seen_days=_numbers(None if at is None else max(0, (day - _day(at)).days) for at in column["last_visit_at"]),
        hour=_numbers(column["active_hour"]),
    )  # fmt: skip
    return Block(ids, facts, [funds.get(pk) for pk in ids], column["investor__level_valid_until"], column["dormancy_since"])


def _funds(ids: list[int]) -> dict[int, int]:
    """For those of some people for whom there is one, the fund that they would be shown first."""
    stored: dict[int, list[int]] = {pk: [] for pk in ids}
    rows = Suggestion.objects.filter(investor__in=ids, run__is_serving=True).order_by("investor_id", "rank")
    for investor, fund in rows.values_list("investor_id", "fund_id"):
        stored[investor].append(fund)
    return first_to_show(stored)


def _time_gone(keys: dict[str, int], day: date) -> dict[int, float]:
    """By person the share of the time for their goals that has gone, weighted by the amounts wanted; only goals with an amount."""
    sums: dict[int, tuple[float, float]] = {}
    bounds = {f"account__{name}": value for name, value in keys.items()}
    goals = Goal.objects.filter(target_minor__gt=0, **bounds).values_list("account__investor_id", "target_minor", "made_at", "target_date")
    for investor, target, made_at, until in goals:
        wanted = float(target or 0)
        begun = _day(made_at)
        share = 1.0 if until <= begun else min(1.0, max(0.0, (day - begun).days / (until - begun).days))
        upper, lower = sums.get(investor, (0.0, 0.0))
        sums[investor] = (upper + wanted * share, lower + wanted)
    return {investor: upper / lower for investor, (upper, lower) in sums.items()}


def _day(at: datetime) -> date:
    return timezone.localdate(at)


def _numbers(values: Iterable[Any]) -> Any:
    return np.array([UNKNOWN if value is None else value for value in values], np.float64)


def _flags(values: Iterable[bool]) -> Any:
    return np.array(list(values), bool)
