"""Rate limits stand on an atomic add."""

from concurrent.futures import ThreadPoolExecutor

from config.filecache import AtomicFileCache


def test_only_one_of_many_adds_succeeds(tmp_path):
    cache = AtomicFileCache(str(tmp_path), {})
    with ThreadPoolExecutor(8) as pool:
        for n in range(50):
            assert sum(pool.map(lambda i, n=n: cache.add(f"key-{n}", i), range(8))) == 1


def test_an_expired_key_can_be_added_again(tmp_path):
    cache = AtomicFileCache(str(tmp_path), {})
    assert cache.add("key", 1, timeout=-1)
    assert cache.add("key", 2, timeout=60)
    assert cache.get("key") == 2


def test_nothing_is_left_beside_the_entries(tmp_path):
    cache = AtomicFileCache(str(tmp_path), {})
    cache.add("key", 1)
    cache.add("key", 2)
    assert [path.suffix for path in tmp_path.iterdir()] == [".djcache"]
