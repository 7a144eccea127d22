"""What do the settings mean in the gate's own values?"""

from __future__ import annotations

import dataclasses
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from gateway import settings as config
from gateway.core.certificates import Naming, naming
from gateway.core.claims import Issuer
from gateway.core.cors import Cors
from gateway.core.http_freshness import Heuristic, HttpCache
from gateway.core.method import IN_PATH, CacheRule, Clause, HttpBinding, Param, Place, When
from gateway.core.policy import Policies, Policy
from gateway.core.principal import Principal
from gateway.core.service import Rule, Service
from gateway.core.shares import share
from gateway.settings.addresses import Address
from gateway.settings.conditions import Before
from gateway.settings.conditions import When as WhenSettings
from gateway.settings.http_cache import HttpCache as HttpCacheSettings
from gateway.settings.problems import Where
from gateway.settings.services import Cors as CorsSettings
from gateway.settings.services import MethodRule
from gateway.settings.services import Service as ServiceSettings

CALLERS = "/callers"
OPERATORS = "/operators"
"""Names of listeners, which are no services'."""
_TO_CATALOGS = 2
"""Calls on their way at once to a server of the dialect `intake`, where nothing else is said."""


def policies(settings: config.Settings) -> Policies:
    """The policies, in the order of the file."""
    return Policies(Policy(one.to, one.allow, one.operate) for one in settings.policies)


def services(settings: config.Settings) -> tuple[Service, ...]:
    """Every service that the settings name, global and local."""
    return tuple(_services(settings))


def _services(settings: config.Settings) -> Iterator[Service]:
    for name, one in settings.services.items():
        yield _service(name, None, one, settings.limits)
    for datastack, section in settings.datastacks.items():
        for name, one in section.services.items():
            yield _service(name, datastack, one, settings.limits)


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
        *(f"{name}: {value}".encode() for name, value in _headers(one).items()),
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
    """The header fields, in lower case, in which clients of some service may show the gate's token."""
    return frozenset(
        field.lower().encode("ascii") for one in entries(settings).values() if (field := _identity_field(one))
    )


def _identity_field(one: ServiceSettings) -> str:
    if one.identity_field is not None:
        return one.identity_field
    return "intake-secret" if one.dialect == "intake" else ""


def listeners(settings: config.Settings) -> dict[str, Address]:
    """The services with a port of their own, by qualified name."""
    found = {name: one.listen for name, one in entries(settings).items()}
    return {name: port.address for name, port in found.items() if port is not None}


def port_principals(settings: config.Settings) -> dict[str, Principal]:
    """Who comes without a token to the port of each service's own, by qualified name; where somebody is named."""
    return {
        name: _of_port(name, one.listen.as_)
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


def addresses(settings: config.Settings) -> dict[str, Address]:
    """Every address to listen at, by the listener's name: no service can have that of the callers' or operators'."""
    return {CALLERS: settings.listen, OPERATORS: settings.operator.listen, **listeners(settings)}


def shared(service: Service, number: int, workers: int) -> Service:
    """A service as one of several workers has it: with its share of the calls at once."""
    return dataclasses.replace(service, concurrency=share(service.concurrency, number, workers))


_NOT_FROM_CALLERS: Final[Mapping[str, frozenset[bytes]]] = {"dvid": frozenset((b"x-dvid-internal",))}
"""Fields by which a service of this dialect would take anybody for one of its own."""


def _service(name: str, datastack: str | None, one: ServiceSettings, limits: config.Limits) -> Service:
    bearer = one.bearer or ("caller" if one.forward_token else "none")
    return Service(
        name=name,
        datastack=datastack,
        dialect=one.dialect,
        urls=tuple(url.text for url in one.url),
        rpc_path=one.rpc_path,
        describe_path=one.describe,
        names=one.names,
        headers=_headers(one),
        checked=frozenset(name.lower().encode("ascii") for name in one.checked),
        timeout=one.timeout,
        describe_timeout=one.describe_timeout,
        refresh=one.refresh,
        arrays=one.arrays,
        # A catalog server does one thing at a time, and whoever waits within it keeps all others waiting.
        concurrency=one.concurrency
        or (_TO_CATALOGS if one.dialect == "intake" else limits.upstream_concurrency),
        max_reply=limits.reply,
        max_describe=limits.describe,
        max_methods=limits.methods,
        rules={glob: _rule(rule) for glob, rule in one.methods.items()},
        summary=one.summary or "",
        mount=one.mount,
        has_port=one.listen is not None,
        cors=None if one.cors is None else _cors(one.cors),
        idle=one.idle,
        encoded_slash=one.encoded_slash,
        underscores=one.underscores,
        keep_host=one.keep_host,
        links=one.links,
        nodes=one.nodes,
        drops=_NOT_FROM_CALLERS.get(one.dialect, frozenset()),
        http_cache=_http_cache(one.http_cache, by_person=bearer in ("caller", "linked")),
        bearer=bearer,
        token=None if one.token is None else one.token.get_secret_value(),
        identity_field=_identity_field(one),
        pickle=one.pickle,
        vouches="" if one.vouched_by is None else one.vouched_by.text.rstrip("/"),
    )


def _http_cache(one: HttpCacheSettings, *, by_person: bool) -> HttpCache:
    heuristic = Heuristic(one.heuristic, one.heuristic_max)
    names = tuple(sorted({name.lower().encode() for name in one.vary_on}))
    return HttpCache(
        one.enabled,
        heuristic,
        names,
        one.accept_encoding,
        by_person,
        frozenset(name.encode("ascii") for name in one.drop_cookies),
        frozenset(name.encode("ascii") for name in one.secret_query),
    )


def _cors(one: CorsSettings) -> Cors:
    return Cors(
        frozenset(origin.lower() for origin in one.origins),
        one.methods,
        one.headers,
        one.expose,
        one.credentials,
        int(one.max_age),
    )


def _headers(one: ServiceSettings) -> dict[str, str]:
    """The fields for the upstream; a user and password in the address become Basic credentials (RFC 7617)."""
    fields = {field: value.get_secret_value() for field, value in one.headers.items()}
    userinfo = next((url.userinfo for url in one.url if url.userinfo), None)
    if userinfo is not None and "authorization" not in map(str.lower, fields):
        fields["Authorization"] = "Basic " + b64encode(userinfo.get_secret_value().encode()).decode()
    return fields


def _rule(rule: MethodRule) -> Rule:
    params = None if rule.params is None else tuple(_param(one) for one in rule.params)
    http = None if rule.http is None else _http(rule.http)
    return Rule(
        safe=rule.safe,
        idempotent=rule.idempotent,
        cache=None if rule.cache is None else _cache_rule(rule.cache),
        invalidates=rule.invalidates,
        deprecated=rule.deprecated,
        summary=rule.summary,
        params=params if http is None else _with_places(http, params or ()),
        result=rule.result,
        item=rule.item,
        http=http,
    )


def _http(request: str) -> HttpBinding:
    verb, _, path = request.partition(" ")
    places = tuple(Place(name, "path", name, "comma") for name in IN_PATH.findall(path))
    return HttpBinding(verb, path, places)


def _with_places(http: HttpBinding, params: tuple[Param, ...]) -> tuple[Param, ...]:
    """The parameters of the path, which are always required, before those written beside it."""
    written = {param.name: param for param in params}
    in_path = {place.param: written.get(place.param, Param(place.param)) for place in http.places}
    others = (param for param in params if param.name not in in_path)
    return (*(replace(param, required=True) for param in in_path.values()), *others)


def _cache_rule(rule: config.CacheRule) -> CacheRule:
    return CacheRule(
        fresh=rule.fresh,
        stale=rule.stale,
        share=rule.share,
        tags=rule.tags,
        negative=rule.negative,
        by_name=rule.by_name,
        max_size=rule.max_size,
        pin=rule.pin,
        force=rule.force,
        authorized=rule.authorized or "",
        when=tuple(_when(one) for one in rule.when),
    )


def _when(one: WhenSettings) -> When:
    params, result = (
        tuple(
            Clause(name, (), test.seconds) if isinstance(test, Before) else Clause(name, test)
            for name, test in tests.items()
        )
        for tests in (one.params, one.result)
    )
    return When(one.fresh, one.stale, params, result)


def _param(one: config.Parameter) -> Param:
    return Param(
        one.name, required=one.required, schema=dict(one.json_schema), description=one.description or ""
    )


def issuers(settings: config.Settings) -> tuple[tuple[Issuer, str | Path], ...]:
    """The issuers whose JWTs are accepted, with where their keys are."""
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
            one.jwks if isinstance(one.jwks, Path) else one.jwks.text,
        )
        for one in settings.identity.issuers
    )
