"""Does the real Intake 0.7.0 client get the same through the gate as from a catalog server itself, and what does it cost?"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

SDK = str(Path(__file__).parents[2] / "sdk")
CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["data.*", "/**"]}}
services:
  data: {{dialect: intake, url: "{url}", mount: "{mount}", listen: {{address: "127.0.0.1:0", as: "group:lab"}}}}
"""

BETTER = {
    "by_sample(no such sample).open": "Server error: 400, parameter sample: z is not one of ['a', 'b', 'c']",
    "by_sample(run out of bounds).open": "Server error: 400, parameter run: 99 is out of bounds",
    "by_sample(no such parameter).open": "Server error: 400, by_sample has no parameter colour; it declares: day, run, sample",
}
"""What the service itself fails at without a word; and a search for what no header field can hold works."""


def check_same(direct: dict[str, Any], through: dict[str, Any]) -> None:
    """Every call gives the same, but where the gate knows better."""
    assert through.keys() == direct.keys()
    differ = {
        name: [through[name][0], _without_bounds(through[name][1])]
        for name in direct
        if direct[name] != through[name]
    }
    assert differ.pop("search 粒子") == ["value", []]
    assert differ == {name: ["error", f"Exception: {text}"] for name, text in BETTER.items()}


def check_sources(found: dict[str, Any], direct: dict[str, Any]) -> None:
    """The SDK's sources give what the real client gets."""
    expected = {name: direct[f"{name}.read"] for name in ("runs", "frames", "notes", "by_sample")}
    expected["detectors.back"] = direct["detectors/back.read"]
    for name, outcome in expected.items():
        ways = {way: found[f"{name}.{way}"] for way in ("read", "to_dask")}
        assert ways == dict.fromkeys(ways, outcome), name


def _without_bounds(said: Any) -> Any:
    return re.sub(r" \(\d+ to \d+\)$", "", said) if isinstance(said, str) else said


@pytest.fixture
def client(calls_of: Any) -> Any:
    """`await client(address, *words)`: what the real client gets, by call."""

    async def called(*words: str) -> dict[str, Any]:
        found: dict[str, Any] = await asyncio.to_thread(calls_of, "intake", "intake_client.py", *words)
        return found

    return called


@pytest.fixture(scope="module")
def lab(intake_lab: Any) -> Any:
    """A catalog server."""
    with intake_lab.running() as running:
        yield running


@pytest.fixture(scope="module")
def direct(lab: Any, calls_of: Any) -> dict[str, Any]:
    """What the real client gets from the server itself, by call."""
    found: dict[str, Any] = calls_of("intake", "intake_client.py", lab.url.replace("http", "intake", 1))
    return found


@pytest.mark.parametrize("mount", ["/lab/data", "/lab/intake", "/my-intake/intake"])
async def test_below_a_path_and_each_partition_is_read_once(
    mount: str, lab: Any, direct: dict[str, Any], client: Any, gate_of: Any, token_for: Any
) -> None:
    lab.forget()
    async with gate_of(CONFIG.format(url=lab.url, mount=mount)) as gate:
        address = f"intake://127.0.0.1:{gate.address[1]}{mount}"
        field = f"Authorization=Bearer {token_for('alice', 'lab')}"
        check_same(direct, await client(address, "--field", field))
    again = {
        asked: count for asked, count in lab.service.asked.items() if asked.startswith("read ") and count > 1
    }
    # Of one entry the parameters differ, and one is reached in three ways: by dots, by its catalog, and by a search.
    assert {asked.split()[1] for asked in again} == {"by_sample", "detectors.back"}
    assert max(again.values()) <= 4


async def test_the_second_session_asks_for_no_data(
    lab: Any, direct: dict[str, Any], client: Any, gate_of: Any, token_for: Any
) -> None:
    async with gate_of(CONFIG.format(url=lab.url, mount="/lab/data")) as gate:
        address = f"intake://127.0.0.1:{gate.address[1]}/lab/data"
        for name in ("alice", "bob"):
            lab.forget()
            field = f"Authorization=Bearer {token_for(name, 'lab')}"
            check_same(direct, await client(address, "--field", field))
        # What cannot be opened is tried again by everybody.
        assert (lab.reads(), lab.opens() - lab.opens("lost")) == (0, 0)


async def test_on_a_port_of_its_own_without_a_token(
    lab: Any, direct: dict[str, Any], client: Any, gate_of: Any
) -> None:
    async with gate_of(CONFIG.format(url=lab.url, mount="/data")) as gate:
        port = gate.service_addresses["data"][1]
        check_same(direct, await client(f"intake://127.0.0.1:{port}"))


async def test_the_clients_own_secret_is_the_gates_token(
    lab: Any, direct: dict[str, Any], client: Any, gate_of: Any, token_for: Any
) -> None:
    async with gate_of(CONFIG.format(url=lab.url, mount="/data")) as gate:
        address = f"intake://127.0.0.1:{gate.address[1]}/data"
        check_same(direct, await client(address, "--secret", token_for("alice", "lab")))
        refused = await client(address, "--secret", "nobody's")
        kind, text = refused["open_catalog"]
        assert (kind, text.partition(":")[0]) == ("error", "AuthenticationFailure")


async def test_before_the_real_server(
    upstream: Any, client: Any, calls_of: Any, gate_of: Any, token_for: Any
) -> None:
    url = upstream("intake").url
    straight = await client(url.replace("http", "intake", 1))
    async with gate_of(CONFIG.format(url=url, mount="/lab/intake")) as gate:
        token = token_for("alice", "lab")
        address = f"127.0.0.1:{gate.address[1]}"
        through = await client(f"intake://{address}/lab/intake", "--field", f"Authorization=Bearer {token}")
        words = (SDK, f"http://{address}", token)
        found = await asyncio.to_thread(calls_of, "intake", "source_client.py", *words)
    check_same(straight, through)
    check_sources(found, straight)


async def test_the_sdks_sources_give_what_the_real_client_gets_and_dask_too(
    lab: Any, direct: dict[str, Any], calls_of: Any, gate_of: Any, token_for: Any
) -> None:
    async with gate_of(CONFIG.format(url=lab.url, mount="/data")) as gate:
        address = f"http://127.0.0.1:{gate.address[1]}"
        words = (SDK, address, token_for("alice", "lab"))
        found = await asyncio.to_thread(calls_of, "intake", "source_client.py", *words)
    check_sources(found, direct)
    for name in ("runs", "frames", "notes"):
        assert found[f"{name}.processes"] == direct[f"{name}.read"], name
    assert found["frames.lazily"] == ["value", int(lab.entry("frames").made().array[3:5, :10].sum())]
    assert found["runs.lazily"][0] == "value"
