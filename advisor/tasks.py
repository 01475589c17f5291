"""One line over a service each: the row is the truth, the message only a doorbell."""

from celery import shared_task

from advisor import services
from advisor.models import Proposal
from advisor.services.record_days import close_record_day
from config.jobs import only_one, ring, sweep


@shared_task(name="advisor.execute_proposal", queue="now", time_limit=300)
def execute_proposal_task(pk: int) -> None:
    services.execute_proposal(pk)


@shared_task(name="advisor.request_readvice", queue="bulk", time_limit=600)
def request_readvice_task() -> None:
    with only_one("advisor-request-readvice", seconds=600) as is_mine:
        if is_mine:
            services.request_readvice()


@shared_task(name="advisor.readvise_block", queue="bulk", time_limit=600)
def readvise_block_task(run_pk: int) -> None:
    """One block; each rings for the next, so that other work of the queue gets its turn between two."""
    if services.readvise_next_block(run_pk):
        ring(readvise_block_task, run_pk)


@shared_task(name="advisor.sweep", queue="now", time_limit=60)
def sweep_task() -> None:
    with only_one("advisor-sweep", seconds=30) as is_mine:
        if is_mine:
            sweep(Proposal, execute_proposal_task)
            for run in services.runs_to_ring():
                ring(readvise_block_task, run)
            if services.is_behaviour_left():
                ring(read_behaviour_task)


@shared_task(name="advisor.read_behaviour", queue="bulk", time_limit=900)
def read_behaviour_task() -> None:
    """Some minutes of a night; rings for the rest, so that other work of the queue gets its turn."""
    with only_one("advisor-read-behaviour", seconds=900) as is_mine:
        night = services.read_behaviour(seconds=300) if is_mine else None
    if night is not None and night.finished_at is None:
        ring(read_behaviour_task)


@shared_task(name="advisor.expire_overrides", queue="bulk", time_limit=600)
def expire_overrides_task() -> None:
    with only_one("advisor-expire-overrides", seconds=600) as is_mine:
        if is_mine:
            services.expire_overrides()


@shared_task(name="advisor.lapse_purchases", queue="bulk", time_limit=600)
def lapse_purchases_task() -> None:
    with only_one("advisor-lapse-purchases", seconds=600) as is_mine:
        if is_mine:
            services.lapse_purchases()


@shared_task(name="advisor.follow_market", queue="bulk", time_limit=1800)
def follow_market_task() -> None:
    with only_one("advisor-follow-market", seconds=1800) as is_mine:
        if is_mine:
            services.follow_grade_changes()
            services.follow_market_alerts()


@shared_task(name="advisor.request_due_proposals", queue="bulk", time_limit=300)
def request_due_proposals_task() -> None:
    with only_one("advisor-due-proposals", seconds=300) as is_mine:
        if is_mine:
            services.request_due_proposals()


@shared_task(name="advisor.close_record_day", queue="bulk", time_limit=3600)
def close_record_day_task() -> None:
    with only_one("advisor-close-record-day", seconds=3600) as is_mine:
        if is_mine:
            close_record_day()


@shared_task(name="advisor.apply_due_levels", queue="now", time_limit=300)
def apply_due_levels_task() -> None:
    with only_one("advisor-due-levels", seconds=300) as is_mine:
        if is_mine:
            services.apply_due_levels()


@shared_task(name="advisor.watch_assessments", queue="bulk", time_limit=3600)
def watch_assessments_task() -> None:
    with only_one("advisor-watch-assessments", seconds=3600) as is_mine:
        if is_mine:
            services.watch_assessments()
