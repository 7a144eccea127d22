"""A service of volumes behind the scripted gate: real voxels, served as numpy files over HTTP and written by calls."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from tests.sdk.conftest import Gate, Handler, ScriptedError

NODE = "a1b2c3d4" * 4
BLOCK = 16


class Voxels:
    """One instance, `grayscale`: `array` are its voxels from `offset` on, `coarse` the same at half the resolution.

    An array with one axis more than `axes` has channels in it, which are always read and written whole.

    `before` is asked before every read is answered; when it says True, it has answered itself. `reads` and `writes` are
    the boxes that came.
    """

    def __init__(self, gate: Gate, array: np.ndarray, offset: tuple[int, ...] = (0, 0, 0)) -> None:
        self.gate = gate
        self.array = array
        self.offset = offset
        self.block = (BLOCK,) * array.ndim
        self.facts: dict[str, Any] = {"type": "uint8blk", "locked": False, "axes": ["z", "y", "x"]}
        self.before: Callable[[Handler], bool] = lambda _: False
        self.reads: list[tuple[list[int], list[int], int]] = []
        self.writes: list[tuple[list[int], list[int]]] = []
        self.lock = threading.Lock()
        names = [{"name": "node", "required": True}, {"name": "instance", "required": True}]
        marks = {"read": "dvid.read", "write": "write", "create": "create_volume"}
        safe = {"safe": True}
        gate.add(
            "dvid.volume",
            self.about,
            params=names,
            **{"x-labgate": {**safe, "result": "volume", "volume": marks}},
        )
        box = [{"name": name, "required": True} for name in ("start", "stop")]
        gate.add("dvid.read", params=[*names, *box], **{"x-labgate": {**safe, "result": "array"}})
        gate.add("dvid.write", self.write, params=[*names, *box[:1], {"name": "data", "required": True}])
        gate.add("dvid.create_volume", self.create, **{"x-labgate": {"undescribed": True}})
        gate.plain = self.read

    @property
    def coarse(self) -> np.ndarray:
        return self.array[::2, ::2, ::2]

    def about(self, params: dict[str, Any]) -> dict[str, Any]:
        """What `dvid.volume` answers."""
        if params["instance"] != "grayscale":
            raise ScriptedError(-32602, "no such instance", data={"fault": "InvalidParams"})
        halves = {
            "scale": 1,
            "instance": "grayscale_1",
            "resolution": [80.0, 8.0, 8.0][: self.array.ndim],
            "shape": [*self.coarse.shape],
            "offset": [one // 2 for one in self.offset],
        }
        count = len(self.facts["axes"])
        return {
            "node": NODE,
            "asked": params["node"],
            "instance": "grayscale",
            "dtype": self.array.dtype.name,
            "shape": [*self.array.shape][:count],
            "offset": [*self.offset][:count],
            "block_shape": [*self.block][:count],
            "resolution": [40.0, 4.0, 4.0],
            "units": ["nanometers"] * 3,
            "channels": 1,
            "versioned": True,
            "unaligned_writes": False,
            "scales": [{"scale": 0, "instance": "grayscale"}, halves],
            **self.facts,
        }

    def read(self, asked: Handler) -> None:
        """What the plain URL of `dvid.read` answers."""
        query = {name: one[0] for name, one in parse_qs(urlsplit(asked.path).query).items()}
        assert (query["node"], query["instance"], query["format"]) == (NODE, "grayscale", "npy")
        start, stop, scale = json.loads(query["start"]), json.loads(query["stop"]), int(query.get("scale", 0))
        with self.lock:
            self.reads.append((start, stop, scale))
        start, stop = self.whole(start, 0), self.whole(stop, self.array.shape[-1])
        if self.before(asked):
            return
        array = self.coarse if scale else self.array
        offset = [one // (scale + 1) for one in self.offset]
        inside = tuple(
            slice(low - zero, high - zero) for low, high, zero in zip(start, stop, offset, strict=True)
        )
        if any(one.start < 0 or one.stop > size for one, size in zip(inside, array.shape, strict=True)):
            refuse(asked, 400, -32602, "the box is not within the volume", "InvalidParams")
            return
        head, data = npy(array[inside])
        asked.send_response(200)
        asked.send_header("Content-Type", "application/x-npy")
        asked.send_header("Content-Length", str(len(head) + data.nbytes))
        asked.end_headers()
        asked.wfile.write(head)
        asked.wfile.write(data)

    def write(self, params: dict[str, Any]) -> dict[str, Any]:
        """What `dvid.write` answers; the volume grows as far as is written."""
        start, data = self.whole(params["start"], 0), params["data"]
        stop = [low + size for low, size in zip(start, data.shape, strict=True)]
        if self.facts["locked"] or any(
            one % size for one, size in zip([*start, *stop], self.block * 2, strict=True)
        ):
            raise ScriptedError(-32602, "locked or not aligned", data={"fault": "InvalidParams"})
        with self.lock:
            self.writes.append((start, stop))
            first = [min(one, low) for one, low in zip(self.offset, start, strict=True)]
            ends = [zero + size for zero, size in zip(self.offset, self.array.shape, strict=True)]
            last = [max(one, high) for one, high in zip(ends, stop, strict=True)]
            grown = np.zeros([high - low for low, high in zip(first, last, strict=True)], self.array.dtype)
            for corner, values in ((self.offset, self.array), (start, data)):
                place = zip(corner, values.shape, first, strict=True)
                grown[tuple(slice(low - zero, low - zero + size) for low, size, zero in place)] = values
            self.array, self.offset = grown, tuple(first)
        return {"written": [*data.shape][: len(params["start"])]}

    def whole(self, corner: list[int], channel: int) -> list[int]:
        """The corner with that of the channels, where those are no axis."""
        return [*corner, channel][: self.array.ndim]

    def create(self, params: dict[str, Any]) -> dict[str, Any]:
        """What `dvid.create_volume` answers."""
        self.created = params
        if params["instance"] == "taken":
            raise ScriptedError(-32018, "there is one already", data={"fault": "Conflict"})
        return self.about({**params, "instance": "grayscale"}) | {"instance": params["instance"]}


def npy(array: np.ndarray) -> tuple[bytes, memoryview]:
    """A numpy file: its head, and its data without a copy where the array lies in one piece."""
    head = io.BytesIO()
    whole = np.ascontiguousarray(array)
    np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(whole))
    return head.getvalue(), memoryview(whole.reshape(-1).view(np.uint8))


def refuse(asked: Handler, status: int, code: int, text: str, fault: str, *fields: tuple[str, str]) -> None:
    """Answer with a fault, as the plain URL does."""
    error = {"code": code, "message": text, "data": {"fault": fault, "request_id": "r-9"}}
    body = json.dumps(error).encode()
    asked.reply(status, body, ("Content-Type", "application/json"), *fields)


def answers(
    *bodies: bytes, length: int | None = None, kind: str = "application/x-npy"
) -> Callable[[Handler], bool]:
    """Answer every read with these bytes, which are said to be `length`; then end the connection."""

    def answer(asked: Handler) -> bool:
        whole = b"".join(bodies)
        said = len(whole) if length is None else length
        asked.close_connection = True
        asked.reply(200, whole, ("Content-Type", kind), ("Content-Length", str(said)))
        return True

    return answer


def once(*answers: Callable[[Handler], bool]) -> Callable[[Handler], bool]:
    """Each of these answers one read, in turn; behind them the service does."""
    waiting = [*answers]
    lock = threading.Lock()

    def answer(asked: Handler) -> bool:
        with lock:
            one = waiting.pop(0) if waiting else None
        return one is not None and one(asked)

    return answer


@contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Trace memory: the bytes at the highest point over the beginning."""
    import tracemalloc

    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        yield lambda: tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
