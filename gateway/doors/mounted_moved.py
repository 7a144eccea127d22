"""How does an answer pass that would lead its caller past the gate? It is read whole, and says the gate's address instead."""

from __future__ import annotations

import zlib
from typing import Final

from gateway.core.faults import TooLarge, UpstreamBroken
from gateway.core.heads import AnswerHead
from gateway.core.http_fields import values, without
from gateway.core.reply import Fields
from gateway.core.serving import served
from gateway.core.verdict import Entry, HttpHead
from gateway.doors.mounted import Mounted

LARGEST: Final = 16 << 20
"""Bytes of an answer that is read so."""

_IN_PART: Final = frozenset((b"range", b"if-range"))
_ASKED: Final = _IN_PART | {b"accept-encoding"}
_OF_OTHER_BYTES: Final = frozenset(
    (b"content-length", b"content-encoding", b"accept-ranges", b"content-md5", b"digest", b"repr-digest")
)
"""What a field says of the bytes as the service sent them."""


class MountedMoved(Mounted):
    """One request whose answer names addresses of the service's own. It is stored as it came, and written as it leads here."""

    _fetched: AnswerHead | None = None

    # --- sent so that the answer can be read

    @property
    def passed_fields(self) -> Fields:
        """The fields of the request: the whole is asked for, in plain."""
        return (*without(super().passed_fields, _ASKED), (b"Accept-Encoding", b"identity"))

    # --- the way back

    def answer_head(self, head: AnswerHead) -> bytes | None:
        """The head for the caller; one whose body is to be read is kept back."""
        written = super().answer_head(head)
        if written is None or head.status != 200:
            return written
        if self._way.verb == "HEAD":
            # How long it would be is not known without the body.
            return self.passed_head(AnswerHead(200, head.reason, without(head.fields, _OF_OTHER_BYTES), None))
        self._fetched = head
        return None

    def tee(self, data: bytes) -> None:
        """Keep what is to be stored, and what is to be read."""
        if self._fetched is None:
            super().tee(data)
            return
        if self.sent > LARGEST:
            self._give_up()
            self.refuse(TooLarge(f"The answer is larger than {LARGEST} bytes.", limit=LARGEST))
            return
        if self._keeping is not None and not self._keeping.write(data):
            self._keeping = None
            self.land(shared=False)

    def answered(self) -> None:
        """The service's answer is whole."""
        fetched, held = self._fetched, self.held
        super().answered()
        if fetched is not None and held is not None:
            self._write_moved(HttpHead(fetched.status, fetched.reason, fetched.fields), b"".join(held))

    def _write(self, entry: Entry) -> None:
        """Answer with what is stored, unless the caller has it."""
        head = entry.head
        if head is None:
            super()._write(entry)
            return
        asked = without(self.seen.fields, _IN_PART)
        made = served(head, entry.length, self._way.verb, asked, entry.stored)
        if made.status != 200:
            self._write_served(made, entry)
        elif entry.extent is not None:
            self.later(self._write_read(head, entry))
        else:
            self._write_moved(head, entry.body)

    async def _write_read(self, head: HttpHead, entry: Entry) -> None:
        """Answer with what lies in a file."""
        whole = await self.tools.relay.store.in_memory(entry)
        if whole is None:
            raise UpstreamBroken("What is stored of the answer cannot be read: ask again.")
        self._write_moved(head, whole.body)

    def _write_moved(self, head: HttpHead, stored: bytes) -> None:
        """Write the answer as it leads to the gate."""
        way = self._way
        try:
            body = _plain(head.fields, stored)
            self.tools.learn(way.service, way.inner, body, self._principal)
            moved = body if way.site is None else way.site.moved(way.service, way.inner, body, self._public())
        except ValueError as error:
            # What cannot be read may lead anywhere.
            self.held = None
            self.refuse(
                UpstreamBroken(
                    f"The service {way.service.qualified!r} answered what cannot be read: {error}."
                )
            )
            return
        self.held, self.sent = None, 0
        self.write_stored(HttpHead(head.status, head.reason, without(head.fields, _OF_OTHER_BYTES)), moved)

    def _public(self) -> bytes:
        """Where the caller sees the root of the service's server."""
        origin = self._origin()
        public = self.tools.public_origin or b"%b://%b" % (origin.scheme, origin.host)
        return public + self._way.places.mount


def _plain(fields: Fields, body: bytes) -> bytes:
    """The body without its coding. Raises ValueError for one that is not known, or does not hold."""
    codings = [
        one.strip().lower() for value in values(fields, b"content-encoding") for one in value.split(b",")
    ]
    for coding in reversed(codings):
        if coding in (b"gzip", b"x-gzip"):
            body = _inflated(body)
        elif coding not in (b"identity", b""):
            raise ValueError(f"its coding is {coding[:40]!r}, though none was asked for")
    return body


def _inflated(body: bytes) -> bytes:
    inflating = zlib.decompressobj(wbits=31)
    try:
        plain = inflating.decompress(body, LARGEST)
    except zlib.error as error:
        raise ValueError("it is not compressed as it says") from error
    if not inflating.eof:
        raise ValueError("it is cut, or too large")
    return plain
