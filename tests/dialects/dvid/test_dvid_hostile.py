"""Whatever a DVID says of itself, its callers get an answer or a fault that says what is wrong, and never a mistake of the gate's."""

import asyncio
import json

import pytest

from gateway.demo.dvid.http import Answer, refusal
from gateway.demo.dvid.lab import add_volume


def said(body, media_type="application/json"):
    """A fault: this is answered instead."""
    return lambda request, true_answer: Answer([body], media_type)


NO_LISTS = [
    b"",
    b"null",
    b"[]",
    b'"a"',
    b"{",
    b'{"a": {"DAG": {"Nodes": {"u": {"Locked": 1}}}}}',
    b"\xff",
    b"[" * 5_000_000,
]


@pytest.mark.parametrize("body", NO_LISTS)
async def test_a_list_of_repositories_that_is_none_is_said_to_be_none_and_the_mount_does_without(lab, body):
    path = f"/api/node/{lab.content.root.uuid}/gray/raw/0_1_2/100_70_40/0_0_0"
    with lab.dvid.fault(said(body), "repos/info"):
        for method, params in (
            ("repos", {}),
            ("node", {"node": "prod"}),
            ("get_key", {"node": "prod", "instance": "keys", "key": "a"}),
            ("read", {"node": "prod", "instance": "gray", "start": [0, 0, 0], "stop": [4, 4, 4]}),
        ):
            error = await lab.error(method, **params)
            assert error["data"]["fault"] == "UpstreamBroken", (method, error)
            assert "does not say which repositories it has" in error["message"]
        status, _, data = await lab.ask("GET", path)
        assert (status, data) == (200, lab.content.gray.tobytes())
        assert (await lab.ask("GET", "/api/repos/info"))[2] == body
        status, _, _ = await lab.ask("GET", "/api/node/prod/status")
        assert status == 502, "a name of ours cannot be looked up"
    # What was said is believed for some seconds; `no-cache` does not wait for the end of them.
    assert (await lab.ask("GET", "/api/node/prod/status", **{"Cache-Control": "no-cache"}))[0] == 200
    assert await lab.call("repos")


async def test_a_list_that_is_refused_is_told_as_it_is(lab):
    with lab.dvid.fault(lambda *_: refusal(500, b"out of memory\n"), "repos/info"):
        assert "out of memory" in json.dumps(await lab.error("repos"))


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[1]", b"{", b"5", b'{"Extended": 7, "Extents": [1]}', b"\xff"]
)
async def test_what_is_said_of_data_and_is_none_is_a_volume_without_voxels_or_a_fault(lab, body):
    with lab.dvid.fault(said(body), "info"):
        answer = await lab.said("volume", node="prod", instance="gray")
    if "error" in answer:
        assert answer["error"]["data"]["fault"] == "UpstreamBroken"
        assert "is no JSON" in answer["error"]["message"]
    else:
        assert answer["result"]["instance"] == "gray"


@pytest.mark.parametrize(
    "pages",
    [
        {"help": b"\x00\xff<pre>" + b"<a " * 1000, "types": b"{}"},
        {
            "help": b"GET /api/{node}/{node}/<a b>/<a b>\n" * 1000,
            "types": b'{"a/b": 1, "rpc": 2, "\xc3\xa9": 3, "x": 4}',
        },
        {"help": b"", "types": b"[1, null]"},
        {"help": b"GET <api URL>/node/<UUID>/../../admin\nPOST /api//x\n", "types": b"nonsense"},
    ],
)
async def test_pages_of_help_that_are_none_cost_only_what_they_would_have_named(lab, pages):
    with lab.dvid.fault(said(pages["types"]), "server/compiled-types"):
        made = said(pages["help"], "text/html")
        with lab.dvid.fault(made, "help"), lab.dvid.fault(made, "help/x"), lab.dvid.fault(made, "help/rpc"):
            await lab.gate.discovery.refresh()
            assert not any(one.down for one in lab.gate.discovery.health().values())
            assert await lab.call("repos")
            fields = lab.fields()
            async with lab.session.get(f"{lab.address}/openrpc.json", headers=fields) as answer:
                names = {one["name"] for one in (await answer.json())["methods"]}
    assert {"dvid.read", "dvid.keys"} <= names
    assert not [name for name in names if "admin" in name]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"nonsense", b'{"DVID Version": null}'])
async def test_a_service_that_is_no_dvid_is_said_to_be_none(dvid_lab, gate_of, body):
    with dvid_lab.running(dvid_lab.small().store) as server, server.fault(said(body), "server/info"):
        async with gate_of(
            f'services: {{dvid: {{dialect: dvid, url: "{server.url}", mount: /dvid}}}}'
        ) as gate:
            async with asyncio.timeout(20):
                while not (
                    found := [one for one in gate.discovery.health().values() if one.down and one.why]
                ):
                    await asyncio.sleep(0.005)
            assert "is no DVID" in found[0].why


NAMES = ["with space", "per%20cent", "süß", "a+b", "a;b", "a?b", "a#b", "..."]


async def test_odd_names_of_data_are_names_and_change_no_request(behind_gate, dvid_lab):
    content = dvid_lab.small()
    for name in NAMES:
        add_volume(content.store, content.repo, content.root, "uint8blk", name, content.gray)
        content.store.new_instance(content.repo, "keyvalue", f"keys {name}", {})
    async with behind_gate(content=content) as lab:
        for name in NAMES:
            array, _ = await lab.npy("prod", name, [0, 0, 0], [40, 70, 100])
            assert (array == content.gray).all(), name
            assert (await lab.call("volume", node="prod", instance=name))["shape"] == [40, 70, 100]
            assert await lab.call("keys", node="prod", instance=f"keys {name}") == []
            assert (await lab.call("info", node="prod", instance=name))["Base"]["Name"] == name
