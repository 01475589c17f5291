"""A thousand tags of 200,000 simulated people: a full refresh, the night after, five tags asked at once, and the room they take.

`python -m benchmarks.tags [--quick]` measures it alone, on the database of TAGS_DATABASE_URL where that is set (it must be
empty), else on SQLite in a folder of its own. A sample of people is held against their rules read one person at a time.
"""

import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from benchmarks.rows import Row
from benchmarks.steps import installation, peak_mib, run

PEOPLE, FEW = 200_000, 2_000
DAY = date(2026, 11, 22)
CHECKED = 100  # people held against the judge, every tag
FULL_SECONDS = 180
CHANGED = 0.05  # of the profiles are written anew before the second night
FIVE = ("state_dormant", "idle_10k", "level_c3", "likes_bond", "plan_running")
ASKED = 21
DATABASE = "TAGS_DATABASE_URL"


def tags(quick: bool) -> Iterator[Row]:
    """In processes of their own: a world written, every tag of everybody, the night after, and a question."""
    n = FEW if quick else PEOPLE
    with installation("benchmarks.tags", DATABASE) as fresh:
        fresh.manage("migrate", "-v0")
        fresh.step("write", people=n)
        full = fresh.step("full", people=n)
        name = f"tags, {full['tags']:,} of {n:,} people, full refresh, {full['database']}"
        verdict = "not judged: a quick run" if quick else "ok" if full["seconds"] <= FULL_SECONDS else "short"
        yield Row(name, f"{full['seconds']:.1f} s", "–", "–", f"<= {FULL_SECONDS} s", verdict)
        yield Row(f"  its memory; {full['steps']:,} steps of rules, {CHECKED} people checked one at a time", f"{full['peak_mib']:.0f} MiB")
        yield Row(f"  of it rules on arrays: {full['rules_seconds']:.1f} s; its own processor time", f"{full['own_seconds']:.1f} s")
        night = fresh.step("night", people=n)
        name = f"  the night after: {night['fresh']:,} profiles anew, {night['moving']} tags that move, {night['flips']:,} gained or lost"
        yield Row(name, f"{night['seconds']:.1f} s", f"{full['seconds']:.1f} s", f"{night['seconds'] / full['seconds']:.2f}")
        yield Row("  its own processor time", f"{night['own_seconds']:.1f} s", f"{full['own_seconds']:.1f} s")
        asked = fresh.step("ask", people=n)
        yield Row(f"  five tags at once: {asked['found']:,} people, the table alone", f"{asked['table'] * 1000:.0f} ms")
        yield Row("  the same as a segment, counted", f"{asked['segment'] * 1000:.0f} ms")
        if asked["mib"]:
            yield Row("  room of the words, with their index, after two nights", f"{asked['mib']:.0f} MiB")


def write(n: int) -> dict[str, Any]:
    from django.db import connection

    from benchmarks.tags_world import write_people, write_tags

    write_people(n, DAY)
    write_tags()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {}


def full(n: int) -> dict[str, Any]:
    from django.db import connection

    from marketing.models import Tag
    from marketing.selectors.tags import plan_now
    from marketing.services import refresh_tags, tag_refresh

    spent = [0.0]
    plain = tag_refresh.evaluate

    def timed(*given: Any) -> Any:
        began = time.perf_counter()
        answer = plain(*given)
        spent[0] += time.perf_counter() - began
        return answer

    tag_refresh.evaluate = timed
    began, own = time.perf_counter(), time.process_time()
    run = refresh_tags(on=DAY)
    seconds, own = time.perf_counter() - began, time.process_time() - own
    peak = peak_mib()
    assert run.status == "done" and run.n_done == n, f"{run.status}: {run.n_done} of {n}"
    assert not Tag.objects.exclude(problem="").exists(), "a tag has a problem"
    _check(DAY, n)
    return {
        "seconds": seconds, "tags": Tag.objects.count(), "peak_mib": peak, "steps": len(plan_now().steps), "rules_seconds": spent[0],
        "own_seconds": own, "database": {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor],
    }  # fmt: skip


def _check(day: date, n: int) -> None:
    """Hold a sample of people against their rules, and the sizes against the bits."""
    from django.utils import timezone

    from benchmarks.naive_tags import NaiveTags
    from benchmarks.tags_world import tag_rules
    from marketing.catalogue import profile_fields
    from marketing.catalogue.tags import needing_consent
    from marketing.models import Profile, Tag, TagSize, TagWords
    from marketing.selectors.tag_columns import WORD_NAMES
    from marketing.selectors.tags import has_tag, places_of

    rules = tag_rules()
    judge = NaiveTags(rules, needing_consent())
    code_at = {(tag.word, tag.bit): tag.code for tag in Tag.objects.all()}
    keys = list(Profile.objects.order_by("pk").values_list("pk", flat=True))[:: max(1, n // CHECKED)]
    for profile in Profile.objects.filter(pk__in=keys):
        person = {name: getattr(profile, name) for name in profile_fields()}
        person = {name: timezone.localdate(value) if isinstance(value, datetime) else value for name, value in person.items()}
        words = TagWords.objects.filter(pk=profile.pk).values_list(*WORD_NAMES).first() or []
        found = {code_at[place] for place in places_of(words)}
        said = {code for code in rules if judge.holds(code, person, day)}
        assert found == said, f"person {profile.pk}: {sorted(found ^ said)[:5]} differ"
    for tag in Tag.objects.filter(code__in=FIVE):
        assert TagSize.objects.get(tag=tag, date=day).n == TagWords.objects.filter(has_tag(tag)).count(), f"size of {tag.code}"


def night(n: int) -> dict[str, Any]:
    """The next day: some profiles were written anew by a later build, and days went by."""
    from django.db.models import F

    from marketing.models import Profile, TagChange
    from marketing.selectors.tags import is_moving, plan_now
    from marketing.services import refresh_tags

    every = round(1 / CHANGED)
    anew = Profile.objects.annotate(own=F("investor_id") % every).filter(own=0)
    n_fresh = anew.update(version=2, assets_minor=F("assets_minor") + 1_000_000, plan_status="running")
    day = DAY + timedelta(days=1)
    began, own = time.perf_counter(), time.process_time()
    run = refresh_tags(on=day)
    seconds, own = time.perf_counter() - began, time.process_time() - own
    assert run.status == "done" and TagChange.objects.count() == run.n_flips, "changes are not what was counted"
    _check(day, n)
    plan = plan_now()
    return {
        "seconds": seconds,
        "own_seconds": own,
        "fresh": n_fresh,
        "flips": run.n_flips,
        "moving": sum(is_moving(plan, code) for code in plan.slots),
    }


def ask(n: int) -> dict[str, Any]:
    from django.db import connection
    from django.db.models import Q

    from marketing.catalogue import profile_fields
    from marketing.kernels.segments import read_rule
    from marketing.models import Tag, TagWords
    from marketing.selectors.segments import people_in
    from marketing.selectors.tags import has_tag

    with connection.cursor() as cursor:
        cursor.execute("VACUUM" if connection.vendor == "sqlite" else f"VACUUM ANALYZE {TagWords._meta.db_table}")
        mib = 0.0
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_total_relation_size(%s)", [TagWords._meta.db_table])
            mib = cursor.fetchone()[0] / 2**20
    tags = list(Tag.objects.filter(code__in=FIVE))
    table = TagWords.objects.filter(Q(*[has_tag(tag) for tag in tags]))
    node = {"all": [{"tag": code, "is": True} for code in FIVE]}
    rule = read_rule({"version": 1, "rule": node}, profile_fields())
    return {"found": table.count(), "table": _median(table.count), "segment": _median(lambda: people_in(rule).count()), "mib": mib}


def _median(call: Any) -> float:
    spent = []
    for _ in range(ASKED):
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return sorted(spent)[ASKED // 2]


STEPS = {"write": write, "full": full, "night": night, "ask": ask}


if __name__ == "__main__":
    run("benchmarks.tags", tags, STEPS, people=FEW)
