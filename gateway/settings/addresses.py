"""Where does the gate listen, and where are its upstreams?"""

import ipaddress
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import PlainSerializer, PlainValidator, SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError

from gateway.settings.document import Written
from gateway.settings.values import path, refusal, shown, text

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.?")
_ADDRESS_FIX = "write HOST:PORT, for example 127.0.0.1:8700 or [::1]:8700"


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to listen on; port 0 takes a free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach it."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"{_bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True, repr=False)
class Url:
    """An http(s) URL in its parts; `str` and `repr` give what may be shown.

    `host` has no brackets, `path` no slash at its end ("" for the root), `query` no question mark. `userinfo` is
    `user:password`, decoded. `secret` says that parts came in by a placeholder: only the origin is shown then.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""
    userinfo: SecretStr | None = None
    secret: bool = False

    @property
    def origin(self) -> str:
        """Scheme, host and port, the port only where it is not the scheme's own."""
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{_bracketed(self.host)}{port}"

    @property
    def text(self) -> str:
        """The whole URL but the userinfo, for asking; not for logs."""
        return self.origin + self.path + (f"?{self.query}" if self.query else "")

    @property
    def is_loopback(self) -> bool:
        """Whether it names this machine."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return self.origin + ("/…" if self.path or self.query else "") if self.secret else self.text

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"


def is_loopback(host: str) -> bool:
    """Whether a host name or literal means this machine alone; other names are not looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def address(value: Any) -> Address:
    """`HOST:PORT`, `[V6]:PORT`."""
    if isinstance(value, Address):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        raise refusal(f"expected HOST:PORT, found {shown(value)}", f"write 127.0.0.1:{value}")
    written = text(value)
    host, colon, port = written.rpartition(":")
    if not colon:
        raise refusal(f"{shown(value)} has no port", _ADDRESS_FIX)
    if not (port.isascii() and port.isdigit()) or len(port) > 5 or int(port) > 65535:
        raise refusal(f"{shown(value)} has no port between 0 and 65535", _ADDRESS_FIX)
    if not host:
        fix = f"write 127.0.0.1{written} for this machine, 0.0.0.0{written} with `tls` or `behind_proxy: true` for all"
        raise refusal(f"{shown(value)} has no host", fix)
    if host.startswith("[") and host.endswith("]") and _is_v6(host[1:-1]):
        return Address(host[1:-1], int(port))
    if ":" in host:
        raise refusal(f"{shown(value)} is no address", "put an IPv6 address in brackets: [::1]:8700")
    if not _HOST.fullmatch(host):
        raise refusal(f"{shown(value)} is no address", _ADDRESS_FIX)
    return Address(host, int(port))


def moved(had: Address, host: str | None, port: int | None) -> Address:
    """The address with another host or port, which is judged as one in a file is."""
    wanted = had.host if host is None else host.removeprefix("[").removesuffix("]")
    return address(f"{_bracketed(wanted)}:{had.port if port is None else port}")


def _is_v6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def upstream_url(value: Any) -> Url:
    """An http or https URL that ends at its path."""
    return url(value)


def url(value: Any, *, query: bool = False) -> Url:
    """An http or https URL without fragment, and without query unless asked for."""
    if isinstance(value, Url):
        return value
    written = text(value)
    fix = "write a URL like http://127.0.0.1:39002"
    # urlsplit drops tabs and line breaks in silence, and servers differ about the rest.
    if not written.isascii() or any(char in written for char in ' \\<>"{}|^`'):
        raise refusal("the URL holds a character that URLs cannot hold", "percent-encode it")
    try:
        parts = urlsplit(written)
        port = parts.port
    except ValueError:
        raise refusal("the URL has no valid host or port", fix) from None
    if parts.scheme not in _PORTS:
        raise refusal("the URL does not begin with http:// or https://", fix)
    host = parts.hostname or ""
    if port == 0 or not (_is_v6(host) if ":" in host else _HOST.fullmatch(host)):
        raise refusal("the URL has no valid host or port", fix)
    if "#" in written or ("?" in written and not query):
        raise refusal("the URL has a query or a fragment", "end it at its path")
    return Url(
        scheme=parts.scheme,
        host=host,
        port=port or _PORTS[parts.scheme],
        path=parts.path.rstrip("/"),
        query=parts.query,
        userinfo=_userinfo(parts),
        secret=isinstance(value, Written) and value.secret,
    )


def endpoint(value: Any) -> Url:
    """A URL that is asked exactly as it is written: a slash at its end is kept."""
    found = url(value, query=True)
    slash = isinstance(value, str) and found.path and urlsplit(value).path.endswith("/")
    return replace(found, path=f"{found.path}/") if slash else found


def _userinfo(parts: SplitResult) -> SecretStr | None:
    if parts.username is None:
        return None
    return SecretStr(f"{unquote(parts.username)}:{unquote(parts.password or '')}")


def origin(value: Any) -> Url:
    """A URL of scheme, host and port alone."""
    found = url(value)
    if found.path or found.userinfo:
        raise refusal(
            "expected an origin, found more", "write scheme and host alone, like https://gate.lab.org"
        )
    return found


def key_source(value: Any, info: ValidationInfo) -> Url | Path:
    """Where a JSON Web Key Set is: an https URL (http on loopback only), or an existing file."""
    if isinstance(value, Url | Path):
        return value
    if "://" not in text(value):
        file = path(value, info)
        if not file.is_file():
            raise refusal(f"no file {shown(value)}", "name an existing file, or an https URL")
        return file
    found = url(value, query=True)
    if found.scheme == "http" and not found.is_loopback:
        raise refusal("keys fetched by plain http can be replaced on the way", "use https")
    return found


def metadata_of(issuer: str) -> None:
    """Refuse the name of an issuer that does not say where its metadata is."""
    fix = "write `jwks: URL`, or the path of a file"
    _refuse_unnamed(issuer, "is no URL, so it is not known where its keys are", fix)


def login_at(issuer: str) -> None:
    """Refuse the name of an issuer that does not say where people log in."""
    fix = "remove `device`, or name the issuer by its https URL"
    _refuse_unnamed(issuer, "is no URL, so it is not known where people log in", fix)


def _refuse_unnamed(issuer: str, what: str, fix: str) -> None:
    try:
        found = url(issuer)
    except PydanticCustomError:
        raise refusal(what, fix, ("issuer",)) from None
    if found.scheme == "http" and not found.is_loopback:
        raise refusal("metadata fetched by plain http can be replaced on the way", fix, ("issuer",))


def host_name(value: Any) -> str:
    """A host as the Host field names it, without port, in lower case."""
    written = text(value).lower()
    bare = written.removeprefix("[").removesuffix("]")
    if _is_v6(bare):
        return bare
    if ":" in written or "/" in written:
        raise refusal(
            f"{shown(value)} is more than a host name", "write the name alone, without scheme and port"
        )
    if not _HOST.fullmatch(written):
        raise refusal(f"{shown(value)} is no host name", "write a name like gate.lab.org")
    return written


def network(value: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """An IP address, or a network in CIDR notation."""
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return value
    try:
        return ipaddress.ip_network(text(value))
    except ValueError:
        raise refusal(
            f"{shown(value)} is no IP address or network", "write 127.0.0.1, or a network like 10.0.0.0/8"
        ) from None


def proxy(value: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network | Literal["unix"]:
    """A network, or `unix`: whoever comes by the gate's Unix-domain socket, where nobody has an address."""
    return "unix" if value == "unix" else network(value)


_SHOWN = PlainSerializer(str, return_type=str, when_used="json")

Listen = Annotated[Address, PlainValidator(address), _SHOWN]
UpstreamUrl = Annotated[Url, PlainValidator(upstream_url), _SHOWN]
Endpoint = Annotated[Url, PlainValidator(endpoint), _SHOWN]
Origin = Annotated[Url, PlainValidator(origin), _SHOWN]
KeySource = Annotated[Url | Path, PlainValidator(key_source), _SHOWN]
Proxy = Annotated[
    ipaddress.IPv4Network | ipaddress.IPv6Network | Literal["unix"], PlainValidator(proxy), _SHOWN
]
HostName = Annotated[str, PlainValidator(host_name)]
