"""What is asked of a source that is open, and what does that bring? The same for those who wait and those who await."""

from __future__ import annotations

from labgate._at_once import settled
from labgate._method import Method
from labgate._origins import traced_part
from labgate._source_about import ARRAY, partition_of
from labgate._source_found import name_of
from labgate._source_known import Known
from labgate._source_place import takes_catalogs
from labgate._volume_found import wire_of
from labgate.errors import PageChanged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._progress import Shown
    from labgate._source_about import About


class Opened(Known):
    """What all handles of sources have in common."""

    __slots__ = ("_method", "_session")

    def __init__(self, session: Any, method: Method, about: About) -> None:
        super().__init__(about)
        self._session = session
        self._method = method

    def describe(self) -> dict[str, Any]:
        """All that the gate said of it when it was opened."""
        return self.about

    def __bool__(self) -> bool:
        return True

    async def _refresh(self) -> None:
        session = self._session.derive({"fresh": True})
        answer = await settled(session.call(self._method, self._place().entry()))
        self._about = answer._about  # noqa: SLF001 - it is a source, too
        self._names = None

    async def _read(self, partition: Any, workers: int, *, progress: Shown) -> Any:
        found = await self._fetched(partition, workers, progress=progress)
        asked = self._session.encode_json(self._place().entry())
        part = {} if partition is None else {"partition": partition_of(partition)}
        traced_part(found, self._session.link, self._method.name, asked, part)
        return found

    async def _fetched(self, partition: Any, workers: int, *, progress: Shown) -> Any:
        self._need_data()
        from labgate._source_read import BlockReading, joined

        about = self._about
        chosen = partition_of(partition)
        dtype, blocks = about.numbers(), about.placed(chosen)
        if dtype is not None and blocks:
            reading = BlockReading(self._session, self._does("read").name, self._place().entry(), blocks)
            return await reading.array(dtype, workers=workers, progress=progress)
        # Of an array of which too little is known here, the gate may know more.
        whole = about.partitions() if chosen is None and self.container != ARRAY else None
        parts = await self._parts(whole or [chosen], workers, progress=progress)
        return joined(parts, self._method.name)

    def _with(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """What opens the same entry with these parameters beside its own."""
        if parameters and self.nested and not takes_catalogs(self._method):
            raise TypeError(f"{self.name} is a catalog: parameters are given to its entries")
        return self._place().entry(**parameters)

    def _inner(self, name: str) -> dict[str, Any]:
        """What opens an entry of this catalog."""
        if not isinstance(name, str):
            raise TypeError(f"an entry is named by a str, not by {type(name).__name__}")
        self._need_catalog()
        return self._place().inner(name)

    def _searched(self, query: str) -> tuple[Method, dict[str, Any]]:
        """The method that searches this catalog, and its parameters."""
        self._need_catalog()
        return self._does("search"), {"query": query, **self._place().catalog()}

    def _need_data(self) -> None:
        if self.nested:
            raise TypeError(
                f"{self.name} is a catalog: read one of its entries, as in source['name'].read(); list(source) names them"
            )

    def _need_catalog(self) -> None:
        if not self.nested:
            raise TypeError(f"{self.name} is no catalog but a {self.container}: it has no entries")

    def _does(self, what: str) -> Method:
        wire = wire_of(self._session, self._method, what)
        return Method(wire, self._session.link.catalog.text(wire))

    async def _parts(self, wanted: list[Any], workers: int, *, progress: Shown = False) -> list[Any]:
        from labgate._source_read import PartitionReading

        reading = PartitionReading(self._session, self._does("read"), self._place().entry())
        return await reading.run(wanted, workers=workers, progress=progress)

    async def _listed(self) -> list[str]:
        """The names of the entries, asked now."""
        self._need_catalog()
        try:
            entries = await self._entries()
        except PageChanged:
            entries = await self._entries()
        self._names = [name for one in entries if isinstance(name := name_of(one), str)]
        return self._names

    async def _entries(self) -> list[Any]:
        from labgate._pages import awaited_pages_of, pages_of

        asked: Any = self._session, self._does("entries"), self._place().catalog()
        if self._session.awaited:
            return [one async for one in awaited_pages_of(*asked)]
        return [*pages_of(*asked)]
