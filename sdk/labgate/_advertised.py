"""Where does the gate say that people log in? In its metadata as a protected resource (RFC 9728)."""

from __future__ import annotations

import json

from labgate._address import Address, parse_address
from labgate._delivery import Request
from labgate._flow import begin
from labgate._outgoing import Outgoing
from labgate._response import RawResponse
from labgate._transport import Pool, close_all
from labgate.errors import LoginError, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATH = "/.well-known/oauth-protected-resource"
_MOST = 64 * 1024
_MOST_WAYS = 16
_MOST_TEXT = 1024


class Way:
    """One way to log in.

    Attributes:
        issuer: the authorization server, as it calls itself.
        client_id: the public client that logs in there.
        scope: what to ask for, words in one text; may be empty.
        audience: what the token is for, where the server wants that named; may be empty.
        resource: the gate, as the token is asked for it (RFC 8707); empty where the server does not want that.
    """

    __slots__ = ("audience", "client_id", "issuer", "resource", "scope")

    def __init__(self, said: dict[str, Any], resource: str) -> None:
        """
        Raises:
            ValueError: it is none.
        """
        self.issuer = _text(said.get("issuer"))
        self.client_id = _text(said.get("client_id"))
        scopes = said.get("scopes")
        self.scope = " ".join(_text(one) for one in scopes) if isinstance(scopes, list) else ""
        self.audience = _text(said["audience"]) if "audience" in said else ""
        self.resource = resource if said.get("resource") is not False else ""

    @classmethod
    def plain(cls, issuer: str, resource: str) -> Way:
        """A way of which the gate says nothing but the server."""
        return cls({"issuer": issuer, "client_id": "-"}, resource)


class Advertised:
    """What a gate says of tokens for it: `ways` to log in, and the authorization `servers` whose tokens it takes."""

    __slots__ = ("servers", "ways")

    def __init__(self, ways: tuple[Way, ...], servers: tuple[str, ...]) -> None:
        self.ways = ways
        self.servers = servers


def advertised(address: Address, *, timeout: float, ca_file: str | None = None) -> Advertised:
    """What the gate says, asked without a token.

    Raises:
        LoginError: what it says is of another address, or is no such metadata.
        Error: it does not answer.
    """
    for path in _paths(address):
        status, body = _asked(address, path, timeout, ca_file)
        if status == 200:
            return _judged(body, address)
        if status not in (401, 403, 404, 405, 410):
            raise LoginError(f"{address.origin}{path} was answered {status}")
    return Advertised((), ())


def _paths(address: Address) -> tuple[str, ...]:
    # RFC 9728 section 3.1 puts the well-known part before the path; a gate behind a proxy has only what is below its own.
    return tuple(dict.fromkeys((f"{_PATH}{address.path}", f"{address.path}{_PATH}")))


def _asked(address: Address, path: str, timeout: float, ca_file: str | None) -> tuple[int, bytes]:
    pool = Pool(address, ca_file)
    head = pool.route.opening("GET", path)
    fields = "User-Agent: labgate-python\r\nAccept: application/json\r\nAccept-Encoding: identity\r\n"
    request = Request(
        (head + fields).encode("ascii"), b"", method=None, repeatable=True, timeout=timeout, retries=0
    )
    try:
        flow = begin(pool, request, Outgoing(None), str(address))
        with RawResponse(flow, pool, request, verb="GET", gate=str(address)) as response:
            body = response.read(_MOST + 1)
            if len(body) > _MOST:
                raise LoginError(f"{address.origin}{path} has more than {_MOST} bytes")
            return response.status, body
    finally:
        close_all(pool.idle)


def _judged(body: bytes, address: Address) -> Advertised:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise LoginError(f"what {address} says of logging in is no JSON object")
    own = _own(said.get("resource"))
    if own is None or own.origin != address.origin or not f"{address.path}/".startswith(f"{own.path}/"):
        # RFC 9728 section 3.3: else a gate could have tokens for another one sent to itself. The path may be a proxy's, of
        # which the gate knows nothing: tokens belong to an origin as a whole.
        shown = str(own) if own is not None else "something else"
        raise LoginError(
            f"the gate at {address} calls itself {shown}",
            hint=f"Log in there: labgate login {shown}. If it is the same gate, its `public_url` is not this address."
            if own is not None
            else "Is this the address of a labgate?",
        )
    extension = said.get("x-labgate")
    listed = extension.get("login") if isinstance(extension, dict) else None
    servers = tuple(one for one in _listed(said.get("authorization_servers")) if isinstance(one, str))
    resource: str = said["resource"]
    try:
        ways = tuple(Way(one, resource) for one in _listed(listed))
    except (TypeError, ValueError, AttributeError):
        raise LoginError(f"what {address} says of logging in cannot be read") from None
    for way in ways:
        if way.issuer not in servers:
            raise LoginError(f"{address} names a way to log in that is none of its authorization servers")
    return Advertised(ways, servers)


def _own(resource: object) -> Address | None:
    try:
        return parse_address(resource) if isinstance(resource, str) else None
    except SetupError:
        return None


def _listed(value: object) -> list[Any]:
    return value[:_MOST_WAYS] if isinstance(value, list) else []


def _text(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_TEXT or not value.isprintable():
        raise ValueError
    return value
