import resource
from time import monotonic, sleep
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from advisor.errors import Refused
from advisor.models import ReadviceRun
from advisor.selectors import sentence
from advisor.selectors.readvice import progress_of
from advisor.services import readvise_next_block, request_readvice

WAIT_SECONDS = 1.0


class Command(BaseCommand):
    help = "Review every goal that holds something: what is advised now, whether it is worth a change, whether its risk still fits."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--here", action="store_true", help="work in this process instead of ringing the workers, and print the times")
        parser.add_argument("--block", type=int, default=None, help="goals a block (default: of the settings; at most 5,000)")
        parser.add_argument("--force", action="store_true", help="begin another review though today has one")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["block"] is not None and options["block"] < 1:
            raise CommandError("A block has at least one goal.", returncode=2)
        began = monotonic()
        try:
            run = request_readvice(block=options["block"], force=options["force"], ring=not options["here"])
        except Refused as refused:
            raise CommandError(sentence(refused.code, refused.params)) from None
        if run.finished_at is not None:
            self.stdout.write(f"Today's review is finished: {run.n_total:,} goals. --force begins another.")
            return
        if not options["here"]:
            self.stdout.write(f"Asked for: {run.n_total:,} goals in {run.blocks.count()} blocks.")
            return
        self.work_off(run)
        self.report(run, monotonic() - began)

    def work_off(self, run: ReadviceRun) -> None:
        """Do block after block; where a worker has the last ones, wait for it, or for its lease."""
        while True:
            if readvise_next_block(run.pk):
                progress = progress_of(run)
                self.stdout.write(f"\r{progress.n_done:,} of {run.n_total:,}", ending="")
                self.stdout.flush()
                continue
            run.refresh_from_db()
            if run.finished_at is not None:
                break
            sleep(WAIT_SECONDS)
        self.stdout.write("")

    def report(self, run: ReadviceRun, seconds: float) -> None:
        progress = progress_of(run)
        spent = progress.seconds
        worked = sum(spent.values()) or 1.0
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.stdout.write(f"goals            {progress.n_done:>12,}")
        self.stdout.write(f"wall seconds     {seconds:>12.1f}")
        self.stdout.write(f"goals a second   {progress.n_done / max(seconds, 1e-9):>12,.0f}")
        for part in ("kernel", "read", "prepare", "write"):
            self.stdout.write(f"share of {part:<8}{spent.get(part, 0.0) / worked:>12.1%}")
        self.stdout.write(f"peak memory, MiB {peak:>12,.0f}")
        for name, count in sorted(progress.counts.items()):
            self.stdout.write(f"  {name:<14} {count:>12,}")
        if not run.is_current:
            raise CommandError("Some blocks failed, so the review of before stays the one that is shown.")
