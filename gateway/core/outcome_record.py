"""How is it written down that a call is made, and what came of it? A line of who makes it and what it says, then its answer."""

from __future__ import annotations

import json

from msgspec import Struct

from gateway.core.verdict import HttpHead

Told = tuple[HttpHead, bytes]


class Record(Struct, frozen=True):
    """A call that `writer` makes or has made: what was `said`, whether it has `ended`, and its answer; None where that is not known."""

    writer: str
    said: bytes
    ended: bool = False
    answer: Told | None = None


def line(writer: str, said: bytes) -> bytes:
    """How a record begins, and all of it while the call runs."""
    return json.dumps([writer, said.hex()]).encode() + b"\n"


def written(answer: Told | None) -> bytes:
    """What stands behind it: a line with the answer's head and the length of its body, and the body; None = it is not kept."""
    if answer is None:
        return b"null\n"
    head, body = answer
    fields = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in head.fields]
    said = [head.status, head.reason.decode("latin-1"), fields, len(body)]
    return json.dumps(said).encode() + b"\n" + body


def read(text: bytes) -> Record | None:
    """What a record says; None while it is being written. Half of an answer is none."""
    first, end, rest = text.partition(b"\n")
    if not end:
        return None
    writer, said = json.loads(first)
    found = _answer(rest)
    if found is None:
        return Record(writer, bytes.fromhex(said))
    return Record(writer, bytes.fromhex(said), True, found[0])


def _answer(text: bytes) -> tuple[Told | None] | None:
    """The answer, None where it is not all there (yet); an answer of None is one that was not kept."""
    first, end, body = text.partition(b"\n")
    if not end:
        return None
    said = json.loads(first)
    if said is None:
        return (None,)
    status, reason, fields, length = said
    if len(body) != length:
        return None
    made = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in fields)
    return ((HttpHead(status, reason.encode("latin-1"), made), body),)
