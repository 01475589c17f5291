"""What beat rings, as data. Every entry expires below its period; each task holds a lock while it runs."""

from typing import Any

from celery.schedules import crontab


def every(seconds: int, task: str, queue: str) -> dict[str, Any]:
    return {"task": task, "schedule": seconds, "options": {"queue": queue, "expires": max(1, int(seconds * 0.9))}}


def nightly(hour: int, minute: int, task: str) -> dict[str, Any]:
    """Once a day at a Shanghai time, on the bulk queue."""
    return {"task": task, "schedule": crontab(hour=str(hour), minute=str(minute)), "options": {"queue": "bulk", "expires": 6 * 3600}}


BEAT_SCHEDULE = {
    "sweep-advisor": every(15, "advisor.sweep", "now"),
    "sweep-portfolios": every(15, "portfolios.sweep", "now"),
    "confirm-orders": every(60, "portfolios.confirm_orders", "now"),
    "start-due-erasures": every(300, "marketing.start_due_erasures", "bulk"),
    "tidy-privacy": nightly(4, 0, "marketing.tidy_privacy"),
    "sweep-marketing": every(15, "marketing.sweep", "now"),
    "heartbeat-now": every(20, "config.heartbeat_now", "now"),
    "heartbeat-bulk": every(20, "config.heartbeat_bulk", "bulk"),
    "follow-market": every(60, "advisor.follow_market", "bulk"),
    "request-due-proposals": every(20, "advisor.request_due_proposals", "bulk"),
    "apply-due-levels": every(300, "advisor.apply_due_levels", "now"),
    "watch-assessments": nightly(4, 30, "advisor.watch_assessments"),
    "expire-overrides": nightly(1, 0, "advisor.expire_overrides"),
    "close-record-day": nightly(3, 30, "advisor.close_record_day"),
    "lapse-purchases": nightly(1, 10, "advisor.lapse_purchases"),
    "train-recommender": nightly(2, 0, "marketing.request_training"),
    "make-event-partitions": nightly(0, 30, "marketing.make_event_partitions"),
    "purge-events": nightly(0, 40, "marketing.purge_events"),
    "review-everyone": nightly(23, 0, "advisor.request_readvice"),
    "read-behaviour": nightly(23, 30, "advisor.read_behaviour"),
    "screen-the-market": nightly(22, 15, "portfolios.request_due_screen"),
    "propose-models": nightly(22, 30, "portfolios.propose_models"),
    "sync-market": nightly(21, 45, "portfolios.sync_market"),
    "extend-simulated-market": nightly(21, 30, "demo.extend_market"),
    "grade-funds": nightly(22, 0, "portfolios.grade_funds"),
    "watch-market": nightly(22, 20, "portfolios.watch_market"),
    "release-lapsed-capacity": nightly(0, 15, "portfolios.release_lapsed"),
    "build-profiles": nightly(2, 30, "marketing.request_profile_build"),
    "refresh-look-alikes": nightly(4, 40, "marketing.refresh_look_alikes"),
    "refresh-next-actions": nightly(4, 45, "marketing.refresh_next_actions"),
    "note-segment-sizes": nightly(5, 0, "marketing.note_segment_sizes"),
    "refresh-metrics": nightly(4, 0, "marketing.refresh_metrics"),
    "refresh-dormancy": nightly(3, 0, "marketing.refresh_dormancy"),
    "refresh-tags": nightly(3, 15, "marketing.request_tag_refresh"),
}
