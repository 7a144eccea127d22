"""Which header fields go through a mount, and which end at the gate?

Fields stay as they were sent: their case, order, duplicates and bytes. What is left out, and what the gate adds, is
here and nowhere else; docs/reference/mounts.md tells it to people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Final

from gateway.core.reply import Fields

HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""Fields of one connection alone (RFC 9110 section 7.6.1), beside those that its Connection field names."""

_ENDS_HERE: Final = HOP_BY_HOP | {
    b"forwarded",
    b"host",
    b"labgate-timeout",
    b"labgate-token",
    b"via",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-prefix",
    b"x-forwarded-proto",
    b"x-real-ip",
    b"x-request-id",
}
"""Of requests: what the gate writes itself, or takes as its own."""

NOT_FOR_CALLERS: Final = HOP_BY_HOP | {
    b"access-control-allow-credentials",
    b"access-control-allow-headers",
    b"access-control-allow-methods",
    b"access-control-allow-origin",
    b"access-control-allow-private-network",
    b"access-control-expose-headers",
    b"access-control-max-age",
    b"alt-svc",
    b"clear-site-data",
    b"labgate-catalog",
    b"public-key-pins",
    b"service-worker-allowed",
    b"strict-transport-security",
}
"""Of replies: what would speak for the whole of the gate's origin, and what belongs to the upstream's connection."""

WITH_A_PLACE: Final = frozenset((b"location", b"content-location", b"refresh", b"set-cookie"))
"""Of replies: what leads to addresses of the upstream's, or is kept by a browser for some of them."""

_LENGTH: Final = frozenset((b"content-length",))
_UPGRADE: Final = frozenset((b"upgrade",))
_token = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def connection_names(fields: Fields) -> frozenset[bytes]:
    """The fields that Connection names, in lower case: they end here too, but for the length of the body.

    The body goes on, and without its length the next reader would take it for another message.
    """
    values = [value for name, value in fields if name.lower() == b"connection"]
    if not values:
        return frozenset()
    return frozenset(one.lower() for value in values for one in _token.findall(value)) - _LENGTH


def of_request(
    fields: Fields,
    *,
    credential_in: bytes | None,
    underscores: bool,
    replaced: Collection[bytes] = (),
    upgrades: bool = False,
) -> Fields:
    """What of a caller's fields goes to the upstream.

    `credential_in` is the field that held the gate's credential, in lower case; cookies are left to `cookies`.
    `replaced` are names for which the service has values of its own. `Authorization` of another scheme, or beside a
    Labgate-Token, is the upstream's and goes on. `upgrades` = the Upgrade field goes on too.
    """
    left_out = _ENDS_HERE | connection_names(fields)
    if replaced:
        left_out = left_out.union(replaced)
    if credential_in is not None:
        left_out = left_out | {credential_in}
    if upgrades:
        left_out = left_out - _UPGRADE
    repeated = _repeated(fields)
    return tuple(
        field
        for field in fields
        if field not in repeated
        and (name := field[0].lower()) not in left_out
        and (underscores or b"_" not in name)
    )


def _repeated(fields: Fields) -> Fields:
    """The Authorization fields that hold the gate's own credential once more."""
    own = {value for name, value in fields if name.lower() == b"labgate-token"}
    if not own:
        return ()
    return tuple(
        (name, value)
        for name, value in fields
        if name.lower() == b"authorization" and value.partition(b" ")[2].strip(b" ") in own
    )


def of_reply(
    fields: Fields, moved: Callable[[bytes, bytes], bytes | None], *, upgrades: bool = False
) -> list[tuple[bytes, bytes]]:
    """What of an upstream's fields goes to the caller, Content-Length too, and Upgrade where it `upgrades`.

    `moved` says a field that leads somewhere (its name in lower case, its value) as callers of the gate must see it.
    """
    left_out = NOT_FOR_CALLERS - _UPGRADE if upgrades else NOT_FOR_CALLERS
    kept: list[tuple[bytes, bytes]] = []
    for field in fields:
        name = field[0].lower()
        if name in left_out:
            if name == b"connection":
                left_out = left_out | (connection_names((field,)) - _UPGRADE)
                kept = [one for one in kept if one[0].lower() not in left_out]
            continue
        if name in WITH_A_PLACE:
            value = moved(name, field[1])
            if value is None:
                continue
            field = (field[0], value)
        kept.append(field)
    return kept
