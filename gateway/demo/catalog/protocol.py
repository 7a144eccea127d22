"""What is listed, opened, searched and read, as Intake 0.7.0 does it, its oddities included?

What the original answers with 500 is any exception here, and what it gives a reason for is a Refusal.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import uuid4

from gateway.demo.catalog import encoding
from gateway.demo.catalog.encoding import pack, unpack
from gateway.demo.catalog.entries import Catalog, Entry
from gateway.demo.catalog.sources import Source

VERSION = "0.7.0"
ID_FIELD = "source-id"
MAX_OPENED = 10_000
SECRET_FIELD = "intake-secret"  # noqa: S105 - the name of the field


class Refusal(Exception):  # noqa: N818 - what is answered instead
    """A status, and the reason that stands in the status line."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason.replace("\n", " ")


@dataclass(frozen=True, slots=True)
class Opened:
    """What an id stands for, and the dotted name that leads there."""

    name: str
    what: Source | Catalog


Hook = Callable[[str], None]
"""Is told what is asked; may raise what is to be answered instead."""


@dataclass
class Service:
    """A catalog, what was opened of it, and who may: whoever shows `secret`, anybody where it is empty.

    `asked` counts what was asked, `open NAME` and `read NAME PARTITION` among it; a hook in `hooks` may come before the
    answer to what its pattern is found in. Both are for tests.
    """

    catalog: Catalog
    secret: str = ""
    hooks: list[tuple[re.Pattern[str], Hook]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    opened: dict[str, Opened] = field(default_factory=dict)

    def forget(self) -> None:
        """What a restart does: every id is unknown from here on."""
        self.opened.clear()

    # --- GET

    def info(self, fields: Mapping[str, str], query: Mapping[str, str]) -> bytes:
        """`/v1/info`: the entries, or a page of them."""
        self._admit(fields)
        path, catalog = self._catalog(fields)
        self._note(f"list {path}".strip())
        page = islice(catalog.entries.items(), *_page(query))
        said = {
            "version": VERSION,
            "sources": [entry.describe(name) for name, entry in page],
            "length": len(catalog.entries),
            "metadata": catalog.metadata,
        }
        return pack(said)

    def describe(self, fields: Mapping[str, str], query: Mapping[str, str]) -> bytes:
        """`/v1/source`: one entry."""
        if "name" not in query:
            raise Refusal(400, "Bad Request")
        self._admit(fields)
        path, catalog = self._catalog(fields)
        name = query["name"]
        self._note(f"describe {_joined(path, name)}")
        try:
            entry = catalog.find(name)
        except KeyError:
            raise Refusal(404, "No such entry") from None
        return pack({"source": entry.describe(name)})

    # --- POST

    def act(self, fields: Mapping[str, str], body: bytes) -> tuple[bytes, bool]:
        """`/v1/source`: search, open or read; the answer, and whether it leaves before its length is told."""
        request = unpack(body)
        action = request["action"]
        if action == "search":
            return self._search(fields, request), False
        if action == "open":
            return self._open(fields, request), False
        if action == "read":
            return self._read(request), True
        raise Refusal(400, f'"{action}" not a valid source action')

    def _search(self, fields: Mapping[str, str], request: Mapping[str, Any]) -> bytes:
        path, catalog = self._catalog(fields)
        query = request["query"]
        source_id = f"{fields.get(ID_FIELD, 'root')}-{query}"
        self._note(f"search {path} {query}".replace("  ", " "))
        if source_id not in self.opened:
            try:
                words, named = query
                found = catalog.search(*words, **named)
            except Exception as error:
                raise Refusal(400, str(error)) from error
            self._keep(source_id, Opened(path, found))
        return pack({"source_id": source_id})

    def _open(self, fields: Mapping[str, str], request: Mapping[str, Any]) -> bytes:
        path, catalog = self._catalog(fields)
        name = request["name"]
        self._note(f"open {_joined(path, name)}")
        try:
            entry = catalog.find(name)
        except KeyError:
            raise Refusal(404, f"Catalog has no entry {name!r}") from None
        self._admit(fields)
        has_driver = entry.driver in request.get("available_plugins", [])
        if entry.direct == "force" and not has_driver:
            raise Refusal(400, f'client must have plugin "{[entry.driver]}" to access source "{name}"')
        settled = entry.settled(request.get("parameters", {}))
        if entry.direct != "forbid" and has_driver:
            return pack(entry.describe(name) | {"args": {"metadata": entry.metadata, **entry.args}})
        return pack(self._remember(_joined(path, name), entry, settled))

    def _remember(self, path: str, entry: Entry, settled: Mapping[str, Any]) -> dict[str, Any]:
        try:
            what = entry.made(**settled)
            if isinstance(what, Catalog):
                said: dict[str, Any] = {"metadata": what.metadata}
            else:
                said = {**what.schema(), "extra_metadata": entry.metadata, "metadata": entry.metadata}
        except Exception as error:  # the driver's own
            raise Refusal(400, str(error)) from error
        source_id = str(uuid4())
        self._keep(source_id, Opened(path, what))
        return {**said, "container": entry.container, "source_id": source_id}

    def _read(self, request: Mapping[str, Any]) -> bytes:
        source_id, partition = request["source_id"], request.get("partition")
        opened = self.opened.get(source_id)
        self._note(f"read {opened.name if opened else '?'} {partition}")
        if opened is None or isinstance(opened.what, Catalog):
            raise KeyError(source_id)
        source = opened.what
        chosen = encoding.chosen_format(request["accepted_formats"])
        if chosen is None:
            raise Refusal(400, "Unable to find compatible format")
        compression = encoding.chosen_compression(request.get("accepted_compression", ["none"]))
        if partition is None and source.schema()["npartitions"] > 1:
            raise ValueError("there is more than one partition")
        value = source.whole() if partition is None else source.part(partition)
        data = encoding.compress(encoding.encode(value, source.container), compression)
        said = {"format": chosen, "compression": compression, "container": source.container, "data": data}
        return pack(said)

    # --- what all of them need

    def _keep(self, source_id: str, opened: Opened) -> None:
        # The original forgets nothing until it ends; a demo that runs for weeks has to.
        self.opened[source_id] = opened
        if len(self.opened) > MAX_OPENED:
            del self.opened[next(iter(self.opened))]

    def _admit(self, fields: Mapping[str, str]) -> None:
        if self.secret and fields.get(SECRET_FIELD, "") != self.secret:
            raise Refusal(403, "Access forbidden")

    def _catalog(self, fields: Mapping[str, str]) -> tuple[str, Catalog]:
        if ID_FIELD not in fields:
            return "", self.catalog
        opened = self.opened[fields[ID_FIELD]]
        if not isinstance(opened.what, Catalog):
            raise TypeError(f"{opened.name} is no catalog")
        return opened.name, opened.what

    def _note(self, asked: str) -> None:
        self.asked[asked] += 1
        for pattern, hook in list(self.hooks):
            if pattern.search(asked):
                hook(asked)


def _page(query: Mapping[str, str]) -> tuple[int | None, int | None]:
    if "page_size" not in query:
        return None, None
    first = int(query.get("page_offset", "0"))
    return first, first + int(query["page_size"])


def _joined(path: str, name: Any) -> str:
    return f"{path}.{name}" if path else str(name)
