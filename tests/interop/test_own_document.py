"""Does the gate keep to its own OpenAPI document, whatever a caller makes of that? Schemathesis tries."""

import asyncio
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*"]}}
services:
  shop: {{url: "{rest}", describe: {document}}}
  calc: {{dialect: jsonrpc, url: "{rpc}", rpc_path: {rpc_path}}}
"""
CHECKS = "status_code_conformance,content_type_conformance,ignored_auth"
"""Statuses and contents are those of the document, and nobody is answered without a token. What services answer to odd
arguments is theirs to say; that the gate makes no mistake is seen in its log."""


async def test_nothing_that_its_document_allows_makes_the_gate_make_a_mistake(
    upstream, python_of: Callable[[str], Path], gate_of, token_for, caplog, tmp_path
) -> None:
    rest, rpc = await asyncio.to_thread(upstream, "fastapi"), await asyncio.to_thread(upstream, "openrpc")
    python = await asyncio.to_thread(python_of, "schemathesis")
    text = CONFIG.format(rest=rest.url, document=rest.document_path, rpc=rpc.url, rpc_path=rpc.rpc_path)
    async with gate_of(text) as gate:
        async with asyncio.timeout(60):
            while len([one for one in gate.relay.catalog.listings.values() if one.items]) < 2:
                await asyncio.sleep(0.02)
        command = [
            *(python.with_name("schemathesis"), "run", "http://{}:{}/openapi.json".format(*gate.address)),
            *("--header", f"Authorization: Bearer {token_for('ada', 'lab')}", "--checks", CHECKS),
            *("--phases", "coverage,fuzzing", "--max-examples", "2", "--seed", "1", "--no-color"),
        ]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, cwd=tmp_path, timeout=200, check=False
        )
    assert done.returncode == 0, done.stdout[-5000:]
    tried = re.search(r"(\d+) generated", done.stdout)
    assert tried is not None
    assert int(tried[1]) > 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
