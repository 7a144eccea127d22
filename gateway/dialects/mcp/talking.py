"""How is an MCP server spoken to over Streamable HTTP, in the revision that it knows?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from gateway.core import envelope
from gateway.core.envelope_answers import Answered
from gateway.core.faults import UpstreamBroken
from gateway.core.mcp.words import (
    CAPABILITIES_KEY,
    CLIENT_KEY,
    LEGACY,
    MIRRORED,
    MODERN,
    VERSION_KEY,
    in_field,
)
from gateway.core.principal import Principal
from gateway.core.reply import Fields
from gateway.core.scanner import decoded, opener
from gateway.core.upstream import Answer, Request, Upstream
from gateway.core.vouching import bearer_fields
from gateway.dialects.jsonrpc.asking import NoAnswer, read

_CLIENT: Final = {"name": "labgate", "version": "1"}
_META: Final = json.dumps({VERSION_KEY: MODERN, CLIENT_KEY: _CLIENT, CAPABILITIES_KEY: {}}).encode()
_KNOWN: Final = frozenset((*LEGACY, "2025-03-26", "2024-11-05"))
"""Legacy revisions that a server may answer in: what is asked of it is alike in all of them."""
_FIELDS: Final[Fields] = (
    (b"Content-Type", b"application/json"),
    (b"Accept", b"application/json, text/event-stream"),
    (b"Accept-Encoding", b"identity"),
    (b"User-Agent", b"labgate"),
)
_MOST_SESSION: Final = 1024
_ids = count(1)


class Link(Struct, frozen=True):
    """How a server is spoken to: its path, the revision, its session where it has given one, and what it is called."""

    path: str
    version: str
    session: bytes = b""
    name: str = ""
    release: str = ""

    @property
    def modern(self) -> bool:
        """Whether every request says everything about itself."""
        return self.version == MODERN


class Line(Struct, frozen=True):
    """By what, and for how long, something is asked. `deadline` is on the monotonic clock, in seconds."""

    upstream: Upstream
    deadline: float
    most: int
    bearer: str | None = None
    principal: Principal | None = None


async def asked(
    line: Line, link: Link, method: str, params: bytes, *, repeatable: bool = True, more: Fields = ()
) -> tuple[Answered | NoAnswer, Answer]:
    """What the server answers to one request; `params` are the members of an object, without its braces.

    Raises UpstreamUnreachable, DeadlineExceeded, TooLarge, UpstreamBroken.
    """
    token = b"%d" % next(_ids)
    fields = (*_FIELDS, *bearer_fields(line.bearer), *more)
    if link.modern:
        params += b'%b"_meta":%b' % (b"," if params else b"", _META)
        fields += ((b"MCP-Protocol-Version", MODERN.encode()), (b"Mcp-Method", method.encode()))
    elif method != "initialize":
        fields += _session_fields(link)
    body = envelope.request(method, b"{%b}" % params, token)
    answer = await _exchange(line, link.path, fields, body, repeatable=repeatable)
    return _read(answer, token), answer


async def _exchange(line: Line, path: str, fields: Fields, body: bytes, *, repeatable: bool) -> Answer:
    return await line.upstream.exchange(
        Request(
            "POST",
            path,
            fields,
            body,
            deadline=line.deadline,
            max_reply=line.most,
            repeatable=repeatable,
            principal=line.principal,
        )
    )


def _session_fields(link: Link) -> Fields:
    fields: Fields = ((b"MCP-Protocol-Version", link.version.encode()),)
    return (*fields, (b"Mcp-Session-Id", link.session)) if link.session else fields


def name_field(method: str, name: str) -> Fields:
    """The field that repeats whom a modern request is for."""
    return ((b"Mcp-Name", in_field(name).encode("ascii")),) if method in MIRRORED else ()


def _read(answer: Answer, token: bytes) -> Answered | NoAnswer:
    """The answer, as JSON or as an event of a stream; what else a stream holds is for clients that offered something."""
    if not _field(answer, b"content-type").lower().startswith(b"text/event-stream"):
        return read(answer, token)
    for data in events(answer.body):
        found = read(replace(answer, body=data), token)
        if isinstance(found, Answered) and found.id is not None:
            return found
    return NoAnswer(answer.status, "an event stream without the answer")


def events(body: bytes) -> Iterator[bytes]:
    """The data of each event of a stream that has ended (the HTML standard, server-sent events, parsing)."""
    data: list[bytes] = []
    for line in body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        if not line:
            if data:
                yield b"\n".join(data)
            data = []
        elif line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif line == b"data":
            data.append(b"")


def _field(answer: Answer, name: bytes) -> bytes:
    return next((value for field, value in answer.fields if field.lower() == name), b"")


async def met(line: Line, path: str, service: str) -> Link:
    """The link to the server at this path: in the modern revision, or else in a legacy one that it knows.

    Raises UpstreamBroken where it speaks no such protocol, and what `asked` does.
    """
    found, _ = await asked(line, Link(path, MODERN), "server/discover", b"")
    said = _object(found.result) if isinstance(found, Answered) and found.result is not None else {}
    versions = said.get("supportedVersions")
    if isinstance(versions, list) and MODERN in versions:
        meta = said.get("_meta")
        info = meta.get("io.modelcontextprotocol/serverInfo") if isinstance(meta, dict) else None
        return _named(Link(path, MODERN), info or said.get("serverInfo"))
    return await _initialized(line, path, service)


async def _initialized(line: Line, path: str, service: str) -> Link:
    offer = {"protocolVersion": LEGACY[0], "capabilities": {}, "clientInfo": _CLIENT}
    found, answer = await asked(line, Link(path, LEGACY[0]), "initialize", json.dumps(offer).encode()[1:-1])
    if isinstance(found, NoAnswer):
        raise found.fault(service, safe=True)
    said = _object(found.result) if found.result is not None else {}
    version = said.get("protocolVersion")
    if version not in _KNOWN:
        raise UpstreamBroken(
            f"The service {service!r} does not speak the Model Context Protocol in a revision that the gate knows "
            f"({MODERN}, {', '.join(LEGACY)})."
        )
    session = _field(answer, b"mcp-session-id")
    link = Link(path, version, session if len(session) <= _MOST_SESSION else b"")
    note = envelope.request("notifications/initialized", None, None)
    fields = (*_FIELDS, *bearer_fields(line.bearer), *_session_fields(link))
    await _exchange(line, path, fields, note, repeatable=True)
    return _named(link, said.get("serverInfo"))


def _named(link: Link, info: object) -> Link:
    about = info if isinstance(info, dict) else {}
    name, release = about.get("title") or about.get("name"), about.get("version")
    return replace(
        link,
        name=name if isinstance(name, str) else "",
        release=release if isinstance(release, str) else "",
    )


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def object_in(raw: bytes | None) -> dict[str, Any]:
    """The object that a result is; empty for anything else."""
    return {} if raw is None else _object(raw)


def in_header(raw: bytes) -> str | None:
    """A value as a field `Mcp-Param-…` says it; None for what is not said there (2026-07-28, value encoding)."""
    if opener(raw) == b'"':
        return in_field(decoded(raw))
    return None if raw == b"null" or raw[:1] in b"[{" else raw.decode("ascii", "replace")
