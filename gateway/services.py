"""What do the settings say of one service, in the gate's own values?"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from gateway import settings as config
from gateway.core.breaker import BreakerRule
from gateway.core.cors import Cors
from gateway.core.health import HealthCheck
from gateway.core.http_freshness import Heuristic, HttpCache
from gateway.core.method import IN_PATH, CacheRule, Clause, Hedge, HttpBinding, Param, Place, When
from gateway.core.retrying import Retries
from gateway.core.service import Rule, Service, UpstreamIdentity
from gateway.settings.conditions import Before
from gateway.settings.conditions import When as WhenSettings
from gateway.settings.failing import Breaker as BreakerSettings
from gateway.settings.failing import Health as HealthSettings
from gateway.settings.failing import Hedge as HedgeSettings
from gateway.settings.http_cache import HttpCache as HttpCacheSettings
from gateway.settings.methods import MethodRule
from gateway.settings.services import Cors as CorsSettings
from gateway.settings.services import Service as ServiceSettings
from gateway.source_entries import INTAKE_FIELD

_NOT_FROM_CALLERS: Final[Mapping[str, frozenset[bytes]]] = {"dvid": frozenset((b"x-dvid-internal",))}
"""Fields by which a service of this dialect would take anybody for one of its own."""


def service(name: str, datastack: str | None, one: ServiceSettings, limits: config.Limits) -> Service:
    """The service of this name that an entry of the settings describes; `limits` are the gate's own."""
    bearer = one.bearer or (
        "caller" if one.forward_token else "none" if one.exchange is None else "exchanged"
    )
    identity = _identity(one, f"{datastack}/{name}" if datastack else name)
    return Service(
        name=name,
        datastack=datastack,
        dialect=one.dialect,
        urls=tuple(url.text for url in one.url),
        rpc_path=one.rpc_path,
        describe_path=one.describe,
        trusts_hints=one.trust_hints,
        names=one.names,
        headers=headers(one),
        checked=frozenset(name.lower().encode("ascii") for name in one.checked),
        timeout=one.timeout,
        connect_timeout=one.connect_timeout,
        read_timeout=one.read_timeout,
        retries=Retries(one.retries.attempts, one.retries.budget, one.retries.idempotent),
        breaker=None if one.breaker is None else _breaker(one.breaker),
        health=None if one.health is None else _health(one.health, one.rpc_path),
        sticky=(one.sticky or "").removeprefix("params."),
        describe_timeout=one.describe_timeout,
        refresh=one.refresh,
        arrays=one.arrays,
        concurrency=one.concurrency or limits.upstream_concurrency,
        concurrency_said=one.concurrency is not None,
        max_reply=limits.reply,
        max_passed=limits.mount_reply,
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
        drops=_not_from_callers(one.dialect, identity),
        http_cache=_http_cache(
            one.http_cache,
            by_person=bearer in ("caller", "linked", "exchanged") or identity is not None,
        ),
        bearer=bearer,
        token=None if one.token is None else one.token.get_secret_value(),
        identity_field=identity_field(one),
        identity=identity,
        granted=one.client_credentials is not None,
        pickle=one.pickle,
        vouches="" if one.vouched_by is None else one.vouched_by.text.rstrip("/"),
    )


def _identity(one: ServiceSettings, qualified: str) -> UpstreamIdentity | None:
    said = one.identity
    return None if said is None else UpstreamIdentity(said.header, said.audience or qualified, said.claims)


def _not_from_callers(dialect: str, identity: UpstreamIdentity | None) -> frozenset[bytes]:
    """Fields of which callers' never reach the service: nobody else says who asks."""
    own = frozenset[bytes]() if identity is None else frozenset((identity.name.lower().encode("ascii"),))
    return _NOT_FROM_CALLERS.get(dialect, frozenset()) | own


def _breaker(one: BreakerSettings) -> BreakerRule:
    return BreakerRule(one.failures, one.ratio, one.window, one.open)


def _health(one: HealthSettings, rpc_path: str | None) -> HealthCheck:
    path = one.path or (rpc_path if one.method else None) or "/"
    return HealthCheck(path, one.method or "", one.every, one.timeout)


def _hedge(one: HedgeSettings) -> Hedge:
    if isinstance(one.after, str):
        return Hedge(quantile=float(one.after[1:]) / 100)
    return Hedge(seconds=one.after)


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


def headers(one: ServiceSettings) -> dict[str, str]:
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
        hedge=None if rule.hedge is None else _hedge(rule.hedge),
        job=None if rule.job is None else rule.job.told(),
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


def identity_field(one: ServiceSettings) -> str:
    """The header field in which the service's clients may show the gate's token; empty where there is none."""
    if one.identity_field is not None:
        return one.identity_field
    return INTAKE_FIELD if one.dialect in ("intake", "auto") else ""
