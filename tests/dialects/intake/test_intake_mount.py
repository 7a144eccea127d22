"""What do callers of Intake's protocol get through the gate?"""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np


def as_array(answer: Any) -> Any:
    said = msgpack.unpackb(answer["data"])
    return np.frombuffer(said[b"data"], said[b"type"]).reshape(said[b"shape"])


async def test_what_is_listed_opened_and_read_is_what_the_service_has(bench: Any) -> None:
    listed = await bench.get("/v1/info")
    direct = bench.lab.caller().get("/v1/info")
    assert [one["name"] for one in listed["sources"]] == [one["name"] for one in direct["sources"]]
    assert (listed["version"], listed["length"], listed["metadata"]) == (
        direct["version"],
        direct["length"],
        direct["metadata"],
    )
    opened = await bench.open("frames")
    straight = bench.lab.caller().open("frames")
    del straight["source_id"]
    assert {key: value for key, value in opened.items() if key != "source_id"} == straight
    block = as_array(await bench.read(opened, [1, 1, 0]))
    caller = bench.lab.caller()
    assert np.array_equal(block, caller.array(caller.open("frames"), [1, 1, 0]))
