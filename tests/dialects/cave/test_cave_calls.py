"""A deployment's endpoints as methods: what is sent for a call, and what its caller gets."""

import base64
import io
import json

import aiohttp
import numpy as np
import pyarrow
import pytest

CONFIG = """\
include: [pack:cave]
identity:
  introspection: [{{kind: middle_auth, url: "{url}/auth"}}]
policies:
  - {{to: [authenticated], allow: ["*", "/**"]}}
services:
  cave: {{dialect: cave, url: "{url}", mount: /, token: "{token}", forward_token: true}}
"""
SV = (1 << 56) + 1
L2 = 2 << 56
ROOT = 7 << 56
THEN = "2025-06-01T00:00:00+00:00"


class Calls:
    """Calls of one person's, in one datastack."""

    def __init__(self, session, address, token, datastack="minnie_demo"):
        self._session, self._address, self._token = session, address, token
        self.datastack = datastack

    async def said(self, method, *args, **params):
        body = {"jsonrpc": "2.0", "method": method, "params": list(args) or params, "id": 1}
        headers = {"Authorization": f"Bearer {self._token}"}
        url = f"http://127.0.0.1:{self._address[1]}/rpc"
        where = {"datastack": self.datastack} if self.datastack else {}
        async with self._session.post(url, json=body, headers=headers, params=where) as answer:
            return json.loads(await answer.read())

    async def __call__(self, method, *args, **params):
        said = await self.said(method, *args, **params)
        assert "error" not in said, said
        return said["result"]

    async def error(self, method, *args, **params):
        said = await self.said(method, *args, **params)
        assert "result" not in said, said
        return said["error"]


@pytest.fixture(scope="module")
def lab(cave_lab):
    with cave_lab.running() as running:
        yield running


@pytest.fixture
async def calls(lab, cave_lab, gate_of):
    """`calls(name, datastack)`: somebody's calls."""
    lab.forget()
    async with (
        gate_of(CONFIG.format(url=lab.url, token=cave_lab.TOKENS["gate"])) as gate,
        aiohttp.ClientSession() as session,
    ):
        yield lambda name="ada", datastack="minnie_demo": Calls(
            session, gate.address, cave_lab.TOKENS[name], datastack
        )


def array(value):
    form = value["$ndarray"]
    return np.frombuffer(base64.b64decode(form["base64"]), form["dtype"]).reshape(form["shape"])


def table(value):
    return pyarrow.ipc.open_stream(io.BytesIO(base64.b64decode(value["$binary"]["base64"]))).read_all()


async def test_the_lists_name_what_the_deployment_and_the_callers_datastack_have(calls):
    found = await calls()("rpc.discover")
    names = {one["name"] for one in found["methods"]}
    assert {
        "info.get_datastacks",
        "chunkedgraph.get_roots",
        "materialize.query_table",
        "skeleton.get_skeleton",
    } <= names
    assert found["x-labgate"]["datastacks"] == ["fly_demo", "minnie_demo", "minnie_public"]
    assert found["x-labgate"]["aliases"] == {"schemas": "schema", "skeletonservice": "skeleton"}
    roots = next(one for one in found["methods"] if one["name"] == "chunkedgraph.get_roots")
    assert [param["name"] for param in roots["params"]] == ["supervoxel_ids", "timestamp", "stop_layer"]
    assert roots["x-labgate"]["result"] == "array"
    assert roots["x-labgate"]["safe"]
    outside = {one["name"] for one in (await calls(datastack=None)("rpc.discover"))["methods"]}
    assert not any(name.startswith("chunkedgraph") for name in outside)


async def test_what_only_the_services_documents_name_is_there_too_and_told_apart(calls):
    found = {one["name"] for one in (await calls()("rpc.discover"))["methods"]}
    assert "info.get_health" in found
    assert (
        "materialize.post_api_v2_datastack_by_datastack_name_version_by_version_table_by_table_name_query"
        in found
    )
    assert not {"materialize.simple_query", "materialize.datastack_versions"} & found
    assert (await calls()("info.get_health")) == {"ok": True}


async def test_ids_go_and_come_as_arrays_of_64_bits(calls):
    ids = np.arange(SV, SV + 1000, dtype=np.uint64)
    form = {"$ndarray": {"base64": base64.b64encode(ids.tobytes()).decode(), "dtype": "<u8", "shape": [1000]}}
    for given in (form, ids.tolist()):
        found = array(await calls()("chunkedgraph.get_roots", supervoxel_ids=given, timestamp=THEN))
        assert found.dtype == np.uint64
        assert found.tolist() == [ROOT + at // 100 + 1 for at in range(1000)]
    assert array(await calls()("chunkedgraph.get_children", ROOT + 1)).tolist() == [
        L2 + at for at in range(1, 11)
    ]
    covering = await calls()("chunkedgraph.get_minimal_covering_nodes", node_ids=[SV, SV + 100])
    assert array(covering).tolist() == [ROOT + 1, ROOT + 2]


@pytest.mark.parametrize(
    ("method", "params", "wanted"),
    [
        ("get_root_id", {"supervoxel_id": SV}, ROOT + 1),
        ("get_root_id", {"supervoxel_id": SV, "level2": True}, L2 + 1),
        ("get_root_id", {"supervoxel_id": SV, "timestamp": 1_750_000_000}, ROOT + 1),
        ("get_change_log", {"root_id": ROOT + 1}, {"n_mergers": 0, "n_splits": 0, "operations_ids": [], "past_ids": [], "user_info": {}}),
        ("get_operation_details", {"operation_ids": [41, 42]}, {}),
        ("get_oldest_timestamp", {}, "2024-01-01T00:00:00+00:00"),
        ("get_root_timestamps", {"root_ids": [ROOT + 1]}, [1704067200.0]),
        ("level2_chunk_graph", {"root_id": ROOT + 1, "bounds": [[0, 1], [0, 1], [0, 1]]}, [[L2 + at, L2 + at + 1] for at in range(1, 10)]),
        ("find_path", {"root_id": ROOT + 1, "src_pt": [1, 2, 3], "dst_pt": [4, 5, 6]}, {"centroids_list": [[8.0 * at, 8.0, 40.0] for at in range(4)], "failed_l2_ids": [], "l2_path": [L2 + at for at in range(1, 5)]}),
    ],
)  # fmt: skip
async def test_a_call_is_the_endpoints_request_and_gives_what_its_answer_is_about(
    calls, method, params, wanted
):
    assert await calls()(f"chunkedgraph.{method}", **params) == wanted


async def test_positional_arguments_stand_in_the_order_of_the_original_client(calls):
    assert await calls()("chunkedgraph.get_root_id", SV, THEN) == ROOT + 1


async def test_a_query_is_by_table_and_gives_arrow(calls):
    found = table(
        await calls()(
            "materialize.query_table",
            table="nuclei",
            filter_in_dict={"id": [3, 4]},
            materialization_version=2,
        )
    )
    assert found["id"].to_pylist() == [3, 4]
    assert found["pt_supervoxel_id"].type == pyarrow.int64()
    also = table(await calls()("materialize.query_table", "nuclei", {"nuclei": {"id": [3]}}))
    assert also.num_rows == 1
    live = table(await calls()("materialize.live_query", table="cells", timestamp=THEN, limit=2))
    assert live.num_rows == 2


async def test_without_a_version_the_newest_is_meant_and_asked_for_once_in_a_while(calls, lab):
    ada = calls()
    assert await ada("materialize.most_recent_version") == 3
    lab.forget()
    for at in range(3):
        table(await ada("materialize.query_table", table="cells", limit=at + 1))
    assert lab.asked("GET /materialize/api/v3/datastack/minnie_demo/versions ") == 1
    assert lab.asked("/version/3/table/cells/query") == 3


async def test_rows_that_are_not_all_are_a_fault_unless_the_caller_says_otherwise(cave_lab, gate_of):
    with cave_lab.running(2_000, row_limit=100) as small:
        async with (
            gate_of(CONFIG.format(url=small.url, token=cave_lab.TOKENS["gate"])) as gate,
            aiohttp.ClientSession() as session,
        ):
            ada = Calls(session, gate.address, cave_lab.TOKENS["ada"])
            error = await ada.error("materialize.query_table", table="nuclei")
            assert (error["data"]["fault"], error["data"]["limit"]) == ("Truncated", 100)
            assert (
                table(await ada("materialize.query_table", table="nuclei", allow_truncated=True)).num_rows
                == 100
            )
            assert table(await ada("materialize.query_table", table="nuclei", limit=100)).num_rows == 100
            assert (await ada.error("materialize.query_table", table="nuclei", limit=101))["data"][
                "limit"
            ] == 100
            assert table(await ada("materialize.query_table", table="nuclei", limit=50)).num_rows == 50


async def test_skeletons_and_states_are_unpacked(calls):
    ada = calls()
    skeleton = await ada("skeleton.get_skeleton", root_id=ROOT + 1)
    assert skeleton["edges"] == [[0, 1]]
    swc = await ada("skeletonservice.get_skeleton", root_id=ROOT + 1, output_format="swccompressed")
    assert swc.startswith("0 1 1.0")
    many = await ada("skeleton.get_cached_skeletons", root_ids=[ROOT + 1, ROOT + 2])
    assert {one["root"] for one in many.values()} <= {ROOT + 1, ROOT + 2}
    number = await ada("state.upload_state_json", {"layers": [], "big": 2**70})
    assert await ada("state.get_state_json", number) == {"layers": [], "big": 2**70}
    assert (await ada("schemas.get_schemas")) == ["cell_type_local", "nucleus_detection", "synapse"]


async def test_edits_are_made_in_the_callers_name_and_end_what_was_stored_of_roots(calls, lab):
    ada = calls(datastack="fly_demo")
    error = await ada.error("chunkedgraph.do_merge", [SV, SV + 100], [[1, 2, 3], [4, 5, 6]])
    assert error["data"]["status"] == 403
    ada = calls()
    before = await ada("chunkedgraph.get_roots", [SV + 1000, SV + 1100])
    merged = await ada("chunkedgraph.do_merge", [SV + 1000, SV + 1100], [[1, 2, 3], [4, 5, 6]])
    after = array(await ada("chunkedgraph.get_roots", [SV + 1000, SV + 1100]))
    assert after.tolist() == [merged["new_root_ids"][0]] * 2 != array(before).tolist()
    split = await ada("chunkedgraph.execute_split", [[1, 2, 3]], [[4, 5, 6]], int(after[0]))
    assert len(split["new_root_ids"]) == 2
    operations = lab.deployment.stacks["minnie_demo"].graph.operations
    assert {one.user for one in operations.values()} == {11}


async def test_who_may_not_view_a_dataset_never_gets_what_was_stored_for_others(calls, lab):
    ada, tom, eve = calls(), calls("tom"), calls("eve")
    question = {"root_id": ROOT + 3}
    assert await ada("chunkedgraph.get_change_log", **question)
    lab.forget()
    assert await tom("chunkedgraph.get_change_log", **question)  # he has `view` too
    assert lab.asked("change_log") == 0
    assert (await eve.error("chunkedgraph.get_change_log", **question))["data"]["status"] == 403
    assert lab.asked("change_log eve") == 1


async def test_what_was_so_is_stored_and_what_is_so_now_is_not(calls, lab):
    ada = calls()
    for params in ({"timestamp": THEN}, {}):
        lab.forget()
        for _ in range(2):
            await ada("chunkedgraph.get_roots", supervoxel_ids=[SV + 7], **params)
        assert lab.asked("roots_binary") == (1 if params else 2)


@pytest.mark.parametrize(
    ("method", "params", "words"),
    [
        ("chunkedgraph.get_roots", {"supervoxel_ids": [-1]}, "integers from 0"),
        ("chunkedgraph.get_roots", {"supervoxel_ids": [1 << 64]}, "integers from 0"),
        ("chunkedgraph.get_roots", {"supervoxel_ids": ["a"]}, "integers from 0"),
        ("chunkedgraph.get_roots", {"supervoxel_ids": [1.5]}, "integers from 0"),
        ("chunkedgraph.get_roots", {}, "'supervoxel_ids' is missing"),
        ("chunkedgraph.get_root_id", {"supervoxel_id": SV, "timestamp": "yesterday"}, "no moment"),
        ("chunkedgraph.get_root_id", {"supervoxel_id": "../../x"}, "another one"),
        ("chunkedgraph.get_root_id", {"supervoxel_id": ".."}, "another one"),
        ("chunkedgraph.get_leaves", {"root_id": ROOT + 1, "bounds": [1, 2]}, "xmin"),
        ("chunkedgraph.do_merge", {"supervoxels": [SV], "coords": []}, "as many"),
        ("chunkedgraph.do_merge", {"supervoxels": [SV], "coords": [[1, 2]]}, "three coordinates"),
        ("annotation.create_table", {"table_name": "t", "schema_name": "s", "description": "d", "voxel_resolution": 4}, "three coordinates"),
    ],
)  # fmt: skip
async def test_arguments_that_no_request_can_say_are_refused_by_name_and_nothing_is_sent(
    calls, lab, method, params, words
):
    ada = calls()
    await ada("chunkedgraph.get_version")
    lab.forget()
    error = await ada.error(method, **params)
    assert error["code"] == -32602
    assert words in error["message"]
    assert not any(name.startswith(("a ", "b ")) for name in map(" ".join, lab.deployment.asked))


async def test_arguments_that_nobody_described_go_along(calls, lab):
    seen = []
    with lab.fault("GET /segmentation/.*/root", lambda asked: seen.append(asked.query) or False):
        await calls()("chunkedgraph.get_root_id", supervoxel_id=SV, flavour="new")
    assert seen[0]["flavour"] == "new"


async def test_an_arrow_stream_that_was_cut_is_a_fault_and_is_not_stored(calls, lab):
    cut = []

    def answer(asked):
        from gateway.demo.cave.tables import arrow, query

        cut.append(1)
        body = arrow(query(asked.deployment.stacks["minnie_demo"].tables["cells"], {})[0], None)
        asked.handler.write(200, {"Content-Type": "data.arrow"}, body[: len(body) // 2])
        return True

    ada = calls()
    with lab.fault("POST .*/table/cells/query", answer):
        error = await ada.error("materialize.query_table", table="cells", materialization_version=1)
    assert error["data"]["fault"] == "UpstreamBroken"
    assert (
        table(await ada("materialize.query_table", table="cells", materialization_version=1)).num_rows == 300
    )
