"""How is one call carried out, under a client's options?"""

from __future__ import annotations

import time

from labgate._codec import JSON, MSGPACK, Encoder, can_msgpack
from labgate._delivery import Request, deliver
from labgate._keys import key_for
from labgate._options import Options
from labgate._origins import traced
from labgate._outcome import as_table, result_of, warn_of_stale
from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from labgate._client import Client
    from labgate._link import Link
    from labgate._method import Method
    from labgate._wire import Response

_BOTH = b"application/msgpack, application/json;q=0.9"
# The same as second choices.
_LESS = {JSON: b"application/json;q=0.9", _BOTH: b"application/msgpack;q=0.9, application/json;q=0.8"}


class Terms:
    """A link and the options of one client: what its calls are made of, and what their replies mean."""

    __slots__ = ("_encoder", "_gate", "_head", "_shown", "defaults", "link", "options", "pool")

    awaited = False
    link: Link

    def __init__(self, link: Link, options: Options) -> None:
        self.link = link
        self.pool = link.pool  # a session of its own may go over connections that somebody watches
        self.options = options
        own = {"datastack_name": link.datastack} if link.datastack else {}
        self.defaults: Mapping[str, Any] = {**own, **options.defaults}
        self._encoder = _encoder_for(link, options)
        self._shown: str | None = None
        self._head = b""
        if not link.renews:
            self._show(link.token())  # a login's is asked for when something is sent, not before
        self._gate = str(link.address)

    def settled(self, response: Response, method: Method) -> Any:
        """What a reply brings of a method's call.

        Raises:
            Error: it is no result.
        """
        if b"cache-status" in response.fields:
            warn_of_stale(response, method.name, self.link.warned)
        if b"warning" in response.fields:
            from labgate._notices import warn_of_notices

            warn_of_notices(response, method.name)
        result = result_of(response, method.name, self._gate, repeatable=method.repeatable)
        return self.shaped(result, method)

    def shaped(self, result: Any, method: Method) -> Any:
        """A result as what its method is said to answer: a table, a volume, a source, or as it came.

        Raises:
            Error: it is no such thing.
        """
        raise NotImplementedError

    def tabled(self, result: Any, method: Method) -> Any:
        """A result as a table, where its method answers one."""
        return as_table(result) if method.table else result

    def request(
        self,
        body: bytes,
        *,
        packed: bool,
        binary: bool,
        name: str | None,
        repeatable: bool,
        table: bool = False,
    ) -> Request:
        """What is sent for a body that is ready to leave.

        Args:
            body: one JSON-RPC request or an array of them.
            packed: it is msgpack rather than JSON.
            binary: the results are wanted in msgpack where it can be read here.
            name: the method, for error texts.
            repeatable: carrying it out twice is the same as once.
            table: the result is a table, which is wanted as an Arrow stream where it can be read here.
        """
        accept = _BOTH if packed or (binary and can_msgpack()) else JSON
        if table:
            accept = _with_arrow(accept)
        options, link = self.options, self.link
        renew = None
        if link.renews:
            renew = link.retold
            if (token := link.token()) is not self._shown:
                self._show(token)
        head = b"%bContent-Type: %b\r\nAccept: %b\r\nContent-Length: %d\r\n" % (
            self._head,
            MSGPACK if packed else JSON,
            accept,
            len(body),
        )
        known, own_key = 0.0, b""
        if not repeatable:
            line, known = key_for(options.idempotency_key, options.headers, self.link.known_seconds())
            head += line
            own_key = line if options.idempotency_key is None else b""
        return Request(
            head,
            body,
            method=name,
            repeatable=repeatable,
            timeout=options.timeout,
            retries=options.retries,
            known=known,
            own_key=own_key,
            renew=renew,
        )

    def _show(self, token: str | None) -> None:
        own = "authorization" in map(str.lower, self.options.headers)
        self._head = self.link.call_fields(own=own) + self.options.fields()
        self._shown = token

    def asked(self, method: Method, params: list[Any] | dict[str, Any] | None) -> Request:
        """What is sent for a call.

        Raises:
            TypeError, ValueError: the parameters cannot be sent.
        """
        body, packed = self.body(method, params)
        return self.request(
            body,
            packed=packed,
            binary=method.binary,
            table=method.table,
            name=method.name,
            repeatable=method.repeatable,
        )

    def encode(self, value: object) -> tuple[bytes, bool]:
        """The value's bytes as this client writes them, and whether they are msgpack."""
        return self._encoder.encode(value)

    def repack(self, value: object) -> bytes:
        """The value's bytes in msgpack, whatever it is."""
        return self._encoder.encode_msgpack(value)

    def encode_json(self, value: object) -> bytes:
        """The value's bytes in JSON, whatever it is."""
        return self._encoder.encode_json(value)

    def body(self, method: Method, params: list[Any] | dict[str, Any] | None) -> tuple[bytes, bool]:
        """The JSON-RPC request of a call, and whether it is msgpack."""
        if params is None:
            return method.head + b"}", False
        text, packed = self._encoder.encode(params)
        if not packed:
            return b'%b,"params":%b}' % (method.head, text), False
        from labgate._codec import packed_request

        return packed_request(method.name, 1, text), True


class Session(Terms):
    """How a client's calls are carried out, in the thread that makes them."""

    __slots__ = ()

    def call(self, method: Method, params: list[Any] | dict[str, Any] | None) -> Any:
        """The result of the method for these parameters.

        Raises:
            Error: there is none.
            TypeError, ValueError: the parameters cannot be sent.
        """
        request = self.asked(method, params)
        response = self.send(request)
        return traced(self.settled(response, method), self.link, method.name, request.body, response)

    def send(self, request: Request) -> Response:
        """The reply to a request.

        Raises:
            Error: there is none.
        """
        started = time.perf_counter()
        response = deliver(self.pool, request, self._gate)
        self.link.note(response, started)
        return response

    def shaped(self, result: Any, method: Method) -> Any:
        """A result as what its method is said to answer: a table, a volume, a source, or as it came.

        Raises:
            Error: it is no such thing.
        """
        if method.volume:
            from labgate._volume import volume_of

            return volume_of(result, self, method)
        if method.source:
            from labgate._source import source_of

            return source_of(result, self, method)
        if method.sources:
            from labgate._source_found import found_of

            return found_of(result, self, method)
        return self.tabled(result, method)

    def elsewhere(self, datastack: str | None) -> Client:
        """A client of the same gate, token and options in another datastack, None for none."""
        from labgate._connect import sibling

        return sibling(self.link, datastack, self.options)

    def derive(self, changes: dict[str, Any]) -> Session:
        """A session over the same link with other options."""
        return Session(self.link, self.options.replaced(changes))

    def recipe(self) -> tuple[Any, ...]:
        """How pickle makes an equal client: without the token, which is found anew where it is read."""
        from labgate._connect import reconnect

        options = self.options
        settings = {
            **self.link.settings(),
            "timeout": options.timeout,
            "retries": options.retries,
            "headers": options.headers,
            "default": options.default,
            "defaults": options.defaults,
            "remember": options.remember,
            "auth_token_key": options.auth_token_key,
        }
        return reconnect, (settings, options.fresh, options.max_age)


def _encoder_for(link: Link, options: Options) -> Encoder:
    """What writes the arguments of calls.

    Raises:
        SetupError: the options have a credential, which at a gate is the client's own to send.
    """
    if link.direct is None:
        if "authorization" in map(str.lower, options.headers):
            raise SetupError(
                "at a gate the header Authorization is this client's own to set",
                hint="Give token=...; for a service behind it: labgate.request(..., headers=...).",
            )
        return Encoder(options.default)
    from labgate._direct import PlainEncoder

    return PlainEncoder(options.default)


def _with_arrow(accept: bytes) -> bytes:
    from labgate._frames import ARROW, can_arrow

    return b"%b, %b" % (ARROW, _LESS.get(accept, accept)) if can_arrow() else accept


def terms_of(client: object, asked: str) -> Any:
    """The session of the client that one of the package's functions was given; `asked` is the function's name.

    Raises:
        TypeError: it is no client.
    """
    session = getattr(client, "_session", None)
    if getattr(session, "link", None) is None:
        raise TypeError(
            f"labgate.{asked} takes a client, such as labgate.connect() gives, and no {type(client).__name__}"
        )
    return session
