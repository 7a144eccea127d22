"""The memory tier: bounded in bytes, the least recently used first out, pinned ones last."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.verdict import OVERHEAD, Entry
from gateway.tiers.memory import MemoryTier


def entry(key: bytes, size: int, *, pin: bool = False) -> Entry:
    return Entry(key, "result", b"x" * size, 0.0, 1.0, 1.0, 0, (), pin=pin)


def filled(tier: MemoryTier, names: bytes, *, pin: bool = False) -> None:
    """Put an entry of 100 bytes under each of these names of one byte."""
    for name in names:
        assert tier.put(bytes([name]), entry(bytes([name]), 100, pin=pin))


def held(tier: MemoryTier) -> bytes:
    return b"".join(sorted(one.key for one in tier.recent()))


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


def test_pinned_entries_are_not_let_go_before_others():
    tier = MemoryTier(8 * (OVERHEAD + 101))
    filled(tier, b"PQRS", pin=True)
    filled(tier, b"abcdefghijklmnop")
    assert held(tier) == b"PQRSmnop"


def test_what_is_pinned_keeps_at_most_half_of_the_tier():
    tier = MemoryTier(8 * (OVERHEAD + 101))
    filled(tier, b"abcd")
    filled(tier, b"PQRSTU", pin=True)
    assert tier.pinned_bytes == 4 * (OVERHEAD + 101)
    assert held(tier) == b"PQRSTUcd", "the rest of the tier is theirs as it is anybody's"
    filled(tier, b"efgh")
    assert held(tier) == b"RSTUefgh", "but beyond half of it they go like any other"


def test_of_pinned_entries_those_used_last_stay_pinned():
    tier = MemoryTier(8 * (OVERHEAD + 101))
    filled(tier, b"PQRS", pin=True)
    tier.get(b"P")
    filled(tier, b"T", pin=True)
    filled(tier, b"abcdefgh")
    assert held(tier) == b"PRSTefgh"


def test_an_entry_whose_rule_pins_it_no_more_is_like_any_other():
    tier = MemoryTier(8 * (OVERHEAD + 101))
    filled(tier, b"P", pin=True)
    filled(tier, b"P")
    assert tier.pinned_bytes == 0
    filled(tier, b"abcdefgh")
    assert held(tier) == b"abcdefgh"


def test_looking_at_an_entry_does_not_use_it():
    tier = MemoryTier(8 * (OVERHEAD + 101))
    filled(tier, b"abcdefgh")
    assert tier.peek(b"a") is not None
    assert tier.peek(b"z") is None
    filled(tier, b"z")
    assert tier.peek(b"a") is None


def test_entries_are_told_in_the_order_in_which_they_were_used_last():
    tier = MemoryTier(8 * (OVERHEAD + 101))
    filled(tier, b"abc")
    filled(tier, b"P", pin=True)
    tier.get(b"a")
    assert [one.key for one in tier.recent()] == [b"P", b"a", b"c", b"b"]


def test_what_is_shed_is_what_was_not_used_for_the_longest_time():
    tier = MemoryTier(8 * (OVERHEAD + 101))
    filled(tier, b"PQ", pin=True)
    filled(tier, b"abc")
    tier.get(b"a")
    tier.shed(3)
    assert held(tier) == b"ac"
    tier.shed(9)
    assert (len(tier), tier.bytes, tier.pinned_bytes) == (0, 0, 0)
    filled(tier, b"abcdefghi")
    assert held(tier) == b"bcdefghi"


_steps = st.tuples(
    st.sampled_from(["put", "pin", "drop", "get"]), st.binary(min_size=1, max_size=1), st.integers(0, 2000)
)


@given(st.lists(_steps, max_size=80))
def test_it_never_takes_more_bytes_than_it_may_nor_more_for_pinned_ones_than_half(steps):
    tier = MemoryTier(10_000)
    for what, key, size in steps:
        if what in ("put", "pin"):
            put = tier.put(key, entry(key, size, pin=what == "pin"))
            assert put == (tier.peek(key) is not None)
        elif what == "drop":
            tier.drop(key)
            assert tier.peek(key) is None
        else:
            tier.get(key)
        assert tier.bytes <= 10_000
        assert tier.bytes == sum(one.size for one in tier.recent())
        assert tier.pinned_bytes == sum(one.size for one in tier._pinned.values()) <= 5_000
        assert len({one.key for one in tier.recent()}) == len(tier)
