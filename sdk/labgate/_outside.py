"""How is a server asked that is not the gate, such as the one where people log in?"""

from __future__ import annotations

import json
import os
import time
from urllib.parse import urlencode, urlsplit

from labgate._address import is_loopback_host
from labgate._names import printable
from labgate._proxy import proxy_for
from labgate.errors import LoginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MOST = 256 * 1024
"""Bytes of an answer."""
_PIECE = 16 * 1024
_LONGEST_URL = 2048


class Told:
    """An answer: its status, and its members where it is a JSON object."""

    __slots__ = ("members", "retry_after", "status")

    def __init__(self, status: int, members: dict[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.members = members
        self.retry_after = retry_after

    def text(self, name: str, longest: int = 200) -> str:
        """A member for people, empty without one."""
        return printable(self.members.get(name), longest)


class NotAsked(LoginError):
    """The server cannot be reached, or did not answer: it may do so a moment later."""


def is_safe(url: str) -> bool:
    """Whether a token may travel there: https, or http that does not leave this machine; without user name and fragment."""
    if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.password is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(host))


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL that is safe."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{parts.hostname}:{port}"


def host_of(url: str) -> str:
    """Host, and port where it is none of the usual, for people."""
    return printable(urlsplit(url).netloc, 200)


def ask(
    url: str,
    form: Mapping[str, str] | None = None,
    *,
    timeout: float,
    ca_file: str | None = None,
    account: tuple[str, str] | None = None,
) -> Told:
    """The answer of a server, asked by GET, or with a form by POST. Redirects are not followed.

    The usual variables for proxies hold, but not for this machine itself.

    Args:
        url: where; it has to be safe.
        form: what is sent.
        timeout: seconds to connect, for each wait, and for the whole body.
        ca_file: certificates that are trusted beside the system's.
        account: name and secret of a client that has one (RFC 6749 section 2.3.1).

    Raises:
        NotAsked: it does not answer.
        LoginError: the URL is not safe, or what it answers is too large or no answer.
    """
    import http.client
    import urllib.request

    if not is_safe(url):
        raise LoginError(f"{printable(url, 200)} is no https address: nothing is sent there")
    data = None if form is None else urlencode(form).encode("ascii")
    fields = {"Accept": "application/json", "User-Agent": "labgate-python"}
    if account is not None:
        fields["Authorization"] = _basic(*account)
    request = urllib.request.Request(url, data=data, headers=fields)  # noqa: S310 - https, or this machine
    end = time.monotonic() + timeout
    try:
        with _opener(url, ca_file).open(request, timeout=timeout) as response:
            body = _body(response, end, host_of(url))
            status, fields_in = response.status, response.headers
    except TimeoutError as error:
        raise NotAsked(f"{host_of(url)} did not answer within {timeout:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        raise _failure(url, error) from error
    if 300 <= status < 400:
        raise LoginError(f"{host_of(url)} answered with a redirect, which is not followed")
    if status >= 500 or status == 429:
        wait = fields_in.get("Retry-After") or ""
        after = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 6 else None
        raise NotAsked(f"{host_of(url)} answered {status}", http_status=status, retry_after=after)
    return Told(status, _members(body))


def _basic(name: str, secret: str) -> str:
    from base64 import b64encode
    from urllib.parse import quote_plus

    # Each is a form's value first, so that a colon in them does not part them elsewhere.
    return "Basic " + b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode("ascii")).decode("ascii")


def _opener(url: str, ca_file: str | None) -> Any:
    """What opens http and https, and nothing else; a status of 300 or more is an answer like any."""
    import urllib.request

    from labgate._trust import tls_context

    opener = urllib.request.OpenerDirector()
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    proxy = proxy_for(parts.scheme, parts.hostname or "", port, os.environ)
    if proxy is not None:
        opener.add_handler(urllib.request.ProxyHandler({parts.scheme: proxy.url}))
    opener.add_handler(urllib.request.HTTPHandler())
    if parts.scheme == "https":
        opener.add_handler(urllib.request.HTTPSHandler(context=tls_context(ca_file)))
    return opener


def _body(response: Any, end: float, host: str) -> bytes:
    body = bytearray()
    while piece := response.read1(_PIECE):
        body += piece
        if len(body) > MOST:
            raise LoginError(f"the answer of {host} has more than {MOST} bytes")
        if time.monotonic() > end:
            raise TimeoutError
    if response.length:
        raise NotAsked(f"the answer of {host} ended before its end")
    return bytes(body)


def _members(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _failure(url: str, error: Exception) -> LoginError:
    reason: object = getattr(error, "reason", None) or error
    if isinstance(reason, TimeoutError):
        return NotAsked(f"{host_of(url)} did not answer within the time")
    if type(reason).__name__ == "SSLCertVerificationError":
        return LoginError(
            f"the certificate of {host_of(url)} is not trusted by this machine",
            hint="Where the lab has an authority of its own: ca_file=, or `ca_file` in the profile.",
        )
    text = getattr(reason, "strerror", None) or type(reason).__name__
    return NotAsked(f"{host_of(url)} cannot be reached: {printable(str(text), 200)}")
