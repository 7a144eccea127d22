"""Voxels of versions that never change come from stored blocks, bit by bit; those of open versions come from the service."""

import asyncio
import io
import json
from base64 import b64decode

import aiohttp
import msgpack
import numpy as np
import pytest

from labgate._at_once import at_once
from labgate._blocks import receive_blocks
from tests.sdk.test_sdk_blocks import Body


def padded(array, start, stop):
    """What a box of an array holds, with background outside of it."""
    out = np.zeros([b - a for a, b in zip(start, stop, strict=True)], array.dtype)
    low = [max(a, 0) for a in start]
    high = [min(b, n) for b, n in zip(stop, array.shape, strict=True)]
    if all(a < b for a, b in zip(low, high, strict=True)):
        inner = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        out[tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))] = array[inner]
    return out


BOXES = [
    ([0, 0, 0], [40, 70, 100]),
    ([3, 5, 7], [4, 6, 8]),
    ([-5, -70, -130], [50, 80, 140]),
    ([39, 69, 99], [130, 200, 260]),
    ([-300, 0, 0], [-200, 10, 10]),
    ([10, 20, 30], [11, 60, 31]),
]


@pytest.mark.parametrize(("start", "stop"), BOXES)
async def test_any_box_is_the_same_through_the_gate_twice_and_directly(lab, start, stop):
    size = "_".join(str(b - a) for a, b in reversed(list(zip(start, stop, strict=True))))
    path = f"/api/node/{lab.content.root.uuid}/gray/raw/0_1_2/{size}/{'_'.join(map(str, reversed(start)))}"
    direct = lab.dvid.ask("GET", path)[2]
    expected = padded(lab.content.gray, start, stop)
    assert direct == expected.tobytes()
    for said in ("fwd=miss", "hit"):
        status, fields, body = await lab.ask("GET", path + "?u=ada&app=tests")
        assert (status, body) == (200, direct)
        assert fields["Content-Type"] == "application/octet-stream"
        assert f"labgate; {said}" in fields["Cache-Status"]
    array, fields = await lab.npy("prod", "gray", start, stop)
    assert (array == expected).all()
    assert "hit" in fields["Cache-Status"]


@pytest.mark.parametrize(
    ("start", "stop", "said"),
    [
        ([0, 0, 0], [64, 128, 256], "x-labgate-blocks"),
        ([3, 5, 7], [64, 250, 250], "x-labgate-blocks"),
        BOXES[1] + ("x-npy",),
    ],
)
async def test_whoever_takes_blocks_gets_a_large_box_so_and_others_get_the_numpy_file(lab, start, stop, said):
    query = f"node=prod&instance=gray&start={json.dumps(start)}&stop={json.dumps(stop)}&format=npy"
    bodies = []
    named = "application/x-labgate-blocks"
    for accept in (f"{named};q=1, */*", "*/*, application/*", f"{named}; q=0.0, */*", f"{named}s"):
        fields = lab.fields({"Accept": accept})
        async with lab.session.get(f"{lab.address}/rpc/dvid.read?{query}", headers=fields) as answer:
            bodies.append((answer.headers["Content-Type"], await answer.read()))
    (kind, body), (usual, file), *others = bodies
    assert others == [(usual, file)] * 2
    assert (kind, usual) == (f"application/{said}", "application/x-npy")
    expected = padded(lab.content.gray, start, stop)
    assert (np.load(io.BytesIO(file)) == expected).all()
    if kind == usual:
        assert body == file
    else:
        out, at = np.empty_like(expected), 4 + int.from_bytes(body[:4], "little")
        head = json.loads(body[4:at])
        assert head == {"dtype": "|u1", "start": start, "shape": [*out.shape], "block": [64, 64, 256]}
        at_once(receive_blocks(Body(body), out, start, len(body), bool))
        assert (out == expected).all()


async def test_labels_beyond_53_bits_are_exact_in_every_encoding(lab):
    box = ([0, 0, 0], [8, 8, 8])
    array, _ = await lab.npy(lab.content.root.uuid, "labels", *box)
    assert (array == lab.content.labels[:8, :8, :8]).all()
    assert array.dtype == np.dtype("<u8")
    made = (await lab.call("read", node="prod", instance="labels", start=box[0], stop=box[1]))["$ndarray"]
    assert (made["dtype"], made["shape"]) == ("<u8", [8, 8, 8])


async def test_cutouts_that_overlap_share_their_blocks(lab):
    first = ([0, 0, 0], [40, 70, 64])
    await lab.npy("prod", "gray", *first)
    sent = lab.dvid.sent["raw"]
    await lab.npy("prod", "gray", [0, 0, 32], [40, 70, 100])
    await lab.ask("GET", f"/api/node/{lab.content.root.uuid}/gray/raw/0_1_2/100_70_40/0_0_0")
    assert lab.dvid.sent["raw"] == sent
    assert lab.dvid.requests["raw"] == 1


async def test_cutouts_of_the_same_voxels_at_once_read_each_block_once(lab, dvid_lab):
    held = dvid_lab.Held()
    with lab.dvid.fault(held, "raw"):
        asked = [
            asyncio.create_task(lab.npy("prod", "gray", [0, 0, 0], [40, 70, 60 + at])) for at in range(6)
        ]
        await asyncio.to_thread(held.waiting.wait, 10)
        held.release()
        arrays = await asyncio.gather(*asked)
    assert all((array == lab.content.gray[:, :, : 60 + at]).all() for at, (array, _) in enumerate(arrays))
    assert lab.dvid.requests["raw"] == 1


async def test_a_child_has_its_ancestors_voxels_and_each_version_its_own_blocks(lab):
    array, fields = await lab.npy(lab.content.middle.uuid, "gray", [0, 0, 0], [8, 8, 8])
    assert (array == lab.content.gray[:8, :8, :8]).all()
    assert "fwd=miss" in fields["Cache-Status"]
    _, fields = await lab.npy(lab.content.root.uuid, "gray", [0, 0, 0], [8, 8, 8])
    assert "fwd=miss" in fields["Cache-Status"], "another version is asked for its own"


async def test_nothing_of_an_open_version_is_kept_and_own_writes_are_seen_at_once(lab):
    node = lab.content.open.uuid
    box = ([0, 0, 0], [32, 32, 32])
    before, fields = await lab.npy(node, "gray", *box)
    assert "fwd=bypass" in fields["Cache-Status"]
    new = (before + 1).astype(np.uint8)
    made = {"$ndarray": {"dtype": "|u1", "shape": [32, 32, 32], "base64": base64(new)}}
    assert await lab.call("write", node=node, instance="gray", start=box[0], data=made, mutate=True) == {
        "written": [32, 32, 32],
        "start": [0, 0, 0],
    }
    after, _ = await lab.npy(node, "gray", *box)
    assert (after == new).all()
    old, _ = await lab.npy("prod", "gray", *box)
    assert (old == before).all()
    assert lab.dvid.writes == 1


async def at_open(lab, form, start, stop, verb="GET", instance="gray", **fields):
    """Status, header fields and body of a read at the open version by its plain address."""
    query = {"node": lab.content.open.uuid, "instance": instance, "format": form}
    query |= {"start": json.dumps(start), "stop": json.dumps(stop)}
    async with lab.session.request(
        verb, f"{lab.address}/rpc/dvid.read", params=query, headers=lab.fields(fields)
    ) as answer:
        return answer.status, answer.headers, await answer.read()


@pytest.mark.parametrize("instance", ["gray", "labels"])
async def test_voxels_of_an_open_version_are_the_same_in_every_encoding(lab, instance):
    start, stop = [3, 5, 7], [33, 65, 97]
    expected = padded(getattr(lab.content, instance), start, stop)
    _, fields, file = await at_open(lab, "npy", start, stop, instance=instance)
    written = io.BytesIO()
    np.save(written, expected)
    assert file == written.getvalue()
    assert int(fields["Content-Length"]) == len(file)
    made = json.loads((await at_open(lab, "json", start, stop, instance=instance))[2])["$ndarray"]
    assert (made["dtype"], made["shape"]) == (expected.dtype.str, [*expected.shape])
    assert b64decode(made["base64"]) == expected.tobytes()
    params = {"node": lab.content.open.uuid, "instance": instance, "start": start, "stop": stop}
    assert await lab.call("read", **params) == {"$ndarray": made}
    call = {"jsonrpc": "2.0", "id": 1, "method": "dvid.read", "params": params}
    asked = msgpack.packb([call, call | {"id": 2}])
    kind = lab.fields({"Content-Type": "application/msgpack"})
    async with lab.session.post(f"{lab.address}/rpc", data=asked, headers=kind) as answer:
        both = [one["result"] for one in msgpack.unpackb(await answer.read(), strict_map_key=False)]
    assert [(one[b"type"], one[b"shape"], one[b"data"]) for one in both] == [
        (expected.dtype.str, [*expected.shape], expected.tobytes())
    ] * 2


def released(held):
    """Let the request go on once it has come."""
    held.waiting.wait(10)
    held.release()


async def test_equal_reads_of_an_open_version_at_once_are_one_request_and_each_has_all_voxels(lab, dvid_lab):
    params = {"node": lab.content.open.uuid, "instance": "gray", "start": [0, 0, 0], "stop": [40, 70, 100]}
    expected = await lab.call("read", **params)
    lab.dvid.forget()
    held = dvid_lab.Held()
    calls = [{"jsonrpc": "2.0", "id": at, "method": "dvid.read", "params": params} for at in range(6)]
    with lab.dvid.fault(held, "raw"):
        release = asyncio.create_task(asyncio.to_thread(released, held))
        async with lab.session.post(f"{lab.address}/rpc", json=calls, headers=lab.fields()) as answer:
            found = await answer.json()
        await release
    assert [one.get("result") for one in found] == [expected] * 6
    assert lab.dvid.requests["raw"] == 1


async def test_equal_large_reads_of_an_open_version_at_once_each_have_all_voxels(lab):
    box = ([0, 0, 0], [257, 256, 256])
    expected = padded(lab.content.gray, *box)
    for array, _ in await asyncio.gather(*(lab.npy(lab.content.open.uuid, "gray", *box) for _ in range(3))):
        assert (array == expected).all()


async def test_a_file_of_an_open_version_may_be_kept_for_as_long_as_its_tag_says_so(lab):
    box = ([0, 0, 0], [32, 32, 32])
    status, fields, file = await at_open(lab, "npy", *box)
    tag = {"If-None-Match": fields["ETag"]}
    assert (status, fields["Cache-Control"]) == (200, "private, no-cache")
    assert (await at_open(lab, "npy", *box, **tag))[::2] == (304, b"")
    status, head, body = await at_open(lab, "npy", *box, verb="HEAD")
    assert (status, head["ETag"], body) == (200, fields["ETag"], b"")
    assert int(head["Content-Length"]) == len(file)
    new = np.full((32, 32, 32), 7, np.uint8)
    made = {"$ndarray": {"dtype": "|u1", "shape": [32, 32, 32], "base64": base64(new)}}
    await lab.call("write", node=lab.content.open.uuid, instance="gray", start=box[0], data=made, mutate=True)
    status, again, file = await at_open(lab, "npy", *box, **tag)
    assert status == 200
    assert again["ETag"] != fields["ETag"]
    assert (np.load(io.BytesIO(file)) == new).all()


async def test_who_puts_arrays_in_their_place_gets_those_of_an_open_version_without_a_tag(lab):
    box = ([0, 0, 0], [64, 128, 256])
    blocks = {"Accept": "application/x-labgate-blocks, application/x-npy"}
    _, fields, file = await at_open(lab, "npy", *box, **blocks)
    assert (fields["Content-Type"], fields["Cache-Control"]) == ("application/x-npy", "no-store")
    assert "ETag" not in fields
    assert file == (await at_open(lab, "npy", *box))[2]


def base64(array):
    import base64 as b64

    return b64.b64encode(array.tobytes()).decode()


async def test_a_version_that_is_locked_through_the_gate_is_kept_from_then_on(lab):
    node = lab.content.open.uuid
    await lab.npy(node, "gray", [0, 0, 0], [8, 8, 8])
    await lab.call("commit", node=node, note="done")
    assert (await lab.call("node", node=node))["locked"] is True
    _, fields = await lab.npy(node, "gray", [0, 0, 0], [8, 8, 8])
    assert "fwd=miss" in fields["Cache-Status"]
    _, fields = await lab.npy(node, "gray", [0, 0, 0], [8, 8, 8])
    assert "labgate; hit" in fields["Cache-Status"]


async def test_a_branchs_name_leads_to_its_leaf_and_moves_with_it(lab):
    assert (await lab.call("node", node="newest"))["uuid"] == lab.content.open.uuid
    await lab.call("commit", node="newest")
    child = await lab.call("newversion", node="newest", note="next")
    assert (await lab.call("node", node="newest"))["uuid"] == child["child"]
    assert (await lab.call("node", node=":master~1"))["uuid"] == lab.content.open.uuid
    assert (await lab.call("node", node=":side"))["uuid"] == lab.content.branch.uuid


# --- faults


@pytest.mark.parametrize("fault", ["torn", "short", "surplus", "late"])
async def test_an_answer_of_another_length_is_an_error_and_nothing_of_it_is_stored(lab, dvid_lab, fault):
    made = {
        "torn": dvid_lab.torn(1000),
        "short": dvid_lab.short(1),
        "surplus": dvid_lab.surplus(b"more"),
        "late": dvid_lab.late(1000),
    }[fault]
    path = f"/api/node/{lab.content.root.uuid}/gray/raw/0_1_2/100_70_40/0_0_0"
    with lab.dvid.fault(made, "raw"):
        error = await lab.error("read", node="prod", instance="gray", start=[0, 0, 0], stop=[40, 70, 100])
        assert error["data"]["fault"] in ("UpstreamBroken", "UpstreamUnreachable")
        assert (await lab.ask("GET", path))[0] in (502, 503)
    status, fields, body = await lab.ask("GET", path)
    assert (status, body) == (200, lab.content.gray.tobytes())
    assert "fwd=miss" in fields["Cache-Status"]


async def test_a_service_that_is_busy_is_asked_again_within_the_calls_time(lab, dvid_lab):
    with lab.dvid.fault(dvid_lab.busy(2), "raw"):
        array, _ = await lab.npy("prod", "gray", [0, 0, 0], [40, 70, 100])
    assert (array == lab.content.gray).all()
    assert lab.dvid.requests["raw"] == 3


BAD = [
    ({"stop": [0, 0, 0]}, "is empty"),
    ({"stop": [-1, 5, 5]}, "is empty"),
    ({"start": [0, 0]}, "three whole numbers"),
    ({"start": [0, 0, 0.5]}, "three whole numbers"),
    ({"start": "here"}, "three whole numbers"),
    ({"stop": [10**10, 10, 10]}, "farther away"),
    ({"stop": [5000, 5000, 5000]}, "read it in parts"),
    ({"node": "ffff"}, "No version is called"),
    ({"node": ""}, "node is a text"),
    ({"node": "prod:nobranch"}, "no branch"),
    ({"instance": "nothing"}, "has no data 'nothing'"),
    ({"instance": "keys"}, "has no voxels"),
    ({"scale": -1}, "from 0 on"),
    ({"scale": 3}, "no scale 3"),
]


@pytest.mark.parametrize(("change", "words"), BAD)
async def test_what_cannot_be_read_is_said_and_nobody_is_asked(lab, change, words):
    asked = {"node": "prod", "instance": "gray", "start": [0, 0, 0], "stop": [4, 4, 4]} | change
    error = await lab.error("read", **asked)
    assert error["data"]["fault"] == "InvalidParams"
    assert words in error["message"]
    assert not lab.dvid.requests["raw"]


BAD_WRITES = [
    ({"start": [0, 0, 5]}, "do not begin and end at the borders of blocks of 32"),
    ({"data": [[[1, 2]]]}, "do not begin and end at the borders"),
    ({"data": [[[1.5] * 32] * 32] * 32}, "voxels of uint8"),
    ({"data": [[1]]}, "3 dimensions"),
    ({"data": "no"}, "voxels of uint8"),
    ({"data": [[[300] * 32] * 32] * 32}, "voxels of uint8"),
    ({"instance": "keys"}, "has no voxels"),
]


@pytest.mark.parametrize(("change", "words"), BAD_WRITES)
async def test_what_cannot_be_written_is_refused_before_anything_is_sent(lab, change, words):
    asked = {
        "node": lab.content.open.uuid,
        "instance": "gray",
        "start": [0, 0, 0],
        "data": [[[1] * 32] * 32] * 32,
    }
    error = await lab.error("write", **(asked | change))
    assert words in error["message"], error
    assert lab.dvid.writes == 0


async def test_a_locked_version_is_not_written_to_and_the_error_names_it(lab):
    error = await lab.error(
        "write", node="prod", instance="gray", start=[0, 0, 0], data=[[[1] * 32] * 32] * 32
    )
    assert error["data"]["fault"] == "Locked"
    assert lab.content.root.uuid in error["message"]
    assert lab.dvid.writes == 0
    assert json.dumps(error)


async def test_an_array_breaks_off_when_its_caller_has_had_far_more_bytes_than_they_may(
    behind_gate, tmp_path
):
    more = f"limits: {{per_principal: {{bytes: 1MB/d}}}}\ntelemetry: {{audit: {tmp_path}/audit.jsonl}}"
    async with behind_gate(more=more) as lab:
        array, _ = await lab.npy("prod", "gray", [0, 0, 0], [64, 64, 64])
        assert array.shape == (64, 64, 64)
        with pytest.raises(aiohttp.ClientError):
            await lab.npy("prod", "gray", [0, 0, 0], [200, 256, 256])
        await asyncio.to_thread(lab.gate.relay.auditor.close)
        (record,) = map(json.loads, (tmp_path / "audit.jsonl").read_text().splitlines())
        assert (record["kind"], record["outcome"]) == ("refusal", "RateLimited")
