"""`python -m benchmarks [--quick] [--only NAME ...]`: every scale and timing claim, each beside its reference in the same run.

A claim checks its answer before it is timed and fails on a wrong one; the others are measured all the same. --quick uses
small sizes and keeps nothing. Without it each claim's rows are kept in var/benchmarks.json with their date, commit and
machine, and docs/measured.md is written anew from them: --only measures some claims and leaves the others as they were.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

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


def claims() -> dict[str, Callable[[bool], Iterator[Any]]]:
    from benchmarks import foundation, history_store, levels, market, out_of_sample, proofs
    from benchmarks.ask import ask
    from benchmarks.assessment import assessment
    from benchmarks.behaviour import behaviour_of_everyone
    from benchmarks.capacity import capacity
    from benchmarks.dormancy import dormancy
    from benchmarks.engine.sections import engine
    from benchmarks.intake import intake
    from benchmarks.next_actions import next_actions
    from benchmarks.profiles import profiles
    from benchmarks.readvice import review_of_everyone
    from benchmarks.recommender import recommender
    from benchmarks.recommender_checks import recommender_checks
    from benchmarks.recommender_night import recommender_night
    from benchmarks.recommender_scale import recommender_scale
    from benchmarks.recommender_spark import recommender_spark
    from benchmarks.recommender_speed import recommender_speed
    from benchmarks.recommender_truth import recommender_truth
    from benchmarks.segments import segments
    from benchmarks.tags import tags

    listed = (
        *foundation.CLAIMS,
        *proofs.CLAIMS,
        *out_of_sample.CLAIMS,
        *levels.CLAIMS,
        *market.CLAIMS,
        *history_store.CLAIMS,
        capacity,
        engine,
        review_of_everyone,
        behaviour_of_everyone,
        assessment,
        ask,
        intake,
        profiles,
        dormancy,
        tags,
        segments,
        recommender,
        recommender_checks,
        recommender_speed,
        recommender_night,
        recommender_truth,
        recommender_scale,
        recommender_spark,
        next_actions,
    )
    return {claim.__name__: claim for claim in listed}


def measured(kept: dict[str, Any], names: list[str], before: str) -> str:
    """The page of all claims that were measured, in their order; of one not kept here, what the page said before."""
    stood = {section.partition("\n")[0]: section.strip() for section in before.split("\n## ")[1:]}
    parts = ["# Measured\n\nBy `make prove`. Data are simulated unless a row says otherwise."]
    for name in names:
        title = name.replace("_", " ").capitalize()
        if name in kept:
            head, rows = kept[name]["head"], kept[name]["rows"]
            lines = [f"| {' | '.join(row[key] for key in ('claim', 'ours', 'reference', 'ratio', 'bound', 'verdict'))} |" for row in rows]
            said = f"## {title}\n\n{head['date']}, commit {head['commit']}, {head['machine']}."
            parts.append("\n".join([said, "", "| claim | ours | reference | ratio | must | |", "|---|---|---|---|---|---|", *lines]))
        elif title in stood:
            parts.append(f"## {stood[title]}")
    return "\n\n".join(parts) + "\n"


def quickly(names: list[str]) -> int:
    """Claims in processes of their own, one a core at a time: no time of a quick run is judged, so they may share the machine."""

    def ended(name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "benchmarks", "--quick", "--only", name]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    is_wrong = False
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for one in threads.map(ended, names):
            sys.stdout.write(one.stdout)
            sys.stdout.flush()
            sys.stderr.write(one.stderr if one.returncode else "")
            is_wrong |= one.returncode != 0
    return int(is_wrong)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="the claims to measure")
    options = parser.parse_args()

    import django

    django.setup()
    from django.conf import settings

    known = claims()
    wanted = options.only or list(known)
    for name in wanted:
        if name not in known:
            parser.error(f"there is no claim {name}; there are {', '.join(known)}")
    if options.quick and len(wanted) > 1:
        return quickly(wanted)
    store = settings.VAR_DIR / "benchmarks.json"
    kept = json.loads(store.read_text()) if store.exists() else {}
    machine = f"{os.cpu_count()} cores, {memory_gib()} GiB, Python {sys.version.split()[0]}"
    is_short = is_wrong = False
    for name in wanted:
        rows = []
        # Work beside a measurement makes its times upper bounds: the page says how much there was.
        shared = f"{machine}, load {os.getloadavg()[0]:.1f} as it began"
        head = {"date": date.today().isoformat(), "commit": commit(), "machine": shared}
        try:
            for row in known[name](options.quick):
                rows.append(asdict(row))
                is_short |= row.verdict == "short"
                sys.stdout.write(row.line() + "\n")
                sys.stdout.flush()
        except Exception as failure:
            is_wrong = True
            sys.stderr.write(f"{name} failed, nothing of it is kept: {type(failure).__name__}: {failure}\n")
            continue
        if not options.quick:
            kept[name] = {"head": head, "rows": rows}
            store.write_text(json.dumps(kept, indent=1))
            page = ROOT / "docs/measured.md"
            page.write_text(measured(kept, list(known), page.read_text(encoding="utf-8")), encoding="utf-8")
    # A shared machine is noisy: --quick fails on a wrong answer only, the bounds bind in the full run.
    return int(is_wrong or (not options.quick and is_short))


if __name__ == "__main__":
    sys.exit(main())
