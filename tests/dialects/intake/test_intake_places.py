"""Where is a catalog server reached, also by a client that replaces the word `intake` once more than it should?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.core.intake.aliases import other_paths, with_aliases
from gateway.core.mounts import Mounts
from gateway.core.service import Service
from gateway.settings import examine

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["data.*", "/lab/intake/**"]}}
services:
  data: {{dialect: intake, url: {url}, mount: /lab/intake}}
"""


def test_each_word_is_replaced_in_turn_by_each_scheme() -> None:
    assert other_paths("/data") == []
    assert other_paths("/lab/intake") == ["/lab/http", "/lab/https"]
    assert other_paths("/intake/my-intake") == [
        "/http/my-intake",
        "/http/my-http",
        "/https/my-intake",
        "/https/my-https",
    ]


def test_only_catalog_servers_have_further_paths() -> None:
    one = Service("files", "openapi", ("http://x",), mount="/intake")
    assert with_aliases(one) is one


def test_a_mount_goes_before_a_further_path_of_another_service() -> None:
    data = with_aliases(Service("data", "intake", ("http://x",), mount="/lab/intake"))
    other = Service("other", "listed", ("http://y",), mount="/lab/http")
    mounts = Mounts([data, other])
    assert mounts.find((b"lab", b"http", b"v1")) == (other, 2)
    assert mounts.find((b"lab", b"https", b"v1")) == (data, 2)
    mounts.drop(data)
    assert mounts.find((b"lab", b"https", b"v1")) is None


@pytest.mark.parametrize("prefix", ["/lab/intake", "/lab/http", "/lab/https"])
async def test_a_further_path_is_the_mount_and_is_judged_as_it(prefix: str, bench_of: Any) -> None:
    bench = await bench_of(config=CONFIG)
    caller = bench.caller(prefix)
    for _ in range(2):  # the second time the way is known
        response, _ = await bench.ask("GET", "/v1/info", caller=caller)
        assert response.status == 200
    nested = await bench.post({"action": "open", "name": "detectors"}, caller=caller)
    response, _ = await bench.ask("GET", "/v1/info", caller=caller, source_id=nested["source_id"])
    assert response.status == 200


async def test_at_the_first_step_too_for_all_that_lies_below(bench_of: Any) -> None:
    bench = await bench_of(config=CONFIG.replace("/lab/intake", "/intake"))
    for prefix in ("/http", "/intake", "/http", "/https"):
        for path in ("/v1/info", "/v1/source?name=frames", "/v1/info?page_size=1"):
            assert (await bench.ask("GET", path, caller=bench.caller(prefix)))[0].status == 200
        assert (await bench.ask("GET", "/other", caller=bench.caller(prefix)))[0].status == 404


AUTO = CONFIG.replace("dialect: intake, ", "")


async def test_the_further_paths_and_its_clients_field_hold_for_what_turns_out_to_be_a_catalog_server(
    bench_of: Any,
) -> None:
    bench = await bench_of(config=AUTO)
    caller = bench.caller("/lab/http", token=None, intake_secret=bench.token)
    response, _ = await bench.ask("GET", "/v1/info", caller=caller)
    assert response.status == 200


@pytest.mark.parametrize("config", [CONFIG, AUTO])
async def test_the_service_is_asked_for_two_things_at_once_at_most_however_it_was_found(
    config: str, bench_of: Any
) -> None:
    bench = await bench_of(config=config)
    upstream = bench.gate.estate.upstreams["data"]
    await bench.result("data.source", name="frames")
    with bench.lab.slow("^read frames") as held:
        reads = [
            asyncio.ensure_future(bench.result("data.read", name="frames", partition=[at, 0, 0]))
            for at in range(4)
        ]
        async with asyncio.timeout(30):
            while upstream.in_flight + upstream.waiting < 4:
                await asyncio.sleep(0.001)
        assert (upstream.in_flight, upstream.waiting) == (2, 2)
        held.release()
        await asyncio.gather(*reads)


async def test_who_says_how_many_calls_it_takes_is_believed(bench_of: Any) -> None:
    bench = await bench_of(config=AUTO.replace("mount:", "concurrency: 5, mount:"))
    upstream = bench.gate.estate.upstreams["data"]
    leases = [await upstream.lease(asyncio.get_running_loop().time() + 5) for _ in range(5)]
    assert upstream.in_flight == 5
    for lease in leases:
        lease.release()


def warnings_of(folder: Path, text: str) -> list[str]:
    file = folder / "labgate.yaml"
    file.write_text(text)
    _, problems = examine(file, {})
    return [problem.text for problem in problems if problem.level == "warning"]


def test_a_host_name_that_no_path_can_repair_is_warned_of(tmp_path: Path) -> None:
    policies = 'policies: [{to: [authenticated], allow: ["*"]}]\n'
    service = "services: {data: {dialect: DIALECT, url: http://127.0.0.1:5555}}\n"
    said = "Intake's own client cannot open nested catalogs at a host with this name"
    hosts = policies + service.replace("DIALECT", "intake") + "hosts: [gate.lab.org, intake.lab.org]\n"
    public = policies + service.replace("DIALECT", "intake") + "public_url: http://my-intake:8700\n"
    assert said in warnings_of(tmp_path, hosts)
    assert said in warnings_of(tmp_path, public)
    assert said not in warnings_of(tmp_path, hosts.replace("dialect: intake", "dialect: listed"))
    assert said not in warnings_of(tmp_path, hosts.replace("intake.lab", "data.lab"))
