"""Laws of the workers' life: who ends is replaced, who is told to end drains, and nobody is left behind."""

import os
import signal
import socket
import subprocess
import threading

import pytest
from working_gates import ENVIRON, PYTHON, Gate, alive, children, scripted, until


@pytest.fixture
def upstream():
    """A service of each test's own: its calls wait, or it comes to offer more."""
    with scripted() as service:
        yield service


def test_one_worker_is_killed_and_the_callers_of_the_others_notice_nothing(gate_at, upstream):
    gate = gate_at()
    lines = {line.worker: line for line in gate.lines()}
    for line in lines.values():
        line.call("calc.get")
    before = gate.metrics()
    first, second = gate.pids()
    # The one that asks the services is the one that is killed.
    dying = next(one for one in gate.status()["workers"] if one["asks"])["pid"]
    assert dying == first
    failed = dict.fromkeys(lines, 0)
    done = dict.fromkeys(lines, 0)
    stop = threading.Event()

    def load(worker, line):
        while not stop.is_set() and not failed[worker]:
            try:
                assert line.call("calc.get")[0]["status"] == 200
                done[worker] += 1
            except Exception:
                failed[worker] += 1

    threads = [threading.Thread(target=load, args=one) for one in lines.items()]
    for thread in threads:
        thread.start()
    try:
        until(lambda: all(count > 20 for count in done.values()))
        os.kill(dying, signal.SIGKILL)
        until(lambda: sum(failed.values()))
        reached = dict(done)
        until(lambda: all(done[one] > reached[one] + 20 for one in done if not failed[one]))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert sorted(failed.values()) == [0, 1]

    rows = until(lambda: len(rows := gate.status()["workers"]) == 2 and rows)
    assert dying not in [one["pid"] for one in rows]
    assert second in [one["pid"] for one in rows]
    assert gate.status()["restarts"] == 1
    assert "signal SIGKILL" in gate.log
    after = gate.metrics()
    backwards = [key for key, value in before.items() if "_total" in key[0] and after[key] < value]
    assert backwards == []
    # Another one asks the services now, and the new one hears it.
    assert [one["asks"] for one in rows].count(True) == 1
    upstream.names.append("get_new")
    gate.told("POST", "/-/refresh")
    assert all("result" in line.call("calc.get_new")[0] for line in gate.lines())
    assert len({one["catalog"] for one in gate.status()["workers"]}) == 1


def test_a_new_worker_knows_what_was_switched_and_whose_cookies_there_are_before_it_began(gate_at, upstream):
    gate = gate_at()
    gate.line().ask("GET", "/calc/login")
    gate.told("POST", "/-/switches", {"cache": "off", "cordon": {"calc": True}})
    second = gate.pids()[1]
    os.kill(second, signal.SIGKILL)
    until(lambda: len(pids := gate.pids()) == 2 and second not in pids)
    for line in gate.lines():
        assert line.call("calc.get")[0]["error"]["data"]["fault"] == "Unavailable"
        line.ask("GET", "/page", Cookie="session=1")
        assert upstream.cookies[-1] == ("/page", None), "it is the other service's"
    for operator in gate.lines(address=gate.operator):
        assert b'"cache": "off"' in operator.ask("GET", "/-/switches")[2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_calls_under_way_at_every_worker_are_answered_before_it_ends(gate_at, upstream, number):
    gate = gate_at()
    workers = children(gate.pid)
    answers = []
    threads = [
        threading.Thread(target=lambda line=line: answers.append(line.call("calc.work")[0]))
        for line in gate.lines()
    ]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert upstream.started.acquire(timeout=20)
    gate.signal(number)
    host, port = gate.address.split(":")
    until(lambda: refused(host, int(port)))
    upstream.release.set()
    for thread in threads:
        thread.join(20)
    assert [one["result"] for one in answers] == ["done", "done"]
    assert gate.wait() == 0
    assert not any(map(alive, workers))


def refused(host, port):
    with socket.socket() as one:
        return one.connect_ex((host, port)) != 0


def test_when_the_supervisor_is_killed_the_workers_end_too(gate_at):
    gate = gate_at()
    workers = children(gate.pid)
    assert len(workers) == 2
    gate.signal(signal.SIGKILL)
    gate.wait()
    until(lambda: not any(map(alive, workers)))


def test_one_worker_alone_has_no_supervisor(gate_at):
    gate = gate_at(workers=1)
    assert gate.pids() == [gate.pid]
    assert children(gate.pid) == []
    gate.signal(signal.SIGTERM)
    assert gate.wait() == 0


def test_a_port_that_is_taken_is_said_once_and_no_worker_is_started(tmp_path, upstream):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert failed_gate(tmp_path, upstream, operator=port) == [
            f"labgated serve: cannot listen at 127.0.0.1:{port}: address already in use"
        ]


def failed_gate(folder, upstream, **options):
    """What a gate writes to stderr that does not come to take calls."""
    gate = Gate(folder, upstream, **options)
    try:
        assert (gate.ready, gate.wait()) == ("", 1)
        return gate.log.splitlines()
    finally:
        gate.kill()


def test_what_keeps_every_worker_from_beginning_is_said_once(tmp_path, upstream):
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o777)
    lines = failed_gate(tmp_path, upstream, workers=3)
    text = f"others can write in the state folder {state}, and so make tokens: run `chmod 700 {state}`"
    assert [line for line in lines if text in line] == [f"labgated serve: {text}"]


def test_settings_that_cannot_be_used_are_refused_before_anything_is_started(tmp_path, upstream):
    lines = failed_gate(tmp_path, upstream, more="limits: {body: some}\n")
    assert sum("limits.body" in line for line in lines) == 1
    assert not any("worker 1" in line for line in lines)


@pytest.mark.parametrize("lost", ["channel", "tether"])
def test_a_worker_ends_when_it_loses_its_supervisor_while_it_begins(lost):
    near, far = socket.socketpair()
    reading, writing = os.pipe()
    with far:
        command = [*PYTHON, "serve", "--worker", f"{far.fileno()},{reading}"]
        child = subprocess.Popen(command, pass_fds=[far.fileno(), reading], env=ENVIRON)
    os.close(reading)
    with near:
        assert b'"hello"' in near.recv(1000)
        if lost == "channel":
            near.close()
            assert child.wait(30) == 1
            os.close(writing)
        else:
            os.close(writing)
            assert child.wait(30) == 1
