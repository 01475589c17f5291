"""Are planted tastes found? Simulated people click as the demo's do, each after a taste that is known, and a model sees the clicks alone.

`python -m benchmarks.recommender_truth [--quick]` measures it alone. Of the ten funds suggested to somebody, none of which they have
looked at, how many are of the kind that they were made to like best: beside popularity, and beside funds drawn by chance.
"""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.rows import Row

PEOPLE, FEW = 20_000, 1_500
FUNDS, KINDS = 240, 12
EACH, SEED = 10, 42
MODEL = "als"
BOUND = 2.0  # times chance, for each persona


def recommender_truth(quick: bool) -> Iterator[Row]:
    """A row a persona: the share of suggestions of the liked kind."""
    n = FEW if quick else PEOPLE
    title = f"planted tastes of {n:,} simulated people, {KINDS} kinds of {FUNDS} funds: share found by {MODEL}"
    for persona, found in found_by_persona(n, SEED).items():
        ratio = found[MODEL] / found["chance"]
        reference = f"popularity {found['popularity']:.2f}, chance {found['chance']:.2f}"
        yield Row(f"{title}, {persona} ({found['people']:,})", f"{found[MODEL]:.2f}", reference, f"{ratio:.1f}", f">= {BOUND:.0f} x chance",
                  "ok" if ratio >= BOUND else "short")  # fmt: skip
        title = " "


def found_by_persona(n: int, seed: int) -> dict[str, dict[str, float]]:
    """Of each persona with at least one look: how many people, and the mean share of their suggestions of the kind liked best."""
    from demo.people import Persona
    from marketing.kernels.interactions import confidence_matrix
    from marketing.kernels.recommenders.registry import candidates

    who, kind_of_fund, seen = simulated_looks(n, seed)
    matrix = confidence_matrix(seen)
    liked = who.liking.argmin(axis=1)[matrix.users]
    kinds = kind_of_fund[matrix.items]
    touched = matrix.values.astype(bool).toarray()
    untouched_liked = ((kinds == liked[:, None]) & ~touched).sum(axis=1)
    shares: dict[str, Any] = {"chance": untouched_liked / np.maximum((~touched).sum(axis=1), 1)}
    rows, columns = np.arange(len(matrix.users)), np.arange(len(matrix.items))
    for name in ("popularity", MODEL):
        model = candidates(seed)[name]()
        model.fit(matrix.values)
        items = model.rank(rows, matrix.values, n=EACH, allowed=columns).items
        hits = ((kinds[items] == liked[:, None]) & (items >= 0)).sum(axis=1)
        shares[name] = hits / np.maximum((items >= 0).sum(axis=1), 1)
    persona = who.persona[matrix.users]
    return {
        str(one): {"people": int((persona == at).sum()), **{name: float(share[persona == at].mean()) for name, share in shares.items()}}
        for at, one in enumerate(Persona)
        if (persona == at).any()
    }


def simulated_looks(n: int, seed: int) -> tuple[Any, Any, Any]:
    """People of the demo's personas, the kind of each fund, and which fund pages they opened in half a year."""
    from demo.clicks import DAY, FUND, Places, Visitors, draw_clicks, seeds
    from demo.people import PERSONAS
    from marketing.kernels.interactions import KINDS as ACTS
    from marketing.kernels.interactions import Interactions

    random = np.random.default_rng(seed)
    shares, months, visits = (list(column) for column in zip(*PERSONAS.values(), strict=True))
    persona = random.choice(len(shares), n, p=np.array(shares) / sum(shares))
    low, high = np.array(months)[persona].T
    kind_of_fund = np.arange(FUNDS) % KINDS
    who = Visitors(
        seed=seeds(np.arange(n), seed),
        persona=persona,
        visits_a_month=np.array(visits)[persona] * random.gamma(2.0, 0.5, n),
        entered=-((low + random.random(n) * (high - low)) * 30.4 * DAY).astype(np.int64) - DAY,
        agrees=np.ones(n, bool),
        finished=np.ones(n, bool),
        liking=random.random((n, KINDS)),
    )
    clicks = draw_clicks(who, Places(category=kind_of_fund, n_items=10, weekday=0))
    looks = clicks.taken((clicks.kind == FUND) & (clicks.visitor < 0))
    kind = np.full(len(looks.person), ACTS.index("view"), np.int8)
    return who, kind_of_fund, Interactions(looks.person.astype(np.int64), looks.item.astype(np.int64), kind, -looks.second / DAY)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recommender_truth")
    parser.add_argument("--quick", action="store_true")
    for row in recommender_truth(parser.parse_args().quick):
        sys.stdout.write(row.line() + "\n")


if __name__ == "__main__":
    main()
