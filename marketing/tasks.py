"""One line over a service each: the row is the truth, the message only a doorbell."""

from celery import shared_task
from django.conf import settings
from django.core.cache import cache
from django.db import transaction

from config.jobs import only_one, publish, sweep
from marketing import services
from marketing.models import Campaign, RecommenderRun


@shared_task(name="marketing.request_training", queue="bulk")
def request_training_task() -> None:
    with only_one("request-training", seconds=600) as mine:
        if mine:
            services.request_training()


@shared_task(name="marketing.execute_training", queue="bulk")
def execute_training_task(pk: int) -> None:
    services.execute_training(pk)


@shared_task(name="marketing.make_event_partitions", queue="bulk")
def make_event_partitions_task() -> None:
    with only_one("make-event-partitions", seconds=600) as mine:
        if mine:
            services.make_event_partitions()


@shared_task(name="marketing.refresh_dormancy", queue="bulk")
def refresh_dormancy_task() -> None:
    with only_one("refresh-dormancy", seconds=3600) as mine:
        if mine:
            services.refresh_dormancy()


@shared_task(name="marketing.launch_campaign", queue="bulk")
def launch_campaign_task(pk: int) -> None:
    if services.execute_launch(pk):
        ring_sender(pk)


@shared_task(name="marketing.send_batch", queue="now")
def send_batch_task(campaign_id: int) -> None:
    cache.delete(_rung(campaign_id))
    if services.send_batch(campaign_id=campaign_id):
        ring_sender(campaign_id)


def ring_sender(campaign_id: int) -> None:
    """Ring for a sender unless one was rung for and has not begun: each sender rings for the next, so that every
    message too many would go on to the campaign's end, and what a person waits for would stand behind all of them."""
    transaction.on_commit(lambda: _publish_sender(campaign_id), robust=True)


def _publish_sender(campaign_id: int) -> None:
    is_first = cache.add(_rung(campaign_id), "1", timeout=settings.DELIVERY_LEASE_SECONDS)
    if is_first and not publish(send_batch_task, campaign_id):
        cache.delete(_rung(campaign_id))


def _rung(campaign_id: int) -> str:
    return f"sender-rung:{campaign_id}"


@shared_task(name="marketing.sweep", queue="now")
def sweep_task() -> None:
    with only_one("marketing-sweep", seconds=60) as mine:
        if mine:
            sweep(Campaign, launch_campaign_task)
            sweep(RecommenderRun, execute_training_task)
            for pk in services.tidy_campaigns():
                ring_sender(pk)
