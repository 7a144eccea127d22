"""The form of an entry in a file: what was stored comes back, or nothing does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.core.verdict import Entry, HttpHead
from gateway.tiers.stored_form import (
    PACKED_FROM,
    PACKED_UNTIL,
    BrokenFormError,
    Stamp,
    digest_of,
    foot_of,
    pack,
    stored_of,
    tail,
    unpack,
)

times = st.floats(0, 1e10)
fields = st.tuples(st.binary(max_size=20), st.binary(max_size=40))
heads = st.builds(
    HttpHead, st.integers(100, 999), st.binary(max_size=20), st.lists(fields, max_size=5).map(tuple)
)
entries = st.builds(
    Entry,
    key=st.binary(min_size=1, max_size=300),
    kind=st.sampled_from(("result", "error", "http")),
    body=st.binary(max_size=300) | st.text("abc ", min_size=5000, max_size=6000).map(str.encode),
    stored=times,
    fresh_until=times | st.just(float("inf")),
    stale_until=times,
    epoch=st.integers(0, 2**64 - 1),
    generations=st.lists(st.integers(0, 2**64 - 1), max_size=5).map(tuple),
    head=st.none() | heads,
    aged=st.integers(0, 2**31),
)
stamps = st.builds(Stamp, st.binary(max_size=16), st.binary(max_size=16), st.binary(max_size=16))


def written(entry: Entry, stamp: Stamp) -> bytes:
    body, raw = pack(entry)
    return body + tail(stamp, entry, len(body), digest_of(body), raw)


def read(content: bytes) -> tuple[Entry, Stamp]:
    foot = foot_of(content, len(content))
    stored = stored_of(foot, content)
    body = content[: foot.body]
    if digest_of(body) != foot.digest:
        raise BrokenFormError("its body was altered")
    return replace(stored.entry, body=unpack(body, stored.raw)), stored.stamp


@given(entries, stamps)
def test_what_was_stored_comes_back(entry: Entry, stamp: Stamp) -> None:
    assert read(written(entry, stamp)) == (entry, stamp)


@given(entries, stamps, st.data())
def test_no_altered_byte_and_no_cut_is_ever_read(entry: Entry, stamp: Stamp, data: st.DataObject) -> None:
    content = bytearray(written(entry, stamp))
    at = data.draw(st.integers(0, len(content) - 1))
    match data.draw(st.sampled_from(("alter", "cut", "lengthen", "begin"))):
        case "alter":
            content[at] ^= data.draw(st.integers(1, 255))
        case "cut":
            del content[at:]
        case "lengthen":
            content[at:at] = data.draw(st.binary(min_size=1, max_size=20))
        case "begin":
            del content[: at + 1]
    with pytest.raises(BrokenFormError):
        read(bytes(content))


def entry_with(body: bytes, *fields: tuple[bytes, bytes]) -> Entry:
    head = HttpHead(200, b"OK", fields) if fields else None
    return Entry(b"k", "http" if fields else "result", body, 0.0, 1.0, 1.0, 0, (), head)


TEXT = b"a list of jobs, " * 1000


@pytest.mark.parametrize(
    ("entry", "packs"),
    [
        (entry_with(TEXT), True),
        (entry_with(TEXT, (b"Content-Type", b"text/csv; charset=utf-8")), True),
        (entry_with(TEXT, (b"content-type", b"application/ld+json")), True),
        (entry_with(TEXT, (b"Content-Type", b"application/json"), (b"Content-Encoding", b"gzip")), False),
        (entry_with(TEXT, (b"Content-Type", b"application/octet-stream")), False),
        (entry_with(TEXT, (b"X", b"no type")), False),
        (entry_with(TEXT[:PACKED_FROM]), False),
        (entry_with(TEXT * 100), False),
        (entry_with(bytes(range(256)) * 4 + digest_of(b"") * 200), True),
    ],
)
def test_text_that_gets_smaller_is_packed_and_nothing_else(entry: Entry, packs: bool) -> None:
    body, raw = pack(entry)
    assert (raw == len(entry.body) and len(body) < raw) == packs
    assert packs or body == entry.body
    assert unpack(body, raw) == entry.body


def test_a_packed_body_never_becomes_longer_than_it_says() -> None:
    body, raw = pack(entry_with(TEXT))
    for said in (raw - 1, raw + 1, PACKED_UNTIL):
        with pytest.raises(BrokenFormError):
            unpack(body, said)
