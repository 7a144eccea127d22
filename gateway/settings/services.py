"""What does the operator say about a service and its methods?"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator, model_validator

from gateway.settings.addresses import UpstreamUrl
from gateway.settings.problems import Where
from gateway.settings.sections import Section
from gateway.settings.values import (
    HIDDEN,
    Count,
    Flag,
    Seconds,
    Secret,
    Size,
    Text,
    Texts,
    Timeout,
    Word,
    each,
    refusal,
    several,
    text,
)

_SERVICE = re.compile(r"[a-z][a-z0-9_]*")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FRAMING = frozenset(
    [
        *("connection", "content-length", "content-type", "expect", "keep-alive"),
        *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    ]
)


def _service_name(name: str) -> str:
    if not _SERVICE.fullmatch(name):
        raise refusal("no name for a service", "use small letters, digits and _, beginning with a letter")
    if name in ("rpc", "system"):
        raise refusal("the name belongs to the gate itself", "choose another name")
    return name


def _method_glob(name: str) -> str:
    text(name)
    if name != name.strip():
        raise refusal("a method's name with spaces around it matches nothing", "remove the spaces")
    return name


def _rpc_path(path: str) -> str | None:
    if not path.startswith("/"):
        return "does not begin with /"
    if any(char in path for char in " ?#\\") or not path.isascii():
        return "is no path"
    return None


def _header_name(name: str) -> str:
    if not _FIELD_NAME.fullmatch(name):
        raise refusal("no name of a header field", "use letters, digits and -")
    if name.lower() in _FRAMING:
        raise refusal("the gate writes this header field itself", "remove it")
    return name


def _header_value(value: SecretStr) -> SecretStr:
    content = value.get_secret_value()
    if any(ord(char) < 0x20 or ord(char) == 0x7F or ord(char) > 0xFF for char in content):
        raise refusal(
            "the value holds a character that a header field cannot hold", "remove line breaks and controls"
        )
    if content != content.strip():
        raise refusal("the value has spaces around it", "remove them")
    return value


def _parameter(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[Secret, AfterValidator(_header_value)]
ServiceName = Annotated[str, AfterValidator(_service_name)]
MethodGlob = Annotated[str, AfterValidator(_method_glob)]
ResultKind = Literal["array", "table", "bytes", "volume", "source", "tables"]
RpcPath = Annotated[str, each(_rpc_path, "write the path of the JSON-RPC endpoint, like /api"), HIDDEN]
DocumentPath = Annotated[
    str, each(_rpc_path, "write the path of the OpenAPI document, like /openapi.json"), HIDDEN
]


class CacheRule(Section):
    """How long a reply serves, and for whom.

    `fresh`, `stale` and `negative` are seconds: served without asking, served while one refresh runs or the upstream
    is down, and how long an upstream's JSON-RPC error is kept (0: never). `share` says whose calls may meet: nobody's
    but the same principal's, or those of everyone who may call the method. `max_size` is in bytes; `by_name` makes the order of named parameters irrelevant.
    """

    fresh: Seconds
    stale: Seconds = 0.0
    share: Annotated[Literal["nobody", "everyone"], Word] = "nobody"
    tags: Texts = ()
    negative: Seconds = 0.0
    by_name: Flag = False
    max_size: Size = 64 << 20


class Parameter(Section):
    """A parameter as the operator describes it; a bare text is its name. `schema` is a JSON Schema."""

    name: Text
    required: Flag = False
    json_schema: Mapping[str, Any] = Field(default_factory=dict, alias="schema")
    description: Text | None = None


class MethodRule(Section):
    """What the operator knows of the methods that a glob matches; None where nothing is said.

    `result` is the kind of the result where it is more than JSON; `item` marks the method behind `service[…]`.
    """

    safe: Flag | None = None
    idempotent: Flag | None = None
    cache: CacheRule | None = None
    invalidates: Texts = ()
    deprecated: Flag | None = None
    summary: Text | None = None
    params: tuple[Annotated[Parameter, BeforeValidator(_parameter)], ...] | None = None
    result: Annotated[ResultKind, Word] | None = None
    item: Flag | None = None

    @model_validator(mode="after")
    def _what_changes_something_is_not_safe(self) -> "MethodRule":
        if self.cache is not None and self.safe is False:
            raise refusal("only safe methods are cached", "write safe: true, or remove `cache`", ("cache",))
        if self.invalidates and self.safe:
            fix = "write safe: false, or remove `invalidates`"
            raise refusal("a safe method changes nothing, so it invalidates nothing", fix, ("invalidates",))
        return self


class Service(Section):
    """A named upstream.

    `url` holds one address or several replicas, in order. `timeout` (of a call), `describe_timeout` (of one question
    of discovery) and `refresh` (from one discovery to the next) are seconds. `concurrency` is the number of calls on
    their way at once; None takes `limits.upstream_concurrency`. `arrays` says how arrays are sent to it. The keys of `methods` are globs over the upstream's own names, without the service's.
    """

    dialect: Annotated[Literal["auto", "jsonrpc", "openapi", "listed"], Word] = "auto"
    url: Annotated[tuple[UpstreamUrl, ...], BeforeValidator(several)]
    summary: Text | None = None
    rpc_path: RpcPath | None = None
    describe: DocumentPath | None = None
    headers: Mapping[HeaderName, HeaderValue] = Field(default_factory=dict)
    timeout: Timeout = 300.0
    describe_timeout: Timeout = 10.0
    refresh: Timeout = 300.0
    arrays: Annotated[Literal["lists", "ndarray"], Word] = "lists"
    concurrency: Count | None = None
    methods: Mapping[MethodGlob, MethodRule] = Field(default_factory=dict)

    @field_validator("url")
    @classmethod
    def _some_url(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not value:
            raise refusal("an empty list of addresses", "write at least one URL")
        for index, one in enumerate(value):
            if one in value[:index]:
                raise refusal("the same address twice", "keep one of the two", (index,))
        return value

    @field_validator("headers")
    @classmethod
    def _each_header_once(cls, value: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        seen: set[str] = set()
        for name in value:
            if name.lower() in seen:
                raise refusal(
                    "the same header field twice", "keep one; upper and lower case do not matter", (name,)
                )
            seen.add(name.lower())
        return value

    @field_validator("methods")
    @classmethod
    def _one_method_is_not_a_glob(cls, value: Mapping[str, MethodRule]) -> Mapping[str, MethodRule]:
        item: str | None = None
        for name, rule in value.items():
            key: Where = (name, "item" if rule.item else "params")
            if "*" in name and (rule.item or rule.params is not None):
                raise refusal(
                    "describes one method, but stands under a glob", "write it under the method's name", key
                )
            if rule.item and item is not None:
                raise refusal(f"`{item}` is the service's `item` already", "mark one method", key)
            item = name if rule.item else item
        return value
