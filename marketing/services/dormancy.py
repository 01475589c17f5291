"""The nightly reading of who sleeps: profiles rebuilt in blocks, and the dated changes of state."""

from datetime import date

from django.db import transaction
from django.utils import timezone

from marketing.jurisdictions import market_rules
from marketing.kernels.dormancy import Thresholds, state_of
from marketing.models import DormancyChange, Profile
from marketing.selectors.profiles import ProfileFacts, next_investors, profile_facts

BLOCK = 1_000


def refresh_dormancy(*, on: date | None = None, limits: Thresholds | None = None) -> int:
    """Rebuild every investor's profile and note who changed state on that day; returns how many changed.

    Written in short blocks. Safe to repeat: a second run of the same day leaves at most one change of that day, from
    the state of the day before, and none where the person is back in it.
    """
    day, limits = on or timezone.localdate(), limits or market_rules().dormancy
    n_changed, last = 0, 0
    while block := next_investors(last, BLOCK):
        n_changed += _write_block(profile_facts(block, day), day, limits)
        last = block[-1]
    return n_changed


def _write_block(facts: list[ProfileFacts], day: date, limits: Thresholds) -> int:
    """Profiles and changes of one block, in one transaction."""
    states = {one.investor_id: state_of(one.on(day), limits) for one in facts}
    ids = list(states)
    with transaction.atomic():
        before: dict[int, str] = dict(Profile.objects.filter(pk__in=ids).order_by("pk").select_for_update().values_list("pk", "dormancy"))
        today: dict[int, str] = dict(DormancyChange.objects.filter(investor_id__in=ids, date=day).values_list("investor_id", "from_state"))
        origin = {pk: today.get(pk, before.get(pk, "")) for pk in ids}
        changes = [
            DormancyChange(investor_id=pk, from_state=origin[pk], to_state=states[pk], date=day) for pk in ids if origin[pk] != states[pk]
        ]
        returned = [pk for pk in today if origin[pk] == states[pk]]
        DormancyChange.objects.filter(date=day, investor_id__in=returned).delete()
        DormancyChange.objects.bulk_create(
            changes, update_conflicts=True, unique_fields=["investor", "date"], update_fields=["from_state", "to_state"]
        )
        _write_profiles(facts, states)
    return len(changes)


def _write_profiles(facts: list[ProfileFacts], states: dict[int, str]) -> None:
    fields = ["last_decision_at", "last_visit_at", "n_decisions", "n_plan_orders_90d", "assets_minor", "idle_cash_minor"]
    now = timezone.now()
    rows = [
        Profile(
            investor_id=one.investor_id,
            dormancy=states[one.investor_id],
            refreshed_at=now,
            **{field: getattr(one, field) for field in fields},
        )
        for one in facts
    ]
    Profile.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["investor"], update_fields=["dormancy", "refreshed_at", *fields], batch_size=500
    )
