"""Where is the gate, and may a token be sent there?"""

from __future__ import annotations

import re

from labgate.errors import SetupError

_ADDRESS = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[!-~]*)?",
    re.IGNORECASE,
)
_LOOPBACK = re.compile(r"localhost|[a-z0-9.-]+\.localhost|127(?:\.[0-9]{1,3}){3}|::1")
_PORTS = {"http": 80, "https": 443}


class Address:
    """A gate's address: scheme, host (lower case, IPv6 without brackets), port, and path without its last `/`."""

    __slots__ = ("host", "path", "port", "scheme")

    def __init__(self, scheme: str, host: str, port: int, path: str) -> None:
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
        """Scheme, host and port: what a token belongs to."""
        return f"{self.scheme}://{self.authority}"

    @property
    def file_name(self) -> str:
        """The origin as a file name on every system: letters, digits, `.`, `-` and `_` only."""
        return re.sub(r"[^a-z0-9.-]", "-", f"{self.scheme}_{self.host}_{self.port}".replace("_", "-", 1))

    @property
    def is_loopback(self) -> bool:
        """True when what is sent there does not leave this machine."""
        return _LOOPBACK.fullmatch(self.host) is not None

    def __str__(self) -> str:
        return self.origin + self.path


def parse_address(text: str) -> Address:
    """The address written in `text`.

    Without a scheme it is http on loopback and https elsewhere. A last `/` or `/rpc` is left out, as people paste it.

    Raises:
        SetupError: it is no http or https URL, or has a user name, a query or a fragment.
    """
    found = _ADDRESS.fullmatch(text.strip())
    path = (found["path"] or "") if found else ""
    if found is None or "?" in path or "#" in path or "@" in text:
        # The text is not repeated: it may hold a password.
        raise SetupError(
            "the gate's address cannot be read",
            hint="Write it like https://gate.lab.org or http://127.0.0.1:8700, without user name or query.",
        )
    host = found["host"].lower().strip("[]")
    scheme = (found["scheme"] or ("http" if _LOOPBACK.fullmatch(host) else "https")).lower()
    port = int(found["port"]) if found["port"] else _PORTS[scheme]
    if not 0 < port < 65536:
        raise SetupError(f"the gate's address has the port {port}, which does not exist")
    return Address(scheme, host, port, path.rstrip("/").removesuffix("/rpc").rstrip("/"))
