"""Who wants to hear what on a live line, and what does the gate say there?"""

from __future__ import annotations

import os
import threading

from labgate._codec import to_json_text
from labgate._websocket import is_accepted
from labgate._wire import MalformedReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any

    from labgate._changes import Changes
    from labgate._wire import Head

PROTOCOL = "labgate.json"
CONNECT_SECONDS = 20.0
QUIET_SECONDS = 90.0  # the gate asks after half a minute of silence, so that a longer one is a dead line
REFRESH_SECONDS = 60.0
SPREAD_SECONDS = 0.5  # hundreds of clients hear of a new catalog in the same moment
ENDED = "the gate has ended it"
NOT_YET = "it has not connected yet"
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
_NEVER = frozenset((404, 405, 426, 501))  # there is no such thing at this gate


class NoSuchThingError(Exception):
    """The gate has no WebSockets: there is no use in trying again."""

    def __init__(self, who: str = "this gate") -> None:
        super().__init__(f"{who} tells of nothing unasked")


def version_told(answer: Head, key: bytes) -> str:
    """The version of the catalog that the answer to the question for a line names, where that is a line.

    Raises:
        NoSuchThingError: there never is one at this gate.
        MalformedReply: it is none.
    """
    if answer.status in _NEVER or 200 <= answer.status < 300:
        raise NoSuchThingError
    if answer.status != 101 or not is_accepted(answer, key, PROTOCOL):
        raise MalformedReply(f"the gate answers {answer.status}, and no WebSocket")
    return answer.fields.get(b"labgate-catalog", b"").decode("latin-1")


def chance() -> float:
    """A number from 0 to 1."""
    return os.urandom(1)[0] / 256


class Hearing:
    """What is heard of one job.

    Attributes:
        changed: set when it may have changed.
        alive: the gate tells of it: nobody need ask for it.
    """

    __slots__ = ("alive", "changed", "method", "params")

    def __init__(self, method: str, params: bytes | None, changed: threading.Event | asyncio.Event) -> None:
        self.method = method
        self.params = params
        self.changed = changed
        self.alive = False


class Hearings:
    """All that is heard on one line; messages are texts of JSON. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_number: dict[int, Hearing] = {}
        self._by_subscription: dict[str, Hearing] = {}
        self._numbers = 0

    def add(self, hearing: Hearing) -> bytes:
        """Hear of this one, too: the message that asks for it."""
        with self._lock:
            self._numbers += 1
            self._by_number[self._numbers] = hearing
            return _asking(self._numbers, hearing)

    def remove(self, hearing: Hearing) -> list[bytes]:
        """Hear no more of it: the messages that say so."""
        hearing.alive = False
        with self._lock:
            self._by_number = {number: one for number, one in self._by_number.items() if one is not hearing}
            names = [name for name, one in self._by_subscription.items() if one is hearing]
            for name in names:
                del self._by_subscription[name]
        said = b'{"jsonrpc":"2.0","method":"rpc.unsubscribe","params":["%b"]}'
        return [said % name.encode("ascii") for name in names]

    def asked(self) -> list[bytes]:
        """The messages that ask for all of them, on a new line."""
        with self._lock:
            return [_asking(number, one) for number, one in self._by_number.items()]

    def lost(self) -> None:
        """The line is gone: whoever waits asks for themselves from now on."""
        with self._lock:
            self._by_subscription.clear()
            hearings = list(self._by_number.values())
        for one in hearings:
            one.alive = False
            one.changed.set()

    def told(self, said: Any) -> str | None:
        """One message of the gate's; the version of the catalog that it tells of."""
        if not isinstance(said, dict):
            return None
        params = said.get("params")
        if said.get("method") == "rpc.changed" and isinstance(params, dict):
            return str(params.get("version"))
        if said.get("method") == "job.progress" and isinstance(params, dict):
            with self._lock:
                hearing = self._by_subscription.get(str(params.get("subscription")))
            if hearing is not None:
                hearing.alive = params.get("over") is not True
                hearing.changed.set()
        elif isinstance(said.get("id"), int):
            self._subscribed(said["id"], said.get("result"))
        return None

    def _subscribed(self, number: int, result: Any) -> None:
        with self._lock:
            hearing = self._by_number.get(number)
            name = result.get("subscription") if isinstance(result, dict) else None
            if hearing is not None and isinstance(name, str):
                self._by_subscription[name] = hearing
                hearing.alive = True
                hearing.changed.set()  # it may have changed before anybody was told


def _asking(number: int, hearing: Hearing) -> bytes:
    method = to_json_text(hearing.method).encode()
    params = b"" if hearing.params is None else b',"params":%b' % hearing.params
    topic = b'{"topic":"job.progress","method":%b%b}' % (method, params)
    return b'{"jsonrpc":"2.0","id":%d,"method":"rpc.subscribe","params":%b}' % (number, topic)


class Listening:
    """What a line has in common with others, whoever keeps it.

    Attributes:
        connected: the line stands at this moment.
        why: why it does not, as text; empty while it does.
    """

    def __init__(self, timeout: float | None) -> None:
        """`timeout` is how long calls may take here."""
        self.connected = False
        self.why = NOT_YET
        self._timeout = REFRESH_SECONDS if timeout is None else min(timeout, REFRESH_SECONDS)
        self._hearings = Hearings()
        self._listeners: list[Callable[[Changes], Any]] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {'connected' if self.connected else self.why}>"

    def listen(self, listener: Callable[[Changes], Any]) -> None:
        """Have this called with what every refresh has found, where the line is kept; in an event loop what it gives is awaited."""
        self._listeners.append(listener)

    def hear(self, method: str, params: bytes | None, changed: threading.Event | asyncio.Event) -> Hearing:
        """Hear of a job, which this method tells of for these parameters, from now on until `unhear`."""
        hearing = Hearing(method, params, changed)
        self._say(self._hearings.add(hearing))
        return hearing

    def unhear(self, hearing: Hearing) -> None:
        """Hear no more of it."""
        for said in self._hearings.remove(hearing):
            self._say(said)

    def _say(self, text: bytes) -> None:
        """Say something, if the line stands; a new line has all said again."""
        raise NotImplementedError
