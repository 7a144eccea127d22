"""Who is at the gate, and at the right address? What every door asks before it opens."""

from __future__ import annotations

from collections.abc import Callable, Collection

from gateway.core.certificates import PeerCertificate
from gateway.core.credentials import credential
from gateway.core.faults import BadRequest, Unauthenticated, Unavailable
from gateway.core.ports import Identity
from gateway.core.presented import Presented, presented
from gateway.core.principal import ANONYMOUS, Principal
from gateway.core.reply import Fields

_NOBODY = b"nobody"
"""In the place of the gate's credential: there is none, and what looks like one is the service's."""


class Misdirected(BadRequest):
    """The Host is none of this listener's (RFC 9110 section 15.5.20)."""

    status = 421

    @property
    def name(self) -> str:
        return "BadRequest"


class Entrance:
    """Checks the host, the state of the gate and the caller's credential, for all listeners alike."""

    def __init__(
        self,
        identity: Identity,
        *,
        anonymous: bool,
        hosts: Collection[str],
        draining: Callable[[], bool],
        wall: Callable[[], float],
        challenge: Callable[[Unauthenticated, str | None], str],
        token_name: bytes | None = None,
        nobody: Principal | None = None,
        token_fields: frozenset[bytes] = frozenset(),
        certificates: Callable[[PeerCertificate], Principal | None] | None = None,
        own_traces: bool = False,
    ) -> None:
        """`token_fields` are further fields, in lower case, in which a token of the gate's may be shown.

        `hosts` are the accepted Host names without port, none = any. `challenge` writes `WWW-Authenticate`, with the
        address of the metadata that tells where tokens come from.

        `nobody` is who comes without a credential, where that is somebody: programs, and no pages. There an Authorization
        that the gate could not have made is the service's.

        `token_name` is that of a cookie, and of a parameter in an address, in which a token may be shown too.

        `certificates` says whom a certificate names. It is the channel's, a token is the request's: where there is a token,
        that alone says who calls.

        `own_traces` = a caller's trace ends here, and no service hears of it.
        """
        self.own_traces = own_traces
        self.token_name = token_name
        self.nobody = nobody
        self._token_fields = token_fields
        self._identity = identity
        self._anonymous = anonymous
        self._hosts = frozenset(host.lower() for host in hosts)
        self._draining = draining
        self._wall = wall
        self._challenge = challenge
        self._certificates = certificates

    def check_host(self, host: str) -> None:
        """Refuse a Host that is not served here."""
        if (
            self._hosts
            and host.rpartition(":")[0].lower() not in self._hosts
            and host.lower() not in self._hosts
        ):
            raise Misdirected("This host is not served here; add it to `hosts`.")

    @property
    def is_open(self) -> bool:
        """Whether new work is taken; it is not while the gate is going down."""
        return not self._draining()

    def check_open(self) -> None:
        """Refuse new work while the gate is going down."""
        if self._draining():
            raise Unavailable("The gate is going down; call again in a moment.", retry_after=1)

    def presented(self, fields: Fields, in_query: bytes | None = None) -> Presented:
        """The fields with the caller's token where it belongs, wherever it was shown."""
        if self._token_fields:
            fields = self._from_other_fields(fields)
        said = Presented(fields) if self.token_name is None else presented(fields, self.token_name, in_query)
        if self.nobody is not None and said.fault is None and self._is_for_the_service(said.fields):
            return Presented((*said.fields, (b"Labgate-Token", _NOBODY)))
        return said

    def _from_other_fields(self, fields: Fields) -> Fields:
        """The fields with a token where it belongs that another field shows; what the gate could not have made stays there."""
        if any(name.lower() in (b"authorization", b"labgate-token") for name, _ in fields):
            return fields
        found = [
            (name, value)
            for name, value in fields
            if name.lower() in self._token_fields and self._identity.may_know(value.decode("latin-1"))
        ]
        if len(found) != 1:
            return fields
        return (*(one for one in fields if one != found[0]), (b"Labgate-Token", found[0][1]))

    def _is_for_the_service(self, fields: Fields) -> bool:
        """Whether an Authorization is no credential of the gate's, though it looks like one."""
        values = [value for name, value in fields if name.lower() == b"authorization"]
        if len(values) != 1 or any(name.lower() == b"labgate-token" for name, _ in fields):
            return False
        kind, _, token = values[0].strip(b" \t").partition(b" ")
        return kind.lower() == b"bearer" and not self._identity.may_know(token.strip(b" ").decode("latin-1"))

    def credential(self, fields: Fields, certificate: PeerCertificate | None = None) -> str | None:
        """The caller's token, None where they may come without: by a certificate, or as nobody. Raises `Unauthenticated`."""
        given = credential(fields)
        unnamed = given is None or (self.nobody is not None and given == _NOBODY.decode())
        if unnamed and self._counts(certificate):
            return None
        if unnamed and self.nobody is not None:
            if is_of_a_page(fields):
                raise Unauthenticated(
                    "A page in a browser needs a token here: programs alone come without one.", missing=True
                )
            return None
        if given is None and not self._anonymous:
            raise Unauthenticated(
                "A token is needed: send `Authorization: Bearer TOKEN`. "
                "`labgate login` gets you one, or whoever runs the gate makes it with `labgated token create`.",
                missing=True,
            )
        return given

    def known(self, given: str | None, certificate: PeerCertificate | None = None) -> Principal | None:
        """The caller, if their credential was verified before and its verdict still holds."""
        if given is not None:
            return self._identity.known(given, self._wall())
        if certificate is not None and self._certificates is not None:
            return self._certificates(certificate) if self._wall() < certificate.expires else None
        return self.nobody or ANONYMOUS

    async def identify(self, fields: Fields, certificate: PeerCertificate | None = None) -> Principal:
        """The caller. A credential that fails is refused, never taken for none."""
        given = self.credential(fields, certificate)
        known = self.known(given, certificate)
        if known is not None:
            return known
        if given is not None:
            return await self._identity.identify(given, self._wall())
        if certificate is not None and self._wall() >= certificate.expires:
            raise Unauthenticated(
                "Your certificate has expired: connect again with a new one, or send a token."
            )
        raise Unauthenticated(
            "Your certificate has none of the names that callers are known by here (`identity.certificates.subject`), or "
            "several of one kind: have one made with a single name, or send a token."
        )

    def by_certificate(self, given: str | None, certificate: PeerCertificate | None) -> bool:
        """Whether nothing but the connection says who calls; a browser lets any page use that."""
        return given is None and self._counts(certificate)

    def _counts(self, certificate: PeerCertificate | None) -> bool:
        return certificate is not None and self._certificates is not None

    def challenge(self, fault: Unauthenticated, metadata: str | None = None) -> Fields:
        """The field that says how to come in, and where it is told where tokens come from."""
        return ((b"WWW-Authenticate", self._challenge(fault, metadata).encode()),)


def is_of_a_page(fields: Fields) -> bool:
    """Whether a browser says that a page asks (the Fetch standard, sections 3.1 and 3.2.1)."""
    return any(name.lower() in (b"origin", b"sec-fetch-site", b"sec-fetch-mode") for name, _ in fields)
