"""What do the settings mean in the gate's own values?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from gateway import settings as config
from gateway.core.certificates import Naming, naming
from gateway.core.claims import Issuer
from gateway.core.introducing import with_rights
from gateway.core.limits import CALLER, Limit, Named, of_policy
from gateway.core.policy import NONE, Policies, Policy
from gateway.core.presented import MIDDLE_AUTH
from gateway.core.principal import Principal
from gateway.core.rates import Rate
from gateway.core.service import Service
from gateway.core.shares import share
from gateway.descriptors import connections
from gateway.outcomes import Bounds, Outcomes
from gateway.services import headers, identity_field, service
from gateway.settings.addresses import Address, Url
from gateway.settings.limits import Share
from gateway.settings.problems import Where
from gateway.settings.services import Service as ServiceSettings
from gateway.settings.socket_files import SocketFile
from gateway.source_entries import INTAKE_FIELD

CALLERS = "/callers"
OPERATORS = "/operators"
"""Names of listeners, which are no services'."""


def policies(settings: config.Settings) -> Policies:
    """The policies, in the order of the file."""
    return Policies(
        Policy(one.to, one.allow, one.operate, _limit(one) if one.limits else None)
        for one in settings.policies
    )


def limits(settings: config.Settings) -> dict[int, Named]:
    """What limits principals, by the place of the policy that says so; under `NONE` what holds for all that one does."""
    found = {
        at: Named(of_policy(at + 1), _limit(one)) for at, one in enumerate(settings.policies) if one.limits
    }
    of_all = _limit(settings.limits.per_principal)
    return found | ({NONE: Named(CALLER, of_all)} if of_all != Limit() else {})


def _limit(one: Share) -> Limit:
    return Limit(
        None if one.rate is None else Rate(*one.rate, one.burst or one.rate.much),
        one.concurrency,
        None if one.bytes is None else Rate(*one.bytes, one.bytes.much),
    )


def outcomes(
    settings: config.Settings, monotonic: Callable[[], float], wall: Callable[[], float]
) -> Outcomes:
    """What came of calls that may come again; all workers of the host know it, and those that come after them."""
    folder = settings.state_dir / "outcomes"
    return Outcomes(monotonic, wall, folder, outcome_bounds(settings), alone=settings.workers == 1)


def outcome_bounds(settings: config.Settings) -> Bounds:
    """How many of them are kept, and for how long."""
    kept = settings.limits.outcomes
    return Bounds(kept.seconds, kept.count, kept.size)


def keeps_outcomes(settings: config.Settings) -> float:
    """For how many seconds every gate that answers at this address knows them; 0 where that is not so."""
    kept = settings.limits.outcomes
    return kept.seconds if kept.promised else 0.0


def services(settings: config.Settings) -> tuple[Service, ...]:
    """Every service that the settings name, global and local."""
    return tuple(_services(settings))


def _services(settings: config.Settings) -> Iterator[Service]:
    for name, one in settings.services.items():
        yield service(name, None, one, settings.limits)
    for datastack, section in settings.datastacks.items():
        for name, one in section.services.items():
            yield service(name, datastack, one, settings.limits)


def local_servers(settings: config.Settings) -> dict[str, tuple[str, ...]]:
    """The origins that each entry of the settings trusts local servers at."""
    return {name: one.local_servers for name, one in settings.services.items()}


def entries(settings: config.Settings) -> dict[str, ServiceSettings]:
    """What the settings say of each service, by the qualified name of what they say it of."""
    return {name: one for name, (_, one) in placed_entries(settings).items()}


def placed_entries(settings: config.Settings) -> dict[str, tuple[Where, ServiceSettings]]:
    """As `entries`, with where each stands."""
    found: dict[str, tuple[Where, ServiceSettings]] = {
        name: (("services", name), one) for name, one in settings.services.items()
    }
    for datastack, section in settings.datastacks.items():
        for name, one in section.services.items():
            found[f"{datastack}/{name}"] = ("datastacks", datastack, "services", name), one
    return found


def stamps(settings: config.Settings, secret: bytes) -> dict[str, bytes]:
    """What stands for the settings of each service, as they name it: a stored entry that was made under others is void.

    `secret` keeps what the service is sent from being guessed from it.
    """
    return {name: _stamp(one, secret) for name, one in entries(settings).items()}


def stamp(service: Service, stamps: Mapping[str, bytes]) -> bytes:
    """What stands for a service: for one that others bring, also what is its own."""
    own = stamps[service.entry or service.qualified]
    if not service.entry:
        return own
    fills = (f"{name}={value}" for name, value in sorted(service.fills.items()))
    return blake2b(
        "\n".join([service.part, *service.urls, *fills]).encode(), digest_size=16, key=own
    ).digest()


def _stamp(one: ServiceSettings, secret: bytes) -> bytes:
    # Secrets are hidden in the one, and the headers hold them.
    parts = [
        one.model_dump_json().encode(),
        *(f"{name}: {value}".encode() for name, value in headers(one).items()),
        b"" if one.token is None else one.token.get_secret_value().encode(),
    ]
    return blake2b(b"\n".join(parts), digest_size=16, key=secret).digest()


def id_secret(settings: config.Settings, own: bytes) -> bytes:
    """What the gate signs ids with that it gives away: a secret that replicas have in common, else `own`, which is this host's."""
    keys = [key.get_secret_value() for key in settings.identity.signing_keys]
    redis = settings.cache.redis
    if keys:
        return blake2b(keys[0].encode(), digest_size=32, person=b"labgate ids").digest()
    return redis.secret() if redis is not None and redis.place()["password"] else own


def token_fields(settings: config.Settings) -> frozenset[bytes]:
    """The header fields, in lower case, in which clients of some service, or of the sources, may show the gate's token."""
    own = (INTAKE_FIELD,) if settings.sources is not None else ()
    fields = (*map(identity_field, entries(settings).values()), *own)
    return frozenset(field.lower().encode("ascii") for field in fields if field)


def authorization_servers(settings: config.Settings) -> tuple[str, ...]:
    """The issuers that clients can get tokens from, as they call themselves."""
    identity = settings.identity
    named = [*(one.issuer for one in identity.issuers), *(one.issuer or "" for one in identity.introspection)]
    return tuple(dict.fromkeys(name for name in named if name.startswith(("https://", "http://"))))


def logins(settings: config.Settings) -> tuple[dict[str, Any], ...]:
    """Where and as which client people log in from notebooks and terminals, as the gate tells it to the SDK."""
    return tuple(
        {
            "issuer": one.issuer,
            "client_id": one.device.client_id,
            "scopes": list(one.device.scopes),
            **({"audience": one.device.audience} if one.device.audience else {}),
            "resource": one.device.resource,
        }
        for one in settings.identity.issuers
        if one.device is not None
    )


def token_name(settings: config.Settings) -> bytes | None:
    """The cookie, and the parameter of addresses, in which clients of some service may show the gate's token."""
    kinds = {one.kind for one in settings.identity.introspection}
    return MIDDLE_AUTH.encode("ascii") if "middle_auth" in kinds else None


def listeners(settings: config.Settings) -> dict[str, Address]:
    """The services with a port of their own, by qualified name."""
    found = {name: one.listen for name, one in entries(settings).items()}
    return {name: port.address for name, port in found.items() if port is not None}


def port_principals(settings: config.Settings) -> dict[str, Principal]:
    """Who comes without a token to the port of each service's own, by qualified name; where somebody is named."""
    told = tells_rights(settings)
    return {
        name: with_rights(_of_port(name, one.listen.as_)) if told else _of_port(name, one.listen.as_)
        for name, one in entries(settings).items()
        if one.listen is not None and one.listen.as_
    }


def _of_port(name: str, words: Iterable[str]) -> Principal:
    said: dict[str, list[str]] = {"group": [], "scope": [], "subject": []}
    for word in words:
        kind, _, what = word.partition(":")
        said[kind].append(what)
    subject = said["subject"][-1] if said["subject"] else f"port:{name}"
    return Principal(subject, "port", tuple(said["group"]), tuple(said["scope"]))


def certificate_names(settings: config.Settings) -> Naming | None:
    """How callers are known by their certificates, None where they are not."""
    said = settings.identity.certificates
    return None if said is None else naming(said.subject, said.groups, said.scopes)


def addresses(settings: config.Settings) -> dict[str, Address | SocketFile]:
    """Every address to listen at, by the listener's name: no service can have that of the callers' or operators'."""
    return {CALLERS: settings.listen, OPERATORS: settings.operator.listen, **listeners(settings)}


def place(settings: config.Settings, address: Address | SocketFile) -> tuple[str, int]:
    """An address, as listeners are opened at it: host and port, or the path of a socket behind `unix:` and its mode."""
    if isinstance(address, SocketFile):
        return str(address), settings.socket_mode
    return address.host, address.port


PER_ADDRESS: Final = 1000
"""Connections from one address, where nothing else is said and addresses tell callers apart."""


def caller_limits(settings: config.Settings, place: tuple[int, int], descriptors: int) -> dict[str, Any]:
    """What callers' connections may take, by the names of `gateway.wire.limits`.

    They are those of the worker at this place, which may have so many file descriptors.
    """
    limits = settings.limits
    per_address = limits.connections_per_address
    if per_address is None:
        # Behind a proxy that is not named nobody can tell whose a connection is.
        per_address = 0 if settings.behind_proxy and not settings.trusted_proxies else PER_ADDRESS
    return {
        "header_bytes": limits.header_bytes,
        "header_seconds": limits.header_seconds,
        "idle_seconds": limits.idle_seconds,
        "body_seconds": limits.body_seconds,
        "body_rate": limits.body_rate,
        "write_seconds": limits.write_seconds,
        "write_rate": limits.write_rate,
        "connections": connections(share(limits.connections, *place), descriptors),
        "connections_per_address": per_address and share(per_address, *place),
    }


def shared(service: Service, number: int, workers: int) -> Service:
    """A service as one of several workers has it: with its share of the calls at once."""
    return dataclasses.replace(service, concurrency=share(service.concurrency, number, workers))


def exchanged_issuers(settings: config.Settings) -> frozenset[str]:
    """Whose tokens are exchanged for some service's."""
    found = (one.exchange.issuers for one in entries(settings).values() if one.exchange is not None)
    return frozenset(name for issuers in found for name in issuers)


def tells_rights(settings: config.Settings) -> bool:
    """Whether some service is told what callers may do, beside who they are."""
    return any(one.exchange is not None or one.identity is not None for one in entries(settings).values())


def issuers(settings: config.Settings) -> tuple[tuple[Issuer, str | Path | None], ...]:
    """The issuers whose JWTs are accepted, with where their keys are; None where their metadata tells it."""
    return tuple(
        (
            Issuer(
                issuer=one.issuer,
                audiences=one.audience,
                algorithms=one.algorithms,
                groups_claim=one.groups_claim,
                scopes_claim=one.scopes_claim,
                max_lifetime=one.max_lifetime,
                typ=one.typ,
                leeway=one.leeway,
            ),
            one.jwks.text if isinstance(one.jwks, Url) else one.jwks,
        )
        for one in settings.identity.issuers
    )
