"""A catalog behind the scripted gate: a table, an array in blocks, lists, and a catalog within."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pyarrow

from tests.sdk.conftest import Gate, Handler, ScriptedError
from tests.sdk.voxels import npy, refuse

FRAMES = np.arange(7 * 12, dtype="<u2").reshape(7, 12)
CHUNKS = [[3, 3, 1], [8, 4]]
RUNS = [pyarrow.table({"run": [at * 10, at * 10 + 1], "word": ["a", "ö"]}) for at in range(20)]
MARKS = {"read": "read", "entries": "entries", "search": "search"}
ENTRIES: dict[str, dict[str, Any]] = {
    "frames": {
        "container": "ndarray",
        "shape": [7, 12],
        "dtype": "uint16",
        "chunks": CHUNKS,
        "npartitions": 6,
        "metadata": {"axes": ["row", "column"]},
        "description": "Frames & <b>blocks</b>",
        "parameters": [{"name": "day", "default": "Monday"}],
    },
    "runs": {"container": "dataframe", "shape": [None, 2], "dtype": {"run": "int64"}, "npartitions": 20},
    "notes": {"container": "python", "npartitions": 2},
    "text": {"container": "python", "npartitions": None},
    "inner": {"container": "catalog", "nested": True, "npartitions": 0},
    "inner.one": {"container": "python", "npartitions": 1},
    "inner.two-2": {"container": "python", "npartitions": 1},
}


class Shelf:
    """The methods of a service `data`.

    `opened` are the params of what was opened, `read` those of what was read; `before` is asked before each reading by
    the plain URL, and when it says True, it has answered itself; `broken` are partitions that the service refuses.
    """

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.url = gate.url
        self.entries = {name: dict(about) for name, about in ENTRIES.items()}
        self.opened: list[dict[str, Any]] = []
        self.reads: list[dict[str, Any]] = []
        self.broken: list[Any] = []
        self.before: Callable[[Handler], bool] = lambda _: False
        self.together = threading.Barrier(1)
        self._lock = threading.Lock()
        name = {"name": "name", "required": True}
        parameters, partition, catalog = ({"name": one} for one in ("parameters", "partition", "catalog"))
        source = {"safe": True, "result": "source", "source": MARKS, "item": True}
        gate.add("data.source", self.source, params=[name, parameters], **{"x-labgate": source})
        table = {"safe": True, "result": "table"}
        gate.add("data.read", self.read, params=[name, parameters, partition], **{"x-labgate": table})
        page = {"safe": True, "page": {"size": "page_size", "offset": "page_offset", "items": "entries"}}
        places = [{"name": "page_size"}, {"name": "page_offset"}]
        gate.add("data.entries", self.listed, params=[catalog, *places], **{"x-labgate": page})
        found = {"safe": True, "sources": {"items": "entries", "source": "source"}}
        words = {"name": "query", "required": True}
        gate.add("data.search", self.found, params=[words, catalog], **{"x-labgate": found})
        gate.plain = self.file

    def source(self, params: dict[str, Any]) -> Any:
        """What `data.source` answers."""
        self.opened.append(params)
        about = self.entries.get(params["name"])
        if about is None:
            raise ScriptedError(-32602, "no such entry", data={"fault": "InvalidParams"})
        return {"name": params["name"], "arguments": params.get("parameters", {}), **about}

    def read(self, params: dict[str, Any]) -> Any:
        """What `data.read` answers."""
        with self._lock:
            self.reads.append(params)
        self.together.wait(20)
        name, partition = params["name"], params.get("partition")
        if partition in self.broken:
            raise ScriptedError(-32602, "no such partition", data={"fault": "InvalidParams"})
        if name == "runs":
            return stream_of(RUNS[partition])
        if name == "frames":
            return FRAMES if partition is None else FRAMES[where(partition)]
        return ["whole"] if partition is None else [f"{name} {partition}", "end"]

    def file(self, asked: Handler) -> None:
        """What the plain URL of `data.read` answers."""
        query = {name: one[0] for name, one in parse_qs(urlsplit(asked.path).query).items()}
        assert query.pop("format") == "npy"
        params = {name: one if name == "name" else json.loads(one) for name, one in query.items()}
        with self._lock:
            self.reads.append(params)
        self.together.wait(20)
        if self.before(asked):
            return
        partition = params.get("partition")
        if partition in self.broken:
            refuse(asked, 400, -32602, "no such partition", "InvalidParams")
            return
        head, data = npy(FRAMES if partition is None else FRAMES[where(partition)])
        asked.reply(200, head + data, ("Content-Type", "application/x-npy"))

    def listed(self, params: dict[str, Any]) -> Any:
        """What `data.entries` answers."""
        names = self.names(params.get("catalog"))
        first = params.get("page_offset", 0)
        some = names[first : first + params.get("page_size", 1000)]
        return {"entries": [{"name": one} for one in some], "length": len(names)}

    def found(self, params: dict[str, Any]) -> Any:
        """What `data.search` answers."""
        catalog = params.get("catalog")
        names = [one for one in self.names(catalog) if params["query"] in one]
        return {"entries": [{"name": one} for one in names], "length": len(names), "catalog": catalog or ""}

    def names(self, catalog: str | None) -> list[str]:
        """Those in a catalog."""
        start = f"{catalog}." if catalog else ""
        below = [one.removeprefix(start) for one in self.entries if one.startswith(start)]
        return [one for one in below if "." not in one]


def where(partition: list[int]) -> tuple[slice, ...]:
    """Where a block of the frames lies."""
    return tuple(
        slice(sum(along[:at]), sum(along[: at + 1])) for along, at in zip(CHUNKS, partition, strict=True)
    )


def stream_of(table: pyarrow.Table) -> bytes:
    """The table as an Arrow stream."""
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    found: bytes = sink.getvalue().to_pybytes()
    return found
