"""One line over a service each: the row is the truth, the message only a doorbell."""

from celery import shared_task

from config.jobs import only_one
from marketing import services


@shared_task(name="marketing.request_training", queue="bulk")
def request_training_task() -> None:
    services.request_training()


@shared_task(name="marketing.execute_training", queue="bulk")
def execute_training_task(pk: int) -> None:
    services.execute_training(pk)


@shared_task(name="marketing.make_event_partitions", queue="bulk")
def make_event_partitions_task() -> None:
    with only_one("make-event-partitions", seconds=600) as mine:
        if mine:
            services.make_event_partitions()
