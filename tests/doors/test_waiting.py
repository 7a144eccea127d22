"""The real SDK waits for a job through the real gate, whose rules say how the end of one is seen."""

import asyncio
import json

import pytest
from mounting import as_json

import labgate
from labgate.errors import JobFailed

pytestmark = pytest.mark.timeout(120)

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*"], operate: true}}
services:
  runs:
    dialect: listed
    url: "{url}"
    rpc_path: /api
    methods:
      get_run:
        params: [name]
        safe: true
        cache: {{fresh: 1h}}
        job: {{status: now.state, done: completed, failed: [failed, killed], progress: steps, of: 10}}
"""


async def test_a_job_is_waited_for_past_the_cache_by_what_the_gate_s_rules_say(stand, tmp_path):
    states = {"R1": ["queued", "running", "completed"], "R2": ["running", "killed"]}
    asked = []

    async def run(called):
        said = json.loads(called.body)
        params = said["params"]
        name = params["name"] if isinstance(params, dict) else params[0]
        asked.append(name)
        at = min(asked.count(name), len(states[name])) - 1
        result = {"now": {"state": states[name][at]}, "steps": at}
        return as_json({"jsonrpc": "2.0", "result": result, "id": said["id"]})

    upstream = await stand.upstream()
    upstream.on("/api", run)
    await stand.gate(CONFIG.format(url=upstream.url))
    ada = stand.caller("lab")
    listed = json.loads((await ada.get("/openrpc.json")).body)
    assert [one["x-labgate"].get("job") for one in listed["methods"] if one["name"] == "runs.get_run"] == [
        {
            "status": "now.state",
            "done": ["completed"],
            "failed": ["failed", "killed"],
            "progress": "steps",
            "of": 10,
        }
    ]
    lab = await asyncio.to_thread(
        labgate.connect,
        f"http://127.0.0.1:{stand.running.address[1]}",
        token=ada.token,
        cache_dir=tmp_path / "cache",
    )
    told = []

    def waited(name):
        return labgate.wait(lab.runs, name, every=0.01, progress=lambda *one: told.append(one))

    assert (await asyncio.to_thread(waited, "R1"))["now"] == {"state": "completed"}
    assert told == [(0, 100), (10, 100), (20, 100)]
    with pytest.raises(JobFailed) as failed:
        await asyncio.to_thread(waited, "R2")
    assert failed.value.data == {"now": {"state": "killed"}, "steps": 1}
    assert asked == ["R1"] * 3 + ["R2"] * 2
