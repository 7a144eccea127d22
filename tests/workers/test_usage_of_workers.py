"""Who uses what, counted by several workers, is one sum to whoever asks."""

import csv
import io
import signal
import subprocess

import pytest
from working_gates import ENVIRON, PYTHON

pytestmark = pytest.mark.timeout(120)


def used(gate, by):
    """What `labgated usage` says: calls and hits, and those that failed."""
    where = ("--url", f"http://{gate.operator}", "--token", gate.token, "--config", str(gate.file))
    command = [*PYTHON, "usage", "--by", by, "--csv", *where]
    out = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRON).stdout
    rows = csv.DictReader(io.StringIO(out))
    return {row[by]: (int(row["calls"]), int(row["hits"]), int(row["failed"])) for row in rows}


def test_the_command_sums_what_all_workers_have_counted(gate_at):
    gate = gate_at(workers=2, telemetry=", usage: 1d")
    for token, times in ((gate.token, (7, 4)), (gate.token_for("bob", "lab"), (2, 5))):
        for line, count in zip(sorted(gate.lines(token), key=lambda one: one.worker), times, strict=True):
            for _ in range(count):
                assert line.call("calc.get")[0]["status"] == 200
    assert gate.lines()[0].call("calc.no")[0]["error"]["code"] == -32601
    # Each worker writes what it has counted, at the latest when it ends.
    gate.signal(signal.SIGTERM)
    assert gate.wait() == 0
    again = gate_at(workers=2, telemetry=", usage: 1d")
    assert {name: calls for name, (calls, _, _) in used(again, "user").items()} == {"ada": 11, "bob": 7}
    calls, hits, failed = used(again, "method")["calc.get"]
    # Each worker has to ask the service, or the other worker, for its first one.
    assert (calls, failed) == (18, 0)
    assert 16 <= hits <= 17
