"""A catalog server behind a gate, and callers of both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import aiohttp
import pytest

from gateway.demo.catalog.encoding import pack, unpack

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:guests"], allow: ["data.entries", "/lab/**"]}}
services:
  data:
    dialect: intake
    url: {url}
    mount: /lab/data
{more}
"""


@dataclass
class Bench:
    """A catalog server (`lab`), the gate before it, and alice, who may do all; gwen may list."""

    lab: Any
    gate: Any
    made: Callable[..., Any]
    token: str
    guest: str
    session: aiohttp.ClientSession

    @property
    def port(self) -> int:
        port: int = self.gate.address[1]
        return port

    def caller(self, prefix: str = "/lab/data", token: str | None = "", **fields: str) -> Any:
        """A caller of Intake's protocol, alice unless another token is given; None shows none."""
        if token is not None:
            fields = {"Authorization": f"Bearer {token or self.token}", **fields}
        return self.made(self.port, prefix, **fields)

    async def ask(
        self, verb: str, path: str, body: bytes | None = None, *, caller: Any = None, **fields: str
    ) -> Any:
        """The response, and its body."""
        return await asyncio.to_thread((caller or self.caller()).ask, verb, path, body, **fields)

    async def get(self, path: str, **fields: str) -> Any:
        """What a GET gives."""
        response, body = await self.ask("GET", path, **fields)
        assert response.status == 200, response.reason
        return unpack(body)

    async def post(self, said: Mapping[str, Any], source_id: str = "", *, caller: Any = None) -> Any:
        """What an action gives."""
        response, body = await self.posted(said, source_id, caller=caller)
        assert response.status == 200, response.reason
        return unpack(body)

    async def posted(self, said: Any, source_id: str = "", *, caller: Any = None) -> Any:
        """The response to an action, and its body."""
        fields = {"source_id": source_id} if source_id else {}
        body = said if isinstance(said, bytes) else pack(said)
        return await self.ask("POST", "/v1/source", body, caller=caller, **fields)

    async def open(self, name: str, source_id: str = "", **parameters: Any) -> Any:
        """The answer to opening an entry."""
        return await self.post({"action": "open", "name": name, "parameters": parameters}, source_id)

    async def read(self, source: Any, partition: Any = None, **said: Any) -> Any:
        """The answer to reading what was opened."""
        asked = {"action": "read", "source_id": source["source_id"], "accepted_formats": ["msgpack"]}
        return await self.post(asked | ({} if partition is None else {"partition": partition}) | said)

    async def refused(self, said: Any, source_id: str = "") -> tuple[int, str]:
        """Status and reason of what refuses an action."""
        response, body = await self.posted(said, source_id)
        assert body.startswith(f"<html><title>{response.status}: ".encode())
        return response.status, response.reason

    async def call(self, method: str, _token: str = "", **params: Any) -> Any:
        """The JSON-RPC answer to a call."""
        message = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
        fields = {"Authorization": f"Bearer {_token or self.token}", "Content-Type": "application/json"}
        url = f"http://127.0.0.1:{self.port}/rpc"
        async with self.session.post(url, data=json.dumps(message), headers=fields) as response:
            return await response.json()

    async def result(self, method: str, **params: Any) -> Any:
        """The result of a call."""
        answer = await self.call(method, **params)
        assert "result" in answer, answer
        return answer["result"]


@pytest.fixture
async def bench_of(gate_of: Any, token_for: Any, intake_lab: ModuleType) -> AsyncIterator[Callable[..., Any]]:
    """`await bench_of(more, secret=…)`: a bench whose service has these further lines of settings; `lab` = it is there."""
    async with AsyncExitStack() as ends:
        session = await ends.enter_async_context(aiohttp.ClientSession())

        async def made(more: str = "", secret: str = "", config: str = CONFIG, lab: Any = None) -> Bench:
            lab = lab or ends.enter_context(intake_lab.running(secret))
            text = config.format(url=lab.url, more=more)
            gate = await ends.enter_async_context(gate_of(text))
            return Bench(
                lab, gate, intake_lab.Caller, token_for("alice", "lab"), token_for("gwen", "guests"), session
            )

        yield made


@pytest.fixture
async def bench(bench_of: Callable[..., Any]) -> Bench:
    """A bench as usual."""
    made: Bench = await bench_of()
    return made
