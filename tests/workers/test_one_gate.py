"""Laws of several workers that are one gate: whatever is said to one of them holds for all."""

import json
import subprocess

import pytest
from working_gates import ENVIRON, PYTHON, children, until


def test_all_workers_answer_and_none_of_them_is_the_supervisor(gate):
    before = {one["pid"]: one["calls"] for one in gate.status()["workers"]}
    for line in gate.lines():
        answer, _ = line.call("calc.get")
        assert "result" in answer, answer
    rows = gate.status()["workers"]
    assert [one["worker"] for one in rows] == [1, 2]
    assert {one["pid"]: one["calls"] - before[one["pid"]] for one in rows} == dict.fromkeys(before, 1)
    assert all(one["memory"] > 1 << 20 and one["connections"] >= 0 for one in rows)
    assert sorted(before) == sorted(children(gate.pid))
    assert [one["asks"] for one in rows].count(True) == 1


def test_a_key_that_all_found_missing_at_once_is_the_same_key(gate):
    # The state folder was empty when they started, and the token was made after that.
    assert [line.call("calc.get")[0]["status"] for line in gate.lines()] == [200, 200]
    assert len(list((gate.folder / "state").glob("signing-key*"))) == 1


def test_the_status_and_the_metrics_are_sums_over_all(gate):
    labels = (("method", "calc.get"), ("outcome", "hit"), ("service", "calc"))
    lines = gate.lines()
    for line in lines:
        line.call("calc.get")
    before, status = gate.metrics(), gate.status()
    for line in lines:
        for _ in range(5):
            assert line.call("calc.get")[0]["status"] == 200
    after = gate.metrics()
    assert after["labgate_calls_total", *labels] == before["labgate_calls_total", *labels] + 10
    for name in ("labgate_call_duration_seconds_count", "labgate_requests_received_total"):
        found = [sum(value for key, value in one.items() if key[0] == name) for one in (before, after)]
        assert found[1] >= found[0] + 10, name
    assert gate.status()["cache"]["calls"]["hit"] == status["cache"]["calls"]["hit"] + 10
    assert after["labgate_service_up", ("service", "calc")] == 1
    assert after["labgate_switch", ("switch", "cache")] == 1
    assert {key for key in after if key[0] == "labgate_worker_memory_bytes"} == {
        ("labgate_worker_memory_bytes", ("worker", number)) for number in "12"
    }


def test_the_times_of_methods_are_of_all_workers_whichever_is_asked(gate):
    lines, operators = gate.lines(), gate.lines(address=gate.operator)

    def told():
        said = [json.loads(one.ask("GET", "/-/methods?find=calc.get&since=900")[2]) for one in operators]
        return [{row["method"]: row["calls"] for row in one["rows"]}.get("calc.get", 0) for one in said]

    before = told()
    for line in lines:
        for _ in range(5):
            assert line.call("calc.get")[0]["status"] == 200
    assert told() == [count + 10 for count in before]


def test_a_switch_is_so_everywhere_before_it_is_answered(gate):
    lines, operators = gate.lines(), gate.lines(address=gate.operator)
    for line in lines:
        line.call("calc.get")
    for operator in operators:
        for state, word in (("off", "switched off"), ("on", "hit")):
            assert operator.ask("POST", "/-/switches", {"cache": state})[0] == 200
            for line in lines:
                assert word in line.call("calc.get")[1]["Cache-Status"]
        for out, status in ((True, "Unavailable"), (False, None)):
            assert operator.ask("POST", "/-/switches", {"cordon": {"calc": out}})[0] == 200
            for line in lines:
                answer, _ = line.call("calc.get")
                assert answer.get("error", {}).get("data", {}).get("fault") == status
            for other in operators:
                assert (b'"calc": true' in other.ask("GET", "/-/switches")[2]) is out


def test_what_is_purged_at_one_worker_serves_at_none_any_more(gate):
    lines = gate.lines()
    for operator in gate.lines(address=gate.operator):
        for line in lines:
            line.call("calc.get")
            assert "; hit" in line.call("calc.get")[1]["Cache-Status"]
        assert operator.ask("POST", "/-/cache/purge", {"service": "calc"})[0] == 200
        for line in lines:
            assert "fwd=" in line.call("calc.get")[1]["Cache-Status"]


@pytest.mark.parametrize(("name", "opaque"), [("bob", False), ("robot", True)])
def test_a_token_that_was_revoked_is_refused_by_all(gate, name, opaque):
    token = gate.token_for(name, "lab", opaque=opaque)
    lines = gate.lines(token)
    for _ in range(3):
        assert [line.call("calc.get")[0]["status"] for line in lines] == [200, 200]
    listed = subprocess.run(
        [*PYTHON, "token", "list", "--config", str(gate.file)],
        capture_output=True, text=True, check=True, env=ENVIRON,
    ).stdout  # fmt: skip
    (row,) = [one for one in listed.splitlines() if name in one]
    revoke = [*PYTHON, "token", "revoke", row.split()[0], "--config", str(gate.file)]
    subprocess.run(revoke, capture_output=True, check=True, env=ENVIRON)
    for line in lines:
        until(lambda line=line: line.call("calc.get")[0]["status"] == 401, 5.0)


def test_only_one_worker_asks_the_services_and_all_advertise_the_same(gate, upstream):
    before = upstream.calls["system.describe"]
    lines, operators = gate.lines(), gate.lines(address=gate.operator)
    versions = set()
    for number, operator in enumerate(operators):
        upstream.names.append(f"get_more_{number}")
        status, _, told = operator.ask("POST", "/-/refresh?service=calc")
        assert (status, f"calc.get_more_{number}".encode() in told) == (200, True)
        # Whoever was asked, both know.
        assert all("result" in line.call(f"calc.get_more_{number}")[0] for line in lines)
        found = {line.ask("GET", "/openrpc.json")[1]["Labgate-Catalog"] for line in lines}
        assert len(found) == 1
        versions |= found
    assert len(versions) == 2
    assert upstream.calls["system.describe"] == before + 2
    assert len({one["catalog"] for one in gate.status()["workers"]}) == 1


def test_a_service_that_does_not_exist_is_refused_by_each(gate):
    for operator in gate.lines(address=gate.operator):
        assert operator.ask("POST", "/-/refresh?service=nobody")[0] == 400


def test_a_cookie_that_one_service_has_set_goes_to_no_other_through_any_worker(gate, upstream):
    one, other = gate.lines()
    one.ask("GET", "/calc/login")
    until(lambda: _cookie(upstream, other, "/calc/x") and not _cookie(upstream, other, "/y"))
    assert _cookie(upstream, one, "/calc/x")
    assert not _cookie(upstream, one, "/y")


def _cookie(upstream, line, path):
    line.ask("GET", path, Cookie="session=1")
    return upstream.cookies[-1][1]


def test_the_status_command_shows_the_workers(gate):
    command = [*PYTHON, "status", "--url", f"http://{gate.operator}", "--token", gate.token]
    out = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRON).stdout
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert rows["WORKER"] == ["WORKER", "PID", "UP", "CALLS", "CONNECTIONS", "MEMORY"]
    assert {int(one) for line in out.splitlines() for one in line.split() if one.isdigit()} >= set(
        gate.pids()
    )
    assert out.count("(asks)") == 1


def test_the_same_traffic_gets_the_same_answers_and_counts_from_one_worker_and_from_two(gate_at):
    told, counted = [], []
    for workers in (1, 2):
        gate = gate_at(workers=workers)
        lines, before = gate.lines(workers=workers), gate.metrics()
        told.append([answered(lines[at % workers], *one) for at, one in enumerate(TRAFFIC * 2)])
        after = gate.metrics()
        counted.append(
            {key: after[key] - before.get(key, 0) for key in after if key[0] in COUNTED and key in after}
        )
        gate.kill()
    assert told[0] == told[1]
    assert counted[0] == counted[1]
    assert sum(counted[0].values()) > 10


def test_what_one_worker_stored_on_the_disk_another_one_answers_with(gate_at):
    gate = gate_at(more="cache: {disk: {size: 64MiB}}\n")
    one, other = gate.lines()
    first, _ = one.call("calc.get")
    until(lambda: gate.status()["cache"]["tiers"]["disk"]["entries"] == 1)
    second, fields = other.call("calc.get")
    assert second["result"] == first["result"]
    assert "; hit" in fields["Cache-Status"]
    # Both workers count what they asked of it, and what it holds is one disk's.
    disk = gate.status()["cache"]["tiers"]["disk"]
    assert (disk["entries"], disk["limit"], disk["hits"], disk["stored"]) == (1, 64 << 20, 1, 1)
    assert gate.metrics()["labgate_disk_entries",] == 1
    assert gate.told("POST", "/-/cache/purge", {"service": "calc"})["count"] >= 1
    assert other.call("calc.get")[0]["result"] == first["result"] + 1


COUNTED = ("labgate_calls_total", "labgate_requests_total", "labgate_mount_bytes_total")
CALL = {"jsonrpc": "2.0", "id": 1}
TRAFFIC = [
    ("POST", "/rpc", CALL | {"method": "calc.nothing"}, {}),
    ("POST", "/rpc", CALL | {"method": "nobody.get"}, {}),
    ("POST", "/rpc", [CALL | {"method": "calc.none"}, 7, CALL | {"method": "rpc.discover"}], {}),
    ("POST", "/rpc", {"no": "call"}, {}),
    ("POST", "/rpc", CALL, {"Content-Type": "text/plain"}),
    ("GET", "/calc/page", None, {}),
    ("GET", "/calc/page?x=1", None, {"X-Other": "a"}),
    ("POST", "/calc/api", CALL | {"method": "nothing"}, {}),
    ("GET", "/-/ready", None, {}),
    ("GET", "/openrpc.json", None, {}),
    ("GET", "/rpc/calc.none", None, {}),
    ("GET", "/../x", None, {}),
    ("GET", "/openrpc.json", None, {"Authorization": "Bearer nonsense"}),
]
OWN = {"date", "x-request-id", "server-timing", "age", "www-authenticate"}


def answered(line, verb, path, body, fields):
    """What a caller got, but for what is of each answer its own."""
    status, headers, text = line.ask(verb, path, body, **fields)
    own = headers["X-Request-Id"]
    kept = [(name, value) for name, value in headers.items() if name.lower() not in OWN]
    return status, kept, text.replace(own.encode(), b"ID") if own else text


DEAD = "http://127.0.0.1:9"
PAIR = '  pair: {{dialect: listed, url: ["{url}", "{dead}"], mount: /pair, health: {{path: /well, every: 0.2s}}}}\n'


def test_what_the_health_checks_of_one_worker_find_all_know(gate_at, upstream):
    gate = gate_at(workers=2, more=PAIR.format(url=upstream.url, dead=DEAD))

    def up(replica):
        key = ("labgate_upstream_replica_up", ("replica", replica), ("service", "pair"))
        return gate.metrics().get(key)

    until(lambda: (up(upstream.url), up(DEAD)) == (2.0, 0.0))
    assert any(path == "/well" for path, _ in upstream.cookies)
