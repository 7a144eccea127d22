"""`labgated drain`: does a whole gate end when an operator says so, and is nothing lost that was begun?"""

import subprocess
import threading

import pytest
from working_gates import ENVIRON, PYTHON


def drain(gate, *words, token=None):
    """The command as it is typed: its exit status, and what it said."""
    asked = ["--url", f"http://{gate.operator}", "--token", token or gate.token]
    done = subprocess.run(
        [*PYTHON, "drain", *asked, *words], capture_output=True, text=True, env=ENVIRON, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("workers", [1, 2])
def test_a_gate_that_is_drained_answers_what_it_has_begun_and_ends(gate_at, upstream, workers):
    upstream.release.clear()
    gate = gate_at(workers=workers)
    line, answers = gate.line(), []
    caller = threading.Thread(target=lambda: answers.append(line.call("calc.work")[0]))
    caller.start()
    assert upstream.started.acquire(timeout=30)
    status, said, complaint = drain(gate)
    assert (status, complaint) == (0, "")
    assert said.startswith("the gate takes no more calls, and ends within ")
    assert not answers
    upstream.release.set()
    caller.join(30)
    assert answers[0]["result"] == "done"
    assert gate.wait() == 0
    assert "ada has the gate drain and end" in gate.log


def test_who_waits_is_told_when_it_has_ended(gate_at):
    gate = gate_at(workers=1)
    status, said, complaint = drain(gate, "--wait")
    assert (status, complaint, said.splitlines()[-1]) == (0, "", "it has ended")
    assert gate.wait() == 0
    status, said, complaint = drain(gate)
    assert (status, said) == (1, "")
    assert "no gate answers" in complaint or "refused" in complaint


def test_only_operators_drain_and_no_page_by_a_form(gate_at):
    gate = gate_at(workers=1)
    status, said, complaint = drain(gate, token=gate.token_for("eve", "guests"))
    assert (status, said) == (1, "")
    assert "labgated drain: " in complaint
    line = gate.line(address=gate.operator)
    assert line.ask("POST", "/-/drain", {}, **{"Content-Type": "text/plain"})[0] == 415
    assert line.ask("GET", "/-/drain")[0] == 405
    assert gate.line().call("calc.get")[0]["status"] == 200
