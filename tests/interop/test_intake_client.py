"""Does the real Intake 0.7.0 client get the same through the gate as from a catalog server itself?"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"]}}
services:
  data: {{dialect: intake, url: "{url}", mount: "{mount}", listen: 127.0.0.1:0}}
"""


async def calls(calls_of: Any, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = await asyncio.to_thread(calls_of, "intake", "intake_client.py", *words)
    return found


@pytest.mark.parametrize("mount", ["/lab/data"])
async def test_same(mount: str, gate_of: Any, token_for: Any, calls_of: Any, intake_lab: Any) -> None:
    with intake_lab.running() as lab:
        direct = await calls(calls_of, lab.url.replace("http", "intake", 1))
        async with gate_of(CONFIG.format(url=lab.url, mount=mount)) as gate:
            token = token_for("alice", "lab")
            lab.forget()
            address = f"intake://127.0.0.1:{gate.address[1]}{mount}"
            through = await calls(calls_of, address, "--field", f"Authorization=Bearer {token}")
            print(lab.service.asked)
            for name in direct:
                if direct[name] != through.get(name):
                    print(name, direct[name], through.get(name))
            print(through.keys() - direct.keys())
            assert 0
