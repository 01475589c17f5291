import json
import resource
from datetime import date
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from advisor.models import Investor, RecordRoot
from advisor.selectors.record import ROOTS_VERIFIED, Reading, in_words, verify_chain, verify_record


class Command(BaseCommand):
    help = "Verify the record of advice: every entry, what it tells, every chain, and the roots. Exits with 1 if anything is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--investor", type=int, metavar="PK", help="only this investor's chain")
        parser.add_argument(
            "--roots", type=int, default=ROOTS_VERIFIED, metavar="N", help="sum up the roots of the last N days again (default: 7)"
        )
        parser.add_argument(
            "--root", action="append", default=[], metavar="DAY=ROOT", help="a root as the log has it: 2026-11-22=3f0c...; repeat for more"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        began = monotonic()
        pk = options["investor"]
        if pk is not None and not Investor.objects.filter(pk=pk).exists():
            raise CommandError(f"There is no investor {pk}.", returncode=2)
        wrong_roots = [
            day for day, root in map(self.read_root, options["root"]) if not RecordRoot.objects.filter(day=day, root=root).exists()
        ]
        reading = verify_chain(pk) if pk is not None else verify_record(n_roots=max(0, options["roots"]))
        seconds = monotonic() - began
        if options["json"]:
            self.stdout.write(json.dumps(self.as_json(reading, wrong_roots, seconds), ensure_ascii=False))
        else:
            self.report(reading, wrong_roots, seconds)
        if reading.n_findings or wrong_roots:
            raise SystemExit(1)

    @staticmethod
    def read_root(text: str) -> tuple[date, str]:
        day, _, root = text.partition("=")
        try:
            return date.fromisoformat(day), root.strip().lower()
        except ValueError:
            raise CommandError(f"{text} is no DAY=ROOT, such as 2026-11-22=3f0c...", returncode=2) from None

    @staticmethod
    def as_json(reading: Reading, wrong_roots: list[date], seconds: float) -> dict[str, Any]:
        findings = [
            {"investor": one.investor_id, "seq": one.seq, "code": one.code, "detail": one.detail, "said": in_words(one)}
            for one in reading.findings
        ]
        numbers = {name: getattr(reading, name) for name in ("n_investors", "n_records", "n_roots", "n_findings")}
        is_ok = not reading.n_findings and not wrong_roots
        other = {"roots_other_than_logged": [day.isoformat() for day in wrong_roots], "findings": findings}
        return {"ok": is_ok, **numbers, **other, "seconds": round(seconds, 3)}

    def report(self, reading: Reading, wrong_roots: list[date], seconds: float) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        read = f"{reading.n_records:,} entries of {reading.n_investors:,} investors and {reading.n_roots} roots"
        self.stdout.write(f"{read} in {seconds:.1f} s, {peak:,.0f} MiB.")
        for one in reading.findings:
            where = f"investor {one.investor_id}, entry {one.seq}: " if one.investor_id else ""
            self.stdout.write(self.style.ERROR(where + in_words(one)))
        if reading.n_findings > len(reading.findings):
            self.stdout.write(f"and {reading.n_findings - len(reading.findings):,} more")
        for day in wrong_roots:
            self.stdout.write(self.style.ERROR(f"The root of {day} is another than the one you gave."))
        if not reading.n_findings and not wrong_roots:
            self.stdout.write("Nothing is wrong.")
