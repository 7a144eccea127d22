"""What does an agent read of the gate's sources? What one is, with the part that tells most of it; or the part that it asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from gateway.core.faults import Fault, InvalidParams, UpstreamBroken
from gateway.core.intake import firewall
from gateway.core.intake.refusals import Refusal
from gateway.core.mcp import source_about
from gateway.core.mcp.exposure import Exposure
from gateway.core.mcp.python_lines import intake_line, sdk_line
from gateway.core.mcp.source_resources import SourceAsked, address, given, reader_for
from gateway.core.source_ids import Opened
from gateway.core.sources import Reader, Source
from gateway.doors.asked import Asked
from gateway.doors.mcp_calls import Carrier
from gateway.doors.mcp_results import MOST, Told, contents_of, told_of_part
from gateway.doors.source_reading import Reading

_UPSTREAMS: Final = 500
"""From this status on it is the service that gave nothing that could be read."""


class Absent(LookupError):  # noqa: N818 - names the situation
    """There is no such source for this caller."""


def kind_of(refusal: Refusal) -> type[Fault]:
    """Which fault a refusal is: the service gave nothing that could be read, or the agent asked for what there is not."""
    return UpstreamBroken if refusal.status >= _UPSTREAMS else InvalidParams


class SourceShelf(Struct, frozen=True):
    """The gate's sources, and where its own catalog of them is mounted."""

    sources: Sequence[Source] = ()
    mount: str = ""


class _Found(Struct, frozen=True):
    """A source as it was opened for a request, and by which calls it is read."""

    reading: Reading
    reader: Reader
    opened: Opened
    told: dict[str, Any]
    pairs: Sequence[tuple[str, str]]

    def at(self, part: Sequence[int | str] | None = None) -> str:
        """The address of the source, or of a part, with the same parameters."""
        return address(self.opened.source.name, part, self.pairs)


class SourceReader:
    """Reads sources by calls of their methods, each as if the agent had made it."""

    def __init__(
        self,
        shelf: SourceShelf,
        exposure: Exposure,
        most: int,
        carrier: Carrier,
        origin: Callable[[Asked], str],
    ) -> None:
        """`most` is how many bytes of a result an agent is told, `origin` how a caller reaches the gate."""
        self._sources = {source.name: source for source in shelf.sources}
        self._mount = shelf.mount.rstrip("/")
        self._exposure = exposure
        self._most = most
        self._carrier = carrier
        self._origin = origin

    async def read(self, asks: SourceAsked, asked: Asked) -> list[dict[str, str]]:
        """The contents. Raises Absent, Refusal and faults."""
        relay = self._carrier.relay
        source = self._sources.get(asks.name)
        access = relay.policies.access(asked.principal)
        if source is None or reader_for(source, relay.catalog, access, self._exposure) is None:
            raise Absent(asks.name)
        reading = Reading(
            relay, self._carrier.observer, asked, self._carrier.monotonic, refused=self._carrier.refused
        )
        try:
            reader = reading.reader(source)
            chosen = firewall.checked(source.entry(), given(source, asks.pairs))
            layout, told = await reading.layout(source, reader, chosen)
            found = _Found(reading, reader, Opened(source, chosen, layout), told, asks.pairs)
            if asks.part is None:
                return await self._whole(found, asked)
            return await self._part(found, asks.part, asked)
        finally:
            if reading.worst is not None:
                asked.replied(reading.worst)

    async def _whole(self, found: _Found, asked: Asked) -> list[dict[str, str]]:
        """What the source is, and the part that tells most of it."""
        layout = found.opened.layout
        part = source_about.telling_part(layout)
        shown = found.at(part if layout.parts > 1 else None)
        said = source_about.about(found.opened, found.told)
        contents: list[dict[str, str]] = []
        room = self._most
        try:
            told = await self._told(found, part, room // 2)
        except (Refusal, Fault) as problem:
            # What the source is was found out, and is worth more than nothing.
            said["problem"] = f"{shown} could not be read: {problem}"
        else:
            if layout.parts > 1:
                said["shown"] = shown
            said["note"] = source_about.note(layout, told.size, self._most)
            contents = contents_of(shown, told)
            room -= len(told.text.encode())
        said["read"] = self._ways(found, part, asked)
        about = source_about.written(said, room)
        return [{"uri": found.at(), "mimeType": "application/json", "text": about}, *contents]

    async def _part(self, found: _Found, part: Sequence[int], asked: Asked) -> list[dict[str, str]]:
        at = found.opened.indices(part[0] if len(part) == 1 else list(part))
        told = await self._told(found, at, self._most)
        contents = contents_of(found.at(part), told)
        if told.size:
            ways = self._ways(found, at, asked)
            lines = [f"This is not all: the partition has {told.size} bytes."]
            lines += [f"{way}: {line}" for way, line in ways.items()]
            contents.append({"uri": found.at(part), "mimeType": "text/plain", "text": "\n".join(lines)})
        return contents

    async def _told(self, found: _Found, at: list[int], most: int) -> Told:
        """What is told of a part. Raises Refusal and faults."""
        size = source_about.size_of(found.opened.layout, at)
        if size is not None and size > MOST:
            return Told(f"This partition has {size} bytes, too many to be looked at here.", size=size)
        if found.reader.container == "dataframe":
            return await told_of_part(await found.reading.table(found.opened, found.reader, at), most)
        return await told_of_part(await found.reading.array(found.opened, found.reader, at), most)

    def _ways(self, found: _Found, at: Sequence[int], asked: Asked) -> dict[str, str]:
        """Where parts are read, how Intake reads all of it, and by which call the SDK had the same of the method."""
        opened, origin = found.opened, self._origin(asked)
        source, layout = opened.source, opened.layout
        ways: dict[str, str | None] = {}
        if layout.parts > 1:
            ways["partition"] = found.at([f"{{i{axis}}}" for axis in range(len(at))])
        chosen = {name: opened.chosen[name] for name, _ in found.pairs}
        ending = "to_dask()" if layout.parts > 1 else "read()"
        ways["intake"] = intake_line(origin, self._mount, source.name, chosen, ending)
        if found.reading.calls and not source.params:  # which are the operator's matter
            # Of a volume the SDK has a handle, which reads any box.
            call = found.reading.calls[0 if found.reader.describes is not None else -1]
            ways["labgate"] = sdk_line(origin, source.datastack, call.method.name, call.ask.raw)
        return {way: line for way, line in ways.items() if line is not None}
