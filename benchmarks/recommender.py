"""How well each recommender ranks on MovieLens-100k and Last.fm: settings chosen on validation, the test looked at once.

`python -m benchmarks.recommender [--quick]` measures it alone. MovieLens-100k lies in the wheel of `recbole` on the package
registry; it is read from there (a full run fetches the wheel into var/ where it is not), and never kept in the project.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.rows import Row

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
ROOT = Path(__file__).resolve().parent.parent
LASTFM = ROOT.parent / "shared/data/lastfm/user_artists.dat"
WHEEL, MEMBER = "recbole-1.2.1-py3-none-any.whl", "recbole/dataset_example/ml-100k/ml-100k.inter"
MEMBER_SHA256 = "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff"
FETCH_SECONDS = 120
SEED = 42
LEAST_BEST, POPULARITY = 0.46, (0.24, 0.26)
PUBLISHED = "BiVAE .475"
FEW = 25_000  # interactions of a quick run


def recommender(quick: bool) -> Iterator[Row]:
    """MovieLens-100k against its bounds, then Last.fm without any."""
    wheel, why = _wheel(fetches=not quick)
    if wheel is None:
        yield Row("MovieLens-100k", "–", verdict=f"not measured: {why}")
    else:
        yield from _movielens(wheel, quick)
    if LASTFM.is_file():
        yield from _table("Last.fm", _measured(*_lastfm(), quick))
    else:
        yield Row("Last.fm", "–", verdict="not measured: the data set is not beside the project")


def _movielens(wheel: Path, quick: bool) -> Iterator[Row]:
    found = _measured(*_ratings(wheel), quick)
    best, popular = (found["models"][name]["ndcg@10"] for name in (found["best"], "popularity"))
    low, high = POPULARITY

    def judged(is_ok: bool) -> str:
        return "not judged: a quick run" if quick else "ok" if is_ok else "short"

    name = f"MovieLens-100k, 75/25 a person, seed {SEED}: nDCG@10 of the best, {found['best']}"
    yield Row(name, f"{best:.4f}", PUBLISHED, f"{best / 0.475:.2f}", f">= {LEAST_BEST}", judged(best >= LEAST_BEST))
    yield Row("  of popularity", f"{popular:.4f}", "–", "–", f"{low}-{high}", judged(low <= popular <= high))
    yield from _table("MovieLens-100k", found)


def _table(title: str, found: dict[str, Any]) -> Iterator[Row]:
    data = found["data"]
    told = f"{data['users']:,} x {data['items']:,}, {data['train_pairs']:,} to learn from, {data['test_pairs']:,} to find"
    yield Row(f"{title}: {told}", f"{data['test_users']:,} people")
    popular = found["models"]["popularity"]["ndcg@10"]
    for name, one in sorted(found["models"].items(), key=lambda one: -one[1]["ndcg@10"]):
        low, high = one["interval"]["low"], one["interval"]["high"]
        more = f"recall {one['recall@10']:.3f}, MAP {one['map@10']:.3f}, coverage {one['coverage']:.2f}, novelty {one['novelty']:.1f}"
        of = f"{popular:.3f} of popularity"
        chosen = f"best of {one['settings_tried']}" if one["settings_tried"] > 1 else "nothing to choose"
        yield Row(f"  {name} ({chosen}): {more}", f"{one['ndcg@10']:.4f} [{low:.3f}, {high:.3f}]", of, f"{one['ndcg@10'] / popular:.2f}")


def _measured(user: Any, item: Any, weight: Any, quick: bool) -> dict[str, Any]:
    from marketing.services.interaction_files import Histories, compare

    if quick:
        kept = user < np.sort(user)[min(FEW, len(user)) - 1]
        user, item, weight = user[kept], item[kept], weight[kept]
    places = [pd.factorize(column)[0].astype(np.int64) for column in (user, item)]  # as the command numbers them: the same split
    return compare(Histories(*places, weight), split="per_user", seed=SEED, is_quick=quick)


def _ratings(wheel: Path) -> tuple[Any, Any, Any]:
    """Users, items and ones: every rating is a positive."""
    with zipfile.ZipFile(wheel) as file:
        content = file.read(MEMBER)
    if hashlib.sha256(content).hexdigest() != MEMBER_SHA256:
        raise AssertionError(f"{MEMBER} of {wheel.name} is not the file that is meant")
    rows = np.array([line.split("\t")[:2] for line in content.decode().splitlines()[1:]], dtype=np.int64)
    return rows[:, 0], rows[:, 1], np.ones(len(rows))


def _lastfm() -> tuple[Any, Any, Any]:
    rows = np.loadtxt(LASTFM, dtype=np.int64, skiprows=1)
    return rows[:, 0], rows[:, 1], rows[:, 2].astype(np.float64)


def _wheel(*, fetches: bool) -> tuple[Path | None, str]:
    """The wheel that MovieLens-100k lies in, or why there is none."""
    from django.conf import settings

    kept = Path(settings.VAR_DIR) / "benchmarks"
    if not (kept / WHEEL).is_file():
        if not fetches:
            return None, f"{WHEEL} is not in {kept.name}/ of var, and a quick run fetches nothing"
        version = WHEEL.split("-")[1]
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(kept), f"recbole=={version}"]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=FETCH_SECONDS)
        except subprocess.TimeoutExpired:
            return None, f"recbole=={version} did not arrive within {FETCH_SECONDS} s"
        if ended.returncode or not (kept / WHEEL).is_file():
            return None, f"recbole=={version} could not be fetched: {(ended.stderr.strip().splitlines() or ['no reason given'])[-1][:120]}"
    return kept / WHEEL, ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recommender")
    parser.add_argument("--quick", action="store_true")
    import django

    django.setup()
    for row in recommender(parser.parse_args().quick):
        sys.stdout.write(row.line() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
