"""Who has which tag: worked out by night in blocks of investors, compared with what is stored, and only what differs is written.

A full refresh works out every tag of everybody. Otherwise a profile that was written anew since the last refresh is worked
out whole, and of every other one only the tags that may turn by themselves (days go by, activity is read after the
profile), the new ones, and those that name one of them. A tag with a problem keeps the bits that it had: a fault in a
rule must not change whom a campaign speaks to overnight. Bits of tags that need consent are cleared for whoever withdrew it.

Gained and lost are dated rows, one a change a day: what turns back on the same day leaves none. That a tag is new, or its
rule, says nothing about people: its first refresh counts no change.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
from django.db import IntegrityError, transaction
from django.db.models import Max, Min, Q
from django.utils import timezone
from numpy.typing import NDArray

from config.jobs import Job, claim_job, finish_job, ring_by_name, write_if_claimed
from marketing.kernels.tag_words import Place, Words, flips, mask_of, merge, pack, sizes
from marketing.kernels.tags import CONSENT, Plan, Program, evaluate, program_for
from marketing.models import Profile, ProfileBuild, Tag, TagChange, TagRefresh, TagSize
from marketing.models.tags import N_WORDS
from marketing.selectors.tag_columns import next_profiles, read_columns, stored_words
from marketing.selectors.tags import active_tags, codes_resting_on, is_moving
from marketing.services.tag_rows import delete_changes, write_changes, write_words
from marketing.services.tags import block_size, free_retired_places, give_places, note_traits, sync_tags

TASK = "marketing.execute_tag_refresh"
LEASE_SECONDS = 300
UNFINISHED = (Job.Status.QUEUED, Job.Status.RUNNING)


@dataclass(frozen=True, slots=True)
class Part:
    """Some profiles of each block, and the tags that are worked out for them."""

    where: Q
    program: Program
    places: dict[str, Place]

    @property
    def mask(self) -> NDArray[np.int64]:
        return mask_of([self.places[code] for code in self.program.answers], N_WORDS)


@dataclass(frozen=True, slots=True)
class Work:
    """What stays the same from block to block."""

    day: date
    parts: list[Part]
    tag_at: dict[Place, int]
    silent: frozenset[int]  # tags whose changes say nothing about people
    consent_mask: NDArray[np.int64]


@dataclass(slots=True)
class Counts:
    people: int = 0
    flips: int = 0


# ── The job ──────────────────────────────────────────────────────────────────────────────────────────────────────


def refresh_tags(*, on: date | None = None, is_full: bool = False) -> TagRefresh:
    """Work out the tags as of a day, here and now, or go on with what was interrupted; returns the run.

    Safe to repeat, the same day as well. While another process is at it, its run is returned as it stands.
    """
    run = request_tag_refresh(on=on, is_full=is_full)
    execute_tag_refresh(run.pk)
    run.refresh_from_db()
    return run


def request_tag_refresh(*, on: date | None = None, is_full: bool = False) -> TagRefresh:
    """Queue a refresh, or return the unfinished one of the same day. One of an earlier day that nobody works on is given up.

    Raises ValueError for a day before the last one that was worked out: history is only written forwards.
    """
    day = on or timezone.localdate()
    last = TagRefresh.objects.filter(status=Job.Status.DONE).aggregate(day=Max("as_of"))["day"]
    if last and day < last:
        raise ValueError(f"tags are worked out as of {last} already: {day} lies before it")
    is_over = ~Q(status__in=UNFINISHED)
    TagRefresh.objects.filter(is_over, slot__isnull=False).update(slot=None)
    is_free = Q(status=Job.Status.QUEUED) | Q(lease_until__lt=timezone.now())
    TagRefresh.objects.filter(is_free, slot__isnull=False).exclude(as_of=day).update(
        status=Job.Status.FAILED, error={"code": "overtaken"}, slot=None, finished_at=timezone.now()
    )
    try:
        with transaction.atomic():
            run, is_new = TagRefresh.objects.get_or_create(slot=1, defaults={"as_of": day, "is_full": is_full})
    except IntegrityError:  # asked for by another in between
        run, is_new = TagRefresh.objects.get(slot=1), False
    if is_full and not is_new:
        TagRefresh.objects.filter(pk=run.pk, status=Job.Status.QUEUED).update(is_full=True)
    return run


def ask_for_tag_refresh() -> None:
    """Have the tags worked out soon by a worker: what a marketer made or retired is not to wait for the night."""
    with transaction.atomic():
        ring_by_name(TASK, request_tag_refresh().pk, queue="bulk")


def begin_tag_night() -> None:
    """Bring the shipped tags up to date, companies that are newly sold among them, and have all tags worked out."""
    sync_tags()
    ask_for_tag_refresh()


def execute_tag_refresh(pk: int) -> bool:
    """Work on a refresh until it is done; False where another has it. Whoever is interrupted goes on behind the last whole block."""
    token = claim_job(TagRefresh, pk, lease_seconds=LEASE_SECONDS)
    if token is None:
        return False
    run = TagRefresh.objects.get(pk=pk)
    if run.started_at is None:
        _begin(run, token)
    work = _work_of(run)
    while block := next_profiles(run.last_investor, block_size()):
        if not _work_on_block(run, work, block, token):
            return False
    return _finish(run, work, token)


def _begin(run: TagRefresh, token: UUID) -> None:
    """Note what the run starts from: a profile of a build that is not over yet may be written after it was read."""
    unfinished = ProfileBuild.objects.filter(status__in=UNFINISHED).aggregate(pk=Min("pk"))["pk"]
    newest = Profile.objects.aggregate(version=Max("version"))["version"] or 0
    run.started_at, run.version_floor = timezone.now(), min(newest + 1, unfinished or newest + 1)
    run.n_total, run.sizes = Profile.objects.count(), np.zeros((N_WORDS, 60), int).tolist()
    names = ("started_at", "version_floor", "n_total", "sizes")
    write_if_claimed(TagRefresh, run.pk, token, **{name: getattr(run, name) for name in names})


def _work_of(run: TagRefresh) -> Work:
    """Bring places and problems up to date, and say which tags are worked out for whom."""
    free_retired_places()
    plan = note_traits()
    give_places()
    # A rule that was changed after the run began waits for the next one: half of the people would have it, half not.
    tags = list(active_tags().filter(word__isnull=False, defined_at__lte=run.started_at))
    places = {tag.code: (int(tag.word or 0), int(tag.bit or 0)) for tag in tags}
    new = codes_resting_on(plan, {tag.code for tag in tags if tag.counted_from is None})
    return Work(
        run.as_of,
        _parts(run, plan, places, new),
        {places[tag.code]: tag.pk for tag in tags},
        frozenset(tag.pk for tag in tags if tag.code in new),
        mask_of([places[tag.code] for tag in tags if tag.needs_consent], N_WORDS),
    )


def _parts(run: TagRefresh, plan: Plan, places: dict[str, Place], new: set[str]) -> list[Part]:
    everything = program_for(plan, places)
    before = TagRefresh.objects.filter(status=Job.Status.DONE).order_by("-pk").first()
    if run.is_full or before is None:
        return [Part(Q(), everything, places)]
    moving = [code for code in places if code in plan.slots and (code in new or is_moving(plan, code))]
    floor = before.version_floor
    return [Part(Q(version__gte=floor), everything, places), Part(Q(version__lt=floor), program_for(plan, moving), places)]


def _finish(run: TagRefresh, work: Work, token: UUID) -> bool:
    counted = np.array(run.sizes)
    rows = [TagSize(tag_id=pk, date=run.as_of, n=int(counted[word, bit])) for (word, bit), pk in work.tag_at.items()]
    with transaction.atomic():
        if not finish_job(TagRefresh, run.pk, token, slot=None):
            return False
        TagSize.objects.bulk_create(rows, update_conflicts=True, unique_fields=["tag", "date"], update_fields=["n"], batch_size=500)
        Tag.objects.filter(pk__in=work.tag_at.values(), counted_from=None, problem="").update(counted_from=run.as_of)
    if active_tags().filter(defined_at__gt=run.started_at).exists() or Tag.objects.filter(retired_at__gt=run.started_at).exists():
        ask_for_tag_refresh()
    return True


# ── A block ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _work_on_block(run: TagRefresh, work: Work, block: tuple[int, int], token: UUID) -> bool:
    """Work out one block, write it, and move on if the run is still ours."""
    upto, n = block
    counted, changed = np.array(run.sizes), Counts()
    for part in work.parts:
        ids, columns = read_columns(run.last_investor, upto, part.program.fields | {CONSENT}, part.where)
        if len(ids):
            answers = evaluate(part.program, columns, work.day.toordinal())
            new = pack({part.places[code]: holds for code, holds in answers.items()}, N_WORDS, len(ids))
            counted += sizes(_write(work, ids, (new, part.mask, columns[CONSENT]), changed))
    run.last_investor, run.sizes, run.n_done = upto, counted.tolist(), run.n_done + n
    run.n_changed, run.n_flips = run.n_changed + changed.people, run.n_flips + changed.flips
    names = ("last_investor", "sizes", "n_done", "n_changed", "n_flips")
    return write_if_claimed(TagRefresh, run.pk, token, lease_seconds=LEASE_SECONDS, **{name: getattr(run, name) for name in names})


def _write(work: Work, ids: NDArray[np.int64], given: tuple[Words, Words, NDArray[np.bool_]], counts: Counts) -> Words:
    """Write of these people what differs from what is stored, with its dated rows; returns their words as they are now."""
    new, mask, agreed = given
    with transaction.atomic():
        before = stored_words(ids, lock=True)
        after = merge(before, new, mask)
        after[:, ~agreed] &= ~work.consent_mask[:, None]
        differs = np.flatnonzero((before != after).any(axis=0))
        if len(differs):
            write_words(ids[differs], after[:, differs])
            counts.people += len(differs)
            counts.flips += _note_changes(work, ids[differs], before[:, differs], after[:, differs])
    return after


def _note_changes(work: Work, ids: NDArray[np.int64], before: Words, after: Words) -> int:
    """Write gained and lost. A bit that turned earlier today and turns again is back where the day began: its row goes."""
    turned = [(place, work.tag_at[place], people) for place, people in flips(before, after) if place in work.tag_at]
    today = _changes_of(work.day, [tag for _place, tag, _people in turned], ids)
    investors: list[int] = []
    tags: list[int] = []
    gained: list[bool] = []
    back: list[int] = []
    for (word, bit), tag, people in turned:
        known = today.get(tag, {})
        back += [known[pk] for pk in ids[people].tolist() if pk in known]
        if tag in work.silent:
            continue
        fresh = people if not known else people[[pk not in known for pk in ids[people].tolist()]]
        investors += ids[fresh].tolist()
        tags += [tag] * len(fresh)
        gained += ((after[word, fresh] >> np.int64(bit)) & 1).astype(bool).tolist()
    delete_changes(back)
    write_changes(investors, tags, gained, work.day)
    return len(investors)


def _changes_of(day: date, tags: list[int], ids: NDArray[np.int64]) -> dict[int, dict[int, int]]:
    """Changes of a day that are there already: {tag: {investor: key of the row}}."""
    rows = TagChange.objects.filter(tag_id__in=tags, date=day, investor_id__gte=int(ids[0]), investor_id__lte=int(ids[-1]))
    found: dict[int, dict[int, Any]] = {}
    for tag, investor, pk in rows.values_list("tag_id", "investor_id", "pk"):
        found.setdefault(tag, {})[investor] = pk
    return found
