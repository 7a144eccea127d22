"""The CommandClient of cryosparc-tools, unchanged: does it notice the gate, below a mount or on a port of its own?"""

import asyncio
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

# The first test may have to build the environments.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
APP = HERE / "upstreams" / "cryosparc_like_app.py"
CALLER = HERE / "callers" / "commandclient.py"
CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:readers"], allow: ["cryosparc.get_*", "/cryosparc/**"]}}
  - {{to: ["group:pathless"], allow: ["*"]}}
services:
  cryosparc: {{dialect: jsonrpc, url: "{url}", rpc_path: /api, mount: /cryosparc, listen: "127.0.0.1:0"}}
"""
GETTERS = ["get_echo", "get_project", "get_nothing", "get_total", "get_numbers", "get_seen_fields"]

OF_ONE_HOP = {"connection", "keep-alive", "transfer-encoding", "date"}
ADDED = {"age", "cache-status", "labgate-catalog", "server-timing", "via", "x-request-id"}
UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


@pytest.fixture(scope="module")
def url(python_of):
    """Where the upstream is."""
    command = [python_of("flask-jsonrpc-2"), APP]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as server:
        yield server.stdout.readline().split()[1]
        server.kill()


@pytest.fixture
def run(python_of):
    """`run(address, token, wanted)`: what the client got; the address is "http://127.0.0.1:PORT/PREFIX"."""

    async def ran(address, token, wanted="all"):
        port, slash, prefix = address.removeprefix("http://127.0.0.1:").partition("/")
        command = [python_of("cryosparc-tools"), CALLER, port, slash + prefix, token, wanted]
        environ = {"PATH": os.environ["PATH"], "NO_PROXY": "*", "CRYOSPARC_COMMAND_RETRY_SECONDS": "0"}
        done = await asyncio.to_thread(
            subprocess.run, command, stdout=subprocess.PIPE, env=environ, timeout=120, check=True
        )
        return json.loads(done.stdout)

    return ran


@pytest.fixture(params=["mount", "port"])
async def behind(request, url, gate_of):
    """The client's address of a gate before the upstream."""
    async with gate_of(CONFIG.format(url=url)) as gate:
        if request.param == "mount":
            yield "http://{}:{}/cryosparc".format(*gate.address)
        else:
            yield "http://{}:{}".format(*gate.service_addresses["cryosparc"])


def compared(outcome, address):
    """An outcome without what differs from run to run, and from hop to hop."""
    match outcome:
        case {"fields": fields}:
            rest = {name: value for name, value in outcome.items() if name != "fields"}
            kept = [pair for pair in fields if pair[0].lower() not in OF_ONE_HOP | ADDED]
            return compared(rest, address) | {"kept": kept}
        case dict():
            return {name: compared(value, address) for name, value in outcome.items()}
        case list():
            return [compared(value, address) for value in outcome]
        case str():
            return UUID.sub("ID", outcome.replace(address, "BASE"))
    return outcome


def differing(one, other):
    """What the two runs disagree on."""
    return {
        name: (one.get(name), other.get(name)) for name in one | other if one.get(name) != other.get(name)
    }


def the_law_of_unsafe_failures(outcomes):
    """Take out the one answer that the gate changes: a 503 to a write."""
    return outcomes.pop("page 503 to a write")["code"]


async def test_the_client_gets_its_values_files_and_errors_from_the_upstream_itself(run, url):
    had = await run(url, "none")
    assert had["upload arrived"]
    assert had["NaN"]["value"] == "nan"
    assert had["big"]["value"] == str(2**70)
    assert had["slots"]["code"] == 422
    assert "'slots': ['blob', 'ctf']" in had["slots"]["data"]
    assert ["Content-Type", "application/x-cryosparc-dataset"] in had["data set"]["fields"]
    assert differing(compared(had, url), compared(await run(url, "none"), url)) == {}


async def test_the_client_gets_through_the_gate_exactly_what_it_gets_directly(run, url, behind, token_for):
    direct = compared(await run(url, "none"), url)
    through = compared(await run(behind, token_for("ada", "lab")), behind)
    assert (direct.pop("credential seen"), through.pop("credential seen")) == (True, False)
    assert (the_law_of_unsafe_failures(direct), the_law_of_unsafe_failures(through)) == (503, 500)
    assert differing(direct, through) == {}


async def test_the_client_lists_only_what_its_caller_may_call_and_is_refused_the_rest(run, behind, token_for):
    token = token_for("grace", "readers")
    may = await run(behind, token, "get_nothing")
    assert may["connect"]["value"] == repr(GETTERS)
    assert may["call"] == {"value": "None", "warnings": []}
    may_not = await run(behind, token, "fail_with_text")
    assert (may_not["call"]["error"], may_not["call"]["code"]) == ("CommandError", 403)
    assert may_not["greeting"]["code"] == 403, "no document describes it: it is the method cryosparc.http"


@pytest.mark.parametrize(("group", "code"), [(None, 401), ("pathless", 403), ("nobody", 403)])
async def test_the_client_cannot_connect_without_a_token_or_where_no_policy_lets_it(
    run, behind, token_for, group, code
):
    token = token_for("mallory", group) if group else "labgate-no-token"
    refused = await run(behind, token, "get_nothing")
    assert (refused["connect"]["error"], refused["connect"]["code"]) == ("CommandError", code)
