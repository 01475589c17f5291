from celery import shared_task

from config.jobs import only_one
from demo.services import extend_market


@shared_task(name="demo.extend_market", queue="bulk")
def extend_market_task() -> None:
    with only_one("demo.extend_market", seconds=1800) as got:
        if got:
            extend_market()
