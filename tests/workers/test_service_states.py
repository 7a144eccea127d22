"""Laws of services that were drained, at gates of one process and of two workers: all know, and a restart changes nothing."""

import json
import signal

import pytest
from working_gates import Gate, until


@pytest.fixture(params=[1, 2], ids=["alone", "workers"])
def started(request, tmp_path, upstream):
    upstream.release.set()
    gates = []

    def made():
        gates.append(Gate(tmp_path, upstream, workers=request.param))
        return gates[-1]

    yield made
    for gate in gates:
        gate.kill()


def drained(lines):
    """Whether every one of these connections hears that the service is drained."""
    answers = [line.call("calc.work")[0] for line in lines]
    return all("new disks" in one.get("error", {}).get("message", "") for one in answers)


def served(lines):
    return all("result" in line.call("calc.work")[0] for line in lines)


def test_all_workers_know_of_it_and_neither_a_reload_nor_a_restart_changes_it(started, upstream):
    gate = started()
    workers = len(gate.pids())
    lines = gate.lines(workers=workers)
    assert served(lines)
    assert [line.call("calc.get")[0]["result"] for line in lines]
    gate.told("POST", "/-/services", {"service": "calc", "state": "drained", "message": "new disks"})
    until(lambda: drained(lines))
    assert all("; hit" in line.call("calc.get")[1]["Cache-Status"] for line in lines)

    gate.file.write_text(gate.file.read_text() + "limits: {batch: 7}\n")
    until(lambda: gate.told("POST", "/-/reload", {})["what"] == "unchanged")
    assert drained(lines)
    listed = json.loads(lines[0].ask("GET", "/openrpc.json")[2])["methods"]
    said = {one["x-labgate"].get("notice") for one in listed if one["name"].startswith("calc.")}
    assert said == {"new disks"}

    gate.signal(signal.SIGTERM)
    assert gate.wait() == 0
    before = upstream.calls["work"]
    gate = started()
    lines = gate.lines(workers=workers)
    assert drained(lines)
    assert upstream.calls["work"] == before
    assert gate.told("GET", "/-/services")["calc"]["message"] == "new disks"
    gate.told("POST", "/-/services", {"service": "calc", "state": "enabled"})
    until(lambda: served(lines))
