"""Where does an issuer say that its keys are? Its metadata is read once (OpenID Connect Discovery, RFC 8414)."""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from aiohttp import ClientSession

from gateway.identity.asking import asked, is_near, is_safe
from gateway.identity.jwks import KeySetError

MAX_BYTES: Final = 256 * 1024
_ABSENT: Final = (404, 405, 410)


def addresses(issuer: str) -> tuple[str, ...]:
    """Where the metadata of an issuer may be, in the order in which they are asked.

    OpenID Connect Discovery 1.0 section 4 puts it below the issuer; RFC 8414 section 3.1 puts the well-known part between
    host and path.
    """
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")

    def at(path: str) -> str:
        return urlunsplit((parts.scheme, parts.netloc, path, "", ""))

    found = (
        at(f"{path}/.well-known/openid-configuration"),
        at(f"/.well-known/oauth-authorization-server{path}"),
        at(f"/.well-known/openid-configuration{path}"),
    )
    return tuple(dict.fromkeys(found))


async def keys_address(session: ClientSession, issuer: str) -> str:
    """The address of the issuer's key set, as its metadata says it.

    Raises KeySetError for metadata that is none, or another issuer's, and what `asked` raises.
    """
    for url in addresses(issuer):
        told = await asked(session, "GET", url, most=MAX_BYTES)
        if told.status == 200:
            return _judged(told.body, issuer)
        if told.status not in _ABSENT:
            raise KeySetError(f"its metadata answered {told.status}, which is not 200")
    raise KeySetError("it has no metadata: write `jwks`, the address of its key set")


def _judged(body: bytes, issuer: str) -> str:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise KeySetError("its metadata is not JSON") from None
    if not isinstance(said, dict):
        raise KeySetError("its metadata is no JSON object")
    if said.get("issuer") != issuer:
        # RFC 8414 section 3.3: else one issuer could name its keys as another's.
        raise KeySetError(
            "its metadata is of another issuer: is the name of `issuer` exact, with or without / at its end?"
        )
    found = said.get("jwks_uri")
    if not isinstance(found, str) or not is_safe(found):
        raise KeySetError("its metadata names no jwks_uri, or one that is not https")
    if is_near(found) and not is_near(issuer):
        raise KeySetError("its metadata names a jwks_uri on this machine")
    return found
