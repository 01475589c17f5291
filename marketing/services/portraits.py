"""What the nights do one after another, at once: profiles, who sleeps, tags, the day's figures, what is best done next."""

from collections.abc import Callable
from datetime import date
from time import monotonic

from marketing.models import ProfileBuild
from marketing.services.dormancy import refresh_dormancy
from marketing.services.metrics import refresh_metrics
from marketing.services.next_actions import refresh_next_actions
from marketing.services.profiles import build_profiles
from marketing.services.tag_refresh import refresh_tags
from marketing.services.tags import sync_tags

Report = Callable[[str], object]


def refresh_portraits(*, is_full: bool = False, on: date | None = None, say: Report = lambda line: None) -> None:
    """Build profiles and read from them who sleeps, which tags hold, the day's figures, and what is best done next.

    Each part writes in short blocks and is safe to repeat.
    """
    began = monotonic()
    build = build_profiles(kind=ProfileBuild.Kind.FULL if is_full else None, as_of=on)
    say(f"{build.n_done:,} profiles looked at, {build.n_rows:,} written ({build.kind}), {monotonic() - began:.1f} s")
    began = monotonic()
    say(f"{refresh_dormancy(on=on):,} changes of activity, {monotonic() - began:.1f} s")
    began = monotonic()
    sync_tags()
    refresh_tags(on=on, is_full=is_full)
    say(f"tags, {monotonic() - began:.1f} s")
    began = monotonic()
    say(f"figures of {refresh_metrics(on=on):,} audiences, {monotonic() - began:.1f} s")
    began = monotonic()
    say(f"{refresh_next_actions(on=on):,} next actions changed, {monotonic() - began:.1f} s")
