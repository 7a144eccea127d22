"""Whatever goes wrong around a cutout, nothing wrong is kept, nobody else pays for it, and the caller is told."""

import asyncio
import base64
import itertools
import json
import resource
import sys
import time

import aiohttp
import numpy as np
import pytest

from gateway.dialects.dvid.asking import KNOWN_SECONDS

LARGE = ([0, 0, 0], [64, 1024, 1024])
"""Of 64 blocks, which are read in four boxfuls."""


def node(lab, which="root"):
    return f"/api/node/{getattr(lab.content, which).uuid}"


def raw(lab, which="root", name="gray", size="100_70_40", offset="0_0_0"):
    return f"{node(lab, which)}/{name}/raw/0_1_2/{size}/{offset}"


async def until(found, seconds=20):
    async with asyncio.timeout(seconds):
        while not found():
            await asyncio.sleep(0.005)


def padded(array, stop):
    out = np.zeros(stop, array.dtype)
    out[tuple(slice(side) for side in array.shape)] = array
    return out


# --- errors that come late


@pytest.fixture
async def filled(lab):
    """The lab with values at its open version, which is locked then."""
    for key in "abc":
        assert (await lab.ask("POST", f"{node(lab, 'open')}/keys/key/{key}", b'{"a": 1}'))[0] == 200
    assert (await lab.ask("POST", f"{node(lab, 'open')}/commit", b"{}"))[0] == 200
    lab.dvid.forget()
    return lab


@pytest.mark.parametrize("after", [0, 1, 20])
async def test_an_error_at_the_end_of_a_200_of_unknown_length_is_passed_on_and_not_stored(
    filled, dvid_lab, after
):
    path = node(filled, "open") + "/keys/keyrangevalues/a/c?json=true"
    for asked in (path, path.replace("/a/c", "/a/%63")):
        with filled.dvid.fault(dvid_lab.late(after), "keyrangevalues"):
            status, fields, body = await filled.ask("GET", asked)
            assert (status, body) == (200, filled.dvid.ask("GET", asked)[2])
            assert body.endswith(
                b"unable to read block (" + node(filled, "open").encode() + b"/keys/keyrangevalues/a/c).\n"
            )
            assert "hit" not in fields["Cache-Status"]
    for said in ("fwd=miss", "hit"):
        _, fields, body = await filled.ask("GET", path)
        assert json.loads(body) == {key: {"a": 1} for key in "abc"}
        assert f"labgate; {said}" in fields["Cache-Status"]


async def test_a_value_that_only_looks_like_an_error_is_stored(filled):
    path = node(filled, "branch") + "/keys/key/odd"
    await filled.ask("POST", path, b"it failed (/api/node/elsewhere/keys/key/odd).\n")
    await filled.ask("POST", node(filled, "branch") + "/commit", b"{}")
    assert (await filled.ask("GET", path))[0] == 200
    assert "labgate; hit" in (await filled.ask("GET", path))[1]["Cache-Status"]


async def test_a_method_whose_answer_ends_with_an_error_fails_with_its_text(filled, dvid_lab):
    asked = {"instance": "keys", "first": "a", "last": "c"}
    for which in ("open", "branch"):
        uuid = getattr(filled.content, which).uuid
        with filled.dvid.fault(dvid_lab.late(0), "keyrangevalues"):
            error = await filled.error("key_range_values", node=uuid, **asked)
        assert error["data"]["fault"] == "UpstreamBroken"
        assert "unable to read block" in error["message"]
    assert await filled.call("key_range_values", node=filled.content.open.uuid, **asked) == {
        key: {"a": 1} for key in "abc"
    }


# --- sizes


SIZES = [
    ("0_0_0", "0_0_0"),
    ("-1_4_4", "0_0_0"),
    ("4_4", "0_0_0"),
    ("4_4_4_4", "0_0_0"),
    ("4_4_4", "0_0"),
    ("4_4_4", "a_b_c"),
    ("4_4_4", "0_0_%30"),
    ("4_4_4", "%200_0_0"),
    ("4_4_4", "+0_0_0"),
    ("4_4_4", "٣_0_0"),
    ("9" * 5000 + "_1_1", "0_0_0"),
    ("100000_100000_100000", "0_0_0"),
    ("2000_2000_2000", "0_0_0"),
    ("2147483648_2147483648_2147483648", "0_0_0"),
    ("4_4_4", "99999999999_0_0"),
    ("4_4_4", "0_0_0/nonsense"),
    ("4_4_4", "0_0_0?scale=" + "9" * 5000),
    ("4_4_4", "0_0_0?scale=-1"),
    ("4_4_4", "0_0_0?scale=%D9%A3"),
]


@pytest.mark.parametrize("which", ["root", "open"])
async def test_sizes_that_make_no_sense_are_answered_as_the_service_answers_them(lab, which):
    for (size, offset), name in itertools.product(SIZES, ("gray", "labels")):
        path = raw(lab, which, name, size, offset)
        status, _, body = await lab.ask("GET", path)
        direct = lab.dvid.ask("GET", path.replace("٣", "%D9%A3"))
        assert (status, body) == (direct[0], direct[2])


async def test_a_thin_line_through_many_blocks_is_one_read_and_kept_as_it_is(lab):
    path = raw(lab, size="1_1_20000", offset="5_6_0")
    for said in ("fwd=miss", "hit"):
        status, fields, body = await lab.ask("GET", path)
        assert (status, body[:40]) == (200, lab.content.gray[:, 6, 5].tobytes())
        assert len(body) == 20_000
        assert f"labgate; {said}" in fields["Cache-Status"]
    assert lab.dvid.sent["raw"] == 20_000
    array, _ = await lab.npy("prod", "gray", [0, 6, 5], [20_000, 7, 6])
    assert array.tobytes() == body
    error = await lab.error("read", node="prod", instance="gray", start=[0, 0, 0], stop=[1 << 30, 1, 1])
    assert error["data"]["fault"] == "InvalidParams"
    assert "thin line" in error["message"]


# --- a service that dies


async def test_a_read_that_dies_beside_others_is_an_error_and_only_what_is_missing_is_read_again(
    lab, dvid_lab
):
    torn = dvid_lab.torn(100_000)
    numbers = iter(range(1000))

    def third(request, true_answer):
        return torn(request, true_answer) if next(numbers) >= 2 else true_answer()

    with lab.dvid.fault(third, "raw"):
        error = await lab.error("read", node="prod", instance="gray", start=LARGE[0], stop=LARGE[1])
    assert error["data"]["fault"] in ("UpstreamUnreachable", "UpstreamBroken")
    await until(lambda: not lab.gate.estate.upstreams["dvid"].in_flight)
    array, _ = await lab.npy("prod", "gray", *LARGE)
    assert (array == padded(lab.content.gray, LARGE[1])).all()
    lab.dvid.forget()
    await lab.npy("prod", "gray", *LARGE)
    assert not lab.dvid.requests["raw"]


async def test_a_service_that_dies_after_a_cutout_has_begun_ends_the_connection_and_not_the_array(
    lab, dvid_lab
):
    torn = dvid_lab.torn(1000)

    def later(request, true_answer):
        return true_answer() if request.path.endswith("_0") else torn(request, true_answer)

    with lab.dvid.fault(later, "raw"):
        with pytest.raises(aiohttp.ClientError):
            await lab.ask("GET", raw(lab, size="100_70_300"))
    await until(lambda: not lab.gate.estate.upstreams["dvid"].in_flight)
    status, _, body = await lab.ask("GET", raw(lab, size="100_70_300"))
    assert (status, body) == (200, padded(lab.content.gray, (300, 70, 100)).tobytes())


async def test_blocks_end_so_too_and_a_first_slab_that_fails_is_still_the_services_error(lab, dvid_lab):
    ask = {"node": "prod", "instance": "gray", "start": "[0,0,0]", "format": "npy"}
    blocks = lab.fields({"Accept": "application/x-labgate-blocks"})

    async def read(stop):
        query = {**ask, "stop": stop}
        async with lab.session.get(f"{lab.address}/rpc/dvid.read", params=query, headers=blocks) as answer:
            return answer.status, answer.headers["Content-Type"], await answer.read()

    torn = dvid_lab.torn(1000)
    with lab.dvid.fault(torn, "raw"):
        status, kind, body = await read("[64,128,256]")
        assert (status, kind) == (502, "application/json")
        assert b"UpstreamUnreachable" in body

    def later(request, true_answer):
        return true_answer() if request.path.endswith("_0") else torn(request, true_answer)

    with lab.dvid.fault(later, "raw"), pytest.raises(aiohttp.ClientError):
        await read("[128,128,256]")
    await until(lambda: not lab.gate.estate.upstreams["dvid"].in_flight)
    status, kind, body = await read("[128,128,256]")
    assert (status, kind, len(body) > 1 << 22) == (200, "application/x-labgate-blocks", True)


# --- a caller that leaves


@pytest.mark.parametrize("way", ["mount", "rpc"])
async def test_a_caller_that_leaves_ends_its_reads_and_nothing_of_it_is_left(lab, dvid_lab, way):
    await lab.ask("GET", raw(lab, size="1_1_1"))
    before = len(asyncio.all_tasks())
    held = dvid_lab.Held()
    with lab.dvid.fault(held, "raw"):
        if way == "mount":
            asked = lab.ask("GET", raw(lab, "middle", size="1024_1024_64"))
        else:
            asked = lab.npy(lab.content.middle.uuid, "gray", *LARGE)
        task = asyncio.create_task(asked)
        await asyncio.to_thread(held.waiting.wait, 10)
        task.cancel()
        await asyncio.wait((task,))
        await until(lambda: not lab.gate.estate.upstreams["dvid"].in_flight)
        held.release()
    await until(lambda: len(asyncio.all_tasks()) <= before)
    array, _ = await lab.npy(lab.content.middle.uuid, "gray", *LARGE)
    assert (array == padded(lab.content.gray, LARGE[1])).all()


async def test_who_waits_for_the_reads_of_a_caller_that_leaves_gets_its_voxels(lab, dvid_lab):
    held = dvid_lab.Held()
    with lab.dvid.fault(held, "raw"):
        first = asyncio.create_task(lab.npy("prod", "gray", [0, 0, 0], [40, 70, 100]))
        await asyncio.to_thread(held.waiting.wait, 10)
        others = [
            asyncio.create_task(lab.npy("prod", "gray", [0, 0, 0], [40, 70, 90 + at])) for at in range(3)
        ]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait((first,))
        held.release()
        arrays = await asyncio.gather(*others)
    assert all((array == lab.content.gray[:, :, : 90 + at]).all() for at, (array, _) in enumerate(arrays))


# --- the disk


async def test_cutouts_at_once_before_an_empty_disk_read_each_block_once(with_disk, dvid_lab):
    async with with_disk() as lab:
        held = dvid_lab.Held()
        with lab.dvid.fault(held, "raw"):
            asked = [asyncio.create_task(lab.npy("prod", "gray", *LARGE)) for _ in range(4)]
            await asyncio.to_thread(held.waiting.wait, 10)
            held.release()
            arrays = await asyncio.gather(*asked)
        assert all((array == padded(lab.content.gray, LARGE[1])).all() for array, _ in arrays)
        assert lab.dvid.sent["raw"] == 64 << 20


async def test_after_a_restart_and_for_other_workers_blocks_come_from_the_disk(with_disk, another_gate):
    async with with_disk() as lab:
        await lab.npy("prod", "gray", *LARGE)
        await lab.ask("GET", node(lab) + "/keys/keys")
        await lab.gate.shelves.settle()
        lab.dvid.forget()
        async with another_gate(lab) as second:
            array, _ = await second.npy("prod", "gray", [0, 32, 0], [64, 1000, 1000])
            assert (array == padded(lab.content.gray, LARGE[1])[:, 32:1000, :1000]).all()
            told = (await second.ask("GET", node(lab) + "/keys/keys"))[1]["Cache-Status"]
            assert told.startswith("labgate; hit")
        assert not lab.dvid.requests["raw"]
        assert not lab.dvid.requests["keys"]


async def test_a_full_disk_costs_nobody_their_voxels(with_disk, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # else Python leaves its own files cut, too
    async with with_disk() as lab:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        try:
            for _ in range(2):
                array, _ = await lab.npy("prod", "gray", *LARGE)
                assert (array == padded(lab.content.gray, LARGE[1])).all()
            await lab.gate.shelves.settle()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (await lab.ask("GET", raw(lab)))[2] == lab.content.gray.tobytes()


# --- versions and data that change elsewhere


async def test_a_version_that_is_locked_between_a_read_and_a_write_is_said_to_be_locked(lab):
    uuid = lab.content.open.uuid
    array, _ = await lab.npy(uuid, "gray", [0, 0, 0], [32, 32, 32])
    lab.content.store.commit(lab.content.open)
    sent = base64.b64encode(array.tobytes()).decode()
    made = {"$ndarray": {"dtype": "|u1", "shape": [32, 32, 32], "base64": sent}}
    error = await lab.error("write", node=uuid, instance="gray", start=[0, 0, 0], data=made)
    assert error["data"]["fault"] == "Locked"
    assert uuid in error["message"]
    status, _, body = await lab.ask("POST", raw(lab, "open", size="32_32_32"), array.tobytes())
    direct = lab.dvid.ask("POST", raw(lab, "open", size="32_32_32"), array.tobytes())
    assert (status, body) == (direct[0], direct[2])
    assert b"lock" in body
    assert lab.dvid.writes == 0


async def test_a_name_whose_branch_moves_leads_to_the_new_leaf_and_to_nothing_that_was_kept_of_the_old(lab):
    await lab.ask("POST", node(lab, "open") + "/keys/key/a", b"old")
    await lab.ask("POST", node(lab, "open") + "/commit", b"{}")
    for _ in range(2):
        assert (await lab.ask("GET", "/api/node/newest/keys/key/a"))[2] == b"old"
    status, _, body = await lab.ask("POST", node(lab, "open") + "/newversion", b"{}")
    child = json.loads(body)["child"]
    assert status == 200
    assert (await lab.ask("POST", "/api/node/newest/keys/key/a", b"new"))[0] == 200
    assert lab.dvid.ask("GET", f"/api/node/{child}/keys/key/a")[2] == b"new"
    assert (await lab.ask("GET", "/api/node/newest/keys/key/a"))[2] == b"new"
    assert (await lab.ask("GET", f"{node(lab, 'open')}/keys/key/a"))[2] == b"old"


async def test_a_branch_that_others_move_is_known_as_soon_as_the_gate_asks(lab):
    assert (await lab.call("node", node="newest"))["uuid"] == lab.content.open.uuid
    lab.content.store.commit(lab.content.open)
    child = lab.content.store.new_child(lab.content.repo, [lab.content.open])
    status, _, body = await lab.ask("GET", "/api/node/newest/status", **{"Cache-Control": "no-cache"})
    assert (status, json.loads(body)) == (200, {"Locked": False})
    assert (await lab.call("node", node="newest"))["uuid"] == child.uuid


async def test_data_that_were_deleted_through_the_gate_and_made_anew_are_the_new_ones_at_once(lab):
    await lab.npy("prod", "gray", [0, 0, 0], [40, 70, 100])
    await lab.ask("GET", node(lab) + "/keys/keys")
    for name, kind in (("gray", "uint8blk"), ("keys", "keyvalue")):
        assert (await lab.ask("DELETE", f"/api/repo/{lab.content.root.uuid}/{name}?imsure=true"))[0] == 200
        assert (await lab.ask("GET", f"{node(lab)}/{name}/info"))[0] == 400
        made = json.dumps({"typename": kind, "dataname": name}).encode()
        assert (await lab.ask("POST", f"/api/repo/{lab.content.root.uuid}/instance", made))[0] == 200
    array, fields = await lab.npy("prod", "gray", [0, 0, 0], [40, 70, 100])
    assert "fwd=miss" in fields["Cache-Status"]
    assert not array.any()
    assert (await lab.ask("GET", raw(lab)))[2] == bytes(40 * 70 * 100)
    assert json.loads((await lab.ask("GET", node(lab) + "/keys/keys"))[2]) == []


async def test_data_that_others_deleted_and_made_anew_are_the_new_ones_within_seconds(lab):
    await lab.npy("prod", "gray", [0, 0, 0], [40, 70, 100])
    del lab.content.repo.instances["gray"]
    lab.content.store.new_instance(lab.content.repo, "uint8blk", "gray", {})
    began = time.monotonic()
    while (await lab.npy("prod", "gray", [0, 0, 0], [40, 70, 100]))[0].any():
        assert time.monotonic() - began < KNOWN_SECONDS + 5
        await asyncio.sleep(0.05)
    assert (await lab.ask("GET", raw(lab)))[2] == bytes(40 * 70 * 100)


async def test_a_mask_that_was_made_anew_masks_anew(lab):
    where = node(lab, "branch")
    await lab.ask("POST", where + "/area/roi", b"[[0, 0, 0, 0]]")
    await lab.ask("POST", where + "/commit", b"{}")
    path = raw(lab, "branch") + "?roi=area"
    before = (await lab.ask("GET", path))[2]
    assert "labgate; hit" in (await lab.ask("GET", path))[1]["Cache-Status"]
    await lab.ask("DELETE", f"/api/repo/{lab.content.root.uuid}/area?imsure=true")
    await lab.ask(
        "POST", f"/api/repo/{lab.content.root.uuid}/instance", b'{"typename": "roi", "dataname": "area"}'
    )
    after = (await lab.ask("GET", path))[2]
    assert after == lab.dvid.ask("GET", path)[2]
    assert after != before
