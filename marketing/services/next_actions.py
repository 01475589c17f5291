"""The nightly working out of what would be best done next, in blocks, and the leads that advisors get from it."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, F, QuerySet, Window
from django.db.models.functions import Coalesce, RowNumber
from django.utils import timezone

from advisor.models import Task
from advisor.services.queue import open_tasks
from config.jobs import Job, claim_job, finish_job, give_up_job, write_if_claimed
from marketing.jurisdictions import market_rules
from marketing.kernels.next_action import Limits, decide
from marketing.models import NextAction, NextActionRun
from marketing.selectors.next_action_facts import Block, read_block
from marketing.selectors.next_action_words import data_of
from marketing.selectors.next_actions import to_draw
from marketing.selectors.suiting import whom_it_fits
from marketing.selectors.tag_columns import next_profiles

BLOCK = 1_000
LEASE_SECONDS = 600
LEADS_A_DAY = 5  # tasks that an advisor gets from here in one day
CONSIDERED, AT_ONCE = 50, 10  # clients of an advisor who are gone through for these, and how many of them are asked about at a time
QUIET_AFTER_LEAD = timedelta(days=30)  # a client whose lead was opened is not brought up again for so long
LEAD = "next_action"  # the kind of the task
OWN = ("kind", "fund_id", "channel", "hour", "reason", "data", "score")
ADVISOR = Coalesce("investor__household__primary_advisor", "investor__household__secondary_advisor")


def refresh_next_actions(*, on: date | None = None) -> int:
    """Work out everybody's next best action as of a day and open leads for advisors; returns how many actions changed.

    Written in short blocks; one that was interrupted goes on behind its last block, and what stands of people behind the last
    profile is taken away at the end. Safe to repeat: the same day twice leaves the same rows. While another worker is at the same
    day, nothing is done.
    """
    day = on or timezone.localdate()
    run, _ = NextActionRun.objects.get_or_create(as_of=day)
    NextActionRun.objects.filter(pk=run.pk, status__in=[Job.Status.DONE, Job.Status.FAILED]).update(
        status=Job.Status.QUEUED, last_investor=0, n_changed=0, n_done=0, attempts=0
    )
    token = claim_job(NextActionRun, run.pk, lease_seconds=LEASE_SECONDS)
    if token is None:
        return 0
    run.refresh_from_db()
    rules = market_rules()
    limits = Limits(rules.dormancy.idle_cash_floor_minor, rules.dormancy.calm_idle_share, rules.quiet)
    last, n_changed, n_done = run.last_investor, run.n_changed, run.n_done
    while (upto := next_profiles(last, BLOCK)) is not None:
        block = read_block(last, upto[0], day, limits)
        with transaction.atomic():
            n_changed += _write_block(block, actions_of(block, limits, day), last, upto[0])
            last, n_done = upto[0], n_done + upto[1]
            place = {"last_investor": last, "n_changed": n_changed, "n_done": n_done}
            if not write_if_claimed(NextActionRun, run.pk, token, lease_seconds=LEASE_SECONDS, **place):
                transaction.set_rollback(True)
                return 0
    n_changed += _clear_tail(last)
    close_leads()
    n_leads = open_leads(on=day)
    finish_job(NextActionRun, run.pk, token, n_total=n_done, n_changed=n_changed, n_leads=F("n_leads") + n_leads)
    return n_changed


def resume_next_actions(pk: int) -> int:
    """Go on with what a worker left; a finished run is left alone. Returns how many actions changed.

    What an earlier day left is given up: as of that day it would write over what holds today. Today's is begun in its place.
    """
    run = NextActionRun.objects.filter(pk=pk, status__in=[Job.Status.RUNNING, Job.Status.QUEUED]).first()
    today = timezone.localdate()
    if run is None or run.as_of >= today:
        return refresh_next_actions(on=run.as_of) if run else 0
    if not give_up_job(NextActionRun, pk, {"code": "day_over"}):
        return 0
    return 0 if NextActionRun.objects.filter(as_of=today).exists() else refresh_next_actions(on=today)


def actions_of(block: Block, limits: Limits, day: date) -> list[NextAction]:
    """Decide for a block; rows that are not written yet."""
    found, facts = decide(block.facts, limits), block.facts
    return [
        NextAction(
            investor_id=pk, kind=kind, fund_id=block.funds[at] if kind == "place" else None, channel=str(found.channel[at]),
            hour=None if found.hour[at] < 0 else int(found.hour[at]), reason=code, score=float(found.score[at]), day=day,
            data=data_of(
                code, until=block.valid_until[at], since=block.since[at], idle_minor=facts.idle_minor[at],
                reached=float(facts.reached[at]), gone=float(facts.gone[at]),
            ),
        )
        for at, (pk, kind, code) in enumerate(zip(block.ids, found.kinds, found.codes, strict=True))
    ]  # fmt: skip


def _write_block(block: Block, actions: list[NextAction], after: int, upto: int) -> int:
    """Write what differs from what stands, and take away what stands of people who are no longer decided for."""
    stored = NextAction.objects.filter(pk__gt=after, pk__lte=upto)
    known = {row[0]: row[1:] for row in stored.values_list("pk", *OWN)}
    gone = set(known) - set(block.ids)
    stored.filter(pk__in=gone).delete()
    changed = [one for one in actions if known.get(one.pk) != tuple(getattr(one, name) for name in OWN)]
    NextAction.objects.bulk_create(
        changed, update_conflicts=True, unique_fields=["investor"], update_fields=[*OWN[:1], "fund", *OWN[2:], "day"], batch_size=500
    )
    return len(changed) + len(gone)


def _clear_tail(after: int) -> int:
    """Take away what stands of people behind the last profile, whom no block reaches; returns how many. Short blocks."""
    n, tail = 0, NextAction.objects.filter(pk__gt=after, investor__profile=None).order_by("pk").values_list("pk", flat=True)
    while keys := list(tail[:BLOCK]):
        n += NextAction.objects.filter(pk__in=keys).delete()[0]
    return n


# ── Leads ────────────────────────────────────────────────────────────────────────────────────────────────────────


def open_leads(*, on: date) -> int:
    """Open a task for clients whose next action their advisor is to talk over, the most pressing first; returns how many are new.

    At most LEADS_A_DAY an advisor and day, none for a client who had one within 30 days or has one open, and none whose fund
    does not pass every filter of suggestions at this moment: the next in order takes that place, among the advisor's first
    CONSIDERED. Safe to repeat.
    """
    left = {advisor: LEADS_A_DAY - n for advisor, n in _opened_on(on)}
    items: dict[int, list[str]] = {}
    candidates = list(_candidates())
    for upto in range(AT_ONCE, CONSIDERED + AT_ONCE, AT_ONCE):
        asked = [row for row in candidates if upto - AT_ONCE < row[4] <= upto and left.get(row[1], LEADS_A_DAY) > 0]
        unfit = _no_longer_fit({pk: fund for pk, _, _, fund, _ in asked if fund is not None})
        for pk, advisor, kind, _, _ in asked:
            if pk not in unfit and left.get(advisor, LEADS_A_DAY) > 0:
                left[advisor] = left.get(advisor, LEADS_A_DAY) - 1
                items[pk] = [kind]
    keys = list(items)
    return sum(open_tasks(kind=LEAD, items={pk: items[pk] for pk in keys[at : at + BLOCK]}) for at in range(0, len(keys), BLOCK))


def close_leads() -> int:
    """Close the leads about which there is nothing left to talk over; returns how many. Safe to repeat.

    As when consent was withdrawn, or the fund does not pass every filter of suggestions any more; that is asked in blocks.
    """
    still = to_draw().filter(channel=NextAction.Channel.ADVISOR)
    leads = Task.objects.filter(kind=LEAD, state=Task.State.OPEN)
    n, last = _close(leads.exclude(investor__in=still.values("pk"))), 0
    named = still.filter(fund__isnull=False, pk__in=leads.values("investor")).order_by("pk").values_list("pk", "fund_id")
    while fund_of := dict(named.filter(pk__gt=last)[:BLOCK]):
        n, last = n + _close(leads.filter(investor__in=_no_longer_fit(fund_of))), max(fund_of)
    return n


def _close(leads: QuerySet[Task]) -> int:
    return leads.update(state=Task.State.DONE, done_at=timezone.now())


def _candidates() -> QuerySet[Any, tuple[int, int, str, int | None, int]]:
    """The first CONSIDERED of each advisor, by score: (client, advisor, what to do, with which fund, place among them)."""
    lately = Task.objects.filter(kind=LEAD, opened_at__gte=timezone.now() - QUIET_AFTER_LEAD).values("investor_id")
    still = Task.objects.filter(kind=LEAD, state=Task.State.OPEN).values("investor_id")
    rows = to_draw().filter(channel=NextAction.Channel.ADVISOR).exclude(pk__in=lately).exclude(pk__in=still)
    rows = rows.annotate(advisor=ADVISOR).filter(advisor__isnull=False)
    place = Window(RowNumber(), partition_by=[F("advisor")], order_by=[F("score").desc(), F("pk").asc()])
    firsts = rows.annotate(place=place).filter(place__lte=CONSIDERED)
    return firsts.order_by("advisor", "place").values_list("pk", "advisor", "kind", "fund_id", "place")


def _no_longer_fit(fund_of: dict[int, int]) -> set[int]:
    """Of people with one fund each, those to whom it may not be shown any more: each door asks again."""
    people = list(fund_of)
    blocks = ({pk: fund_of[pk] for pk in people[at : at + BLOCK]} for at in range(0, len(people), BLOCK))
    return {pk for block in blocks for pk in block.keys() - whom_it_fits(block)}


def _opened_on(day: date) -> Iterable[tuple[int, int]]:
    rows = Task.objects.filter(kind=LEAD, opened_at__date=day).annotate(advisor=ADVISOR).order_by()
    return rows.values_list("advisor").annotate(Count("pk"))
