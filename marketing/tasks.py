"""One line over a service each: the row is the truth, the message only a doorbell."""

from celery import shared_task
from django.conf import settings
from django.core.cache import cache
from django.db import transaction

from config.jobs import only_one, publish, sweep
from marketing import services
from marketing.models import Campaign, DormancyRun, ErasureRequest, LookAlikeSet, NextActionRun, ProfileBuild, RecommenderRun, TagRefresh


@shared_task(name="marketing.request_training", queue="bulk")
def request_training_task() -> None:
    with only_one("request-training", seconds=600) as mine:
        if mine:
            services.request_training()


@shared_task(name="marketing.execute_training", queue="bulk")
def execute_training_task(pk: int) -> None:
    services.execute_training(pk)


@shared_task(name="marketing.purge_events", queue="bulk")
def purge_events_task() -> None:
    with only_one("purge-events", seconds=3600) as mine:
        if mine:
            services.purge_events()


@shared_task(name="marketing.make_event_partitions", queue="bulk")
def make_event_partitions_task() -> None:
    with only_one("make-event-partitions", seconds=600) as mine:
        if mine:
            services.make_event_partitions()


@shared_task(name="marketing.request_profile_build", queue="bulk")
def request_profile_build_task() -> None:
    with only_one("request-profile-build", seconds=600) as mine:
        if mine:
            services.request_profile_build()


@shared_task(name="marketing.execute_profile_build", queue="bulk")
def execute_profile_build_task(pk: int) -> None:
    services.execute_profile_build(pk)


@shared_task(name="marketing.refresh_dormancy", queue="bulk")
def refresh_dormancy_task() -> None:
    with only_one("refresh-dormancy", seconds=3600) as mine:
        if mine:
            services.refresh_dormancy()


@shared_task(name="marketing.resume_dormancy", queue="bulk")
def resume_dormancy_task(pk: int) -> None:
    with only_one("refresh-dormancy", seconds=3600) as mine:
        if mine:
            services.resume_dormancy(pk)


@shared_task(name="marketing.refresh_next_actions", queue="bulk")
def refresh_next_actions_task() -> None:
    with only_one("refresh-next-actions", seconds=3600) as mine:
        if mine:
            services.refresh_next_actions()


@shared_task(name="marketing.resume_next_actions", queue="bulk")
def resume_next_actions_task(pk: int) -> None:
    with only_one("refresh-next-actions", seconds=3600) as mine:
        if mine:
            services.resume_next_actions(pk)


@shared_task(name="marketing.refresh_look_alikes", queue="bulk")
def refresh_look_alikes_task() -> None:
    with only_one("refresh-look-alikes", seconds=600) as mine:
        if mine:
            services.refresh_look_alikes()


@shared_task(name="marketing.execute_look_alikes", queue="bulk")
def execute_look_alikes_task(pk: int) -> None:
    services.execute_look_alikes(pk)


@shared_task(name="marketing.note_segment_sizes", queue="bulk")
def note_segment_sizes_task() -> None:
    with only_one("note-segment-sizes", seconds=3600) as mine:
        if mine:
            services.note_sizes()


@shared_task(name="marketing.request_tag_refresh", queue="bulk")
def request_tag_refresh_task() -> None:
    with only_one("request-tag-refresh", seconds=600) as mine:
        if mine:
            services.begin_tag_night()


@shared_task(name="marketing.execute_tag_refresh", queue="bulk")
def execute_tag_refresh_task(pk: int) -> None:
    services.execute_tag_refresh(pk)


@shared_task(name="marketing.refresh_metrics", queue="bulk")
def refresh_metrics_task() -> None:
    with only_one("refresh-metrics", seconds=3600) as mine:
        if mine:
            services.refresh_metrics()


@shared_task(name="marketing.execute_erasure", queue="bulk")
def execute_erasure_task(pk: int) -> None:
    services.execute_erasure(pk)


@shared_task(name="marketing.start_due_erasures", queue="bulk")
def start_due_erasures_task() -> None:
    with only_one("start-due-erasures", seconds=600) as mine:
        if mine:
            services.start_due_erasures()


@shared_task(name="marketing.tidy_privacy", queue="bulk")
def tidy_privacy_task() -> None:
    with only_one("tidy-privacy", seconds=3600) as mine:
        if mine:
            services.look_again()
            services.forget_old_snapshots()


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
            sweep(DormancyRun, resume_dormancy_task)
            sweep(NextActionRun, resume_next_actions_task)
            services.follow_factors()
            sweep(LookAlikeSet, execute_look_alikes_task)
            sweep(TagRefresh, execute_tag_refresh_task)
            sweep(ProfileBuild, execute_profile_build_task)
            sweep(ErasureRequest, execute_erasure_task)
            for pk in services.tidy_campaigns():
                ring_sender(pk)
