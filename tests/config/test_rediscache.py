"""A Redis that cannot be reached: the cache goes on in files, and no page waits for it."""

import time

import pytest
from django.core.cache import caches
from django.test import override_settings

from config.filecache import AtomicFileCache
from config.rediscache import SteadyRedisCache


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(SteadyRedisCache, "_tried_again_at", 0.0)
    files = {"BACKEND": "config.filecache.AtomicFileCache", "LOCATION": str(tmp_path)}
    with override_settings(CACHES={"default": files, "files": files}):
        assert isinstance(caches["files"], AtomicFileCache)
        yield SteadyRedisCache("redis://127.0.0.1:1", {"OPTIONS": {"socket_connect_timeout": 1}})


def test_everything_that_sign_in_and_locks_ask_for_works_without_redis(cache):
    began = time.monotonic()
    assert cache.add("lock", "a", timeout=60) and not cache.add("lock", "b", timeout=60)
    cache.set("n", 1, timeout=60)
    assert cache.incr("n") == 2 and cache.get("n") == 2
    assert cache.get_or_set("other", "x", 60) == "x"
    assert cache.get_many(["n", "lock"]) == {"n": 2, "lock": "a"}
    assert cache.delete("lock") and not cache.has_key("lock")
    cache.clear()
    assert cache.get("n") is None
    assert time.monotonic() - began < 1


def test_redis_is_tried_again_after_a_while(cache, caplog, monkeypatch):
    cache.get("a"), cache.get("b")
    assert caplog.text.count("in files for now") == 1
    monkeypatch.setattr(SteadyRedisCache, "_tried_again_at", 0.0)
    cache.get("c")
    assert caplog.text.count("in files for now") == 2
