"""For whom, and by which way, has a request come? (RFC 7239; RFC 9110 section 7.6.3)"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal

from msgspec import Struct

from gateway.core.faults import LoopDetected
from gateway.core.reply import Fields

Network = IPv4Network | IPv6Network

_PASSED_ON = frozenset((b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"))
_host = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]{1,255}").fullmatch


class Way(Struct, frozen=True):
    """How a request came: the address it came from, its scheme and host as the caller wrote them, what proxies said."""

    client: str
    scheme: bytes
    host: bytes
    before: Fields = ()


class Proxies:
    """The proxies in front of the gate whose word counts."""

    def __init__(self, networks: tuple[Network | Literal["unix"], ...]) -> None:
        """`unix` is whoever comes by a Unix-domain socket: they have no address."""
        self._networks = tuple(one for one in networks if one != "unix")
        self._nameless = "unix" in networks
        self._known: dict[str, bool] = {}

    def trusts(self, peer: str) -> bool:
        """Whether the address is one of them."""
        if not peer:
            return self._nameless
        if not self._networks:
            return False
        known = self._known.get(peer)
        if known is None:
            if len(self._known) > 4096:
                self._known.clear()
            known = self._known[peer] = self._is_in(peer)
        return known

    def _is_in(self, peer: str) -> bool:
        address = _address(peer)
        return address is not None and any(address in network for network in self._networks)

    def client(self, fields: Fields, peer: str) -> str:
        """The address that a request came from, as far as it can be believed."""
        return self.way(fields, peer, b"http", b"").client if self.trusts(peer) else peer

    def way(self, fields: Fields, peer: str, scheme: bytes, host: bytes) -> Way:
        """The way of a request whose fields are these; only what a trusted proxy says of it is believed."""
        if not self.trusts(peer):
            return Way(peer, scheme, host)
        before = tuple((name, value) for name, value in fields if name.lower() in _PASSED_ON)
        said = {name.lower(): value.strip(b" \t") for name, value in before}
        proto = said.get(b"x-forwarded-proto", b"").lower()
        given = said.get(b"x-forwarded-host", b"")
        return Way(
            self._client(before) or peer,
            proto if proto in (b"http", b"https") else scheme,
            given if _host(given) else host,
            before,
        )

    def _client(self, before: Fields) -> str | None:
        """The last address of X-Forwarded-For that is no trusted proxy's: those before it anybody can write."""
        hops = [
            hop.strip().decode("latin-1")
            for name, value in before
            if name.lower() == b"x-forwarded-for"
            for hop in value.split(b",")
        ]
        for hop in reversed(hops):
            if _address(hop) is None:
                return None
            if not self.trusts(hop):
                return hop
        return hops[0] if hops else None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A listener for both families names its IPv4 callers so.
    return getattr(address, "ipv4_mapped", None) or address


def forwarded_lines(way: Way, peer: str, mount: bytes, *, names_gate: bool = True) -> bytes:
    """The lines that tell an upstream of the way, CRLF after each; what trusted proxies said comes first.

    Without `names_gate` they say whom a request comes from, and nothing of the address that it was for.
    """
    said: dict[bytes, list[bytes]] = {}
    for name, value in way.before:
        said.setdefault(name.lower(), []).append(value)
    # Who comes by a Unix-domain socket has no address (RFC 7239 section 6.2).
    node = peer.encode("ascii", "replace") or b"unknown"
    quoted = b'"[%b]"' % node if b":" in node else node
    hops = b"X-Forwarded-For: %b\r\n" % b", ".join([*said.get(b"x-forwarded-for", ()), node])
    if not names_gate:
        return b"Forwarded: for=%b\r\n%b" % (quoted, hops)
    element = b'for=%b;host="%b";proto=%b' % (quoted, way.host, way.scheme)
    lines = [
        b"Forwarded: %b\r\n" % b", ".join([*said.get(b"forwarded", ()), element]),
        hops,
        b"X-Forwarded-Host: %b\r\n" % way.host,
        b"X-Forwarded-Proto: %b\r\n" % way.scheme,
    ]
    if mount:
        lines.append(b"X-Forwarded-Prefix: %b\r\n" % mount)
    return b"".join(lines)


# --- Via ---------------------------------------------------------------------------------------------------


def check_loop(fields: Fields, own: bytes) -> None:
    """Raise `LoopDetected` for a request that has been through the gate of this pseudonym before."""
    for name, value in fields:
        if name.lower() == b"via" and own in value:
            raise LoopDetected(
                "The request has been through this gate before: a service's `url` leads back to the gate. "
                "Check the addresses of the services, and those behind them."
            )


def via_line(fields: Fields, own: bytes, minor: int) -> bytes:
    """The Via line of a request that the gate passes on, CRLF after it."""
    before = [value for name, value in fields if name.lower() == b"via"]
    return b"Via: %b\r\n" % b", ".join([*before, b"1.%d %b" % (minor, own)])
