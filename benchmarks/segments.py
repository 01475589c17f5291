"""Segments of 200,000 and a million simulated people with five million events: counted as a preview, beside SQL written by hand.

`python -m benchmarks.segments [--quick]` measures it alone, on the database of SEGMENTS_DATABASE_URL where that is set (it must
be empty, and is emptied), else on SQLite in a folder of its own; with `--people N` a world of another size.
"""

import os
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.rows import Row
from benchmarks.steps import call, installation, run

PEOPLE, MANY, EVENTS, FEW, TREES = 200_000, 1_000_000, 5_000_000, 2_000, 30
JUDGED_PEOPLE = 2_000
SECONDS, RATIO, TIMES = 2.0, 1.5, 5
DATABASE = "SEGMENTS_DATABASE_URL"
LEVELS = {"field": "level", "is": [3, 4, 5]}
HELD = {"holding": {"asset_class": "equity"}, "ever": True}
NO_ORDER = {"order": "any", "did": False, "within_days": 90}
FUND_TWICE = {"event": "fund", "within_days": 90, "at_least": 2}
RULES: dict[str, dict[str, Any]] = {
    "level, held, no order, opened, not in a campaign": {
        "all": [LEVELS, HELD, NO_ORDER, {"message": "opened"}, {"campaign": 1, "is_in": False}]
    },
    "level, idle cash, fund seen twice, no order, opened": {
        "all": [LEVELS, {"field": "idle_cash_minor", "at_least": 500_000}, FUND_TWICE, NO_ORDER, {"message": "opened"}]
    },
    "an either-or of events and holdings, a tag, a ratio": {
        "all": [
            {"any": [{"event": "search", "within_days": 30}, {"holding": {"asset_class": "equity"}}]},
            {"tag": "t-a", "is": True},
            {"ratio": ["idle_cash_minor", "assets_minor"], "at_least": 0.02},
            NO_ORDER,
        ]
    },
    "none of five facts": {
        "not": [{"event": "fund", "within_days": 90}, {"order": "buy", "within_days": 90}, {"holding": {"asset_class": "equity"}},
                {"message": "opened"}, {"campaign": 1}]
    },
}  # fmt: skip
OWNED = """SELECT a.investor_id FROM portfolios_order o JOIN advisor_goal g ON g.portfolio_id = o.portfolio_id
           JOIN advisor_account a ON a.id = g.account_id"""
# The second rule, the first that reads events, as somebody would write it for this database alone.
BY_HAND = f"""
SELECT count(*) FROM marketing_profile p JOIN advisor_investor i ON i.id = p.investor_id
WHERE i.level IN (3, 4, 5) AND p.idle_cash_minor >= 500000
  AND p.investor_id IN (SELECT e.investor_id FROM marketing_event e WHERE e.name = 'fund' AND e.occurred_at >= %(start)s
        AND e.occurred_at <= %(now)s AND e.received_at >= %(start)s GROUP BY e.investor_id HAVING count(*) >= 2)
  AND NOT EXISTS (SELECT 1 FROM ({OWNED} WHERE o.placed_at >= %(start)s AND o.placed_at <= %(now)s AND o.state <> 'rejected'
        AND o.origin <> 'plan') recent WHERE recent.investor_id = p.investor_id)
  AND EXISTS (SELECT 1 FROM marketing_delivery d WHERE d.investor_id = p.investor_id AND d.opened_at <= %(now)s)
  AND EXISTS (SELECT 1 FROM advisor_consent c WHERE c.investor_id = p.investor_id AND c.purpose = 'profiling' AND c.is_given
        AND NOT EXISTS (SELECT 1 FROM advisor_consent l WHERE l.investor_id = c.investor_id AND l.purpose = c.purpose
              AND (l.at > c.at OR (l.at = c.at AND l.id > c.id))))
"""


def segments(quick: bool) -> Iterator[Row]:
    """In processes of their own: a world written, rules previewed, and random rules held against the judge."""
    people = FEW if quick else PEOPLE
    yield from _sized(people, people * EVENTS // PEOPLE, quick)
    if DATABASE in os.environ and not quick:
        yield from _sized(MANY, EVENTS, quick)
    yield from _judged(quick)


def _sized(people: int, events: int, quick: bool) -> Iterator[Row]:
    with installation("benchmarks.segments", DATABASE) as fresh:
        fresh.manage("migrate", "-v0")
        fresh.step("write", people=people, events=events)
        found = fresh.step("look", people=people)
        if DATABASE in os.environ:
            fresh.step("clear")
    title = f"segments, {found['database']}, {people:,} people, {events / 1e6:.2f} M events"
    for name, one in found["rules"].items():
        is_judged = not quick and people == PEOPLE and found["database"] == "PostgreSQL"
        verdict = "ok" if not is_judged or one["preview"] < SECONDS else "short"
        bound = f"< {SECONDS:.0f} s" if is_judged else "–"
        yield Row(f"{title}: {name} ({one['n']:,})", f"{one['preview']:.2f} s", "–", "–", bound, verdict)
        title = " "
    ratio = found["ours"] / found["by_hand"]
    verdict = "not judged: a quick run" if quick else "ok" if ratio <= RATIO else "short"
    ours, theirs = f"{found['ours']:.2f} s", f"by hand {found['by_hand']:.2f} s"
    yield Row("  counting the second rule, the best of runs in turn", ours, theirs, f"{ratio:.2f}", f"<= {RATIO}", verdict)


def _judged(quick: bool) -> Iterator[Row]:
    """The test itself with more people: SQL and a judge that asks each person by itself find the same ones."""
    claim = f"{TREES} random rules of {JUDGED_PEOPLE:,} people: the same members as the judge"
    if quick:
        yield Row(f"  {claim}", "–", verdict="not run: the suite judges fewer")
        return
    dropped = {"DATABASE_URL", DATABASE, "VAR_DIR", "DJANGO_SETTINGS_MODULE"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    asked = {"N_SEGMENT_PEOPLE": str(JUDGED_PEOPLE), "N_SEGMENT_TREES": str(TREES)}
    databases = {"SQLite": {}} | ({"PostgreSQL": {"DATABASE_URL": os.environ[DATABASE]}} if DATABASE in os.environ else {})
    for name, chosen in databases.items():
        call(kept | asked | chosen, "-m", "pytest", "-n0", "--create-db", "tests/marketing/test_segment_trees.py")
        yield Row(f"  {claim}, {name}", "all the same")


def write(people: int, events: int) -> dict[str, Any]:
    """The world, on PostgreSQL with the months of the past as partitions, which a year of running would have made."""
    from datetime import date

    from django.db import connection

    from advisor.models import Investor
    from benchmarks.segments_world import make_tags, write_world
    from marketing.partitions import add_months, make_partitions

    assert not Investor.objects.exists(), "the database holds people already: give one that is empty"
    for back in range(14, 0, -1):
        make_partitions(add_months(date.today().replace(day=1), -back))
    write_world(people, events, n_orders=events // 5)
    make_tags()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
    return {}


def look(people: int, events: int) -> dict[str, Any]:
    """Each rule previewed (count, breakdowns, sample), the best of several; one counted in turn with SQL written by hand."""
    from django.db import connection
    from django.utils import timezone

    from marketing.selectors.audience import audience, audience_count
    from marketing.selectors.segment_facts import since
    from marketing.selectors.segments import read_rule

    found: dict[str, Any] = {"rules": {}, "database": {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor]}
    for name, node in RULES.items():
        rule = read_rule({"version": 1, "rule": node})
        found["rules"][name] = {"preview": min(_seconds(lambda rule=rule: audience(rule)) for _ in range(TIMES)), "n": audience_count(rule)}
    second, now = read_rule({"version": 1, "rule": list(RULES.values())[1]}), timezone.now()
    adapted = connection.ops.adapt_datetimefield_value  # SQLite keeps moments as text in UTC and compares them so
    moments = {"start": adapted(since(90, now)), "now": adapted(now)}
    with connection.cursor() as cursor:

        def by_hand() -> None:
            cursor.execute(BY_HAND, moments)
            found["n_by_hand"] = cursor.fetchone()[0]

        pairs = [(_seconds(lambda: audience_count(second)), _seconds(by_hand)) for _ in range(TIMES)]
    ours = list(found["rules"].values())[1]["n"]
    assert abs(found["n_by_hand"] - ours) <= people // 10_000, f"by hand {found['n_by_hand']}, by rule {ours}"
    return found | {"ours": min(one for one, _ in pairs), "by_hand": min(other for _, other in pairs)}


def _seconds(call: Any) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def clear(people: int, events: int) -> dict[str, Any]:
    """Empty the database that this run filled, for the next world."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE")
        cursor.execute("CREATE SCHEMA public")
    return {}


STEPS = {"write": write, "look": look, "clear": clear}


if __name__ == "__main__":
    run("benchmarks.segments", segments, STEPS, people=FEW, events=EVENTS)
