"""What does `labgate describe` tell of a method or a service, without calling anything?"""

from __future__ import annotations

import sys

from labgate._catalog import decoded
from labgate._cli_shown import connected, table
from labgate._codec import to_json_text
from labgate._docs import docstring, summary_of
from labgate._inform import MethodInfo, signature_of
from labgate._method import Method
from labgate._names import printable
from labgate._typetext import TypeTexts
from labgate.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from labgate._catalog import Catalog
    from labgate._client import Client

COMMANDS = {"describe": "tell all that is known of a method, or of a service"}

_WIDEST = 100
_SAFE = {True: "changes nothing", False: "may change something"}


def add(commands: Any) -> list[Any]:
    """The parser of this command."""
    describe = commands.add_parser("describe", help=COMMANDS["describe"])
    describe.add_argument("method", help="its whole name, like jobs.get_job; or a service's")
    return [describe]


def run(given: argparse.Namespace, *, for_people: bool) -> None:
    """Carry it out."""
    lab = connected(given)
    found = described(lab, given.method)
    sys.stdout.write((shown(found) if for_people else to_json_text(found)) + "\n")


def described(lab: Client, name: str) -> dict[str, Any]:
    """What is known of a method, or of a namespace.

    Raises:
        NotFound: there is neither.
    """
    link = lab._session.link  # noqa: SLF001
    catalog = link.catalog
    wire = name if catalog.text(name) is not None else catalog.true_name(name)
    if catalog.text(wire) is None and any(one.startswith(f"{wire}.") for one in catalog.names()):
        return _namespace(catalog, wire)
    link.function(name)  # raises what the client raises for an unknown name
    text = catalog.text(wire)
    if text is None:
        raise NotFound(f"the gate describes no method {name!r}", hint="")
    return _method(catalog, wire, text)


def shown(found: dict[str, Any]) -> str:
    """The same for people."""
    if "methods" in found:
        return _shown_namespace(found)
    lines = [f"{found['name']}{found['signature']} -> {found['result']}", "", *_words(found["text"])]
    if found["parameters"]:
        rows = [
            {
                "parameter": one["python"] or one["name"],
                "type": one["type"],
                "": "required"
                if one["required"]
                else f"default {one['default']}"
                if "default" in one
                else "",
                "description": one["description"],
            }
            for one in found["parameters"]
        ]
        lines += ["", table(rows, _WIDEST)]
    marks = [_SAFE[found["safe"]]]
    if found["idempotent"] and not found["safe"]:
        marks.append("twice is as once")
    if found["cache"]:
        marks.append(_cached(found["cache"]))
    if found["scopes"]:
        marks.append(f"needs the scope {' or '.join(found['scopes'])}")
    marks += [mark for mark in ("deprecated", "down") if found[mark]]
    lines += ["", "; ".join(marks)]
    if found["http"]:
        lines.append(f"as a request: {found['http']}")
    if found["documentation"]:
        lines.append(f"see {found['documentation']}")
    return "\n".join(lines)


def _method(catalog: Catalog, name: str, text: bytes) -> dict[str, Any]:
    method = Method(name, text)
    row = MethodInfo(name, decoded(text), signature_of(name, text))
    types = TypeTexts(catalog.components(), (), classes=False)
    notes = _object(method.description.get("x-labgate"))
    result = _object(method.description.get("result"))
    external = _object(method.description.get("externalDocs"))
    kind = notes.get("result") if isinstance(notes.get("result"), str) else None
    return {
        "name": printable(name, 200),
        "signature": row.signature,
        "summary": row.summary,
        "text": docstring(method).partition("\n\nParameters:")[0].partition("\n\nOn the wire:")[0],
        "parameters": [
            {
                "name": printable(one.wire, 200),
                "python": one.name,
                "type": _plain(types.result(one.schema, "")),
                "required": one.required,
                **({"default": printable(repr(one.default), 200)} if one.default.described else {}),
                "description": " ".join(printable(one.description, 1000, lines=True).split()),
            }
            for one in method.parameters
        ],
        "result": kind or _plain(types.result(result.get("schema"), "")),
        "safe": row.safe,
        "idempotent": method.repeatable,
        "cache": _object(notes.get("cache")),
        "scopes": _texts(notes.get("scopes")),
        "http": printable(notes["http"], 400) if isinstance(notes.get("http"), str) else "",
        "deprecated": row.deprecated,
        "down": row.down,
        "documentation": printable(external.get("url"), 500),
    }


def _namespace(catalog: Catalog, name: str) -> dict[str, Any]:
    about = _object(_object(catalog.about.get("namespaces")).get(name))
    inside = [one for one in catalog.names() if one.startswith(f"{name}.")]
    texts = catalog.texts()
    return {
        "name": printable(name, 200),
        "summary": summary_of(about),
        **{
            mark: printable(about.get(mark), 200) for mark in ("dialect", "version", "mount") if mark in about
        },
        "methods": [
            {"name": printable(one, 200), "summary": summary_of(decoded(texts[one]))}
            for one in sorted(inside)
        ],
    }


def _shown_namespace(found: dict[str, Any]) -> str:
    marks = [f"{mark} {found[mark]}" for mark in ("dialect", "version", "mount") if found.get(mark)]
    head = f"{found['name']}: {found['summary']}" if found["summary"] else found["name"]
    return "\n".join([head, *([", ".join(marks)] if marks else []), "", table(found["methods"], _WIDEST)])


def _words(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().split("\n")]


def _cached(cache: dict[str, Any]) -> str:
    parts = [
        f"{word} {cache[name]:g} s"
        for name, word in (("fresh", "answers serve for"), ("stale", "old ones for"))
        if isinstance(cache.get(name), (int, float))
    ]
    return ", ".join(parts) or "answers are kept"


def _plain(text: str) -> str:
    """The text of a type for people."""
    return text.replace("_typing.", "")


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [printable(one, 200) for one in value if isinstance(one, str)] if isinstance(value, list) else []
