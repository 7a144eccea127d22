"""cryosparc-tools 4 and 5, unchanged: what they get through the gate is what they get from the services themselves."""

import asyncio
import json
import os
import re
import socket
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.demo.command.__main__ import servers
from gateway.demo.command.lab import Lab

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

CALLERS = Path(__file__).parent / "callers"
LICENSE = "00000000-0000-0000-0000-0000000000ff"
OFFSETS = {"core": 2, "vis": 3, "rtp": 5}
CONFIG_4 = """\
include: [pack:cryosparc]
policies:
  - {{to: ["group:scripts"], allow: ["*", "/**"]}}
services:
"""
SERVICE_4 = """\
  {name}:
    dialect: jsonrpc
    url: {url}
    rpc_path: /api
    mount: /{name}
    headers: {{License-ID: "{license}"}}
    checked: License-ID
    listen: {{address: "127.0.0.1:{port}", as: "group:scripts"}}
"""
CONFIG_5 = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"]}}
services:
  api: {{dialect: openapi, url: "{url}", names: summary, mount: /api/cmd, listen: {{address: "127.0.0.1:0", as: "group:lab"}}}}
"""
_PORT = re.compile(r"127\.0\.0\.1:\d+")


@contextmanager
def lab_4(base):
    """The three command servers at the ports above this one; what they count."""
    lab = Lab(LICENSE)
    with servers(("127.0.0.1", base + 2), lab) as found:
        thread = threading.Thread(target=found[0].serve_forever, args=(0.05,))
        thread.start()
        try:
            yield lab, found
        finally:
            found[0].shutdown()
            thread.join()


def free_base():
    """A port above which those of the three servers are free."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            base = probe.getsockname()[1]
        try:
            for offset in OFFSETS.values():
                socket.create_server(("127.0.0.1", base + offset)).close()
        except (OSError, OverflowError):
            continue
        return base


def ran(python, caller, *words):
    """What the caller prints."""
    environ = {"PATH": os.environ["PATH"], "NO_PROXY": "*", "CRYOSPARC_COMMAND_RETRY_SECONDS": "0"}
    done = subprocess.run(
        [python, CALLERS / caller, *words],
        capture_output=True,
        env=environ,
        timeout=200,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(_PORT.sub("HOST", done.stdout.splitlines()[-1]))


def config_4(found, base):
    """A gate before the three, with the ports that the client looks for."""
    services = (
        SERVICE_4.format(
            name="cryosparc" if name == "core" else f"cryosparc_{name}",
            url=server.url,
            license=LICENSE,
            port=base + OFFSETS[name],
        )
        for server, name in zip(found, OFFSETS, strict=True)
    )
    return CONFIG_4.format() + "".join(services)


@pytest.mark.parametrize("version", ["cryosparc-tools-4-4", "cryosparc-tools"])
async def test_the_high_level_client_notices_nothing_at_the_ports_that_it_looks_for(
    version, gate_of, python_of
):
    python = python_of(version)
    with lab_4(base := free_base()):
        direct = await asyncio.to_thread(ran, python, "cryosparc4_calls.py", LICENSE, str(base))
    assert {name for name, one in direct.items() if one[0] == "error"} == {
        *(
            "find_project.unknown",
            "job.set_param.late",
            "save_external_result.bad_slots",
            "save_external_result.invalid",
        ),
        *("find_external_job.other", "load_input.unknown", "download.unknown", "upload.exists"),
        *("cli.unknown_job", "cli.missing_argument"),
    }
    assert direct["save_external_result.invalid"][1] == "InvalidSlotsError"
    with lab_4(free_base()) as (_, found):
        base = free_base()
        async with gate_of(config_4(found, base)):
            through = await asyncio.to_thread(ran, python, "cryosparc4_calls.py", LICENSE, str(base))
            assert {
                name: (direct[name], through.get(name))
                for name in direct
                if direct[name] != through.get(name)
            } == {}
            other = LICENSE.replace("ff", "fe")
            refused = await asyncio.to_thread(ran, python, "cryosparc4_calls.py", other, str(base))
            assert refused["construct"][0] == "error"
    print(f"{len(through)} calls compared with the direct answer ({version})")


async def test_version_5_notices_nothing_below_a_mount_with_its_own_log_in_beside_the_gates(
    fresh_upstream, python_of, gate_of, token_for
):
    python = python_of("cryosparc-tools-5")
    direct = await asyncio.to_thread(ran, python, "cryosparc5_calls.py", fresh_upstream("cryosparc5").url, "")
    failed = {name for name, one in direct.items() if one[0] == "error"}
    assert failed == {"wrong password", "find.typo", "download.unknown", "logged out"}
    async with gate_of(CONFIG_5.format(url=fresh_upstream("cryosparc5").url)) as gate:
        token = token_for("ada", "lab")
        ways = {
            "mount": (f"http://127.0.0.1:{gate.address[1]}/api/cmd", token),
            "port": (f"http://127.0.0.1:{gate.service_addresses['api'][1]}", ""),
        }
        for way, (url, shown) in ways.items():
            through = await asyncio.to_thread(ran, python, "cryosparc5_calls.py", url, shown)
            assert {
                name: (direct[name], through.get(name))
                for name in direct
                if direct[name] != through.get(name)
            } == {}
            print(f"{len(through)} calls compared with the direct answer ({way})")


async def test_a_client_that_gives_up_and_asks_again_has_its_job_made_once(gate_of, python_of):
    python = python_of("cryosparc-tools")
    with lab_4(free_base()) as (lab, found):
        slow = threading.Event()

        def before(_handler, path, body):
            if path == "/api" and b'"make_job"' in body and not slow.is_set():
                slow.set()
                threading.Event().wait(2.0)
            return False

        found[0].before = before
        base = free_base()
        async with gate_of(config_4(found, base)):
            script = (
                "from cryosparc.command import CommandClient; import warnings; warnings.simplefilter('ignore');"
                f"cli = CommandClient('core', '127.0.0.1', {base + 2}, timeout=1, headers={{'License-ID': '{LICENSE}'}});"
                "print(cli.make_job('import_micrographs', 'P3', 'W1', 'u'))"
            )
            environ = {
                "PATH": os.environ["PATH"],
                "NO_PROXY": "*",
                "CRYOSPARC_COMMAND_RETRY_SECONDS": "0",
                "CRYOSPARC_COMMAND_RETRIES": "4",
            }
            done = await asyncio.to_thread(
                subprocess.run,
                [python, "-c", script],
                capture_output=True,
                env=environ,
                text=True,
                timeout=60,
                check=False,
            )
    assert done.stdout.strip().startswith("J"), done.stderr
    assert lab.calls["make_job"] == 1
