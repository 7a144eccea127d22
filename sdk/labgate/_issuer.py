"""Where does an authorization server take logins? Its metadata says it (RFC 8414, OpenID Connect Discovery 1.0)."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from labgate._names import printable
from labgate._outside import Told, host_of, is_safe, origin_of
from labgate.errors import LoginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    Ask = Callable[[str], Told]

_ABSENT = (404, 405, 410)


class Endpoints:
    """What of an issuer's metadata a login needs: `device`, `token`, and `revocation` (RFC 7009); others than the second may be empty."""

    __slots__ = ("device", "issuer", "revocation", "token")

    def __init__(self, issuer: str, device: str, token: str, revocation: str) -> None:
        self.issuer = issuer
        self.device = device
        self.token = token
        self.revocation = revocation


def addresses(issuer: str) -> tuple[str, ...]:
    """Where an issuer's metadata may be, in the order in which they are asked.

    OpenID Connect Discovery 1.0 section 4 puts it below the issuer; RFC 8414 section 3.1 puts the well-known part
    between host and path.
    """
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")

    def at(path: str) -> str:
        return urlunsplit((parts.scheme, parts.netloc, path, "", ""))

    found = (
        at(f"/.well-known/oauth-authorization-server{path}"),
        at(f"{path}/.well-known/openid-configuration"),
        at(f"/.well-known/openid-configuration{path}"),
    )
    return tuple(dict.fromkeys(found))


def endpoints_of(issuer: str, ask: Ask, hosts: Collection[str] = (), *, device: bool = True) -> Endpoints:
    """The endpoints of an issuer; `device` = it has to take logins by a code.

    They are at the issuer's own address: metadata that leads elsewhere leads the login elsewhere. A host of `hosts` is
    allowed beside it, over https; Google's, for one, are at another host than their issuer.

    Raises:
        LoginError: it is no issuer that takes device logins, or its metadata leads elsewhere.
    """
    if not is_safe(issuer) or urlsplit(issuer).query:
        raise LoginError(
            f"the gate names {printable(issuer, 200)!r} for logging in, which is no https address",
            hint="Tell the lab's engineer.",
        )
    for url in addresses(issuer):
        told = ask(url)
        if told.status == 200:
            return _judged(told, issuer, hosts, device=device)
        if told.status not in _ABSENT:
            raise LoginError(f"the metadata of {host_of(issuer)} was answered {told.status}")
    raise LoginError(f"{host_of(issuer)} has no metadata that tells how to log in")


def _judged(told: Told, issuer: str, hosts: Collection[str], *, device: bool) -> Endpoints:
    if told.members.get("issuer") != issuer:
        # RFC 8414 section 3.3: else one issuer could take the logins of another.
        raise LoginError(f"the metadata of {host_of(issuer)} is another issuer's: nothing is sent there")
    code, token = told.members.get("device_authorization_endpoint"), told.members.get("token_endpoint")
    if not isinstance(token, str):
        raise LoginError(f"the metadata of {host_of(issuer)} has no address at which it gives tokens")
    if device and not isinstance(code, str):
        raise LoginError(f"{host_of(issuer)} does not take logins by a code (RFC 8628)")
    codes = code if device and isinstance(code, str) else ""
    for url in filter(None, (codes, token)):
        _refuse_elsewhere(url, issuer, hosts)
    revocation = told.members.get("revocation_endpoint")
    if not isinstance(revocation, str) or not _belongs(revocation, issuer, hosts):
        revocation = ""
    return Endpoints(issuer, codes, token, revocation)


def _refuse_elsewhere(url: str, issuer: str, hosts: Collection[str]) -> None:
    if not is_safe(url):
        raise LoginError(f"the metadata of {host_of(issuer)} leads to what is no https address")
    if not _belongs(url, issuer, hosts):
        raise LoginError(
            f"the metadata of {host_of(issuer)} leads the login to another host, {host_of(url)}",
            hint=f"Where that is right: labgate.login(..., hosts=[{host_of(url)!r}]), or --also-at {host_of(url)}.",
        )


def _belongs(url: str, issuer: str, hosts: Collection[str]) -> bool:
    if not is_safe(url):
        return False
    if origin_of(url) == origin_of(issuer):
        return True
    return urlsplit(url).scheme == "https" and urlsplit(url).netloc.lower() in hosts
