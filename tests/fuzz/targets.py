"""What holds of every parser, for any bytes? Each target takes bytes and fails where a law does not hold.

A target lets the faults pass that its parser says it raises. Everything else is a finding: another exception, a time or a
size out of all measure, two readings that differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from gateway.core import (
    arrays,
    envelope,
    envelope_answers,
    led_back,
    msgpack_envelope,
    rpc_mount,
    scanner,
    transcode,
)
from gateway.core.byte_ranges import Span, part_of, wanted
from gateway.core.cache_control import demand_from, directives, reply_control
from gateway.core.credentials import credential
from gateway.core.faults import BadRequest, Fault, Unauthenticated
from gateway.core.forwarded import Proxies
from gateway.core.http_dates import seconds_of, written
from gateway.core.intake import encodings, wire
from gateway.core.paths import located, rest_of
from gateway.core.presented import presented, without_token
from gateway.core.told_key import told
from gateway.core.upstream import Answer
from gateway.dialects.intake.packs import Listing, listing_packed
from gateway.dialects.openapi import coding
from gateway.identity.tokens import opened
from gateway.wire.framing import Chunks
from gateway.wire.head import Head, examine, fields_of, find_end, usual_line
from gateway.wire.limits import Limits
from gateway.wire.upstream_answer import AnswerReader, AnswerTooLargeError, MalformedAnswerError
from labgate._arrays import npy_end, npy_header

LIMITS = Limits()
_SMALL = 1 << 16


# --- HTTP


def head(data: bytes) -> None:
    """A head is refused, or it has the fields that were sent, and the lane reads its line as the parser does."""
    end = find_end(data, 0, LIMITS)
    if not isinstance(end, int) or not end:
        return
    found = examine(data[:end], LIMITS)
    if not isinstance(found, Head):
        return
    assert found.length >= -1
    line = data[: data.index(b" HTTP/1.")]
    usual = usual_line(line)
    assert usual is None or b"%b %b" % usual == line
    fields = fields_of(data[:end])
    if fields is not None:
        assert len(fields) == data[:end].count(b"\r\n") - 2
        names = [name.lower() for name, _ in fields]
        assert names.count(b"host") == 1 or not found.minor
        assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
        assert not any(b"\r" in value or b"\n" in value or b"\0" in value for _, value in fields)


def chunks(data: bytes) -> None:
    """A body in chunks is the same wherever it is cut, and with its frames or without."""

    def taken(cuts: tuple[int, ...], *, bare: bool) -> tuple[bytes, bytes] | None:
        framing, passed, rest = Chunks(bare=bare), b"", b""
        for start, stop in zip((0, *cuts), (*cuts, len(data)), strict=True):
            if framing.done:
                rest += data[start:stop]
                continue
            try:
                piece, rest = framing.take(data[start:stop])
            except BadRequest:
                return None
            passed += piece
        return (passed, rest) if framing.done else None

    whole = taken((), bare=True)
    half = len(data) // 2
    assert taken((half,), bare=True) == whole
    framed = taken((), bare=False)
    assert (framed is None) == (whole is None)
    if framed is not None and whole is not None:
        assert framed[1] == whole[1]
        again, after = Chunks(bare=True).take(framed[0])
        assert (again, after) == (whole[0], b"")


def answer(data: bytes) -> None:
    """An upstream's answer is the same wherever it is cut; what is none is refused."""

    def read(cuts: tuple[int, ...]) -> tuple[int, bytes] | str:
        reader = AnswerReader()
        reader.begin(max_body=_SMALL, bodiless=False)
        try:
            for start, stop in zip((0, *cuts), (*cuts, len(data)), strict=True):
                if start < stop and reader.feed(data[start:stop]):
                    break
        except (MalformedAnswerError, AnswerTooLargeError):
            return "refused"
        if not reader.complete:
            return "half"
        found = reader.answer()
        assert len(found.body) <= _SMALL
        return found.status, found.body

    whole, half = read(()), read((len(data) // 2,))
    # What comes behind an answer spoils the connection, and is seen only if it comes with it.
    assert whole == half or "refused" in (whole, half)


def path(data: bytes) -> None:
    """A target is refused, or each of its steps was decoded once and says nothing of dots, slashes or controls."""
    for slash in (False, True):
        try:
            found = located(data, encoded_slash=slash)
        except BadRequest:
            continue
        for step in found.steps:
            assert step.partition(b";")[0] not in (b".", b"..")
            assert not any(byte < 0x20 or byte == 0x7F for byte in step)
            assert b"\\" not in step
            assert slash or b"/" not in step
        for count in range(len(found.steps)):
            assert found.path.endswith(rest_of(found.path, count))


def cache_control(data: bytes) -> None:
    """What replies and requests say of caching is read, whatever else stands there."""
    assert all(name == name.lower() for name, _ in directives(data))
    for name in (b"Cache-Control", b"CDN-Cache-Control"):
        reply_control(((name, data),))
        demand_from(((name, data), (b"Pragma", data)))


def ranges(data: bytes) -> None:
    """A range lies within what there is."""
    for length in (0, 1, 10, 1 << 40):
        found = wanted(data, length)
        if isinstance(found, Span):
            assert 0 <= found.start <= found.stop <= length
    part = part_of(data, b"0123456789", None)
    assert part is None or part.start >= 0


def date(data: bytes) -> None:
    """A date is a moment, and is written as itself."""
    found = seconds_of(data)
    if found is not None and 0 <= found < 253_402_300_800:
        assert seconds_of(written(found)) == found


def identity(data: bytes) -> None:
    """A credential is found, refused, or not there; none of it stays in what is passed on by another name."""
    lines = [line.partition(b":") for line in data.split(b"\n")]
    fields = tuple((name, value.strip(b" \t")) for name, _, value in lines if name)
    with suppress(Unauthenticated):
        credential(fields)
    said = presented(fields, b"token")
    if said.by_cookie:
        kept = b"; ".join(value for name, value in said.fields if name.lower() == b"cookie")
        assert not any(pair.strip(b" \t").startswith(b"token=") for pair in kept.split(b";"))
    with suppress(Unauthenticated):
        target, token = without_token(b"/x?" + data, b"token")
        assert token is None or b"token=" not in target.partition(b"?")[2][:6]
    Proxies(()).way(fields, "192.0.2.1", b"http", b"h")


def jwt(data: bytes) -> None:
    """A token is taken apart or refused before anything of it is believed."""
    try:
        found = opened(data.decode("latin-1"))
    except Unauthenticated:
        return
    json.dumps(dict(found.header)), json.dumps(dict(found.claims))


# --- bodies


def rpc(data: bytes) -> None:
    """Both readers of a JSON-RPC body say the same of it; what they take for parameters stands in it as it was sent."""
    strict = envelope._read_strictly(data, 50, 64)
    usual = envelope._read_usual(data, 50, 64)
    assert usual is None or usual == strict
    with suppress(Fault):
        rpc_mount.read(data, max_batch=50, max_depth=64)
    answers = envelope_answers._read_usual_answer(data)
    assert answers is None or answers == envelope_answers._read_answer_strictly(data)
    rpc_mount.filtered(data, lambda name: name.startswith("get"))


def rpc_msgpack(data: bytes) -> None:
    """A body of msgpack is entries or refused."""
    found = msgpack_envelope.read(data, max_batch=50, max_depth=64)
    if isinstance(found, envelope.Batch):
        assert 0 < len(found.entries) <= 50


def json_text(data: bytes) -> None:
    """What the scanner takes for JSON is JSON to Python, and its parts lie where it says."""
    try:
        scanner.check(data, 64)
    except scanner.MalformedJson:
        return
    json.loads(data)
    assert scanner.depth_within(data, 64)
    if scanner.opener(data) == b"{":
        for member in scanner.members(data, 64):
            json.loads(member.value(data) if callable(getattr(member, "value", None)) else data)
    elif scanner.opener(data) == b"[":
        for start, stop in scanner.items(data, 64):
            json.loads(data[start:stop])
    assert json.dumps(json.loads(scanner.canonical_spaces(data))) == json.dumps(json.loads(data))


def transcoding(data: bytes) -> None:
    """A value is carried over to the other encoding, or cannot be said there; it is never another one."""
    with suppress(Fault, ValueError):
        packed = transcode.json_to_msgpack(data, max_depth=64)
        transcode.msgpack_to_json(packed, max_depth=70)
    with suppress(Fault, ValueError):
        said = transcode.msgpack_to_json(data, max_depth=64)
        json.loads(said)


def array(data: bytes) -> None:
    """What says that it is an array is one, with as many bytes as its shape needs, or refused.

    The first line is a dtype (its descr, if it is JSON), the second a shape; the rest are its bytes.
    """
    name, _, rest = data.partition(b"\n")
    size, _, body = rest.partition(b"\n")
    try:
        dtype = json.loads(name) if name.startswith(b"[") else name.decode("latin-1")
        shape = json.loads(size)
    except (ValueError, RecursionError):
        return
    with suppress(arrays.NotSayable):
        found = arrays.array(dtype, shape, body)
        assert arrays.array(dtype, list(found.shape), found.data) == found
        form = json.loads(arrays.as_json(found))["$ndarray"]
        assert arrays.from_json(form) == found
        arrays.as_msgpack(found)
        json.loads(arrays.as_lists(found))


def npy(data: bytes) -> None:
    """The header of a numpy file is read, or refused as one of the mistakes that its reader names."""
    with suppress(ValueError, TypeError, LookupError, SyntaxError, MemoryError, RecursionError):
        end = npy_end(bytearray(data[:12]))
        assert end > 0
        if end <= len(data):
            npy_header(bytearray(data[:end]))


def coded(data: bytes) -> None:
    """However much a body unfolds to, no more of it is made than may be."""
    for name in (b"gzip", b"deflate"):
        with suppress(coding.UnreadableCodingError):
            found = coding.plain(Answer(200, b"OK", ((b"Content-Encoding", name),), data), _SMALL)
            assert len(found) <= _SMALL


def catalog(data: bytes) -> None:
    """What comes from callers of catalogs and from their servers is read or refused."""
    with suppress(wire.UnreadableError):
        wire.request_of(data)
    with suppress(wire.UnreadableError):
        encodings.stored(data, encodings.MSGPACK)
    with suppress(wire.UnreadableError):
        listing = Listing(listing_packed(data))
        listing.entries(10, 0)


def led(data: bytes) -> None:
    """A body in which nothing leads elsewhere is left as it is, and one that cannot be read is refused."""
    for leading in (led_back.json_led, led_back.msgpack_led):
        with suppress(ValueError):
            assert leading(data, lambda text: None) == data


def cache_key(data: bytes) -> None:
    """A key is told in words, or is none."""
    found = told(data)
    assert found is None or found is not data


TARGETS: MappingProxyType[str, Callable[[bytes], None]] = MappingProxyType(
    {
        one.__name__: one
        for one in (
            *(head, chunks, answer, path, cache_control, ranges, date, identity, jwt),
            *(rpc, rpc_msgpack, json_text, transcoding, array, npy, coded, catalog, led, cache_key),
        )
    }
)
"""Every target by its name, which is that of its seeds' file too."""

CORPUS = Path(__file__).with_name("corpus")


def seeds(name: str) -> list[bytes]:
    """The seeds of a target: a line each, as Python writes bytes; what once broke a parser is among them."""
    import ast

    text = CORPUS.joinpath(f"{name}.txt").read_text("ascii")
    return [ast.literal_eval(line) for line in text.splitlines() if line and not line.startswith("#")]
