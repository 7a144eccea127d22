"""A command server's methods as Python functions: what its own client cannot do with arguments, this one can."""

import asyncio
import datetime
import inspect
from pathlib import Path

import numpy as np
import pytest

import labgate

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"]}}
services:
  cryosparc: {{dialect: jsonrpc, url: "{url}", rpc_path: /api, mount: /cryosparc}}
"""


@pytest.fixture
async def lab(command_server, gate_of, token_for, tmp_path):
    """A client of a gate before the upstream."""
    async with gate_of(CONFIG.format(url=command_server)) as gate:
        address = "http://{}:{}".format(*gate.address)
        token = token_for("ada", "lab")
        yield await asyncio.to_thread(labgate.connect, address, token=token, cache_dir=tmp_path / "cache")


async def test_arguments_are_mixed_as_in_any_function_of_python(lab):
    def calls():
        assert list(inspect.signature(lab.cryosparc.enqueue_job).parameters) == [
            "project_uid",
            "job_uid",
            "lane",
        ]
        assert lab.cryosparc.enqueue_job("P3", job_uid="J42", lane="a") == "launched P3 J42 on a"
        assert lab.cryosparc.enqueue_job("P3", "J42") == "launched P3 J42 on default"

    await asyncio.to_thread(calls)


async def test_a_type_that_is_only_described_is_a_hint_and_refuses_nothing(lab):
    def calls():
        assert lab.cryosparc.get_project(5, deep="yes") == lab.cryosparc.get_project(
            project_uid=5, deep="yes"
        )
        assert lab.cryosparc.get_project(None)["uid"] is None
        assert lab.cryosparc.get_project({"a": [1]})["uid"] == {"a": [1]}

    await asyncio.to_thread(calls)


async def test_arrays_arrive_as_the_lists_that_the_server_knows_with_every_number_exact(lab):
    def calls():
        uids = np.array([2**64 - 1, 2**63, 0], np.uint64)
        assert lab.cryosparc.get_echo(uids) == [2**64 - 1, 2**63, 0]
        assert lab.cryosparc.get_total(np.arange(300_000).reshape(3, -1)) == sum(range(300_000))
        assert lab.cryosparc.get_echo({"ids": {7}, "one": np.float32(0.1), "big": 2**70}) == {
            "ids": [7],
            "one": float(np.float32(0.1)),
            "big": 2**70,
        }
        assert lab.cryosparc.get_echo(value=np.eye(2, dtype=bool)) == [[True, False], [False, True]]
        noon = datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.UTC)
        assert lab.cryosparc.get_echo([noon, Path("/data/a.mrc")]) == [
            "2024-01-01T12:00:00+00:00",
            "/data/a.mrc",
        ]

    await asyncio.to_thread(calls)


async def test_what_the_client_has_bound_is_filled_in(lab):
    def calls():
        bound = lab(defaults={"cryosparc.lane": "fast"})
        assert bound.cryosparc.enqueue_job("P3", "J42") == "launched P3 J42 on fast"
        assert bound.cryosparc.enqueue_job("P3", "J42", "slow") == "launched P3 J42 on slow"

    await asyncio.to_thread(calls)


async def test_a_health_view_has_the_service_and_its_methods(lab):
    def calls():
        status = labgate.status(lab)
        assert (status.reached, status.down) == (True, ())
        assert status["cryosparc"].methods > 10

    await asyncio.to_thread(calls)
