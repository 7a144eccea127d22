"""How is an issuer asked over HTTP? At an address that nobody on the way can answer for, and for no more than is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout
from msgspec import Struct
from multidict import CIMultiDictProxy

SECONDS: Final = ClientTimeout(total=10)
FAILURES: Final = (ClientError, TimeoutError, OSError, ValueError)
"""What `asked` raises when there is no answer. Their text may hold an address, and that a secret."""


class TooLargeError(ValueError):
    """The answer is longer than it may be."""


class Told(Struct, frozen=True):
    """A whole answer."""

    status: int
    fields: CIMultiDictProxy[str]
    body: bytes


async def asked(
    session: ClientSession,
    verb: str,
    url: str,
    *,
    most: int,
    accept: str = "application/json",
    fields: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
) -> Told:
    """The answer, of at most so many bytes; a redirect is an answer. Raises `FAILURES`."""
    headers = {"Accept": accept, "Accept-Encoding": "identity", **(fields or {})}
    async with session.request(
        verb, url, headers=headers, data=form, allow_redirects=False, timeout=SECONDS
    ) as answer:
        body = bytearray()
        async for chunk in answer.content.iter_chunked(65536):
            body += chunk
            if len(body) > most:
                raise TooLargeError(f"more than {most} bytes")
        return Told(answer.status, answer.headers, bytes(body))


def is_safe(url: str) -> bool:
    """Whether what comes from there cannot be replaced on the way: https, or http on loopback."""
    scheme, host = _place(url)
    return bool(host) if scheme == "https" else scheme == "http" and _is_loopback(host)


def is_near(url: str) -> bool:
    """Whether it is an address of this machine's own."""
    return _is_loopback(_place(url)[1])


def _place(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return "", ""
    return parts.scheme, host or ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
