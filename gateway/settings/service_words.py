"""Which words may stand where in the settings of a service: names, paths, header fields, versions?"""

import re
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import (
    AfterValidator,
    PlainValidator,
    SecretStr,
)

from gateway.settings.addresses import origin
from gateway.settings.values import (
    HIDDEN,
    Secret,
    each,
    refusal,
    text,
)

_SERVICE = re.compile(r"[a-z][a-z0-9_]*")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HTTP_REQUEST = re.compile(r"(?P<verb>GET|HEAD|QUERY|OPTIONS|PUT|POST|PATCH|DELETE) (?P<path>/[!-~]*)")
_IN_PATH = re.compile(r"\{([^{}/]+)\}")
_TAKEN = frozenset(("authorization", "cookie", "host", "labgate-token", "origin", "x-request-id"))
_OF_THE_GATE = frozenset(
    (
        "accept",
        "date",
        "forwarded",
        "labgate-timeout",
        "range",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    )
)
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


def parameter(value: Any) -> Any:
    """A parameter by its name alone, or as it is."""
    return {"name": value} if isinstance(value, str) else value


def verb(written: str) -> str | None:
    """What is wrong with a verb."""
    return None if _FIELD_NAME.fullmatch(written) and written == written.upper() else "is no verb in capitals"


def _cors_field(name: str) -> str | None:
    return None if _FIELD_NAME.fullmatch(name) else "is no name of a header field"


def _identity_field(name: str) -> str | None:
    if name == "":
        return None
    if not _FIELD_NAME.fullmatch(name) or not name.isascii():
        return "is no name of a header field"
    return "has a meaning of its own" if name.lower() in _FRAMING | _TAKEN else None


def _introducing_field(name: str) -> str | None:
    if not _FIELD_NAME.fullmatch(name) or not name.isascii() or "_" in name:
        return "is no name of a header field"
    taken = _FRAMING | _TAKEN | _OF_THE_GATE
    return "has a meaning of its own" if name.lower() in taken - {"authorization"} else None


def _page_origin(value: Any) -> str:
    return "*" if value == "*" else origin(value).origin


def _port_word(written: str) -> str | None:
    kind, _, name = written.partition(":")
    return None if kind in ("group", "scope", "subject") and name.strip() else "names nobody"


def _local_server(value: Any) -> str:
    written = text(value)
    scheme, star, host = written.partition("://*.")
    if not star:
        return origin(written).origin
    return origin(f"{scheme}://{host}").origin.replace("://", "://*.", 1)


def _http_request(written: str) -> str | None:
    """What is wrong with a verb and a path; each `{name}` of it is a parameter."""
    found = _HTTP_REQUEST.fullmatch(written)
    if found is None or set("?#\\") & set(found["path"]):
        return "is no verb and path"
    names = _IN_PATH.findall(found["path"])
    if len(set(names)) < len(names):
        return "names a parameter twice"
    literal = _IN_PATH.sub("x", found["path"])
    if any(unquote(step) in (".", "..") for step in literal.split("/")):
        return "has a step `.` or `..`"
    return "has braces that enclose no name" if set("{}") & set(literal) else None


def _node_name(written: str) -> str | None:
    if re.fullmatch(r"[0-9a-f]*", written):
        return "could be the beginning of a UUID"
    return None if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", written) else "is no name of a version"


def _version(written: str) -> str | None:
    found = re.fullmatch(r"[0-9a-f]{0,64}(:[^/?#\s]{1,100})?", written)
    return None if found and written else "is no version"


NodeName = Annotated[str, each(_node_name, "use letters, digits, _, . and -, and not only 0-9 and a-f")]
Version = Annotated[str, each(_version, "write a UUID, the beginning of one, or UUID:branch")]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[Secret, AfterValidator(_header_value)]
CorsField = Annotated[str, each(_cors_field, "use letters, digits and -, or * for any")]
PageOrigin = Annotated[str, PlainValidator(_page_origin)]
CheckedName = Annotated[str, each(_cors_field, "use letters, digits and -"), HIDDEN]
IdentityField = Annotated[
    str,
    each(_identity_field, "write the name of a field that is the client's own, like intake-secret"),
    HIDDEN,
]
IntroducingField = Annotated[
    str,
    each(_introducing_field, "write the name of a field that is the gate's own, like Labgate-Identity"),
    HIDDEN,
]
PortWord = Annotated[str, each(_port_word, "write group:NAME, scope:NAME, or subject:NAME once"), HIDDEN]
LocalServer = Annotated[str, PlainValidator(_local_server)]
ServiceName = Annotated[str, AfterValidator(_service_name)]
MethodGlob = Annotated[str, AfterValidator(_method_glob)]
ResultKind = Literal["array", "table", "bytes", "volume", "source", "tables"]
RpcPath = Annotated[str, each(_rpc_path, "write the path of the JSON-RPC endpoint, like /api"), HIDDEN]
DocumentPath = Annotated[
    str, each(_rpc_path, "write the path of the OpenAPI document, like /openapi.json"), HIDDEN
]


HttpRequest = Annotated[
    str, each(_http_request, "write a verb and a path, like GET /tiles/{level}/{x}"), HIDDEN
]
