"""What is answered to Intake's client? What its own server would answer, but for what should not be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import parse_qsl

from gateway.core.assembling import MountAsk, Parts, Ready
from gateway.core.intake import encodings, firewall
from gateway.core.intake.chains import ROOT, Chain
from gateway.core.intake.ids import SourceIds
from gateway.core.intake.refusals import Refusal, refused
from gateway.core.intake.wire import UnreadableError, pack, request_of
from gateway.core.naming import shown
from gateway.core.paths import Steps
from gateway.core.reply import Fields
from gateway.core.service import Service
from gateway.core.verdict import Pass, Verdict
from gateway.dialects.intake.again import Again
from gateway.dialects.intake.asking import Asking
from gateway.dialects.intake.hidden import Asker

INFO: Final = (b"v1", b"info")
SOURCE: Final = (b"v1", b"source")
_VERBS: Final[Mapping[Steps, tuple[str, ...]]] = {INFO: ("GET",), SOURCE: ("GET", "POST")}
_KIND: Final[Fields] = (
    (b"Content-Type", b"application/msgpack"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Vary", b"Authorization, Labgate-Token, source-id"),
)
_MADE: Final = Pass("made by the gate")
_OFF_THE_LOOP: Final = 1 << 18


class Mounted:
    """One request of Intake's protocol below a mount."""

    def __init__(self, ask: MountAsk, service: Service, parts: Parts, ids: SourceIds, again: Again) -> None:
        self._ask = ask
        self._service = service
        self._parts = parts
        self._ids = ids
        self._again = again
        self._asking = Asking(Asker(ask.id, ask.principal, ask.deadline, ask.demand), service, parts)
        self._first = {name.lower(): value for name, value in reversed(ask.fields)}

    async def answer(self) -> Ready:
        """The answer. Raises faults, but none for what the caller does wrong."""
        verbs = _VERBS[self._ask.inner]
        if self._ask.verb not in verbs:
            allowed = (b"Allow", ", ".join(verbs).encode())
            return refused(Refusal(405, "Method Not Allowed"), fields=(allowed,))
        try:
            if self._ask.verb == "POST":
                return await self._act()
            return await (self._info() if self._ask.inner == INFO else self._source())
        except Refusal as refusal:
            return refused(refusal)

    # --- GET

    async def _info(self) -> Ready:
        query = self._query()
        size, offset = _natural(query, "page_size"), _natural(query, "page_offset") or 0
        listing, verdict = await self._asking.listing(self._catalog())
        return self._tagged(listing.page(size, offset), verdict)

    async def _source(self) -> Ready:
        name = self._query().get("name")
        if not name:
            raise Refusal(400, "name is missing")
        try:
            entry, verdict = await self._asking.entry(self._catalog(), name)
        except Refusal as refusal:
            raise (Refusal(404, "No such entry") if refusal.status == 404 else refusal) from None
        return self._tagged(pack({"source": entry.said}), verdict)

    def _tagged(self, body: bytes, verdict: Verdict) -> Ready:
        tag = b'"%b"' % blake2b(body, digest_size=16).hexdigest().encode()
        fields = (*_KIND, (b"Etag", tag), (b"Cache-Control", b"private, no-cache"))
        asked = self._first.get(b"if-none-match", b"")
        held = {one.strip().removeprefix(b"W/") for one in asked.split(b",")}
        if tag in held or b"*" in held:
            return Ready(304, fields, b"", verdict)
        return Ready(200, fields, body, verdict)

    def _query(self) -> dict[str, str]:
        try:
            return dict(
                parse_qsl(self._ask.query[1:].decode("ascii"), keep_blank_values=True, errors="strict")
            )
        except ValueError:
            raise Refusal(400, "the query cannot be read") from None

    def _catalog(self, said: object = None) -> Chain:
        """The catalog that a request is about: that of the field, else of `said`, else the outermost."""
        field = self._first.get(b"source-id")
        written = field.decode("latin-1") if field is not None else said
        return ROOT if written is None else self._ids.read(self._service.qualified, written)

    # --- POST

    async def _act(self) -> Ready:
        principal, service, body = self._ask.principal, self._service, self._ask.body or b""
        key = (service.qualified, principal.issuer, principal.subject, self._first.get(b"source-id"), body)
        made = self._again.find(key, service)
        if made is not None:
            self._parts.permit(principal, service, made.method)
            found = self._asking.still(made)
            if found is not None:
                return Ready(200, _KIND, found.body, found.verdict)
        method, answer = await self._acted(body)
        if self._asking.grounds and answer.status == 200 and isinstance(answer.body, bytes):
            self._again.note(key, service, method, self._asking.grounds, answer.body)
        return answer

    async def _acted(self, body: bytes) -> tuple[str, Ready]:
        """The method that a request is a call of, and its answer."""
        try:
            said = request_of(body)
        except UnreadableError as problem:
            raise Refusal(400, str(problem)) from problem
        actions: Mapping[str, tuple[str, Callable[[dict[str, Any]], Awaitable[Ready]]]] = {
            "search": ("search", self._search),
            "open": ("source", self._open),
            "read": ("read", self._read),
        }
        action = said.get("action")
        if action is None:
            raise Refusal(400, "action is missing")
        if not isinstance(action, str) or action not in actions:
            raise Refusal(400, f'"{shown(str(action))}" not a valid source action')
        method, act = actions[action]
        self._parts.permit(self._ask.principal, self._service, method)
        return method, await act(said)

    async def _search(self, said: dict[str, Any]) -> Ready:
        query = said.get("query")
        if not (
            isinstance(query, list)
            and len(query) == 2
            and isinstance(query[0], list)
            and isinstance(query[1], dict)
        ):
            raise Refusal(400, "query is no list of words and a map of named ones")
        chain = self._catalog(said.get("source_id")).searched(*query)
        _, verdict = await self._asking.listing(chain)  # what cannot be searched for is refused here
        return _made({"source_id": self._ids.made(self._service.qualified, chain)}, verdict)

    async def _open(self, said: dict[str, Any]) -> Ready:
        name, plugins = said.get("name"), said.get("available_plugins") or []
        if not isinstance(name, str) or not name:
            raise Refusal(400, "name is missing")
        if not isinstance(plugins, list):
            raise Refusal(400, "available_plugins is no list")
        catalog = self._catalog()
        entry, _ = await self._asking.entry(catalog, name)
        chain = catalog.opened(name, firewall.checked(entry, said.get("parameters")))
        driver = next((one for one in entry.drivers if one in plugins), None)
        if entry.direct == "force" and driver is None:
            raise Refusal(400, f'client must have plugin "{list(entry.drivers)}" to access source "{name}"')
        if entry.direct != "forbid" and driver is not None:
            return await self._sent_there(chain, driver)
        found, verdict = await self._asking.opened(chain)
        number = self._ids.made(self._service.qualified, chain)
        return _made({**found, "source_id": number}, verdict)

    async def _sent_there(self, chain: Chain, driver: str) -> Ready:
        """The caller goes to the data by itself."""
        found = await self._asking.direct(chain, driver)
        return Ready(200, _KIND, found.body, found.verdict)

    async def _read(self, said: dict[str, Any]) -> Ready:
        if "source_id" not in said:
            raise Refusal(400, "source_id is missing")
        chain = self._ids.read(self._service.qualified, said["source_id"])
        if not chain.steps or chain.is_search:
            raise Refusal(400, "a catalog cannot be read: open one of its entries")
        form = encodings.chosen_format(said.get("accepted_formats"), pickle=self._service.pickle)
        compression = encodings.chosen_compression(said.get("accepted_compression"))
        found = await self._asking.read(chain, said.get("partition"), form)
        if compression == encodings.PLAIN:
            return Ready(200, _KIND, found.body, found.verdict)
        if len(found.body) > _OFF_THE_LOOP:
            body = await asyncio.to_thread(encodings.compressed, found.body, compression)
        else:
            body = encodings.compressed(found.body, compression)
        return Ready(200, _KIND, body, found.verdict)


def _made(said: dict[str, Any], verdict: Verdict = _MADE) -> Ready:
    return Ready(200, _KIND, pack(said), verdict)


def _natural(query: Mapping[str, str], name: str) -> int | None:
    written = query.get(name)
    if written is None:
        return None
    written = written.strip()
    if not written.isdecimal() or not written.isascii() or len(written) > 9:
        raise Refusal(400, f"{name}={shown(written)} is no number of entries")
    return int(written)
