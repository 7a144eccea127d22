"""How is an answer read whose body goes into a room? llhttp has its head, and is spared the rest."""

from __future__ import annotations

from gateway.core.room import Room
from gateway.core.upstream import Answer, Receiver
from gateway.wire.upstream_answer import AnswerReader, AnswerTooLargeError, MalformedAnswerError
from gateway.wire.upstream_placing import BrokenChunkError, Placing, SurplusError


class RoomReader(AnswerReader):
    """Reads one answer, the body of which is placed in a room if it is that of a 200; any further ones as others are read."""

    def __init__(self, room: Room) -> None:
        self._room: Room | None = room
        self.placing: Placing | None = None
        """The body on its way into the room."""
        super().__init__()

    def begin(
        self, *, max_body: int, bodiless: bool, receiver: Receiver | None = None, upgrades: bool = False
    ) -> None:
        """See there."""
        self.placing = None
        super().begin(max_body=max_body, bodiless=bodiless, receiver=receiver, upgrades=upgrades)

    def feed(self, data: bytes) -> bool:
        """See there."""
        if self._room is None:
            return super().feed(data)
        if self.placing is not None:
            return self._place(self.placing, data)
        end = data.find(b"\r\n\r\n") + 4
        if end < 4 or self.in_body:  # no head ends here
            return super().feed(data)
        super().feed(data[:end])
        rest = data[end:]
        # Where the head's last line end came in two pieces, the parser has seen some of the body by now.
        if self.complete or not self.in_body or self._gathered or self._status != 200:
            return self.feed(rest) if rest else self.complete
        length = None if self._coded else self._length
        place = self._room.begin()
        if not self._framed or (length is not None and length > place):
            return super().feed(rest) if rest else False
        self.placing = Placing(self._room, place, length, self._max_body)
        self._spent = True  # llhttp waits for a body that it will not see
        return self._place(self.placing, rest)

    def _place(self, placing: Placing, data: bytes) -> bool:
        try:
            self.complete = placing.feed(data)
        except BrokenChunkError as broken:
            raise MalformedAnswerError(str(broken)) from None
        except SurplusError:
            raise AnswerTooLargeError from None
        self.reusable = self.reusable and not placing.behind
        return self.complete

    def answer(self) -> Answer:
        """The complete answer, once."""
        gathered = super().answer()
        placing, self.placing, self._room = self.placing, None, None
        if placing is None:
            return gathered
        body = bytes(placing.surplus)
        return Answer(gathered.status, gathered.reason, gathered.fields, body, placing.placed)
