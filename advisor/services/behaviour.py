"""What people did, read from the ledger for everyone who agreed to it: by night in blocks, and at once for one.

A reading changes with an order, with the end of a month, or when something leaves the window of two years. So one is due

* when an order of its person was confirmed since the night before: every order moves the holdings, also one that is not counted;
* on a day of the month of its own (`_spread`), when the months are counted anew: so no night is as long as all of them;
* on the day on which its oldest counted order or its worst fall leaves the window;
* when an index learned late of a fall (or unlearned it): then whoever sold since that day is read again. A fall that is known the
  night it happens changes nothing by itself: it takes a sale, which is an order.

Without consent to profiling no order is read, and a reading is deleted. The rows are the queue: who is interrupted begins again
with those that are still due, and finds the same.
"""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice
from time import monotonic
from typing import Any

from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from advisor.jurisdictions import advice_rules
from advisor.kernels import risk_profile
from advisor.kernels.behaviour import CHASING, DISPOSITION, PANIC, Readings, measure, sheets
from advisor.kernels.behaviour_market import months_before
from advisor.models import BehaviourNight, BehaviourReading, Consent, Investor
from advisor.selectors.behaviour import as_measures
from advisor.selectors.behaviour_inputs import INVESTOR, BehaviourMarket, known_crossings, load_market, load_trades, traded_funds
from advisor.selectors.people import has_consent, investors_with_consent
from advisor.services.following import mark_read, read_from_now, read_unread
from advisor.services.levels import apply_behaviour
from portfolios.models import LedgerEntry, Order

TASK = "advisor.read_behaviour"
ROWS_A_WRITE = 2_000
CURSOR = "behaviour"
DAYS_OF_SPREAD = 28
NOTHING_TO_READ = timedelta(days=365)
RING_AGAIN_AFTER = timedelta(minutes=15)
_FIGURES = ("as_of", "measures", "risk_assets_minor", "damage", "panic_on", "begins_on", "problem", "computed_at")
Row = tuple[Any, ...]


# ── The night ────────────────────────────────────────────────────────────────────────────────────────────────────


def read_behaviour(*, seconds: float | None = None, on: date | None = None) -> BehaviourNight:
    """Read the behaviour of everyone who is due, in blocks; stop after so many seconds with the rest still due.

    A night that was not finished goes on, as of its own day. Safe to repeat, and to run twice at once: the same is written twice.
    """
    began = monotonic()
    night = BehaviourNight.objects.filter(finished_at=None).order_by("pk").first()
    night = night or BehaviourNight.objects.create(on_date=on or timezone.localdate())
    if night.marked_at is None:
        _mark(night)
    market, after = None, 0
    while seconds is None or monotonic() - began < seconds:
        due = list(_due(night.on_date).filter(investor_id__gt=after).values_list("investor_id", flat=True)[: advice_rules().ledger.block])
        if not due:
            BehaviourNight.objects.filter(pk=night.pk).update(finished_at=timezone.now())
            break
        market = market or load_market(night.on_date, traded_funds())
        _read_block(night, market, (due[0], due[-1]))
        after = due[-1]
    night.refresh_from_db()
    return night


def is_behaviour_left() -> bool:
    """Whether a night lies about unfinished: its worker died, or its message was lost. Says so once in a while, not at each call."""
    long_ago = timezone.now() - RING_AGAIN_AFTER
    is_left = BehaviourNight.objects.filter(finished_at=None, started_at__lt=long_ago).exists()
    return is_left and cache.add("behaviour-rung", "1", timeout=RING_AGAIN_AFTER.total_seconds())


def _due(on: date) -> QuerySet[BehaviourReading]:
    return BehaviourReading.objects.filter(due_on__lte=on).order_by("investor_id")


def _read_block(night: BehaviourNight, market: BehaviourMarket, ends: tuple[int, int]) -> None:
    """Read the people of a block who are due. They stay due until their levels have followed."""
    due = _due(night.on_date).filter(investor_id__gte=ends[0], investor_id__lte=ends[1])
    allowed = investors_with_consent(Consent.Purpose.PROFILING).filter(pk__in=due.order_by().values("investor_id"))
    people, rows, dates = _readings(allowed, market, night.on_date)
    _write(rows)
    # Who loses no point by behaviour stands where the answers alone put them, or lower.
    telling = [pk for pk, row in zip(people, rows, strict=True) if row[3] > 0.0 or row[4] is not None]
    n_fallen = apply_behaviour(investor_ids=telling) if telling else 0
    _release([(next_on, pk) for pk, next_on in zip(people, dates, strict=True)])
    counts = BehaviourNight.objects.filter(pk=night.pk).values_list("n_read", "n_fallen").get()
    BehaviourNight.objects.filter(pk=night.pk).update(n_read=counts[0] + len(people), n_fallen=counts[1] + n_fallen)


def _readings(people: QuerySet[Investor], market: BehaviourMarket, on: date) -> tuple[list[int], list[Row], list[date]]:
    """Keys of people, the rows to write of them in the order of `_FIGURES`, and when each is due again."""
    keys, trades = load_trades(people, market, on)
    found = measure(trades, market.market, advice_rules().for_ledger(), on, len(keys))
    rules, now = advice_rules().for_scoring, timezone.now()
    begins, short, worth = found.begins.tolist(), found.short_row.tolist(), found.risk_assets.round().tolist()
    rows: list[Row] = []
    for at, sheet in enumerate(sheets(found)):
        if short[at] >= 0:
            rows.append((on, "{}", 0, 0.0, None, _day(begins[at]), "sold_more_than_held", now))
            continue
        damage = sum(one.damage for one in risk_profile.weigh(as_measures(sheet), rules))
        panic_on = sheet[PANIC]["rests_on"]["sale_on"]
        measures = json.dumps(sheet, separators=(",", ":"))
        rows.append((on, measures, int(worth[at]), damage, panic_on and date.fromisoformat(panic_on), _day(begins[at]), "", now))
    return keys, [(*row, pk) for row, pk in zip(rows, keys, strict=True)], _next_dates(found, keys, on)


def _day(ordinal: int) -> date | None:
    return date.fromordinal(ordinal) if ordinal else None


def _next_dates(found: Readings, keys: list[int], on: date) -> list[date]:
    """The day on which each reading is due again if nothing is ordered."""
    window = -advice_rules().ledger.window_months
    has_sold = found.measures[PANIC].value > 0.0
    oldest = [found.measures[DISPOSITION].first, found.measures[CHASING].first, found.measures[PANIC].first * has_sold]
    leaving: dict[int, date] = {0: date.max}
    dates = []
    for pk, begins, *days in zip(keys, found.begins.tolist(), *(one.tolist() for one in oldest), strict=True):
        for day in days:
            if day not in leaving:
                leaving[day] = months_before(date.fromordinal(day), window)
        leaves = min((later for day in days if (later := leaving[day]) > on), default=date.max)
        dates.append(min(_spread(pk, on), leaves) if begins else on + NOTHING_TO_READ)
    return dates


def _spread(investor_id: int, on: date) -> date:
    """The person's own day of the next month."""
    return months_before(on.replace(day=1), -1) + timedelta(days=investor_id % DAYS_OF_SPREAD)


def _write(rows: list[Row]) -> None:
    """By one prepared statement. A row that was deleted meanwhile - consent withdrawn - stays deleted."""
    table, names = BehaviourReading._meta.db_table, ", ".join(f"{name} = %s" for name in _FIGURES)
    day, at = connection.ops.adapt_datefield_value, connection.ops.adapt_datetimefield_value
    told = [
        tuple(at(cell) if isinstance(cell, datetime) else day(cell) if isinstance(cell, date) else cell for cell in row) for row in rows
    ]
    for some in _parts(told):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(f"UPDATE {table} SET {names} WHERE investor_id = %s", some)  # noqa: S608  our own model's names


def _release(dates: list[tuple[date, int]]) -> None:
    adapted, table = connection.ops.adapt_datefield_value, BehaviourReading._meta.db_table
    for some in _parts([(adapted(day), pk) for day, pk in dates]):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(f"UPDATE {table} SET due_on = %s WHERE investor_id = %s", some)  # noqa: S608


def _parts(rows: list[Any]) -> Iterator[list[Any]]:
    waiting = iter(rows)
    while some := list(islice(waiting, ROWS_A_WRITE)):
        yield some


# ── Who is due ───────────────────────────────────────────────────────────────────────────────────────────────────


def _mark(night: BehaviourNight) -> None:
    """Find who is due, and forget who withdrew the consent; in short writes, safe to begin again."""
    before = BehaviourNight.objects.filter(marked_at__isnull=False).order_by("-pk").first()
    moves = LedgerEntry.objects.filter(kind__in=[LedgerEntry.Kind.BUY, LedgerEntry.Kind.SELL])
    unread = (read_unread if before else read_from_now)(name=CURSOR, rows=moves)
    n_forgotten = _forget()
    _admit(night.on_date)
    falls = known_crossings(night.on_date)
    if before is not None:
        _mark_entries(night.on_date, unread.keys)
        _mark_late_falls(night.on_date, before, falls)
    mark_read(unread)
    n_due = _due(night.on_date).count()
    BehaviourNight.objects.filter(pk=night.pk).update(crossings=falls, n_due=n_due, n_forgotten=n_forgotten, marked_at=timezone.now())


def _forget() -> int:
    """Delete the readings of those who do not agree to profiling; `give_consent` has done it already where it was asked."""
    silent = BehaviourReading.objects.exclude(investor__in=investors_with_consent(Consent.Purpose.PROFILING).values("pk"))
    n_forgotten = 0
    while keys := list(silent.order_by("pk").values_list("pk", flat=True)[:ROWS_A_WRITE]):
        BehaviourReading.objects.filter(pk__in=keys).delete()
        n_forgotten += len(keys)
    return n_forgotten


def _admit(on: date) -> None:
    """Rows for those who agreed and have none yet: due tonight."""
    new = investors_with_consent(Consent.Purpose.PROFILING).filter(behaviour=None).order_by("pk")
    after = 0
    while keys := list(new.filter(pk__gt=after).values_list("pk", flat=True)[:ROWS_A_WRITE]):
        BehaviourReading.objects.bulk_create([BehaviourReading(investor_id=pk, due_on=on) for pk in keys], ignore_conflicts=True)
        after = keys[-1]


def _mark_entries(on: date, entries: list[int]) -> None:
    """Due are those in whose portfolios units moved since the night before."""
    for start in range(0, len(entries), ROWS_A_WRITE):
        _make_due(on, LedgerEntry.objects.filter(pk__in=entries[start : start + ROWS_A_WRITE]).values(INVESTOR))


def _mark_late_falls(on: date, before: BehaviourNight, falls: list[list[str]]) -> None:
    """Due are those who sold since a crossing that the night before did not know, or knew and that is none any more."""
    since = months_before(on, advice_rules().ledger.window_months).isoformat()
    until = before.on_date.isoformat()
    told = {(name, day) for name, day in before.crossings} ^ {(name, day) for name, day in falls}
    changed = [day for _, day in told if since < day <= until]
    if changed:
        sold = Order.objects.filter(
            state__in=[Order.State.CONFIRMED, Order.State.PAID],
            confirm_date__gte=min(changed),
            side=Order.Side.SELL,
            origin=Order.Origin.INVESTOR,
        )
        keys = sorted(set(sold.values_list(INVESTOR, flat=True)))
        for start in range(0, len(keys), ROWS_A_WRITE):
            _make_due(on, keys[start : start + ROWS_A_WRITE])


def _make_due(on: date, investors: Any) -> None:
    BehaviourReading.objects.filter(investor_id__in=investors, due_on__gt=on).update(due_on=on)


# ── One person ───────────────────────────────────────────────────────────────────────────────────────────────────


def read_behaviour_of(*, investor: Investor, on: date | None = None) -> BehaviourReading | None:
    """Read one person's behaviour now, lower the level if it says so, and return the reading; None without consent. Safe to repeat."""
    if not has_consent(investor, Consent.Purpose.PROFILING):
        BehaviourReading.objects.filter(investor=investor).delete()
        return None
    on = on or timezone.localdate()
    BehaviourReading.objects.get_or_create(investor=investor, defaults={"due_on": on})
    market = load_market(on, traded_funds([investor.pk]))
    people, rows, dates = _readings(Investor.objects.filter(pk=investor.pk), market, on)
    _write(rows)
    apply_behaviour(investor_ids=people)
    _release([(dates[0], investor.pk)])
    return BehaviourReading.objects.filter(investor=investor).first()
