"""What an operator says of a service at one gate holds at the other, and is told when Redis was away."""

import json
import urllib.request

from cluster_lab import NAMES, PATIENCE, until


def say(cluster, name, state):
    """Have the service in this state, by the operator's door of this gate."""
    said = json.dumps(
        {"service": "lab", "state": state, "message": "new disks" if state == "drained" else ""}
    )
    fields = {"Authorization": f"Bearer {cluster.token}", "Content-Type": "application/json"}
    request = urllib.request.Request(
        f"http://127.0.0.1:{cluster.gates[name].operator}/-/services", said.encode(), fields, method="POST"
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return json.loads(response.read())


def refused(cluster, name):
    """What every worker of the gate says to a write, None where it is made."""
    with cluster.line(name) as line:
        called = {"jsonrpc": "2.0", "id": 1, "method": "lab.put", "params": ["drains"]}
        _, _, body = line.ask("POST", "/rpc", called)
        return json.loads(body).get("error", {}).get("message")


def everywhere(cluster, wanted):
    """Whether some calls at each gate all end as they are to."""
    return all(wanted(refused(cluster, name)) for name in NAMES for _ in range(4))


def test_a_service_that_is_drained_at_one_gate_is_at_the_other_and_takes_calls_again_when_that_says_so(
    cluster,
):
    until(cluster.agreed)
    say(cluster, "one", "drained")
    until(lambda: everywhere(cluster, lambda said: said is not None and "new disks" in said))
    say(cluster, "two", "enabled")
    until(lambda: everywhere(cluster, lambda said: said is None))


def test_what_was_said_while_redis_was_away_is_told_when_it_is_back(cluster):
    until(cluster.agreed)
    cluster.redis.kill()
    until(lambda: not cluster.gates["two"].status(cluster.token)["cache"]["tiers"]["redis"]["connected"])
    say(cluster, "one", "drained")
    assert refused(cluster, "two") is None
    cluster.redis.start()
    until(lambda: everywhere(cluster, lambda said: said is not None))
    say(cluster, "one", "enabled")
    until(lambda: everywhere(cluster, lambda said: said is None))
