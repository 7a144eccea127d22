"""What is a gate whose services a test writes down?

It runs in this process, behind a real port on loopback, so that all of the client's own code runs, the sockets too.
"""

from __future__ import annotations

import tempfile
import threading

from labgate._address import parse_address
from labgate._names import closest
from labgate._options import Options
from labgate.errors import GateUnreachable, SetupError
from labgate.testing._answering import Answering
from labgate.testing._faults import check
from labgate.testing._offer import Offer
from labgate.testing._serving import Listener
from labgate.testing._troubles import Troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any, Self

    from labgate._client import Client
    from labgate.testing._answering import Call
    from labgate.testing._troubles import Trouble

_TOKEN = "token-of-a-scripted-gate"  # noqa: S105 - it opens nothing


class ScriptedGate:
    """A gate with scripted services; see `labgate.testing.gate`.

    Attributes:
        calls: every call that came, in order; each equals a tuple `("files.get_statistics", {"uid": "J1"})`.
        requests: verb and target of every request that came.
        raised: what the functions of services raised that is no `labgate.Error`, with their tracebacks.
    """

    def __init__(self, services: Mapping[str, Mapping[str, Any]]) -> None:
        self._offer = Offer()
        self._troubles = Troubles()
        self._answering = Answering(self._offer, self._troubles, self)
        self.calls: list[Call] = []
        self.requests: list[tuple[str, str]] = []
        self.raised: list[Exception] = []
        self._listener: Listener | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._lab: Client | None = None
        for service, entries in services.items():
            if not hasattr(entries, "items"):
                kind = type(entries).__name__
                raise TypeError(
                    f"the service {service!r} is its methods by their names, like {{'get': 1}}, not {kind}"
                )
            for name, answer in entries.items():
                self.add(service, name, answer)

    # What the test says.

    def add(self, service: str, name: str, answer: Any) -> None:
        """Add a method, or put another in its place; clients learn of it by their next reply.

        Args:
            service: the namespace; `stack/service` for one that belongs to a datastack.
            name: the method's name; `group.name` for one in a group. With a `/` before it, a path of the service.
            answer: a function, a value, or what `method` and `volume` make; for a path: bytes, text, a JSON value, or a
                function of the request that gives one of these.

        Raises:
            TypeError, ValueError: a name is no text, or empty.
        """
        for what, given in (("service", service), ("method", name)):
            if not isinstance(given, str):
                raise TypeError(f"the name of a {what} is a text, not {given!r}")
            if not given.strip():
                raise ValueError(f"the name of a {what} is empty")
        self._offer.add(service, name, answer)

    def remove(self, service: str, name: str) -> None:
        """Take a method away.

        Raises:
            KeyError: there is none.
        """
        self._offer.remove(service, name)

    def fail(self, method: str, error: Exception, times: int | None = None) -> None:
        """Let a method's calls fail, all of them or the next ones.

        Args:
            method: its whole name, `files.get_statistics`.
            error: an error of `labgate.errors`, which the caller gets as the same class; `GateUnreachable` ends the
                connection without an answer, `BadReply` answers what is none.
            times: for how many calls; None for all.

        Raises:
            ValueError: there is no such method.
            TypeError: a gate causes no such error.
        """
        check(error)
        self._trouble(method, times).error = error

    def cut(self, method: str, times: int | None = None) -> None:
        """Let the connection end instead of an answer, after the call was carried out."""
        self.fail(method, GateUnreachable("cut"), times)

    def delay(self, method: str, seconds: float, times: int | None = None) -> None:
        """Let a method's answers come later."""
        self._trouble(method, times).seconds = seconds

    def hold(self, method: str, times: int | None = None) -> Callable[[], None]:
        """Let a method's answers wait until the function that this returns is called."""
        trouble = self._trouble(method, times)
        trouble.gate = threading.Event()
        return trouble.gate.set

    def recover(self, method: str | None = None) -> None:
        """End the trouble of a method, or of all."""
        self._troubles.end(method)

    def calls_of(self, method: str) -> list[Any]:
        """The parameters of every call of a method, in order."""
        return [call.params for call in self.calls if call.method == method]

    # How it runs.

    @property
    def url(self) -> str:
        """Its address.

        Raises:
            SetupError: it does not run.
        """
        if self._listener is None:
            raise SetupError(
                "this scripted gate does not run", hint="Use it in a `with` block, or call start()."
            )
        return self._listener.url

    @property
    def lab(self) -> Client:
        """A client of it, always the same."""
        if self._lab is None:
            self._lab = self.connect()
        return self._lab

    def connect(self, **options: Any) -> Client:
        """Another client of it, with options of a client's call; nothing of this user's tokens and files is used."""
        from labgate._connect import client_of
        from labgate._prepared import Way

        way = Way(parse_address(self.url), _TOKEN, self._folder.name if self._folder else "")
        stack = options.pop("datastack", None)
        return client_of(way, stack, Options(**{"remember": False, **options}))

    def start(self) -> Self:
        """Begin to answer."""
        if self._listener is None:
            self._troubles.ended.clear()
            self._folder = tempfile.TemporaryDirectory(prefix="labgate-", ignore_cleanup_errors=True)
            self._listener = Listener(self._answering.respond)
        return self

    def stop(self) -> None:
        """End it, and every connection to it."""
        self._troubles.ended.set()
        self.recover()
        if self._listener is not None:
            self._listener.close()
        if self._folder is not None:
            self._folder.cleanup()
        self._listener = self._folder = self._lab = None

    def __enter__(self) -> Client:
        return self.start().lab

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        where = self._listener.url if self._listener is not None else "not running"
        return f"<scripted labgate: {len(self._offer)} methods, {where}>"

    def _trouble(self, method: str, times: int | None) -> Trouble:
        names = self._offer.names()
        if method not in names:
            near = closest(method, names)
            raise ValueError(
                f"this scripted gate has no method {method!r}"
                + (f"; did you mean {' or '.join(near)}?" if near else "")
            )
        return self._troubles.begin(method, times)


def gate(
    services: Mapping[str, Mapping[str, Any]] | None = None, /, **more: Mapping[str, Any]
) -> ScriptedGate:
    """A gate in this process, for tests of programs that use one::

        gate = labgate.testing.gate(files={"get_statistics": lambda uid: {"mean": 3.5}, "version": "1.2"})
        with gate as lab:
            assert analysis(lab) == 7
        assert gate.calls == [("files.get_statistics", {"uid": "J1"})]

    The client in the `with` block is a real one, and speaks HTTP with a real server on loopback. Functions get the
    arguments of calls, and their signatures and docstrings are advertised; a value is the answer to every call.

    Args:
        services: methods by name, by service; `{"fly1/chunkedgraph": {...}}` belongs to the datastack `fly1`.
        more: the same, for services whose name is one of Python.
    """
    return ScriptedGate({**(services or {}), **more})
