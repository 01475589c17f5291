"""The table, the JSON file and the claims made of the races."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.engine.race import Result, Section
from benchmarks.rows import Row

ROOT = Path(__file__).resolve().parent.parent.parent
SOLVERS = ("numpy", "scipy", "cvxpy", "clarabel", "daqp", "piqp", "osqp", "highspy")
PACKAGES = (*SOLVERS, "pyportfolioopt", "skfolio", "riskfolio-lib", "cvxcla", "pyscipopt")


def figure(section: Section, result: Result) -> str:
    if not result.timed:
        return "–"
    return f"{1 / result.seconds:,.0f} a second" if section.unit == "a second" else f"{result.seconds * 1e3:,.3f} ms"


def best(section: Section, *kinds: str) -> Result | None:
    """The quickest of some kinds that answered rightly."""
    timed = [result for result in section.results if result.kind in kinds and result.timed]
    return min(timed, key=lambda result: result.seconds, default=None)


def lines(section: Section) -> list[str]:
    """The section's table: each contender's figure, its error, and how many times as long as ours and as the best raw it takes."""
    ours, raw = best(section, "ours"), best(section, "raw")
    written = [f"\n{section.title}", f"  {'':6} {'':46} {'median':>18} {'quickest turn':>18} {'error':>8} {'x ours':>8} {'x raw':>8}"]
    for result in section.results:
        fastest = Result(result.section, result.kind, result.name, result.fastest)
        times = ["–" if reference is None or not result.timed else f"{result.seconds / reference.seconds:.2f}" for reference in (ours, raw)]
        error = f"{result.error:.0e}" if math.isfinite(result.error) else "–"
        written.append(
            f"  {result.kind:6} {result.name:46} {figure(section, result):>18} {figure(section, fastest):>18} "
            f"{error:>8} {times[0]:>8} {times[1]:>8}  {result.note}".rstrip()
        )
    return written


def claims(section: Section, quick: bool) -> list[Row]:
    """Ours beside the best peer (cvxpy where none has such a mandate) and the best raw solver, with the bar to clear."""
    ours = best(section, "ours")
    if ours is None:
        why = next((result.note for result in section.results if result.kind == "ours"), "not measured")
        return [Row(section.title, "–", verdict=why if why.startswith("not measured") else f"not measured: {why}")]
    peer = best(section, "peer" if any(result.kind == "peer" for result in section.results) else "cvxpy")
    raw = best(section, "raw")
    rows = [_row(section, ours, peer, _bar(section), _verdict(section, ours, peer, quick))]
    if raw is not None:
        rows.append(_row(section, ours, raw, "–", "ok"))
    return rows


def _row(section: Section, ours: Result, other: Result | None, bar: str, verdict: str) -> Row:
    reference = "no peer answered" if other is None else f"{other.name} {figure(section, other)}"
    ratio = "–" if other is None else f"{ours.seconds / other.seconds:.3g}"
    return Row(section.title, figure(section, ours), reference, ratio, bar, verdict)


def _verdict(section: Section, ours: Result, peer: Result | None, quick: bool) -> str:
    if quick:
        return "the answer is right; a quick run judges no time"
    in_time = section.most_ms is None or ours.seconds * 1e3 <= section.most_ms
    in_bulk = section.least_a_second is None or 1 / ours.seconds >= section.least_a_second
    ahead = section.times_best_peer is None or peer is None or peer.seconds / ours.seconds >= section.times_best_peer
    if not (in_time and in_bulk and ahead):
        return "short"
    return "ok" if peer is not None or section.times_best_peer is None else "ok in time; no peer to be ahead of is installed"


def _bar(section: Section) -> str:
    parts = [] if section.most_ms is None else [f"<= {section.most_ms:g} ms"]
    parts += [] if section.least_a_second is None else [f">= {section.least_a_second:,.0f} a second"]
    parts += [] if section.times_best_peer is None else [f"<= 1/{section.times_best_peer:g} of it"]
    return ", ".join(parts) or "–"


def head(quick: bool, threads: Sequence[int]) -> dict[str, Any]:
    """When, which commit, on what, with which versions; threads: of each BLAS and OpenMP pool loaded."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    return {
        "date": date.today().isoformat(),
        "commit": commit or "unknown",
        "machine": f"{os.cpu_count()} cores, {memory} GiB, Python {sys.version.split()[0]}",
        "load": round(os.getloadavg()[0], 2),
        "quick": quick,
        "threads": sorted(set(threads)),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def as_json(about: dict[str, Any], sections: Sequence[Section]) -> str:
    def tidy(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    tables = [
        {
            "title": section.title,
            "unit": section.unit,
            "bar": _bar(section),
            "results": [{key: tidy(value) for key, value in asdict(result).items() if key != "section"} for result in section.results],
            "claims": [asdict(row) for row in claims(section, about["quick"])],
        }
        for section in sections
    ]
    return json.dumps(about | {"sections": tables}, indent=1, ensure_ascii=False) + "\n"
