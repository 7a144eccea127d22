"""The memory tier: bounded in bytes, the least recently used first out."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.verdict import OVERHEAD, Entry
from gateway.tiers.memory import MemoryTier


def entry(key: bytes, size: int) -> Entry:
    return Entry(key, "result", b"x" * size, 0.0, 1.0, 1.0, 0, ())


def test_what_was_put_can_be_had_until_it_is_dropped():
    tier = MemoryTier(100_000)
    one = entry(b"a", 10)
    assert tier.put(b"a", one)
    assert tier.get(b"a") is one
    tier.drop(b"a")
    tier.drop(b"a")
    assert tier.get(b"a") is None


def test_the_least_recently_used_goes_first():
    tier = MemoryTier(8 * (OVERHEAD + 101))
    for name in b"abcdefgh":
        assert tier.put(bytes([name]), entry(bytes([name]), 100))
    assert tier.get(b"a") is not None
    tier.put(b"z", entry(b"z", 100))
    assert tier.get(b"a") is not None
    assert tier.get(b"b") is None


def test_one_large_entry_cannot_empty_the_tier():
    tier = MemoryTier(10 * OVERHEAD)
    assert tier.put(b"a", entry(b"a", 1))
    assert not tier.put(b"b", entry(b"b", 3 * OVERHEAD))
    assert tier.get(b"a") is not None


def test_a_refused_replacement_does_not_leave_the_old_entry():
    tier = MemoryTier(10 * OVERHEAD)
    tier.put(b"a", entry(b"a", 1))
    assert not tier.put(b"a", entry(b"a", 10 * OVERHEAD))
    assert tier.get(b"a") is None


def test_a_tier_of_no_size_stores_nothing():
    assert not MemoryTier(0).put(b"a", entry(b"a", 0))


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=2), st.integers(0, 2000)), max_size=60))
def test_it_never_takes_more_bytes_than_it_may(puts):
    tier = MemoryTier(10_000)
    for key, size in puts:
        tier.put(key, entry(key, size))
        assert tier.bytes <= 10_000
        assert tier.bytes == sum(one.size for one in tier._entries.values())
