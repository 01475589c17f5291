"""Ask and the home over 200,000 simulated people with five million events, beside one statement written by hand.

`python -m benchmarks.ask [--quick]` measures it alone, on the database of ASK_DATABASE_URL where that is set (it must be empty),
else on SQLite in a folder of its own. The funnel by hand is one statement of nested windows over the same moments; it must
count the same people.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.rows import Row
from benchmarks.steps import installation, peak_mib, run

PEOPLE, EVENTS, FEW = 200_000, 5_000_000, 2_000
NAMES = ("fund", "search", "fund_list", "purchase_new", "calculator_used")
WITHIN_DAYS, FUNNEL_SECONDS, HOME_SECONDS = 30, 3.0, 1.0
DATABASE = "ASK_DATABASE_URL"


def ask(quick: bool) -> Iterator[Row]:
    """In processes of their own: a world written, then the questions, the night and the page."""
    n = FEW if quick else PEOPLE
    with installation("benchmarks.ask", DATABASE) as fresh:
        fresh.manage("migrate", "-v0")
        fresh.manage("sync_roles")
        fresh.step("write", people=n)
        yield from rows_of(fresh.step("measure"))


def rows_of(found: dict[str, Any]) -> Iterator[Row]:
    """The rows of a measurement."""
    size = f"{found['people']:,} people, {found['events'] / 1e6:.2f} M events, {found['database']}"
    for days, one in found["funnels"].items():
        by_hand = one["by_hand"]
        yield Row(
            f"five-step funnel of {days} days, {one['moments'] / 1e6:.2f} M moments; {size}",
            f"{one['seconds']:.2f} s",
            f"{by_hand:.2f} s" if by_hand else "–",
            f"{one['seconds'] / by_hand:.2f}" if by_hand else "–",
            f"<= {FUNNEL_SECONDS:.0f} s",
            "ok" if one["seconds"] <= FUNNEL_SECONDS else "short",
        )
    for name, seconds in found["others"].items():
        yield Row(f"  {name}", f"{seconds:.2f} s")
    yield Row(
        "  the home's page from its stored day",
        f"{found['home']:.2f} s",
        "–",
        "–",
        f"<= {HOME_SECONDS:.0f} s",
        "ok" if found["home"] <= 1 else "short",
    )
    yield Row("  memory of all of it", f"{found['peak_mib']:.0f} MiB")


def by_hand(start: Any, end: Any) -> str:
    """The funnel among everybody who agrees, in one statement: a window a step over one order of the moments."""
    window = "window w as (partition by investor_id order by at range between unbounded preceding and '1 microsecond' preceding)"
    agreed = (
        "select investor_id from (select distinct on (investor_id) investor_id, is_given from advisor_consent "
        "where purpose = 'profiling' order by investor_id, at desc, id desc) latest where is_given"
    )
    names = ", ".join(f"'{name}'" for name in NAMES)
    first, last = f"timestamptz '{start.isoformat()}'", f"timestamptz '{end.isoformat()}'"
    sql = (
        f"with s1 as (select investor_id, occurred_at as at, name, case when name = '{NAMES[0]}' then occurred_at end as s1 "
        f"from marketing_event where name in ({names}) and received_at >= {first} - interval '1 day' "
        f"and occurred_at >= {first} and occurred_at < {last} and investor_id in ({agreed}))"
    )
    for k, name in enumerate(NAMES[1:], 2):
        kept = ", ".join(f"s{at}" for at in range(1, k))
        fits = f"case when name = '{name}' and at - reached <= interval '{WITHIN_DAYS} days' then reached end as s{k}"
        inner = f"select investor_id, at, name, {kept}, max(s{k - 1}) over w as reached from s{k - 1} {window}"
        sql += f", s{k} as (select investor_id, at, name, {kept}, {fits} from ({inner}) as r{k})"
    counts = ", ".join(f"count(distinct case when s{k} is not null then investor_id end)" for k in range(1, len(NAMES) + 1))
    return f"{sql} select {counts} from s{len(NAMES)}"


def write(n: int) -> dict[str, Any]:
    from django.db import connection

    from benchmarks.segments_world import write_world

    write_world(n, n * EVENTS // PEOPLE)
    with connection.cursor() as cursor:  # what autovacuum does where it is on
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
    return {}


def measure(_: int) -> dict[str, Any]:
    """Time the questions, the night of everybody and the page; a wrong funnel fails."""
    from django.db import connection
    from django.utils import timezone

    from marketing.kernels.ask import read_question
    from marketing.models import Event, Profile
    from marketing.selectors.ask import answer
    from marketing.selectors.audience import to_ten
    from marketing.selectors.metrics import work_out
    from marketing.selectors.overview import work_out_overview
    from marketing.selectors.segment_facts import since

    now, is_pg = timezone.now(), connection.vendor == "postgresql"
    found: dict[str, Any] = {
        "people": Profile.objects.count(),
        "events": Event.objects.count(),
        "database": connection.vendor,
        "funnels": {},
    }
    for days in (90, 365):
        steps = [{"event": name} for name in NAMES]
        question = read_question({"kind": "funnel", "steps": steps, "within_days": WITHIN_DAYS, "days": days})
        seconds, ours = best_of(lambda question=question: answer(question, now=now))
        theirs = None
        if is_pg:
            theirs, counts = best_of(lambda days=days: execute(by_hand(since(days, now), now)))
            told = [line.count for line in ours.lines]
            assert all(a in (None, b and to_ten(b)) for a, b in zip(told, counts, strict=True)), f"{told} is not {counts}"
        moments = Event.objects.filter(name__in=NAMES, occurred_at__gte=since(days, now)).count()
        found["funnels"][days] = {"seconds": seconds, "by_hand": theirs, "moments": moments}
    others = {
        "retention by week, 12 weeks": {
            "kind": "retention",
            "start": {"event": "fund"},
            "again": {"event": "search"},
            "unit": "week",
            "n_periods": 12,
        },
        "ways after an event, 30 days": {"kind": "path", "around": {"event": "search"}},
        "a spread by category": {"kind": "distribution", "field": "assets_minor", "by": "dormancy"},
    }
    found["others"] = {name: best_of(lambda asked=asked: answer(read_question(asked), now=now))[0] for name, asked in others.items()}
    found["others"]["thirty metrics of everybody"] = best_of(lambda: work_out(None))[0]
    found["others"]["the home's counts of everybody"] = best_of(lambda: work_out_overview(None))[0]
    found["peak_mib"] = peak_mib()
    return found | {"home": open_home()}


def open_home() -> float:
    """The page as a marketer gets it, its day stored before."""
    from django.conf import settings
    from django.test import Client

    from identity.models import User
    from identity.roles import Role
    from identity.services import give_role
    from marketing.services.metrics import work_out_day

    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
    work_out_day(segment=None)
    user = User.objects.create_user(email="marketer@example.com", password="correct horse", name="Mark", language="en")
    give_role(user=user, role=Role.MARKETER)
    client = Client()
    client.force_login(user)

    def get() -> None:
        assert client.get("/marketing/").status_code == 200

    return best_of(get)[0]


def execute(sql: str) -> list[int]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchone())


def best_of(work: Callable[[], Any], times: int = 3) -> tuple[float, Any]:
    """The shortest of some runs, and what the last one gave."""
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - began)
    return best, result


STEPS = {"write": write, "measure": measure}


if __name__ == "__main__":
    run("benchmarks.ask", ask, STEPS, people=FEW)
