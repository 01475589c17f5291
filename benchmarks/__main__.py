"""`python -m benchmarks [--quick]`: every scale and timing claim, each beside its reference in the same run.

A claim checks its answer before it is timed and fails on a wrong one. --quick uses small sizes and writes nothing but
var/benchmarks.json; without it docs/measured.md is written anew.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent


def commit() -> str:
    return (
        subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
        or "unknown"
    )


def memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick

    import django

    django.setup()
    from benchmarks.engine.sections import engine
    from benchmarks.foundation import CLAIMS
    from benchmarks.out_of_sample import CLAIMS as OUT_OF_SAMPLE
    from benchmarks.proofs import CLAIMS as PROOFS
    from benchmarks.readvice import review_of_everyone

    rows = []
    for claim in (*CLAIMS, *PROOFS, *OUT_OF_SAMPLE, engine, review_of_everyone):
        for row in claim(quick):
            rows.append(row)
            sys.stdout.write(row.line() + "\n")
            sys.stdout.flush()
    machine = f"{os.cpu_count()} cores, {memory_gib()} GiB, Python {sys.version.split()[0]}"
    head = {"date": date.today().isoformat(), "commit": commit(), "machine": machine, "quick": quick}
    from django.conf import settings

    (settings.VAR_DIR / "benchmarks.json").write_text(json.dumps(head | {"rows": [asdict(row) for row in rows]}, indent=1))
    if not quick:
        table = "\n".join(f"| {row.claim} | {row.ours} | {row.reference} | {row.ratio} | {row.bound} | {row.verdict} |" for row in rows)
        (ROOT / "docs/measured.md").write_text(
            f"# Measured\n\nBy `make prove` on {head['date']}, commit {head['commit']}, {machine}. "
            "Data are simulated unless a row says otherwise.\n\n"
            f"| claim | ours | reference | ratio | must | |\n|---|---|---|---|---|---|\n{table}\n",
            encoding="utf-8",
        )
    # A shared machine is noisy: --quick fails on a wrong answer only, the bounds bind in the full run.
    return int(not quick and any(row.verdict == "short" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
