"""Where is the gate, and may a token be sent there?"""

from __future__ import annotations

import re

from labgate._names import printable
from labgate.errors import SetupError

HOST = r"\[[0-9a-f:.]+\]|[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?"  # no label is empty or longer, else no name server is asked
_ADDRESS = re.compile(
    rf"(?:(?P<scheme>https?)://)?(?P<host>{HOST})(?::(?P<port>[0-9]{{1,5}}))?(?P<path>/[!-~]*)?",
    re.IGNORECASE,
)
# `http+unix://%2Frun%2Flabgate.sock/path`, and `unix:/run/labgate.sock`, which is all the socket's own path.
_SOCKET = r"http\+unix://(?P<quoted>%2f[^/?#@]+)(?P<path>/[!-~]*)?|unix:(?P<plain>/[ -~]+)"
_LOOPBACK = re.compile(r"localhost|[a-z0-9.-]+\.localhost|127(?:\.[0-9]{1,3}){3}|::1")
_PORTS = {"http": 80, "https": 443}


class Address:
    """A gate's address: scheme, host (lower case, IPv6 without brackets), port, and path without its last `/`.

    One that listens on a Unix-domain socket is `localhost` for HTTP, and `socket` is where in the file system it is.
    """

    __slots__ = ("host", "path", "port", "scheme", "socket")

    def __init__(self, scheme: str, host: str, port: int, path: str, socket: str | None = None) -> None:
        self.socket = socket
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = path

    @property
    def authority(self) -> str:
        """Host and port as the `Host` field has them: the scheme's own port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port, or the socket: what a token belongs to."""
        if self.socket is not None:
            from urllib.parse import quote

            return f"http+unix://{quote(self.socket, safe='')}"
        return f"{self.scheme}://{self.authority}"

    @property
    def file_name(self) -> str:
        """The origin as a file name on every system: letters, digits, `.`, `-` and `_` only."""
        if self.socket is not None:
            from hashlib import sha256

            # Two paths must never share a file: a digest tells apart what letters alone do not.
            return f"unix_{sha256(self.socket.encode()).hexdigest()[:32]}"
        return re.sub(r"[^a-z0-9.-]", "-", f"{self.scheme}_{self.host}_{self.port}".replace("_", "-", 1))

    @property
    def is_loopback(self) -> bool:
        """True when what is sent there does not leave this machine."""
        return is_loopback_host(self.host)

    def __str__(self) -> str:
        return self.origin + self.path


def is_loopback_host(host: str) -> bool:
    """True for the names of this machine that no name server can lead elsewhere."""
    return _LOOPBACK.fullmatch(host) is not None


def parse_address(text: str) -> Address:
    """The address written in `text`.

    Without a scheme it is http on loopback and https elsewhere. A last `/` or `/rpc` is left out, as people paste it.
    `unix:/run/labgate.sock`, or `http+unix://%2Frun%2Flabgate.sock/path`, is a Unix-domain socket.

    Raises:
        SetupError: it is no http or https URL, or has a user name, a query or a fragment.
    """
    if "unix:" in text.lower() and (by_socket := re.fullmatch(_SOCKET, text.strip(), re.IGNORECASE)):
        return _of_socket(by_socket)
    found = _ADDRESS.fullmatch(text.strip())
    path = (found["path"] or "") if found else ""
    if found is None or "?" in path or "#" in path or "@" in text:
        # A text that may hold a password or a key is not repeated.
        shown = "" if any(mark in text for mark in "@?#") else f" {printable(text.strip(), 100)!r}"
        raise SetupError(
            f"the gate's address{shown} cannot be read",
            hint="Write it like https://gate.lab.org or http://127.0.0.1:8700, without user name or query.",
        )
    host = found["host"].lower().strip("[]")
    scheme = (found["scheme"] or ("http" if _LOOPBACK.fullmatch(host) else "https")).lower()
    port = int(found["port"]) if found["port"] else _PORTS[scheme]
    if not 0 < port < 65536:
        raise SetupError(f"the gate's address has the port {port}, which does not exist")
    return Address(scheme, host, port, _trimmed(path))


def _of_socket(found: re.Match[str]) -> Address:
    from urllib.parse import unquote

    path = found["path"] or ""
    where = found["plain"] or unquote(found["quoted"])
    if "\0" in where or "?" in path or "#" in path:
        raise SetupError(
            "the path of the gate's socket cannot be read", hint="Write it like unix:/run/labgate.sock."
        )
    return Address("http", "localhost", 80, _trimmed(path), where)


def _trimmed(path: str) -> str:
    return path.rstrip("/").removesuffix("/rpc").rstrip("/")
