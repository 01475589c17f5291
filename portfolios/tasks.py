"""One line over a service each: the row is the truth, the message only a doorbell."""

from celery import shared_task

from config.jobs import only_one
from portfolios import services


@shared_task(name="portfolios.confirm_orders", queue="now", time_limit=300)
def confirm_orders_task() -> None:
    with only_one("confirm-orders", seconds=55) as is_mine:
        if is_mine:
            services.confirm_orders()
