"""A small DVID behind a gate, and callers of each kind."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import numpy as np
import pytest

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:readers"], allow: ["dvid.read", "dvid.volume", "GET /dvid/**", "http"]}}
services:
  dvid:
    dialect: dvid
    url: "{url}"
    mount: /dvid
    nodes: {{prod: "{root}", newest: "{root}:master"}}
{more}
"""


@dataclass
class Behind:
    """The gate with one caller's token, and what is behind it."""

    gate: Any
    dvid: Any
    content: Any
    session: aiohttp.ClientSession
    token: str
    config: str

    @property
    def address(self) -> str:
        return "http://{}:{}".format(*self.gate.address)

    def fields(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", **(more or {})}

    async def ask(self, verb: str, path: str, body: bytes | None = None, **more: str):
        """Status, header fields and body of the answer below the mount."""
        async with self.session.request(
            verb, f"{self.address}/dvid{path}", data=body, headers=self.fields(more), allow_redirects=False
        ) as answer:
            return answer.status, answer.headers, await answer.read()

    async def said(self, method: str, **params: Any) -> dict[str, Any]:
        """The whole answer to a call."""
        asked = {"jsonrpc": "2.0", "id": 1, "method": f"dvid.{method}", "params": params}
        async with self.session.post(f"{self.address}/rpc", json=asked, headers=self.fields()) as answer:
            return await answer.json()

    async def call(self, method: str, **params: Any) -> Any:
        """The result of a call."""
        said = await self.said(method, **params)
        assert "error" not in said, said
        return said["result"]

    async def error(self, method: str, **params: Any) -> dict[str, Any]:
        """The error of a call."""
        said = await self.said(method, **params)
        assert "error" in said, said
        return said["error"]

    async def npy(self, node: str, instance: str, start, stop, **more: Any):
        """An array as a numpy file, and the header fields."""
        query = {"node": node, "instance": instance, "start": json.dumps(start), "stop": json.dumps(stop)}
        query |= {name: json.dumps(value) for name, value in more.items()} | {"format": "npy"}
        async with self.session.get(
            f"{self.address}/rpc/dvid.read", params=query, headers=self.fields()
        ) as answer:
            body = await answer.read()
            assert answer.status == 200, body
            return np.load(io.BytesIO(body)), answer.headers


@pytest.fixture
def behind_gate(dvid_lab, gate_of, token_for):
    """Makes such a lab: `async with behind_gate() as lab`; `access` is the service's, `more` are lines of its settings."""

    @asynccontextmanager
    async def made(access=None, more="", groups=("lab",), config=CONFIG, content=None):
        content = content or dvid_lab.small()
        with dvid_lab.running(content.store, access) as server:
            text = config.format(url=server.url, root=content.root.uuid, more=more)
            async with gate_of(text) as gate, aiohttp.ClientSession() as session:
                lab = Behind(gate, server, content, session, token_for("ada", *groups), text)
                await described(gate)
                server.forget()
                yield lab

    return made


@pytest.fixture
def with_disk(behind_gate):
    """Makes such a lab whose gate has a disk."""
    return lambda: behind_gate(config="cache: {{disk: {{size: 256MiB}}}}\n" + CONFIG)


@pytest.fixture
def another_gate(gate_of):
    """Another gate before the same DVID, as after a restart or as another worker's: `async with another_gate(lab) as second`."""

    @asynccontextmanager
    async def made(lab):
        async with gate_of(lab.config) as gate:
            await described(gate)
            yield replace(lab, gate=gate)

    return made


@pytest.fixture
async def lab(behind_gate):
    """A DVID that asks nobody who they are."""
    async with behind_gate() as made:
        yield made


async def described(gate: Any) -> None:
    """Wait until the gate knows what its services offer."""
    async with asyncio.timeout(20):
        while any(one.down for one in gate.discovery.health().values()):
            await asyncio.sleep(0.005)
