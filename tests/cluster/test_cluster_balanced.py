"""Two gates of two workers behind HAProxy and before Redis are one gate to those who call, whatever ends or begins."""

import json
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

from cluster_lab import CONFIG, NAMES, Line, Load, until


def test_haproxy_finds_nothing_wrong_with_its_settings(cluster):
    done = subprocess.run(
        [cluster.balancer.program, "-c", "-f", str(CONFIG / "haproxy.cfg")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_calls_come_to_every_worker_of_both_gates(cluster):
    found = set()

    def one_more(_):
        line = fresh(cluster)
        found.add(line.worker())
        line.close()

    def answered():
        with ThreadPoolExecutor(8) as pool:
            assert len(list(pool.map(one_more, range(8)))) == 8
        return len(found) == 4

    until(answered)


def fresh(cluster):
    """A new connection; who made it drops it."""
    return Line(cluster.balancer.address, cluster.token)


def test_a_websocket_goes_through(cluster):
    host, _, port = cluster.balancer.address.rpartition(":")
    fields = {
        "Host": cluster.balancer.address,
        "Authorization": f"Bearer {cluster.token}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    head = "GET /pages/socket HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as line, line.makefile("rwb") as file:
        file.write(head.encode())
        file.flush()
        assert file.readline().startswith(b"HTTP/1.1 101 ")
        while file.readline().strip():
            pass
        for frame in (b"\x81\x85\x00\x00\x00\x00hello", b"\x81\x85\x00\x00\x00\x00again"):
            file.write(frame)
            file.flush()
            assert file.read(len(frame)) == frame


def test_a_purge_at_one_gate_is_effective_at_the_other_under_load(cluster):
    with Load(cluster) as load, cluster.line("one") as one, cluster.line("two") as two:
        load.goes_on()
        for _ in range(3):
            value = one.call("lab.put", "purge")
            assert one.call("lab.get") >= value, "on the host itself at once"
            until(lambda value=value: two.call("lab.get") >= value)
            assert two.call("lab.get") >= value, "and it stays so"
    assert load.failures == []


def test_a_token_revoked_at_one_gate_is_refused_by_every_worker(cluster):
    one = cluster.gates["one"]
    lost = one.command("token", "create", "--subject", "bob", "--group", "lab")
    lines = [Line(cluster.balancer.address, lost) for _ in range(8)]
    assert [line.call("lab.get") for line in lines]
    (row,) = [each for each in json.loads(one.command("token", "list", "--json")) if each["subject"] == "bob"]
    told = one.command("token", "revoke", row["id"]).splitlines()[1:]
    assert [line.endswith(" has heard") for line in told] == [True] * 4, told
    for line in lines:
        until(lambda line=line: line.ask("GET", "/openrpc.json")[0] == 401)
        line.close()


def test_what_callers_say_of_themselves_is_not_believed(cluster):
    with cluster.line() as line:
        request = {
            "X-Forwarded-Host": "elsewhere.example",
            "X-Forwarded-For": "10.9.8.7",
            "Forwarded": "host=x",
        }
        line.fields.update(request)
        assert line.call("lab.get") >= 0
        status, _, body = line.ask("GET", "/openrpc.json")
    assert status == 200
    assert b"elsewhere.example" not in body


def test_a_gate_that_dies_in_the_middle_of_batches_doubles_no_write_and_hides_no_loss(cluster):
    cluster.service.pause = 0.02
    names = [[f"batch-{n}-{i}" for i in range(40)] for n in range(6)]
    with ThreadPoolExecutor(len(names)) as pool:
        batches = [pool.submit(batch, cluster, each) for each in names]
        until(lambda: cluster.service.at_work >= 2)
        cluster.gates["one"].kill()
        outcomes = [each.result() for each in batches]
    with cluster.line() as line:  # the other one goes on, whether HAProxy has noticed or not
        for i in range(8):
            line.call("lab.put", f"after-{i}")
    cluster.gates["one"].start()
    cluster.gates["one"].wait_until_ready()
    until(lambda: cluster.service.at_work == 0)
    written = cluster.service.written
    for each, answers in zip(names, outcomes, strict=True):
        assert all(written[name] <= 1 for name in each), "nothing was done twice"
        if answers is not None:
            assert all("result" in one for one in answers), answers
            assert all(written[name] == 1 for name in each), "what was answered was done"
    assert [written[f"after-{i}"] for i in range(8)] == [1] * 8
    assert any(answers is None for answers in outcomes), "some were at the gate that died"
    assert any(answers is not None for answers in outcomes), "and some at the other"


def batch(cluster, names):
    """The answers to a batch of writes, None where its caller is told that there is none."""
    calls = [
        {"jsonrpc": "2.0", "id": i, "method": "lab.put", "params": [name]} for i, name in enumerate(names)
    ]
    line = fresh(cluster)
    try:
        status, _, body = line.ask("POST", "/rpc", calls)
    except (OSError, HTTPException):
        return None
    finally:
        line.close()
    assert status in (200, 502), (status, body)
    return json.loads(body) if status == 200 else None


def test_a_rolling_restart_under_load_loses_no_call_and_doubles_no_write(cluster):
    with Load(cluster) as load:
        load.goes_on()
        for name in NAMES:
            gate = cluster.gates[name]
            assert gate.stop() == 0, gate.log
            load.goes_on(50)
            gate.start()
            gate.wait_until_ready()
            until(lambda: cluster.balancer.up() == set(NAMES))
            load.goes_on(50)
    assert load.failures == []
    assert load.kept() == load.sent


def test_a_gate_that_is_told_to_end_is_not_ready_before_it_takes_no_more_calls(cluster):
    gate = cluster.gates["two"]
    ended = threading.Thread(target=gate.stop)
    with cluster.line("two") as line:
        assert line.ask("GET", "/-/ready")[0] == 200
        ended.start()
        until(lambda: line.ask("GET", "/-/ready")[0] == 503)
        assert line.ask("GET", "/-/healthy")[0] == 200
        assert line.call("lab.put", "late") > 0
    until(lambda: cluster.balancer.up() == {"one"})
    ended.join()
    gate.start()
    gate.wait_until_ready()


def test_haproxy_has_numbers_for_prometheus(cluster):
    with urllib.request.urlopen(f"http://{cluster.balancer.numbers}/metrics", timeout=60) as response:
        assert b'haproxy_server_status{proxy="gates",server="one",state="UP"} 1' in response.read()
