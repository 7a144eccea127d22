"""How does a client go through a recorded run again, without a gate?"""

from __future__ import annotations

import json
import os
import socket
import threading
from difflib import SequenceMatcher

from labgate._address import parse_address
from labgate._codec import Encoder, decode_json, decode_msgpack
from labgate._options import Options
from labgate._transport import Pool
from labgate.errors import BadReply, NotRecorded, SetupError
from labgate.testing._masking import Masks
from labgate.testing._questions import LIST, question_of
from labgate.testing._serving import Reply, speak
from labgate.testing._tape import BrokenRecording, Tape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from labgate._address import Address
    from labgate._client import Client
    from labgate.testing._questions import Question
    from labgate.testing._serving import Asked
    from labgate.testing._tape import Exchange

_ORDERS = ("request", "strict")
_MOST_COMPARED = 2000
_PATIENCE = (
    2.0  # seconds that a thread which is ahead of the recorded order waits while no other asks anything
)
_JSON = {"Content-Type": "application/json"}


class Replaying:
    """A run that is replayed; see `replay`.

    Attributes:
        path: the file.
        address: the gate's that was recorded, whose place this takes.
    """

    def __init__(self, path: str | os.PathLike[str], order: str = "request") -> None:
        if order not in _ORDERS:
            raise SetupError(f"order is one of {' and '.join(_ORDERS)}, not {order!r}")
        self.path = os.path.abspath(os.fspath(path))
        try:
            self._tape = Tape(self.path)
        except OSError as error:
            raise SetupError(f"the recording {self.path} cannot be read: {error.strerror}") from error
        gate = self._tape.about.get("gate")
        if not isinstance(gate, str):
            raise BrokenRecording(f"the recording {self.path} is of no gate: nothing was said")
        self.address: Address | None = parse_address(gate)
        self._strict = order == "strict"
        self._masks = Masks()
        self._turns = threading.Condition()
        self._speaking = 0
        self._used: set[int] = set()
        self._places: dict[str, list[int]] = {}
        self._next: dict[str, int] = {}
        self._options: dict[str, Any] = {}
        self._parts: dict[str, list[tuple[int, Any]]] = {}
        for at, exchange in enumerate(self._tape.exchanges):
            self._places.setdefault(exchange.key, []).append(at)
            for key, number in exchange.calls or [(exchange.key, None)]:
                self._parts.setdefault(key, []).append((at, number))

    # For `with`.

    def __enter__(self) -> Client:
        from labgate._connect import client_of
        from labgate._prepared import Way

        assert self.address is not None  # noqa: S101 - it always is, here
        told = self._tape.about.get("defaults")
        defaults = {"defaults": told} if isinstance(told, dict) and told else {}
        stack = self._options.pop("datastack", self._datastack())
        options = Options(**{"remember": False, **defaults, **self._options})
        return client_of(Way(self.address, None, "", tape=self), stack, options)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is None and self._strict and (left := self.left()):
            more = f", and {len(left) - 1} more" if len(left) > 1 else ""
            raise NotRecorded(f"the run has ended before this was asked: {left[0]}{more}")

    def __repr__(self) -> str:
        return f"<labgate replay of {self.path}: {len(self._tape.exchanges)} exchanges>"

    def close(self) -> None:
        """End it: nothing more is answered."""
        self._tape.close()

    def left(self) -> list[str]:
        """What was recorded and has not been asked yet, in order."""
        with self._turns:
            return [one.shown() for at, one in enumerate(self._tape.exchanges) if at not in self._used]

    # For clients.

    def pool(self, address: Address, ca_file: str | None) -> Pool:  # noqa: ARG002 - as recordings have it
        """Connections that are answered from the file."""
        return _Replayed(address, self)

    def connection(self) -> socket.socket:
        """A connection to the recorded gate."""
        ours, theirs = socket.socketpair()
        with self._turns:
            self._speaking += 1
        threading.Thread(target=self._speak, args=(theirs,), daemon=True).start()
        return ours

    # How it goes.

    def _datastack(self) -> str | None:
        first = next((one for one in self._tape.exchanges if LIST in one.label), None)
        if first is None or "?datastack=" not in first.label:
            return None
        from urllib.parse import unquote

        return unquote(first.label.partition("?datastack=")[2])

    def _speak(self, sock: socket.socket) -> None:
        try:
            speak(sock, lambda asked: self._answer(asked, sock))
        finally:
            with self._turns:
                self._speaking -= 1

    def _answer(self, asked: Asked, sock: socket.socket) -> Reply | None:
        question = question_of(asked, self._masks)
        try:
            with self._turns:
                if question.key not in self._places and not self._strict and question.calls:
                    return self._composed(question)
                exchange = self._found(question)
                self._turns.notify_all()
            body = self._tape.body(exchange) if exchange.status is not None else b""
        except (NotRecorded, BrokenRecording) as error:
            told = {"jsonrpc": "2.0", "id": None, "error": _told(error.message)}
            return Reply(400, json.dumps(told).encode("ascii"), _JSON)
        except ValueError:  # the file was closed meanwhile
            return None
        if exchange.status is None:
            return None
        reply = Reply(exchange.status, body, exchange.fields)
        tag = next((one for name, one in exchange.fields.items() if name.lower() == "etag"), None)
        if LIST in question.label and exchange.status == 200 and tag == asked.fields.get("if-none-match", ""):
            return Reply(304, b"", exchange.fields)
        if exchange.cut is None:
            return reply
        # As it was then: so much of the body, and no more.
        promised = exchange.cut if exchange.cut >= 0 else len(body) + 1
        whole = reply.to_bytes(asked.verb)
        sock.sendall(whole.replace(b"Content-Length: %d" % len(body), b"Content-Length: %d" % promised, 1))
        return None

    def _found(self, question: Question) -> Exchange:
        """The exchange that answers the question now.

        Raises:
            NotRecorded: there is none.
        """
        places = self._places.get(question.key, [])
        exchanges = self._tape.exchanges
        if not places:
            raise NotRecorded(self._unknown(question))
        turn = self._next.get(question.key, 0)
        if turn >= len(places):
            if self._strict:
                raise NotRecorded(
                    f"{question.label} is asked once more than the {len(places)} times that were recorded"
                )
            # Asked more often than then: the last answer stands, of a list the last that was given whole.
            whole = [at for at in places if exchanges[at].status != 304] or places
            return exchanges[whole[-1]]
        at = places[turn]
        self._next[question.key] = turn + 1
        if self._strict:
            before = self._missing(at)
            asked = -1
            while before is not None and asked < len(self._used) and self._others():
                # Another of the program's threads may be about to ask it.
                asked = len(self._used)
                self._turns.wait_for(lambda: self._missing(at) is None, _PATIENCE)
                before = self._missing(at)
            if before is not None:
                self._next[question.key] -= 1
                raise NotRecorded(
                    f"{question.label} is asked too early: {exchanges[before].shown()} came before it when this was recorded"
                )
        self._used.add(at)
        return exchanges[at]

    def _composed(self, question: Question) -> Reply:
        """The answer to calls that were asked in other company then: `labgate.map` groups them as it goes.

        Raises:
            NotRecorded: none of them was asked at all.
        """
        answers = [self._part(one, number) for one, number in question.calls]
        if all(answer is None for answer in answers):
            raise NotRecorded(self._unknown(question))
        told = [
            {"jsonrpc": "2.0", "id": number, "error": _told(self._unknown(one))} if answer is None else answer
            for answer, (one, number) in zip(answers, question.calls, strict=True)
        ]
        body = told if question.key != question.calls[0][0].key else told[0]
        return Reply(200, Encoder().encode_json(body), _JSON)

    def _part(self, question: Question, number: Any) -> dict[str, Any] | None:
        """The recorded answer to one call, alone or out of a batch, with the id that it is wanted with."""
        places = self._parts.get(question.key, [])
        if not places:
            return None
        turn = self._next.get(question.key, 0)
        self._next[question.key] = turn + 1
        at, known = places[min(turn, len(places) - 1)]
        exchange = self._tape.exchanges[at]
        self._used.add(at)
        packed = any(
            "msgpack" in said for name, said in exchange.fields.items() if name.lower() == "content-type"
        )
        try:
            answer = (decode_msgpack if packed else decode_json)(self._tape.body(exchange))
        except BadReply:
            return None
        if isinstance(answer, list):
            answer = next((one for one in answer if isinstance(one, dict) and one.get("id") == known), None)
        return {**answer, "id": number} if isinstance(answer, dict) else None

    def _others(self) -> bool:
        """Whether the program has threads beside the one that waits."""
        return threading.active_count() - self._speaking > 1

    def _missing(self, at: int) -> int | None:
        """The first exchange that had ended before this one began, and has not been asked; None where all were."""
        return next((one for one in range(self._tape.exchanges[at].since) if one not in self._used), None)

    def _unknown(self, question: Question) -> str:
        """That a question was not recorded, and which of the recorded ones is closest to it."""
        said = "" if question.said is None else f" {json.dumps(question.said, default=repr)}"
        text = f"{question.label}{said}"
        near = _closest(text, [one.shown() for one in self._tape.exchanges if LIST not in one.label])
        closest = f"; the closest that was: {near}" if near else ""
        return f"{text:.300} was not asked when this was recorded{closest}"


class _Replayed(Pool):
    """Connections whose other end is a file."""

    __slots__ = ("_replaying",)

    def __init__(self, address: Address, replaying: Replaying) -> None:
        super().__init__(address, tunnel=True)  # as it was recorded
        self._replaying = replaying

    def connect(self, deadline: float | None) -> socket.socket:  # noqa: ARG002 - as `Pool.connect`
        """As `Pool.connect`, without a network."""
        return self._replaying.connection()


def replay(path: str | os.PathLike[str], order: str = "request", **options: Any) -> Replaying:
    """Go through a recorded run again, without the lab::

        with labgate.testing.replay("run.labgate") as lab:
            assert analysis(lab) == 7

    Every question is answered as it was then; one that was asked several times gets its answers in their order, and
    then the last one again.

    Args:
        path: the file.
        order: `request` answers whatever was recorded, in any order; `strict` wants the same questions in the same
            order (those that went on at the same time in any), each as often, and all of them.
        options: of the client: `timeout`, `defaults`, `datastack` and so on.

    Raises:
        BrokenRecording: the file is no recording, of another version, truncated or damaged.
        SetupError: there is no such file.
        NotRecorded: by a call: it was not recorded; it names the closest that was.
    """
    found = Replaying(path, order)
    found._options = options  # noqa: SLF001
    return found


def _told(message: str) -> dict[str, Any]:
    """The JSON-RPC error of what was not recorded."""
    return {"code": NotRecorded.code, "message": message, "data": {"fault": "NotRecorded"}}


def _closest(text: str, known: list[str]) -> str | None:
    best, found = 0.3, None
    for one in known[:_MOST_COMPARED]:
        matcher = SequenceMatcher(None, text[:300], one[:300], autojunk=False)
        if matcher.quick_ratio() > best and (ratio := matcher.ratio()) > best:
            best, found = ratio, one
    return found
