"""Does the way to a server lead through a proxy, and how is that asked?"""

from __future__ import annotations

import re

from labgate._address import HOST, is_loopback_host
from labgate._names import printable
from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from labgate._address import Address

# Compiled where there is a proxy: that takes longer than loading this module.
_URL = (
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?(?:(?P<account>[!-~]*)@)?"
    rf"(?P<host>{HOST})(?::(?P<port>[0-9]{{1,5}}))?/?"
)
_USUAL_PORT = 80
_LATER = (502, 503, 504)  # the proxy did not reach the gate this time


class Proxy:
    """A proxy of this network, and the variable that names it. Its account is shown to nobody but itself."""

    __slots__ = ("_account", "host", "port", "variable")

    def __init__(self, variable: str, host: str, port: int, account: str | None) -> None:
        self.variable = variable
        self.host = host
        self.port = port
        self._account = account

    def __str__(self) -> str:
        return f"the proxy {self._authority} ({self.variable})"

    @property
    def url(self) -> str:
        """Its whole address, with the account: for those who connect, never for people."""
        account = "" if self._account is None else f"{self._account}@"
        return f"http://{account}{self._authority}"

    @property
    def field(self) -> str:
        """The header field that says who asks the proxy (RFC 9110 section 11.7.2); empty without an account."""
        if self._account is None:
            return ""
        from base64 import b64encode
        from urllib.parse import unquote_to_bytes

        name, _, password = self._account.partition(":")
        secret = unquote_to_bytes(name) + b":" + unquote_to_bytes(password)
        return f"Proxy-Authorization: Basic {b64encode(secret).decode('ascii')}\r\n"

    def tunnel_to(self, address: Address) -> bytes:
        """The request for a tunnel to an address (RFC 9110 section 9.3.6)."""
        to = f"{_bracketed(address.host)}:{address.port}"
        return f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{self.field}\r\n".encode("ascii")

    def refusal(self, status: int) -> tuple[str, bool] | None:
        """Why a tunnel was not made, and whether asking again is in vain; None for one that was."""
        if 200 <= status < 300:
            return None
        if status == 407:
            return f"{self} wants to know who asks: {self.advice}", True
        return f"{self} makes no way to it: it answered {status}", status not in _LATER

    @property
    def advice(self) -> str:
        """How the account of a proxy is given."""
        return f"write {self.variable} as http://NAME:PASSWORD@{self._authority}"

    @property
    def _authority(self) -> str:
        return f"{_bracketed(self.host)}:{self.port}"


class Route:
    """How an address is reached: straight, through a proxy's tunnel, or (plain http) by asking a proxy for each reply.

    Attributes:
        proxy: it, None for the straight way.
        tunnels: nothing of the proxy is to be seen in what is sent through it.
    """

    __slots__ = ("_address", "proxy", "tunnels")

    def __init__(self, address: Address, proxy: Proxy | None, *, tunnels: bool) -> None:
        self._address = address
        self.proxy = proxy
        self.tunnels = tunnels

    @property
    def first(self) -> tuple[str, int]:
        """Host and port of what is connected to."""
        found = self.proxy or self._address
        return found.host, found.port

    def opening(self, verb: str, target: str) -> str:
        """The first line of a request's head, and its Host; the target is path and query, not empty."""
        address = self._address
        if self.proxy is None or self.tunnels:
            return f"{verb} {target} HTTP/1.1\r\nHost: {address.authority}\r\n"
        # RFC 9112 section 3.2.2: a proxy is told the whole address.
        return f"{verb} {address.origin}{target} HTTP/1.1\r\nHost: {address.authority}\r\n{self.proxy.field}"


def route_to(address: Address, environ: Mapping[str, str], *, tunnel: bool = False) -> Route:
    """The way to an address; with `tunnel` what is sent looks the same through every proxy.

    Raises:
        SetupError: the proxy cannot be used.
    """
    proxy = None if address.is_loopback else proxy_for(address.scheme, address.host, address.port, environ)
    return Route(address, proxy, tunnels=tunnel or address.scheme == "https")


def proxy_for(scheme: str, host: str, port: int, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy that the environment names for a server, None for none.

    The variables are those of curl and others: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; those in small letters go
    first, and an empty one switches off the other. Nothing on this machine is asked for through a proxy.

    Raises:
        SetupError: it is none that can be used.
    """
    if is_loopback_host(host):
        return None
    for name in (f"{scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            if variable == "HTTP_PROXY" and "REQUEST_METHOD" in environ:
                continue  # a CGI program: its callers write this variable, by a header field called Proxy
            text = environ.get(variable)
            if text is None:
                continue
            if not text.strip():
                break
            return None if _is_excepted(host, port, environ) else _read(variable, text.strip())
    return None


def _read(variable: str, text: str) -> Proxy:
    found = re.fullmatch(_URL, text, re.IGNORECASE)
    scheme = (found["scheme"] or "http").lower() if found else ""
    port = int(found["port"] or _USUAL_PORT) if found else 0
    if found is None or not 0 < port < 65536:
        # The text is not repeated: it may hold a password.
        raise SetupError(
            f"the proxy that {variable} names cannot be read", hint="Write it like http://proxy.lab.org:3128."
        )
    if scheme != "http":
        raise SetupError(
            f"{variable} names a proxy that is spoken to by {printable(scheme, 20)}, which this client cannot do",
            hint="Name one that is spoken to by http:// (it tunnels https all the same), "
            "or leave the gate's host out of it: NO_PROXY=gate.lab.org.",
        )
    return Proxy(variable, found["host"].lower().strip("[]"), port, found["account"])


def _is_excepted(host: str, port: int, environ: Mapping[str, str]) -> bool:
    """Whether NO_PROXY has the host: by name, by the name of what it is below, by address or network, with or without port."""
    listed = environ.get("no_proxy")
    if listed is None:
        listed = environ.get("NO_PROXY", "")
    return any(_covers(one.strip().lower(), host, port) for one in listed.split(","))


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return _is_in_network(host, entry)
    found = re.fullmatch(r"\[(.*)\](?::([0-9]+))?|([^:]*)(?::([0-9]+))?|(.*)", entry)
    if found is None:
        return False
    name = found[1] or found[3] or found[5] or ""
    wanted = found[2] or found[4]
    if wanted is not None and int(wanted) != port:
        return False
    name = name.removeprefix("*").lstrip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _is_in_network(host: str, entry: str) -> bool:
    from ipaddress import ip_address, ip_network

    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        return False


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
