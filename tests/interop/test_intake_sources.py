"""Does the real Intake 0.7.0 client read a volume, a table of a datastack and a list in pages from the gate's own catalog?"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from gateway.demo.files.http import FilesHttpServer
from gateway.demo.files.operations import Operations
from gateway.demo.files.store import Store

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

CONFIG = """\
include: [pack:cave]
policies:
  - {{to: ["group:lab"], allow: ["*"]}}
  - {{to: ["group:guests"], allow: ["dvid.*"]}}
services:
  dvid: {{dialect: dvid, url: "{dvid}", nodes: {{prod: "{root}"}}}}
  files: {{dialect: openapi, url: "{files}"}}
  cave: {{dialect: cave, url: "{cave}", token: "{token}", bearer: gate}}
sources:
  mount: {mount}
  entries:
    gray: {{method: dvid.read, params: {{node: prod, instance: gray}}, description: The tissue}}
    labels:
      method: dvid.volume
      params: {{node: prod, instance: labels}}
      user_parameters: {{scale: {{type: int, default: 0, min: 0}}}}
    nuclei: {{method: minnie_demo/materialize.query_table, params: {{table: nuclei}}}}
    images: {{method: files.list_images, container: dataframe, items: items, partitions: {{rows: {{size: 2, start: offset, limit: limit, total: total}}}}}}
"""

FAILS = {
    "nothing": "KeyError",
    "scale": "Exception: Server error: 502, dvid.volume: the volume has no scale 99",
    "below": "Exception: Server error: 400, parameter scale: -1 is out of bounds",
}
"""What cannot be had, with words of what the client says of it."""


@contextmanager
def files() -> Iterator[str]:
    """The demo's image files."""
    with closing(Store()) as store, FilesHttpServer(("127.0.0.1", 0), Operations(store)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.url
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def lab(dvid_lab: Any, cave_lab: Any) -> Iterator[dict[str, Any]]:
    """The services, and what they hold."""
    content = dvid_lab.small()
    with dvid_lab.running(content.store) as dvid, cave_lab.running() as cave, files() as url:
        names = {"dvid": dvid.url, "cave": cave.url, "files": url, "root": content.root.uuid}
        yield {"content": content, "names": names | {"token": cave_lab.TOKENS["gate"]}}


@pytest.fixture
def read(lab: Any, gate_of: Any, token_for: Any, calls_of: Any) -> Any:
    """`await read(*groups, mount=…, secret=…)`: what the real client gets, by call, whose caller is of these groups."""

    async def called(*groups: str, mount: str = "/sources", secret: bool = False) -> dict[str, Any]:
        async with gate_of(CONFIG.format(mount=mount, **lab["names"])) as gate:
            async with asyncio.timeout(30):
                while gate.status()["catalog"]["warnings"]:
                    await asyncio.sleep(0.01)
            token = token_for("ada", *groups)
            words = ("--secret", token) if secret else ("--field", f"Authorization=Bearer {token}")
            address = f"intake://127.0.0.1:{gate.address[1]}{mount}"
            found: dict[str, Any] = await asyncio.to_thread(
                calls_of, "intake", "intake_sources.py", address, *words
            )
            return found

    return called


@pytest.mark.parametrize(("mount", "secret"), [("/sources", False), ("/lab/intake", True)])
async def test_every_entry_is_read_whole_by_partition_and_lazily(
    mount: str, secret: bool, lab: Any, read: Any
) -> None:
    found = await read("lab", mount=mount, secret=secret)
    failed = {name: outcome[1] for name, outcome in found.items() if outcome[0] == "error"}
    assert failed.keys() == FAILS.keys(), failed
    assert all(words in failed[name] for name, words in FAILS.items()), failed
    assert found["list"] == found["paged"] == ["value", ["gray", "labels", "nuclei", "images"]]
    assert found["search"] == ["value", ["gray"]]
    for name, array in (("gray", lab["content"].gray), ("labels", lab["content"].labels)):
        expected = [
            "value",
            ["array", str(array.dtype), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()[:16]],
        ]
        assert [found[f"{name}.{way}"] for way in ("read", "read_partition", "to_dask")] == [expected] * 3
    assert found["search.read"] == found["gray.read"]
    kind, columns, rows, _ = found["nuclei.read"][1]
    assert (kind, rows, columns["id"]) == ("frame", 500, "int64")
    assert found["nuclei.read"] == found["nuclei.to_dask"] == found["nuclei.read_partition"]
    assert found["images.read"][1][0] == "frame"
    assert found["images.read_partition"][1][2] == 2
    assert found["images.read"][1][2] > 2


async def test_who_may_not_call_a_method_sees_nothing_of_its_entries(read: Any) -> None:
    found = await read("guests")
    assert found["list"] == ["value", ["gray", "labels"]]
    assert found["gray.read"][0] == "value"
    kind, text = found["forbidden"]
    assert (kind, "nuclei" in text) == ("error", True)


async def test_who_may_call_nothing_has_an_empty_catalog(read: Any) -> None:
    assert (await read("strangers"))["list"] == ["value", []]
