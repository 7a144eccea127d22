"""Where else than in the usual header fields may a caller have shown their token, and what of it is passed on?

Clients of some services show it in a cookie or in the query of the address too. Here it becomes one field of the gate's own, so
that nothing behind this file knows of other places, and no token is left where it would be stored, logged or passed on.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from gateway.core.cors import Cors, origin_of, values
from gateway.core.faults import Fault, Forbidden, Unauthenticated
from gateway.core.places import cookie_names, normal_origin
from gateway.core.reply import Fields

MIDDLE_AUTH: Final = "middle_auth_token"
"""The cookie, and the parameter of addresses, in which clients of middle_auth show their token."""
_OWN: Final = b"labgate-token"
_bearer = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +(.*)", re.DOTALL)
_TWO: Final = (
    "The request shows two different tokens, in its fields and in a cookie or its address: send one."
)


class CrossSite(Forbidden):
    """A page of another origin acts with a cookie; no method's error, but the request's."""

    status = 403

    @property
    def name(self) -> str:
        return "Forbidden"


class Presented(Struct, frozen=True):
    """A request's fields with its token in one of them; `by_cookie` = nothing but a cookie shows it. `fault` is what is wrong."""

    fields: Fields
    by_cookie: bool = False
    fault: Fault | None = None


def presented(fields: Fields, name: bytes, in_query: bytes | None = None) -> Presented:
    """The fields of a request whose token may stand in a cookie of this name, or stood in its query.

    Beside a Labgate-Token such a cookie is the upstream's, like an Authorization.
    """
    if any(field.lower() == _OWN for field, _ in fields):
        return Presented(fields)
    kept, cookies = _without_cookie(fields, name)
    found = cookies if in_query is None else [*cookies, in_query]
    if not found:
        return Presented(fields)
    shown = {
        match[1]
        for field, value in fields
        if field.lower() == b"authorization" and (match := _bearer.fullmatch(value))
    }
    if len({*found, *shown}) > 1:
        return Presented(kept, fault=Unauthenticated(_TWO))
    if shown:
        return Presented(kept)
    return Presented((*kept, (b"Labgate-Token", found[0])), by_cookie=in_query is None)


def _without_cookie(fields: Fields, name: bytes) -> tuple[Fields, list[bytes]]:
    """The fields without the cookies of this name, and what these hold."""
    found: list[bytes] = []
    kept: list[tuple[bytes, bytes]] = []
    for field in fields:
        if field[0].lower() != b"cookie":
            kept.append(field)
            continue
        pairs = cookie_names(field[1])
        others = [pair for each, pair in pairs if each != name]
        found += [pair.partition(b"=")[2].strip(b' \t"') for each, pair in pairs if each == name]
        if len(others) == len(pairs):
            kept.append(field)
        elif others:
            kept.append((field[0], b"; ".join(others)))
    return tuple(kept), found


def without_token(target: bytes, name: bytes) -> tuple[bytes, bytes | None]:
    """A target without the parameter of this name in its query, and what that holds, None where there is none.

    Other parameters stay as they were written. Raises `Unauthenticated` for two that differ.
    """
    path, mark, query = target.partition(b"?")
    if not mark or name not in unquote_to_bytes(query):
        return target, None
    pairs = query.split(b"&")
    mine = [pair for pair in pairs if unquote_to_bytes(pair.partition(b"=")[0]) == name]
    if not mine:
        return target, None
    found = {unquote_to_bytes(pair.partition(b"=")[2].replace(b"+", b" ")) for pair in mine}
    if len(found) > 1:
        raise Unauthenticated(_TWO)
    others = [pair for pair in pairs if pair not in mine]
    return (path + b"?" + b"&".join(others) if others else path), found.pop()


def check_cookie(fields: Fields, origin: bytes, cors: Cors | None = None) -> None:
    """Refuse what changes something, or opens a stream both ways, and is vouched for by a cookie alone, from a foreign page.

    `origin` is that of the address that was asked. Browsers say whose page asks (the Fetch standard, section 3.1); whoever is
    none can send the token in a field.
    """
    from_page = origin_of(fields)
    if from_page is not None:
        if normal_origin(from_page.encode("latin-1")) == normal_origin(origin):
            return
        if cors is not None and cors.credentials and cors.allows(from_page):
            return
    elif values(fields, b"sec-fetch-site") == ["same-origin"]:
        return
    raise CrossSite(
        "A cookie alone lets no other page change anything: send the token as `Authorization: Bearer TOKEN`, or call from a "
        "page of this gate's own."
    )


def check_unasked(fields: Fields, origin: bytes) -> None:
    """Refuse a page of another origin that opens a WebSocket without a token of its own: browsers ask nobody about these."""
    if origin_of(fields) is None and not values(fields, b"origin"):
        return
    try:
        check_cookie(fields, origin)
    except CrossSite:
        raise CrossSite(
            "A page of another origin opens no WebSocket without a token: offer it as a subprotocol, or call from a page of this "
            "gate's own."
        ) from None


def check_certificate(fields: Fields, origin: bytes, cors: Cors | None = None) -> None:
    """Refuse what a page of another origin sends where a browser shows a certificate for it; programs may come."""
    by_browser = origin_of(fields) is not None or any(name.lower() == b"sec-fetch-site" for name, _ in fields)
    if not by_browser:
        return
    try:
        check_cookie(fields, origin, cors)
    except CrossSite:
        raise CrossSite(
            "A certificate alone lets no other page change anything: send a token as `Authorization: Bearer TOKEN`, or call "
            "from a page of this gate's own."
        ) from None
