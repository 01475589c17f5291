"""`python -m benchmarks.engine [--quick] [--json FILE]`: ours, the peers, cvxpy and the bare solvers in one run, as ratios.

The peers are for benchmarks only: pip install -r requirements.txt -r requirements-benchmarks.txt. What is not installed is
a line that says so. Every answer is judged before it is timed; a wrong one of ours ends the run (exit 1). Without --quick
a missed bar also ends in exit 1. Real data are used where they stand beside the project.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.engine import report
from benchmarks.engine.race import Section, WrongAnswerError
from benchmarks.engine.sections import SECTIONS


def main() -> int:
    from threadpoolctl import threadpool_info, threadpool_limits

    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine")
    parser.add_argument("--quick", action="store_true", help="few repetitions: judges answers, not speed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure here")
    parser.add_argument("--only", choices=[section.__name__ for section in SECTIONS], help="one table only")
    options = parser.parse_args()
    chosen = [section for section in SECTIONS if options.only in (None, section.__name__)]
    done: list[Section] = []
    with threadpool_limits(1):
        try:
            for section in (each for make in chosen for each in make(options.quick)):
                done.append(section)
                print("\n".join(report.lines(section)), flush=True)
        except WrongAnswerError as wrong:
            print(f"\nWRONG ANSWER: {wrong}", file=sys.stderr)
            return 1
        about = report.head(options.quick, [pool["num_threads"] for pool in threadpool_info()])
    rows = [row for section in done for row in report.claims(section, options.quick)]
    print("\n" + "\n".join(row.line() for row in rows))
    print("\n" + ", ".join(f"{key} {value}" for key, value in about.items() if key != "versions"))
    print(", ".join(f"{name} {version}" for name, version in about["versions"].items()))
    if options.json:
        options.json.write_text(report.as_json(about, done), encoding="utf-8")
    return int(not options.quick and any(row.verdict == "short" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
