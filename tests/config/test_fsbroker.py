"""The embedded broker: whole messages, first in, first out, one binding a queue."""

import threading

import pytest
from kombu import Connection, Queue

import config.celery  # noqa: F401  names our transport for filesystem://


@pytest.fixture
def connection(tmp_path):
    for name in ("queue", "control"):
        (tmp_path / name).mkdir()
    options = {
        "data_folder_in": str(tmp_path / "queue"),
        "data_folder_out": str(tmp_path / "queue"),
        "control_folder": str(tmp_path / "control"),
    }
    with Connection("filesystem://localhost", transport_options=options) as connection:
        connection.transport.state.clear()  # kombu remembers bindings a process, whatever the folder
        yield connection


def test_messages_come_out_in_the_order_they_went_in(connection):
    queue = connection.SimpleQueue("now")
    for n in range(30):
        queue.put(n)
    assert [queue.get(timeout=1).payload for _ in range(30)] == list(range(30))


def test_a_reader_never_meets_half_a_message(connection):
    body = "x" * 200_000

    def send():
        with connection.clone() as own:
            sending = own.SimpleQueue("now")
            for _ in range(40):
                sending.put(body)

    queue = connection.SimpleQueue("now")  # bound before anybody sends, as every worker does
    sender = threading.Thread(target=send)
    sender.start()
    got = []
    while len(got) < 40:
        message = queue.get(timeout=5)
        got.append(len(message.payload))
        message.ack()
    sender.join()
    assert set(got) == {200_000}


def test_binding_twice_keeps_one_entry(connection):
    channel = connection.channel()
    for _ in range(2):
        Queue("bulk", routing_key="bulk", exchange=None, channel=channel).declare()
        channel._queue_bind("direct", "bulk", "", "bulk")
    assert len(channel.get_table("direct")) == 1


def test_a_message_that_cannot_be_read_and_a_folder_that_is_gone_are_only_an_empty_queue(connection, tmp_path):
    queue = connection.SimpleQueue("now")
    (tmp_path / "queue" / "00000000000000000000_x.now.msg").write_text("{half")
    queue.put("whole")
    assert queue.get(timeout=1).payload == "whole"
    (tmp_path / "queue").rename(tmp_path / "away")
    with pytest.raises(queue.Empty):
        queue.get(timeout=0.2)
    (tmp_path / "away").rename(tmp_path / "queue")
    queue.put("again")
    assert queue.get(timeout=1).payload == "again"
