"""How does a program speak plain HTTP with a service behind the gate, in the gate's identity?"""

from __future__ import annotations

import time

from labgate._at_once import at_once, is_awaited, settled
from labgate._codec import decode_json
from labgate._delivery import Request
from labgate._flow import begin
from labgate._options import checked_fields
from labgate._outcome import rejection_of, warn_of_stale
from labgate._outgoing import Outgoing
from labgate._response import RawResponse
from labgate._target import place, terms_of, with_query
from labgate._wire import Response
from labgate.errors import Error, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Mapping
    from typing import Any, overload

    from labgate._async_client import AsyncClient, AsyncNamespace
    from labgate._async_request import Opening
    from labgate._client import Client, Namespace
    from labgate._outgoing import Data
    from labgate._session import Terms
    from labgate._target import Query
    from labgate._wire import Head

    AnyData = Data | AsyncIterable[bytes]

# What the request's framing, and the gate's identity, are told by.
_OWN_FIELDS = frozenset(
    (
        *("host", "connection", "transfer-encoding", "te", "trailer", "expect", "upgrade"),
        *("labgate-token", "labgate-timeout"),
    )
)
_VERB = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~")
_IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY", "PROPFIND", "SEARCH"))
_MOST_OF_A_REFUSAL = 64 * 1024


if TYPE_CHECKING:

    @overload
    def request(
        target: Client | Namespace,
        method: str = "POST",
        url: str = "",
        *,
        query: Query | None = None,
        data: Data | None = None,
        json: Any = ...,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = ...,
        raise_for_status: bool = True,
    ) -> RawResponse: ...

    @overload
    def request(
        target: AsyncClient | AsyncNamespace,
        method: str = "POST",
        url: str = "",
        *,
        query: Query | None = None,
        data: AnyData | None = None,
        json: Any = ...,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = ...,
        raise_for_status: bool = True,
    ) -> Opening: ...


def request(
    target: Client | Namespace | AsyncClient | AsyncNamespace,
    method: str = "POST",
    url: str = "",
    *,
    query: Query | None = None,
    data: AnyData | None = None,
    json: Any = ...,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = ...,  # type: ignore[assignment]
    raise_for_status: bool = True,
) -> RawResponse | Opening:
    """One plain HTTP request to a mounted service, by the gate's address and in this client's identity.

    The body of the reply is read as it is asked for, so that it may be larger than memory:

        with labgate.request(lab.files, "GET", "/tiles/7", query={"level": 2}) as response:
            print(response.headers["Content-Type"])
            tile = response.read()

        with labgate.request(lab.cryosparc, url="/download_file", json={"path": "/file.txt"}) as response:
            shutil.copyfileobj(response, file)

    Redirects are not followed. What did not leave is sent again, as is what may be carried out twice (by its verb) and
    whose body can be had twice; once a reply has begun, nothing is.

    Args:
        target: the service's namespace, `lab.files`; or the client, for a path of the gate itself.
        method: the HTTP verb.
        url: the path below the service's mount, as it is to be sent, with a query or not.
        query: names and values; lists repeat their name, None is left out.
        data: the body: bytes, an array's memory, a binary file (from where it stands to its end), or an iterable of
            bytes, which travels in chunks unless `headers` has its Content-Length.
        json: a value that is sent as JSON instead; arrays, dates and the like as in calls.
        headers: further fields. With an `Authorization` of the caller's own, which is then the service's, the gate's
            token travels as `Labgate-Token`.
        timeout: seconds until the reply begins; a body of several pieces begins them anew with each piece. Behind that
            each wait for more of the reply may take as long. None waits for ever; default: the client's.
        raise_for_status: False gives replies with a status of 400 or more as they are.

    Raises:
        Error: the gate or the service refuses, of the class that says why (`http_status`, `data`, `retry_after`); or
            no reply came.
        SetupError, TypeError: the request cannot be made.
    """
    given: dict[str, Any] = {"query": query, "headers": headers, "timeout": timeout}
    if is_awaited(target):
        from labgate._async_request import Opening, opened

        return Opening(opened((target, method, url), given, (data, json), raise_for_status=raise_for_status))
    asking = Asking(target, method, url, **given)
    asking.carry(data, json)
    return asking.open(raise_for_status=raise_for_status)


async def body_of(client: Any, verb: str, url: str, **more: Any) -> bytes:
    """The body that the gate itself answers at a path of its own.

    Raises: as `request` does.
    """
    answer: Any = await settled(request(client, verb, url, **more))
    try:
        body: bytes = await settled(answer.read())
        return body
    finally:
        answer.close()


async def json_of(client: Any, verb: str, url: str, **more: Any) -> Any:
    """The same, read as JSON."""
    return decode_json(await body_of(client, verb, url, **more))


class Asking:
    """A raw request that is being put together.

    Attributes:
        session: whose it is.
        path: path and query at the gate.
        words: the request in a few words, for error texts.
    """

    session: Terms

    def __init__(
        self,
        target: object,
        verb: str,
        url: str,
        *,
        query: Query | None,
        headers: Mapping[str, str] | None,
        timeout: float | None = ...,  # type: ignore[assignment]
    ) -> None:
        self.session, name = target if isinstance(target, tuple) else terms_of(target)
        self.verb = verb.upper()
        if not self.verb or not _VERB.issuperset(self.verb) or self.verb == "CONNECT":
            raise SetupError(f"{verb[:40]!r} is no HTTP verb for a service")
        self.path = with_query(place(self.session, name, url), query)
        self.words = f"{self.verb} {self.path.partition('?')[0]}"
        own: dict[str, Any] = {"timeout": timeout}
        options = self.session.options
        self._options = options if own["timeout"] is ... else options.replaced(own)
        self._method = f"{name}.http" if name else None
        self._given = checked_fields(headers or {}, _OWN_FIELDS)
        self._lower = {field.lower(): value for field, value in self._given.items()}
        self._body = Outgoing(None)

    def carry(
        self, data: AnyData | None, json: Any = ..., *, content_type: str = "application/octet-stream"
    ) -> None:
        """Give the request a body."""
        if json is not ...:
            if data is not None:
                raise TypeError("a request has one body: data or json")
            data, content_type = self.session.encode_json(json), "application/json"
        said = self._lower.get("content-length", "")
        if said and not (said.isascii() and said.isdigit() and len(said) < 19):
            raise SetupError("the Content-Length is no number")
        self._body = self._outgoing(data, int(said) if said else None)
        if said and self._body.length != int(said):
            raise SetupError(f"the body has {self._body.length} bytes, and its Content-Length says {said}")
        if data is not None and "content-type" not in self._lower:
            self._given["Content-Type"] = content_type

    def _outgoing(self, data: Any, length: int | None) -> Outgoing:
        return Outgoing(data, length)

    def resumable(self) -> bool:
        """Whether it asks for a file, which can be had in parts (RFC 9110 section 14)."""
        plain = self.verb == "GET" and self._body.length == 0
        return plain and not self._lower.keys() & {"range", "if-range"}

    @property
    def length(self) -> int | None:
        """The length of the body, None where it is not known before."""
        return self._body.length

    def open(
        self,
        *,
        raise_for_status: bool,
        also: Mapping[str, str] | None = None,
        sent: Callable[[int], object] | None = None,
        level: int | None = None,
    ) -> RawResponse:
        """The reply, its body unread; see `request`.

        Args:
            raise_for_status: a status of 400 or more is an error.
            also: fields of this attempt alone.
            sent: is told how many bytes of the body have left.
            level: how far the user's own line is; default: the first that is not this package's.
        """
        pool, gate = self.session.link.pool, str(self.session.link.address)
        asked = self.asked(also)
        started = time.perf_counter()
        flow = begin(pool, asked, self._body, gate, sent)
        told = self.noted(flow.head, started)
        response = RawResponse(flow, pool, asked, verb=self.verb, gate=gate)
        at_once(self.judged(response, told, raise_for_status=raise_for_status, level=level))
        return response

    def asked(self, also: Mapping[str, str] | None) -> Request:
        """What is sent, but for the body; `also` are fields of this attempt alone."""
        return Request(
            self._head(also or {}),
            b"",
            method=self._method,
            repeatable=self.verb in _IDEMPOTENT,
            timeout=self._options.timeout,
            retries=self._options.retries,
            renew=self.session.link.retold,
        )

    def noted(self, head: Head, started: float) -> Response:
        """A reply without its body, which the client remembers."""
        told = Response(head.status, head.fields, b"", reusable=False)
        self.session.link.note(told, started)
        return told

    async def judged(
        self, response: Any, told: Response, *, raise_for_status: bool, level: int | None = None
    ) -> None:
        """Warn of a stale reply.

        Raises:
            Error: it is a refusal; the response is closed.
        """
        if response.status >= 400 and raise_for_status:
            try:
                told.body = await settled(response.read(_MOST_OF_A_REFUSAL))
            except Error:
                pass  # the status says enough
            finally:
                response.close()
            raise rejection_of(told, self._method, self.words, repeatable=self.verb in _IDEMPOTENT)
        if b"cache-status" in told.fields:
            warn_of_stale(told, self.words, self.session.link.warned, level)

    def _head(self, also: Mapping[str, str]) -> bytes:
        link, lower = self.session.link, self._lower
        kept = {name: value for name, value in self._options.headers.items() if name.lower() not in lower}
        own = {"User-Agent": "labgate-python", "Accept": "*/*", "Accept-Encoding": "identity"}
        fields = {name: value for name, value in own.items() if name.lower() not in lower}
        if "cache-control" not in lower and (freshness := self._options.freshness()):
            fields["Cache-Control"] = freshness
        fields.update({**kept, **self._given, **also})
        length = self._body.length
        if length is None:
            fields["Transfer-Encoding"] = "chunked"
        elif (length or self.verb in ("POST", "PUT", "PATCH")) and "content-length" not in lower:
            fields["Content-Length"] = str(length)
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode("latin-1")
        return b"%b%b%b" % (
            link.opening(self.verb, self.path),
            link.credential(aside="authorization" in lower),
            lines,
        )
