"""How is one call carried out, under a client's options?"""

from __future__ import annotations

import re
import time

from labgate._codec import JSON, MSGPACK, Encoder, can_msgpack
from labgate._defaults import checked_defaults, merged
from labgate._delivery import Request, deliver
from labgate._outcome import as_table, result_of, warn_of_stale
from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from labgate._link import Link
    from labgate._method import Method
    from labgate._wire import Response

_FIELD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")
# What this client itself decides about a request.
_OWN_FIELDS = frozenset(
    (
        *(
            "host",
            "user-agent",
            "accept",
            "accept-encoding",
            "cache-control",
            "authorization",
            "labgate-token",
        ),
        *("content-length", "content-type", "transfer-encoding", "te", "trailer", "labgate-timeout"),
        *("connection", "expect", "upgrade"),
    )
)
_BOTH = b"application/msgpack, application/json;q=0.9"
# The same as second choices.
_LESS = {JSON: b"application/json;q=0.9", _BOTH: b"application/msgpack;q=0.9, application/json;q=0.8"}


class Options:
    """What a client's calls go by; see `labgate.connect` and the client's call."""

    __slots__ = (
        "auth_token_key",
        "default",
        "defaults",
        "fresh",
        "headers",
        "max_age",
        "remember",
        "retries",
        "timeout",
    )

    def __init__(
        self,
        *,
        timeout: float | None = 300.0,
        retries: int = 2,
        headers: Mapping[str, str] | None = None,
        default: Callable[[Any], Any] | None = None,
        fresh: bool = False,
        max_age: float | None = None,
        defaults: Mapping[str, Any] | None = None,
        remember: bool = True,
        auth_token_key: str | None = None,
    ) -> None:
        if timeout is not None and not (_is_number(timeout) and 0 < timeout < 1e9):
            raise SetupError("timeout is a number of seconds above 0, or None")
        if type(retries) is not int or retries < 0:
            raise SetupError("retries is a whole number from 0 on")
        if max_age is not None and not (_is_number(max_age) and 0 <= max_age < 1e12):
            raise SetupError("max_age is a number of seconds from 0 on, or None")
        if default is not None and not callable(default):
            raise SetupError(
                "default is a function that makes a simpler value of one that JSON does not know"
            )
        self.timeout = timeout
        self.retries = retries
        self.headers = checked_fields(headers or {})
        self.default = default
        self.fresh = bool(fresh)
        self.max_age = max_age
        self.defaults: Mapping[str, Any] = checked_defaults(defaults) if defaults else {}
        self.remember = bool(remember)
        self.auth_token_key = auth_token_key

    def fields(self) -> bytes:
        """The request fields that these options mean."""
        lines = [f"{name}: {value}\r\n" for name, value in self.headers.items()]
        if freshness := self.freshness():
            lines.append(f"Cache-Control: {freshness}\r\n")
        return "".join(lines).encode("latin-1")

    def freshness(self) -> str | None:
        """What `Cache-Control` says of these options, None for nothing."""
        if self.fresh:
            return "no-cache"
        return None if self.max_age is None else f"max-age={int(self.max_age)}"

    def replaced(self, changes: dict[str, Any]) -> Options:
        """These options with changes; new headers and defaults join the old ones."""
        if "headers" in changes:
            new = checked_fields(changes["headers"] or {})
            lower = {name.lower() for name in new}
            kept = {name: value for name, value in self.headers.items() if name.lower() not in lower}
            changes = {**changes, "headers": {**kept, **new}}
        if "defaults" in changes:
            changes = {**changes, "defaults": merged(self.defaults, changes["defaults"] or {})}
        return Options(**{**{name: getattr(self, name) for name in self.__slots__}, **changes})


class Session:
    """A link and the options of one client."""

    __slots__ = ("_encoder", "_gate", "_head", "defaults", "link", "options")

    def __init__(self, link: Link, options: Options) -> None:
        self.link = link
        self.options = options
        own = {"datastack_name": link.datastack} if link.datastack else {}
        self.defaults: Mapping[str, Any] = {**own, **options.defaults}
        self._encoder = Encoder(options.default)
        self._head = link.fields("POST", "/rpc") + options.fields()
        self._gate = str(link.address)

    def call(self, method: Method, params: list[Any] | dict[str, Any] | None) -> Any:
        """The result of the method for these parameters.

        Raises:
            Error: there is none.
            TypeError, ValueError: the parameters cannot be sent.
        """
        body, packed = self.body(method, params)
        response = self.send(
            body,
            packed=packed,
            binary=method.binary,
            table=method.table,
            name=method.name,
            repeatable=method.repeatable,
        )
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
        if method.volume:
            from labgate._volume import volume_of

            return volume_of(result, self, method)
        if method.source:
            from labgate._source import source_of

            return source_of(result, self, method)
        if method.sources:
            from labgate._source_found import found_of

            return found_of(result, self, method)
        return as_table(result) if method.table else result

    def send(
        self,
        body: bytes,
        *,
        packed: bool,
        binary: bool,
        name: str | None,
        repeatable: bool,
        table: bool = False,
    ) -> Response:
        """The reply to a body that is ready to leave.

        Args:
            body: one JSON-RPC request or an array of them.
            packed: it is msgpack rather than JSON.
            binary: the results are wanted in msgpack where it can be read here.
            name: the method, for error texts.
            repeatable: carrying it out twice is the same as once.
            table: the result is a table, which is wanted as an Arrow stream where it can be read here.
        """
        request = self.request(
            body, packed=packed, binary=binary, name=name, repeatable=repeatable, table=table
        )
        started = time.perf_counter()
        response = deliver(self.link.pool, request, self._gate)
        self.link.note(response, started)
        return response

    def request(
        self, body: bytes, *, packed: bool, binary: bool, name: str | None, repeatable: bool, table: bool
    ) -> Request:
        """What `send` sends."""
        accept = _BOTH if packed or (binary and can_msgpack()) else JSON
        if table:
            accept = _with_arrow(accept)
        options = self.options
        head = b"%bContent-Type: %b\r\nAccept: %b\r\nContent-Length: %d\r\n" % (
            self._head,
            MSGPACK if packed else JSON,
            accept,
            len(body),
        )
        return Request(
            head, body, method=name, repeatable=repeatable, timeout=options.timeout, retries=options.retries
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

    def body(self, method: Method, params: list[Any] | dict[str, Any] | None) -> tuple[bytes, bool]:
        """The JSON-RPC request of a call, and whether it is msgpack."""
        if params is None:
            return method.head + b"}", False
        text, packed = self._encoder.encode(params)
        if not packed:
            return b'%b,"params":%b}' % (method.head, text), False
        from labgate._codec import packed_request

        return packed_request(method.name, 1, text), True


def _with_arrow(accept: bytes) -> bytes:
    from labgate._frames import ARROW, can_arrow

    return b"%b, %b" % (ARROW, _LESS.get(accept, accept)) if can_arrow() else accept


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def checked_fields(headers: Mapping[str, str], own: frozenset[str] = _OWN_FIELDS) -> dict[str, str]:
    """The header fields, if HTTP can carry them and none of them is the client's `own` to set.

    Raises:
        SetupError: it is otherwise.
    """
    found = {}
    for name, value in headers.items():
        if not (
            isinstance(name, str)
            and isinstance(value, str)
            and _FIELD.fullmatch(name)
            and _VALUE.fullmatch(value)
        ):
            raise SetupError("headers are names and values that HTTP can carry")
        if name.lower() in own:
            raise SetupError(f"the header {name} is this client's own to set")
        found[name] = value
    return found
