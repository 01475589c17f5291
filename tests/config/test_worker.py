"""A real worker answers the bell."""

import pytest

from config.jobs import heartbeat_bulk_task, heartbeat_now_task, ring, seconds_since_heartbeat
from tests.workers import empty_queues, start_worker, wait_until


@pytest.mark.worker
@pytest.mark.django_db(transaction=True)
def test_a_worker_answers_on_both_queues():
    empty_queues()
    ring(heartbeat_now_task)
    ring(heartbeat_bulk_task)
    with start_worker():
        wait_until(lambda: None not in {seconds_since_heartbeat("now"), seconds_since_heartbeat("bulk")})
