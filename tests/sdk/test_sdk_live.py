"""What becomes of a live client where there is nobody who tells it anything; with a real gate: tests/doors/test_live.py."""

import pytest

import labgate
from tests.sdk.conftest import Gate

pytestmark = pytest.mark.timeout(120)


def test_a_gate_without_websockets_is_asked_once_and_calls_go_on(gate: Gate) -> None:
    gate.add("runs.get", 7)
    lab = labgate.connect(gate.url)
    live = labgate.watch(lab)
    live._thread.join()
    assert not live.running
    assert not live.connected
    assert "unasked" in repr(live)
    assert lab.runs.get() == 7
    assert [target for verb, target, _, _ in gate.requests if verb == "GET" and target == "/rpc"] == ["/rpc"]


def test_only_a_client_can_be_watched() -> None:
    with pytest.raises(TypeError):
        labgate.watch(None)  # type: ignore[arg-type]


def test_what_is_no_function_is_not_told_of_changes(gate: Gate) -> None:
    with pytest.raises(TypeError, match="on_change is a function, and no int"):
        labgate.watch(labgate.connect(gate.url), 3)  # type: ignore[call-overload]
