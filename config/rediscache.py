"""Redis as the cache, with files in var/ standing in while Redis cannot be reached.

Signing in counts its attempts in the cache: without a stand-in a Redis that is down would be a sign-in that is down.
After a failure Redis is left alone for a few seconds, so that no page waits for it at every step.
"""

import logging
import time
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import TimeoutError as Unanswered

log = logging.getLogger(__name__)

LEFT_ALONE_SECONDS = 5.0
STAND_IN = "files"


class SteadyRedisCache(RedisCache):
    _tried_again_at = 0.0  # of the class: each thread has an instance of its own

    def _ask(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() >= SteadyRedisCache._tried_again_at:
            try:
                return getattr(super(), name)(*args, **kwargs)
            except (Unreachable, Unanswered) as error:
                SteadyRedisCache._tried_again_at = time.monotonic() + LEFT_ALONE_SECONDS
                log.warning("the cache is kept in files for now: %s", error)
        return getattr(caches[STAND_IN], name)(*args, **kwargs)

    def add(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("add", *args, **kwargs)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("get", *args, **kwargs)

    def set(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("set", *args, **kwargs)

    def touch(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("touch", *args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("delete", *args, **kwargs)

    def has_key(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("has_key", *args, **kwargs)

    def incr(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("incr", *args, **kwargs)

    def get_many(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("get_many", *args, **kwargs)

    def set_many(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("set_many", *args, **kwargs)

    def delete_many(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("delete_many", *args, **kwargs)

    def clear(self) -> Any:
        return self._ask("clear")
