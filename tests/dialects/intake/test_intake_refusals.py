"""What is refused, with which status, and is the service asked for it?"""

from __future__ import annotations

from typing import Any

import msgpack
import pytest


async def test_what_cannot_be_asked_is_a_400_with_its_reason(bench: Any) -> None:
    bench.lab.forget()
    assert await bench.refused(b"junk \xff") == (400, "it is no msgpack")
    assert await bench.refused(b"") == (400, "it is no msgpack")
    assert await bench.refused(b'{"action": "open"}') == (400, "it is no msgpack")
    assert await bench.refused([1, 2]) == (400, "the body is no msgpack map")
    assert await bench.refused({1: 2}) == (400, "the body is no msgpack map")
    assert await bench.refused({}) == (400, "action is missing")
    assert await bench.refused({"action": "dance"}) == (400, '"dance" not a valid source action')
    assert await bench.refused({"action": ["open"]}) == (400, "\"['open']\" not a valid source action")
    assert await bench.refused({"action": "open"}) == (400, "name is missing")
    assert await bench.refused({"action": "open", "name": 3}) == (400, "name is missing")
    assert await bench.refused({"action": "search"}) == (
        400,
        "query is no list of words and a map of named ones",
    )
    assert await bench.refused({"action": "read"}) == (400, "source_id is missing")
    nested: Any = {"action": "open", "name": "frames"}
    for _ in range(100):
        nested = {"action": "open", "name": nested}
    assert await bench.refused(nested) == (400, "lists or maps stand too deep in each other")
    assert await bench.refused(msgpack.packb({"action": "x" * (1 << 20)})) == (
        400,
        "the body is longer than 1048576 bytes",
    )
    assert bench.lab.asked("") == 0


@pytest.mark.parametrize("query", ["page_size=-1", "page_size=many", "page_size=2.5", "page_size=9999999999", "page_size=2&page_offset=-3", "page_size="])  # fmt: skip
async def test_a_page_that_is_none_is_a_400(query: str, bench: Any) -> None:
    response, _ = await bench.ask("GET", f"/v1/info?{query}")
    assert response.status == 400
    assert response.reason.startswith("page_")


async def test_verbs_that_are_none_of_the_protocols_are_a_405(bench: Any) -> None:
    response, _ = await bench.ask("POST", "/v1/info", b"x")
    assert (response.status, response.headers["Allow"]) == (405, "GET")
    response, _ = await bench.ask("PUT", "/v1/source", b"x")
    assert (response.status, response.headers["Allow"]) == (405, "GET, POST")


async def test_what_is_not_there_is_a_404(bench: Any) -> None:
    response, _ = await bench.ask("GET", "/v1/source?name=nothing")
    assert (response.status, response.reason) == (404, "No such entry")
    assert (await bench.refused({"action": "open", "name": "nothing"}))[0] == 404
    response, _ = await bench.ask("GET", "/v1/source")
    assert (response.status, response.reason) == (400, "name is missing")


async def test_ids_that_the_gate_has_not_made_are_a_400(bench: Any) -> None:
    opened = await bench.open("frames")
    good = opened["source_id"]
    bench.lab.forget()
    forged = good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB")
    for bad in ("", "x", "root-[['a'], {}]", forged, good.replace("g1.", "h1."), "g1.\N{SNOWMAN}", 7):
        said = {"action": "read", "source_id": bad, "accepted_formats": ["msgpack"]}
        assert (await bench.refused(said))[0] == 400
    response, _ = await bench.ask("GET", "/v1/info", source_id="nobody")
    assert (response.status, response.reason) == (400, "unknown source id: open the entry again")
    response, _ = await bench.ask("GET", "/v1/info", source_id=good)
    assert (response.status, response.reason) == (400, "frames is no catalog")
    catalog = await bench.open("detectors")
    said = {"action": "read", "source_id": catalog["source_id"], "accepted_formats": ["msgpack"]}
    assert (await bench.refused(said))[0] == 400


@pytest.mark.parametrize(
    ("name", "partition"),
    [
        ("runs", 4),
        ("runs", -1),
        ("runs", "0"),
        ("runs", 1.0),
        ("runs", True),
        ("runs", [0]),
        ("runs", None),
        ("runs", 2**63),
        ("notes", 1),
        ("frames", [4, 0, 0]),
        ("frames", [0, 0]),
        ("frames", [0, 0, -1]),
        ("frames", [0, 0, "0"]),
        ("frames", []),
        ("frames", {"0": 0}),
        ("frames", None),
    ],
)
async def test_a_partition_out_of_range_is_a_400_and_the_service_is_not_asked(
    name: str, partition: Any, bench: Any
) -> None:
    opened = await bench.open(name)
    bench.lab.forget()
    said = {"action": "read", "source_id": opened["source_id"], "accepted_formats": ["msgpack"]}
    status, reason = await bench.refused(said | {"partition": partition})
    assert (status, bool(reason)) == (400, True)
    assert bench.lab.asked("") == 0


async def test_pickles_are_refused_unless_the_service_may(bench: Any) -> None:
    opened = await bench.open("frames")
    said = {"action": "read", "source_id": opened["source_id"], "partition": [0, 0, 0]}
    status, reason = await bench.refused(said | {"accepted_formats": ["pickle2", "pickle1"]})
    assert (status, "install msgpack-numpy and pyarrow" in reason) == (400, True)
    assert (await bench.refused(said | {"accepted_formats": []}))[0] == 400
    assert (await bench.refused(said | {"accepted_formats": ["zip"]}))[0] == 400
    assert (await bench.refused(said | {"accepted_formats": "msgpack"}))[0] == 400
    assert (await bench.refused(said))[0] == 400
    assert bench.lab.reads() == 0


@pytest.mark.parametrize(
    "parameters",
    [
        {"urlpath": "/etc/passwd"},
        {"sample": "z"},
        {"run": 99},
        {"run": 0},
        {"run": "many"},
        {"run": True},
        {"run": 2.5},
        {"run": 2**64 - 1},
        {"sample": ["a"]},
        {"day": 3},
        {"day": "1999-01-01"},
        {"sample": "{{ 6 * 7 }}"},
        {"sample": "{% raw %}"},
        {"sample": "shell(id)"},
        {"sample": "SHELL (id)"},
        {"sample": "env(HOME)"},
        {"sample": "client_env(HOME)"},
        {"sample": {"a": ["x", "env(HOME)"]}},
        [],
        "sample",
    ],
)
async def test_hostile_and_unfit_parameters_are_a_400_and_the_service_never_sees_them(
    parameters: Any, bench: Any
) -> None:
    asked = {"action": "open", "name": "by_sample", "parameters": parameters}
    assert (await bench.refused(asked))[0] == 400
    assert bench.lab.opens() == 0


async def test_a_driver_that_fails_is_told_as_the_service_tells_it_and_never_stored(bench: Any) -> None:
    for _ in range(2):
        status, reason = await bench.refused({"action": "open", "name": "lost"})
        assert (status, reason) == (400, "[Errno 5] Input/output error: '/srv/lab/lost.zarr'")
    assert bench.lab.opens("lost") == 2


async def test_who_shows_no_token_or_may_not_gets_the_403_that_the_client_knows(bench: Any) -> None:
    for caller in (bench.caller(token=None), bench.caller(token="x.y.z")):
        response, body = await bench.ask("GET", "/v1/info", caller=caller)
        assert (response.status, "token" in response.reason) == (403, True)
        assert body.startswith(b"<html><title>403: ")
    guest = bench.caller(token=bench.guest)
    assert (await bench.ask("GET", "/v1/info", caller=guest))[0].status == 200
    response, _ = await bench.posted({"action": "open", "name": "frames"}, caller=guest)
    assert (response.status, "may not call" in response.reason) == (403, True)


async def test_each_action_is_a_method_that_has_to_be_allowed(bench_of: Any) -> None:
    config = """
policies:
  - {{to: ["group:lab"], allow: ["data.source", "data.describe", "/lab/**"]}}
services:
  data: {{dialect: intake, url: {url}, mount: /lab/data}}
"""
    bench = await bench_of(config=config)
    opened = await bench.open("notes")
    read = {
        "action": "read",
        "source_id": opened["source_id"],
        "accepted_formats": ["msgpack"],
        "partition": 0,
    }
    for said in (read, {"action": "search", "query": [["a"], {}]}):
        assert (await bench.refused(said))[0] == 403
    assert bench.lab.reads() == 0


async def test_the_clients_own_field_may_carry_the_gates_token(bench: Any) -> None:
    caller = bench.caller(token=None, intake_secret=bench.token)
    response, _ = await bench.ask("GET", "/v1/info", caller=caller)
    assert response.status == 200
    other = bench.caller(token=None, intake_secret="a secret of nobody's")
    assert (await bench.ask("GET", "/v1/info", caller=other))[0].status == 403


async def test_the_services_own_secret_is_sent_by_the_gate_and_not_asked_of_callers(bench_of: Any) -> None:
    bench = await bench_of("    headers: {intake-secret: sesame}", secret="sesame")
    opened = await bench.open("notes")
    assert (await bench.read(opened, 0))["container"] == "python"


async def test_a_service_that_refuses_the_gate_is_no_callers_fault(bench_of: Any) -> None:
    bench = await bench_of("    headers: {intake-secret: sesame}", secret="sesame")
    bench.lab.service.secret = "another"
    status, reason = await bench.refused({"action": "open", "name": "notes"})
    assert (status, "refuses the gate" in reason) == (502, True)
