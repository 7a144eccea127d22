"""How does a client speak with a JSON-RPC server that stands before it without a gate?

The server is asked where it takes calls and what it offers: by a document at `/openrpc.json`, `rpc.discover`,
`system.describe`, `rpc.describe` or `system.listMethods`, whichever it answers first. What it says of its methods are
hints: nothing is taken to be safe to repeat that it does not call idempotent.
"""

from __future__ import annotations

import json
import time

from labgate._catalog import catalog_of
from labgate._codec import Encoder, decode_json
from labgate._delivery import Request, deliver
from labgate._described import READERS
from labgate._transport import Pool, close_all
from labgate.errors import BadReply, DeadlineExceeded, Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._catalog import Catalog
    from labgate._link import Link

CONVENTIONS = ("rpc.discover", "system.describe", "rpc.describe", "system.listMethods")
_PATHS = ("/", "/api", "/rpc", "/jsonrpc")
_BELOW = (
    "",
    "/rpc",
    "/api",
)  # below an address that has a path; people paste addresses without their last `/rpc`
_QUESTION_SECONDS = 20.0
_MOST_EXPLAINED = 50


class Direct:
    """Where a server without a gate takes calls (below the address), and how it described itself."""

    __slots__ = ("convention", "path")

    def __init__(self, path: str, convention: str) -> None:
        self.path = path
        self.convention = convention

    @classmethod
    def of(cls, about: dict[str, Any]) -> Direct | None:
        """What a kept list of methods says of it; None where the list is a gate's."""
        said = about.get("direct")
        if not isinstance(said, dict) or not isinstance(path := said.get("path"), str):
            return None
        return cls(path, str(said.get("convention")))


class PlainEncoder(Encoder):
    """Writes arguments for servers that know nothing but JSON: arrays are lists."""

    __slots__ = ()

    def encode(self, value: object) -> tuple[bytes, bool]:
        """As `Encoder.encode`: always JSON."""
        return self.encode_json(value), False

    def simple_or_binary(self, value: Any) -> object:
        """JSON's `default`: arrays as lists; for bytes there is no form that servers agree on."""
        if isinstance(value, (bytes, bytearray, memoryview)):
            if self._hook is not None:
                return self._hook(value)
            raise TypeError(
                "bytes cannot be sent to a JSON-RPC server: give connect(default=...) a function that says how it wants them"
            )
        if type(value).__name__ == "ndarray" and hasattr(value, "tolist"):
            return value.tolist()
        return self._simpler(value)


def discovered(link: Link, document: dict[str, Any] | None, refusal: Error, timeout: float | None) -> Catalog:
    """The catalog of a server that is no gate.

    Args:
        link: the way to it.
        document: what it answered at `/openrpc.json`, where that is a list of methods.
        refusal: what is wrong with its answer there, for when it is no JSON-RPC server either.
        timeout: seconds for all questions.

    Raises:
        BadReply: it does not describe itself.
        Error: it does not answer, or refuses to.
    """
    asking = _Asking(link, timeout)
    try:
        return _discovered(link, asking, document, refusal)
    finally:
        asking.close()


def _discovered(link: Link, asking: _Asking, document: dict[str, Any] | None, refusal: Error) -> Catalog:
    spoke: str | None = None
    for path in _BELOW if link.address.path else _PATHS:
        if document is not None:
            if asking.speaks(path):
                return _catalog(document, "rpc.discover", path, asking)
            continue
        for convention in CONVENTIONS:
            answer = asking.ask(path, convention, [])
            if answer is None:
                break  # nothing there speaks JSON-RPC
            spoke = path if spoke is None else spoke
            if "result" in answer and READERS[convention](answer["result"]) is not None:
                return _catalog(answer["result"], convention, path, asking)
    if spoke is not None:
        raise BadReply(
            f"{link.address}{spoke} takes JSON-RPC calls, but describes its methods by none of {', '.join(CONVENTIONS)}",
            hint="Put it behind a gate, with its methods written into the gate's settings.",
        )
    if document is not None:
        raise BadReply(
            f"{link.address}/openrpc.json lists methods, but no JSON-RPC calls are taken there",
            hint="Give the address where calls are taken.",
        )
    raise asking.refused or refusal


class _Asking:
    """The questions to one server, within one deadline."""

    def __init__(self, link: Link, timeout: float | None) -> None:
        self._link = link
        # An event loop's connections are not for questions that are waited for.
        self._pool = link.pool if isinstance(link.pool, Pool) else Pool(link.address, link.trust()[0])
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self.refused: Error | None = None  # a credential that is missing, or not enough

    def ask(self, path: str, method: str, params: list[str]) -> dict[str, Any] | None:
        """The JSON-RPC answer; None where there is none."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode("ascii")
        link = self._link
        head = link.asking_fields("POST", path) + (
            b"Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: %d\r\n"
            % len(body)
        )
        seconds = _QUESTION_SECONDS
        if self._deadline is not None:
            seconds = min(seconds, self._deadline - time.monotonic())
            if seconds <= 0:
                raise DeadlineExceeded(f"{link.address} did not say in time what methods it has")
        request = Request(head, body, method=None, repeatable=True, timeout=seconds, retries=0)
        response = deliver(self._pool, request, str(link.address))
        if response.status in (401, 403):
            from labgate._outcome import refusal_of

            self.refused = refusal_of(response, None, str(link.address), repeatable=True)
            return None
        try:
            answer = decode_json(response.body)
        except Error:
            return None
        speaks = isinstance(answer, dict) and ("result" in answer or answer.get("error") is not None)
        return answer if speaks else None

    def close(self) -> None:
        """Close the connections that were for the questions alone."""
        if self._pool is not self._link.pool:
            close_all(self._pool.idle)

    def speaks(self, path: str) -> bool:
        """Whether calls are taken at a path."""
        answer = self.ask(path, "rpc.discover", [])
        return answer is not None and ("jsonrpc" in answer or "id" in answer)


def _catalog(said: Any, convention: str, path: str, asking: _Asking) -> Catalog:
    methods = READERS[convention](said) or []
    if convention == "system.listMethods":
        _explain(methods, path, asking)
    document = {
        "methods": methods,
        "components": said.get("components") if isinstance(said, dict) else None,
        "x-labgate": {"direct": {"path": path, "convention": convention}},
    }
    return catalog_of(document, None)


def _explain(methods: list[dict[str, Any]], path: str, asking: _Asking) -> None:
    """Ask a server that lists nothing but names what its methods do, as long as it answers."""
    for one in methods[:_MOST_EXPLAINED]:
        answer = asking.ask(path, "system.methodHelp", [one["name"]])
        if answer is None or answer.get("error") is not None:
            return
        if isinstance(answer.get("result"), str):
            one["description"] = answer["result"]
