"""A service of arrays and tables behind a gate whose catalog has them as sources, and callers of that."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgpack
import msgpack_numpy
import numpy as np
import pyarrow
from aiohttp import web

from gateway.core.arrays import Array, as_json
from gateway.demo.catalog.encoding import pack, unpack

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["lab.*", "missing.*", "/lab/**"], operate: true}}
  - {{to: ["group:guests"], allow: ["lab.get_matrix"]}}
services:
  lab:
    dialect: jsonrpc
    url: {url}
    rpc_path: /api
    mount: /lab
    methods:
      "get_*": {{safe: true, cache: {{fresh: 1h, share: everyone}}}}
      "now": {{safe: true}}
      "get_typed": {{safe: true, result: table}}
sources:
  mount: /lab/intake
  entries:
    matrix: {{method: lab.get_matrix, container: ndarray, description: A matrix of twelve numbers, metadata: {{unit: volt}}}}
    tissue:
      method: lab.get_box
      container: ndarray
      params: {{name: tissue}}
      partitions: {{boxes: {{shape: [6, 5, 4], chunks: [4, 5, 3], start: offset, size: size, origin: [10, 20, 30], reversed: true}}}}
    rows: {{method: lab.get_rows, container: dataframe, items: items, partitions: {{rows: {{size: 4, start: offset, limit: limit, total: total}}}}}}
    counted: {{method: lab.get_rows, container: dataframe, items: items, partitions: {{rows: {{size: 4, start: offset, limit: limit, count: 10}}}}}}
    paged: {{method: lab.get_page, container: dataframe, partitions: {{rows: {{size: 4, page: page, first: 1, count: 10}}}}}}
    lines: {{method: lab.get_lines, container: ndarray, partitions: {{rows: {{size: 4, start: offset, limit: limit, count: 10}}}}}}
    images: {{method: lab.get_image, container: ndarray, partitions: {{values: {{argument: uid, of: [a, b, c]}}}}}}
    plates: {{method: lab.get_plate, container: dataframe, partitions: {{values: {{argument: plate, of: [1, 2]}}}}}}
    typed: {{method: lab.get_typed}}
    chosen:
      method: lab.get_matrix
      container: ndarray
      user_parameters:
        times: {{type: int, default: 1, min: 1, max: 9, argument: factor, description: What it is multiplied with}}
        day: {{type: datetime, default: "2024-05-01", argument: day}}
    fleeting: {{method: lab.now, container: ndarray}}
    records: {{method: lab.get_records, container: ndarray}}
    number: {{method: lab.get_number, container: ndarray}}
    broken: {{method: lab.get_odd, container: ndarray}}
    torn: {{method: lab.get_torn, container: dataframe}}
    mixed: {{method: lab.get_mixed, container: dataframe}}
    failing: {{method: lab.get_fail, container: ndarray}}
    changing: {{method: lab.get_changing, container: ndarray, partitions: {{rows: {{size: 2, start: offset, count: 4}}}}}}
    unsafe: {{method: lab.set_matrix, container: ndarray}}
    untold: {{method: lab.get_untold}}
    gone: {{method: lab.get_nothing, container: ndarray}}
    away: {{method: missing.get, container: ndarray}}
"""

ALL = ("matrix", "tissue", "rows", "counted", "paged", "lines", "images", "plates", "typed", "chosen", "fleeting", "records", "number", "broken", "torn", "mixed", "failing", "changing")  # fmt: skip
"""What alice may read, in the order of the file."""

MATRIX = np.arange(12).reshape(3, 4)
TISSUE = np.random.default_rng(1).integers(0, 255, (6, 5, 4), np.uint8)
ROWS = [{"id": number, "name": f"cell {number}", "size": number / 2} for number in range(10)]
LINES = np.arange(30.0).reshape(10, 3)
RECORDS = np.array([(1, 2.5), (3, 4.5)], [("id", "<i4"), ("x", "<f8")])


def _array(array: np.ndarray) -> Any:
    return json.loads(as_json(Array(array.dtype, array.shape, array.tobytes())))


@dataclass
class Service:
    """A JSON-RPC service by whose method names everything is found; it counts what it was asked."""

    url: str = ""
    calls: Counter[str] = field(default_factory=Counter)
    asked: list[dict[str, Any]] = field(default_factory=list)

    NAMES = ("get_matrix", "get_box", "get_rows", "get_page", "get_lines", "get_image", "get_plate", "get_typed", "get_records", "get_number", "get_odd", "get_mixed", "get_torn", "get_fail", "get_changing", "get_untold", "set_matrix", "now")  # fmt: skip

    async def handle(self, request: web.Request) -> web.Response:
        called = json.loads(await request.read())
        name, params = called["method"], called.get("params") or {}
        if name == "system.describe":
            found: Any = {"sdversion": "1.0", "name": "lab", "procs": [{"name": one} for one in self.NAMES]}
        elif name == "get_fail" or name not in self.NAMES:
            return web.json_response({"jsonrpc": "2.0", "error": {"code": -32000, "message": "it boomed"}, "id": called["id"]})  # fmt: skip
        else:
            self.calls[name] += 1
            self.asked.append(params)
            found = getattr(self, name)(**params)
        return web.json_response({"jsonrpc": "2.0", "result": found, "id": called["id"]})

    def get_matrix(self, factor: int = 1, day: str = "") -> Any:
        return (MATRIX * factor).tolist()

    now = get_untold = set_matrix = get_matrix

    def get_box(self, name: str, offset: list[int], size: list[int]) -> Any:
        box = tuple(
            slice(a - o, a - o + n) for a, n, o in zip(offset[::-1], size[::-1], (10, 20, 30), strict=True)
        )
        return _array(np.ascontiguousarray(TISSUE[box]))

    def get_rows(self, offset: int, limit: int) -> Any:
        return {"items": ROWS[offset : offset + limit], "total": len(ROWS)}

    def get_page(self, page: int) -> Any:
        return ROWS[(page - 1) * 4 : page * 4]

    def get_lines(self, offset: int, limit: int) -> Any:
        return _array(LINES[offset : offset + limit])

    def get_image(self, uid: str) -> Any:
        return _array(np.full((2, 2), ord(uid), np.uint16))

    def get_plate(self, plate: int) -> Any:
        return {"plate": [plate, plate], "well": ["A1", "A2"]}

    def get_typed(self) -> Any:
        table = pyarrow.table({"n": pyarrow.array([1, 2], "int16"), "s": ["x", None]})
        sink = io.BytesIO()
        with pyarrow.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return {"$binary": {"base64": base64.b64encode(sink.getvalue()).decode()}}

    def get_records(self) -> Any:
        return _array(RECORDS)

    def get_number(self) -> Any:
        return 42

    def get_odd(self) -> Any:
        return {"no": "array"}

    def get_torn(self) -> Any:
        return {"$binary": {"base64": base64.b64encode(b"\xff\xff\xff\xff\x10\x00\x00\x00torn").decode()}}

    def get_mixed(self) -> Any:
        return [{"x": 1}, {"x": "one"}]

    def get_changing(self, offset: int) -> Any:
        return [[1, 2], [3, 4]] if offset == 0 else [[1.5, 2.5, 3.5]]


@dataclass
class Caller:
    """Somebody who speaks Intake's protocol."""

    session: aiohttp.ClientSession
    address: str
    token: str | None

    async def ask(self, verb: str, path: str, body: Any = None, **fields: str):
        """The response, and its body."""
        sent = {name.replace("_", "-"): value for name, value in fields.items()}
        if self.token is not None:
            sent = {"Authorization": f"Bearer {self.token}", **sent}
        async with self.session.request(verb, self.address + path, data=body, headers=sent) as response:
            return response, await response.read()

    async def get(self, path: str, **fields: str) -> Any:
        response, body = await self.ask("GET", path, **fields)
        assert response.status == 200, response.reason
        return unpack(body)

    async def posted(self, said: Any, **fields: str):
        body = said if isinstance(said, bytes) else pack(said)
        return await self.ask("POST", "/v1/source", io.BytesIO(body), **fields)

    async def post(self, said: Mapping[str, Any], **fields: str) -> Any:
        response, body = await self.posted(said, **fields)
        assert response.status == 200, response.reason
        return unpack(body)

    async def refused(self, said: Any, **fields: str) -> tuple[int, str]:
        """Status and reason of what refuses an action."""
        response, body = await self.posted(said, **fields)
        assert body.startswith(f"<html><title>{response.status}: ".encode()), (response.status, body)
        return response.status, response.reason or ""

    async def names(self, query: str = "", **fields: str) -> list[str]:
        return [one["name"] for one in (await self.get(f"/v1/info{query}", **fields))["sources"]]

    async def open(self, name: str, **parameters: Any) -> Any:
        return await self.post({"action": "open", "name": name, "parameters": parameters})

    async def read(self, opened: Any, partition: Any = None, **said: Any) -> Any:
        """The data of a partition: an array, or a table as a list of rows."""
        answer = await self.post(self.asks(opened, partition, **said))
        assert (answer["format"], answer["compression"]) == ("msgpack", "none")
        return data_of(answer)

    @staticmethod
    def asks(opened: Any, partition: Any = None, **said: Any) -> dict[str, Any]:
        """What a read is asked for with."""
        asked = {
            "action": "read",
            "source_id": opened["source_id"],
            "accepted_formats": ["msgpack", "pickle2"],
        }
        return asked | ({} if partition is None else {"partition": partition}) | said


def data_of(answer: Mapping[str, Any]) -> Any:
    if answer["container"] == "ndarray":
        return msgpack.unpackb(answer["data"], object_hook=msgpack_numpy.decode)
    with pyarrow.ipc.open_stream(answer["data"]) as stream:
        return stream.read_all().to_pylist()


@dataclass
class Lab:
    """The service, the gate, and callers of it."""

    service: Service
    gate: Any
    session: aiohttp.ClientSession
    token_for: Any
    alice: Caller
    stop: Any

    @property
    def address(self) -> str:
        return "http://{}:{}".format(*self.gate.address)

    def caller(self, token: str | None, mount: str = "/lab/intake") -> Caller:
        return Caller(self.session, self.address + mount, token)

    @property
    def gwen(self) -> Caller:
        """A guest, who may call one method."""
        return self.caller(self.token_for("gwen", "guests"))


@asynccontextmanager
async def source_lab(gate_of, token_for, config: str = CONFIG) -> AsyncIterator[Lab]:
    service = Service()
    app = web.Application()
    app.router.add_post("/api", service.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with gate_of(config.format(url=service.url)) as gate, aiohttp.ClientSession() as session:
            await described(gate)
            lab = Lab(service, gate, session, token_for, None, runner.cleanup)
            lab.alice = lab.caller(token_for("alice", "lab"))
            yield lab
    finally:
        await runner.cleanup()


async def described(gate: Any) -> None:
    """Wait until the gate knows what its services offer."""
    async with asyncio.timeout(20):
        while any(one.down for one in gate.discovery.health().values()):
            await asyncio.sleep(0.005)


MANY = """\
policies:
  - {{to: ["group:lab"], allow: ["tiles.*"]}}
services:
  tiles: {{dialect: listed, url: "{url}", methods: {{get_rows: {{http: "GET /rows", result: table}}}}}}
sources:
  mount: /sources
  entries: {entries}
"""

UNREAD = ("unsafe", "untold", "gone", "away")
"""Sources of the lab's that nobody can read."""


class Agent:
    """Reads resources at `/mcp`."""

    def __init__(self, lab, *, token="", path="/mcp"):
        self.lab, self.token, self.path = lab, token or lab.alice.token, path

    async def ask(self, method, **params):
        said = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        fields = {"Authorization": f"Bearer {self.token}"}
        async with self.lab.session.post(self.lab.address + self.path, json=said, headers=fields) as told:
            return await told.json()

    async def names(self, method="resources/list", kind="resources"):
        said = await self.ask(method)
        return {one["name"] for one in said["result"][kind] if "/sources/" in json.dumps(one)}

    async def read(self, address):
        """The contents of a source, or of what else has an address."""
        said = await self.ask("resources/read", uri=f"labgate:{address}")
        assert "error" not in said, said
        return said["result"]["contents"]

    async def about(self, name):
        """What is said of a source, and what follows that."""
        about, *rest = await self.read(f"/sources/{name}")
        assert about["mimeType"] == "application/json"
        return json.loads(about["text"]), rest

    async def refused(self, address):
        return (await self.ask("resources/read", uri=f"labgate:/sources/{address}"))["error"]
