"""The embedded broker: kombu's filesystem transport, made safe for several processes.

kombu opens a file under its final name and then writes it, so a reader can meet a half-written message and take
its worker down with it. Here every file is written aside and renamed into place: a reader sees all of it or
nothing. A message's name begins with the nanosecond of sending, which makes the queue first in, first out.
"""

import logging
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.encoding import str_to_bytes
from kombu.utils.json import dumps

log = logging.getLogger(__name__)


def write_whole(target: Path, payload: Any) -> None:
    aside = target.with_suffix(f".{uuid.uuid4().hex}.tmp")
    aside.write_bytes(str_to_bytes(dumps(payload)))
    aside.replace(target)


class Channel(filesystem.Channel):
    def _get(self, queue: str) -> Any:  # type: ignore[override]
        """The next message, or none while the folder cannot be read: a worker outlives its broker, and a message lost.

        Any other error here ends the worker for good, and with it everything that was started together.
        """
        try:
            return super()._get(queue)
        except (OSError, ValueError, ChannelError) as error:
            if time.monotonic() - Channel._complained_at > 60:
                Channel._complained_at = time.monotonic()
                log.warning("no message could be read: %s", error)
            raise Empty from error

    _complained_at = -60.0

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]
        name = f"{time.time_ns():020d}_{uuid.uuid4().hex}.{queue}.msg"
        write_whole(Path(self.data_folder_out) / name, payload)

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        table = self.get_table(exchange)
        binding = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        if binding not in table:
            write_whole(self._exchange_file(exchange), [binding, *table])


class Transport(filesystem.Transport):
    Channel = Channel
