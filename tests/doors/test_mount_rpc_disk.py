"""JSON-RPC through a mount: what one gate has stored on the disk answers at another one, around the caller's own id."""

import json

import pytest
from mounted_labs import RPC, Calc, call
from mounting import as_json, until

DISK = "cache: {disk: {size: 64MiB}}\n"
FROM_DISK = '; detail="disk"'


class Telling(Calc):
    """Answers `get` with a text."""

    text = "x"

    async def __call__(self, asked):
        said = json.loads(asked.body)
        if isinstance(said, dict) and said.get("method") == "get":
            return as_json({"jsonrpc": "2.0", "id": said["id"], "result": self.text})
        return await super().__call__(asked)


@pytest.fixture
async def lab(stand):
    """The service, the upstream that it is, and two gates on one state folder with a caller each."""
    up, service, gates, callers = await stand.upstream(), Telling(), [], []
    up.on("/api", service)
    for _ in range(2):
        await stand.gate(DISK + RPC.format(url=up.url))
        gates.append(stand.running)
        callers.append(stand.caller("lab"))
    up.asked.clear()
    return service, up, gates, callers


async def asked_and_stored(gates, caller):
    """The first gate has asked, and the disk has the reply; the second one looks there."""
    one, other = gates
    answer = await caller.rpc("/calc/api", call("get", 1, token="first"))
    await one.shelves.settle()
    await until(lambda: other.relay.store.reaches("calc"))
    return answer


@pytest.mark.parametrize("size", [1, 300_000, 3_000_000])
async def test_another_gate_answers_from_the_disk_with_the_callers_own_id(lab, size):
    service, up, gates, (ada, bob) = lab
    service.text = "x" * size
    first = await asked_and_stored(gates, ada)
    for turn, token in enumerate((7, "ü", 0)):
        answer = await bob.rpc("/calc/api", call("get", 1, token=token))
        assert answer.hit
        assert answer.body == first.body.replace(b'"first"', json.dumps(token).encode())
        assert (FROM_DISK in answer["Cache-Status"]) == (turn == 0 or size > 1 << 20)
    assert len(up.asked) == 1


async def test_what_a_write_through_one_gate_has_ended_comes_off_the_disk_at_no_other(lab):
    service, up, gates, (ada, bob) = lab
    await asked_and_stored(gates, ada)
    service.text = "new"
    await ada.rpc("/calc/api", call("set"))
    answer = await bob.rpc("/calc/api", call("get", 1))
    assert (answer.hit, json.loads(answer.body)["result"]) == (False, "new")
    assert len(up.asked) == 3


async def test_who_wants_it_from_the_service_gets_it_from_there(lab):
    service, up, gates, (ada, bob) = lab
    await asked_and_stored(gates, ada)
    service.text = "new"
    answer = await bob.rpc("/calc/api", call("get", 1), "Cache-Control: no-cache")
    assert (answer.hit, json.loads(answer.body)["result"]) == (False, "new")
    assert len(up.asked) == 2
