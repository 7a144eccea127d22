"""How are a method and a list of methods said in OpenRPC 1.3.2?"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import sha256
from typing import Any, Final
from urllib.parse import unquote

import orjson
from msgspec import Struct
from msgspec.structs import replace

from gateway.core.faults import TABLE
from gateway.core.method import CacheRule, Method, Param

OPENRPC: Final = "1.3.2"
TITLE: Final = "labgate"

VERSION_DIGITS: Final = 24
_DEEPEST: Final = 100

# In what orjson writes, this can only be a member: a quote within a text has a backslash before it.
_REFERENCE = b'"$ref":"#/components/schemas/'
_referred = re.compile(re.escape(_REFERENCE) + rb'((?:[^"\\/]|\\.)*)').findall


class Rendered(Struct, frozen=True, gc=False):
    """A piece of the document: its JSON, a digest of it, and the names of its service's schemas it refers to.

    Of a method, `ends` is how many braces stand behind the place for its `x-labgate`, and `noted` whether there is one.
    """

    text: bytes
    digest: bytes
    schemas: tuple[str, ...] = ()
    ends: int = 1
    noted: bool = False

    def with_notes(self, members: bytes) -> Rendered:
        """The piece of a method with these members, as JSON, added to its `x-labgate`."""
        if not members:
            return self
        at = len(self.text) - self.ends - self.noted
        more = b"," + members if self.noted else b',"x-labgate":{%b}' % members
        text = self.text[:at] + more + self.text[at:]
        return Rendered(text, sha256(self.digest + members).digest(), self.schemas, self.ends, noted=True)


class Document(Struct, frozen=True):
    """A whole list of methods before it is written; `methods` and `schemas` are in the order of their names.

    `release` is the gate's version. `about` is the root's `x-labgate` without `catalog`, the document's version.
    """

    release: str
    about: Mapping[str, Any]
    methods: tuple[Rendered, ...]
    schemas: Mapping[str, Rendered]

    def version(self) -> str:
        """The digest of everything the document says, in hexadecimal digits: its ETag."""
        names = json_text([self.release, self.about, list(self.schemas), len(self.methods)])
        digest = sha256(names)
        digest.update(_errors())
        digest.update(b"".join([piece.digest for piece in self.methods]))
        digest.update(b"".join([piece.digest for piece in self.schemas.values()]))
        return digest.hexdigest()[:VERSION_DIGITS]

    def text(self, version: str) -> bytes:
        """The document as JSON; `version` is its own `version()`, which the list keeps."""
        schemas = [json_text(name) + b":" + piece.text for name, piece in self.schemas.items()]
        return b"".join(
            (
                b'{"openrpc":"%b","info":' % OPENRPC.encode(),
                json_text({"title": TITLE, "version": self.release}),
                b',"methods":[',
                b",".join([piece.text for piece in self.methods]),
                b'],"components":{"schemas":{',
                b",".join(schemas),
                b'},"errors":',
                _errors(),
                b'},"x-labgate":',
                json_text({"catalog": version, **self.about}),
                b"}",
            )
        )


def method_object(method: Method, *, down: bool, notice: str = "") -> Rendered:
    """The Method Object; `down` marks a method whose service does not answer, `notice` is what an operator says of it."""
    namespace = method.name.partition(".")[0]
    document: dict[str, Any] = {"name": method.name}
    if method.summary:
        document["summary"] = method.summary
    if method.description:
        document["description"] = method.description
    document["tags"] = [{"name": namespace}]
    document["paramStructure"] = method.structure
    document["params"] = [_descriptor(param) for param in method.params or ()]
    # A method without `result` would be one that can only be notified.
    document["result"] = {"name": "result", "schema": method.result or {}}
    if method.deprecated:
        document["deprecated"] = True
    if method.docs and method.docs.startswith(("https://", "http://")):
        document["externalDocs"] = {"url": method.docs}
    about = extension(method, down, notice)
    if about:
        document["x-labgate"] = about
    return replace(render(document, namespace), noted=bool(about))


def notes_of(scopes: tuple[str, ...]) -> bytes:
    """What `x-labgate` says of a method that is not the same for all callers, as JSON: see `Access.scopes`."""
    return b'"scopes":' + json_text(scopes) if scopes else b""


def _descriptor(param: Param) -> dict[str, Any]:
    if param.description:
        return {
            "name": param.name,
            "required": param.required,
            "schema": param.schema,
            "description": param.description,
        }
    return {"name": param.name, "required": param.required, "schema": param.schema}


def extension(method: Method, down: bool, notice: str = "") -> dict[str, Any]:
    """What `x-labgate` says of a method."""
    said: dict[str, Any] = {}
    if method.safe:
        said["safe"] = True
    if method.idempotent:
        said["idempotent"] = True
    if down:
        said["down"] = True
    if notice:
        said["notice"] = notice
    if method.params is None:
        said["undescribed"] = True
    if method.cache is not None:
        said["cache"] = _cache(method.cache)
    if method.facts:
        said.update(method.facts)
    return said


def _cache(rule: CacheRule) -> dict[str, float]:
    said = {"fresh": rule.fresh, "stale": rule.stale}
    return {name: int(value) if float(value).is_integer() else value for name, value in said.items() if value}


def render(value: Any, namespace: str) -> Rendered:
    """A piece of a service's description, its references led to the service's schemas in the whole document."""
    text = json_text(value)
    schemas: tuple[str, ...] = ()
    if b"$" in text and _REFERENCE in text:
        schemas = tuple(sorted({schema_name(orjson.loads(b'"' + token + b'"')) for token in _referred(text)}))
        text = text.replace(_REFERENCE, _REFERENCE + namespace.encode() + b".")
    return Rendered(text, sha256(text).digest(), schemas)


def schema_name(token: str) -> str:
    """The name that the first step of a JSON Pointer in a URI fragment stands for (RFC 6901, section 6)."""
    return unquote(token).replace("~1", "/").replace("~0", "~")


def reachable(used: Iterable[str], schemas: Mapping[str, Rendered]) -> set[str]:
    """The names among `schemas` that `used` lead to, through each other's references too."""
    found: set[str] = set()
    ahead = [name for name in used if name in schemas]
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead.extend(other for other in schemas[name].schemas if other in schemas)
    return found


@cache
def _errors() -> bytes:
    return orjson.dumps({fault.__name__: {"code": fault.code, "message": fault.summary} for fault in TABLE})


def json_text(value: Any) -> bytes:
    """The value as JSON that every reader takes, whatever an upstream put into its description.

    What JSON has no word for is replaced: numbers that are not finite by null, lone surrogates by `?`. What is nested
    too deeply is emptied. Integers keep their digits.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(_sayable(value, _DEEPEST), allow_nan=False, separators=(",", ":")).encode()


def _sayable(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, Mapping):
        members = value.items() if depth else ()
        return {_sayable(str(name), 0): _sayable(each, depth - 1) for name, each in members}
    if isinstance(value, (list, tuple)):
        return [_sayable(each, depth - 1) for each in value] if depth else []
    return None
