"""One line over a service each: the row is the truth, the message only a doorbell."""

from celery import Task, shared_task

from config.jobs import Job, only_one, sweep
from portfolios import services


@shared_task(name="portfolios.confirm_orders", queue="now", time_limit=300)
def confirm_orders_task() -> None:
    with only_one("confirm-orders", seconds=55) as is_mine:
        if is_mine:
            services.confirm_orders()


# Every kind of job of this app with the task that works on it.
JOBS: list[tuple[type[Job], Task]] = []


@shared_task(name="portfolios.sweep", queue="now", time_limit=60)
def sweep_task() -> None:
    with only_one("sweep-portfolios", seconds=50) as is_mine:
        if is_mine:
            for model, task in JOBS:
                sweep(model, task)
