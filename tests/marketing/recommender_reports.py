"""Reports of recommender runs as the nightly job writes them, made up for the pages' tests, and runs that hold them."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from marketing.models import RecommenderRun

NDCG = {
    "ease": 0.412, "blend": 0.405, "als": 0.377, "item_bm25": 0.361, "item_tfidf": 0.354, "item_cosine": 0.349, "bpr": 0.301,
    "recent_popularity": 0.268, "popularity": 0.251,
}  # fmt: skip


SETTINGS = {
    "item_cosine": {"k": 100},
    "blend": {"parts": [{"name": "ease", "weight": 2.0, "settings": {"k": 5}}, {"name": "als", "weight": 1.0, "settings": {"k": 6}}]},
}


def interval(mean: float, half: float = 0.012) -> dict[str, float]:
    return {"mean": mean, "low": mean - half, "high": mean + half}


def candidate(name: str, ndcg: float) -> dict[str, Any]:
    return {
        "name": name,
        "settings": SETTINGS.get(name, {"factors": 64, "seed": 42}),
        "metrics": {
            "ndcg@10": interval(ndcg), "recall@10": interval(ndcg * 0.8), "map@10": interval(ndcg * 0.6), "coverage": 1 - ndcg,
            "novelty": 3 + 10 * ndcg, "diversity": 0.4 + ndcg / 2, "roi@10": interval(0.0123),
        },
        "by_level": {
            str(level): {"users": users, "ndcg@10": interval(ndcg + level / 100)} for level, users in enumerate((94, 61, 83, 42, 4), 1)
        },
        "warm": {"users": 214, "ndcg@10": interval(ndcg + 0.02)},
        "cold": {"users": 70, "ndcg@10": interval(ndcg - 0.06)},
        "vs_popularity": interval(ndcg - NDCG["popularity"], 0.015),
        "vs_serving": None,
        "seconds": 1.5,
    }  # fmt: skip


def a_report(*, code: str = "better", promoted: bool = True, name: str = "ease", shift: float = 0.0) -> dict[str, Any]:
    return {
        "interactions": {
            "users": 1234, "items": 180, "pairs": 20_012, "events": 41_234, "since": "2024-11-22T02:00:00+00:00",
            "until": "2026-11-22T02:00:00+00:00",
        },
        "split": {"at": "2026-10-25", "train_pairs": 18_000, "test_users": 284},
        "candidates": [candidate(name, ndcg + shift) for name, ndcg in NDCG.items()],
        "serving": {"run": 1, "name": "als"},
        "decision": {"promoted": promoted, "name": name, "code": code},
        "filters": {
            "proposed": 40_000, "kept": 12_401,
            "removed": {
                "level": 0, "closed": 311, "pool": 104, "cap": 902, "off": 0, "not_interested": 3, "mandate": 20_279, "alike": 6000,
            },
            "utility_change": {"mean": 0.00213, "n": 12_401},
        },
        "served": {"people": 987, "rows": 8_604, "unsuitable": 0},
        "versions": {"implicit": "0.7.2", "numpy": "2.2.6"},
        "seconds": {"matrix": 1.2, "candidates": 44.0, "guard": 0.1, "fit": 3.3, "write": 21.0, "swap": 0.4},
    }  # fmt: skip


def a_run(report: dict[str, Any] | None = None, *, days_ago: float = 0, **fields: Any) -> RecommenderRun:
    """A run that ended so many days ago: promoted and serving, unless said otherwise."""
    at = timezone.now() - timedelta(days=days_ago)
    given = {"status": "done", "stage": "swap", "algorithm": "ease", "is_serving": True, "finished_at": at} | fields
    return RecommenderRun.objects.create(report=a_report() if report is None else report, **given)
