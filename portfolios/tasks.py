"""One line over a service each: the row is the truth, the message only a doorbell."""

from celery import Task, shared_task

from config.jobs import Job, only_one, sweep
from portfolios import services
from portfolios.models import Backtest, ImportRun, ModelSet, ScreenRun


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


@shared_task(name="portfolios.execute_import", queue="bulk", time_limit=7200)
def execute_import_task(pk: int) -> None:
    services.execute_import(pk)


@shared_task(name="portfolios.execute_screen", queue="bulk", time_limit=900)
def execute_screen_task(pk: int) -> None:
    services.execute_screen(pk)


@shared_task(name="portfolios.request_due_screen", queue="bulk", time_limit=60)
def request_due_screen_task() -> None:
    with only_one("request-due-screen", seconds=50) as is_mine:
        if is_mine:
            services.request_due_screen()


@shared_task(name="portfolios.sync_market", queue="bulk", time_limit=300)
def sync_market_task() -> None:
    with only_one("sync-market", seconds=280) as is_mine:
        if is_mine:
            services.sync_configured_source()


# Every kind of job of this app with the task that works on it.
JOBS: list[tuple[type[Job], Task]] = [
    (Backtest, execute_backtest_task),
    (ImportRun, execute_import_task),
    (ModelSet, execute_models_task),
    (ScreenRun, execute_screen_task),
]


@shared_task(name="portfolios.sweep", queue="now", time_limit=60)
def sweep_task() -> None:
    with only_one("sweep-portfolios", seconds=50) as is_mine:
        if is_mine:
            for model, task in JOBS:
                sweep(model, task)


@shared_task(name="portfolios.release_lapsed", queue="bulk", time_limit=600)
def release_lapsed_task() -> None:
    with only_one("release-lapsed", seconds=600) as is_mine:
        if is_mine:
            services.release_lapsed()


@shared_task(name="portfolios.grade_funds", queue="bulk", time_limit=1800)
def grade_funds_task() -> None:
    with only_one("grade-funds", seconds=1800) as is_mine:
        if is_mine:
            services.grade_funds()


@shared_task(name="portfolios.watch_market", queue="bulk", time_limit=1800)
def watch_market_task() -> None:
    with only_one("watch-market", seconds=1800) as is_mine:
        if is_mine:
            services.watch_market()
