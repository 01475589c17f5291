"""Building of profiles: everybody's, or by night of whom something happened to; in blocks, and resumed where it was interrupted.

A night reads anew of everybody who they are, what they hold and what it is worth, and what they lived through with it: prices
move every day. Orders and payments, visits and tastes, and messages are read of those to whom something of the kind happened
since the build before, or out of one of whose windows something has dropped. What is left to the full build of once a week: a
row that was changed without a date of its own, and a fund that was put in another class, category or company.
"""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from advisor.models import Investor
from config.jobs import Job, claim_job, finish_job, ring_by_name, write_if_claimed
from marketing.models import Profile, ProfileBuild
from marketing.selectors.profile_columns import all_columns, moved_columns, next_block
from marketing.selectors.profile_holdings import Market, read_market
from marketing.selectors.profile_rows import Block
from marketing.selectors.profile_touched import Touched, touched
from marketing.services.profile_rows import write_profiles

TASK = "marketing.execute_profile_build"
BLOCK = 2_000
SQLITE_BLOCK = 500  # whoever else writes waits for a block
LEASE_SECONDS = 300
FULL_EVERY = timedelta(days=7)


class LostClaim(Exception):
    """Another worker has the build: what is being written is taken back."""


def request_profile_build(*, kind: str | None = None, as_of: date | None = None) -> ProfileBuild:
    """Ask for profiles of the end of a day; one that waits or is being built already is returned instead.

    Without a kind, everybody's if there was no build yet, none of everybody for a week, or the last one told of a later day.
    """
    build, is_new = _open_build(kind, as_of or timezone.localdate())
    if is_new:
        ring_by_name(TASK, build.pk, queue="bulk")
    return build


def build_profiles(*, kind: str | None = None, as_of: date | None = None) -> ProfileBuild:
    """Build profiles here and now, or go on with a build that was interrupted; one that another worker has is left to it."""
    build, _ = _open_build(kind, as_of or timezone.localdate())
    execute_profile_build(build.pk)
    build.refresh_from_db()
    return build


def _open_build(kind: str | None, day: date) -> tuple[ProfileBuild, bool]:
    with transaction.atomic():
        known = ProfileBuild.objects.select_for_update().filter(status__in=[Job.Status.QUEUED, Job.Status.RUNNING]).first()
        if known is not None:
            return known, False
        return ProfileBuild.objects.create(kind=kind or _kind_for(day), as_of=day), True


def _kind_for(day: date) -> str:
    before = _build_before()
    full = ProfileBuild.objects.filter(status=Job.Status.DONE, kind=ProfileBuild.Kind.FULL).first()
    is_enough = before and full and before.as_of <= day < full.as_of + FULL_EVERY
    return ProfileBuild.Kind.INCREMENTAL if is_enough else ProfileBuild.Kind.FULL


def _build_before() -> ProfileBuild | None:
    return ProfileBuild.objects.filter(status=Job.Status.DONE).first()


def execute_profile_build(pk: int) -> bool:
    """Build in blocks behind the last investor written; False when it is another's, or was lost to another.

    Each block and how far it brought the build are one short transaction. Safe to repeat: a row that is right is left alone.
    """
    token = claim_job(ProfileBuild, pk, lease_seconds=LEASE_SECONDS)
    if token is None:
        return False
    build = ProfileBuild.objects.get(pk=pk)
    n_total = Investor.objects.count()
    if not write_if_claimed(ProfileBuild, pk, token, lease_seconds=LEASE_SECONDS, n_total=n_total):
        return False
    market, moved, last = read_market(build.as_of), _moved(build), build.last_investor
    size = min(BLOCK, SQLITE_BLOCK) if connection.vendor == "sqlite" else BLOCK
    while (block := next_block(last, size, build.as_of)) is not None:
        last = int(block.ids[-1])
        try:
            _build_block(build, token, block, market, moved)
        except LostClaim:
            return False
    return finish_job(ProfileBuild, pk, token)


def _moved(build: ProfileBuild) -> Touched | None:
    """Whom an incremental build reads anew; None: everybody."""
    before = _build_before()
    if build.kind == ProfileBuild.Kind.FULL or before is None or before.as_of > build.as_of:
        return None
    return touched(before.queued_at, before.as_of, build.as_of)


def _build_block(build: ProfileBuild, token: UUID, block: Block, market: Market, moved: Touched | None) -> None:
    parts: list[tuple[Any, Any, bool]] = []
    known = block if moved is None else _known(block)
    if moved is not None and known is not None:
        agreed = dict(Profile.objects.filter(known.of("pk")).values_list("pk", "consent_profiling"))
        before = np.array([agreed[key] for key in known.ids.tolist()], bool)
        parts += [(ids, columns, False) for ids, columns in moved_columns(known, market, moved, before)]
    new = block if moved is None else _new(block, known)
    if new is not None:
        parts.append((new.ids, all_columns(new, market), True))
    with transaction.atomic():
        n_rows = 0
        for ids, columns, is_whole in parts:
            n_rows += write_profiles(build=build, investors=ids, columns=columns, is_whole=is_whole)
        told = {"last_investor": int(block.ids[-1]), "n_done": F("n_done") + block.n, "n_rows": F("n_rows") + n_rows}
        if not write_if_claimed(ProfileBuild, build.pk, token, lease_seconds=LEASE_SECONDS, **told):
            raise LostClaim


def _known(block: Block) -> Block | None:
    """The investors of a block who have a profile."""
    keys = np.array(list(Profile.objects.filter(block.of("pk")).order_by("pk").values_list("pk", flat=True)), np.int64)
    keys = np.intersect1d(keys, block.ids)
    return Block(keys, block.day, is_whole=len(keys) == block.n) if len(keys) else None


def _new(block: Block, known: Block | None) -> Block | None:
    keys = block.ids if known is None else np.setdiff1d(block.ids, known.ids)
    return Block(keys, block.day, is_whole=len(keys) == block.n) if len(keys) else None
