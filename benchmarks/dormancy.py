"""Who has stopped deciding: published figures, a holdout of real customers, a million simulated ones, personas, and a night.

`python -m benchmarks.dormancy [--quick]` measures it alone. What needs the database runs in a process and a folder of its
own, on the database of DORMANCY_DATABASE_URL where that is set (it must be empty).
"""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rows import Row
from benchmarks.steps import Installation, installation, peak_mib, run

ROOT = Path(__file__).resolve().parent.parent
CDNOW = ROOT.parent / "shared" / "data" / "cdnow"
PUBLISHED = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
LOG_LIKELIHOOD = -9582.43
CUSTOMERS, FEW, PLAIN = 1_000_000, 20_000, 1_000_000
FIT_SECONDS, SCORE_SECONDS = 5.0, 1.0
PERSONAS, FEW_PERSONAS = 2_000, 120
DATABASE = "DORMANCY_DATABASE_URL"


def dormancy(quick: bool) -> Iterator[Row]:
    """Published figures first; then a holdout, speed, and what the states say of simulated people who are known."""
    if CDNOW.is_dir():
        yield from _published()
        yield from _holdout()
    else:
        yield Row("CDNOW", "–", verdict="not measured: the data set is not beside the project")
    with installation("benchmarks.dormancy", DATABASE) as fresh:
        yield from _speed(fresh, quick)
        n = FEW_PERSONAS if quick else PERSONAS
        for command in ("migrate -v0", "sync_roles", "sync_instruments", f"load_demo --investors {n} --funds {80 if quick else 300}"):
            fresh.manage(*command.split())
        found = fresh.step("personas")
    yield from _personas(found)


def _published() -> Iterator[Row]:
    from marketing.services.dormancy_files import fit_transactions_file

    asked = {"calibration_end": date(1997, 9, 30), "unit": "week", "horizon": 39.0}
    found = fit_transactions_file(path=CDNOW / "CDNOW_sample.txt", model="bgnbd", **asked).fit
    ours = {name: getattr(found.parameters, name) for name in PUBLISHED}
    is_there = all(abs(ours[name] - PUBLISHED[name]) <= 0.005 for name in PUBLISHED) and abs(found.log_likelihood - LOG_LIKELIHOOD) <= 0.01
    assert is_there, f"CDNOW came out as {ours}, {found.log_likelihood}"
    told = ", ".join(f"{name} {value:.4f}" for name, value in ours.items())
    reference = ", ".join(f"{value}" for value in PUBLISHED.values())
    yield Row(
        f"BG/NBD on CDNOW's 1/10 sample (2,357 real customers): {told}",
        f"{found.log_likelihood:.2f}",
        f"{reference}: {LOG_LIKELIHOOD}",
        "–",
        "± .005, ± .01",
    )


def _holdout() -> Iterator[Row]:
    from marketing.services.dormancy_files import fit_transactions_file

    asked = {"calibration_end": date(1997, 9, 30), "unit": "week", "horizon": 39.0, "with_report": True}
    for model in ("bgnbd", "mbgnbd"):
        report = fit_transactions_file(path=CDNOW / "CDNOW_master.txt.gz", model=model, **asked).report
        totals = report["expected"], report["actual"]
        name = f"{model} on CDNOW's master file (23,570 real customers), 39 weeks ahead: transactions"
        yield Row(name, f"{totals[0]:,.0f}", f"came {totals[1]:,.0f}", f"{totals[0] / totals[1]:.2f}")
        for one in report["bins"]:
            label = f"{one['frequency']}{'+' if one['is_open'] else ''}"
            ratio = f"{one['expected'] / one['actual']:.2f}"
            yield Row(f"  {one['n']:,} with {label} repeats before", f"{one['expected']:.3f} each", f"came {one['actual']:.3f}", ratio)
        naive = report["areas"]["naive"]
        for score, title in (
            ("p_alive", "P(alive)"),
            ("p_any", "P(comes again)"),
            ("expected", "expected transactions"),
            ("silence", "days of silence alone"),
        ):
            area, gap = report["areas"][score], report["differences"][score]
            yield Row(
                f"  who comes again, by {title}: AUC [95 % interval]; gap {gap['value']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]",
                f"{area['value']:.3f} [{area['low']:.3f}, {area['high']:.3f}]",
                f"naive 90 days {naive['value']:.3f}",
            )  # fmt: skip


def _speed(fresh: Installation, quick: bool) -> Iterator[Row]:
    n = FEW if quick else CUSTOMERS
    for kind in ("weeks", "days"):
        ours = fresh.step("speed", customers=n, kind=kind)
        name = f"{n:,} simulated customers in whole {kind}, {ours['groups']:,} histories"
        yield Row(
            f"{name}: group and fit",
            f"{ours['fit']:.2f} s",
            "–",
            "–",
            f"<= {FIT_SECONDS:.0f} s",
            _verdict(quick, ours["fit"] <= FIT_SECONDS),
        )
        yield Row(
            "  score: P(alive) and transactions in 39 weeks",
            f"{ours['score']:.2f} s",
            "–",
            "–",
            f"<= {SCORE_SECONDS:.0f} s",
            _verdict(quick, ours["score"] <= SCORE_SECONDS),
        )
        yield Row(
            "  peak memory of the process, of which the customers themselves take the second figure",
            f"{ours['peak_mib']:.0f} MiB",
            f"{ours['data_mib']:.0f} MiB",
        )
        if kind == "weeks":
            plain = fresh.step("plain", customers=n if quick else PLAIN, kind=kind)
            assert abs(plain["log_likelihood"] - ours["log_likelihood"]) < 0.5, "the plain fit ends elsewhere"
            yield Row(
                "  the same maximum by a plain scipy fit, a row a customer, differences for a gradient",
                f"{ours['fit']:.2f} s",
                f"{plain['fit']:.1f} s",
                f"{plain['fit'] / ours['fit']:.0f}x",
            )


def _personas(found: dict[str, Any]) -> Iterator[Row]:
    table = {tuple(key.split("/")): n for key, n in found["table"].items()}
    states = ("new", "active", "calm", "cooling", "dormant", "lost")
    for persona in sorted({key[0] for key in table}):
        counts = ", ".join(f"{state} {table[persona, state]}" for state in states if (persona, state) in table)
        yield Row(f"simulated persona {persona}: {counts}", f"{sum(n for key, n in table.items() if key[0] == persona)}")
    wrong = sum(table.get((persona, state), 0) for persona in ("calm", "saver") for state in ("cooling", "dormant", "lost"))
    assert wrong == 0, f"{wrong} calm holders or plan savers are said to sleep"
    yield Row("  calm holders and plan savers who are said to cool, sleep or be lost", str(wrong), "–", "–", "0")
    asleep, idle = found["asleep_with_idle_cash"], found["sleepers_with_idle_cash"]
    assert asleep == idle > 0, f"{asleep} of {idle} sleepers with idle cash are said to sleep"
    yield Row("  sleepers with idle cash who are said to be dormant", f"{asleep} of {idle}", "–", "–", "all")
    yield Row(f"  reading {found['people']:,} people once more: profiles are there, the fit is of the week", f"{found['seconds']:.1f} s")


def _verdict(quick: bool, is_kept: bool) -> str:
    return "not judged: a quick run" if quick else "ok" if is_kept else "short"


def _customers(n: int, kind: str) -> tuple[Any, ...]:
    """Customers by the published parameters, watched for up to two years, in whole weeks or days (of a week's length)."""
    from marketing.kernels.bgnbd import Parameters, simulate

    rng, parts = np.random.default_rng(7), 1.0 if kind == "weeks" else 7.0
    frequency, recency, observed = simulate(Parameters(**PUBLISHED), np.ceil(rng.uniform(1, 104, n) * parts) / parts, rng)
    return frequency, np.ceil(recency * parts) / parts, observed


def speed(n: int, kind: str) -> dict[str, Any]:
    from marketing.kernels.bgnbd import expected_transactions, fit, group, p_alive

    columns = _customers(n, kind)
    began = time.perf_counter()
    histories, place = group(*columns)
    found = fit(histories)
    fitted = time.perf_counter()
    history = (histories.frequency, histories.recency, histories.observed)
    alive = p_alive(found.parameters, *history)[place]
    ahead = expected_transactions(found.parameters, *history, 39.0)[place]
    scored = time.perf_counter()
    assert len(alive) == len(ahead) == n and np.isfinite(alive).all() and np.isfinite(ahead).all()
    return {
        "fit": fitted - began, "score": scored - fitted, "groups": len(histories.n), "log_likelihood": found.log_likelihood,
        "peak_mib": peak_mib(), "data_mib": sum(column.nbytes for column in columns) / 2**20,
    }  # fmt: skip


def plain(n: int, kind: str) -> dict[str, Any]:
    """The likelihood as the paper's note has it, a row a customer, minimised with scipy's own differences."""
    from scipy.optimize import minimize
    from scipy.special import gammaln

    x, t, end = _customers(n, kind)
    began = time.perf_counter()

    def loss(logs: Any) -> float:
        r, alpha, a, b = np.exp(logs)
        head = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
        gone = np.where(x > 0, np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + t), -np.inf)
        return -float(np.mean(head + np.logaddexp(-(r + x) * np.log(alpha + end), gone)))

    found = minimize(loss, np.zeros(4), method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-13})
    return {"fit": time.perf_counter() - began, "log_likelihood": -found.fun * n}


def personas(*_: object) -> dict[str, Any]:
    """States of the demo's people beside what they are made to be."""
    from demo.models import World
    from demo.services.stage import read_scenery
    from demo.services.world import _cast
    from marketing.jurisdictions import market_rules
    from marketing.models import DormancyFit, Profile
    from marketing.services import refresh_dormancy

    world = World.objects.get()
    members = _cast(world, read_scenery(), world.n_full_lives or world.n_investors)
    profiles = list(Profile.objects.order_by("pk").values_list("dormancy", "idle_cash_minor", "assets_minor"))
    assert len(members) == len(profiles)
    table = Counter(f"{member.person.persona}/{state}" for member, (state, _, _) in zip(members, profiles, strict=True))
    limits = market_rules().dormancy
    idle = [
        state for member, (state, cash, assets) in zip(members, profiles, strict=True)
        if member.person.persona == "dormant" and cash >= max(limits.idle_cash_floor_minor, limits.calm_idle_share * assets)
    ]  # fmt: skip
    began = time.perf_counter()
    refresh_dormancy()
    return {
        "table": table, "sleepers_with_idle_cash": len(idle), "asleep_with_idle_cash": idle.count("dormant"), "people": len(profiles),
        "seconds": time.perf_counter() - began, "is_fitted": DormancyFit.objects.filter(is_used=True).exists(),
    }  # fmt: skip


STEPS = {"speed": speed, "plain": plain, "personas": personas}


if __name__ == "__main__":
    run("benchmarks.dormancy", dormancy, STEPS, customers=FEW, kind="weeks")
