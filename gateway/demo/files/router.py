"""Which operation is a request, and with which arguments? As the OpenAPI document says."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from gateway.demo.files import checking
from gateway.demo.files.document import JSON
from gateway.demo.files.errors import InvalidError, NotFoundError, WrongMediaTypeError, WrongVerbError
from gateway.demo.files.schemas import SCHEMAS

_MAX_FIELDS = 100


@dataclass(frozen=True, slots=True)
class Request:
    """A request: `path` and `query` as sent, the media type without its parameters, the whole body."""

    verb: str
    path: str
    query: str
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Match:
    """The operation of a request, from the document, and the decoded parts of its path."""

    operation: Mapping[str, Any]
    parts: Mapping[str, str]

    def arguments(self, request: Request) -> dict[str, Any]:
        """The arguments of the operation by name; bytes are called `body`. Raises InvalidError."""
        query = _query(request.query)
        found: dict[str, Any] = {}
        for parameter in self.operation["parameters"]:
            name, schema = parameter["name"], parameter["schema"]
            texts = [self.parts[name]] if parameter["in"] == "path" else query.get(name)
            if texts:
                found[name] = checking.from_text(name, texts, schema)
            elif parameter["required"]:
                raise InvalidError(f"{name} is missing")
            else:
                found[name] = schema.get("default")
        return found | self._from_body(request)

    def _from_body(self, request: Request) -> dict[str, Any]:
        if "requestBody" not in self.operation:
            return {}
        (media_type,) = content = self.operation["requestBody"]["content"]
        if request.media_type != media_type:
            raise WrongMediaTypeError(f"the body must be {media_type}")
        if media_type != JSON:
            return {"body": request.body}
        value = _parsed(request.body)
        checking.check("the body", value, content[JSON]["schema"])
        known = SCHEMAS[content[JSON]["schema"]["$ref"].rpartition("/")[2]]["properties"]
        return {name: member for name, member in value.items() if name in known}


class Router:
    """Finds operations by verb and path. `paths` are those of an OpenAPI document."""

    def __init__(self, paths: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        self._routes = [(template.split("/"), verbs) for template, verbs in paths.items()]

    def match(self, verb: str, path: str) -> Match:
        """The operation; HEAD is GET. Raises NotFoundError, WrongVerbError."""
        segments = path.split("/")
        for template, verbs in self._routes:
            parts = _fitting(template, segments)
            if parts is not None:
                operation = verbs.get("get" if verb == "HEAD" else verb.lower())
                if operation is None:
                    raise WrongVerbError(f"{path[:200]} cannot be asked with {verb}", _allowed(verbs))
                return Match(operation, parts)
        raise NotFoundError("there is nothing at this path")


def _fitting(template: list[str], segments: list[str]) -> dict[str, str] | None:
    if len(template) != len(segments):
        return None
    parts = {}
    for wanted, segment in zip(template, segments, strict=True):
        text = unquote(segment)
        if wanted.startswith("{") and segment:
            parts[wanted[1:-1]] = text
        elif wanted != text:
            return None
    return parts


def _allowed(verbs: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for verb in verbs for name in (("GET", "HEAD") if verb == "get" else (verb.upper(),)))


def _query(text: str) -> dict[str, list[str]]:
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise InvalidError(f"the query has more than {_MAX_FIELDS} parameters") from None


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidError("the body is not JSON") from None
