"""How are servers of the Model Context Protocol understood, and spoken to?"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from gateway.core import arrays, faults
from gateway.core.call import Call
from gateway.core.envelope_answers import Answered
from gateway.core.faults import DeadlineExceeded, UpstreamBroken
from gateway.core.mcp.words import HEADER_MISMATCH, UNSUPPORTED_VERSION
from gateway.core.method import Method
from gateway.core.ports import Messenger
from gateway.core.reply import Fields, Reply, Whole, error_code
from gateway.core.scanner import items, member, opener
from gateway.core.service import Described, Description, Service
from gateway.core.upstream import Answer, Upstream
from gateway.core.verdict import Pass
from gateway.dialects.jsonrpc.asking import NoAnswer
from gateway.dialects.mcp.results import value_of
from gateway.dialects.mcp.talking import Line, Link, asked, in_header, met, name_field, object_in
from gateway.dialects.mcp.tools import method_of, mirrors
from gateway.dialects.notices import notices
from gateway.dialects.texts import text

_TRIP = Pass("trip")  # The relay knows the verdict, and puts it here.
_MOST_LINKS: Final = 1000
_MOST_PAGES: Final = 1000
_OFF_THE_LOOP: Final = 256 * 1024
_LOST: Final = 404
"""A session that is over is answered so, before anything is carried out (2025-06-18, transports, session management)."""


class McpDialect:
    """The dialect `mcp`: a `Dialect` for servers of the Model Context Protocol over Streamable HTTP; their tools are methods.

    How each server is spoken to, and its session where it insists on one, is remembered by the credential that it is shown: a
    session belongs to whoever began it.
    """

    kind = "mcp"

    def __init__(self) -> None:
        self._links: OrderedDict[bytes, Link] = OrderedDict()
        self._meeting: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def describe(self, service: Service, upstream: Upstream, deadline: float) -> Description:
        """The server's tools. Where no `rpc_path` is set, the address itself and `/mcp` below it are tried.

        Raises UpstreamUnreachable, DeadlineExceeded, TooLarge, and UpstreamBroken where nothing speaks the protocol.
        """
        line = Line(upstream, deadline, service.max_describe, service.token)
        key = _key(service, service.token)
        link = self._links.get(key)
        if link is not None:
            try:
                return await self._described(service, line, link)
            except UpstreamBroken:
                self._links.pop(key, None)  # its session is over, or it speaks another revision now
        link = await self._found(service, line)
        self._keep(key, link)
        return await self._described(service, line, link)

    async def _found(self, service: Service, line: Line) -> Link:
        problem: faults.Fault | None = None
        loop = asyncio.get_running_loop()
        for path in _paths(service):
            # One that hangs leaves time for the others.
            now = loop.time()
            half = Line(line.upstream, now + (line.deadline - now) / 2, line.most, line.bearer)
            try:
                return await met(half, path, service.qualified)
            except (UpstreamBroken, DeadlineExceeded, faults.Unavailable) as fault:
                problem = problem or fault
        raise problem or UpstreamBroken(f"The service {service.qualified!r} has no path to be asked at.")

    async def _described(self, service: Service, line: Line, link: Link) -> Description:
        methods: list[Described] = []
        schemas: dict[str, Any] = {}
        left_out = 0
        async for tools in _pages(service, line, link):
            for tool in tools:
                found = method_of(tool, trusted=service.trusts_hints)
                if found is None or len(methods) >= service.max_methods:
                    left_out += 1
                    continue
                methods.append(found[0])
                schemas |= found[1]
        return Description(
            methods=tuple(methods),
            convention=f"mcp {link.version}",
            address=link.path,
            version=text(link.release, 100),
            summary=text(link.name, 200),
            schemas=schemas,
            left_out=left_out,
        )

    async def perform(self, call: Call, service: Service, address: str, upstream: Upstream) -> Reply:
        """Carry one call out, as a call of the tool at the path `address`.

        A session that is over is begun anew, and the call sent once more: it was refused and not carried out.
        """
        left = call.deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise DeadlineExceeded(
                f"The call's time was over before the service {service.qualified!r} was asked."
            )
        line = Line(upstream, call.deadline, service.max_reply, call.bearer, call.principal)
        key = _key(service, call.bearer)
        link = await self._link(key, line, service, address)
        params, given = _arguments(call, service)
        found, answer = await self._sent(call, line, link, params, given)
        if link.session and answer.status == _LOST:
            self._forget(key, link)
            link = await self._link(key, line, service, address)
            found, answer = await self._sent(call, line, link, params, given)
        if isinstance(found, NoAnswer):
            self._forget(key, link)
            raise found.fault(service.qualified, safe=call.method.safe)
        if found.error is not None:
            if error_code(found.error) in (UNSUPPORTED_VERSION, HEADER_MISMATCH):
                self._forget(key, link)
            return Reply("error", Whole(found.error), _TRIP, notices=notices(answer))
        raw = found.result or b"null"
        if len(raw) > _OFF_THE_LOOP:
            value, failed = await asyncio.to_thread(value_of, raw, service.qualified)
        else:
            value, failed = value_of(raw, service.qualified)
        return Reply("error" if failed else "result", Whole(value), _TRIP, notices=notices(answer))

    async def _sent(
        self, call: Call, line: Line, link: Link, params: bytes, given: bytes
    ) -> tuple[Answered | NoAnswer, Answer]:
        left = call.deadline - asyncio.get_running_loop().time()
        fields: Fields = (
            (b"Labgate-Timeout", b"%.3f" % max(0.001, left)),
            (b"X-Request-Id", call.id.encode("ascii", "replace")),
        )
        if link.modern:
            fields += name_field("tools/call", call.method.binding.target)
            fields += _mirrored(call.method, given)
        return await asked(line, link, "tools/call", params, repeatable=call.method.safe, more=fields)

    def messenger(self, method: Method, service: Service, address: str) -> tuple[Messenger, str] | None:  # noqa: ARG002 - a port
        """None: a session may have to be begun before."""
        return None

    # links

    async def _link(self, key: bytes, line: Line, service: Service, address: str) -> Link:
        """How the server is spoken to; found out now where nobody has yet, as in a worker that did not describe it."""
        link = self._links.get(key)
        if link is not None and link.path == address:
            self._links.move_to_end(key)
            return link
        meeting = self._meeting.setdefault(key, asyncio.Lock())
        async with meeting:
            link = self._links.get(key)
            if link is None or link.path != address:
                link = await met(line, address, service.qualified)
                self._keep(key, link)
            return link

    def _keep(self, key: bytes, link: Link) -> None:
        self._links[key] = link
        self._links.move_to_end(key)
        while len(self._links) > _MOST_LINKS:
            self._links.popitem(last=False)

    def _forget(self, key: bytes, link: Link) -> None:
        if self._links.get(key) is link:
            del self._links[key]


def _key(service: Service, bearer: str | None) -> bytes:
    """Whose link it is; credentials do not stay here."""
    parts = (service.qualified, *service.urls, "" if bearer is None else f"Bearer {bearer}")
    return blake2b(json.dumps(parts).encode(), digest_size=16).digest()


def _paths(service: Service) -> Sequence[str]:
    if service.rpc_path is not None:
        return (service.rpc_path,)
    own = any(urlsplit(url).path.strip("/") for url in service.urls)
    if service.dialect == "auto":
        return ("", "/mcp") if own else ("/mcp",)
    return ("", "/mcp") if own else ("/mcp", "/")


async def _pages(service: Service, line: Line, link: Link) -> AsyncIterator[list[Any]]:
    """The tools, page by page. Raises UpstreamBroken."""
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(_MOST_PAGES):
        params = b"" if cursor is None else b'"cursor":' + json.dumps(cursor).encode()
        found, _answer = await asked(line, link, "tools/list", params)
        if isinstance(found, NoAnswer):
            raise found.fault(service.qualified, safe=True)
        said = object_in(found.result)
        tools = said.get("tools")
        if not isinstance(tools, list):
            raise UpstreamBroken(f"The service {service.qualified!r} does not list its tools.")
        yield tools
        following = said.get("nextCursor")
        if not isinstance(following, str) or following in seen:
            return
        seen.add(following)
        cursor = following


def _arguments(call: Call, service: Service) -> tuple[bytes, bytes]:
    """The params of a tool's call, without their braces, and the object of its arguments. Raises faults."""
    raw = call.ask.raw or b"{}"
    if opener(raw) == b"[":
        raw = _named(raw, call.method)
    try:
        raw = arrays.to_upstream(raw, service.arrays)
    except arrays.NotSayable as problem:
        raise faults.Unrepresentable(f"The params cannot be sent: {problem}.") from problem
    name = json.dumps(call.method.binding.target).encode()
    return b'"name":%b,"arguments":%b' % (name, raw), raw


def _named(raw: bytes, method: Method) -> bytes:
    """Arguments by position as tools take them, by name."""
    values = [raw[start:end] for start, end in items(raw)]
    names = [param.name for param in method.params or ()]
    if len(values) > len(names):
        raise faults.InvalidParams(
            f"{method.name} takes its arguments by name: {', '.join(names) or 'none'}."
        )
    pairs = zip(names, values, strict=False)
    return b"{" + b",".join(json.dumps(name).encode() + b":" + value for name, value in pairs) + b"}"


def _mirrored(method: Method, given: bytes) -> Fields:
    """The fields that repeat arguments, where the server has marked any."""
    marked = [
        (field, (param.name, *at)) for param in method.params or () for field, at in mirrors(param.schema)
    ]
    if not marked:
        return ()
    found: list[tuple[bytes, bytes]] = []
    for field, steps in marked:
        value: bytes | None = given
        for step in steps:
            value = member(value, step) if value is not None and opener(value) == b"{" else None
        said = None if value is None else in_header(value.strip())
        if said is not None:
            found.append((b"Mcp-Param-" + field.encode("ascii"), said.encode("ascii")))
    return tuple(found)
