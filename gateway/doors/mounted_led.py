"""How does an answer pass whose service names its own address in what it says (`links: true`)?

JSON and msgpack are read and lead to the gate; everything else streams as it came, in whichever coding the caller takes.
"""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.core.heads import BODILESS_STATUSES, AnswerHead
from gateway.core.http_fields import first, values, without
from gateway.core.led_back import can_be_led, is_msgpack, json_led, media_type, msgpack_led, names_any
from gateway.core.places import normal_origin
from gateway.core.plain_body import can_be_plain, plain
from gateway.core.reply import Fields
from gateway.core.verdict import HttpHead, Miss, Stale
from gateway.doors.mounted_read import IN_PART, MountedRead

_LONG: Final = 128 << 10
"""Bytes of a body beyond which it is read in a thread, while others go on."""

_CODING: Final = frozenset((b"accept-encoding",))
_ASKED: Final = IN_PART | _CODING
_IN_PLAIN: Final = ((b"Accept-Encoding", b"identity"),)


class MountedLed(MountedRead):
    """One request below the mount of a service that names its own address."""

    _plainly = False  # the whole is asked for, without a coding

    # --- sent so that the answer can be read

    def lines_of(self, passed: Fields) -> bytes:
        """The lines for the service: what cannot be asked for again, or will be read, is asked for in plain."""
        if not self.upgrades:
            if self._plainly or not self._may_ask_again:
                passed = (*without(passed, _ASKED), *_IN_PLAIN)
            elif self._expects_links:
                passed = (*without(passed, _CODING), *_IN_PLAIN)
        return super().lines_of(passed)

    @property
    def _may_ask_again(self) -> bool:
        return self._way.verb in ("GET", "HEAD") and self.complete and not self.received

    @property
    def _expects_links(self) -> bool:
        accepted = [one for value in values(self.seen.fields, b"accept") for one in value.split(b",")]
        return any(can_be_led(media_type(one)) for one in accepted)

    def _renew(self, verdict: Stale) -> None:
        stored = verdict.entry.head
        # What is stored instead has to be read as well.
        self._plainly = stored is not None and self.reads(stored.status, stored.fields)
        super()._renew(verdict)

    # --- what is read

    def reads(self, status: int, fields: Fields) -> bool:
        """Whether an answer like this is read: by what it says that it is."""
        has_body = status not in BODILESS_STATUSES and status != 101
        return has_body and can_be_led(media_type(first(fields, b"content-type") or b""))

    def answer_head(self, head: AnswerHead) -> bytes | None:
        """The head for the caller; None where the answer is kept back, or asked for anew so that it can be read."""
        if (
            not self._plainly
            and self._may_ask_again
            and self._way.verb == "GET"
            and self.reads(head.status, head.fields)
            and (head.status == 206 or not can_be_plain(head.fields))
        ):
            self._plainly = self._again = True
            return None
        return super().answer_head(head)

    def _plan(self, head: AnswerHead, verdict: Miss) -> None:
        if head.status == 206 and self.reads(head.status, head.fields):
            self.land(shared=False)  # nobody asked for a part
            return
        super()._plan(head, verdict)

    # --- led

    def write_led(self, head: HttpHead, stored: bytes) -> None:
        """Write the answer as it leads to the gate; a long one when a thread has read it."""
        if len(stored) > _LONG:
            self._origin()
            self.later(self._write_apart(head, stored))
        else:
            super().write_led(head, stored)

    async def _write_apart(self, head: HttpHead, stored: bytes) -> None:
        try:
            moved = await asyncio.to_thread(self.led, head, stored)
        except ValueError as error:
            self.refuse_unread(error)
        else:
            self.write_moved(head, moved)

    def led(self, head: HttpHead, stored: bytes) -> bytes:
        """The body as it leads to the gate. Raises ValueError where it cannot be told what its texts are."""
        if head.status == 206:
            raise ValueError("it is a part, though the whole was asked for")
        body = plain(head.fields, stored)
        places, public, others = self._way.places, self.public(), self._others()
        hosts = frozenset(origin.partition(b"://")[2] for origin in places.origins | others)
        named = names_any(body, hosts)

        def lead(value: bytes) -> bytes | None:
            return places.address(value, public, others)

        if is_msgpack(media_type(first(head.fields, b"content-type") or b"")):
            return msgpack_led(body, lead) if named else body
        # In JSON they may hide behind escapes, or in another coding of characters.
        return json_led(body, lead) if named or b"\\" in body or b"\0" in body else body

    def _others(self) -> frozenset[bytes]:
        """The origins at which the service may take itself to be because it was sent the caller's Host."""
        if not self._way.service.keep_host:
            return frozenset()
        host = self.notes.first.get(b"host", b"")
        return frozenset(normal_origin(scheme + host) for scheme in (b"http://", b"https://"))
