"""How are the gate's sources read by any client of Intake 0.7? The gate is a catalog server of them itself, at a mount of its own.

Nothing is kept between two requests: an id says which source it is of, with which parameters, and what it was found to be.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from typing import Any, Final

from gateway.core.assembling import Ready
from gateway.core.faults import Fault
from gateway.core.intake import encodings, firewall, searching
from gateway.core.intake.refusals import Refusal, refused, refused_for
from gateway.core.intake.wire import MOST_BODY, UnreadableError, pack, request_of
from gateway.core.naming import shown
from gateway.core.ports import Observer
from gateway.core.reply import Fields
from gateway.core.source_ids import Opened, OpenedIds, changed
from gateway.core.sources import Source
from gateway.doors.asked import Asked
from gateway.doors.fields import has, of_reply
from gateway.doors.source_answers import KIND, NOT_STORED, array_answer, table_answer
from gateway.doors.source_reading import Reading
from gateway.relay import Relay
from gateway.wire.answer import Answer, StreamAnswer
from gateway.wire.body import read_body

INFO: Final = "/v1/info"
SOURCE: Final = "/v1/source"
_PROTOCOL: Final = "0.7.0"


class SourcesDoor:
    """Speaks Intake's protocol, as a server of the sources that each caller may read."""

    def __init__(
        self,
        sources: tuple[Source, ...],
        secret: bytes,
        relay: Relay,
        observer: Observer,
        *,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """`secret` signs ids; replicas have the same. `wall` tells seconds since 1970, `monotonic` those of the event loop."""
        self._sources = {source.name: source for source in sources}
        self._ids = OpenedIds(self._sources, secret)
        self._relay = relay
        self._observer = observer
        self._wall = wall
        self._monotonic = monotonic

    async def answer(self, asked: Asked) -> Answer | StreamAnswer:
        """What an Intake server answers. Raises faults, but none for what the caller does wrong."""
        reading = Reading(self._relay, self._observer, asked, self._monotonic)
        try:
            if asked.request.method == "POST":
                return await self._act(asked, reading)
            if asked.request.rel_url.raw_path.endswith(INFO):
                return self._info(asked, reading)
            return self._source(asked, reading)
        except Refusal as refusal:
            return _written(refused(refusal))

    # --- GET

    def _info(self, asked: Asked, reading: Reading) -> Answer:
        query = asked.request.rel_url.query
        size, offset = _natural(query, "page_size"), _natural(query, "page_offset") or 0
        entries = list(self._catalog(asked, reading).values())
        page = entries if size is None else entries[offset : offset + size]
        said = {"version": _PROTOCOL, "sources": page, "length": len(entries), "metadata": {}}
        return self._tagged(asked, said)

    def _source(self, asked: Asked, reading: Reading) -> Answer:
        name = asked.request.rel_url.query.get("name")
        if not name:
            raise Refusal(400, "name is missing")
        source = self._named(name)
        reader = reading.reader(source)
        self._check_found(asked, reading, name)
        return self._tagged(asked, {"source": source.told(reader.container)})

    def _tagged(self, asked: Asked, said: dict[str, Any]) -> Answer:
        body = pack(said)
        tag = f'"{blake2b(body, digest_size=16).hexdigest()}"'
        fields = (*KIND, (b"Etag", tag.encode()), (b"Cache-Control", b"private, no-cache"))
        if has(asked.request, tag):
            return Answer(304, None, fields, b"")
        return Answer(200, None, fields, body)

    def _named(self, name: object) -> Source:
        source = self._sources.get(name) if isinstance(name, str) else None
        if source is None:
            raise Refusal(404, "No such entry")
        return source

    def _catalog(self, asked: Asked, reading: Reading) -> dict[str, dict[str, Any]]:
        """The entries that the caller may read, as they are told; of a search, those that it finds."""
        readers = ((one, reading.readable(one)) for one in self._sources.values())
        entries = {one.name: one.told(reader.container) for one, reader in readers if reader is not None}
        for step in self._ids.searches(asked.request.headers.get("source-id")):
            words = searching.words_of(step)
            entries = {name: one for name, one in entries.items() if searching.finds(words, one)}
        return entries

    def _check_found(self, asked: Asked, reading: Reading, name: str) -> None:
        """Raises Refusal for an entry that the search does not find to which a request goes."""
        if "source-id" in asked.request.headers and name not in self._catalog(asked, reading):
            raise Refusal(404, "No such entry")

    # --- POST

    async def _act(self, asked: Asked, reading: Reading) -> Answer | StreamAnswer:
        try:
            said = request_of(await read_body(asked.request, MOST_BODY))
        except UnreadableError as problem:
            raise Refusal(400, str(problem)) from problem
        actions: Mapping[
            str, Callable[[dict[str, Any], Asked, Reading], Awaitable[Answer | StreamAnswer]]
        ] = {
            "search": self._search,
            "open": self._open,
            "read": self._read,
        }
        action = said.get("action")
        if action is None:
            raise Refusal(400, "action is missing")
        if not isinstance(action, str) or action not in actions:
            raise Refusal(400, f'"{shown(str(action))}" not a valid source action')
        return await actions[action](said, asked, reading)

    async def _search(self, said: dict[str, Any], asked: Asked, reading: Reading) -> Answer:
        match said.get("query"):
            case [list() as words, dict() as named]:
                within = asked.request.headers.get("source-id", said.get("source_id"))
                found = {"source_id": self._ids.of_search(within, words, named)}
                return Answer(200, None, NOT_STORED, pack(found))
        raise Refusal(400, "query is no list of words and a map of named ones")

    async def _open(self, said: dict[str, Any], asked: Asked, reading: Reading) -> Answer:
        source = self._named(said.get("name"))
        reader = reading.reader(source)
        self._check_found(asked, reading, source.name)
        chosen = firewall.checked(source.entry(), said.get("parameters"))
        layout, told = await reading.layout(source, reader, chosen)
        metadata = {**told.pop("metadata", {}), **source.metadata}
        number = self._ids.of(Opened(source, chosen, layout))
        body = pack({**told, "metadata": metadata, "extra_metadata": metadata, "source_id": number})
        return Answer(200, None, (*NOT_STORED, *self._status(asked, reading)), body)

    async def _read(self, said: dict[str, Any], asked: Asked, reading: Reading) -> Answer | StreamAnswer:
        if "source_id" not in said:
            raise Refusal(400, "source_id is missing")
        opened = self._ids.opened(said["source_id"])
        reader = reading.reader(opened.source)
        encodings.chosen_format(said.get("accepted_formats"), pickle=False)
        compression = encodings.chosen_compression(said.get("accepted_compression"))
        at = opened.indices(said.get("partition"))
        if reader.container != opened.layout.container:
            raise changed(opened.source)
        if reader.container == "dataframe":
            stream = await reading.table(opened, reader, at)
            return await table_answer(stream, compression, self._status(asked, reading))
        found = await reading.array(opened, reader, at)
        return await array_answer(found, compression, self._status(asked, reading))

    def _status(self, asked: Asked, reading: Reading) -> Fields:
        """What the cache did for the calls that were made."""
        reply = reading.worst
        if reply is None:
            return ()
        asked.replied(reply)
        return of_reply(reply, self._wall())


def refused_as_intake(fault: Fault) -> Answer:
    """The answer that says a fault as Intake's client can show it."""
    return _written(refused_for(fault))


def _written(ready: Ready) -> Answer:
    body = ready.body if isinstance(ready.body, bytes) else b""
    return Answer(ready.status, ready.reason, ready.fields, body)


def _natural(query: Mapping[str, str], name: str) -> int | None:
    written = query.get(name)
    if written is None:
        return None
    written = written.strip()
    if not written.isdecimal() or not written.isascii() or len(written) > 9:
        raise Refusal(400, f"{name}={shown(written)} is no number of entries")
    return int(written)
