"""One line over a service each: the row is the truth, the message only a doorbell."""

from celery import Task, shared_task

from config.jobs import Job, only_one, sweep
from portfolios import services
from portfolios.models import Backtest, ModelSet


@shared_task(name="portfolios.confirm_orders", queue="now", time_limit=300)
def confirm_orders_task() -> None:
    with only_one("confirm-orders", seconds=55) as is_mine:
        if is_mine:
            services.confirm_orders()


@shared_task(name="portfolios.execute_models", queue="bulk", time_limit=900)
def execute_models_task(pk: int) -> None:
    services.execute_models(pk)


@shared_task(name="portfolios.propose_models", queue="bulk", time_limit=300)
def propose_models_task() -> None:
    with only_one("propose-models", seconds=280) as is_mine:
        if is_mine:
            services.propose_models()


@shared_task(name="portfolios.execute_backtest", queue="bulk", time_limit=1800)
def execute_backtest_task(pk: int) -> None:
    services.execute_backtest(pk)


# Every kind of job of this app with the task that works on it.
JOBS: list[tuple[type[Job], Task]] = [
    (Backtest, execute_backtest_task),
    (ModelSet, execute_models_task),
]


@shared_task(name="portfolios.sweep", queue="now", time_limit=60)
def sweep_task() -> None:
    with only_one("sweep-portfolios", seconds=50) as is_mine:
        if is_mine:
            for model, task in JOBS:
                sweep(model, task)
