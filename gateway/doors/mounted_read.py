"""How does an answer pass that is read whole, because it names addresses past the gate? It says the gate's instead."""

from __future__ import annotations

from typing import Final

from gateway.core.faults import TooLarge, UpstreamBroken
from gateway.core.heads import AnswerHead
from gateway.core.http_fields import length_of, without
from gateway.core.plain_body import LARGEST
from gateway.core.reply import Fields
from gateway.core.serving import served
from gateway.core.verdict import Entry, HttpHead
from gateway.doors.mounted import Mounted

IN_PART: Final = frozenset((b"range", b"if-range"))
"""Fields that ask for a part: there is none of what is read whole."""

_OF_OTHER_BYTES: Final = frozenset(
    (
        *(b"content-length", b"content-encoding", b"accept-ranges"),
        *(b"content-md5", b"digest", b"repr-digest", b"content-digest"),
    )
)
"""What a field says of the bytes as the service sent them."""


class MountedRead(Mounted):
    """One request whose answer may name such addresses. It is stored as it came, and written as it leads here.

    A subclass says which answers are read, and what becomes of them: `reads`, `led`.
    """

    _fetched: AnswerHead | None = None

    # --- what a subclass says

    def reads(self, status: int, fields: Fields) -> bool:
        """Whether an answer like this is read."""
        raise NotImplementedError

    def led(self, head: HttpHead, stored: bytes) -> bytes:
        """The body as it leads to the gate, without its coding. Raises ValueError for what cannot be read."""
        raise NotImplementedError

    # --- what the service answers

    def answer_head(self, head: AnswerHead) -> bytes | None:
        """The head for the caller; one whose body is to be read is kept back."""
        written = super().answer_head(head)
        if written is None or not self.reads(head.status, head.fields):
            return written
        if self._way.verb == "HEAD":
            # How long it would be is not known without the body.
            return self.passed_head(
                AnswerHead(head.status, head.reason, without(head.fields, _OF_OTHER_BYTES), None)
            )
        self._fetched = head
        return None

    @property
    def hands_over(self) -> bool:
        """Whether the answer is for others as it comes: not one that is read."""
        return self._fetched is None and super().hands_over

    def tee(self, data: bytes) -> None:
        """Keep what is to be stored, and what is to be read."""
        if self._fetched is None:
            super().tee(data)
            return
        if max(self.sent, length_of(self._fetched.fields)) > LARGEST:
            self._give_up()
            self._refuse_size()
            return
        if self._keeping is not None and not self._keeping.write(data):
            self._keeping = None
            self.land(shared=False)

    def answered(self) -> None:
        """The service's answer is whole."""
        fetched, held = self._fetched, self.held
        super().answered()
        if fetched is not None and held is not None:
            self.write_led(HttpHead(fetched.status, fetched.reason, fetched.fields), b"".join(held))

    # --- what is stored

    def _write(self, entry: Entry) -> None:
        """Answer with what is stored, unless the caller has it."""
        head = entry.head
        if head is None or not self.reads(head.status, head.fields):
            super()._write(entry)
            return
        asked = without(self.seen.fields, IN_PART)
        made = served(head, entry.length, self._way.verb, asked, entry.stored)
        if made.status == 304:
            self._write_served(made, entry)
        elif entry.length > LARGEST:
            self._refuse_size()
        elif entry.extent is not None:
            self.later(self._write_from_file(head, entry))
        else:
            self.write_led(head, entry.body)

    async def _write_from_file(self, head: HttpHead, entry: Entry) -> None:
        """Answer with what lies in a file."""
        whole = await self.tools.relay.store.in_memory(entry)
        if whole is None:
            raise UpstreamBroken("What is stored of the answer cannot be read: ask again.")
        self.write_led(head, whole.body)

    # --- for the caller

    def write_led(self, head: HttpHead, stored: bytes) -> None:
        """Write the answer as it leads to the gate."""
        try:
            moved = self.led(head, stored)
        except ValueError as error:
            self.refuse_unread(error)
        else:
            self.write_moved(head, moved)

    def write_moved(self, head: HttpHead, moved: bytes) -> None:
        """Write the answer with this body."""
        self.held, self.sent = None, 0
        self.write_stored(HttpHead(head.status, head.reason, without(head.fields, _OF_OTHER_BYTES)), moved)

    def refuse_unread(self, error: ValueError) -> None:
        """Say that the answer cannot be read: it may lead anywhere. Nobody shall find it stored."""
        self.held = None
        if self._keeping is not None:
            self._keeping.abandon()
        entry = None if self.wanted is None else self.tools.relay.book.under(self.wanted)
        if entry is not None:
            self.tools.relay.book.drop(entry)
        name = self._way.service.qualified
        self.refuse(UpstreamBroken(f"The service {name!r} answered what cannot be read: {error}."))

    def _refuse_size(self) -> None:
        self.refuse(TooLarge(f"The answer is larger than {LARGEST} bytes.", limit=LARGEST))

    def public(self) -> bytes:
        """The gate's origin, as the caller sees it."""
        origin = self._origin()
        return self.tools.public_origin or b"%b://%b" % (origin.scheme, origin.host)
